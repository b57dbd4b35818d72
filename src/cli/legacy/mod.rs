//! The flags of the original `eventhive-cli`, its texts and its exit codes, so that scripts keep working.
//!
//! Different on purpose: it publishes as soon as the link is up, and ends as soon as a message is there, with
//! `--timeout` as the bound of both together (the original always waits `--timeout` and a second); `{secret}` without
//! `--secret` is empty and not `None`; what is printed when nothing came is `--json-fallback`, and not always
//! `{"no":"output"}`.

mod args;
