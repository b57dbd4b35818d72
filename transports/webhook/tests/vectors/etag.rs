//! Strong etags.

use eventhive_webhook::wire::bodies::{Entry, Head, Lists, SetHead, write_lists};
use eventhive_webhook::wire::digest;
use eventhive_webhook::wire::etag::{Etag, EtagBuilder};
use eventhive_webhook::wire::{Interest, Problem};
use serde_json::Value;

use crate::support::{array, bytes, list, text};

pub(crate) fn etags(cases: &Value) -> usize {
    for case in list(cases) {
        let url = text(&case["url"]);
        let topics: Vec<_> = list(&case["exact"]).iter().map(|entry| bytes(&entry["topic_hex"])).collect();
        let exact = topics.iter().zip(list(&case["exact"]));
        let exact: Vec<_> = exact.map(|(topic, entry)| entry_of(Interest::Exact(topic), entry)).collect();
        let globs = list(&case["globs"]).iter();
        let globs: Vec<_> = globs.map(|entry| entry_of(Interest::Glob(text(&entry["glob"])), entry)).collect();

        let expected = Etag(array(&case["etag_hex"]));
        assert_eq!(digest::hash(&bytes(&case["document_hex"])), expected.0, "{}", case["name"]);
        let mut builder = EtagBuilder::new(url).unwrap();
        for Entry { interest, recovery } in exact.iter().chain(&globs) {
            builder.push(*interest, *recovery).unwrap();
        }
        assert_eq!(builder.finish(), expected, "{}", case["name"]);
        the_lists_come_back_with_the_etag(url, expected, &exact, &globs);
    }
    list(cases).len()
}

fn entry_of<'a>(interest: Interest<'a>, entry: &'a Value) -> Entry<'a> {
    Entry { interest, recovery: entry["recovery"].as_str() }
}

/// What a broadcaster does with `/v1/set_subscriptions`.
fn the_lists_come_back_with_the_etag(url: &str, etag: Etag, exact: &[Entry<'_>], globs: &[Entry<'_>]) {
    let mut body = Vec::new();
    SetHead { tracing: b"", url, etag }.write(&mut body).unwrap();
    write_lists(exact, globs, &mut body).unwrap();

    let (head, used) = SetHead::read(&body).unwrap();
    let mut lists = Lists::new(used);
    let mut rest = &body[used..];
    let mut builder = EtagBuilder::new(head.url).unwrap();
    while let Some(Entry { interest, recovery }) = lists.next(&mut rest).unwrap() {
        builder.push(interest, recovery).unwrap();
    }
    assert_eq!((rest.len(), builder.finish()), (0, head.etag));
}

pub(crate) fn errors(cases: &Value) -> usize {
    for case in list(cases) {
        let mut builder = EtagBuilder::new("").unwrap();
        let topics: Vec<_> = list(&case["topics_hex"]).iter().map(bytes).collect();
        let pushed: Result<Vec<()>, _> =
            topics.iter().map(|topic| builder.push(Interest::Exact(topic), None)).collect();
        assert_eq!(text(&case["result"]), "ValueError");
        assert_eq!(pushed.unwrap_err().problem, Problem::Unsorted, "{case}");
    }
    list(cases).len()
}
