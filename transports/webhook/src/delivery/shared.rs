//! One message to one subscription.

use std::borrow::Cow;
use std::num::NonZeroU32;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::clock::Clock;
use super::counts::{Counters, Counts};
use super::delivered::{Delivered, GivenUp, not_made};
use super::forbidden::Forbidden;
use super::journal::Journal;
use super::keeper::{Disabled, Keeper, Note};
use super::misses::{Misses, Noted};
use super::origins::Origins;
use super::settings::{DeliverySettings, Log};
use super::urls::{Permit, Url, Urls};
use super::vitals::Refusal;
use crate::index::Target;
use crate::message::Message;
use crate::outgoing::{Outgoing, Report, Verified, origin};
use crate::store::{Attempt, Due, Endpoint, Outcome, Store};

/// Whom to tell that a url was disabled.
type OnDisabled = Box<dyn Fn(&Disabled) + Send + Sync>;

/// What deliveries and tasks share.
pub(super) struct Shared {
    pub(super) store: Arc<dyn Store>,
    pub(super) outgoing: Outgoing,
    pub(super) settings: Arc<DeliverySettings>,
    pub(super) clock: Clock,
    pub(super) urls: Urls,
    pub(super) misses: Misses,
    pub(super) journal: Journal,
    pub(super) counters: Counters,
    pub(super) keeper: Keeper,
    pub(super) origins: Origins,
    forbidden: Forbidden,
    on_disabled: OnceLock<OnDisabled>,
    stop: watch::Sender<bool>,
}

/// A request, for the log.
pub(super) struct Tried<'a> {
    pub(super) receive: bool,
    pub(super) url: &'a str,
    pub(super) topic: &'a [u8],
    pub(super) bytes: u64,
}

impl Shared {
    pub(super) fn new(store: Arc<dyn Store>, outgoing: Outgoing, settings: DeliverySettings, clock: Clock) -> Self {
        let settings = Arc::new(settings);
        Self {
            urls: Urls::new(Arc::clone(&settings)),
            journal: Journal::new(settings.journal.clone()),
            keeper: Keeper::new(),
            store,
            outgoing,
            settings,
            clock,
            misses: Misses::default(),
            counters: Counters::default(),
            origins: Origins::default(),
            forbidden: Forbidden::default(),
            on_disabled: OnceLock::new(),
            stop: watch::Sender::new(false),
        }
    }

    pub(super) async fn begin(self: &Arc<Self>) -> [JoinHandle<()>; 4] {
        self.read_all().await;
        let (keeper, sweep, misses, journal) = (Arc::clone(self), Arc::clone(self), Arc::clone(self), Arc::clone(self));
        [
            tokio::spawn(async move { keeper.keep().await }),
            tokio::spawn(async move { sweep.sweep_on().await }),
            tokio::spawn(async move { misses.write_misses().await }),
            tokio::spawn(async move { journal.write_journal().await }),
        ]
    }

    pub(super) fn stop(&self) {
        self.stop.send_replace(true);
    }

    pub(super) fn stopping(&self) -> watch::Receiver<bool> {
        self.stop.subscribe()
    }

    pub(super) fn on_disabled(&self, tell: OnDisabled) {
        // A second one does not count.
        let _ = self.on_disabled.set(tell);
    }

    pub(super) fn tell_disabled(&self, disabled: &Disabled) {
        if let Some(tell) = self.on_disabled.get() {
            tell(disabled);
        }
    }

    pub(super) async fn deliver(&self, target: &Target, message: &Message) -> Delivered {
        let url = &*target.urls.receive;
        let report = match self.urls.pass(url, self.clock.now()) {
            Ok(permit) => {
                let report = self.send(&permit, url, message).await;
                self.settle(permit, url, &report);
                report
            }
            Err(refusal) => refusal.report(),
        };
        self.counters.receive(report.outcome);
        if report.outcome == Outcome::Forbidden {
            self.forbidden.tell(url, &report.detail, self.clock.now());
        }
        self.write_down(target, message, &report);
        report.into()
    }

    pub(super) fn give_up(&self, target: &Target, message: &Message, why: GivenUp) {
        let report = why.report();
        self.counters.receive(report.outcome);
        self.write_down(target, message, &report);
    }

    async fn send(&self, permit: &Permit<'_>, url: &str, message: &Message) -> Report {
        if self.settings.verify
            && let Err(report) = self.be_sure(permit.known(), url).await
        {
            return report;
        }
        self.outgoing.receive(url, message).await
    }

    /// What the report says of the url.
    fn settle(&self, permit: Permit<'_>, url: &str, report: &Report) {
        match report.outcome {
            Outcome::Confirmed | Outcome::Unsubscribed => self.well(permit, url),
            // That is this broadcaster's own doing.
            Outcome::Crowded | Outcome::Held | Outcome::OwnFault => drop(permit),
            _ => {
                if permit.failed(url, self.clock.now()) {
                    self.keeper.tell(Note::Failing { url: url.into(), reason: reason(report) });
                }
            }
        }
    }

    /// A url has answered.
    pub(super) fn well(&self, permit: Permit<'_>, url: &str) {
        if permit.succeeded(url) {
            self.tell_well(url);
        }
    }

    /// What is written down of a message, and whom it is told that it was missed. Of a url that is disabled nothing is
    /// written down but what it was tried with: nobody has been there for days.
    fn write_down(&self, target: &Target, message: &Message, report: &Report) {
        let url = &*target.urls.receive;
        let tried = Tried { receive: true, url, topic: &message.topic, bytes: message.body.len() };
        if matches!(report.outcome, Outcome::Confirmed | Outcome::Unsubscribed) {
            return self.log(&tried, report);
        }
        let disabled = self.urls.find(url).is_some_and(|known| known.vitals().is_disabled());
        if !(disabled && report.outcome == Outcome::Held)
            && let Some(report) = self.worth_writing(url, report)
        {
            self.log(&tried, &report);
            self.journal.bury(target, message, &report, self.clock.now().epoch_ms);
        }
        let quiet = if disabled { self.settings.probe_disabled } else { Duration::ZERO };
        let noted = self.misses.note(target, &message.topic, self.clock.now(), quiet, &self.settings.missed);
        self.counters.missed_dropped.add(u64::from(noted == Noted::NoRoom));
    }

    /// The report of a message that did not arrive, as it is written down; `None` if too many to this url were not tried: a
    /// burst to one url that fails must not fill the store, nor push what others are to find out of it.
    pub(super) fn worth_writing<'a>(&self, url: &str, report: &'a Report) -> Option<Cow<'a, Report>> {
        if !is_untried(report.outcome) {
            return Some(Cow::Borrowed(report));
        }
        let others = self.urls.enter(url).and_then(|known| known.vitals().write_untried(self.clock.now()));
        match others {
            None => {
                self.counters.untried_unwritten.add(1);
                None
            }
            Some(0) => Some(Cow::Borrowed(report)),
            Some(others) => {
                let detail = format!("{}; before it {others} more, which are not written down", report.detail).into();
                Some(Cow::Owned(Report { detail, ..report.clone() }))
            }
        }
    }

    /// Writes an attempt down, if such are wanted.
    pub(super) fn log(&self, tried: &Tried<'_>, report: &Report) {
        let wanted = match self.settings.journal.log {
            Log::All => true,
            Log::Failures => report.outcome != Outcome::Confirmed,
            Log::None => false,
        };
        if wanted {
            self.journal.attempt(attempt(tried, report, self.clock.now().epoch_ms));
        }
    }

    /// Makes sure that a recovery url wants to be called. That the receive url of its host does is enough.
    pub(super) async fn be_sure_to_tell(&self, permit: &Permit<'_>, due: &Due, recovery: &str) -> Result<(), Report> {
        if !self.settings.verify {
            return Ok(());
        }
        let receive = &*due.row.url;
        let same_host = origin(receive).is_some_and(|receive| origin(recovery) == Some(receive));
        if same_host && self.was_sure(receive).await {
            return Ok(());
        }
        self.be_sure(permit.known(), recovery).await
    }

    /// Whether a url has shown that it wants to be called. Of what a store that is away knows, the next question tells.
    async fn was_sure(&self, url: &str) -> bool {
        if self.urls.find(url).is_some_and(|known| known.vitals().is_verified()) {
            return true;
        }
        let stored = self.store.endpoint(url).await;
        stored.is_ok_and(|stored| stored.is_some_and(|endpoint| endpoint.verified_at.is_some()))
    }

    /// Makes sure that a url wants to be called: by what is known of it, by what the store remembers, or by asking it.
    async fn be_sure(&self, known: Option<&Arc<Url>>, url: &str) -> Result<(), Report> {
        let verified = || known.is_some_and(|known| known.vitals().is_verified());
        if verified() {
            return Ok(());
        }
        let _asking = match known {
            Some(known) => Some(known.asking.lock().await),
            None => None,
        };
        if verified() {
            return Ok(());
        }
        let stored = self.store.endpoint(url).await.map_err(|error| {
            not_made(Outcome::OwnFault, &format!("it is not known whether it wants to be called: {error}"))
        })?;
        let allowed = match stored {
            Some(Endpoint { verified_at: Some(_), allowed_rate, .. }) => allowed_rate,
            _ => self.ask(url).await?,
        };
        if let Some(known) = known {
            known.vitals().verified(allowed, self.clock.now());
        }
        Ok(())
    }

    async fn ask(&self, url: &str) -> Result<Option<u32>, Report> {
        let Verified { rate } = self.outgoing.verify(url).await?;
        let (verified_at, allowed_rate) = (Some(self.clock.now().epoch_secs()), rate.map(NonZeroU32::get));
        let endpoint = Endpoint { url: url.into(), verified_at, allowed_rate, ..Endpoint::default() };
        if let Err(error) = self.store.remember(&endpoint).await {
            tracing::warn!(%error, url, "webhooks: that a url wants to be called is not remembered; it is asked again");
        }
        Ok(endpoint.allowed_rate)
    }

    pub(super) fn enable(&self, url: &str) {
        let Some(known) = self.urls.find(url) else { return };
        let tell = known.vitals().recover();
        if tell {
            self.tell_well(url);
        }
    }

    /// The store is to know that a url is well.
    fn tell_well(&self, url: &str) {
        if !self.keeper.tell(Note::Well { url: url.into() })
            && let Some(known) = self.urls.find(url)
        {
            known.vitals().told(false);
        }
    }

    pub(super) fn counts(&self) -> Counts {
        let counters = &self.counters;
        Counts {
            delivered: counters.delivered.get(),
            failed: counters.failed.get(),
            held: counters.held.get(),
            crowded: counters.crowded.get(),
            gone: counters.gone.get(),
            missed_told: counters.missed_told.get(),
            missed_failed: counters.missed_failed.get(),
            missed_given_up: counters.missed_given_up.get(),
            missed_dropped: counters.missed_dropped.get(),
            missed_written: counters.missed_written.get(),
            sweeps: counters.sweeps.get(),
            untried_unwritten: counters.untried_unwritten.get(),
            journal_dropped: self.journal.dropped(),
            letters_forgotten: self.journal.forgotten(),
            disabled: counters.disabled.get(),
            urls_without_room: self.urls.unknown(),
            urls: self.urls.len() as u64,
        }
    }
}

impl Refusal {
    pub(super) fn report(self) -> Report {
        match self {
            Self::Held => not_made(Outcome::Held, "it failed again and again, and is left alone for a while"),
            Self::Disabled => not_made(Outcome::Held, "it is disabled because it has failed for long"),
            Self::Crowded => not_made(Outcome::Crowded, "its rate is used up"),
        }
    }
}

/// Whether a message was not tried.
pub(super) fn is_untried(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::Held | Outcome::Crowded | Outcome::OwnFault)
}

/// Why a url fails, for people.
fn reason(report: &Report) -> Box<str> {
    let word = report.outcome.word();
    match report.status {
        Some(status) => format!("{word}, status {status}: {}", report.detail).into(),
        None => format!("{word}: {}", report.detail).into(),
    }
}

/// An attempt that ended now.
pub(super) fn attempt(tried: &Tried<'_>, report: &Report, now_ms: u64) -> Attempt {
    let took = u64::try_from(report.took.as_millis()).unwrap_or(u64::MAX);
    Attempt {
        at_ms: now_ms.saturating_sub(took),
        receive: tried.receive,
        url: tried.url.into(),
        topic: tried.topic.into(),
        identifier: report.identifier.map_or_else(Box::default, |identifier| identifier.into()),
        outcome: report.outcome,
        detail: report.detail.clone(),
        status: report.status,
        took: report.took,
        bytes: tried.bytes,
    }
}
