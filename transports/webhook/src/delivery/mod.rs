//! What a broadcaster does with one subscription and one message.
//!
//! # How to read it
//! - [`Target`] and [`Delivered`]: the subscription, and what became of the message. [`DeliverySettings`]: how.
//! - `breaker`, `bucket`: whether a url is called. `backoff`: when a MISSED is tried.

mod backoff;
mod breaker;
mod bucket;
mod clock;
mod settings;
mod target;

pub use backoff::BackOff;
pub use breaker::BreakerSettings;
pub use bucket::Rate;
pub use clock::{Clock, Now};
pub use settings::{DeliverySettings, JournalSettings, Log};
pub use target::{Delivered, Target};
