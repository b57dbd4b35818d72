//! Many publishes in one request, between a link and a door of ours.
//!
//! The body is, for each event, a line `<target> <bytes of the payload>` and the payload, with nothing between. The answer
//! has, for each event in order, a line with the status that a request of its own would have had and the text of it. Where
//! an event could not be taken for now the answer ends: those behind it were not looked at, so that the order is kept.
//!
//! One request at a time, however many events it has, is what keeps order at any distance: pipelined requests with bodies
//! are not safe on every server. Ours closes the connection when a body is cut in two on its way.

use std::fmt::Write as _;

/// The media type of the body.
pub const BATCH_TYPE: &str = "application/vnd.eventhive-batch";

/// Appends an event. The target has no space, as every target.
pub fn push(out: &mut String, target: &str, payload: &str) {
    // Writing to a string does not fail.
    let _ = write!(out, "{target} {}\n{payload}", payload.len());
}

/// The events of a body: targets and payloads. Ends behind the first that cannot be read.
pub fn events(body: &str) -> impl Iterator<Item = Option<(&str, &str)>> {
    let mut rest = Some(body).filter(|body| !body.is_empty());
    std::iter::from_fn(move || {
        let event = take(rest?);
        rest = event.map(|(_, _, rest)| rest).filter(|rest| !rest.is_empty());
        Some(event.map(|(target, payload, _)| (target, payload)))
    })
}

fn take(body: &str) -> Option<(&str, &str, &str)> {
    let (line, rest) = body.split_once('\n')?;
    let (target, size) = line.split_once(' ')?;
    let (payload, rest) = rest.split_at_checked(size.parse().ok()?)?;
    Some((target, payload, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_cannot_be_read_is_the_end() {
        assert_eq!(events("").count(), 0);
        for bad in ["x", "/a\n{}", "/a 3\n{}", "/a x\n{}", "/a 1\né"] {
            assert_eq!(events(bad).collect::<Vec<_>>(), [None], "{bad}");
        }
        assert_eq!(events("/a 2\n{}/b").collect::<Vec<_>>(), [Some(("/a", "{}")), None]);
    }

    proptest! {
        #[test]
        fn events_come_out_as_they_went_in(all in prop::collection::vec(("[^ \n]*", ".*"), 0..6)) {
            let mut body = String::new();
            all.iter().for_each(|(target, payload)| push(&mut body, target, payload));
            let back: Vec<_> = events(&body).map(Option::unwrap).collect();
            let expected: Vec<_> = all.iter().map(|(target, payload)| (&**target, &**payload)).collect();
            prop_assert_eq!(back, expected);
        }

        #[test]
        fn no_body_makes_it_panic(body in "[/a0-9 \n\u{e9}]*") {
            prop_assert!(events(&body).count() <= body.len());
        }
    }
}
