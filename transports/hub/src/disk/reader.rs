//! Reading a log's files. All of it blocks; only threads that may be blocked come here.

use std::io;
use std::sync::Arc;

use bytes::Bytes;

use super::Shared;
use super::record;
use super::segment::{HEAD, Mark, Next, Records, Segment, mark};
use super::state::{State, storage};
use crate::backlog::PAGE_BYTES;
use crate::{BacklogError, Message, lock};

/// The messages after a place, oldest first: as many as one page and one file have.
pub(super) fn page(shared: &Shared, place: u64, most: usize) -> Result<Vec<Arc<Message>>, BacklogError> {
    loop {
        let (segment, epoch) = {
            let state = lock(&shared.state);
            state.extent().check(state.cursor(place))?;
            if let Some(after) = state.after(place) {
                return Ok(after.take(most).cloned().collect());
            }
            let holds = |segment: &&Segment| !segment.is_empty() && segment.last > place;
            match state.segments.iter().find(holds) {
                Some(segment) => (segment.clone(), state.epoch),
                None => return Ok(Vec::new()),
            }
        };
        let Some(segment) = with_marks(shared, segment)? else { continue };
        let mut page = Page { messages: Vec::new(), bytes: 0, most };
        let read = visit(
            &segment,
            |mark| mark.sequence <= place + 1,
            |mark, body| {
                if mark.sequence <= place {
                    return Ok(true);
                }
                let message =
                    record::decode(body, epoch, shared.first_of_run).ok_or_else(|| damaged(&segment, mark.offset))?;
                Ok(page.add(message))
            },
        );
        match read {
            Err(error) if is_gone(shared, &segment, &error) => {}
            read => return read.map(|()| page.messages).map_err(storage),
        }
    }
}

struct Page {
    messages: Vec<Arc<Message>>,
    bytes: usize,
    most: usize,
}

impl Page {
    /// Whether there is room for more.
    fn add(&mut self, message: Message) -> bool {
        self.bytes += message.weight();
        self.messages.push(Arc::new(message));
        self.messages.len() < self.most && self.bytes < PAGE_BYTES
    }
}

/// The place before the first message of this time or later; the newest if there is none.
pub(super) fn since(shared: &Shared, time: u64) -> Result<u64, BacklogError> {
    loop {
        let (segment, first) = {
            let state = lock(&shared.state);
            let first = state.first.max(1) - 1;
            let holds = |segment: &&Segment| !segment.is_empty() && segment.last > first && segment.time >= time;
            match state.segments.iter().find(holds) {
                Some(segment) => (segment.clone(), first),
                None => return Ok(since_in_memory(&state, time)),
            }
        };
        let Some(segment) = with_marks(shared, segment)? else { continue };
        match find(&segment, time) {
            // It may have gone since; what is older than the first is not kept.
            Ok(found) => return Ok(found.map_or(first, |found| found.saturating_sub(1)).max(first)),
            Err(error) if is_gone(shared, &segment, &error) => {}
            Err(error) => return Err(storage(error)),
        }
    }
}

fn since_in_memory(state: &State, time: u64) -> u64 {
    let is_it =
        |message: &&Arc<Message>| message.cursor().sequence() >= state.first && record::nanos(message.time()) >= time;
    // One by one: the clock may have been set back, and there are few.
    state.tail.iter().find(is_it).map_or(state.newest, |found| found.cursor().sequence() - 1)
}

/// The first message of a segment at this time or later.
fn find(segment: &Segment, time: u64) -> io::Result<Option<u64>> {
    let mut found = None;
    visit(
        segment,
        |mark| mark.time < time,
        |mark, _| {
            found = (mark.time >= time).then_some(mark.sequence);
            Ok(found.is_none())
        },
    )?;
    Ok(found)
}

/// Drops what is older than a time, as far as it is in files. What bears a time after `now` was stamped by a clock that was
/// wrong: how old it is nobody knows, and it goes with the first after it that is too old.
///
/// Of a file that is damaged, what lies behind the damage goes with the whole file.
pub(super) fn expire(shared: &Shared, oldest: u64, now: u64) -> Result<(), BacklogError> {
    loop {
        let segment = {
            let mut state = lock(&shared.state);
            let first = state.first;
            let held = |segment: &&Segment| !segment.is_empty() && segment.last >= first;
            let is_no_sign = |segment: &&Segment| !(oldest..=now).contains(&segment.time);
            let old = state.segments.iter().filter(held).take_while(is_no_sign).filter(|segment| segment.time < oldest);
            if let Some(next) = old.last().map(|segment| segment.last + 1) {
                state.drop_before(next);
                continue;
            }
            match state.segments.iter().find(held) {
                Some(segment) => segment.clone(),
                None => return Ok(()),
            }
        };
        let segment = match with_marks(shared, segment.clone()) {
            Ok(Some(segment)) => segment,
            Ok(None) => continue,
            // Damaged: what there is before that is found without them.
            Err(_) => segment,
        };
        let mut next = 0;
        let read = visit(
            &segment,
            |mark| mark.time < oldest,
            |mark, _| {
                if mark.time < oldest {
                    next = mark.sequence + 1;
                }
                Ok(!(oldest..=now).contains(&mark.time))
            },
        );
        if next > 0 {
            lock(&shared.state).drop_before(next);
        }
        match read {
            Err(error) if is_gone(shared, &segment, &error) => {}
            read => return read.map_err(storage),
        }
    }
}

/// The segment with its marks, which are made if it has none; `None` if it has gone meanwhile.
fn with_marks(shared: &Shared, mut segment: Segment) -> Result<Option<Segment>, BacklogError> {
    if segment.marks.is_some() {
        return Ok(Some(segment));
    }
    let (mut marks, mut latest) = (Vec::new(), 0);
    let read = visit(
        &segment,
        |_| false,
        |found, _| {
            mark(&mut marks, &mut latest, found);
            Ok(true)
        },
    );
    match read {
        Ok(()) => {}
        Err(error) if is_gone(shared, &segment, &error) => return Ok(None),
        Err(error) => return Err(storage(error)),
    }
    let mut state = lock(&shared.state);
    if let Some(known) = state.segments.iter_mut().find(|known| known.base == segment.base) {
        known.marks.get_or_insert_with(|| marks.clone());
    }
    segment.marks = Some(marks);
    Ok(Some(segment))
}

/// Shows the records of a segment, from the last mark that lies `before`, until the visitor has enough. What lies behind
/// the last record is what a failed write has left.
fn visit(
    segment: &Segment,
    before: impl Fn(&Mark) -> bool,
    mut visitor: impl FnMut(Mark, Bytes) -> io::Result<bool>,
) -> io::Result<()> {
    let offset = segment.offset(before).unwrap_or(HEAD);
    let mut records = Records::open(&segment.path, offset, Some(segment.bytes))?;
    loop {
        match records.next()? {
            Next::Record { mark, .. } if mark.sequence > segment.last => return Ok(()),
            Next::Record { mark, body } => {
                if !visitor(mark, body)? || mark.sequence == segment.last {
                    return Ok(());
                }
            }
            Next::End => return Ok(()),
            Next::Broken { offset } => return Err(damaged(segment, offset)),
        }
    }
}

/// Whether a file could not be read because its messages are no longer kept.
fn is_gone(shared: &Shared, segment: &Segment, error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
        && !lock(&shared.state).segments.iter().any(|known| known.base == segment.base)
}

fn damaged(segment: &Segment, offset: u64) -> io::Error {
    let text = format!(
        "the file {} is damaged at byte {offset}: restore it, or delete it to go on without its messages",
        segment.path.display()
    );
    io::Error::new(io::ErrorKind::InvalidData, text)
}
