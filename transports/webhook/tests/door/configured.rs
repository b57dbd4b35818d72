//! Doors as a configuration makes them: with SQLite, and requests to urls over real sockets.

use std::sync::Arc;
use std::time::Duration;

use actix_web::{App, HttpRequest, HttpServer, rt, web};
use bytes::Bytes;
use eventhive_hub::{Draft, Hub, HubSettings, Outbound, SessionSettings};
use eventhive_listener::{Door as _, DoorPlan, DoorTransport as _, Listeners, Networks};
use eventhive_transport::{Filter, Settings};
use eventhive_webhook::broadcaster::Tracer;
use eventhive_webhook::config::Config;
use eventhive_webhook::door::{DoorStats, WebhookDoor};
use eventhive_webhook::message::Message;
use eventhive_webhook::store::StoreError;
use eventhive_webhook::wire::Interest::Exact;
use eventhive_webhook::wire::bodies::{Head as _, Missed, ReceiveHead};
use eventhive_webhook::wire::responses::Response;
use eventhive_webhook::wire::{InterestKind, Proof};
use eventhive_webhook::{Webhook, store};
use futures_util::StreamExt as _;
use tempfile::TempDir;
use tokio::sync::{Semaphore, mpsc};

use crate::harness::{exchange, post, until};
use crate::requests::{count, notify_body, subscribe_body};

pub(crate) fn settings(yaml: &str) -> Settings {
    let node = eventhive_yaml::read(0, yaml).unwrap().unwrap();
    Settings::check("servers.x.init", &node, Webhook.keys()).unwrap()
}

fn plan(yaml: &str) -> Result<DoorPlan, Vec<String>> {
    plan_at(&Hub::new(HubSettings::default()), yaml)
}

fn plan_at(hub: &Hub, yaml: &str) -> Result<DoorPlan, Vec<String>> {
    let planned = Webhook.plan(&settings(yaml), hub);
    planned.map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

/// A subscriber; gives what it was sent.
fn subscriber() -> (String, mpsc::UnboundedReceiver<Vec<u8>>) {
    let (sender, heard) = mpsc::unbounded_channel();
    let answer = move |_: HttpRequest, body: Bytes| {
        let sender = sender.clone();
        async move {
            let (head, length) = ReceiveHead::read(&body).unwrap();
            sender.send(body[length..].to_vec()).unwrap();
            let proof = Proof::default();
            let confirm = Response::ConfirmReceive { proof, identifier: head.identifier, num_subscribers: 1 };
            let mut answer = Vec::new();
            confirm.write(&mut answer).unwrap();
            answer
        }
    };
    let server = HttpServer::new(move || App::new().default_service(web::to(answer.clone())))
        .workers(1)
        .disable_signals()
        .bind(("127.0.0.1", 0))
        .unwrap();
    let url = format!("http://{}/v1/receive", server.addrs()[0]);
    rt::spawn(server.run());
    (url, heard)
}

/// A subscriber that waits for a permit before it answers; gives when it was called, and what it has answered.
fn gated_subscriber() -> (String, mpsc::UnboundedReceiver<Vec<u8>>, Arc<Semaphore>) {
    let ((sender, heard), gate) = (mpsc::unbounded_channel(), Arc::new(Semaphore::new(0)));
    let permits = Arc::clone(&gate);
    let answer = move |request: HttpRequest, body: Bytes| {
        let (sender, permits) = (sender.clone(), Arc::clone(&permits));
        async move {
            let (proof, mut answer) = (Proof::default(), Vec::new());
            if request.path().ends_with("recover") {
                let topic = Missed::read(&body).unwrap().topic;
                sender.send([b"missed ", topic].concat()).unwrap();
                Response::ConfirmMissed { proof }.write(&mut answer).unwrap();
                return answer;
            }
            let (head, length) = ReceiveHead::read(&body).unwrap();
            sender.send(b"called".to_vec()).unwrap();
            permits.acquire().await.unwrap().forget();
            sender.send(body[length..].to_vec()).unwrap();
            let confirm = Response::ConfirmReceive { proof, identifier: head.identifier, num_subscribers: 1 };
            confirm.write(&mut answer).unwrap();
            answer
        }
    };
    let server = HttpServer::new(move || App::new().default_service(web::to(answer.clone())))
        .workers(1)
        .disable_signals()
        .bind(("127.0.0.1", 0))
        .unwrap();
    let url = format!("http://{}/v1/receive", server.addrs()[0]);
    rt::spawn(server.run());
    (url, heard, gate)
}

fn start(yaml: &str) -> (Listeners, std::net::SocketAddr) {
    serving(plan(yaml).unwrap())
}

fn serving(plan: DoorPlan) -> (Listeners, std::net::SocketAddr) {
    let listeners = Listeners::start(vec![plan]).unwrap();
    let address = listeners.addresses()[0].address;
    (listeners, address)
}

/// Asks until the store was opened and read.
async fn served(
    address: std::net::SocketAddr,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> crate::harness::Answered {
    let begun = std::time::Instant::now();
    loop {
        let answered = exchange(address, &post(target, headers, body)).await;
        if answered.status != 503 {
            return answered;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "it does not open");
        rt::time::sleep(Duration::from_millis(10)).await;
    }
}

#[actix_web::test]
async fn a_subscription_is_there_after_a_restart_and_messages_reach_its_url() {
    let folder = TempDir::new().unwrap();
    let yaml = format!("port: 0\ndatabase: 'sqlite:{}/w.db'\nallow: [loopback]\n", folder.path().display());
    let (url, mut heard) = subscriber();
    for round in 0..2 {
        let (listeners, address) = start(&yaml);
        let body = subscribe_body(&url, Exact(b"a"), None);
        let expected = if round == 0 { 200 } else { 409 };
        assert_eq!(served(address, "/v1/subscribe/exact", &[], &body).await.status, expected);
        assert_eq!(count(served(address, "/v1/notify", &[], &notify_body(b"a", b"hello")).await), Ok(1));
        assert_eq!(heard.recv().await.unwrap(), b"hello");
        listeners.stop(Duration::from_secs(5)).await;
    }
}

/// Events of other doors that were under way at a stop were dropped without a word.
#[actix_web::test]
async fn at_a_stop_events_of_other_doors_are_answered_by_a_slow_url_and_what_is_not_is_told_after_the_restart() {
    let folder = TempDir::new().unwrap();
    let database = format!("database: 'sqlite:{}/w.db'", folder.path().display());
    let missed = "sweep_missed_interval: 0.05\nmissed: {expo_factor: 0, constant: 0, jitter: 0}";
    let yaml = format!("port: 0\n{database}\n{missed}\nallow: [loopback]\n");
    let (url, mut heard, gate) = gated_subscriber();
    let recovery = url.replace("receive", "recover");
    for (within, arrives) in [(20.0, true), (0.3, false)] {
        let hub = Hub::new(HubSettings::default());
        let (listeners, address) = serving(plan_at(&hub, &yaml).unwrap());
        let body = subscribe_body(&url, Exact(b"a"), Some(&recovery));
        assert_eq!(served(address, "/v1/subscribe/exact", &[], &body).await.status, if arrives { 200 } else { 409 });
        let ready = served(address, "/v1/notify", &[], &notify_body(b"nobody wants this", b"")).await;
        assert_eq!((count(ready), hub.stats().sessions), (Ok(0), 1));
        for number in 0..3 {
            assert_eq!(hub.publish(Draft::bytes("a", number.to_string())).unwrap().receivers, 1);
        }
        assert_eq!(heard.recv().await.unwrap(), b"called");
        let stopping = rt::spawn(listeners.stop(Duration::from_secs_f64(within)));
        until("nothing more is taken", || hub.stats().sessions == 0).await;
        if arrives {
            gate.add_permits(3);
        }
        stopping.await.unwrap();
        if arrives {
            let all: Vec<_> = std::iter::from_fn(|| heard.try_recv().ok()).filter(|what| what != b"called").collect();
            assert_eq!(all, [b"0", b"1", b"2"]);
        }
    }
    let (listeners, _) = start(&yaml);
    loop {
        let what = tokio::time::timeout(Duration::from_secs(20), heard.recv()).await.expect("it is told").unwrap();
        if what == b"missed a" {
            break;
        }
        assert_eq!(what, b"called");
    }
    listeners.stop(Duration::from_secs(5)).await;
}

#[actix_web::test]
async fn secrets_files_are_read_again_and_one_that_is_broken_changes_nothing() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("secrets.json");
    let write = |text: &str| std::fs::write(&file, text).unwrap();
    let token =
        |text: &str| format!(r#"{{"version": "2", "to-broadcaster": {{"type": "token", "secret": "{text}"}}}}"#);
    write(&token("one"));
    let yaml = format!("port: 0\ndatabase: 'sqlite::memory:'\nsecrets_file: '{}'\n", file.display());
    let (listeners, address) = start(&yaml);
    let body = notify_body(b"a", b"");
    let status = async |secret: &str| {
        let authorization = format!("Bearer {secret}");
        served(address, "/v1/notify", &[("Authorization", &authorization)], &body).await.status
    };
    assert_eq!((status("one").await, status("two").await), (200, 403));
    write("{");
    let problems = listeners.reload().run();
    assert!(problems.iter().any(|problem| problem.contains("secrets.json")), "{problems:?}");
    assert_eq!(status("one").await, 200);
    write(&token("two"));
    assert!(listeners.reload().run().is_empty());
    assert_eq!((status("one").await, status("two").await), (403, 200));
    listeners.stop(Duration::from_secs(5)).await;
}

#[actix_web::test]
async fn a_secret_that_the_settings_have_in_a_file_is_read_again_too() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "one\n").unwrap();
    let secret = format!("to_broadcaster: {{type: token, secret: ['file:{}', other]}}", file.display());
    let (listeners, address) = start(&format!("port: 0\ndatabase: 'sqlite::memory:'\n{secret}\n"));
    let body = notify_body(b"a", b"");
    let status = async |secret: &str| {
        let authorization = format!("Bearer {secret}");
        served(address, "/v1/notify", &[("Authorization", &authorization)], &body).await.status
    };
    assert_eq!((status("one").await, status("two").await, status("other").await), (200, 403, 200));
    std::fs::write(&file, "two\n").unwrap();
    assert!(listeners.reload().run().is_empty());
    assert_eq!((status("one").await, status("two").await, status("other").await), (403, 200, 200));
    listeners.stop(Duration::from_secs(5)).await;
}

#[actix_web::test]
async fn what_is_wrong_with_settings_is_told_before_anything_is_bound() {
    for (yaml, part) in [
        ("to_broadcaster: {type: hmac}", "`secret` is missing"),
        ("to_broadcaster: {type: hmac, secret: short}", "86 characters"),
        ("to_broadcaster: {type: none, secret: x}", "uses no secret"),
        ("secrets_file: x\nto_subscriber: {type: none}", "remove one of the two"),
        ("secrets_file: /no/such/file", "cannot read the secrets from `/no/such/file`"),
        ("database: nosql", "expected `sqlite:FILE`"),
        ("advertise: 'example.org:3003'", "expected a url such as"),
        ("endpoint: '/a?b'", "a path cannot have `?`"),
        ("allow: [intranet]", "`intranet` is no network"),
        ("spool_path: /no/such/folder", "is no folder"),
        ("tls_ca: /no/such/file", "tls_ca"),
        ("standard_webhooks: {secret: 'whsec_x'}", "24 to 64 bytes"),
        ("compression_dictionary_by_id: {'1': {file: x}}", "from 2 to 65535"),
        ("tls_cert: x", "`tls_key`"),
        ("hub_queue_bytes: 8914423", "hub_queue_bytes: 8914423 is too little for `hub_max_message_bytes: 1048576`"),
        ("hub_max_message_bytes: 16777216", "set 134743544 or more"),
    ] {
        let problems = plan(yaml).err().unwrap_or_else(|| panic!("{yaml}"));
        assert!(problems.iter().any(|problem| problem.contains(part)), "{yaml}: {problems:?}");
    }
}

#[actix_web::test]
async fn a_server_that_others_reach_and_that_has_no_secrets_is_warned_of() {
    let warnings = |yaml: &str| plan(yaml).unwrap().warnings.len();
    assert_eq!(warnings("host: 127.0.0.1"), 0);
    assert_eq!(warnings("host: 127.0.0.1\nadvertise: 'http://127.0.0.1:3003'"), 0);
    for reached in ["trusted_proxies: 127.0.0.1", "trusted_proxies: 127.0.0.1\nproxy_protocol: true"] {
        assert_eq!(warnings(&format!("host: 127.0.0.1\n{reached}")), 2, "{reached}");
    }
    assert_eq!(warnings("host: 127.0.0.1\nadvertise: 'https://events.example.org'"), 2);
    assert_eq!(warnings("host: '*'"), 2);
    assert_eq!(warnings("host: '*'\nto_broadcaster: {type: token, secret: x}"), 1);
    let both = "host: '*'\nto_broadcaster: {type: token, secret: x}\nto_subscriber: {type: token, secret: x}";
    assert_eq!(warnings(both), 0);
    // Who has a file of secrets wants some, wherever the server listens.
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("secrets.json");
    let hollow = format!("host: 127.0.0.1\nsecrets_file: {}", file.display());
    std::fs::write(&file, r#"{"version": "2"}"#).unwrap();
    assert_eq!(warnings(&hollow), 1);
    std::fs::write(&file, r#"{"version": "2", "to-broadcaster": {"type": "token", "secret": "x"}}"#).unwrap();
    assert_eq!(warnings(&hollow), 0);
    let planned = plan("endpoint: /lonely").unwrap();
    assert_eq!((planned.path.as_str(), planned.listen.port), ("/lonely/v1", 3003));
    assert_eq!(Arc::strong_count(&planned.door), 1);
}

#[actix_web::test]
async fn a_url_that_is_not_public_is_called_only_if_it_is_allowed() {
    let (url, mut heard) = subscriber();
    for (allow, expected) in [("", 0), ("allow: []", 0), ("allow: [loopback]", 1)] {
        let (listeners, address) = start(&format!("port: 0\ndatabase: 'sqlite::memory:'\n{allow}\n"));
        let body = subscribe_body(&url, Exact(b"a"), None);
        assert_eq!(served(address, "/v1/subscribe/exact", &[], &body).await.status, 200);
        assert_eq!(count(served(address, "/v1/notify", &[], &notify_body(b"a", b"x")).await), Ok(expected), "{allow}");
        listeners.stop(Duration::from_secs(5)).await;
    }
    assert_eq!(heard.recv().await.unwrap(), b"x");
    assert!(heard.try_recv().is_err());
}

/// The listener gives a door a certain time to drain, and cuts it off then.
#[actix_web::test]
async fn a_message_that_takes_too_long_at_the_end_leaves_time_to_close_the_store() {
    let mut config = Config { database: "sqlite::memory:".into(), ..Config::default() };
    config.outgoing.allow = Networks::parse(["127.0.0.0/8"]).unwrap();
    let door = WebhookDoor::new(Hub::new(HubSettings::default()), config);
    door.begin();
    let broadcaster = loop {
        match door.broadcaster() {
            Some(broadcaster) => break broadcaster,
            None => rt::time::sleep(Duration::from_millis(5)).await,
        }
    };
    broadcaster.ready().await;
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1/receive", silent.local_addr().unwrap());
    broadcaster.subscribe(&url, Exact(b"a"), None).await.unwrap();
    let notifying = Arc::clone(&broadcaster);
    let notify = rt::spawn(async move {
        notifying.notify(Message::new(b"a", Bytes::from_static(b"hello")), &mut Tracer::off()).await
    });
    let _connection = silent.accept().await.unwrap();
    let within = Duration::from_secs(2);
    tokio::time::timeout(within, door.drain(within)).await.expect("all of it is done in the time that there is");
    let store = broadcaster.store();
    assert!(matches!(store.count(InterestKind::Exact).await, Err(StoreError::Closed)));
    notify.abort();
}

/// What a session of the hub sees of urls that are disabled, up to the end; with a right to private events if it says so.
async fn told(hub: &Hub, privy: bool) -> impl AsyncFnOnce() -> Vec<serde_json::Value> {
    let access: Option<Arc<dyn eventhive_hub::Access>> = if privy { Some(Arc::new(|_: &_| true)) } else { None };
    let (session, mut outgoing) = hub.worker().open(SessionSettings { access, ..SessionSettings::default() });
    session.subscribe(Filter::exact("webhooks/disabled")).unwrap();
    async move || {
        let (_session, mut told) = (session, Vec::new());
        while let Some(Outbound::Event { message, .. }) = outgoing.next().await {
            match serde_json::from_slice(message.payload()).unwrap() {
                serde_json::Value::Null => break,
                event => told.push(event),
            }
        }
        told
    }
}

#[actix_web::test]
async fn that_a_url_was_disabled_is_an_event_for_those_whom_the_settings_name() {
    // Nothing listens there.
    let url = "http://127.0.0.1:9/receive";
    for (whom, operators, others) in [("private", 1, 0), ("public", 1, 1), ("never", 0, 0)] {
        let folder = TempDir::new().unwrap();
        let database = format!("sqlite:{}/w.db", folder.path().display());
        let hub = Hub::new(HubSettings::default());
        let (operator, other) = (told(&hub, true).await, told(&hub, false).await);
        let keys = "allow: [loopback]\ndisable_after_secs: 1\nbreaker: {failures: 0}";
        let yaml = format!("port: 0\ndatabase: '{database}'\nannounce_disabled: {whom}\n{keys}\n");
        let (listeners, address) = serving(plan_at(&hub, &yaml).unwrap());
        let body = subscribe_body(url, Exact(b"a"), None);
        assert_eq!(served(address, "/v1/subscribe/exact", &[], &body).await.status, 200);
        let store = store::open(&database, &store::Options::default()).await.unwrap();
        let begun = std::time::Instant::now();
        while store.endpoint(url).await.unwrap().is_none_or(|endpoint| endpoint.disabled_at.is_none()) {
            assert!(begun.elapsed() < Duration::from_secs(20), "it is not disabled");
            assert_eq!(count(served(address, "/v1/notify", &[], &notify_body(b"a", b"x")).await), Ok(0));
            rt::time::sleep(Duration::from_millis(10)).await;
        }
        listeners.stop(Duration::from_secs(5)).await;
        hub.publish(Draft::json("webhooks/disabled", "null")).unwrap();
        let (operators_told, others_told) = (operator().await, other().await);
        assert_eq!((operators_told.len(), others_told.len()), (operators, others), "{whom}");
        for event in operators_told {
            assert_eq!(event["url"], url);
            assert!(event["since"].is_u64() && event["reason"].as_str().unwrap().contains("unreachable"), "{event}");
        }
    }
}

#[actix_web::test]
async fn a_door_counts_what_became_of_messages_to_urls() {
    let mut config = Config { database: "sqlite::memory:".into(), ..Config::default() };
    config.outgoing.allow = Networks::parse(["127.0.0.0/8"]).unwrap();
    let door = WebhookDoor::new(Hub::new(HubSettings::default()), config);
    assert_eq!(door.stats().deliveries.delivered, 0);
    door.begin();
    until("it is open", || door.broadcaster().is_some()).await;
    let broadcaster = door.broadcaster().unwrap();
    broadcaster.ready().await;
    let (url, _heard) = subscriber();
    // Nothing listens at the second.
    for url in [url.as_str(), "http://127.0.0.1:9/receive"] {
        broadcaster.subscribe(url, Exact(b"a"), None).await.unwrap();
    }
    for _ in 0..3 {
        assert_eq!(broadcaster.notify(Message::new(b"a", "x".into()), &mut Tracer::off()).await.unwrap(), 1);
    }
    let DoorStats { deliveries, outgoing, .. } = door.stats();
    assert_eq!((deliveries.delivered, deliveries.failed, deliveries.held), (3, 3, 0));
    assert_eq!((outgoing.addresses, outgoing.requests, outgoing.idle), (1, 0, 1));
    door.drain(Duration::from_secs(5)).await;
}
