//! A stand-in for Tencent Cloud KMS: a real HTTP server on the loopback with real signatures and real
//! encryption, written from the service's documentation alone.
//!
//! ```
//! use envconf_test_support::{Reply, StandIn};
//!
//! let kms = StandIn::start();
//! kms.next(Reply::Status(502)); // the first request meets a broken gateway, the second a working service
//! assert!(kms.endpoint().starts_with("http://127.0.0.1:"));
//! assert!(kms.requests().is_empty());
//! ```
//!
//! The stand-in answers `GenerateDataKey`, `Encrypt`, `Decrypt` and `ReEncrypt`, creates, lists and describes keys,
//! and switches their rotation. It refuses every request that the service documents as refused, and knows no parameter
//! that readers and sealers of a configuration do not use (public keys, hosted keys, tags). Keys and grants are in
//! memory and end with the handle.
//!
//! Where the documentation is silent, it does the stricter thing; each such place says so.

mod keys;
mod management;
mod quota;
mod random;
mod refusal;
mod reply;
mod request;
mod server;
mod service;
mod signature;
#[cfg(test)]
mod tests;
mod tls;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use self::keys::Keys;
use self::quota::Quota;
use self::server::Server;
use self::service::Account;

pub use self::keys::KeyState;
pub use self::reply::Reply;
pub use self::request::Request;
pub use self::service::ACTIONS;

/// The region in which every stand-in starts with one key.
pub const REGION: &str = "ap-guangzhou";

/// How many requests are remembered; the oldest go first.
const REMEMBERED: usize = 4_096;

/// The credentials of a caller. Always made up: never put real credentials here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// Names the caller; sent with every request.
    pub secret_id: String,
    /// Signs requests; never sent.
    pub secret_key: String,
    /// The session token of a temporary credential, sent as `X-TC-Token`.
    pub token: Option<String>,
}

impl Credential {
    /// Returns a new credential that nobody can confuse with a real one.
    pub fn fake() -> Self {
        let number = random::hex(4);
        Self {
            secret_id: format!("AKIDSTANDIN-not-a-real-id-{number}"),
            secret_key: format!("fake-secret-key-{number}-{}", random::hex(8)),
            token: None,
        }
    }

    /// A fresh temporary credential.
    pub fn fake_temporary() -> Self {
        Self { token: Some(format!("fake-session-token-{}/+==", random::hex(8))), ..Self::fake() }
    }
}

/// A running stand-in. Dropping it stops the server and waits for its thread.
pub struct StandIn {
    server: Server,
    tls: bool,
    ca_pem: Option<String>,
    shared: Shared,
    credential: Credential,
    key_id: String,
}

impl StandIn {
    /// Starts one over plain HTTP, on a free port.
    ///
    /// # Panics
    ///
    /// When no port of the loopback can be had.
    pub fn start() -> Self {
        Self::builder().start()
    }

    /// Starts with choices: TLS, a fixed port, a fixed credential.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Where it listens, with the scheme: `http://127.0.0.1:40123`.
    pub fn endpoint(&self) -> String {
        format!("{}://{}", if self.tls { "https" } else { "http" }, self.host())
    }

    /// The value that clients send, and sign, as `Host`: `127.0.0.1:40123`.
    pub fn host(&self) -> String {
        self.address().to_string()
    }

    /// Where it listens, as an address.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// With TLS: the authority that vouches for the server, in PEM.
    pub fn ca_pem(&self) -> Option<&str> {
        self.ca_pem.as_deref()
    }

    /// The credential it starts with, which may do everything.
    pub fn credential(&self) -> &Credential {
        &self.credential
    }

    /// The key it starts with, enabled, in [`REGION`].
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// Returns the environment variables for a client, without the certificate authority: see [`StandIn::ca_pem`].
    pub fn variables(&self) -> Vec<(String, String)> {
        let Credential { secret_id, secret_key, token } = self.credential.clone();
        let mut variables = vec![
            ("TENCENTCLOUD_SECRET_ID".to_owned(), secret_id),
            ("TENCENTCLOUD_SECRET_KEY".to_owned(), secret_key),
            ("ENVCONF_TENCENT_ENDPOINT".to_owned(), self.endpoint()),
        ];
        variables.extend(token.map(|token| ("TENCENTCLOUD_TOKEN".to_owned(), token)));
        variables
    }

    /// Accepts one more credential, for these of the [`ACTIONS`] and no others.
    pub fn add_credential(&self, credential: Credential, actions: &[&str]) {
        self.shared.lock().accounts.push(Account::new(credential, actions));
    }

    /// Makes one more key and gives its id, a UUID.
    pub fn create_key(&self, region: &str) -> String {
        self.shared.lock().keys.create(region)
    }

    /// Gives a key another alias, as if it had been moved from another key.
    ///
    /// # Panics
    ///
    /// When the region has no such key.
    pub fn set_alias(&self, region: &str, key_id: &str, alias: &str) {
        self.shared.lock().keys.set_alias(region, key_id, alias);
    }

    /// Moves a key to another state.
    ///
    /// # Panics
    ///
    /// When the region has no such key.
    pub fn set_state(&self, region: &str, key_id: &str, state: KeyState) {
        self.shared.lock().keys.set_state(region, key_id, state);
    }

    /// Shifts its clock by so many seconds from the true time: for the five minutes within which a request
    /// must be signed, and for the `Date` header.
    pub fn set_clock_offset(&self, seconds: i64) {
        self.shared.lock().clock_offset = seconds;
    }

    /// Decides how one coming request is met. Replies queue up: the n-th is for the n-th request from now.
    pub fn next(&self, reply: Reply) {
        self.shared.lock().script.push_back(reply);
    }

    /// Refuses with `RequestLimitExceeded` what goes beyond so many requests in each second from now; `None`, as at
    /// the start, lets everything through.
    pub fn throttle(&self, per_second: Option<u32>) {
        self.shared.lock().quota = per_second.map(Quota::new);
    }

    /// Every request that arrived whole, oldest first (of very many, the last 4,096).
    pub fn requests(&self) -> Vec<Request> {
        self.shared.lock().requests.iter().cloned().collect()
    }
}

/// A stand-in that is about to start.
#[derive(Default)]
pub struct Builder {
    tls: bool,
    port: u16,
    credential: Option<Credential>,
}

impl Builder {
    /// Speaks TLS, with a certificate for `127.0.0.1` and `localhost` that a separate authority signs.
    pub fn tls(mut self) -> Self {
        self.tls = true;
        self
    }

    /// Listens on this port; 0, the default, takes a free one.
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Starts with this credential in place of a random one.
    pub fn credential(mut self, credential: Credential) -> Self {
        self.credential = Some(credential);
        self
    }

    /// Starts it.
    ///
    /// # Panics
    ///
    /// When the port of the loopback cannot be had.
    pub fn start(self) -> StandIn {
        let credential = self.credential.unwrap_or_else(Credential::fake);
        let mut keys = Keys::default();
        let key_id = keys.create(REGION);
        let shared = Shared::new(State {
            accounts: vec![Account::new(credential.clone(), ACTIONS)],
            keys,
            clock_offset: 0,
            script: VecDeque::new(),
            quota: None,
            requests: VecDeque::new(),
        });
        let (ca_pem, acceptor) = self.tls.then(tls::certified).unzip();
        let server =
            Server::start(self.port, acceptor, shared.clone()).expect("the port of the loopback is free");
        StandIn { server, tls: self.tls, ca_pem, shared, credential, key_id }
    }
}

/// The state that the handle and the server's thread share.
#[derive(Clone)]
struct Shared(Arc<Mutex<State>>);

struct State {
    accounts: Vec<Account>,
    keys: Keys,
    clock_offset: i64,
    script: VecDeque<Reply>,
    quota: Option<Quota>,
    requests: VecDeque<Request>,
}

impl Shared {
    fn new(state: State) -> Self {
        Self(Arc::new(Mutex::new(state)))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A test that failed while it held the lock has already said so; the others may go on.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Records a request and returns the prepared reply, if there is one, or the reply of the quota.
    fn arrived(&mut self, request: Request) -> Option<Reply> {
        if self.requests.len() == REMEMBERED {
            self.requests.pop_front();
        }
        self.requests.push_back(request);
        self.script.pop_front().or_else(|| self.quota.as_mut()?.refusal(Instant::now()))
    }
}
