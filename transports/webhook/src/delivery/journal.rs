//! What was tried, and what could not be delivered, on its way into the store.
//!
//! Whoever delivers puts it into a queue that is bounded in bytes, and waits for nothing; a task writes what has come in the
//! meantime at once. While the store is away the task tries again, with growing intervals, and what no longer fits into
//! the queue is counted and forgotten. A store that did not answer may have written all the same, so that an attempt or a
//! letter can be there twice.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use futures_util::{StreamExt as _, stream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{Notify, watch};

use super::retry::{Retry, stopped};
use super::settings::JournalSettings;
use crate::index::Target;
use crate::message::{Body, Message};
use crate::outgoing::Report;
use crate::store::{Attempt, DeadLetter, LettersOfUrl, Store, StoreError};

/// Records that are written at once at most. An attempt is about 300 bytes.
const BATCH: usize = 512;

/// Letters that are written at once at most. Each may have a body of [`JournalSettings::letter_bytes`].
const TOGETHER: usize = 16;

/// What a record takes beside its texts, about.
const OVERHEAD: usize = 200;

/// A message that could not be delivered. Its body is that of the message, shared.
#[derive(Debug)]
pub(super) struct Letter {
    letter: DeadLetter,
    body: Option<Body>,
}

/// What is written down.
#[derive(Debug)]
pub(super) enum Record {
    Attempt(Attempt),
    Letter(Box<Letter>),
}

/// The queue.
pub(super) struct Journal {
    sender: UnboundedSender<Record>,
    receiver: Mutex<Option<UnboundedReceiver<Record>>>,
    settings: JournalSettings,
    bytes: AtomicUsize,
    dropped: AtomicU64,
    forgotten: AtomicU64,
    /// Letters since the last trim.
    letters: AtomicU64,
    /// Many letters were written since the last trim.
    pub(super) full: Notify,
}

impl Journal {
    pub(super) fn new(settings: JournalSettings) -> Self {
        let (sender, receiver) = unbounded_channel();
        Self {
            sender,
            receiver: Mutex::new(Some(receiver)),
            settings,
            bytes: AtomicUsize::new(0),
            dropped: AtomicU64::new(0),
            forgotten: AtomicU64::new(0),
            letters: AtomicU64::new(0),
            full: Notify::new(),
        }
    }

    /// Writes an attempt down, later.
    pub(super) fn attempt(&self, attempt: Attempt) {
        self.push(Record::Attempt(attempt));
    }

    /// Buries a message, later.
    pub(super) fn bury(&self, target: &Target, message: &Message, report: &Report, at_ms: u64) {
        if self.settings.keep_letters == 0 {
            return;
        }
        let bytes = message.body.len();
        let letter = DeadLetter {
            number: 0,
            at_ms,
            url: target.urls.receive.clone(),
            topic: (&*message.topic).into(),
            outcome: report.outcome,
            detail: report.detail.clone(),
            sha512: message.sha512,
            bytes,
            body: None,
        };
        let body = (bytes <= self.settings.letter_bytes).then(|| message.body.clone());
        self.push(Record::Letter(Box::new(Letter { letter, body })));
    }

    fn push(&self, record: Record) {
        let size = self.size(&record);
        let most = usize::try_from(self.settings.queue_bytes).unwrap_or(usize::MAX);
        let fits = self.bytes.fetch_add(size, Ordering::Relaxed).saturating_add(size) <= most;
        if !fits || self.sender.send(record).is_err() {
            self.bytes.fetch_sub(size, Ordering::Relaxed);
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A body counts for each letter, although letters share it: it stays in memory as long as the last of them waits.
    fn size(&self, record: &Record) -> usize {
        let texts = match record {
            Record::Attempt(attempt) => attempt.url.len() + attempt.topic.len() + attempt.detail.len(),
            Record::Letter(letter) => {
                let Letter { letter, body } = &**letter;
                let body = body.as_ref().and_then(Body::as_bytes).map_or(0, |bytes| bytes.len());
                letter.url.len() + letter.topic.len() + letter.detail.len() + body
            }
        };
        OVERHEAD + texts
    }

    /// How many records were dropped.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// How many letters were forgotten because their urls had too many.
    pub(super) fn forgotten(&self) -> u64 {
        self.forgotten.load(Ordering::Relaxed)
    }

    /// Writes what comes, until it is told to stop; then what has come. Returns at once the second time.
    pub(super) async fn run(&self, store: &dyn Store, mut stop: watch::Receiver<bool>) {
        let taken = self.receiver.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut receiver) = taken else { return };
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            tokio::select! {
                biased;
                _ = receiver.recv_many(&mut batch, BATCH) => {
                    self.write(&mut batch, store, &mut stop).await;
                }
                () = stopped(&mut stop) => break,
            }
        }
        receiver.close();
        // A store that is away then has had its chance: each further call could take as long as its timeout.
        let mut reached = true;
        while receiver.recv_many(&mut batch, BATCH).await > 0 {
            if reached {
                reached = self.write(&mut batch, store, &mut stop).await;
            } else {
                self.lose(batch.len());
                batch.clear();
            }
        }
    }

    /// Writes a batch. Returns whether all of it is written.
    async fn write(&self, batch: &mut Vec<Record>, store: &dyn Store, stop: &mut watch::Receiver<bool>) -> bool {
        let size: usize = batch.iter().map(|record| self.size(record)).sum();
        let mut attempts = Vec::with_capacity(batch.len());
        let mut letters = Vec::new();
        for record in batch.drain(..) {
            match record {
                Record::Attempt(attempt) => attempts.push(attempt),
                Record::Letter(letter) => letters.push(*letter),
            }
        }
        let mut all = true;
        if !attempts.is_empty() {
            all &= self.insist(&Batch::Attempts(&attempts), store, stop).await;
        }
        all &= self.bury_all(letters, all, store, stop).await;
        self.bytes.fetch_sub(size, Ordering::Relaxed);
        all
    }

    /// Writes letters, some at a time: a store that can writes those as one. Returns whether all are written.
    async fn bury_all(
        &self,
        letters: Vec<Letter>,
        reached: bool,
        store: &dyn Store,
        stop: &watch::Receiver<bool>,
    ) -> bool {
        let written = letters.len() as u64;
        let all = AtomicBool::new(reached);
        let bury = async |letter: Letter| {
            let mut stop = stop.clone();
            if !all.load(Ordering::Relaxed) && *stop.borrow() {
                return self.lose(1);
            }
            let letter = seal(letter).await;
            if !self.insist(&Batch::Letter(&letter, self), store, &mut stop).await {
                all.store(false, Ordering::Relaxed);
            }
        };
        stream::iter(letters).for_each_concurrent(TOGETHER, bury).await;
        self.count_letters(written);
        all.into_inner()
    }

    /// A store that takes many letters between two trims is trimmed when a tenth more than is to be kept has come.
    fn count_letters(&self, letters: u64) {
        let most = (self.settings.keep_letters / 10).max(1);
        if self.letters.fetch_add(letters, Ordering::Relaxed).saturating_add(letters) >= most {
            self.letters.store(0, Ordering::Relaxed);
            self.full.notify_one();
        }
    }

    /// Tries until it is done, or cannot be, or it is time to stop; then once more. Returns whether it is done.
    async fn insist(&self, batch: &Batch<'_>, store: &dyn Store, stop: &mut watch::Receiver<bool>) -> bool {
        let mut retry = Retry::new("webhooks: the journal cannot be written");
        while let Err(error) = batch.write(store).await {
            let again = matches!(error, StoreError::Unavailable { .. });
            if !again || !retry.wait(&error, stop).await {
                let records = batch.len();
                tracing::warn!(%error, records, "webhooks: attempts or dead letters are lost");
                self.lose(records);
                return false;
            }
        }
        true
    }

    fn lose(&self, records: usize) {
        self.dropped.fetch_add(records as u64, Ordering::Relaxed);
    }

    /// Forgets what is too old or too much.
    pub(super) async fn trim(&self, store: &dyn Store, now_secs: u64) {
        let JournalSettings { keep, keep_attempts, keep_letters, .. } = self.settings;
        let before = now_secs.saturating_sub(keep.as_secs());
        if let Err(error) = store.trim(before, keep_attempts, keep_letters).await {
            tracing::debug!(%error, "webhooks: the journal was not trimmed");
        }
    }
}

/// What is written with one call.
enum Batch<'a> {
    Attempts(&'a [Attempt]),
    Letter(&'a DeadLetter, &'a Journal),
}

impl Batch<'_> {
    async fn write(&self, store: &dyn Store) -> Result<(), StoreError> {
        match self {
            Self::Attempts(attempts) => store.log(attempts).await,
            Self::Letter(letter, journal) => {
                let JournalSettings { keep_letters_per_url: letters, keep_bytes_per_url: bytes, .. } = journal.settings;
                let buried = store.bury(letter, LettersOfUrl { letters, bytes }).await?;
                journal.forgotten.fetch_add(buried.forgotten, Ordering::Relaxed);
                Ok(())
            }
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Attempts(attempts) => attempts.len(),
            Self::Letter(..) => 1,
        }
    }
}

/// The letter as it is stored.
async fn seal(Letter { mut letter, body }: Letter) -> DeadLetter {
    if let (Some(body), Ok(length)) = (body, usize::try_from(letter.bytes)) {
        match body.piece(0, length).await {
            Ok(bytes) => letter.body = Some(bytes.as_ref().into()),
            Err(error) => tracing::warn!(%error, "webhooks: the body of a dead letter cannot be read, and is not kept"),
        }
    }
    letter
}
