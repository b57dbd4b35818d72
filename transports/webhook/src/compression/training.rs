//! Dictionaries made of what a connection carries.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::Instant;

use super::FIRST_TRAINED;
use super::dictionary::Dictionary;
use crate::wire::stateful::Compressor;

/// When dictionaries are trained, and of what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Training {
    /// Messages of fewer bytes are not looked at; nor of fewer than 32, whatever this says.
    pub min_size: u32,
    /// Messages of as many bytes, or more, are not looked at.
    pub max_size: u64,
    /// The first dictionary is trained when so many bytes have been seen.
    pub low_watermark: u64,
    /// Those after it are trained when so many bytes have been seen since the one before.
    pub high_watermark: u64,
    /// From the third on bytes count only when so much time has passed since the one before.
    pub retrain_interval: Duration,
}

impl Default for Training {
    /// As Python's broadcaster is set up.
    fn default() -> Self {
        Self {
            min_size: 32,
            max_size: 16_384,
            low_watermark: 102_400,
            high_watermark: 10 << 20,
            retrain_interval: Duration::from_secs(216_000),
        }
    }
}

/// The most bytes of messages that are kept for one connection: the newest. Sixteen times the largest dictionary; more
/// makes a dictionary hardly better.
const SAMPLE_BYTES: usize = 1 << 20;

/// The least number of messages to make a dictionary of, and the least length of each, whatever is configured. zstd's
/// trainer wants seven, and reads outside its memory where six in eight of them have fewer than eight bytes together.
const LEAST_SAMPLES: usize = 8;
const LEAST_BYTES: u32 = 32;

/// The first dictionary comes early, hence small and quickly made.
const FIRST: (usize, i16) = (16_384, 3);
const LATER: (usize, i16) = (65_536, 10);

/// One dictionary is trained at a time, whatever the number of connections: it takes up to a second of one core.
static ONE_AT_A_TIME: Semaphore = Semaphore::const_new(1);

/// Collects the messages of one connection, and says when to train.
#[derive(Debug)]
pub struct Trainer {
    training: Training,
    samples: VecDeque<Bytes>,
    bytes: usize,
    /// Bytes seen since the last training.
    seen: u64,
    next_id: u64,
    last: Option<Instant>,
    is_busy: bool,
}

/// A training to be done.
#[derive(Debug)]
pub struct Job {
    samples: Vec<Bytes>,
    compressor: Compressor,
    max_bytes: usize,
}

/// A dictionary that was trained, and the announcement of its compressor.
#[derive(Debug, Clone)]
pub struct Trained {
    /// The announcement.
    pub compressor: Compressor,
    /// The dictionary.
    pub dictionary: Arc<Dictionary>,
}

impl Trainer {
    /// For a connection that begins.
    #[must_use]
    pub fn new(training: Training) -> Self {
        Self {
            training: Training { min_size: training.min_size.max(LEAST_BYTES), ..training },
            samples: VecDeque::new(),
            bytes: 0,
            seen: 0,
            next_id: FIRST_TRAINED,
            last: None,
            is_busy: false,
        }
    }

    /// A message was sent or received, before compression. Gives a training when it is time for one; no other is given
    /// before that has [ended](Self::ended).
    pub fn saw(&mut self, message: &Bytes, now: Instant) -> Option<Job> {
        let length = message.len() as u64;
        if self.is_busy || length < self.training.min_size.into() || length >= self.training.max_size || self.rests(now)
        {
            return None;
        }
        // A copy: what a message is a piece of may be a thousand times as large.
        self.keep(Bytes::copy_from_slice(message));
        self.seen = self.seen.saturating_add(length);
        if self.seen < self.target() || self.samples.len() < LEAST_SAMPLES {
            return None;
        }
        self.is_busy = true;
        let (max_bytes, level) = if self.next_id == FIRST_TRAINED { FIRST } else { LATER };
        let Training { min_size, max_size, .. } = self.training;
        let compressor = Compressor { id: self.next_id, level, min_size, max_size };
        Some(Job { samples: self.samples.iter().cloned().collect(), compressor, max_bytes })
    }

    fn rests(&self, now: Instant) -> bool {
        let is_third = self.next_id > FIRST_TRAINED + 1;
        is_third && self.last.is_some_and(|last| now.duration_since(last) < self.training.retrain_interval)
    }

    fn target(&self) -> u64 {
        if self.next_id == FIRST_TRAINED { self.training.low_watermark } else { self.training.high_watermark }
    }

    fn keep(&mut self, message: Bytes) {
        self.bytes += message.len();
        self.samples.push_back(message);
        while self.bytes > SAMPLE_BYTES
            && let Some(oldest) = self.samples.pop_front()
        {
            self.bytes -= oldest.len();
        }
    }

    /// The training is over. After one that gave no dictionary as many bytes have to be seen again.
    pub fn ended(&mut self, gave_a_dictionary: bool, now: Instant) {
        self.is_busy = false;
        self.seen = 0;
        if gave_a_dictionary {
            self.last = Some(now);
            self.next_id += 1;
        }
        if self.rests(now) {
            self.samples = VecDeque::new();
            self.bytes = 0;
        }
    }
}

impl Job {
    /// Trains, on a thread that may block. Needs a tokio runtime. `None` if the messages have nothing in common that would
    /// make a dictionary, which is not an error.
    pub async fn run(self) -> Option<Trained> {
        // Never closed.
        let _turn = ONE_AT_A_TIME.acquire().await.ok()?;
        let id = self.compressor.id;
        match spawn_blocking(move || self.train()).await {
            Ok(Ok(trained)) => Some(trained),
            Ok(Err(error)) => {
                tracing::debug!(id, %error, "no dictionary came of these messages");
                None
            }
            Err(error) => {
                tracing::warn!(id, %error, "the training of a dictionary failed");
                None
            }
        }
    }

    fn train(self) -> io::Result<Trained> {
        let bytes = zstd::dict::from_samples(&self.samples, self.max_bytes)?;
        let dictionary = Dictionary::new(bytes.into(), self.compressor.level).map_err(io::Error::other)?;
        Ok(Trained { compressor: self.compressor, dictionary: Arc::new(dictionary) })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[tokio::test]
    async fn a_training_that_fails_is_no_error_and_as_many_bytes_are_waited_for_again() {
        let mut trainer = Trainer::new(Training { min_size: 0, low_watermark: 1000, ..Training::default() });
        let now = Instant::now();
        assert!(trainer.saw(&Bytes::from_static(b"x"), now).is_none());
        for _ in 0..2 {
            let message = Bytes::from_static(&[7; 40]);
            let (at, mut job) = (1..).find_map(|at| Some((at, trainer.saw(&message, now)?))).unwrap();
            assert_eq!((at, job.compressor.id), (25, FIRST_TRAINED));
            // zstd refuses to make one that is so small.
            job.max_bytes = 100;
            assert!(job.run().await.is_none());
            trainer.ended(false, now);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn no_messages_make_the_training_do_worse_than_fail(
            samples in prop::collection::vec(
                prop_oneof![
                    prop::collection::vec(any::<u8>(), LEAST_BYTES as usize..80),
                    Just(vec![0; LEAST_BYTES as usize]),
                ],
                LEAST_SAMPLES..40,
            ),
        ) {
            let samples = samples.into_iter().map(Bytes::from).collect();
            let compressor = Compressor { id: FIRST_TRAINED, level: 3, min_size: 0, max_size: 0 };
            let trained = Job { samples, compressor, max_bytes: FIRST.0 }.train();
            prop_assert!(trained.is_err() || trained.is_ok_and(|trained| trained.dictionary.bytes().len() <= FIRST.0));
        }
    }

    #[test]
    fn a_sample_does_not_keep_the_frame_that_it_came_in() {
        let frame = Bytes::from(vec![7; 1 << 20]);
        let mut trainer = Trainer::new(Training::default());
        assert!(trainer.saw(&frame.slice(..100), Instant::now()).is_none());
        assert_eq!(trainer.samples.len(), 1);
        assert!(frame.is_unique());
    }

    #[test]
    fn what_is_kept_is_bounded_and_the_newest() {
        let mut trainer = Trainer::new(Training::default());
        let message = |at: usize| Bytes::from(format!("{at:01000}"));
        trainer.next_id = FIRST_TRAINED + 1;
        (0..5000).for_each(|at| assert!(trainer.saw(&message(at), Instant::now()).is_none()));
        assert_eq!(trainer.bytes, SAMPLE_BYTES / 1000 * 1000);
        assert_eq!(trainer.samples.iter().map(Bytes::len).sum::<usize>(), trainer.bytes);
        assert_eq!(trainer.samples.back(), Some(&message(4999)));
    }
}
