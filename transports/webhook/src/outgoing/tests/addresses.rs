//! The guard before real connections.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use eventhive_listener::Networks;

use super::support::{LONG, Peer, Server, hello, looking_up, outgoing, settings, until};
use crate::outgoing::{Outgoing, OutgoingSettings};
use crate::store::Outcome;

#[tokio::test]
async fn no_spelling_of_the_machine_itself_is_called() {
    let server = Server::start(Peer::confirm_all).await;
    let outgoing = outgoing(|settings| settings.allow = Networks::default());
    for host in [
        "127.0.0.1",
        "127.0.0.1.",
        "localhost",
        "LOCALHOST",
        "localhost.",
        "127.1",
        "0x7f.1",
        "2130706433",
        "0177.0.0.1",
        "017700000001",
        "0.0.0.0",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[0:0:0:0:0:ffff:7f00:0001]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "user@127.0.0.1",
        "127.0.0.1%23",
        "example.org@localhost",
        "１２７.0.0.1",
        "[::1%25lo]",
    ] {
        for scheme in ["http", "https"] {
            let url = format!("{scheme}://{host}:{}/", server.address.port());
            let report = outgoing.receive(&url, &hello()).await;
            assert_eq!((report.outcome, report.status), (Outcome::Forbidden, None), "{url}: {report:?}");
            assert!(!report.detail.is_empty());
            assert_eq!(outgoing.missed(&url, b"a", LONG).await.outcome, Outcome::Forbidden);
        }
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn the_handshake_is_guarded_too() {
    let server = Server::start(Peer::confirm_all).await;
    let outgoing = outgoing(|settings| {
        settings.allow = Networks::default();
        settings.origin = Some("events.example.org".into());
    });
    assert_eq!(outgoing.verify(&server.url("/")).await.unwrap_err().outcome, Outcome::Forbidden);
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn of_a_name_with_several_addresses_those_that_may_be_called_are() {
    let server = Server::start(Peer::confirm_all).await;
    let here = server.address;
    let there = ["10.0.0.1:1", "[::ffff:192.168.0.1]:1", "[fd00::1]:1"].map(|address| address.parse().unwrap());
    let outgoing = looking_up(settings(), move |_, _| Ok([&there[..], &[here], &there[..]].concat()));
    let report = outgoing.receive(&format!("http://hooks.example.org:{}/", here.port()), &hello()).await;
    assert_eq!(report.outcome, Outcome::Confirmed, "{report:?}");
    let outgoing = looking_up(settings(), move |_, _| Ok(there.to_vec()));
    let report = outgoing.receive("http://hooks.example.org/", &hello()).await;
    assert_eq!(report.outcome, Outcome::Forbidden);
    assert!(report.detail.starts_with("10.0.0.1 may not be called"), "{}", report.detail);
}

#[tokio::test]
async fn the_port_is_the_urls_whatever_the_resolver_says() {
    let server = Server::start(Peer::confirm_all).await;
    let outgoing = looking_up(settings(), |_, _| Ok(vec!["127.0.0.1:1".parse().unwrap()]));
    let report = outgoing.receive(&format!("http://hooks.example.org:{}/", server.address.port()), &hello()).await;
    assert_eq!(report.outcome, Outcome::Confirmed, "{report:?}");
}

#[tokio::test]
async fn a_name_that_resolves_otherwise_the_second_time_is_asked_for_once_and_judged_each_time() {
    let server = Server::start(Peer::confirm_all).await;
    let port = server.address.port();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let allow = Networks::parse(["127.0.0.1"]).unwrap();
    let outgoing = looking_up(OutgoingSettings { allow, idle_connections: 0, ..settings() }, move |name, port| {
        assert_eq!(name, "rebinding.example.org");
        let address = if count.fetch_add(1, Relaxed) == 0 { [127, 0, 0, 1] } else { [127, 0, 0, 2] };
        Ok(vec![(address, port).into()])
    });
    let url = format!("http://rebinding.example.org:{port}/");
    assert_eq!(outgoing.receive(&url, &hello()).await.outcome, Outcome::Confirmed);
    assert_eq!(asked.load(Relaxed), 1);
    assert_eq!(outgoing.receive(&url, &hello()).await.outcome, Outcome::Forbidden);
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_name_that_cannot_be_looked_up_is_unreachable() {
    let outgoing = looking_up(settings(), |_, _| Err(io::Error::other("the resolver is on fire")));
    let report = outgoing.receive("http://hooks.example.org/", &hello()).await;
    assert_eq!(report.outcome, Outcome::Unreachable);
    assert!(report.detail.contains("on fire"), "{}", report.detail);
    let outgoing = looking_up(settings(), |_, _| Ok(Vec::new()));
    assert_eq!(outgoing.receive("http://hooks.example.org/", &hello()).await.outcome, Outcome::Unreachable);
}

#[tokio::test]
async fn a_resolver_that_hangs_is_not_waited_for_and_what_it_holds_up_is_not_blamed() {
    let gate = Arc::new((Mutex::new(false), Condvar::new()));
    let open = Arc::clone(&gate);
    let (connect_timeout, total_timeout) = (Duration::from_millis(100), Duration::from_secs(1));
    let settings = OutgoingSettings { connect_timeout, total_timeout, ..settings() };
    let outgoing = looking_up(settings, move |_, _| {
        let (opened, changed) = &*gate;
        let opened = changed.wait_while(opened.lock().unwrap(), |opened| !*opened).unwrap();
        drop(opened);
        Ok(Vec::new())
    });
    // More than may look up at a time.
    let asked = (0..40).map(|at| {
        let outgoing = &outgoing;
        async move { outgoing.receive(&format!("http://h{at}.example.org/"), &hello()).await }
    });
    let reports = futures_util::future::join_all(asked).await;
    let with = |outcome| reports.iter().filter(|report| report.outcome == outcome).count();
    assert_eq!((with(Outcome::TimedOut), with(Outcome::Crowded)), (8, 32), "{reports:?}");
    assert!(reports.iter().all(|report| report.detail.contains("looked up")), "{reports:?}");
    assert_eq!(outgoing.load().crowded, 32);
    *open.0.lock().unwrap() = true;
    open.1.notify_all();
}

#[tokio::test]
async fn who_waits_for_a_place_to_be_looked_up_has_all_the_time_of_a_connection_then() {
    let server = Server::start(Peer::confirm_all).await;
    let port = server.address.port();
    let settings = OutgoingSettings { connect_timeout: Duration::from_secs(1), ..settings() };
    // Eight at a time, which together takes longer than a connection may.
    let outgoing = looking_up(settings, move |_, _| {
        std::thread::sleep(Duration::from_millis(300));
        Ok(vec![([127, 0, 0, 1], port).into()])
    });
    let asked = (0..40).map(|at| {
        let outgoing = &outgoing;
        async move { outgoing.receive(&format!("http://h{at}.example.org:{port}/"), &hello()).await }
    });
    for report in futures_util::future::join_all(asked).await {
        assert_eq!(report.outcome, Outcome::Confirmed, "{report:?}");
    }
}

#[tokio::test]
async fn an_address_that_does_not_answer_leaves_time_for_the_next() {
    let server = Server::start(Peer::confirm_all).await;
    // A listener on the same port of another address, whose queue is full, so that it answers nothing.
    let port = server.address.port();
    let deaf = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let there = SocketAddr::from(([127, 0, 0, 2], port));
    deaf.bind(&there.into()).unwrap();
    deaf.listen(0).unwrap();
    let full: Vec<_> = (0..4)
        .map(|_| {
            let stream = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
            stream.set_nonblocking(true).unwrap();
            let _ = stream.connect(&there.into());
            stream
        })
        .collect();
    let settings = OutgoingSettings { connect_timeout: Duration::from_millis(600), ..settings() };
    let addresses = vec![there, server.address];
    let outgoing = looking_up(settings, move |_, _| Ok(addresses.clone()));
    let report = outgoing.receive(&format!("http://hooks.example.org:{port}/"), &hello()).await;
    assert_eq!(report.outcome, Outcome::Confirmed, "{report:?}");
    drop(full);
}

/// Outgoing whose lookups of names below `example.org` hang until the gate is opened, and which counts all by name.
struct Hanging {
    outgoing: Arc<Outgoing>,
    gate: Arc<(Mutex<bool>, Condvar)>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Hanging {
    fn new(there: SocketAddr) -> Self {
        let (gate, asked) = (Arc::new((Mutex::new(false), Condvar::new())), Arc::new(Mutex::new(Vec::new())));
        let (shut, names) = (Arc::clone(&gate), Arc::clone(&asked));
        let outgoing = looking_up(settings(), move |name, _| {
            names.lock().unwrap().push(name.to_owned());
            if name.ends_with(".example.org") {
                let (opened, changed) = &*shut;
                drop(changed.wait_while(opened.lock().unwrap(), |opened| !*opened).unwrap());
                return Err(io::Error::other("it has no servers"));
            }
            Ok(vec![there])
        });
        Self { outgoing: Arc::new(outgoing), gate, asked }
    }

    fn ask(&self, url: String) -> tokio::task::JoinHandle<crate::outgoing::Report> {
        let outgoing = Arc::clone(&self.outgoing);
        tokio::spawn(async move { outgoing.receive(&url, &hello()).await })
    }

    fn open(&self) {
        *self.gate.0.lock().unwrap() = true;
        self.gate.1.notify_all();
    }
}

#[tokio::test]
async fn a_domain_whose_names_hang_does_not_keep_others_from_being_looked_up() {
    let server = Server::start(Peer::confirm_all).await;
    let hanging = Hanging::new(server.address);
    let stuck: Vec<_> = (0..64).map(|at| hanging.ask(format!("http://h{at}.example.org/"))).collect();
    until("its part of the places is taken", || hanging.asked.lock().unwrap().len() == 8).await;
    let report = hanging.ask(format!("http://hooks.example.net:{}/", server.address.port())).await.unwrap();
    assert_eq!(report.outcome, Outcome::Confirmed, "{report:?}");
    assert_eq!(hanging.asked.lock().unwrap().len(), 9);
    hanging.open();
    for stuck in stuck {
        assert_eq!(stuck.await.unwrap().outcome, Outcome::Unreachable);
    }
}

#[tokio::test]
async fn one_name_is_looked_up_once_for_all_who_ask_and_not_again_at_once_if_it_failed() {
    let hanging = Hanging::new("127.0.0.1:1".parse().unwrap());
    let all: Vec<_> = (0..40).map(|_| hanging.ask("http://h.example.org/".to_owned())).collect();
    until("all wait", || hanging.outgoing.load().requests == 40).await;
    until("it is looked up", || !hanging.asked.lock().unwrap().is_empty()).await;
    hanging.open();
    for report in futures_util::future::join_all(all).await {
        assert_eq!(report.unwrap().outcome, Outcome::Unreachable);
    }
    let report = hanging.ask("http://h.example.org/".to_owned()).await.unwrap();
    assert!(report.detail.contains("it has no servers"), "{report:?}");
    assert_eq!(*hanging.asked.lock().unwrap(), ["h.example.org"]);
}
