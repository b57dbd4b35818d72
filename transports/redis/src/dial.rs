//! Connecting: to one server, to the master that the Sentinels name, to the nodes of a cluster.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use eventhive_transport::Topic;
use redis::aio::MultiplexedConnection;
use redis::io::tcp::TcpSettings;
use redis::{
    AsyncConnectionConfig, Client, ClientTlsConfig, ConnectionAddr, FromRedisValue, IntoConnectionInfo,
    ProtocolVersion, PushInfo, RedisConnectionInfo, RedisError, TlsCertificates, Value,
};

use crate::cluster::Slots;
use crate::config::{Address, Authorities, Config, Login, Mode, Servers, Tls};
use crate::failure::Failure;

/// What the connection's reading task hands pushed messages to.
pub(crate) type Push = Arc<dyn Fn(PushInfo) + Send + Sync>;

/// A server and the connection to it.
#[derive(Clone)]
pub(crate) struct Node {
    pub(crate) address: Address,
    pub(crate) connection: MultiplexedConnection,
}

/// Every connection that publishing and subscribing need.
pub(crate) struct Nodes {
    first: Node,
    /// The other nodes of a cluster, where keys have their places.
    others: Vec<Node>,
    slots: Option<Slots>,
}

impl Nodes {
    /// Connects.
    pub(crate) async fn open(config: &Config, push: &Push) -> Result<Self, Failure> {
        match &config.servers {
            Servers::One(address) => Self::one(config, address.clone(), push).await,
            Servers::Sentinel { sentinels, service, login } => {
                let master = ask_sentinels(config, sentinels, service, login).await?;
                let nodes = Self::one(config, master, push).await?;
                nodes.is_master(config).await?;
                Ok(nodes)
            }
            Servers::Cluster(seeds) => Self::cluster(config, seeds, push).await,
        }
    }

    async fn one(config: &Config, address: Address, push: &Push) -> Result<Self, Failure> {
        let connection = dial(config, &address, &config.login, Some(push)).await?;
        Ok(Self { first: Node { address, connection }, others: Vec::new(), slots: None })
    }

    /// Sentinels can name a master that is about to be one, or was one until now.
    async fn is_master(&self, config: &Config) -> Result<(), Failure> {
        let address = &self.first.address;
        let answer = self.first.ask(config, &redis::cmd("ROLE")).await?;
        let Value::Array(parts) = answer else { return Ok(()) };
        match parts.first().map(String::from_redis_value_ref) {
            Some(Ok(role)) if role != "master" => {
                Err(Failure::passing(format!("{address} is a {role}, not the master")))
            }
            _ => Ok(()),
        }
    }

    /// Any node takes part in pub/sub for the whole cluster, so there one connection is enough: it keeps the order. The
    /// first that answers is taken, so that links with the same list meet on one node, where nothing is still on its way
    /// between nodes when a subscription is made. Keys and shard channels must be taken to the node that has their slot.
    async fn cluster(config: &Config, seeds: &[Address], push: &Push) -> Result<Self, Failure> {
        let mut failure = Failure::passing("no node is known");
        for address in seeds {
            match Self::one(config, address.clone(), push).await {
                Ok(nodes) if config.mode == Mode::PubSub => return Ok(nodes),
                Ok(nodes) => return nodes.with_slots(config, push).await,
                Err(failed) => failure = failed,
            }
        }
        Err(failure)
    }

    async fn with_slots(mut self, config: &Config, push: &Push) -> Result<Self, Failure> {
        let answer = self.first.ask(config, redis::cmd("CLUSTER").arg("SLOTS")).await?;
        let way_in = &self.first.address;
        let (addresses, slots) =
            Slots::read(&answer, way_in).map_err(|reason| Failure::passing(format!("{way_in}: {reason}")))?;
        // The first is the way in, master or not; the map begins with it.
        for address in addresses.into_iter().skip(1) {
            let connection = dial(config, &address, &config.login, Some(push)).await?;
            self.others.push(Node { address, connection });
        }
        self.slots = Some(slots);
        Ok(self)
    }

    /// The number of the node that has this key; 0 where there is only one.
    pub(crate) fn of(&self, key: &Topic) -> usize {
        self.slots.as_ref().map_or(0, |slots| slots.node_of(key.as_bytes()))
    }

    pub(crate) fn at(&self, number: usize) -> &Node {
        number.checked_sub(1).and_then(|other| self.others.get(other)).unwrap_or(&self.first)
    }

    pub(crate) fn len(&self) -> usize {
        1 + self.others.len()
    }

    /// A round trip on every connection. Everything that was sent before has been answered then.
    pub(crate) fn check(&self, timeout: Duration) -> impl Future<Output = Result<(), String>> + Send + use<> {
        let nodes: Vec<_> = (0..self.len()).map(|number| self.at(number).clone()).collect();
        async move {
            for Node { address, mut connection } in nodes {
                match tokio::time::timeout(timeout, redis::cmd("PING").exec_async(&mut connection)).await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => return Err(format!("{address}: {error}")),
                    Err(_) => return Err(format!("{address} did not answer within {timeout:?}")),
                }
            }
            Ok(())
        }
    }
}

impl Node {
    /// Asks, with the patience of the configuration.
    pub(crate) async fn ask(&self, config: &Config, command: &redis::Cmd) -> Result<Value, Failure> {
        let (address, mut connection) = (&self.address, self.connection.clone());
        match tokio::time::timeout(config.answer_timeout, command.query_async(&mut connection)).await {
            Ok(answer) => answer.map_err(|error| Failure::of(config, address, &error)),
            Err(_) => Err(Failure::passing(format!("{address} did not answer within {:?}", config.answer_timeout))),
        }
    }
}

/// One connection, logged in.
pub(crate) async fn dial(
    config: &Config,
    address: &Address,
    login: &Login,
    push: Option<&Push>,
) -> Result<MultiplexedConnection, Failure> {
    let client = client(config, address, login).map_err(|error| Failure::of(config, address, &error))?;
    let mut options = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(config.connect_timeout))
        // Answers are waited for by the checks of the connection, all at once.
        .set_response_timeout(None);
    if let Some(push) = push {
        let push = Arc::clone(push);
        options = options.set_push_sender(move |info| {
            push(info);
            Ok::<(), std::convert::Infallible>(())
        });
    }
    let dialed = client.get_multiplexed_async_connection_with_config(&options).await;
    let mut connection = dialed.map_err(|error| Failure::of(config, address, &error))?;
    if let Some(name) = &config.client_name {
        // Only for the eyes of people: an old server, or an ACL that forbids it, must not matter.
        let mut set_name = redis::cmd("CLIENT");
        let named = set_name.arg("SETNAME").arg(name).exec_async(&mut connection);
        if let Ok(Err(error)) = tokio::time::timeout(config.answer_timeout, named).await {
            tracing::warn!(%address, "the server does not take `client_name`: {error}");
        }
    }
    Ok(connection)
}

fn client(config: &Config, address: &Address, login: &Login) -> Result<Client, RedisError> {
    let place = match (address, &config.tls) {
        (Address::Unix(path), _) => ConnectionAddr::Unix(path.clone()),
        (Address::Tcp(host, port), None) => ConnectionAddr::Tcp(host.clone(), *port),
        (Address::Tcp(host, port), Some(tls)) => {
            ConnectionAddr::TcpTls { host: host.clone(), port: *port, insecure: tls.trust_anyone, tls_params: None }
        }
    };
    let mut identity = RedisConnectionInfo::default().set_db(login.db).set_protocol(ProtocolVersion::RESP3);
    if let Some(username) = &login.username {
        identity = identity.set_username(username);
    }
    if let Some(password) = &login.password {
        identity = identity.set_password(password);
    }
    // The kernel's own end to a connection that takes nothing, behind the checks.
    let tcp = TcpSettings::default().set_nodelay(true).set_user_timeout(config.answer_timeout + config.check_interval);
    let info = ("", 0).into_connection_info()?.set_addr(place).set_redis_settings(identity).set_tcp_settings(tcp);
    match (&config.tls, address) {
        (Some(tls), Address::Tcp(..)) => with_tls(info, tls),
        _ => Client::open(info),
    }
}

fn with_tls(info: redis::ConnectionInfo, tls: &Tls) -> Result<Client, RedisError> {
    // Without a choice made, rustls panics when a program has two providers compiled in. An earlier choice stands.
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
    let client_tls = match &tls.client {
        Some((chain, key)) => Some(ClientTlsConfig { client_cert: file(chain)?, client_key: file(key)? }),
        None => None,
    };
    let root_cert = match &tls.authorities {
        Some(Authorities::File(path)) => Some(file(path)?),
        Some(Authorities::Directory(path)) => Some(files(path)?),
        Some(Authorities::Text(text)) => Some(text.clone().into_bytes()),
        None => None,
    };
    let client = Client::build_with_tls(info, TlsCertificates { client_tls, root_cert })?;
    let info = client.get_connection_info().clone();
    let mut place = info.addr().clone();
    place.set_danger_accept_invalid_hostnames(tls.any_hostname);
    Client::open(info.set_addr(place))
}

fn file(path: &Path) -> Result<Vec<u8>, RedisError> {
    std::fs::read(path).map_err(|error| named(path, &error))
}

/// All files of a directory, one behind the other. What is no certificate in them is passed over by whoever reads them.
fn files(directory: &Path) -> Result<Vec<u8>, RedisError> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(|error| named(directory, &error))? {
        let path = entry.map_err(|error| named(directory, &error))?.path();
        if path.is_file() {
            all.append(&mut file(&path)?);
            all.push(b'\n');
        }
    }
    Ok(all)
}

fn named(path: &Path, error: &std::io::Error) -> RedisError {
    std::io::Error::new(error.kind(), format!("{}: {error}", path.display())).into()
}

async fn ask_sentinels(
    config: &Config,
    sentinels: &[Address],
    service: &str,
    login: &Login,
) -> Result<Address, Failure> {
    let mut told = Vec::new();
    for sentinel in sentinels {
        match ask_sentinel(config, sentinel, service, login).await {
            Ok(Some(master)) => return Ok(master),
            Ok(None) => told.push(Failure::passing(format!("{sentinel} knows no master `{service}`"))),
            Err(failure) => told.push(failure),
        }
    }
    // One that may say something else tomorrow is enough to ask again.
    let for_good = told.iter().all(|failure| failure.for_good);
    let reasons: Vec<String> = told.into_iter().map(|failure| failure.reason).collect();
    Err(Failure { reason: format!("no Sentinel names the master: {}", reasons.join("; ")), for_good })
}

async fn ask_sentinel(
    config: &Config,
    sentinel: &Address,
    service: &str,
    login: &Login,
) -> Result<Option<Address>, Failure> {
    let node = Node { address: sentinel.clone(), connection: dial(config, sentinel, login, None).await? };
    let answer = node.ask(config, redis::cmd("SENTINEL").arg("GET-MASTER-ADDR-BY-NAME").arg(service)).await?;
    let place = Option::<(String, u16)>::from_redis_value(answer);
    let place = place.map_err(|error| Failure::passing(format!("{sentinel}: {error}")))?;
    Ok(place.map(|(host, port)| Address::Tcp(host, port)))
}
