//! Servers on the loopback that record requests and answer as a test defines: an HTTP server and a proxy.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(unreachable_pub, reason = "a module of several test targets, none of which exports it")]
#![allow(dead_code, reason = "each test target uses its own part of this")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A received request.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    pub target: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(sent, _)| sent == name).map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// A reply, and the speed of sending it.
pub struct Answer {
    pub bytes: Vec<u8>,
    /// The pause between two bytes.
    pub pace: Option<Duration>,
}

impl Answer {
    pub fn json(body: impl std::fmt::Display) -> Self {
        Self::text(200, body)
    }

    pub fn text(status: u16, body: impl std::fmt::Display) -> Self {
        let body = body.to_string();
        let head =
            format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
        Self { bytes: (head + &body).into_bytes(), pace: None }
    }
}

/// An HTTP server that ends with the process of the test.
pub struct Http {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Http {
    /// Starts a server that answers every request with the result of `answer`. For `None`, it sends no answer.
    pub fn start(answer: impl Fn(&Request) -> Option<Answer> + Send + Sync + 'static) -> Self {
        let requests: Arc<Mutex<Vec<Request>>> = Arc::default();
        let kept = requests.clone();
        let address = listen(move |mut stream| {
            let Some(request) = read(&mut stream) else { return };
            kept.lock().unwrap().push(request.clone());
            match answer(&request) {
                Some(answer) => send(&mut stream, &answer),
                None => std::thread::sleep(Duration::from_secs(30)),
            }
        });
        Self { address, requests }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn host(&self) -> String {
        self.address.to_string()
    }

    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

/// A proxy that connects every `CONNECT` to one address.
pub struct Proxy {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Proxy {
    pub fn to(target: SocketAddr) -> Self {
        let requests: Arc<Mutex<Vec<Request>>> = Arc::default();
        let kept = requests.clone();
        let address = listen(move |mut stream| {
            let Some(request) = read(&mut stream) else { return };
            kept.lock().unwrap().push(request);
            let Ok(mut server) = TcpStream::connect(target) else { return };
            stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").unwrap();
            let (mut up, mut down) = (stream.try_clone().unwrap(), server.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut up, &mut down));
            // The connection ends when one side closes it.
            let _ = std::io::copy(&mut server, &mut stream);
        });
        Self { address, requests }
    }

    pub fn host(&self) -> String {
        self.address.to_string()
    }

    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

/// Returns the Unix timestamp that is this number of seconds from now.
pub fn in_seconds(seconds: u64) -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + seconds
}

fn listen(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let serve = Arc::new(serve);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let serve = serve.clone();
            std::thread::spawn(move || serve(stream));
        }
    });
    address
}

fn read(stream: &mut TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let len = headers.iter().find(|(name, _)| name == "content-length");
    let mut body = vec![0; len.map_or(0, |(_, len)| len.parse().unwrap())];
    reader.read_exact(&mut body).ok()?;
    Some(Request { method, target, headers, body })
}

fn send(stream: &mut TcpStream, answer: &Answer) {
    match answer.pace {
        None => drop(stream.write_all(&answer.bytes)),
        Some(pace) => {
            for byte in &answer.bytes {
                // A slow answer can exceed the deadline of the client. The client then closes the connection.
                if stream.write_all(&[*byte]).is_err() {
                    return;
                }
                std::thread::sleep(pace);
            }
        }
    }
}
