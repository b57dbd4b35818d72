//! One wish: who has it, on which wires it is to stand, and where it does.

use std::time::Instant;

use tokio::sync::oneshot;

use super::overlap::Overlap;
use super::{Pace, Way};
use crate::message::Message;
use crate::subscriber::error::SubscriberError;

/// Who has to hear that a wish stands.
pub(super) struct Began {
    pub(super) waiting: Vec<Waiting>,
    /// Those who may have missed something.
    pub(super) missed: Vec<u64>,
}

type Waiting = oneshot::Sender<Result<(), SubscriberError>>;

pub(super) struct Entry {
    pub(super) members: Vec<u64>,
    pub(super) waiting: Vec<Waiting>,
    /// Where it is to stand in the end.
    home: Way,
    http: bool,
    websocket: bool,
    /// It stood, and was lost: messages are missed until it stands again.
    missing: bool,
    /// While copies come on both wires, and for a while after.
    overlap: Option<Overlap>,
    /// Messages since the last look, and when that was.
    came: u64,
    looked: Instant,
}

impl Entry {
    pub(super) fn new(home: Way) -> Self {
        Self {
            members: Vec::new(),
            waiting: Vec::new(),
            home,
            http: false,
            websocket: false,
            missing: false,
            overlap: None,
            came: 0,
            looked: Instant::now(),
        }
    }

    /// Whether it stands where it is to stand.
    pub(super) fn stands(&self) -> bool {
        self.is_at(self.home)
    }

    fn is_at(&self, way: Way) -> bool {
        match way {
            Way::Http => self.http,
            Way::Websocket => self.websocket,
        }
    }

    /// It is kept where it was until it stands where it is to be.
    pub(super) fn is_wanted(&self, way: Way) -> bool {
        self.home == way || (self.is_at(way) && !self.stands())
    }

    /// Whether it is wanted on a wire, and is not known to stand there.
    pub(super) fn is_news(&self, way: Way) -> bool {
        self.home == way && !self.is_at(way)
    }

    pub(super) fn began(&mut self, way: Way) -> Began {
        *self.at(way) = true;
        if self.stands() {
            let other = match self.home {
                Way::Http => Way::Websocket,
                Way::Websocket => Way::Http,
            };
            if std::mem::take(self.at(other)) {
                self.overlap.get_or_insert_default().close();
            }
        }
        let missed = if std::mem::take(&mut self.missing) { self.members.clone() } else { Vec::new() };
        Began { waiting: std::mem::take(&mut self.waiting), missed }
    }

    pub(super) fn lost(&mut self, way: Way) {
        let stood = std::mem::take(self.at(way));
        self.missing |= stood && !self.http && !self.websocket;
    }

    fn at(&mut self, way: Way) -> &mut bool {
        match way {
            Way::Http => &mut self.http,
            Way::Websocket => &mut self.websocket,
        }
    }

    /// Those who take this copy of a message. While a wish changes its wire, the second copy is nobody's.
    pub(super) fn take(&mut self, way: Way, message: &Message) -> &[u64] {
        self.came += 1;
        let is_news = self.overlap.as_mut().is_none_or(|overlap| overlap.is_news(way, message));
        if is_news { &self.members } else { &[] }
    }

    /// Looks how busy it is, and changes the wire it is to be on. Says when it has.
    pub(super) fn shift(&mut self, now: Instant, pace: Pace, usable: bool) -> Option<()> {
        if self.overlap.as_ref().is_some_and(|overlap| overlap.is_over(now, pace.linger)) {
            self.overlap = None;
        }
        let rate = self.came as f64 / now.duration_since(self.looked).as_secs_f64().max(0.001);
        (self.came, self.looked) = (0, now);
        let next = match self.home {
            Way::Http if usable && self.http && rate >= pace.busy => Way::Websocket,
            Way::Websocket if !usable || (self.websocket && rate < pace.quiet) => Way::Http,
            _ => return None,
        };
        self.home = next;
        // Counts from before the first copy that can come twice.
        self.overlap.get_or_insert_default().open();
        Some(())
    }
}
