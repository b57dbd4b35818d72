//! The local bus as a program sees it: one process, no network.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends where it fails")]

mod actors;
mod calls;
mod conformance;
mod declared;
mod globs;
mod handlers;
mod isolation;
mod mailboxes;
mod names;
mod routes;
mod streams;
mod support;
mod threads;
