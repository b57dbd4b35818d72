//! Keeps the subscriptions at the broadcasters as they are wanted here.
//!
//! One task asks, one request after the other, so that a wish that ends and begins again is in that order on the wire.
//! What stands is known from answers, and looked at again from time to time: broadcasters lose subscriptions.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use super::Http;
use super::requests::{self, List};
use super::urls::{Urls, arrival_of};
use crate::subscriber::broadcasters::round;
use crate::subscriber::condition::Status;
use crate::subscriber::error::SubscriberError;
use crate::subscriber::exchange::Line;
use crate::subscriber::table::{Arrival, Plan, Way};
use crate::subscriber::wish::Wish;

/// After this many names that begin at once, all are said in one request: a name costs less there than a request.
const FEW: usize = 4;

/// In a list, each change may come with as many names that stand already.
const NAMES_A_CHANGE: usize = 512;

/// How long after a failure the same is tried again, if nothing else happens.
const AGAIN: Duration = Duration::from_secs(5);

/// For ever, as far as a clock is concerned.
const NEVER: Duration = Duration::from_secs(365 * 24 * 60 * 60);

struct Keeper {
    http: Arc<Http>,
    urls: Urls,
    /// What stands, as far as is known.
    standing: HashSet<Wish>,
    /// Whether the names that broadcasters have are those that stand; not so at the start, when they may have those of
    /// an earlier life.
    names_known: bool,
    /// The broadcaster that is held on to.
    held: Option<Held>,
}

struct Held {
    at: usize,
    line: Line,
}

/// Runs until it is told to stop. Then subscriptions are ended, as far as broadcasters answer.
pub(crate) async fn keep(http: Arc<Http>, mut stop: watch::Receiver<bool>) {
    let Some(urls) = http.urls.get().cloned() else { return };
    let mut keeper = Keeper { http: Arc::clone(&http), urls, standing: HashSet::new(), names_known: false, held: None };
    let listening = async {
        loop {
            http.missed.burst().await;
            http.missed.tell(&http.table);
            http.teller.gap();
            http.look.notify_one();
        }
    };
    let stopped = async { _ = stop.wait_for(|stop| *stop).await };
    tokio::select! {
        () = listening => {}
        () = keeper.run() => {}
        // That nobody is left who could say it is a stop as well.
        () = stopped => {}
    }
    keeper.farewell().await;
}

impl Keeper {
    async fn run(&mut self) {
        let mut turn = Vec::new();
        let mut look_at = Instant::now() + self.http.settings.check_interval;
        let mut backoff = self.http.settings.pulse.as_ref().map(|pulse| pulse.backoff.clone());
        loop {
            let again = match self.settle(&mut turn).await {
                Ok(()) => {
                    backoff.iter_mut().for_each(eventhive_transport::Backoff::reset);
                    self.tell(Status::Ok);
                    NEVER
                }
                Err(error) => {
                    self.let_go();
                    self.tell(Status::Lost(error.to_string().into()));
                    backoff.as_mut().map_or(AGAIN, eventhive_transport::Backoff::next_wait)
                }
            };
            if let Some(wait) = backoff.is_some().then_some(again).filter(|again| *again < NEVER) {
                // Who is held on to and away is not asked more often than this, whatever happens.
                sleep(wait).await;
                continue;
            }
            let pulse = self.http.settings.pulse.as_ref().map_or(NEVER, |pulse| pulse.every);
            let (http, held) = (Arc::clone(&self.http), &mut self.held);
            tokio::select! {
                () = http.table.changed(Way::Http).notified() => {}
                () = sleep(again) => {}
                () = http.look.notified() => look_at = look_at.min(Instant::now() + http.settings.check_after_missed),
                () = sleep_until(look_at) => {
                    look_at = Instant::now() + http.settings.check_interval;
                    self.look().await;
                }
                () = ended(held) => {
                    self.let_go();
                    self.tell(Status::Connecting);
                }
                () = sleep(pulse) => self.beat().await,
            }
        }
    }

    fn tell(&self, status: Status) {
        // Who publishes when the link is up must not find it shut.
        match (&self.http.outbox, &status) {
            (Some(outbox), Status::Ok) => outbox.open(),
            (Some(outbox), _) => outbox.lost(std::iter::empty(), "the link went down"),
            (None, _) => {}
        }
        self.http.teller.set(status);
    }

    fn let_go(&mut self) {
        self.held = None;
        self.http.at.send_replace(None);
    }

    /// Reaches a broadcaster, where one is held on to, and makes stand what is wanted.
    async fn settle(&mut self, turn: &mut Vec<usize>) -> Result<(), SubscriberError> {
        if self.http.settings.pulse.is_some() && self.held.is_none() {
            self.tell(Status::Connecting);
            self.hold(turn).await?;
        }
        loop {
            let plan = self.http.table.plan(Way::Http, &self.standing);
            plan.again.iter().for_each(|wish| self.http.table.stands(Way::Http, wish));
            if plan.begin.is_empty() && plan.end.is_empty() {
                break;
            }
            self.follow(plan).await?;
        }
        if let Some(held) = &self.held {
            self.http.at.send_replace(Some(held.at));
        }
        Ok(())
    }

    /// Takes the next broadcaster. It may have been restarted, or be another one: what stands there is looked at.
    async fn hold(&mut self, turn: &mut Vec<usize>) -> Result<(), SubscriberError> {
        if turn.is_empty() {
            let all: Vec<_> = self.http.asker.exchanges.iter().map(|one| one.broadcaster.clone()).collect();
            *turn = round(&all);
            turn.reverse();
        }
        let at = turn.pop().unwrap_or_default();
        let exchange = self.http.asker.exchanges.get(at).ok_or(SubscriberError::Closed)?;
        let line = exchange.line().await?;
        self.held = Some(Held { at, line });
        self.beat_once().await?;
        turn.clear();
        for arrival in self.arrivals() {
            self.compare(arrival).await?;
        }
        Ok(())
    }

    async fn follow(&mut self, plan: Plan) -> Result<(), SubscriberError> {
        let Plan { begin, end, .. } = plan;
        for wish in &end {
            let begun = false;
            self.ask(wish, begun).await?;
            self.standing.remove(wish);
        }
        let (names, globs): (Vec<_>, Vec<_>) = begin.into_iter().partition(|wish| matches!(wish, Wish::Exact(_)));
        let standing = self.standing.len();
        let in_one = names.len() > FEW && standing <= NAMES_A_CHANGE.saturating_mul(names.len());
        if !names.is_empty() && (in_one || !self.names_known) {
            let list = self.list(Arrival::Exact, &names)?;
            let set = self.set(&list).await;
            self.began(&names, set)?;
            self.names_known = true;
        } else {
            for wish in names {
                let asked = self.ask(&wish, true).await;
                self.began(&[wish], asked)?;
            }
        }
        for wish in globs {
            let asked = self.ask(&wish, true).await;
            self.began(&[wish], asked)?;
        }
        Ok(())
    }

    /// Notes and tells what came of it.
    fn began(&mut self, wishes: &[Wish], asked: Result<(), SubscriberError>) -> Result<(), SubscriberError> {
        for wish in wishes {
            match &asked {
                Ok(()) => {
                    self.standing.insert(wish.clone());
                    self.http.table.stands(Way::Http, wish);
                }
                // Who holds on goes on trying, and those who wait, wait; but no is no.
                Err(error) if self.held.is_none() || matches!(error, SubscriberError::Refused(_)) => {
                    self.http.table.failed(wish, error);
                }
                Err(_) => {}
            }
        }
        asked
    }

    async fn ask(&self, wish: &Wish, begun: bool) -> Result<(), SubscriberError> {
        let (credentials, urls) = (&self.http.credentials, &self.urls);
        let make = || {
            if begun {
                requests::subscribe(credentials, urls, wish)
            } else {
                requests::unsubscribe(credentials, urls, wish)
            }
        };
        let read = |(): &(), answer: &_| {
            requests::subscribed(urls, wish, begun, |claim| requests::generic(credentials, claim, answer))
        };
        match &self.held {
            Some(held) => self.http.asker.ask_one(held.at, make, read).await,
            None => self.http.asker.ask(make, read).await,
        }
    }

    async fn set(&self, list: &List) -> Result<(), SubscriberError> {
        let credentials = &self.http.credentials;
        let (make, read) = (|| list.set(credentials), |(): &(), answer: &_| list.was_set(credentials, answer));
        match &self.held {
            Some(held) => self.http.asker.ask_one(held.at, make, read).await,
            None => self.http.asker.ask(make, read).await,
        }
    }

    /// All that stands at a url, and these.
    fn list(&self, arrival: Arrival, more: &[Wish]) -> Result<List, SubscriberError> {
        let of_it = self.standing.iter().filter(|wish| arrival_of(wish) == arrival);
        List::new(&self.urls, arrival, of_it.chain(more).cloned().collect())
    }

    /// The urls where something stands.
    fn arrivals(&self) -> Vec<Arrival> {
        let mut arrivals: Vec<Arrival> = Vec::new();
        for arrival in self.standing.iter().map(arrival_of) {
            if !arrivals.contains(&arrival) || matches!(arrival, Arrival::Glob(_)) {
                arrivals.push(arrival);
            }
        }
        arrivals
    }

    /// Compares what stands with what the broadcaster has, and tells a gap where something was lost.
    async fn compare(&mut self, arrival: Arrival) -> Result<(), SubscriberError> {
        let list = self.list(arrival, &[])?;
        let credentials = &self.http.credentials;
        let (make, read) =
            (|| requests::check(credentials, &list.url), |(): &(), answer: &_| requests::checked(credentials, answer));
        let etag = match &self.held {
            Some(held) => self.http.asker.ask_one(held.at, make, read).await?,
            None => self.http.asker.ask(make, read).await?,
        };
        if etag == list.etag {
            return Ok(());
        }
        self.set(&list).await?;
        tracing::warn!(url = %list.url, "a broadcaster had lost subscriptions, which are made again");
        self.http.table.gap(|wish| arrival_of(wish) == arrival);
        self.http.teller.gap();
        Ok(())
    }

    /// A failure is passed over until the next time, unless it is of the broadcaster that is held on to.
    async fn look(&mut self) {
        for arrival in self.arrivals() {
            if let Err(error) = self.compare(arrival).await {
                tracing::debug!(%error, "subscriptions could not be compared");
                if self.held.is_some() {
                    return self.lost(&error);
                }
            }
        }
    }

    async fn beat(&mut self) {
        if let Err(error) = self.beat_once().await {
            self.lost(&error);
        }
    }

    fn lost(&mut self, error: &SubscriberError) {
        self.let_go();
        self.tell(Status::Lost(error.to_string().into()));
    }

    /// Asks the broadcaster that is held on to for what does no harm.
    async fn beat_once(&mut self) -> Result<(), SubscriberError> {
        let Some(held) = &mut self.held else { return Ok(()) };
        let exchange = self.http.asker.exchanges.get(held.at).ok_or(SubscriberError::Closed)?;
        let (call, ()) = requests::check(&self.http.credentials, &self.urls.receive(Arrival::Exact))?;
        let answer = exchange.send_line(&mut held.line, call).await?;
        requests::checked(&self.http.credentials, &answer)?;
        Ok(())
    }

    /// Ends all that stands, in one request a url.
    async fn farewell(&mut self) {
        for arrival in self.arrivals() {
            if let Ok(list) = List::new(&self.urls, arrival, Vec::new())
                && let Err(error) = self.set(&list).await
            {
                return tracing::warn!(%error, "subscriptions could not be ended, broadcasters will find out");
            }
        }
    }
}

/// The end of the connection to the broadcaster that is held on to.
async fn ended(held: &mut Option<Held>) {
    match held {
        // An error is the end as well.
        Some(held) => _ = (&mut held.line.closed).await,
        None => std::future::pending().await,
    }
}
