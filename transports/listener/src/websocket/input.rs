//! What a session knows of its input. The guard writes it, and the actor, which the decoder stands between.

use std::cell::Cell;

/// What there is still to be read of a session.
#[derive(Debug, Default)]
pub struct Input {
    state: Cell<State>,
    undecoded: Cell<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    #[default]
    Open,
    TooLarge,
    Broken,
    Over,
}

impl Input {
    /// The actor got an item: a frame, or an error of the decoder over a frame or of the input when no frame was left.
    /// Returns whether it says something: after the end an error only says that the connection is gone.
    pub fn takes<T, E>(&self, item: &Result<T, E>) -> bool {
        self.undecoded.set(self.undecoded.get().saturating_sub(1));
        item.is_ok() || !self.is_over()
    }

    /// The decoder has lost its way: what comes can no longer be told apart into frames, so not even a close frame would be
    /// seen.
    pub fn breaks(&self) {
        self.state.set(State::Broken);
    }

    /// Nothing more comes from the peer: its close frame came, or the connection is gone.
    pub fn ends(&self) {
        self.state.set(State::Over);
    }

    /// Whether a frame was announced that is too large, which has ended the input.
    #[must_use]
    pub fn was_too_large(&self) -> bool {
        self.state.get() == State::TooLarge
    }

    /// Whether nothing more comes from the peer.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.state.get() == State::Over
    }

    /// Whether there is nothing to be waited for from the peer.
    #[must_use]
    pub fn is_useless(&self) -> bool {
        matches!(self.state.get(), State::Broken | State::Over)
    }

    /// Whether the decoder holds whole frames.
    pub(super) fn has_frames(&self) -> bool {
        self.undecoded.get() > 0
    }

    /// The decoder is given as many whole frames.
    pub(super) fn gives(&self, frames: usize) {
        self.undecoded.set(frames);
    }

    /// A frame was announced that is too large.
    pub(super) fn overflows(&self) {
        self.state.set(State::TooLarge);
    }
}
