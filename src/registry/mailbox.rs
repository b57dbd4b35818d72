//! The bounded queue in front of a hook or a stream.
//!
//! actix's own mailbox is not used for events: its bound does not hold for `do_send` nor for fresh clones of an
//! address, it cannot give up its oldest message, and it is lost with its actor. This one belongs to the hook, so it
//! outlives a panic, and is bounded in messages and in bytes.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use eventhive_transport::Overflow;
use tokio::sync::Notify;
use tokio::task::coop;

/// What counts bytes in a mailbox.
pub(crate) trait Weigh {
    fn weight(&self) -> usize;
}

/// The most that may wait in a mailbox. One item always fits into an empty one, however large it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub(crate) messages: usize,
    pub(crate) bytes: usize,
}

impl Bounds {
    /// 1,024 events cost some 40 KiB when full of pointers to shared events; 16 MiB bounds what those events hold.
    pub(crate) const DEFAULT: Self = Self { messages: 1024, bytes: 16 * 1024 * 1024 };
}

#[derive(Debug)]
pub(crate) struct Mailbox<T> {
    state: Mutex<State<T>>,
    room: Notify,
    bounds: Bounds,
    overflow: Overflow,
}

#[derive(Debug)]
struct State<T> {
    items: VecDeque<T>,
    bytes: usize,
    /// Items that the reader took beyond the one it is at work on. They still count, until it comes for more.
    in_hand: usize,
    bytes_in_hand: usize,
    reader: Option<Waker>,
    /// Senders in [`Mailbox::push_when_room`]; a reader tells them of room only if there are any.
    senders: usize,
    closed: bool,
}

/// An item that a mailbox did not take, with the item.
#[derive(Debug)]
pub(crate) enum Rejected<T> {
    Full(T),
    Closed(T),
}

/// An item was taken; the others had to go for it. Almost always empty, and then it owns nothing.
pub(crate) type Evicted<T> = Vec<T>;

impl<T: Weigh> Mailbox<T> {
    pub(crate) fn new(bounds: Bounds, overflow: Overflow) -> Self {
        let state = State {
            items: VecDeque::new(),
            bytes: 0,
            in_hand: 0,
            bytes_in_hand: 0,
            reader: None,
            senders: 0,
            closed: false,
        };
        Self { state: Mutex::new(state), room: Notify::new(), bounds, overflow }
    }

    pub(crate) fn overflow(&self) -> Overflow {
        self.overflow
    }

    pub(crate) fn bounds(&self) -> Bounds {
        self.bounds
    }

    /// Nothing runs under this lock that could panic; should it be poisoned all the same, the queue is still a queue.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the item, or makes room as the policy says, or gives it back. Never waits.
    pub(crate) fn push(&self, item: T) -> Result<Evicted<T>, Rejected<T>> {
        let mut state = self.lock();
        let weight = item.weight();
        let mut evicted = Vec::new();
        if state.closed {
            return Err(Rejected::Closed(item));
        }
        if !state.fits(weight, self.bounds) {
            match self.overflow {
                Overflow::DropOldest => evicted = state.evict(weight, self.bounds),
                Overflow::Disconnect => {
                    state.closed = true;
                    let reader = state.reader.take();
                    drop(state);
                    wake(reader);
                    return Err(Rejected::Full(item));
                }
                Overflow::Block | Overflow::DropNewest => return Err(Rejected::Full(item)),
            }
        }
        state.items.push_back(item);
        state.bytes += weight;
        let reader = state.reader.take();
        drop(state);
        wake(reader);
        Ok(evicted)
    }

    /// As [`push`](Self::push), but under [`Overflow::Block`] it waits until there is room.
    pub(crate) async fn push_when_room(&self, item: T) -> Result<Evicted<T>, Rejected<T>> {
        match self.push(item) {
            Err(Rejected::Full(item)) if self.overflow == Overflow::Block => Box::pin(self.wait_for_room(item)).await,
            done => done,
        }
    }

    async fn wait_for_room(&self, mut item: T) -> Result<Evicted<T>, Rejected<T>> {
        let _counted = Sender::count(self);
        loop {
            let room = self.room.notified();
            tokio::pin!(room);
            // Registered before the second look, so that room made in between is not missed.
            room.as_mut().enable();
            match self.push(item) {
                Err(Rejected::Full(back)) => item = back,
                done => return done,
            }
            room.await;
        }
    }

    /// The next item; `None` when the mailbox is closed and empty.
    pub(crate) fn poll_pop(&self, context: &mut Context<'_>) -> Poll<Option<T>> {
        let budget = ready!(coop::poll_proceed(context));
        let mut state = self.lock();
        if let Some(item) = state.pop() {
            self.made_room(state, 1);
            budget.made_progress();
            return Poll::Ready(Some(item));
        }
        if state.closed {
            return Poll::Ready(None);
        }
        state.wait(context);
        Poll::Pending
    }

    /// Moves the next items into `hand`, which is empty, a few at a time so that the lock is taken once for them; ready
    /// with `false` when the mailbox is closed and empty. What is not handled goes back with
    /// [`give_back`](Self::give_back).
    pub(crate) fn poll_take(&self, context: &mut Context<'_>, hand: &mut VecDeque<T>) -> Poll<bool> {
        let mut state = self.lock();
        let mut room = state.in_hand;
        (state.in_hand, state.bytes_in_hand) = (0, 0);
        let taken = if let Some(first) = state.pop() {
            hand.push_back(first);
            room += 1;
            let bytes = state.bytes;
            state.in_hand = state.items.len().min(self.batch() - 1);
            for _ in 0..state.in_hand {
                hand.extend(state.pop());
            }
            state.bytes_in_hand = bytes - state.bytes;
            Poll::Ready(true)
        } else if state.closed {
            Poll::Ready(false)
        } else {
            state.wait(context);
            Poll::Pending
        };
        self.made_room(state, room);
        taken
    }

    /// How many items a reader takes at once. A small mailbox, or one that gives up its oldest, must be exact.
    fn batch(&self) -> usize {
        match self.overflow {
            Overflow::DropOldest => 1,
            Overflow::Block | Overflow::DropNewest | Overflow::Disconnect => (self.bounds.messages / 8).clamp(1, 32),
        }
    }

    /// Puts items back in front, in their order.
    pub(crate) fn give_back(&self, hand: VecDeque<T>) {
        let mut state = self.lock();
        (state.in_hand, state.bytes_in_hand) = (0, 0);
        for item in hand.into_iter().rev() {
            state.bytes += item.weight();
            state.items.push_front(item);
        }
    }

    /// Ready when something waits; `false` when the mailbox is closed and empty.
    pub(crate) fn poll_filled(&self, context: &mut Context<'_>) -> Poll<bool> {
        let mut state = self.lock();
        if !state.items.is_empty() {
            return Poll::Ready(true);
        }
        if state.closed {
            return Poll::Ready(false);
        }
        state.wait(context);
        Poll::Pending
    }

    /// The next item if one is there.
    pub(crate) fn try_pop(&self) -> Option<T> {
        let mut state = self.lock();
        let item = state.pop()?;
        self.made_room(state, 1);
        Some(item)
    }

    fn made_room(&self, state: MutexGuard<'_, State<T>>, items: usize) {
        let senders = state.senders;
        drop(state);
        for _ in 0..senders.min(items) {
            self.room.notify_one();
        }
    }

    /// Takes no more; what waits is still handed out.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        let reader = state.reader.take();
        drop(state);
        wake(reader);
        self.room.notify_waiters();
    }

    /// Takes no more and gives up what waits.
    pub(crate) fn abort(&self) {
        self.close();
        let mut state = self.lock();
        state.bytes = 0;
        let items = std::mem::take(&mut state.items);
        // Dropping items may run code of others.
        drop(state);
        drop(items);
    }

    /// Items that wait.
    pub(crate) fn len(&self) -> usize {
        self.lock().waiting()
    }
}

impl<T: Weigh> State<T> {
    fn fits(&self, weight: usize, bounds: Bounds) -> bool {
        let bytes = self.bytes.saturating_add(self.bytes_in_hand).saturating_add(weight);
        self.waiting() == 0 || (self.waiting() < bounds.messages && bytes <= bounds.bytes)
    }

    fn waiting(&self) -> usize {
        self.items.len() + self.in_hand
    }

    fn evict(&mut self, weight: usize, bounds: Bounds) -> Evicted<T> {
        let mut evicted = Vec::new();
        while !self.fits(weight, bounds) {
            evicted.extend(self.pop());
        }
        evicted
    }

    fn pop(&mut self) -> Option<T> {
        let item = self.items.pop_front()?;
        self.bytes = self.bytes.saturating_sub(item.weight());
        Some(item)
    }

    fn wait(&mut self, context: &Context<'_>) {
        match &mut self.reader {
            Some(waker) => waker.clone_from(context.waker()),
            none => *none = Some(context.waker().clone()),
        }
    }
}

fn wake(reader: Option<Waker>) {
    if let Some(waker) = reader {
        waker.wake();
    }
}

/// Counts a waiting sender as long as it lives, also when its future is dropped.
struct Sender<'a, T: Weigh>(&'a Mailbox<T>);

impl<'a, T: Weigh> Sender<'a, T> {
    fn count(mailbox: &'a Mailbox<T>) -> Self {
        mailbox.lock().senders += 1;
        Self(mailbox)
    }
}

impl<T: Weigh> Drop for Sender<'_, T> {
    fn drop(&mut self) {
        self.0.lock().senders -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use futures_util::task::noop_waker_ref;

    impl Weigh for usize {
        fn weight(&self) -> usize {
            *self
        }
    }

    fn mailbox(messages: usize, bytes: usize, overflow: Overflow) -> Mailbox<usize> {
        Mailbox::new(Bounds { messages, bytes }, overflow)
    }

    fn drain(mailbox: &Mailbox<usize>) -> Vec<usize> {
        std::iter::from_fn(|| mailbox.try_pop()).collect()
    }

    #[test]
    fn each_policy_does_what_its_word_says() {
        let full = |overflow| {
            let mailbox = mailbox(2, 1000, overflow);
            mailbox.push(1).unwrap();
            mailbox.push(2).unwrap();
            (mailbox.push(3), mailbox)
        };
        for overflow in [Overflow::Block, Overflow::DropNewest] {
            let (third, mailbox) = full(overflow);
            assert!(matches!(third, Err(Rejected::Full(3))));
            assert_eq!(drain(&mailbox), [1, 2]);
        }
        let (third, oldest) = full(Overflow::DropOldest);
        assert_eq!(third.unwrap(), [1]);
        assert_eq!(drain(&oldest), [2, 3]);
        let (third, ended) = full(Overflow::Disconnect);
        assert!(matches!(third, Err(Rejected::Full(3))));
        assert!(matches!(ended.push(4), Err(Rejected::Closed(4))));
        assert_eq!(drain(&ended), [1, 2]);
    }

    #[test]
    fn bytes_bound_too_and_one_item_always_fits() {
        let mailbox = mailbox(100, 10, Overflow::DropOldest);
        assert!(mailbox.push(50).unwrap().is_empty());
        assert_eq!(mailbox.push(4).unwrap(), [50]);
        assert!(mailbox.push(6).unwrap().is_empty());
        assert_eq!(mailbox.push(1).unwrap(), [4]);
        assert_eq!(drain(&mailbox), [6, 1]);
    }

    #[test]
    fn a_blocked_sender_goes_on_when_there_is_room_and_ends_when_closed() {
        let mailbox = mailbox(1, 1000, Overflow::Block);
        mailbox.push(1).unwrap();
        let mut waiting = Box::pin(mailbox.push_when_room(2));
        assert!(waiting.as_mut().now_or_never().is_none());
        assert_eq!(mailbox.try_pop(), Some(1));
        assert!(matches!(waiting.now_or_never(), Some(Ok(_))));

        let mut waiting = Box::pin(mailbox.push_when_room(3));
        assert!(waiting.as_mut().now_or_never().is_none());
        mailbox.close();
        assert!(matches!(waiting.now_or_never(), Some(Err(Rejected::Closed(3)))));
    }

    #[test]
    fn a_blocked_sender_that_gives_up_passes_its_turn_on() {
        let mailbox = mailbox(1, 1000, Overflow::Block);
        mailbox.push(1).unwrap();
        let mut first = Box::pin(mailbox.push_when_room(2));
        let mut second = Box::pin(mailbox.push_when_room(3));
        assert!(first.as_mut().now_or_never().is_none());
        assert!(second.as_mut().now_or_never().is_none());
        assert_eq!(mailbox.try_pop(), Some(1));
        drop(first);
        assert!(matches!(second.now_or_never(), Some(Ok(_))));
        assert_eq!(drain(&mailbox), [3]);
    }

    #[test]
    fn a_closed_mailbox_hands_out_what_waits_and_then_ends() {
        let mailbox = mailbox(10, 1000, Overflow::Block);
        mailbox.push(1).unwrap();
        mailbox.close();
        let mut context = Context::from_waker(noop_waker_ref());
        assert_eq!(mailbox.poll_pop(&mut context), Poll::Ready(Some(1)));
        assert_eq!(mailbox.poll_pop(&mut context), Poll::Ready(None));
        assert!(matches!(mailbox.push(2), Err(Rejected::Closed(2))));
    }
}
