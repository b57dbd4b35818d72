//! From a filter to the path that a server understands: topics that an event surely has when the filter wants it.

use eventhive_transport::{Filter, LinkError, Topic};

use crate::wire::answers::MAX_TARGET;
use crate::wire::target;
use crate::wire::topics::{PRIVATE, topics_of};

/// The target of a stream that has everything `filter` wants. It may have more.
pub(super) fn target(filter: &Filter) -> Result<String, LinkError> {
    let path = match filter {
        Filter::All => "/".to_owned(),
        Filter::Exact(topic) => batch(topics_of(text(topic)?)),
        Filter::Glob(glob) => {
            let prefix = glob.literal_prefix();
            match (glob.literal(), prefix.rsplit_once('/')) {
                (Some(literal), _) => batch(topics_of(&literal)),
                // What stands behind the last slash may go on in the wildcard.
                (None, Some((whole, _))) => batch(topics_of(whole)),
                (None, None) => "/".to_owned(),
            }
        }
        Filter::Segments(sets) => {
            let set = |set: &eventhive_transport::filter::SegmentSet| {
                let topics = set.iter().map(text).collect::<Result<Vec<_>, _>>()?;
                Ok(batch(topics.into_iter()))
            };
            let batches = sets.iter().map(set).collect::<Result<Vec<_>, LinkError>>()?;
            if batches.iter().any(|batch| batch == "/") { "/".to_owned() } else { batches.join(",") }
        }
        other => return Err(LinkError::Unsupported(format!("a stream cannot be asked for {other:?}"))),
    };
    let target = target::encode(&path).replace("%2C", ",");
    if target.len() > MAX_TARGET {
        return Err(LinkError::Unsupported(format!("its path has {} bytes, servers take {MAX_TARGET}", target.len())));
    }
    Ok(target)
}

fn text(topic: &Topic) -> Result<&str, LinkError> {
    topic.as_str().ok_or_else(|| LinkError::Unsupported("a topic of this wire is UTF-8: this one is not".to_owned()))
}

/// No server can be asked for a topic with a comma, and `private` is no topic of the events that have it.
fn batch<'a>(topics: impl Iterator<Item = &'a str>) -> String {
    let askable: Vec<&str> =
        topics.filter(|topic| !topic.contains(',') && *topic != PRIVATE && !topic.is_empty()).collect();
    format!("/{}", askable.join("/"))
}

#[cfg(test)]
mod tests {
    use eventhive_transport::Glob;
    use proptest::prelude::*;

    use super::*;
    use crate::wire::topics;

    fn of(filter: &Filter) -> String {
        target(filter).unwrap()
    }

    fn glob(pattern: &str) -> Filter {
        Filter::Glob(Glob::new(pattern).unwrap())
    }

    #[test]
    fn a_stream_is_asked_for_by_the_topics_that_are_certain() {
        assert_eq!(of(&Filter::All), "/");
        assert_eq!(of(&Filter::exact("net/a b/c,d/é")), "/net/a%20b/%C3%A9");
        assert_eq!(of(&Filter::exact("private/x")), "/x");
        assert_eq!(of(&glob("net/worker/*")), "/net/worker");
        assert_eq!(of(&glob("net/wor*")), "/net");
        assert_eq!(of(&glob("net/[*]/x")), "/net/%2A/x");
        assert_eq!(of(&glob("*")), "/");
        let set = |names: &[&str]| names.iter().map(|name| Topic::from(*name)).collect();
        assert_eq!(of(&Filter::Segments(vec![set(&["a", "b"]), set(&["c"])])), "/a/b,/c");
        assert_eq!(of(&Filter::Segments(vec![set(&["a"]), set(&[])])), "/");
        assert!(matches!(target(&Filter::Exact(Topic::new(&b"\xff"[..]))), Err(LinkError::Unsupported(_))));
    }

    proptest! {
        #[test]
        fn the_server_never_holds_back_what_the_filter_wants(
            topic in "[ab,]{0,2}(/(private|[ab*,]{0,2})){0,4}",
            pattern in "[ab*]{0,3}(/[ab*?,]{0,2}){0,3}",
        ) {
            let path = format!("/{topic}");
            let event = topics::EventPath::new(&path);
            for filter in [Filter::exact(&*topic), glob(if pattern.is_empty() { "*" } else { &pattern })] {
                let asked = topics::subscription(&target::path_of(&of(&filter)));
                let wanted = filter.matches(&Topic::from(&*topic));
                prop_assert!(!wanted || asked.matches(&event.exact_topic()), "{filter:?} {topic}");
            }
        }
    }
}
