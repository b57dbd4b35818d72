//! A broadcaster of webhooks: what it costs to deliver by requests, beside lonelypss and beside bare loops of requests to the
//! same sink; what stored subscriptions cost; a message that is larger than memory.
//!
//! Its websockets are measured with the other hubs, as one of the [systems](crate::system).
//!
//! - [`sink`], [`bare`]: the other ends, each in a process of its own. [`notifier`]: subscribes and notifies.
//! - [`deliveries`], [`stored`], [`large`]: what is measured. [`report`]: the tables.

mod bare;
mod deliveries;
mod http;
mod large;
mod notifier;
mod report;
mod sink;
mod stored;

use std::io;

pub(crate) use report::Figures;

use crate::system::System;

/// Names on the command line.
pub(crate) const PARTS: [&str; 3] = ["deliveries", "stored", "large"];

/// What this program is when it is started as the other end; `None`: it measures.
pub(crate) async fn other_end(words: &[String]) -> Option<io::Result<()>> {
    match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["sink"] => Some(sink::run().await),
        ["bare", client, port, urls] => Some(bare::run(client, port, urls).await),
        _ => None,
    }
}

/// Measures the parts that are named, at these systems as far as they take webhooks.
pub(crate) async fn measure(parts: &[&str], systems: &[System]) -> io::Result<Figures> {
    let mut figures = Figures::default();
    for part in parts {
        match *part {
            "deliveries" => deliveries::measure(systems, &mut figures).await?,
            "stored" => figures.stored = Some(stored::measure().await?),
            "large" => figures.large = Some(large::measure().await?),
            _ => {}
        }
    }
    Ok(figures)
}

/// A number that the environment may replace, to try things out with less.
fn number(variable: &str, usual: u64) -> io::Result<u64> {
    match std::env::var(variable) {
        Err(_) => Ok(usual),
        Ok(text) => text.parse().map_err(|_| io::Error::other(format!("{variable} is no number: {text}"))),
    }
}
