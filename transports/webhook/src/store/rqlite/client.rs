//! Requests to whichever node answers.
//!
//! A node that is not the leader asks the leader itself, or, if it is old or was told to, says where the leader is. A request
//! that may change something is sent again only if the node before has not got it, or has said that it has done nothing.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::HeaderValue;
use tokio::time::{Instant, sleep};
use tokio_rustls::TlsConnector;

use super::address::{Address, Origin};
use super::json::{self, Refusal};
use super::node::{Node, Question, Reply, Silence};
use crate::store::StoreError;
use crate::store::sql::{Done, Statement};

/// How often a leader may name another.
const HOPS: usize = 3;
/// The pause while there is no leader; an election takes about a second.
const PAUSE: Duration = Duration::from_millis(100);

pub(super) struct Client {
    pub(super) name: Arc<str>,
    nodes: Vec<Arc<Node>>,
    /// The one that has answered last.
    preferred: AtomicUsize,
    /// The one that another has named.
    leader: Mutex<Option<Arc<Node>>>,
    authorization: Option<HeaderValue>,
    tls: Option<TlsConnector>,
    pub(super) patience: Duration,
}

/// Why an attempt has come to nothing.
enum Failed {
    /// Nothing was done: another node may be asked.
    Undone(io::Error),
    /// There is no leader now; nothing was done.
    Leaderless(io::Error),
    /// It may have been done.
    Unknown(io::Error),
    /// No node would answer otherwise.
    Final(StoreError),
}

impl Client {
    pub(super) fn new(name: &Arc<str>, address: Address, patience: Duration) -> Result<Self, String> {
        let tls = match address.nodes.iter().any(|node| node.tls) {
            true => Some(eventhive_tls::client(address.ca.as_deref(), "?ca=")?.into()),
            false => None,
        };
        Ok(Self {
            name: Arc::clone(name),
            nodes: address.nodes.into_iter().map(|origin| Arc::new(Node::new(origin))).collect(),
            preferred: AtomicUsize::new(0),
            leader: Mutex::default(),
            authorization: address.authorization,
            tls,
            patience,
        })
    }

    /// Statements that read. With `weak` the leader answers, from what it has; each sees what was written before.
    pub(super) async fn query(&self, statements: &[Statement]) -> Result<Vec<Done>, StoreError> {
        self.ask(&format!("/db/query?level=weak&timeout={}ms", self.patience.as_millis()), statements, true).await
    }

    /// Statements as one transaction. What they read goes through the log, as what they write.
    pub(super) async fn request(&self, statements: &[Statement]) -> Result<Vec<Done>, StoreError> {
        let target = format!("/db/request?transaction&level=strong&timeout={}ms", self.patience.as_millis());
        self.ask(&target, statements, false).await
    }

    async fn ask(&self, target: &str, statements: &[Statement], may_repeat: bool) -> Result<Vec<Done>, StoreError> {
        let until = Instant::now() + self.patience;
        let question =
            Question { target, body: Bytes::from(json::body(statements)), authorization: self.authorization.as_ref() };
        loop {
            let mut leaderless = false;
            let mut last = io::Error::other("it has no node");
            let order = self.order();
            let mut left = u32::try_from(order.len()).unwrap_or(u32::MAX);
            for (number, node) in order {
                let now = Instant::now();
                let share = now + until.saturating_duration_since(now) / left.max(1);
                left = left.saturating_sub(1);
                let answer_by = if may_repeat { share } else { until };
                match self.attempt(&node, &question, statements.len(), share, answer_by).await {
                    Ok(done) => {
                        if let Some(number) = number {
                            self.preferred.store(number, Ordering::Relaxed);
                        }
                        return Ok(done);
                    }
                    Err(Failed::Final(error)) => return Err(error),
                    Err(Failed::Unknown(error)) if !may_repeat => return Err(self.unavailable(error)),
                    Err(Failed::Leaderless(error)) => (leaderless, last) = (true, error),
                    Err(Failed::Undone(error) | Failed::Unknown(error)) => last = error,
                }
                if number.is_none() {
                    self.set_leader(None);
                }
            }
            if !leaderless || Instant::now() + PAUSE >= until {
                return Err(self.unavailable(last));
            }
            sleep(PAUSE).await;
        }
    }

    /// The leader that was named, and all nodes, beginning with the one that has answered last.
    fn order(&self) -> Vec<(Option<usize>, Arc<Node>)> {
        let leader = self.leader.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let first = self.preferred.load(Ordering::Relaxed).min(self.nodes.len());
        let (before, after) = self.nodes.split_at(first);
        let numbered = (first..).zip(after).chain((0..).zip(before));
        let nodes = numbered.map(|(number, node)| (Some(number), Arc::clone(node)));
        leader.map(|leader| (None, leader)).into_iter().chain(nodes).collect()
    }

    async fn attempt(
        &self,
        node: &Arc<Node>,
        question: &Question<'_>,
        statements: usize,
        connect_by: Instant,
        answer_by: Instant,
    ) -> Result<Vec<Done>, Failed> {
        let mut node = Arc::clone(node);
        for _ in 0..=HOPS {
            let tls = self.tls.as_ref().filter(|_| node.origin.tls);
            let reply = node.ask(question, tls, connect_by, answer_by).await.map_err(|silence| match silence {
                Silence::Unsent(error) => Failed::Undone(error),
                Silence::Unknown(error) => Failed::Unknown(error),
            })?;
            if !reply.status.is_redirection() {
                return self.read(&reply, statements);
            }
            node = self.named(&reply)?;
            self.set_leader(Some(Arc::clone(&node)));
        }
        Err(Failed::Undone(io::Error::other("its nodes name each other as the leader")))
    }

    /// The leader that a node names. What the connection was to hide is not sent where it would show.
    fn named(&self, reply: &Reply) -> Result<Arc<Node>, Failed> {
        let origin = reply.location.as_deref().and_then(Origin::of_url);
        match origin {
            Some(origin) if origin.tls == self.tls.is_some() => Ok(Arc::new(Node::new(origin))),
            _ => Err(Failed::Undone(io::Error::other(format!(
                "a node says that the leader is at `{}`, which cannot be asked",
                reply.location.as_deref().unwrap_or_default()
            )))),
        }
    }

    fn set_leader(&self, leader: Option<Arc<Node>>) {
        *self.leader.lock().unwrap_or_else(PoisonError::into_inner) = leader;
    }

    fn read(&self, reply: &Reply, statements: usize) -> Result<Vec<Done>, Failed> {
        let text = || String::from_utf8_lossy(reply.body.get(..200).unwrap_or(&reply.body)).trim().to_owned();
        match reply.status {
            StatusCode::OK => json::results(&reply.body, statements).map_err(|refusal| self.refused(refusal)),
            StatusCode::SERVICE_UNAVAILABLE => Err(Failed::Leaderless(io::Error::other(text()))),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(Failed::Final(StoreError::Address {
                store: Arc::clone(&self.name),
                problem: format!("{}: check the user, the password, and what the user may do", reply.status),
            })),
            status if status.is_server_error() => {
                Err(Failed::Unknown(io::Error::other(format!("{status}: {}", text()))))
            }
            status => Err(Failed::Final(self.damaged(&format!("it answers {status}: {}", text())))),
        }
    }

    fn refused(&self, refusal: Refusal) -> Failed {
        match refusal {
            Refusal::Request(problem) => Failed::Unknown(io::Error::other(problem)),
            Refusal::Statement(problem) => {
                Failed::Final(self.damaged(&format!("{problem}: its tables are not those that a broadcaster makes")))
            }
            Refusal::Strange(problem) => {
                Failed::Final(self.damaged(&format!("it answers what rqlite does not: {problem}")))
            }
        }
    }

    fn damaged(&self, problem: &str) -> StoreError {
        StoreError::Damaged { store: Arc::clone(&self.name), problem: problem.to_owned() }
    }

    fn unavailable(&self, error: io::Error) -> StoreError {
        StoreError::Unavailable { store: Arc::clone(&self.name), source: Arc::new(error) }
    }
}
