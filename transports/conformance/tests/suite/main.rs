//! The suite, tested: reference links in memory and over TCP pass it, and each case catches a link that breaks what the
//! case is about. A case without a flaw to catch fails these tests, so none can pass vacuously.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "test code fails by panicking")]

mod flaws;
mod memory;
mod report;
mod tcp;

mod reference_in_memory {
    use crate::memory::Bus;

    eventhive_conformance::conformance!(Bus::sound);
}

mod reference_in_memory_with_less {
    use crate::memory::Bus;

    eventhive_conformance::conformance!(Bus::plain);
}

mod reference_over_tcp {
    use crate::tcp::Server;

    eventhive_conformance::conformance!(Server::sound);
}
