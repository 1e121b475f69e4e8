//! The connections: one thread, HTTP/1.1, and TLS if requested. The replies are made in `service`.

use std::convert::Infallible;
use std::io::{self, Write};
use std::mem;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::{CONTENT_TYPE, DATE, HeaderValue, LOCATION};
use hyper::rt::{Read, Write as WriteHalf};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::Value;
use tokio::runtime;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::refusal::{self, Refusal};
use super::reply::{self, Reply};
use super::{Request, Shared, service};

const MOST_CONNECTIONS: usize = 128;
const LONGEST_BODY: usize = 10 * 1024 * 1024;
/// The time limit for a handshake, a head or a body.
const PATIENCE: Duration = Duration::from_secs(30);

/// The server's thread. Dropping it stops the thread and waits for it.
pub(super) struct Server {
    address: SocketAddr,
    stop: Option<oneshot::Sender<Infallible>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub(super) fn start(port: u16, tls: Option<TlsAcceptor>, shared: Shared) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let thread = thread::Builder::new().name("tencent-kms-stand-in".to_owned()).spawn(move || {
            runtime.spawn(accept(listener, tls, shared));
            // This ends when the handle is dropped, because the sender is dropped with it.
            let _ = runtime.block_on(stopped);
            // Dropping the runtime here ends every connection, even one that waits.
        })?;
        Ok(Self { address, stop: Some(stop), thread: Some(thread) })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of that thread has been printed. A second panic during the drop would hide it.
            let _ = thread.join();
        }
    }
}

async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, shared: Shared) -> io::Result<Infallible> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let free = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    loop {
        let place = Arc::clone(&free).acquire_owned().await.map_err(io::Error::other)?;
        // The most likely failure is a client that disconnected before it was accepted.
        let Ok((stream, _)) = listener.accept().await else { continue };
        let (tls, shared) = (tls.clone(), shared.clone());
        tokio::spawn(async move {
            // A client may disconnect or distrust the certificate, and a reply may close the connection. No test fails
            // here.
            let _ = connection(stream, tls, shared).await;
            drop(place);
        });
    }
}

async fn connection(
    stream: tokio::net::TcpStream,
    tls: Option<TlsAcceptor>,
    shared: Shared,
) -> io::Result<()> {
    // The second handle sends bytes that no HTTP library can send.
    let stream = stream.into_std()?;
    let wire = stream.try_clone()?;
    let stream = tokio::net::TcpStream::from_std(stream)?;
    match tls {
        Some(tls) => {
            let stream = timeout(PATIENCE, tls.accept(stream)).await??;
            serve(TokioIo::new(stream), wire, shared).await
        }
        None => serve(TokioIo::new(stream), wire, shared).await,
    }
}

async fn serve<S>(stream: S, wire: TcpStream, shared: Shared) -> io::Result<()>
where
    S: Read + WriteHalf + Unpin,
{
    let wire = &wire;
    let shared = &shared;
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .serve_connection(stream, service_fn(|request| respond(request, wire, shared)))
        .await
        .map_err(io::Error::other)
}

type Response = hyper::Response<Content>;

/// Answers one request. An error closes the connection without an answer.
async fn respond(
    request: hyper::Request<Incoming>,
    wire: &TcpStream,
    shared: &Shared,
) -> io::Result<Response> {
    let mut response = match receive(request).await? {
        Some(request) => meet(request, wire, shared).await?,
        None => json(&Refusal::RequestSizeLimitExceeded.into_json(None)),
    };
    let date = UNIX_EPOCH + Duration::from_secs(now(shared).try_into().unwrap_or_default());
    let date = HeaderValue::try_from(httpdate::fmt_http_date(date)).expect("a date is plain text");
    response.headers_mut().insert(DATE, date);
    Ok(response)
}

/// Reads a complete request. Returns `None` if the body is too long or incomplete.
async fn receive(request: hyper::Request<Incoming>) -> io::Result<Option<Request>> {
    let (head, body) = request.into_parts();
    let Ok(body) = timeout(PATIENCE, Limited::new(body, LONGEST_BODY).collect()).await? else {
        return Ok(None);
    };
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = head.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    let query = head.uri.query().unwrap_or_default();
    let body = body.to_bytes().into();
    Ok(Some(Request::new(head.method.as_str(), head.uri.path(), query, headers, body)))
}

/// Answers a request as scripted, or else like the service.
async fn meet(request: Request, mut wire: &TcpStream, shared: &Shared) -> io::Result<Response> {
    let reply = shared.lock().arrived(request.clone());
    let answer = || {
        let now = now(shared);
        service::answer(&mut shared.lock(), &request, now)
    };
    let edited = |edit: Box<dyn FnOnce(&mut Value) + Send>| {
        let mut answer = answer();
        edit(&mut answer);
        json(&answer)
    };

    Ok(match reply {
        None => json(&answer()),
        Some(Reply::Delay(time)) => {
            tokio::time::sleep(time).await;
            json(&answer())
        }
        Some(Reply::Edit(edit)) => edited(edit),
        Some(Reply::WrongKeyId) => edited(Box::new(reply::wrong_key_id)),
        Some(Reply::WrongLength) => edited(Box::new(reply::wrong_length)),
        Some(Reply::Error { code, message }) => json(&refusal::error(&code, &message)),
        Some(Reply::Raw { status, content_type, body }) => with(status, &content_type, Content::whole(body)),
        Some(Reply::Status(status)) => {
            let page = format!("<html><head><title>{status}</title></head><body>stand-in</body></html>");
            with(status, "text/html", Content::whole(page))
        }
        Some(Reply::Redirect(to)) => {
            let mut response = with(307, "text/html", Content::whole(""));
            response.headers_mut().insert(LOCATION, to.try_into().expect("an address fits in a header"));
            response
        }
        Some(Reply::Oversized(length)) => {
            let body = Content { length: None, ..Content::whole(reply::oversized(length)) };
            with(200, "application/json", body)
        }
        Some(Reply::HalfBody) => json(&answer()).map(Content::half),
        Some(Reply::Close) => return Err(io::ErrorKind::ConnectionAborted.into()),
        Some(Reply::Garbage) => {
            wire.write_all(b"\x00\xffthis is not HTTP\r\n\r\n")?;
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
    })
}

/// Returns the time of the stand-in in Unix seconds.
fn now(shared: &Shared) -> i64 {
    let true_time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    true_time.cast_signed() + shared.lock().clock_offset
}

fn json(answer: &Value) -> Response {
    with(200, "application/json", Content::whole(answer.to_string()))
}

fn with(status: u16, content_type: &str, body: Content) -> Response {
    hyper::Response::builder()
        .status(status)
        .header(CONTENT_TYPE, content_type)
        .body(body)
        .expect("a scripted status and content type are well-formed")
}

/// A body that can be shorter than its announced length.
struct Content {
    rest: Bytes,
    /// The value of `Content-Length`. Without it, the body is sent in chunks.
    length: Option<u64>,
    end: End,
}

enum End {
    Proper,
    /// The buffered bytes are sent before the connection breaks.
    Flush,
    BreakOff,
}

impl Content {
    fn whole(body: impl Into<Vec<u8>>) -> Self {
        let rest = Bytes::from(body.into());
        Self { length: Some(rest.len() as u64), rest, end: End::Proper }
    }

    fn half(mut self) -> Self {
        self.rest.truncate(self.rest.len() / 2);
        Self { end: End::Flush, ..self }
    }
}

impl Body for Content {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if !self.rest.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(mem::take(&mut self.rest)))));
        }
        match self.end {
            End::Proper => Poll::Ready(None),
            End::Flush => {
                self.end = End::BreakOff;
                context.waker().wake_by_ref();
                Poll::Pending
            }
            End::BreakOff => Poll::Ready(Some(Err(io::ErrorKind::ConnectionAborted.into()))),
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
