//! The actor of a session: it reads what the client sends.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::rc::Rc;
use std::task::Poll;

use actix::prelude::*;
use actix_http::ws::{Item, ProtocolError};
use actix_web_actors::ws::{Message, WebsocketContext};
use bytes::{Bytes, BytesMut};
use eventhive_hub::SubscriptionId;
use eventhive_listener::websocket::Guarded as _;
use eventhive_transport::Filter;
use foldhash::{HashMap, HashMapExt as _};
use futures_util::future::LocalBoxFuture;
use smallvec::SmallVec;

use super::closing::Close;
use super::live::Live;
use super::requests::Held;
use crate::wire::mend::Mended;
use crate::wire::{self, FrameError, answer};

/// A client.
pub(super) struct Peer {
    pub(super) live: Rc<Live>,
    /// It is a link of ours, which may subscribe patterns.
    pub(super) is_ours: bool,
    /// Of each topic and pattern the subscriptions: the same topic twice means every event twice.
    pub(super) subscriptions: HashMap<Filter, SmallVec<[SubscriptionId; 1]>>,
    /// A message that comes in several frames, so far.
    fragments: Option<BytesMut>,
    /// A publish that the hub had no room for.
    pub(super) held: Option<Held>,
    /// The same, on its way.
    publishing: Publishing,
}

impl Peer {
    pub(super) fn new(live: Rc<Live>, is_ours: bool) -> Self {
        Self {
            live,
            is_ours,
            subscriptions: HashMap::new(),
            fragments: None,
            held: None,
            publishing: Publishing::default(),
        }
    }

    /// One complete message.
    fn text(&mut self, text: &str) -> Result<(), Close> {
        if answer::is_answer(text) {
            // Most answers are to deliveries that nobody waits for.
            if self.live.pending.is_empty() {
                return Ok(());
            }
            if let Some(call) = answer::answered(text) {
                self.live.pending.answered(call);
                return Ok(());
            }
        }
        let mut mended = Mended::new();
        match wire::read(text, &mut mended) {
            Ok(frame) => {
                if let Some(request) = frame.request {
                    self.call(request)?;
                }
                let answered = frame.response.and_then(|response| answer::hex_id(&response.call_id?));
                answered.into_iter().for_each(|call| self.live.pending.answered(call));
                Ok(())
            }
            // As the Python server does with pydantic 2: logged, and that is all.
            Err(error @ FrameError::Form(_)) => {
                tracing::debug!(session = %self.live.session.id(), %error, "ignored");
                Ok(())
            }
            Err(error) => Err(Close::policy(error.to_string())),
        }
    }

    /// A frame of a message that comes in several.
    fn part(&mut self, item: Item) -> Result<(), Close> {
        let (part, is_last) = match item {
            Item::FirstText(part) => {
                self.fragments = Some(BytesMut::new());
                (part, false)
            }
            Item::FirstBinary(_) => return Err(Close::BINARY),
            Item::Continue(part) => (part, false),
            Item::Last(part) => (part, true),
        };
        let Some(joined) = &mut self.fragments else { return Err(Close::protocol("a continuation of nothing")) };
        if joined.len() + part.len() > self.live.shard.config().max_message {
            return Err(Close::TOO_LARGE);
        }
        joined.extend_from_slice(&part);
        match self.fragments.take_if(|_| is_last).map(BytesMut::freeze) {
            Some(whole) => self.whole(&whole),
            None => Ok(()),
        }
    }

    fn whole(&mut self, whole: &Bytes) -> Result<(), Close> {
        self.text(std::str::from_utf8(whole).map_err(|_| Close::NOT_UTF8)?)
    }

    fn message(&mut self, message: Message) -> Result<(), Close> {
        match message {
            Message::Text(text) if text.len() > self.live.shard.config().max_message => Err(Close::TOO_LARGE),
            Message::Text(text) => self.text(&text),
            Message::Continuation(item) => self.part(item),
            Message::Binary(_) => Err(Close::BINARY),
            Message::Ping(payload) => {
                self.live.pong(&payload);
                Ok(())
            }
            Message::Close(reason) => {
                self.live.peer_closes(reason.map(|reason| reason.code.into()));
                Ok(())
            }
            Message::Pong(_) | Message::Nop => Ok(()),
        }
    }

    /// What a failure of the decoder means. It makes one kind of error of most things; the guard knows more.
    fn fault(&self, error: &ProtocolError, context: &mut WebsocketContext<Self>) -> Close {
        if let ProtocolError::Io(error) = error
            && error.kind() != std::io::ErrorKind::InvalidData
            && !self.live.input().was_too_large()
        {
            return Close::NOT_UTF8;
        }
        let close = match error {
            _ if self.live.input().was_too_large() => Close::TOO_LARGE,
            ProtocolError::Overflow => Close::TOO_LARGE,
            other => Close::protocol(other.to_string()),
        };
        // The decoder would report the same bytes again and again. Without it, the server reads and forgets.
        self.live.input().breaks();
        context.cancel_future(context.handle());
        close
    }

    /// Whether requests have to wait: the hub has no room, or too many publishes of this client wait for answers.
    fn is_held_back(&self) -> bool {
        !self.publishing.is_done() || !self.live.shard.hub().is_ready() || self.live.waiting.get() >= MOST_WAITING
    }

    /// Serves an item now.
    fn serve(&mut self, item: Result<Message, ProtocolError>, context: &mut WebsocketContext<Self>) {
        let handled = match item {
            Ok(message) => self.message(message),
            Err(error) => Err(self.fault(&error, context)),
        };
        if let Err(close) = handled {
            self.live.shard.counters().faulty.add_one();
            self.live.close(&close);
        }
        if let Some(held) = self.held.take() {
            self.publishing.begin(held.finish(Rc::clone(&self.live)));
            context.spawn(self.publishing.done().into_actor(self));
        }
    }

    /// Serves a request when there is room, and reads nothing until then. What does not come behind a request is served all
    /// the while: a client that waits for its answer is heard when it pings, and answered.
    fn serve_later(&mut self, message: Message, context: &mut WebsocketContext<Self>) {
        let (publishing, live) = (self.publishing.done(), Rc::clone(&self.live));
        live.stop_reading(true);
        let room = async move {
            publishing.await;
            while live.waiting.get() >= MOST_WAITING {
                live.waited.notified().await;
            }
            live.shard.hub().ready().await;
        };
        let then = move |(), peer: &mut Self, context: &mut WebsocketContext<Self>| {
            peer.live.stop_reading(false);
            if !peer.live.is_closing() {
                peer.serve(Ok(message), context);
            }
        };
        context.wait(room.into_actor(self).map(then));
    }
}

/// A publish that goes on while the client's control frames are served. Whoever waits for it also drives it.
#[derive(Default)]
struct Publishing(Rc<RefCell<Option<LocalBoxFuture<'static, ()>>>>);

impl Publishing {
    fn is_done(&self) -> bool {
        self.0.borrow().is_none()
    }

    fn begin(&self, publish: impl Future<Output = ()> + 'static) {
        *self.0.borrow_mut() = Some(Box::pin(publish));
    }

    /// Resolves when it is done, at once if there is none.
    fn done(&self) -> impl Future<Output = ()> + use<> {
        let publish = Rc::clone(&self.0);
        poll_fn(move |context| {
            let mut publish = publish.borrow_mut();
            let polled = publish.as_mut().map_or(Poll::Ready(()), |publish| publish.as_mut().poll(context));
            if polled.is_ready() {
                *publish = None;
            }
            polled
        })
    }
}

/// Synchronous publishes of one session that may wait for answers; then it is read no further until one is done. About
/// half a KiB each.
const MOST_WAITING: usize = 1024;

/// Whether a frame is a message, or a part of one.
const fn is_data(message: &Message) -> bool {
    matches!(message, Message::Text(_) | Message::Binary(_) | Message::Continuation(_))
}

impl Actor for Peer {
    type Context = WebsocketContext<Self>;
}

impl StreamHandler<Result<Message, ProtocolError>> for Peer {
    fn handle(&mut self, item: Result<Message, ProtocolError>, context: &mut Self::Context) {
        if !self.live.input().takes(&item) {
            return;
        }
        // After our close frame only the peer's counts.
        if self.live.is_closing() && !matches!(item, Ok(Message::Close(_))) {
            return;
        }
        match item {
            Ok(message) if is_data(&message) && self.is_held_back() => self.serve_later(message, context),
            item => self.serve(item, context),
        }
    }

    /// The connection is gone.
    fn finished(&mut self, context: &mut Self::Context) {
        self.live.input().ends();
        context.stop();
    }
}
