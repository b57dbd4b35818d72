//! `create: needed` over real mDNS: one server, whichever hive runs it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use eventhive::discovery::needed::{Follower, Member, Neighbourhood, Timing, watch};
use eventhive::discovery::{Claim, DiscoveryError, Found, Mdns, Server, Sources};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::alone;
use crate::namespace::ADDRESS;
use crate::python::{BOTH, LIMIT, Packages, Program};
use crate::servers::{open, secret, server};

/// Shorter than usual, but not shorter than mDNS needs.
const TIMING: Timing = Timing {
    look: Duration::from_secs(2),
    again: Duration::from_secs(2),
    confirm: Duration::from_secs(3),
    spread: Duration::from_millis(500),
    retry: Duration::from_secs(2),
    check: Duration::from_secs(10),
};

/// How often the roles are looked at: nobody tells them.
const LOOK: Duration = Duration::from_millis(20);

/// What a hive does at the moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
enum Role {
    #[default]
    Looking,
    Serving(u16),
    Following(u16),
}

/// A hive whose server only accepts connections.
struct Hive {
    role: Arc<Mutex<Role>>,
    server: Option<JoinHandle<()>>,
    link: Option<TcpStream>,
}

impl Drop for Hive {
    fn drop(&mut self) {
        if let Some(server) = &self.server {
            server.abort();
        }
    }
}

impl Follower for Hive {
    async fn follow(&mut self, server: &Found) {
        self.link = TcpStream::connect((server.host().unwrap(), server.port)).await.ok();
        *self.role.lock().unwrap() = Role::Following(server.port);
    }

    async fn lost(&mut self) {
        match &self.link {
            Some(link) => {
                let _ = link.readable().await;
                self.link = None;
            }
            // It was told; it is told again by the next goodbye.
            None => std::future::pending().await,
        }
    }

    fn reaches(&self) -> bool {
        self.link.is_some()
    }
}

impl Member for Hive {
    type Error = std::io::Error;

    async fn serve(&mut self) -> Result<Server, std::io::Error> {
        let listener = TcpListener::bind((ADDRESS, 0)).await?;
        let port = listener.local_addr()?.port();
        self.server = Some(tokio::spawn(async move {
            let mut links = Vec::new();
            while let Ok((link, _)) = listener.accept().await {
                links.push(link);
            }
        }));
        *self.role.lock().unwrap() = Role::Serving(port);
        Ok(server("net", ADDRESS, port))
    }

    async fn step_down(&mut self, _to: &Found) {
        self.server.take().unwrap().abort();
    }
}

/// A running hive.
struct Running {
    role: Arc<Mutex<Role>>,
    task: JoinHandle<()>,
}

impl Running {
    /// Waits until it follows the server on this port.
    async fn follows(&self, port: u16) {
        let following = async {
            while *self.role.lock().unwrap() != Role::Following(port) {
                tokio::time::sleep(LOOK).await;
            }
        };
        tokio::time::timeout(LIMIT, following).await.unwrap();
    }
}

fn start(mdns: Mdns) -> Running {
    let role = Arc::<Mutex<Role>>::default();
    let hive = Hive { role: Arc::clone(&role), server: None, link: None };
    let sources = Sources { mdns: Some(mdns), ..Sources::default() };
    let network = Neighbourhood::new("net".to_owned(), sources);
    Running { role, task: tokio::spawn(async { _ = watch(network, hive, TIMING, std::future::pending()).await }) }
}

/// Waits until one serves and all others follow it. Gives which.
async fn one_serves(hives: &[&Running]) -> usize {
    let settled = async {
        loop {
            let roles: Vec<Role> = hives.iter().map(|hive| hive.role.lock().unwrap().clone()).collect();
            let server = roles.iter().position(|role| matches!(role, Role::Serving(_)));
            if let Some(at) = server
                && let Role::Serving(port) = roles[at]
                && roles.iter().enumerate().all(|(other, role)| other == at || *role == Role::Following(port))
            {
                return at;
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::time::timeout(LIMIT, settled).await.unwrap_or_else(|_| {
        panic!("{:?}", hives.iter().map(|hive| hive.role.lock().unwrap().clone()).collect::<Vec<_>>())
    })
}

alone! {
    async fn of_three_hives_started_at_once_one_serves_and_when_it_vanishes_another_does() {
        let hives = [start(open()), start(open()), start(open())];
        let [a, b, c] = &hives;
        let first = one_serves(&[a, b, c]).await;
        let Role::Serving(port) = hives[first].role.lock().unwrap().clone() else { panic!() };
        let python = || Program::start(Packages::Eventhive, "resolve", &["net", "10"]);
        assert_eq!(python().said("found").await["port"], json!(port));

        hives[first].task.abort();
        let rest: Vec<&Running> = hives.iter().enumerate().filter(|(at, _)| *at != first).map(|(_, it)| it).collect();
        let second = one_serves(&rest).await;
        let Role::Serving(next) = rest[second].role.lock().unwrap().clone() else { panic!() };
        assert_ne!(next, port);
    }
}

alone! {
    async fn a_server_hands_over_when_an_older_one_comes_into_sight() {
        let hive = start(open());
        one_serves(&[&hive]).await;
        // As if another network, with a server of the same name, had been joined to this one.
        let mut older = server("net", ADDRESS, 9);
        older.claim = Some(Claim::new(std::time::SystemTime::UNIX_EPOCH, "old".to_owned()));
        let error = open().announce(&older).await.unwrap_err();
        assert!(matches!(error, DiscoveryError::Taken { .. }), "{error}");
        let _announcement = open().announce_anyway(&older).await.unwrap();
        hive.follows(9).await;
        for packages in BOTH {
            let found = Program::start(packages, "resolve", &["net", "10"]).said("found").await;
            assert_eq!(found["port"], 9);
        }
    }
}

alone! {
    async fn a_server_of_python_counts_as_the_older_and_is_followed() {
        let txt = json!({"host": ADDRESS, "port": 9, "endpoint": "/pubsub"});
        let mut python = Program::start(Packages::Eventhive, "announce", &[
            &json!({"name": "net", "port": 9, "txt": txt}).to_string(),
        ]);
        python.said("announced").await;
        let hive = start(open());
        hive.follows(9).await;
    }
}

alone! {
    async fn with_a_secret_a_server_that_is_not_signed_is_not_followed() {
        let txt = json!({"host": ADDRESS, "port": 9, "endpoint": "/pubsub"});
        let mut python = Program::start(Packages::Eventhive, "announce", &[
            &json!({"name": "net", "port": 9, "txt": txt}).to_string(),
        ]);
        python.said("announced").await;
        let hives = [start(secret("s")), start(secret("s"))];
        one_serves(&[&hives[0], &hives[1]]).await;
    }
}
