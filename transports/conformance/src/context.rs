//! What one copy of a case works with.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use eventhive_transport::{Capabilities, Filter, Glob, Topic};

use crate::case::{Check, Stop};
use crate::client::Client;
use crate::fixture::{Broker, Fixture};
use crate::proxy::FaultProxy;

/// One copy's fixture, id, and the links it opened, which are closed when it ends.
#[derive(Clone)]
pub(crate) struct Context(Arc<Shared>);

struct Shared {
    fixture: Arc<dyn Fixture>,
    id: String,
    clients: Mutex<Vec<Client>>,
}

impl Context {
    pub(crate) fn new(fixture: Arc<dyn Fixture>, case: &str, copy: usize) -> Self {
        let id = format!("{case}-{copy}-{:08x}", fastrand::u32(..));
        Self(Arc::new(Shared { fixture, id, clients: Mutex::new(Vec::new()) }))
    }

    pub(crate) fn id(&self) -> &str {
        &self.0.id
    }

    pub(crate) fn capabilities(&self) -> Capabilities {
        self.0.fixture.capabilities()
    }

    pub(crate) fn patience(&self) -> Duration {
        self.0.fixture.patience()
    }

    /// A topic of this copy alone.
    pub(crate) fn topic(&self, name: &str) -> Topic {
        format!("{}/{name}", self.0.id).into()
    }

    /// A pattern of topics of this copy alone.
    pub(crate) fn glob(&self, pattern: &str) -> Check<Filter> {
        let glob = Glob::new(&format!("{}/{pattern}", self.0.id));
        glob.map(Filter::Glob).map_err(|error| Stop::Failed(error.to_string()))
    }

    pub(crate) fn broker(&self) -> Check<&dyn Broker> {
        self.0.fixture.broker().ok_or(Stop::Lacks("broker"))
    }

    /// A link that is up.
    pub(crate) async fn link(&self) -> Check<Client> {
        let link = self.within("opening a link", self.0.fixture.link()).await?;
        let client = self.keep(Client::new(link, self.patience()));
        client.until_up().await?;
        Ok(client)
    }

    /// A link to `address`, in whatever state it is.
    pub(crate) async fn link_via(&self, address: SocketAddr) -> Check<Client> {
        let link = self.within("opening a link", self.broker()?.link_via(address)).await?;
        Ok(self.keep(Client::new(link, self.patience())))
    }

    /// A link through a proxy of its own, up.
    pub(crate) async fn proxied(&self) -> Check<(FaultProxy, Client)> {
        let proxy = self.proxy().await?;
        let client = self.link_via(proxy.address()).await?;
        client.until_up().await?;
        Ok((proxy, client))
    }

    pub(crate) async fn proxy(&self) -> Check<FaultProxy> {
        let started = FaultProxy::start(self.broker()?.address()).await;
        started.map_err(|error| Stop::Failed(format!("the fault proxy did not start: {error}")))
    }

    fn keep(&self, client: Client) -> Client {
        self.0.clients.lock().unwrap_or_else(PoisonError::into_inner).push(client.clone());
        client
    }

    pub(crate) async fn close_links(&self) -> Check {
        let clients = std::mem::take(&mut *self.0.clients.lock().unwrap_or_else(PoisonError::into_inner));
        for client in clients {
            client.close().await?;
        }
        Ok(())
    }

    pub(crate) async fn within<T>(&self, what: &str, work: impl Future<Output = T>) -> Check<T> {
        within(self.patience(), what, work).await
    }
}

/// Awaits `work`, and fails the case if it takes longer than `patience`.
pub(crate) async fn within<T>(patience: Duration, what: &str, work: impl Future<Output = T>) -> Check<T> {
    let late = |_| Stop::Failed(format!("{what} took more than {patience:?}"));
    tokio::time::timeout(patience, work).await.map_err(late)
}
