//! The tracing of Python's broadcaster.

use eventhive_webhook::wire::tracing::{self, Trace, Traces};
use serde_json::Value;

use crate::support::{bytes, list, number, text};

pub(crate) fn blobs(section: &Value) -> usize {
    let recorded = bytes(&section["recorded_hex"]);
    let decoded = &section["decoded"];
    let traces = read(&recorded);
    assert_eq!(
        (traces.received_ns, traces.sent_ns),
        (number(&decoded["request_received_at_ns"]), number(&decoded["response_sent_at_ns"]),)
    );
    assert_eq!(u64::from(traces.truncated), number(&decoded["truncated_byte"]));
    assert_eq!(traces.iter().count() as u64, number(&decoded["count"]));
    for (trace, expected) in traces.iter().zip(list(&decoded["traces"])) {
        assert_eq!(trace.name, text(&expected["name"]));
        assert_eq!(trace.extra, text(&expected["extra_json"]));
        assert_eq!(Some(trace.at), expected["occurred_at_f64"].as_f64());
    }

    let smallest = bytes(&section["smallest_useful_blob_hex"]);
    assert_eq!(read(&smallest).iter().count(), 1);
    let behaviour = list(&section["python_http_client_behaviour"]);
    for case in behaviour {
        // Python's client needs a trace. What it cannot read at all, we cannot either.
        let traces = bytes(&case["tracing_hex"]);
        let useful = Traces::read(&traces).is_ok_and(|traces| traces.iter().next().is_some());
        assert_eq!(useful, case["result"] == "accepted", "{case}");
    }
    2 + behaviour.len()
}

/// Reads a blob and writes it again, which gives the same.
fn read(blob: &[u8]) -> Traces<'_> {
    let traces = Traces::read(blob).unwrap();
    let mut written = Vec::new();
    let list: Vec<Trace<'_>> = traces.iter().collect();
    tracing::write(&list, traces.received_ns, traces.sent_ns, &mut written).unwrap();
    assert_eq!(written, blob);
    traces
}

#[test]
fn traces_that_do_not_fit_are_left_out_and_the_blob_says_so() {
    let long = "x".repeat(40_000);
    let trace = Trace { name: "response_received", extra: &long, at: 1.5 };
    let mut blob = Vec::new();
    tracing::write(&[trace, trace], 1, 2, &mut blob).unwrap();
    let traces = Traces::read(&blob).unwrap();
    assert!(traces.truncated);
    assert_eq!(traces.iter().collect::<Vec<_>>(), [trace]);
}
