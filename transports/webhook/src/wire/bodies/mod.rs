//! Bodies of requests.
//!
//! # How to read it
//! - `subscribe`: begin and end one subscription.
//! - `subscriptions`: compare, and replace, all subscriptions of a URL; `lists` reads the entries.
//! - `message`: what stands before a message, when it is published and when it is delivered.
//! - `missed`: a message could not be delivered.
//! - `head`: collecting what stands before a message, or before lists, while a body arrives.
//!
//! Bytes after the last field are ignored, but in bodies with a message, whose length must be exact.

mod head;
mod lists;
mod message;
mod missed;
mod subscribe;
mod subscriptions;

pub use head::{Collector, Head, Progress};
pub use lists::{Entry, Lists, ListsStep};
pub use message::{NotifyHead, ReceiveHead};
pub use missed::Missed;
pub use subscribe::{Subscribe, Unsubscribe};
pub use subscriptions::{CheckSubscriptions, SetHead, write_lists};
