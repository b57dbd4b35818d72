//! Dead letters, once more.

use bytes::Bytes;

use super::clock::Clock;
use super::shared::{Tried, attempt};
use crate::message::Message;
use crate::outgoing::{Outgoing, Report};
use crate::store::{DeadLetter, Outcome, Store, StoreError};

/// What became of a dead letter that was sent once more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replay {
    /// The letter, without its body.
    pub letter: DeadLetter,
    /// What its url answered.
    pub report: Report,
    /// Whether it is forgotten, because it was delivered.
    pub unburied: bool,
}

/// Why a dead letter was not sent.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// There is none with this number.
    #[error("there is no dead letter {0}")]
    Unknown(i64),
    /// Its body was too large to be kept.
    #[error("dead letter {number} had {bytes} bytes, which was too large to keep: only their hash is known")]
    NoBody {
        /// Its number.
        number: i64,
        /// How large it was.
        bytes: u64,
    },
    /// Its body is not what it was.
    #[error("the body of dead letter {0} was changed in the store: its hash is another")]
    Changed(i64),
    /// The store fails. If it failed after the letter was delivered, the letter is still there.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Sends a dead letter to its url once more, whatever is known of that, and forgets it if it was confirmed. The attempt is
/// logged. Who counts on each message once should know that it may have arrived the first time.
///
/// # Errors
/// It could not be sent, or the store fails.
pub async fn replay(store: &dyn Store, outgoing: &Outgoing, number: i64) -> Result<Replay, ReplayError> {
    let mut letter = store.dead_letter(number).await?.ok_or(ReplayError::Unknown(number))?;
    let body = letter.body.take().ok_or(ReplayError::NoBody { number, bytes: letter.bytes })?;
    let message = Message::new(&letter.topic, Bytes::from(body));
    if message.sha512 != letter.sha512 {
        return Err(ReplayError::Changed(number));
    }
    let report = outgoing.receive(&letter.url, &message).await;
    let tried = Tried { receive: true, url: &letter.url, topic: &letter.topic, bytes: letter.bytes };
    store.log(&[attempt(&tried, &report, Clock::system().now().epoch_ms)]).await?;
    let unburied = report.outcome == Outcome::Confirmed && store.unbury(number).await?;
    Ok(Replay { letter, report, unburied })
}
