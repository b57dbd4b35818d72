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
use eventhive_webhook::door::WebhookDoor;
use eventhive_webhook::message::Message;
use eventhive_webhook::store::StoreError;
use eventhive_webhook::wire::Interest::Exact;
use eventhive_webhook::wire::bodies::{Head as _, ReceiveHead};
use eventhive_webhook::wire::responses::Response;
use eventhive_webhook::wire::{InterestKind, Proof};
use eventhive_webhook::{Webhook, store};
use futures_util::StreamExt as _;
use tempfile::TempDir;
use tokio::sync::mpsc;

use crate::harness::{exchange, post};
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
