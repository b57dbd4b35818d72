//! A network in memory with hives that can be cut off from each other, can crash, and whose link can be lost.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use tokio::sync::{mpsc, watch};

use super::{Follower, Member, Network, Sighting, Standing, Timing, follow, watch};
use crate::discovery::{Claim, DiscoveryError, Found, Server};

/// How long asking for a name takes.
const ASKING: Duration = Duration::from_secs(1);
/// How long an answer takes.
const ANSWER: Duration = Duration::from_millis(50);

/// A hive's number.
pub(super) type Id = u16;

/// What a hive does at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Looking,
    Serving,
    Following(Id),
}

/// The world. Hives of one segment see each other.
#[derive(Clone)]
pub(super) struct World {
    state: Arc<Mutex<State>>,
    changed: watch::Sender<()>,
}

#[derive(Default)]
struct State {
    segments: BTreeMap<Id, u16>,
    roles: BTreeMap<Id, Role>,
    announced: Vec<Found>,
    ears: BTreeMap<Id, mpsc::UnboundedSender<Sighting>>,
    /// Servers started, over all time.
    started: usize,
    /// Hives whose server cannot be started.
    broken: Vec<Id>,
    /// Looks that end in vain, whatever there is: answers get lost, or come too late.
    lost_answers: usize,
}

impl State {
    fn see_each_other(&self, one: Id, other: Id) -> bool {
        self.segments.get(&one).is_some_and(|segment| self.segments.get(&other) == Some(segment))
    }

    fn serves(&self, id: Id) -> bool {
        self.roles.get(&id) == Some(&Role::Serving)
    }

    fn tell(&self, from: Id, sighting: &Sighting) {
        for (_, ear) in self.ears.iter().filter(|(id, _)| self.see_each_other(**id, from)) {
            let _ = ear.send(sighting.clone());
        }
    }

    fn withdraw(&mut self, id: Id) {
        self.announced.retain(|found| found.port != id);
        self.tell(id, &Sighting::Gone);
    }
}

impl World {
    pub(super) fn new() -> Self {
        Self { state: Arc::default(), changed: watch::Sender::new(()) }
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = change(&mut self.state.lock().unwrap());
        self.changed.send_replace(());
        result
    }

    /// Starts a hive in a segment.
    pub(super) fn start(&self, id: Id, segment: u16, timing: Timing, may_serve: bool) -> tokio::task::JoinHandle<()> {
        let (ear, heard) = mpsc::unbounded_channel();
        self.change(|state| {
            state.segments.insert(id, segment);
            state.roles.insert(id, Role::Looking);
            state.ears.insert(id, ear);
        });
        let network = Air { id, world: self.clone(), heard };
        let member = Hive { id, world: self.clone() };
        tokio::spawn(async move {
            if may_serve {
                watch(network, member, timing, std::future::pending()).await;
            } else {
                follow(network, member, timing).await;
            }
        })
    }

    /// Moves a hive to another segment. Those there hear of its server, and it hears of theirs.
    pub(super) fn move_to(&self, id: Id, segment: u16) {
        self.change(|state| {
            state.segments.insert(id, segment);
            for found in state.announced.clone() {
                state.tell(found.port, &Sighting::Seen(found));
            }
        });
    }

    /// A hive is gone without a goodbye.
    pub(super) fn crash(&self, id: Id, task: &tokio::task::JoinHandle<()>) {
        task.abort();
        self.change(|state| {
            state.segments.remove(&id);
            state.roles.remove(&id);
            state.ears.remove(&id);
            state.announced.retain(|found| found.port != id);
        });
    }

    /// Everyone in the segment is told that a server is gone, though none is.
    pub(super) fn false_alarm(&self, segment: u16) {
        self.change(|state| {
            let from = state.segments.iter().find(|(_, its)| **its == segment).map(|(id, _)| *id);
            state.tell(from.unwrap(), &Sighting::Gone);
        });
    }

    /// Old records of a server that is no longer there come up again.
    pub(super) fn remember(&self, to: Id, found: Found) {
        self.change(|state| state.ears[&to].send(Sighting::Seen(found)).unwrap());
    }

    /// An announcement is lost without anybody's doing; the server is well.
    pub(super) fn silence(&self, id: Id) {
        self.change(|state| state.withdraw(id));
    }

    pub(super) fn break_server(&self, id: Id) {
        self.change(|state| state.broken.push(id));
    }

    /// The answers to so many looks get lost.
    pub(super) fn lose_answers(&self, looks: usize) {
        self.change(|state| state.lost_answers = looks);
    }

    pub(super) fn roles(&self) -> Vec<Role> {
        self.state.lock().unwrap().roles.values().copied().collect()
    }

    pub(super) fn started(&self) -> usize {
        self.state.lock().unwrap().started
    }

    pub(super) fn announced(&self) -> Vec<Found> {
        self.state.lock().unwrap().announced.clone()
    }

    /// Waits until the roles are as wanted and stay so for a minute.
    pub(super) async fn settles(&self, wanted: impl Fn(&[Role]) -> bool) {
        let mut changes = self.changed.subscribe();
        let settled = async {
            loop {
                let quiet = tokio::time::timeout(Duration::from_secs(60), changes.changed()).await.is_err();
                if quiet && wanted(&self.roles()) {
                    return;
                }
            }
        };
        let settled = tokio::time::timeout(Duration::from_secs(3600), settled).await;
        assert!(settled.is_ok(), "an hour later: {:?}", self.roles());
    }
}

/// The one server and all others following it.
pub(super) fn one_serves(roles: &[Role]) -> bool {
    let servers = roles.iter().filter(|role| **role == Role::Serving).count();
    let followed: std::collections::BTreeSet<String> =
        roles.iter().filter(|role| **role != Role::Serving).map(|role| format!("{role:?}")).collect();
    servers == 1 && followed.len() <= 1 && !roles.contains(&Role::Looking)
}

pub(super) struct Air {
    id: Id,
    world: World,
    heard: mpsc::UnboundedReceiver<Sighting>,
}

impl Network for Air {
    type Standing = Sign;

    async fn find(&mut self, within: Duration, except: Option<&Claim>) -> Option<Found> {
        let lost = {
            let mut state = self.world.state.lock().unwrap();
            let lost = state.lost_answers > 0;
            state.lost_answers = state.lost_answers.saturating_sub(1);
            lost
        };
        if lost {
            tokio::time::sleep(within).await;
            return None;
        }
        let mut changes = self.world.changed.subscribe();
        let look = async {
            tokio::time::sleep(ANSWER).await;
            loop {
                {
                    let state = self.world.state.lock().unwrap();
                    let visible = |found: &&Found| state.see_each_other(found.port, self.id);
                    let mut others = state.announced.iter().filter(visible);
                    if let Some(found) = others.find(|found| Some(&found.claim) != except) {
                        return found.clone();
                    }
                }
                changes.changed().await.unwrap();
            }
        };
        tokio::time::timeout(within, look).await.ok()
    }

    async fn announce(&mut self, server: &Server, insist: bool) -> Result<Sign, DiscoveryError> {
        tokio::time::sleep(ASKING).await;
        let found = found(self.id, server.claim.clone().unwrap());
        self.world.change(|state| {
            let other = state.announced.iter().find(|other| state.see_each_other(other.port, self.id));
            if let (Some(by), false) = (other, insist) {
                return Err(DiscoveryError::Taken { name: "net".to_owned(), by: Some(Box::new(by.clone())) });
            }
            state.announced.push(found.clone());
            state.tell(self.id, &Sighting::Seen(found));
            Ok(Sign { id: self.id, world: self.world.clone() })
        })
    }

    async fn hear(&mut self) -> Sighting {
        self.heard.recv().await.unwrap()
    }
}

/// A server as it describes itself; its port is the hive's number.
pub(super) fn found(id: Id, claim: Claim) -> Found {
    let mut txt = vec![("port".to_owned(), id.to_string())];
    claim.write(&mut txt);
    let found = Found::described("net".to_owned(), txt, id, None);
    assert_eq!(found.claim, claim);
    Found { since: SystemTime::UNIX_EPOCH, ..found }
}

pub(super) struct Sign {
    id: Id,
    world: World,
}

impl Standing for Sign {
    fn repeat(&self) {}

    fn withdraw(self) -> impl Future<Output = ()> + Send {
        self.world.change(|state| state.withdraw(self.id));
        std::future::ready(())
    }
}

pub(super) struct Hive {
    id: Id,
    world: World,
}

impl Hive {
    fn take(&self, role: Role) {
        self.world.change(|state| _ = state.roles.insert(self.id, role));
    }
}

impl Follower for Hive {
    async fn follow(&mut self, server: &Found) {
        self.take(Role::Following(server.port));
    }

    async fn lost(&mut self) {
        let mut changes = self.world.changed.subscribe();
        while self.reaches() {
            changes.changed().await.unwrap();
        }
        // A link takes a while to notice.
        tokio::time::sleep(Duration::from_secs(2)).await;
    }

    fn reaches(&self) -> bool {
        let state = self.world.state.lock().unwrap();
        let Some(Role::Following(server)) = state.roles.get(&self.id) else { return false };
        state.serves(*server) && state.see_each_other(*server, self.id)
    }
}

impl Member for Hive {
    type Error = &'static str;

    async fn serve(&mut self) -> Result<Server, &'static str> {
        let broken = self.world.state.lock().unwrap().broken.contains(&self.id);
        if broken {
            return Err("the port is taken");
        }
        self.take(Role::Serving);
        self.world.change(|state| state.started += 1);
        let host = std::net::Ipv4Addr::LOCALHOST.into();
        Ok(Server { name: "net".to_owned(), host, port: self.id, init: vec![], claim: None })
    }

    async fn step_down(&mut self, _to: &Found) {
        self.take(Role::Looking);
    }
}
