//! The suite that defines "a transport works".
//!
//! A transport's tests give it a [`Fixture`]: what the wire can do, and how to open links on a broker of its own. One
//! line makes one test of every case:
//!
//! ```no_run
//! # use std::sync::Arc;
//! # use eventhive_transport::{Capabilities, Link};
//! # use futures_util::future::BoxFuture;
//! # fn what_it_can_do() -> Capabilities { std::process::exit(0) }
//! # fn open_a_link() -> Arc<dyn Link> { std::process::exit(0) }
//! struct MyBroker;
//!
//! impl MyBroker {
//!     async fn start() -> Self {
//!         // Starts a broker for this fixture alone.
//!         Self
//!     }
//! }
//!
//! impl eventhive_conformance::Fixture for MyBroker {
//!     fn capabilities(&self) -> Capabilities {
//!         what_it_can_do()
//!     }
//!     fn link(&self) -> BoxFuture<'_, Arc<dyn Link>> {
//!         Box::pin(async { open_a_link() })
//!     }
//! }
//!
//! eventhive_conformance::conformance!(MyBroker::start);
//! # fn main() { eventhive_conformance::run::run_test("a_message_arrives_whole", MyBroker::start).unwrap(); }
//! ```
//!
//! Every case runs several copies in parallel (ten, where
//! it is not heavy) against the same broker, and against brokers of their own where a case restarts it. The id of a copy
//! (`<case>-<copy>-<random>`) is in every topic it uses, so one search in a log shows one test.
//!
//! A case that needs what the wire does not have is skipped *by name*: it prints `skipped: <case>: no <capability>`. One
//! that ran prints how long it took, which `cargo test -- --nocapture` shows as it goes.
//! [`run_all`] returns the list of results, which serialises to JSON. With the variable [`RESULTS`] set to a folder, the
//! results of every fixture that has a [`wire`](Fixture::wire) are written there, and [`matrix`] makes the table of a README
//! from them.
//!
//! Waits are for conditions, never for time; the fixture's [`patience`](Fixture::patience) only bounds a failure.
//!
//! # Layout
//!
//! - [`fixture`]: what a transport provides.
//! - [`run`]: running one case or all, and the results.
//! - `record.rs`, [`matrix`]: results on disk, and the table that is made from them.
//! - [`proxy`]: a TCP forwarder that cuts, stalls, loses one direction and refuses; usable alone.
//! - [`free_port`]: a port for a server that is started again on it.
//! - `cases/`: the cases by theme; `cases/mod.rs` has the list, `case.rs` what a case is and needs.
//! - `context.rs`, `client.rs`, `collector.rs`: what cases are written with.

mod case;
mod cases;
mod client;
mod collector;
mod context;
pub mod fixture;
pub mod matrix;
mod port;
pub mod proxy;
mod record;
pub mod run;

pub use case::{Need, names};
pub use fixture::{Broker, Fixture};
pub use port::free_port;
pub use proxy::{FaultProxy, Mode};
pub use record::RESULTS;
pub use run::{CaseResult, Failure, Outcome, Report, run_all, run_one};

/// Makes one `#[test]` of every case, in the module where it stands. Takes an `async fn() -> impl Fixture`, or a closure
/// like it; each test calls it for its own fixture. See the crate's documentation.
#[macro_export]
macro_rules! conformance {
    ($start:expr) => {
        $crate::__with_cases! { ($crate::__conformance_tests) ($start) }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_tests {
    (($start:expr) $($theme:ident :: $name:ident, $copies:literal, $broker:ident, [$($need:ident),*];)*) => {
        $(
            #[test]
            fn $name() -> ::std::result::Result<(), $crate::Failure> {
                $crate::run::run_test(stringify!($name), $start)
            }
        )*
    };
}
