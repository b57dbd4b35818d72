//! Real peers: Python's `fastapi_websocket_pubsub` and eventhive, as clients and as servers, beside ours, the Redis that
//! hives of both may share, in `http` the clients of PyPubSub, and in `webhook` those of lonely pub/sub.
//!
//! Python programs in `python/` are driven by lines of JSON, so that a test waits for what it has seen and never for time to
//! pass. A case about a hub runs against Python's hubs too: what they do is the measure, and a case that they fail is wrong.
//! `tests/all.sh` makes the Python environments.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "test helpers fail the test")]

mod cluster_dict;
mod command_line;
mod environment;
mod hives;
mod http;
mod hub;
mod links;
mod our_hive;
mod place;
#[cfg(feature = "postgres")]
#[path = "../support/postgres_server.rs"]
mod postgres_server;
mod process;
mod pubsub_clients;
mod redis_keys;
#[path = "../support/redis_server.rs"]
mod redis_server;
mod replies;
#[path = "../../transports/http/tests/vectors/requests.rs"]
mod vector_requests;
mod webhook;
