//! The conformance suite of Eventhive transports, and its TCP fault proxy.
