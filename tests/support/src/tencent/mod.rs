//! A stand-in for Tencent Cloud KMS: a real HTTP server on the loopback with real signatures and real encryption. Its
//! only source is the documentation of the service.
//!
//! ```
//! use envconf_test_support::{Reply, StandIn};
//!
//! let kms = StandIn::start();
//! kms.next(Reply::Status(502)); // only the first request gets an error of a gateway
//! assert!(kms.endpoint().starts_with("http://127.0.0.1:"));
//! assert!(kms.requests().is_empty());
//! ```
//!
//! The stand-in answers `GenerateDataKey`, `Encrypt`, `Decrypt` and `ReEncrypt`. It creates, lists and describes keys,
//! and changes their rotation. It rejects every request that the service documents as rejected. It supports only
//! parameters that readers and sealers of a configuration use: no public keys, hosted keys or tags. Keys and grants are
//! in memory, and are deleted with the handle.
//!
//! If the documentation does not define a behaviour, the stand-in is strict, and a comment in its source explains it.

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

/// The number of stored requests. The oldest ones are deleted first.
const REMEMBERED: usize = 4_096;

/// The credentials of a caller. They are always invented: never use real credentials here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// The id of the caller. Every request contains it.
    pub secret_id: String,
    /// The key that signs requests. It is never sent.
    pub secret_key: String,
    /// The session token of a temporary credential, sent as `X-TC-Token`.
    pub token: Option<String>,
}

impl Credential {
    /// Returns a new credential that does not look like a real one.
    pub fn fake() -> Self {
        let number = random::hex(4);
        Self {
            secret_id: format!("AKIDSTANDIN-not-a-real-id-{number}"),
            secret_key: format!("fake-secret-key-{number}-{}", random::hex(8)),
            token: None,
        }
    }

    /// Returns a new temporary credential.
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
    /// Starts a stand-in over plain HTTP, on a free port.
    ///
    /// # Panics
    ///
    /// If no port of the loopback is free.
    pub fn start() -> Self {
        Self::builder().start()
    }

    /// Returns a builder with options: TLS, a fixed port, a fixed credential.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Returns its URL, such as `http://127.0.0.1:40123`.
    pub fn endpoint(&self) -> String {
        format!("{}://{}", if self.tls { "https" } else { "http" }, self.host())
    }

    /// Returns the value that clients send, and sign, as `Host`: `127.0.0.1:40123`.
    pub fn host(&self) -> String {
        self.address().to_string()
    }

    /// Returns its address.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Returns the certificate authority of the server in PEM, if it uses TLS.
    pub fn ca_pem(&self) -> Option<&str> {
        self.ca_pem.as_deref()
    }

    /// Returns its first credential, which has all rights.
    pub fn credential(&self) -> &Credential {
        &self.credential
    }

    /// Returns its first key, which is enabled and in [`REGION`].
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

    /// Accepts another credential, only for these [`ACTIONS`].
    pub fn add_credential(&self, credential: Credential, actions: &[&str]) {
        self.shared.lock().accounts.push(Account::new(credential, actions));
    }

    /// Makes another key and returns its id, a UUID.
    pub fn create_key(&self, region: &str) -> String {
        self.shared.lock().keys.create(region)
    }

    /// Sets the alias of a key, without a check that the alias is unique.
    ///
    /// # Panics
    ///
    /// If the region does not have the key.
    pub fn set_alias(&self, region: &str, key_id: &str, alias: &str) {
        self.shared.lock().keys.set_alias(region, key_id, alias);
    }

    /// Moves a key to another state.
    ///
    /// # Panics
    ///
    /// If the region does not have the key.
    pub fn set_state(&self, region: &str, key_id: &str, state: KeyState) {
        self.shared.lock().keys.set_state(region, key_id, state);
    }

    /// Shifts its clock from the true time by this number of seconds. This affects the check of the time of a signature
    /// (five minutes) and the `Date` header.
    pub fn set_clock_offset(&self, seconds: i64) {
        self.shared.lock().clock_offset = seconds;
    }

    /// Sets the reply to one future request. Replies are a queue: number n is for request number n from now.
    pub fn next(&self, reply: Reply) {
        self.shared.lock().script.push_back(reply);
    }

    /// Rejects more than this number of requests in each second from now, with `RequestLimitExceeded`. `None`, the
    /// initial value, accepts all requests.
    pub fn throttle(&self, per_second: Option<u32>) {
        self.shared.lock().quota = per_second.map(Quota::new);
    }

    /// Returns the last 4,096 complete requests, oldest first.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.lock().requests.iter().cloned().collect()
    }
}

/// The options of a stand-in before its start.
#[derive(Default)]
pub struct Builder {
    tls: bool,
    port: u16,
    credential: Option<Credential>,
}

impl Builder {
    /// Uses TLS, with a certificate for `127.0.0.1` and `localhost` from a separate authority.
    pub fn tls(mut self) -> Self {
        self.tls = true;
        self
    }

    /// Listens on this port. The default 0 selects a free port.
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Starts with this credential instead of a random one.
    pub fn credential(mut self, credential: Credential) -> Self {
        self.credential = Some(credential);
        self
    }

    /// Starts the stand-in.
    ///
    /// # Panics
    ///
    /// If the port of the loopback is not free.
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
        // A test that panicked with the lock has already failed. Other tests may continue.
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
