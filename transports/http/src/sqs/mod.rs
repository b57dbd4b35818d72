//! Events from queues of Amazon SQS, and of servers that speak its protocol.
//!
//! Each queue of a door's `sqs:` has one reader, however many threads the listener has. It asks for up to ten messages at
//! a time and waits at the server until there are some. A message is a JSON object; its path is the text under
//! `pubsub_path` in it, to the letter, and `/` where there is none. It becomes an event as a `PUT` to that path would
//! make one, without asking who sent it: who may send to the queue may publish.
//!
//! | what happens | what becomes of the message |
//! |---|---|
//! | the hub has taken the event, and on a durable hub has stored it | deleted if `delete`, else left; its id is remembered |
//! | its id is remembered: it is not deleted, or could not be | not published again; deleted if `delete` |
//! | no JSON, no object, a path that is no text, too large | told in the log, once; then as if it were published |
//! | the hub cannot store the event, or the hive stops | left, and comes again when its time at the queue is over |
//!
//! A message that comes twice in one answer is one; its copies are deleted only when its event is stored. A server that gives
//! no ids has each of its messages published each time it comes.
//!
//! An event may come twice if the hive ends between the two steps, or remembers fewer ids than the queue keeps messages.
//!
//! Nothing ends a reader but the end of its door. What fails (the server is away, the queue is not there yet, the
//! credentials are refused) is told in the log once, tried again after one second, later after up to a minute, and told
//! again when it works.
//!
//! Who we are is `key` and `secret`, or what AWS's tools take: environment, profiles with their roles and programs, web
//! identities, the role of a container or machine. Logins of people in a browser (`aws sso login`) are not among it.
//!
//! Source: the API of SQS of 2012-11-05; the keys and `pubsub_path` are those of PyPubSub 0.7.4.
//!
//! # How to read it
//! - `keys`: what stands in the configuration. `config`: what that means.
//! - `reader`: the life of a reader. `take`: from messages to events. `seen`: which were there before.
//! - `queue`: what is asked of the server. `failure`: what goes wrong, and when it is told.
//! - `readers`: all of a door.

mod keys;

#[cfg(feature = "sqs")]
mod config;
#[cfg(feature = "sqs")]
mod failure;
#[cfg(feature = "sqs")]
mod queue;
#[cfg(feature = "sqs")]
mod reader;
#[cfg(feature = "sqs")]
mod readers;
#[cfg(feature = "sqs")]
mod seen;
#[cfg(feature = "sqs")]
mod stats;
#[cfg(feature = "sqs")]
mod take;

#[cfg(feature = "sqs")]
pub use self::config::{Credentials, QueueConfig};
pub(crate) use self::keys::KEYS;
#[cfg(feature = "sqs")]
pub(crate) use self::readers::{Readers, Stop};
#[cfg(feature = "sqs")]
pub use self::stats::QueueStats;

/// What is wrong with `sqs:` in a build that cannot read queues.
#[cfg(not(feature = "sqs"))]
pub(crate) fn unsupported(settings: &eventhive_transport::Settings) -> Option<eventhive_transport::Problem> {
    settings.named("sqs").next()?;
    Some(settings.problem("sqs", "this build has no SQS: build it with the feature `sqs`, or remove the key"))
}

#[cfg(all(test, not(feature = "sqs")))]
mod tests {
    use eventhive_hub::{Hub, HubSettings};
    use eventhive_listener::DoorTransport;
    use eventhive_transport::Settings;

    use crate::Http;

    #[test]
    fn a_build_without_it_says_so_where_a_queue_stands() {
        let plan = |yaml: &str| {
            let node = eventhive_yaml::read(0, yaml).unwrap().unwrap();
            let settings = Settings::check("servers.x.init", &node, DoorTransport::keys(&Http)).unwrap();
            Http.plan(&settings, &Hub::new(HubSettings::default())).err()
        };
        let problems = plan("port: 0\nsqs:\n  one: {queue: q}\n").unwrap();
        let texts: Vec<_> = problems.iter().map(|problem| format!("{}: {problem}", problem.at.line)).collect();
        assert_eq!(texts.len(), 1);
        assert!(
            texts[0].ends_with(
                "servers.x.init.sqs: this build has no SQS: build it with the feature `sqs`, or remove the key"
            ),
            "{texts:?}"
        );
        assert!(plan("sqs: {}").is_none());
    }
}
