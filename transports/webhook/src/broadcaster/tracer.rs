//! What is told to a notifier about its notify; see [`tracing`](crate::wire::tracing).

use std::time::Duration;

use crate::wire::WireError;
use crate::wire::tracing::{self, Trace};

/// Bytes of traces that one notify collects. Python's client reads an answer in one go only if it is a few KiB.
const MOST: usize = 3072;

/// Collects what happens to a notify. It keeps a few KiB, and then only says that there was more.
#[derive(Debug)]
pub struct Tracer {
    traces: Vec<Recorded>,
    bytes: usize,
    truncated: bool,
    received: Duration,
}

#[derive(Debug)]
struct Recorded {
    name: &'static str,
    extra: String,
    at: f64,
}

impl Tracer {
    /// For a request that came now, since the epoch.
    #[must_use]
    pub fn new(now: Duration) -> Self {
        Self { traces: Vec::new(), bytes: 0, truncated: false, received: now }
    }

    /// For nobody: it keeps nothing.
    #[must_use]
    pub fn off() -> Self {
        Self { traces: Vec::new(), bytes: 0, truncated: true, received: Duration::ZERO }
    }

    /// Whether one more trace would be kept. Who asks need not make it.
    #[must_use]
    pub fn is_on(&self) -> bool {
        !self.truncated
    }

    /// Adds what has happened. `extra` is a JSON object.
    pub fn add(&mut self, name: &'static str, extra: impl Into<String>, at: Duration) {
        if self.truncated {
            return;
        }
        let extra = extra.into();
        let bytes = self.bytes + name.len() + extra.len() + 12;
        if bytes > MOST {
            self.truncated = true;
            return;
        }
        self.bytes = bytes;
        self.traces.push(Recorded { name, extra, at: at.as_secs_f64() });
    }

    /// The blob, for an answer that goes now.
    ///
    /// # Errors
    /// A text in it is too long, which those that are kept are not.
    pub fn blob(&self, now: Duration) -> Result<Vec<u8>, WireError> {
        let traces: Vec<_> =
            self.traces.iter().map(|trace| Trace { name: trace.name, extra: &trace.extra, at: trace.at }).collect();
        let mut blob = Vec::with_capacity(self.bytes + 64);
        tracing::write(&traces, nanoseconds(self.received), nanoseconds(now), &mut blob)?;
        if let (true, Some(truncated)) = (self.truncated, blob.first_mut()) {
            *truncated = 1;
        }
        Ok(blob)
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::tracing::Traces;

    #[test]
    fn a_blob_has_the_traces_that_fit_and_says_that_there_were_more() {
        let mut tracer = Tracer::new(Duration::from_secs(5));
        tracer.add("auth_accepted", "{}", Duration::from_secs(6));
        let blob = tracer.blob(Duration::from_secs(7)).unwrap();
        let traces = Traces::read(&blob).unwrap();
        assert!(!traces.truncated);
        assert_eq!((traces.received_ns, traces.sent_ns), (5_000_000_000, 7_000_000_000));
        assert_eq!(traces.iter().map(|trace| trace.name).collect::<Vec<_>>(), ["auth_accepted"]);

        (0..1000).for_each(|_| tracer.add("network_error", "{}", Duration::from_secs(6)));
        assert!(!tracer.is_on());
        let blob = tracer.blob(Duration::from_secs(7)).unwrap();
        let traces = Traces::read(&blob).unwrap();
        assert!(traces.truncated && traces.iter().count() > 50 && blob.len() < MOST + 64, "{}", blob.len());
    }
}
