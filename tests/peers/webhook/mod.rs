//! lonely pub/sub: the broadcaster lonelypss 0.0.12 and the clients of lonelypsc 0.0.18, beside ours.
//!
//! `auth` makes the secrets of a run, with `hive-cli setup webhook`. `broadcaster` runs one, `client` drives the Python clients.
//! A case of `cases` is run at both broadcasters, Python's and ours: what Python's does is the measure.
//! `shared` is about several broadcasters on a SQLite file, `cluster` about those on a PostgreSQL, `doors` about a hub with other
//! doors, `standard` about Standard Webhooks, `examples` about the programs in `examples/`, `proxied` about nginx in front.

mod auth;
mod broadcaster;
mod cases;
mod client;
#[cfg(feature = "postgres")]
mod cluster;
mod doors;
mod examples;
mod proxied;
mod shared;
mod standard;
