//! The actor of a session: it reads what the subscriber sends, and puts it where it is handled.

use std::rc::Rc;

use actix::prelude::*;
use actix_http::ws::{Item, ProtocolError};
use actix_web_actors::ws::{Message, WebsocketContext};
use bytes::{Bytes, BytesMut};
use eventhive_listener::websocket::{Control, Guarded as _, control};

use super::closing::Close;
use super::inbox::Received;
use super::live::Live;
use crate::wire::stateful::{Peeked, S2b};

/// A subscriber.
pub(super) struct Reader {
    live: Rc<Live>,
    /// A message that comes in several frames, so far.
    fragments: Option<BytesMut>,
}

impl Reader {
    pub(super) fn new(live: Rc<Live>) -> Self {
        Self { live, fragments: None }
    }

    /// One complete message.
    fn whole(&self, bytes: Bytes) {
        let Peeked { is_counted, is_receipt } = S2b::peek(&bytes);
        let counter = is_counted.then(|| self.live.speech.take_s2b());
        let inbox = if is_receipt { &self.live.receipts } else { &self.live.requests };
        inbox.push(Received { bytes, counter });
    }

    /// A frame of a message that comes in several.
    fn part(&mut self, item: Item) -> Result<(), Close> {
        let (part, is_last) = match item {
            Item::FirstBinary(part) => {
                self.fragments = Some(BytesMut::new());
                (part, false)
            }
            Item::FirstText(_) => return Err(Close::TEXT),
            Item::Continue(part) => (part, false),
            Item::Last(part) => (part, true),
        };
        let Some(joined) = &mut self.fragments else { return Err(Close::protocol("a continuation of nothing")) };
        self.live.check_size(joined.len() + part.len())?;
        joined.extend_from_slice(&part);
        if let Some(whole) = self.fragments.take_if(|_| is_last) {
            self.whole(whole.freeze());
        }
        Ok(())
    }

    fn message(&mut self, message: Message) -> Result<(), Close> {
        match message {
            Message::Binary(bytes) => {
                self.live.check_size(bytes.len())?;
                self.whole(bytes);
            }
            Message::Continuation(item) => self.part(item)?,
            Message::Text(_) => return Err(Close::TEXT),
            Message::Ping(payload) => self.live.outbox.pong(control(Control::Pong, &payload)),
            Message::Close(reason) => self.live.peer_closes(reason.map(|reason| reason.code.into())),
            Message::Pong(_) | Message::Nop => {}
        }
        Ok(())
    }

    /// What a failure of the decoder means. It makes one kind of error of most things; the guard knows more.
    fn fault(&self, error: &ProtocolError, context: &mut WebsocketContext<Self>) -> Close {
        let is_text = matches!(error, ProtocolError::Io(error) if error.kind() != std::io::ErrorKind::InvalidData);
        let close = match error {
            _ if self.live.input().was_too_large() => Close::too_large("the message is too large"),
            ProtocolError::Overflow => Close::too_large("the message is too large"),
            // A text that is not UTF-8.
            _ if is_text => return Close::TEXT,
            other => Close::protocol(other),
        };
        // The decoder would report the same bytes again and again. Without it, the server reads and forgets.
        self.live.input().breaks();
        context.cancel_future(context.handle());
        close
    }

    /// Reads nothing more until less waits.
    fn wait_for_room(&self, context: &mut WebsocketContext<Self>) {
        let live = Rc::clone(&self.live);
        live.stop_reading(true);
        let room = async move {
            while has_too_much(&live) {
                tokio::select! {
                    () = live.requests.less() => {}
                    () = live.receipts.less() => {}
                    () = live.window.filled() => {}
                }
            }
            live.stop_reading(false);
        };
        context.wait(room.into_actor(self));
    }
}

/// Whether too much waits to read on. An acknowledgement may stand behind requests that wait, and they may wait for it: where
/// one is to come, more requests are taken.
fn has_too_much(live: &Live) -> bool {
    let settings = &live.sessions.settings;
    let (most, most_bytes) = (settings.max_unprocessed, settings.max_incoming_bytes);
    let is_one_to_come = !live.window.is_empty();
    let requests =
        if is_one_to_come { live.requests.is_stuffed(most, most_bytes) } else { live.requests.is_full(most) };
    requests || live.receipts.is_full(most)
}

impl Actor for Reader {
    type Context = WebsocketContext<Self>;
}

impl StreamHandler<Result<Message, ProtocolError>> for Reader {
    fn handle(&mut self, item: Result<Message, ProtocolError>, context: &mut Self::Context) {
        if !self.live.input().takes(&item) {
            return;
        }
        // After our close frame only the peer's counts.
        if self.live.is_closing() && !matches!(item, Ok(Message::Close(_))) {
            return;
        }
        let handled = match item {
            Ok(message) => self.message(message),
            Err(error) => Err(self.fault(&error, context)),
        };
        if let Err(close) = handled {
            self.live.close(&close);
        }
        if has_too_much(&self.live) {
            self.wait_for_room(context);
        }
    }

    /// The connection is gone.
    fn finished(&mut self, context: &mut Self::Context) {
        self.live.input().ends();
        context.stop();
    }
}
