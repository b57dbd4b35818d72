//! What a session says and hears, beside the messages themselves: counters, signatures, headers, compressors.

use std::cell::{OnceCell, RefCell};
use std::collections::VecDeque;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use actix_web::rt;
use bytes::Bytes;
use eventhive_listener::websocket::binary_header;
use tokio::time::Instant;

use super::Sessions;
use super::closing::Close;
use super::live::Live;
use crate::broadcaster::{Asker, Denied};
use crate::compression::{Compressors, Trained, Trainer};
use crate::message::Body;
use crate::wire::Proof;
use crate::wire::auth::Claim;
use crate::wire::endpoint::Endpoint;
use crate::wire::stateful::B2s;
use crate::wire::stateful::counter::{ConnectionNonce, Counter};

/// The longest header of a frame that a server sends.
const HEADER: usize = 10;

pub(super) struct Speech {
    sessions: Arc<Sessions>,
    /// The subscriber's address, if it is known.
    address: Option<IpAddr>,
    nonce: OnceCell<ConnectionNonce>,
    s2b: RefCell<Counter>,
    b2s: RefCell<Counter>,
    pub(super) compressors: RefCell<Compressors>,
    trainer: RefCell<Option<Trainer>>,
    /// Dictionaries that have yet to be announced.
    pub(super) trained: RefCell<VecDeque<Trained>>,
}

impl Speech {
    pub(super) fn new(sessions: Arc<Sessions>, address: Option<IpAddr>) -> Self {
        Self {
            sessions,
            address,
            nonce: OnceCell::new(),
            s2b: RefCell::new(Counter::s2b()),
            b2s: RefCell::new(Counter::b2s()),
            compressors: RefCell::default(),
            trainer: RefCell::default(),
            trained: RefCell::default(),
        }
    }

    /// Both halves of the connection's nonce are there.
    pub(super) fn begin(&self, nonce: ConnectionNonce) {
        // Once only: a second CONFIGURE is refused.
        _ = self.nonce.set(nonce);
    }

    /// Messages are looked at for dictionaries from now on.
    pub(super) fn train(&self, trainer: Trainer) {
        *self.trainer.borrow_mut() = Some(trainer);
    }

    /// The value for the next counted message that comes. To be taken in the order in which they come.
    pub(super) fn take_s2b(&self) -> i64 {
        self.s2b.borrow_mut().take()
    }

    /// The url of the next counted message that is sent.
    pub(super) fn next_url(&self) -> String {
        let value = self.b2s.borrow_mut().take();
        self.url(Some(value))
    }

    /// The url of a counted message that came.
    pub(super) fn url(&self, counter: Option<i64>) -> String {
        self.nonce.get().zip(counter).map(|(nonce, counter)| nonce.url(counter)).unwrap_or_default()
    }

    /// Whether the subscriber may say this.
    pub(super) async fn admit(&self, proof: Proof<'_>, tracing: &[u8], claim: &Claim<'_>) -> Result<(), Close> {
        let asker = Asker { address: self.address, endpoint: Endpoint::Websocket };
        let admitted = self.sessions.broadcaster.admit(asker, proof.authorization, claim, tracing).await;
        admitted.map_err(|denied| match denied {
            Denied::Unauthorized | Denied::Forbidden(_) => Close::refused(denied),
            Denied::Unavailable(error) => {
                tracing::warn!(%error, "an authorization cannot be checked");
                Close::failed("authorizations cannot be checked at the moment")
            }
        })
    }

    pub(super) fn sign(&self, claim: &Claim<'_>) -> Result<Option<String>, Close> {
        self.sessions.broadcaster.sign(claim, b"").map_err(|error| {
            tracing::warn!(%error, "a message to a websocket cannot be signed");
            Close::failed("a message cannot be signed")
        })
    }

    /// The frame of a whole message.
    pub(super) fn frame(&self, message: &B2s<'_>) -> Result<Bytes, Close> {
        let mut frame = self.write(message)?;
        frame.close(0);
        Ok(frame.into_bytes())
    }

    /// Writes a message, with room before it for the header of its frame.
    pub(super) fn write(&self, message: &B2s<'_>) -> Result<Unfinished, Close> {
        let mut bytes = vec![0; HEADER];
        message.write(self.sessions.settings.headers, &mut bytes).map_err(|error| {
            tracing::warn!(%error, "a message to a websocket cannot be written");
            Close::failed("a message cannot be written")
        })?;
        Ok(Unfinished { bytes, start: HEADER })
    }

    /// A message was sent or received. Perhaps it makes a dictionary worth while.
    pub(super) fn saw(live: &Rc<Live>, body: &Body) {
        let Some(bytes) = body.as_bytes() else { return };
        let mut trainer = live.speech.trainer.borrow_mut();
        let Some(job) = trainer.as_mut().and_then(|trainer| trainer.saw(bytes, Instant::now())) else { return };
        let live = Rc::clone(live);
        rt::spawn(async move {
            let trained = job.run().await;
            if let Some(trainer) = &mut *live.speech.trainer.borrow_mut() {
                trainer.ended(trained.is_some(), Instant::now());
            }
            if let Some(trained) = trained {
                live.sessions.counters.trained.add_one();
                live.speech.trained.borrow_mut().push_back(trained);
                live.queue.wake();
            }
        });
    }
}

/// A frame of which the header, and perhaps the end, is missing.
pub(super) struct Unfinished {
    bytes: Vec<u8>,
    start: usize,
}

impl Unfinished {
    /// How many bytes there are, without the frame's header.
    pub(super) fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    pub(super) fn append(&mut self, payload: &[u8]) {
        self.bytes.extend_from_slice(payload);
    }

    /// Writes the header, for a frame that so many bytes will follow.
    pub(super) fn close(&mut self, following: u64) {
        let (header, used) = binary_header(self.len() as u64 + following);
        let start = self.start - used;
        if let (Some(room), Some(header)) = (self.bytes.get_mut(start..self.start), header.get(..used)) {
            room.copy_from_slice(header);
            self.start = start;
        }
    }

    pub(super) fn into_bytes(self) -> Bytes {
        Bytes::from(self.bytes).slice(self.start..)
    }
}
