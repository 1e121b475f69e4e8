//! Shared parts of envconf's tests: a sandbox for files and environment, the Tencent KMS stand-in, a launcher for
//! programs from PyPI and npm such as OpenBao, and a tracer that kills a command at its system calls.
//!
//! Nothing here uses an envconf crate, because the tests must not contain the same mistakes as envconf.
//!
//! These are tools for tests, so their failures (no free port, no Python, a full disk) are panics that name the cause.

pub mod aws;
pub mod node;
pub mod openbao;
pub mod python;
pub mod sandbox;
pub mod tencent;
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
pub mod tracer;

pub use aws::{AwsSdk, AwsServer};
pub use node::Node;
pub use openbao::OpenBao;
pub use python::Python;
pub use sandbox::Sandbox;
pub use tencent::{Credential, KeyState, Reply, StandIn};
