//! A simulation of fleets that start at once and share the quota of a key service, in virtual time.
//!
//! The simulation calls the retry policy of the library, and compares it with the policies of other clients. It never
//! sleeps, and two runs with the same seed are equal.

mod limiter;
mod plot;
mod policy;
mod random;
mod simulation;
mod table;

pub use limiter::Limiter;
pub use plot::plot;
pub use policy::Policy;
pub use simulation::{Fleet, Outcome};
pub use table::{aws_table, tables, vault_table};
