//! Calls to the server: their text, their id, their place in the queue.

use std::sync::atomic::{AtomicU64, Ordering};

use eventhive_transport::{Delivery, LinkError};
use tokio::sync::oneshot;

use super::calls::Call;
use super::queue::{NotTaken, Outgoing, Queue};
use super::wish::Wish;
use crate::wire::Data;
use crate::wire::encode::{self, CallId};

/// Makes calls from any thread.
#[derive(Debug)]
pub(super) struct Caller {
    pub(super) queue: Queue,
    next: AtomicU64,
    /// The upper half of every call id of this link.
    half: u64,
    /// An id that no channel has, so that the server does not skip us when we publish what we subscribed ourselves.
    notifier: String,
    /// Bytes of a publish without its topic and its data.
    bare_publish: usize,
}

/// What is refused before anything is queued.
pub(super) enum NotPublished {
    NotTaken(NotTaken),
    /// The message would have this many bytes.
    TooLarge(usize),
}

/// What stands around a topic and a payload in the server's notification but not in our publish.
const NOTIFY_SURPLUS: usize = 128;

/// Bytes that one byte of text may become in JSON: `\u0000`.
const LARGEST_ESCAPE: usize = 6;

/// Names in one `subscribe`, in bytes before escapes, which can make six of one: servers take messages of 1 MiB.
const NAMES_AT_ONCE: usize = 100 * 1024;

impl Caller {
    pub(super) fn new(send_queue: usize) -> Self {
        let mut notifier = String::with_capacity(32);
        encode::hex(&mut notifier, CallId::random().0);
        let mut bare = String::new();
        encode::publish(&mut bare, CallId(0), &[""], &Data::Json(""), false, Some(&notifier));
        let bare_publish = bare.len() - r#""""#.len();
        let queue = Queue::new(send_queue);
        Self { queue, next: AtomicU64::new(0), half: fastrand::u64(..), notifier, bare_publish }
    }

    fn id(&self) -> (u64, CallId) {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        (number, CallId(u128::from(self.half) << 64 | u128::from(number)))
    }

    /// The number of a call of ours that an answer names.
    pub(super) fn ours(&self, id: u128) -> Option<u64> {
        let half = |shift| u64::try_from(id >> shift & u128::from(u64::MAX)).ok();
        (half(64) == Some(self.half)).then(|| half(0)).flatten()
    }

    /// Whether the message that subscribers will get of this is within `largest` bytes.
    pub(super) fn check(&self, topic: &str, payload: &[u8], largest: usize) -> Result<(), NotPublished> {
        let around = self.bare_publish + NOTIFY_SURPLUS;
        // Nearly always it would be with every byte escaped, and need not be counted.
        if around + LARGEST_ESCAPE * (topic.len() + payload.len() + 2) <= largest {
            return Ok(());
        }
        let size = around + encode::string_size(topic) + Data::opaque(payload).size();
        if size > largest { Err(NotPublished::TooLarge(size)) } else { Ok(()) }
    }

    /// Encodes and queues a publish. `largest` bounds the message that subscribers will get.
    pub(super) fn publish(
        &self,
        topic: &str,
        payload: &[u8],
        largest: usize,
        receipt: oneshot::Sender<Result<Delivery, LinkError>>,
    ) -> Result<(), NotPublished> {
        self.queue.admits(payload.len()).map_err(NotPublished::NotTaken)?;
        let (id, call_id) = self.id();
        let mut text = String::new();
        encode::publish(&mut text, call_id, &[topic], &Data::opaque(payload), false, Some(&self.notifier));
        if text.len() + NOTIFY_SURPLUS > largest {
            return Err(NotPublished::TooLarge(text.len() + NOTIFY_SURPLUS));
        }
        self.queue.push(Outgoing { text, id, call: Call::Publish(receipt) }).map_err(NotPublished::NotTaken)
    }

    /// Queues a ping; its number tells its answer.
    pub(super) fn ping(&self) -> u64 {
        let (id, call_id) = self.id();
        let mut text = String::with_capacity(128);
        encode::bare(&mut text, "_ping_", call_id);
        self.queue.push_own(Outgoing { text, id, call: Call::Ping });
        id
    }

    /// Queues as many calls as it takes to subscribe it all, and tells by which number each was asked for.
    pub(super) fn subscribe(&self, wishes: Vec<Wish>, mut asked: impl FnMut(&Wish, u64)) {
        let mut wishes = wishes.into_iter().peekable();
        while wishes.peek().is_some() {
            let mut bytes = 0;
            let mut some = Vec::new();
            while let Some(wish) =
                wishes.next_if(|wish| some.is_empty() || bytes + wish.as_str().len() <= NAMES_AT_ONCE)
            {
                bytes += wish.as_str().len() + 3;
                some.push(wish);
            }
            let (id, call_id) = self.id();
            let mut text = String::with_capacity(192 + bytes);
            let (topics, patterns) = apart(&some);
            encode::subscribe(&mut text, call_id, &topics, &patterns);
            for wish in &some {
                asked(wish, id);
            }
            self.queue.push_own(Outgoing { text, id, call: Call::Subscribe(some) });
        }
    }

    /// Queues the end of a subscription; `done` goes when it is answered, or never will be.
    pub(super) fn unsubscribe(&self, wish: &Wish, done: oneshot::Sender<()>) {
        let (id, call_id) = self.id();
        let mut text = String::with_capacity(192 + wish.as_str().len());
        let (topics, patterns) = apart(std::slice::from_ref(wish));
        encode::unsubscribe(&mut text, call_id, &topics, &patterns);
        self.queue.push_own(Outgoing { text, id, call: Call::Unsubscribe { done } });
    }
}

/// Topics and patterns, as the wire has them.
fn apart(wishes: &[Wish]) -> (Vec<&str>, Vec<&str>) {
    let (mut topics, mut patterns) = (Vec::new(), Vec::new());
    for wish in wishes {
        let list = if matches!(wish, Wish::Topic(_)) { &mut topics } else { &mut patterns };
        list.push(wish.as_str());
    }
    (topics, patterns)
}
