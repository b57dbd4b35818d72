//! Redis Streams in place of pub/sub: what a hive misses while its link is down is there when it comes back.
//!
//! # Layout of the keys
//!
//! | key | type | what |
//! |---|---|---|
//! | `<stream_prefix><first stream_segments segments of the topic>` | stream | the messages, oldest first |
//!
//! With the defaults, a message to `net/worker/act` is in the stream `eventhive:net/worker`: one stream a channel, so a
//! hive reads what is meant for it and no more. A topic with fewer segments is a stream by itself. In a cluster each
//! stream is on the node that has its key's slot. Every hive of a network must have the same `stream_*` settings.
//!
//! An entry has two fields: `topic`, the whole topic, and `payload`. An entry without them is passed over. The id is
//! the server's (`*`). Each `XADD` also trims, by `MAXLEN ~` or `MINID ~`, which Redis rounds in favour of keeping.
//! Nothing else is stored: there is no list of streams, and the positions are either in the hive's memory or in
//! consumer groups.
//!
//! The stream of an inbox for answers (second segment `inbox-` and 32 hexadecimal digits, new with each start of a hive) has an
//! expiry of an hour (`EXPIRE`), which every message in it and its reader renew, so that it goes when nobody is left. Where
//! `stream_segments` puts inboxes into one stream with other things, nothing expires. An ACL user without the right to `EXPIRE`
//! works all the same, and leaves these streams behind.
//!
//! # Positions
//!
//! - Without `consumer_group` a subscription begins with what is published after it was made, and the link remembers, as
//!   long as it lives, how far it has read (`XREAD`): a lost connection or a restarted server costs nothing that the
//!   stream still has.
//! - With a `consumer_group` Redis remembers. A hive with a group of its own goes on after a restart where it left off.
//!   Hives with the same group share: each message goes to one of them (`XREADGROUP`). It is acknowledged when the
//!   sink has it; what a member took and never acknowledged is taken over by another after `claim_idle_secs`
//!   (`XAUTOCLAIM`), so a message can come twice when a member dies, and never gets lost by that.
//!
//! When trimming has removed what was not read yet, or the stream itself is gone, the subscriptions are told of a
//! [`Gap`](eventhive_transport::Gap), with the number where the server counts (Redis 7).
//!
//! Each stream is read on a connection of its own, because a waiting read blocks its connection.

mod answers;
mod position;
mod reader;
mod readers;

pub(crate) use answers::{StreamId, StreamInfo};
pub(crate) use position::Positions;
pub(crate) use readers::{Readers, reader};
