//! The attribute macros of Eventhive: hook and main.
