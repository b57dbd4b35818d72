//! `hive-cli webhooks`: what a broadcaster's store has, and trying urls.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use eventhive_webhook::store::{self, Attempt, DeadLetter, Endpoint, LettersOfUrl, Options, Outcome, Store};
use eventhive_webhook::wire::bodies::{Head as _, NotifyHead, ReceiveHead, Subscribe};
use eventhive_webhook::wire::digest::hash;
use eventhive_webhook::wire::responses::Response;
use eventhive_webhook::wire::{Interest, Proof};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Ended, Running, ended, folder_with, program, run_in};

const STORE: &str = "sqlite:subscriptions.db";
const URL: &str = "http://127.0.0.1:1/v1/receive";
const KEEP: LettersOfUrl = LettersOfUrl { letters: 100, bytes: 1 << 20 };

/// A server that may call loopback.
const CONFIGURATION: &str = "servers:
  hive: {create: always, pubsub_type: webhook, init: {database: 'sqlite:subscriptions.db', allow: [loopback]}}";

/// A folder with a store that this has filled.
fn folder(fill: impl AsyncFnOnce(Arc<dyn Store>)) -> TempDir {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("eventhive.yaml"), CONFIGURATION).unwrap();
    let address = format!("sqlite:{}", folder.path().join("subscriptions.db").display());
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
        let store = store::open(&address, &Options::default()).await.unwrap();
        fill(Arc::clone(&store)).await;
        store.close().await;
    });
    folder
}

fn webhooks(folder: &TempDir, arguments: &[&str]) -> Ended {
    run_in(folder.path(), &[&["webhooks"], arguments].concat())
}

fn lines(ended: &Ended) -> Vec<Value> {
    ended.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
}

fn letter(url: &str, body: Option<&[u8]>) -> DeadLetter {
    DeadLetter {
        number: 0,
        at_ms: now() * 1000,
        url: url.into(),
        topic: b"news".as_slice().into(),
        outcome: Outcome::Unreachable,
        detail: "nobody is there".into(),
        sha512: hash(b"old"),
        bytes: 3,
        body: body.map(Into::into),
    }
}

/// A subscriber that confirms everything, for as long as the test runs.
fn subscriber() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v1/receive", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            while let Some(body) = request(&mut stream) {
                let (head, _) = ReceiveHead::read(&body).unwrap();
                let (proof, identifier) = (Proof::default(), head.identifier);
                let mut answer = Vec::new();
                Response::ConfirmReceive { proof, identifier, num_subscribers: 1 }.write(&mut answer).unwrap();
                let http = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", answer.len());
                stream.get_mut().write_all(&[http.as_bytes(), &answer].concat()).unwrap();
            }
        }
    });
    url
}

fn request(stream: &mut impl std::io::BufRead) -> Option<Vec<u8>> {
    let mut length = 0;
    for line in stream.by_ref().lines() {
        let line = line.ok()?;
        if line.is_empty() {
            let mut body = vec![0; length];
            stream.read_exact(&mut body).ok()?;
            return Some(body);
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    None
}

#[test]
fn urls_are_listed_with_what_they_want_and_how_they_do() {
    let folder = folder(async |store| {
        store.insert(URL, Interest::Exact(b"news"), Some("http://127.0.0.1:1/v1/recover")).await.unwrap();
        store.insert(URL, Interest::Glob("news/*"), None).await.unwrap();
        store.insert("http://well.test/", Interest::Exact(b"news"), None).await.unwrap();
        let (url, reason) = (URL.into(), "unreachable: nobody is there".into());
        let (failing_since, disabled_at) = (Some(now() - 300_000), Some(now() - 40_000));
        let bad = Endpoint { url, failing_since, failures: 9, disabled_at, reason, ..Endpoint::default() };
        store.remember(&bad).await.unwrap();
    });
    let listed = webhooks(&folder, &["list", "--json"]);
    assert_eq!(listed.code, 0, "{listed:?}");
    let [bad, well] = &lines(&listed)[..] else { panic!("{listed:?}") };
    assert_eq!((&bad["url"], &bad["state"], &bad["failures"]), (&json!(URL), &json!("disabled"), &json!(9)));
    assert_eq!((&bad["topics"], &bad["patterns"], &bad["with_recovery"]), (&json!(1), &json!(1), &json!(1)));
    assert_eq!(well["state"], "well");

    let text = webhooks(&folder, &["list", "--failing", "--store", STORE]).out;
    assert!(text.contains("disabled 11 h ago") && text.contains("failing for 3 days, 9 failures in a row"), "{text}");
    assert!(text.contains("unreachable: nobody is there") && !text.contains("well.test"), "{text}");
}

#[test]
fn a_url_is_enabled_once() {
    let folder = folder(async |store| {
        store.insert(URL, Interest::Exact(b"news"), None).await.unwrap();
        let bad = Endpoint { url: URL.into(), failing_since: Some(1), disabled_at: Some(2), ..Endpoint::default() };
        store.remember(&bad).await.unwrap();
    });
    let enabled = webhooks(&folder, &["enable", URL, "--json"]);
    assert_eq!((enabled.code, &enabled.json()["was_disabled_at"]), (0, &json!(2)), "{enabled:?}");
    let again = webhooks(&folder, &["enable", URL]);
    assert_eq!(again.code, 1);
    assert!(again.out.contains("nothing was known against it"), "{again:?}");
}

#[test]
fn a_url_that_nobody_has_subscribed_is_said_to_be_unknown() {
    let folder = folder(async |store| {
        store.insert(URL, Interest::Exact(b"news"), None).await.unwrap();
    });
    for verb in [&["list", "--url"][..], &["replay", "--url"], &["enable"]] {
        let unknown = webhooks(&folder, &[verb, &["http://typo.test/"]].concat());
        let said = format!("{}{}", unknown.out, unknown.err);
        assert!(unknown.code == 1 && said.contains("no subscription has this url"), "{unknown:?}");
    }
    let known = webhooks(&folder, &["replay", "--url", URL]);
    assert!(known.code == 0 && known.err.contains("no dead letters to this url"), "{known:?}");
    let one = webhooks(&folder, &["list", "--url", URL, "--json"]);
    assert_eq!((one.code, &one.json()["topics"]), (0, &json!(1)), "{one:?}");
}

#[test]
fn a_store_that_no_server_has_made_is_not_made_by_looking() {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("eventhive.yaml"), CONFIGURATION).unwrap();
    let file = folder.path().join("subscriptions.db");
    for verb in ["list", "attempts"] {
        let missing = webhooks(&folder, &[verb]);
        assert!(missing.code == 4 && missing.err.contains("`hive-cli serve` makes"), "{missing:?}");
        std::fs::write(&file, "").unwrap();
        let empty = webhooks(&folder, &[verb]);
        assert!(empty.code == 2 && empty.err.contains("`hive-cli serve` makes them"), "{empty:?}");
        assert_eq!(std::fs::read(&file).unwrap(), b"");
        std::fs::remove_file(&file).unwrap();
    }
}

#[test]
fn what_is_to_be_sent_once_more_has_to_be_said() {
    let folder = folder(async |_| {});
    for arguments in [&["replay"][..], &["replay", "1", "--url", URL]] {
        let refused = webhooks(&folder, arguments);
        assert!(refused.code == 2 && refused.err.contains("NUMBER|--url"), "{refused:?}");
    }
}

#[test]
fn a_limit_is_for_dead_letters_alone() {
    let folder = folder(async |_| {});
    assert_eq!(webhooks(&folder, &["list", "--dead", "--limit", "1"]).code, 0);
    let refused = webhooks(&folder, &["list", "--limit", "1"]);
    assert!(refused.code == 2 && refused.err.contains("--dead"), "{refused:?}");
}

#[test]
fn a_url_of_many_subscriptions_is_read_to_its_end() {
    let folder = folder(async |store| {
        for number in 0..1001 {
            store.insert(URL, Interest::Exact(format!("{number}").as_bytes()), None).await.unwrap();
        }
        store.insert(URL, Interest::Glob("*"), Some(URL)).await.unwrap();
        store.insert("http://other.test/", Interest::Glob("*"), None).await.unwrap();
    });
    let one = webhooks(&folder, &["list", "--url", URL, "--json"]).json();
    let counted = (&one["topics"], &one["patterns"], &one["with_recovery"]);
    assert_eq!(counted, (&json!(1001), &json!(1), &json!(1)), "{one}");
}

#[test]
fn attempts_are_shown_by_url_outcome_and_time() {
    let folder = folder(async |store| {
        let attempt = |outcome, ago: u64| Attempt {
            at_ms: (now() - ago) * 1000,
            receive: true,
            url: URL.into(),
            topic: b"news\x1b[2J".as_slice().into(),
            identifier: b"12345678".as_slice().into(),
            outcome,
            detail: "why".into(),
            status: Some(500),
            took: Duration::from_millis(7),
            bytes: 3,
        };
        let attempts = [attempt(Outcome::BadAnswer, 7200), attempt(Outcome::TimedOut, 10)];
        store.log(&attempts).await.unwrap();
    });
    let all = lines(&webhooks(&folder, &["attempts", "--json"]));
    let outcomes: Vec<_> = all.iter().map(|line| line["outcome"].clone()).collect();
    assert_eq!(outcomes, ["timed_out", "bad_answer"]);
    assert_eq!(
        (&all[0]["status"], &all[0]["took_ms"], &all[0]["identifier"]),
        (&json!(500), &json!(7), &json!("12345678"))
    );
    for filter in [["--since", "1h"], ["--outcome", "timed_out"], ["--limit", "1"]] {
        let ended = webhooks(&folder, &[&["attempts", "--json"], &filter[..]].concat());
        assert_eq!(lines(&ended).len(), 1, "{filter:?}: {ended:?}");
    }
    let text = webhooks(&folder, &["attempts"]).out;
    assert!(text.contains("timed_out, status 500, 7 ms: why") && !text.contains('\x1b'), "{text}");
    let none = webhooks(&folder, &["attempts", "--url", "http://other.test/"]);
    assert_eq!((none.code, none.out.as_str()), (0, ""));
    let wrong = webhooks(&folder, &["attempts", "--outcome", "lost"]);
    assert!(wrong.code == 2 && wrong.err.contains("confirmed, unsubscribed"), "{wrong:?}");
}

#[test]
fn dead_letters_are_listed_and_sent_once_more() {
    let url = subscriber();
    let folder = folder(async |store| {
        store.bury(&letter(&url, Some(b"old")), KEEP).await.unwrap();
        store.bury(&letter(&url, None), KEEP).await.unwrap();
        store.bury(&letter(URL, Some(b"old")), KEEP).await.unwrap();
    });
    let listed = webhooks(&folder, &["list", "--dead", "--json"]);
    assert_eq!(lines(&listed).len(), 3, "{listed:?}");

    let replayed = webhooks(&folder, &["replay", "--url", &url, "--json"]);
    assert_eq!(replayed.code, 1, "one had no body: {replayed:?}");
    let [sent, kept] = &lines(&replayed)[..] else { panic!("{replayed:?}") };
    assert_eq!((&sent["outcome"], &sent["forgotten"]), (&json!("confirmed"), &json!(true)));
    assert!(kept["detail"].as_str().unwrap().contains("too large to keep"), "{kept}");

    let number = lines(&webhooks(&folder, &["list", "--dead", "--json", "--url", URL]))[0]["number"].to_string();
    let failed = webhooks(&folder, &["replay", &number]);
    assert!(failed.code == 1 && failed.out.contains("unreachable"), "{failed:?}");
    assert_eq!(lines(&webhooks(&folder, &["list", "--dead", "--json"])).len(), 2);
    let unknown = webhooks(&folder, &["replay", "4711"]);
    assert!(unknown.code == 1 && unknown.out.contains("there is no dead letter 4711"), "{unknown:?}");
}

#[test]
fn a_url_is_tested_step_by_step() {
    let folder = folder(async |_| {});
    let tested = webhooks(&folder, &["test", &subscriber()]);
    assert_eq!(tested.code, 0, "{tested:?}");
    for step in ["ok  url", "ok  resolve", "ok  guard", "ok  connect", "ok  status", "ok  answer", "ok  signature"] {
        assert!(tested.out.contains(step), "{step}: {tested:?}");
    }
    assert!(tested.out.contains("Messages arrive at this url."));

    let nobody = webhooks(&folder, &["test", URL, "--json"]);
    assert_eq!((nobody.code, &nobody.json()["outcome"]), (1, &json!("unreachable")), "{nobody:?}");
    let guarded = webhooks(&folder, &["test", "http://10.1.2.3/"]);
    assert!(guarded.code == 1 && guarded.out.contains("NO  guard") && guarded.out.contains("`allow`"), "{guarded:?}");
    let unsigned = webhooks(&folder, &["test", URL, "--store", STORE]);
    assert!(
        unsigned.out.contains("NO  guard"),
        "without a configuration loopback is as forbidden as ever: {unsigned:?}"
    );
    let recovered = webhooks(&folder, &["test", "--recover", URL, "--json"]);
    assert_eq!((recovered.code, &recovered.json()["outcome"]), (1, &json!("unreachable")), "{recovered:?}");
}

#[test]
fn a_url_is_tested_before_there_is_a_store_and_none_is_made() {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("eventhive.yaml"), CONFIGURATION).unwrap();
    let tested = webhooks(&folder, &["test", &subscriber()]);
    assert_eq!(tested.code, 0, "{tested:?}");
    let files: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(files, ["eventhive.yaml"]);
}

#[test]
fn a_recovery_url_is_told_that_it_missed_something() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v1/recover", listener.local_addr().unwrap());
    let asked = std::thread::spawn(move || {
        let mut stream = BufReader::new(listener.accept().unwrap().0);
        let body = request(&mut stream).unwrap();
        stream.get_mut().write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
        body
    });
    let tested = webhooks(&folder(async |_| {}), &["test", "--recover", "--topic", "news/today", &url]);
    assert!(tested.out.contains(&url), "{tested:?}");
    let body = asked.join().unwrap();
    assert!(body.windows(10).any(|part| part == b"news/today"), "{body:?}");
}

#[test]
fn a_database_with_slashes_in_its_address_is_the_same() {
    let folder = folder(async |store| {
        store.insert(URL, Interest::Exact(b"news"), None).await.unwrap();
    });
    let slashes = CONFIGURATION.replace("sqlite:", "sqlite://");
    std::fs::write(folder.path().join("eventhive.yaml"), slashes).unwrap();
    assert_eq!(run_in(folder.path(), &["check"]).code, 0);
    for place in [&[][..], &["--store", "sqlite://subscriptions.db"]] {
        let listed = webhooks(&folder, &[&["list", "--json"], place].concat());
        assert_eq!(lines(&listed).len(), 1, "{listed:?}");
    }
    let missing = webhooks(&folder, &["list", "--store", "sqlite://typo.db"]);
    assert!(missing.code == 4 && missing.err.contains("`typo.db`"), "{missing:?}");
}

#[test]
fn a_server_without_secrets_that_others_reach_is_warned_of_by_check_and_by_serve() {
    let yaml =
        |keys: &str| format!("servers: {{hive: {{create: always, pubsub_type: webhook, init: {{port: 0, {keys}}}}}}}");
    let folder = TempDir::new().unwrap();
    let write = |keys: &str| std::fs::write(folder.path().join("eventhive.yaml"), yaml(keys)).unwrap();
    write("host: '*'");
    let checked = run_in(folder.path(), &["check"]);
    assert!(checked.code == 0 && format!("{checked:?}").contains("may subscribe any url and publish"), "{checked:?}");
    write("trusted_proxies: 127.0.0.1");
    Running::start_in(folder.path(), &["serve"]).told("may subscribe any url and publish");
    write("database: 'sqlite::memory:'");
    let checked = run_in(folder.path(), &["check"]);
    assert!(!format!("{checked:?}").contains("may subscribe"), "{checked:?}");
}

#[test]
fn where_there_is_no_folder_for_data_it_is_said_that_subscriptions_end_with_the_server() {
    let folder = folder_with("a-file", "");
    let mut command = program(folder.path(), &["serve", "--port", "0"]);
    command.env("XDG_DATA_HOME", folder.path().join("a-file"));
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    Running::of(&mut command).told("kept in memory, and end with this server");
}

#[test]
fn without_a_configuration_the_store_is_that_of_serve_without_one() {
    let folder = TempDir::new().unwrap();
    let before = webhooks(&folder, &["list"]);
    assert!(before.code == 4 && before.err.contains("eventhive/webhook-hive.db"), "{before:?}");
    let mut serving = Running::start_in(folder.path(), &["serve", "--port", "0"]);
    serving.told("subscriptions to webhooks are kept in sqlite:");
    serving.line();
    let listed = webhooks(&folder, &["list"]);
    assert!(listed.code == 0 && listed.err.contains("nobody is subscribed"), "{listed:?}");
}

#[test]
fn a_store_that_is_not_there_is_not_made() {
    let folder = TempDir::new().unwrap();
    let ended = webhooks(&folder, &["list", "--store", "sqlite:typo.db"]);
    assert!(ended.code == 4 && ended.err.contains("there is no store at `typo.db`"), "{ended:?}");
    assert!(!folder.path().join("typo.db").exists());
    let wrong = webhooks(&folder, &["list", "--store", "mysql://x"]);
    assert_eq!(wrong.code, 2, "{wrong:?}");
}

#[test]
fn the_server_is_to_be_named_where_several_have_webhooks() {
    let folder = folder(async |store| {
        store.insert(URL, Interest::Exact(b"news"), None).await.unwrap();
    });
    let other = "servers:
  one: {create: always, pubsub_type: webhook, init: {port: 3004, database: 'sqlite:subscriptions.db'}}
  two: {create: always, pubsub_type: webhook, init: {database: 'sqlite:other.db'}}
";
    std::fs::write(folder.path().join("eventhive.yaml"), other).unwrap();
    let which = webhooks(&folder, &["list"]);
    assert!(which.code == 2 && which.err.contains("--server with one of one, two"), "{which:?}");
    let one = webhooks(&folder, &["list", "--server", "one", "--json"]);
    assert_eq!(lines(&one).len(), 1, "{one:?}");
    let none = webhooks(&folder, &["list", "--server", "three"]);
    assert!(none.code == 2 && none.err.contains("there are one, two"), "{none:?}");
}

#[test]
fn the_example_publishes_to_its_own_subscriber_and_ends() {
    let program = Path::new(env!("CARGO_BIN_EXE_hive-cli")).parent().unwrap().join("examples/webhooks");
    assert!(program.exists(), "{} is missing: cargo build --example webhooks", program.display());
    let ended = ended(&mut Command::new(program));
    assert_eq!(ended.code, 0, "{ended:?}");
    let lines: Vec<_> = ended.out.lines().skip(1).collect();
    assert_eq!(lines, ["orders/17 reached 1 subscriber(s)", "heard orders/17: paid"], "{ended:?}");
}

/// Makes a request of a broadcaster, until it has read its store; gives the body of its answer.
fn ask(port: &str, path: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", body.len());
    let begun = Instant::now();
    loop {
        let mut stream = BufReader::new(TcpStream::connect(format!("127.0.0.1:{port}")).unwrap());
        stream.get_mut().write_all(&[head.as_bytes(), body].concat()).unwrap();
        let mut status = String::new();
        stream.read_line(&mut status).unwrap();
        if !status.contains("503") {
            assert!(status.contains(" 200 "), "{path}: {status}");
            return request(&mut stream).unwrap();
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "it does not open its store");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn told_of_loopback(keys: &str) -> (String, Vec<Value>) {
    let folder = folder(async |_| {});
    let init = format!("{{{keys}port: 0, database: '{STORE}', breaker: {{failures: 0}}}}");
    let server = format!("servers: {{hive: {{create: always, pubsub_type: webhook, init: {init}}}}}");
    let quiet = "eventhive: {discovery_interfaces: [lo]}";
    std::fs::write(folder.path().join("eventhive.yaml"), format!("{server}\n{quiet}\n")).unwrap();
    let mut running = Running::start_in(folder.path(), &["serve", "--json"]);
    let url = running.json()["servers"][0]["urls"][0].as_str().unwrap().to_owned();
    let port = url.rsplit(':').next().unwrap().split('/').next().unwrap();
    let mut body = Vec::new();
    Subscribe { url: URL, interest: Interest::Exact(b"news"), recovery: None, tracing: b"" }.write(&mut body).unwrap();
    ask(port, "/v1/subscribe/exact", &body);
    let (mut body, sha512) = (Vec::new(), hash(b""));
    let head = NotifyHead { topic: b"news", sha512: &sha512, tracing: b"", identifier: b"id", length: 0 };
    head.write(&mut body).unwrap();
    for _ in 0..3 {
        ask(port, "/v1/notify", &body);
    }
    running.signal("TERM");
    let ended = running.end();
    assert_eq!(ended.code, 0, "{ended:?}");
    (ended.err, lines(&webhooks(&folder, &["attempts", "--json"])))
}

#[test]
fn a_url_that_may_not_be_called_is_told_once_with_what_would_allow_it() {
    let (told, attempts) = told_of_loopback("");
    let told: Vec<&str> = told.lines().filter(|line| line.contains("may not be called")).collect();
    assert!(
        matches!(told[..], [one] if one.contains(URL) && one.contains("loopback") && one.contains("`allow`")),
        "{told:?}"
    );
    assert_eq!(attempts.iter().map(|attempt| &attempt["outcome"]).collect::<Vec<_>>(), ["forbidden"; 3]);
    // One that may calls it.
    let (told, attempts) = told_of_loopback("allow: [loopback], ");
    assert!(!told.contains("may not be called"), "{told}");
    assert_eq!(attempts.iter().map(|attempt| &attempt["outcome"]).collect::<Vec<_>>(), ["unreachable"; 3]);
}
