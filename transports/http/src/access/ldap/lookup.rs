//! One login: bind, search, and what the groups found may.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use tokio::time::timeout;

use super::config::LdapConfig;
use super::connection::{Connection, Outcome};
use super::error::{Broken, Refused};
use super::gate::{Gate, Pass};
use super::pool::Pool;
use super::throttle::Throttle;
use super::wire::Search;
use crate::access::{Asker, Rights};

/// Asks the servers. Bounded in time; how many ask at a time is bounded by the pool.
pub(super) struct Lookup {
    config: LdapConfig,
    pool: Arc<Pool>,
    gate: Gate,
    log: Throttle,
    rejections: Throttle,
}

/// Entries of one search. Nobody is in more groups, and a server has a limit of its own (500 or 1000 by default).
const MOST_ENTRIES: u16 = 5000;

const SUCCESS: u32 = 0;
const NO_SUCH_OBJECT: u32 = 32;
const INVALID_DN: u32 = 34;
const INAPPROPRIATE_AUTHENTICATION: u32 = 48;
const INVALID_CREDENTIALS: u32 = 49;
const BUSY: u32 = 51;
const UNAVAILABLE: u32 = 52;

impl Lookup {
    pub(super) fn new(config: LdapConfig) -> Self {
        let (pool, gate) = (Arc::new(Pool::new(&config)), Gate::new(config.retry));
        Self { config, pool, gate, log: Throttle::default(), rejections: Throttle::default() }
    }

    pub(super) fn pool(&self) -> &Pool {
        &self.pool
    }

    /// The rights of a user. A client waits for a connection no longer than a login may take, and for the login no longer
    /// either. A recheck waits until it is its turn, before which there is one login for each connection at most.
    pub(super) async fn ask(&self, user: &str, password: &str, asker: Asker) -> Result<Rights, Refused> {
        let pass = self.gate.enter(Instant::now()).ok_or(Refused::Closed)?;
        let permit = self.pool.permit(asker);
        let permit = match asker {
            Asker::Client(_) => timeout(self.config.timeout, permit).await.ok().flatten(),
            Asker::Recheck => permit.await,
        };
        let Some(_permit) = permit else { return Err(Refused::Busy) };
        if pass.is_void() {
            return Err(Refused::Closed);
        }
        let exchange = timeout(self.config.timeout, self.exchange(user, password)).await;
        match exchange.unwrap_or(Err(Broken::Late)) {
            Ok(outcome) => {
                if pass.succeeded() {
                    tracing::info!(servers = self.pool.servers(), "the LDAP server answers again");
                }
                if let Err(refused @ Refused::Rejected { .. }) = &outcome {
                    self.log_rejection(user, refused);
                }
                outcome
            }
            Err(late @ Broken::Late) if !pass.doubts() => {
                let refused = Refused::Unavailable(late.to_string());
                self.log_rejection(user, &refused);
                Err(refused)
            }
            Err(broken) => Err(self.failed(pass, &broken)),
        }
    }

    async fn exchange(&self, user: &str, password: &str) -> Result<Result<Rights, Refused>, Broken> {
        let name = self.config.user_dn.fill(user);
        let (mut connection, (code, text)) = self.bound(&name, password).await?;
        let outcome = match code {
            SUCCESS => self.search(&mut connection, user).await?,
            INVALID_CREDENTIALS | NO_SUCH_OBJECT | INVALID_DN | INAPPROPRIATE_AUTHENTICATION => Err(Refused::Wrong),
            BUSY | UNAVAILABLE => return Err(Broken::Unable(code, text)),
            _ => Err(Refused::Rejected { what: "the login", code, text }),
        };
        self.pool.give_back(connection);
        Ok(outcome)
    }

    /// A connection on which the login was tried. One that waited may be dead without having shown it: then a new one.
    async fn bound(&self, name: &str, password: &str) -> Result<(Connection, Outcome), Broken> {
        if let Some(mut connection) = self.pool.waiting()
            && let Ok(outcome) = connection.bind(name, password).await
        {
            return Ok((connection, outcome));
        }
        let mut connection = self.pool.open().await?;
        let outcome = connection.bind(name, password).await?;
        Ok((connection, outcome))
    }

    async fn search(&self, connection: &mut Connection, user: &str) -> Result<Result<Rights, Refused>, Broken> {
        let seconds = u16::try_from(self.config.timeout.as_secs() + 1).unwrap_or(u16::MAX);
        let mut groups = HashMap::new();
        for filter in &self.config.filters {
            let Some(filter) = filter.fill(user) else { continue };
            let search = Search { base: &self.config.base, filter: &filter, most_entries: MOST_ENTRIES, seconds };
            let outcome = connection.search(&search, |name| groups.extend(self.config.groups.get(&name))).await?;
            match outcome {
                (SUCCESS, _) => {}
                (code @ (BUSY | UNAVAILABLE), text) => return Err(Broken::Unable(code, text)),
                // Some groups may be missing, and which is anyone's guess: better none.
                (code, text) => return Ok(Err(Refused::Rejected { what: "the search for groups", code, text })),
            }
        }
        let mut rights = Rights::default();
        for group in groups.into_values() {
            rights.segments.extend_from_slice(&group.segments);
            rights.topics.extend_from_slice(&group.topics);
        }
        Ok(Ok(rights))
    }

    fn failed(&self, pass: Pass<'_>, broken: &Broken) -> Refused {
        self.pool.clear();
        let now = Instant::now();
        let is_news = pass.failed(now);
        if let Some(held_back) = self.log.allow(now) {
            let servers = self.pool.servers();
            tracing::error!(
                servers, error = %broken, held_back,
                "the LDAP server cannot be asked: users who are not in the access list have no rights until it can"
            );
        } else if is_news {
            tracing::debug!(error = %broken, "the LDAP server cannot be asked");
        }
        Refused::Unavailable(broken.to_string())
    }

    fn log_rejection(&self, user: &str, refused: &Refused) {
        if let Some(held_back) = self.rejections.allow(Instant::now()) {
            tracing::warn!(user, %refused, held_back, "an LDAP user gets no rights");
        }
    }
}
