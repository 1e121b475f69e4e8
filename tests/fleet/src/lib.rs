//! Fleets that start at once against a key service's quota, in virtual time.
//!
//! The policy under test is not described here but called: the library's own decision about the next try. Beside it
//! stand the ones that other clients have. Nothing sleeps, and every run with the same seed is the same.

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
