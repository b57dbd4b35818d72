//! The suite, tested: a reference link on a bus in memory passes it, and each case catches a link that breaks what the
//! case is about. A case without a flaw to catch fails these tests, so none can pass vacuously.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "test code fails by panicking")]

mod flaws;
mod memory;
mod report;

mod reference_in_memory {
    use crate::memory::Bus;

    eventhive_conformance::conformance!(Bus::sound);
}

mod reference_in_memory_with_less {
    use crate::memory::Bus;

    eventhive_conformance::conformance!(Bus::plain);
}
