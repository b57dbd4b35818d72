//! Outboxes on disk: what was called survives the end of the process, however it ends, and arrives once.
//!
//! Senders that are killed, or that meet a full disk, are this test program again, as [`sender`].

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use eventhive::{ConnectorOutcome, Event, Hive, ServerOutcome, StartOptions};
use eventhive_conformance::{FaultProxy, Mode};
use serde_json::json;
use tempfile::TempDir;

use super::memory::{Memory, next, until};

/// The configuration of a hive that only sends.
fn sending(kind: &str, init: &str, outbox: &Path, extra: &str) -> String {
    let outbox = outbox.display();
    format!(
        "connectors: {{net: {{pubsub_type: {kind}, input_channel: '', init: {init}, outbox: {{path: '{outbox}'}}{extra}}}}}"
    )
}

/// A hub that loses nothing to a slow receiver.
pub(crate) async fn hub(kind: &str) -> (Hive, SocketAddr) {
    let init = "{host: 127.0.0.1, port: 0, queue_bytes: 1000000000}";
    let yaml = format!("servers: {{net: {{pubsub_type: {kind}, create: always, init: {init}}}}}");
    let hive = Hive::from_yaml(&yaml).unwrap();
    let started = hive.start().await.unwrap();
    let ServerOutcome::Listening(bound) = &started.servers[0].outcome else { panic!("{started:?}") };
    (hive, bound[0].address)
}

fn over_websocket(address: SocketAddr, outbox: &Path) -> String {
    let init = format!("{{host: {}, port: {}, reconnect_max_secs: 0.2}}", address.ip(), address.port());
    sending("websocket", &init, outbox, "")
}

pub(crate) fn emit(hive: &Hive, number: u64) -> Result<(), String> {
    emit_with(hive, number, "")
}

fn emit_with(hive: &Hive, number: u64, filler: &str) -> Result<(), String> {
    let payload = if filler.is_empty() { json!({"number": number}) } else { json!({"number": number, "f": filler}) };
    let published = hive.emit("net/w/x", payload).unwrap().published;
    published.expect("a route").map(|_| ()).map_err(|error| error.to_string())
}

/// A hive that notes the numbers of what arrives.
pub(crate) struct Receiver {
    pub(crate) hive: Hive,
    numbers: Arc<Mutex<Vec<u64>>>,
}

impl Receiver {
    async fn start(address: SocketAddr) -> Self {
        let yaml = format!(
            "connectors: {{net: {{pubsub_type: websocket, input_channel: w, dedupe_events: 1000000, inbox: {{max_bytes: 1000000000}}, init: {{host: {}, port: {}}}}}}}",
            address.ip(),
            address.port()
        );
        Self::on(Hive::from_yaml(&yaml).unwrap()).await
    }

    /// Starts a hive that listens on `w`.
    pub(crate) async fn on(hive: Hive) -> Self {
        let numbers = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&numbers);
        let hook = move |event: Event| {
            let number = event.payload().as_value().unwrap()["number"].as_u64().unwrap();
            noted.lock().unwrap().push(number);
        };
        hive.on("w/x").mailbox(1_000_000).hook(hook).unwrap();
        hive.start_with(StartOptions::new().require("net")).await.unwrap();
        Self { hive, numbers }
    }

    pub(crate) fn numbers(&self) -> Vec<u64> {
        self.numbers.lock().unwrap().clone()
    }

    pub(crate) fn repeated(&self) -> u64 {
        self.hive.connector_stats()[0].1.repeated
    }
}

async fn down(hive: &Hive) {
    let state = hive.link_state("net").unwrap();
    until("the link is down", || !state.borrow().is_up()).await;
}

#[tokio::test]
async fn what_was_called_while_the_broker_was_away_is_sent_in_order_after_a_restart_of_the_hive() {
    let (network, folder) = (Memory::new(), TempDir::new().unwrap());
    let worker = network.hive("connectors: {net: {pubsub_type: memory, input_channel: w, init: {}}}");
    let mut events = worker.stream("w/x").unwrap();
    worker.start().await.unwrap();
    network.set_up(false);
    let yaml = sending("memory", "{}", folder.path(), "");
    let first = network.hive(&yaml);
    first.start().await.unwrap();
    (0..100).for_each(|number| emit(&first, number).unwrap());
    assert!(first.stored(Duration::from_secs(10)).await);
    first.stop(Duration::ZERO).await;
    let second = network.hive(&yaml);
    second.start().await.unwrap();
    assert_eq!(second.connector_stats()[0].1.waiting, 100);
    emit(&second, 100).unwrap();
    network.set_up(true);
    for number in 0..=100 {
        assert_eq!(next(&mut events).await.payload().as_value().unwrap(), &json!({"number": number}));
    }
    assert!(second.flush(Duration::from_secs(10)).await);
    second.stop(Duration::from_secs(10)).await;
    let third = network.hive(&yaml);
    third.start().await.unwrap();
    assert_eq!(third.connector_stats()[0].1.waiting, 0, "what the broker has taken is not sent again");
}

/// Sealed when it was called, each would be refused as too old.
#[tokio::test]
async fn a_sealed_event_that_waited_longer_than_the_receivers_replay_window_arrives() {
    let network = Memory::new();
    let folders = [TempDir::new().unwrap(), TempDir::new().unwrap()];
    let (mut hives, mut streams) = (Vec::new(), Vec::new());
    network.set_up(false);
    for (cipher, folder) in ["aes-256-gcm", "eventhive-0.5"].into_iter().zip(&folders) {
        let extra = format!(", secret: s3, replay_secs: 2, cipher: {cipher}");
        let started = async |yaml: &str| {
            let hive = network.hive(yaml);
            hive.start().await.unwrap();
            hive
        };
        let named = |yaml: String| yaml.replace("net:", &format!("net-{}:", cipher.len()));
        let member = |channel: &str| {
            format!("connectors: {{net: {{pubsub_type: memory, input_channel: '{channel}', init: {{}}{extra}}}}}")
        };
        let worker = started(&named(member("w"))).await;
        streams.push(worker.stream("w/x").unwrap());
        let event = format!("net-{}/w/x", cipher.len());
        for yaml in [member(""), sending("memory", "{}", folder.path(), &extra)] {
            let sender = started(&named(yaml)).await;
            sender.emit(&event, json!({})).unwrap().published.unwrap().unwrap();
            hives.push(sender);
        }
        hives.push(worker);
    }
    // Time itself is what is waited for.
    tokio::time::sleep(Duration::from_millis(2500)).await;
    network.set_up(true);
    for stream in &mut streams {
        for _ in ["from memory", "from disk"] {
            next(stream).await;
        }
    }
}

#[tokio::test]
async fn what_waits_on_disk_is_not_sealed() {
    let (network, folder) = (Memory::new(), TempDir::new().unwrap());
    network.set_up(false);
    let hive = network.hive(&sending("memory", "{}", folder.path(), ", secret: s3"));
    hive.start().await.unwrap();
    emit(&hive, 4711).unwrap();
    let files = std::fs::read_dir(folder.path()).unwrap().map(|entry| std::fs::read(entry.unwrap().path()).unwrap());
    let bytes: Vec<u8> = files.flatten().collect();
    assert!(String::from_utf8_lossy(&bytes).contains(r#"{"number":4711, "__eventhive__": {"#));
}

#[tokio::test]
async fn a_full_outbox_on_disk_refuses_the_new_event_and_tells_the_caller() {
    let (network, folder) = (Memory::new(), TempDir::new().unwrap());
    network.set_up(false);
    let outbox = folder.path().display();
    let hive = network.hive(&format!(
        "connectors: {{net: {{pubsub_type: memory, input_channel: '', init: {{}}, outbox: {{path: '{outbox}', max_bytes: 1000}}}}}}"
    ));
    hive.start().await.unwrap();
    let refused = (0..100).find_map(|number| emit(&hive, number).err()).unwrap();
    assert!(refused.contains("the outbox is full"), "{refused}");
    assert!(hive.connector_stats()[0].1.outbox_dropped > 0);
}

#[tokio::test]
async fn a_folder_that_cannot_be_used_is_told_at_the_start_and_to_whoever_calls() {
    let (network, folder) = (Memory::new(), TempDir::new().unwrap());
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let below = file.join("outbox");
    let hive = network.hive(&sending("memory", "{}", &below, ""));
    let started = hive.start().await.unwrap();
    let ConnectorOutcome::Failed(reason) = &started.connectors[0].outcome else { panic!("{started:?}") };
    assert!(reason.contains(below.to_str().unwrap()) && reason.contains("outbox.path"), "{reason}");
    let refused = emit(&hive, 0).unwrap_err();
    assert!(refused.contains("not started") && refused.contains(reason), "{refused}");
}

#[tokio::test]
async fn two_connectors_cannot_share_an_outbox() {
    let (network, folder) = (Memory::new(), TempDir::new().unwrap());
    let (first, second) = (sending("memory", "{}", folder.path(), ""), sending("memory", "{}", folder.path(), ""));
    let (first, second) = (network.hive(&first), network.hive(&second));
    first.start().await.unwrap();
    let started = second.start().await.unwrap();
    let reason = started.connectors[0].outcome.to_string();
    assert!(reason.contains("in use") && reason.contains(folder.path().to_str().unwrap()), "{reason}");
}

const SENDER: &str = "EVENTHIVE_TEST_SENDER";
const FIRST: &str = "EVENTHIVE_TEST_FIRST";
/// What a sender calls at most: enough to be killed in the midst of it.
const MOST: u64 = 50_000;

/// Not a test by itself: started again with a configuration, it emits numbers and says which were taken, until it is
/// killed. Once a large event was refused it goes on with small ones, until one of those is refused too.
#[test]
fn sender() {
    let Ok(yaml) = std::env::var(SENDER) else { return };
    let first: u64 = std::env::var(FIRST).unwrap().parse().unwrap();
    // Not by `println!`, which a test's harness may hold back.
    let say = |text: String| writeln!(std::io::stdout(), "\n={text}").unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let hive = Hive::from_yaml(&yaml).unwrap();
        hive.start_with(StartOptions::new().within(Duration::ZERO)).await.unwrap();
        let mut fillers = std::iter::once("x".repeat(300)).chain(std::iter::once(String::new()));
        let mut filler = fillers.next().unwrap();
        for number in first..first + MOST {
            match emit_with(&hive, number, &filler) {
                Ok(()) => say(number.to_string()),
                Err(refusal) => {
                    say(format!("refused: {refusal}"));
                    let Some(smaller) = fillers.next() else { break };
                    filler = smaller;
                }
            }
        }
        std::future::pending::<()>().await;
    });
}

struct Sender {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Sender {
    /// Run by `shell`, which must replace itself by `"$0" "$@"`.
    fn start(yaml: &str, first: u64, shell: &str) -> Self {
        let mut child = Command::new("sh")
            .args(["-c", shell])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "outbox::sender", "--nocapture"])
            .env(SENDER, yaml)
            .env(FIRST, first.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    /// The next thing it said; `None` at its end. A line that was cut off says nothing.
    fn said(&mut self) -> Option<String> {
        loop {
            let mut line = String::new();
            let read = self.lines.read_line(&mut line).unwrap();
            if read == 0 || !line.ends_with('\n') {
                return None;
            }
            if let Some(said) = line.trim_end().strip_prefix('=') {
                return Some(said.to_owned());
            }
        }
    }

    /// Kills it once it has said so much, and gives the numbers that it said were taken.
    fn killed_after(mut self, count: usize) -> Vec<u64> {
        let mut taken: Vec<u64> = (0..count).map(|_| self.said().expect("it goes on").parse().unwrap()).collect();
        self.child.kill().unwrap();
        while let Some(said) = self.said() {
            taken.push(said.parse().unwrap());
        }
        taken
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_that_was_taken_arrives_once_and_in_order_though_senders_are_killed() {
    let (_hub, address) = hub("websocket").await;
    let (receiver, proxy) = (Receiver::start(address).await, FaultProxy::start(address).await.unwrap());
    let folder = TempDir::new().unwrap();
    let yaml = over_websocket(proxy.address(), folder.path());
    let mut taken = Vec::new();
    for round in 0..8 {
        // With the broker away and with the broker there.
        proxy.set(if round % 2 == 0 { Mode::Refuse } else { Mode::Pass }).await.unwrap();
        let sender = Sender::start(&yaml, round * 1_000_000, "exec \"$0\" \"$@\"");
        let count = fastrand::usize(1..4000);
        taken.extend(tokio::task::spawn_blocking(move || sender.killed_after(count)).await.unwrap());
    }
    proxy.set(Mode::Pass).await.unwrap();
    let last = Hive::from_yaml(&yaml).unwrap();
    last.start_with(StartOptions::new().require("net")).await.unwrap();
    assert!(last.flush(Duration::from_secs(60)).await);
    emit(&last, u64::MAX).unwrap();
    until("the last has arrived", || receiver.numbers().last() == Some(&u64::MAX)).await;
    let arrived = receiver.numbers();
    assert!(arrived.is_sorted_by(|one, next| one < next), "twice, or out of order");
    let lost: Vec<&u64> = taken.iter().filter(|number| arrived.binary_search(number).is_err()).collect();
    assert!(lost.is_empty(), "{} of {} that were taken are lost: {lost:?}", lost.len(), taken.len());
}

#[tokio::test]
async fn another_process_that_has_the_outbox_is_named_as_the_reason() {
    let (_hub, address) = hub("websocket").await;
    let folder = TempDir::new().unwrap();
    let yaml = over_websocket(address, folder.path());
    let mut sender = Sender::start(&yaml, 0, "exec \"$0\" \"$@\"");
    assert_eq!(sender.said().as_deref(), Some("0"));
    let hive = Hive::from_yaml(&yaml).unwrap();
    let started = hive.start().await.unwrap();
    let reason = started.connectors[0].outcome.to_string();
    assert!(reason.contains("in use by another process"), "{reason}");
}

/// The system lets the sender's files grow to 100 KiB (200 blocks of 512 bytes), in the midst of a record.
#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_is_full_is_an_error_to_the_caller_and_nothing_that_was_taken_is_lost() {
    let (_hub, address) = hub("websocket").await;
    let (receiver, proxy) = (Receiver::start(address).await, FaultProxy::start(address).await.unwrap());
    proxy.set(Mode::Refuse).await.unwrap();
    let folder = TempDir::new().unwrap();
    let yaml = over_websocket(proxy.address(), folder.path());
    let mut sender = Sender::start(&yaml, 0, "trap '' XFSZ; ulimit -f 200; exec \"$0\" \"$@\"");
    let (mut taken, mut refusals) = (Vec::new(), 0);
    let mut after_refusal = 0;
    while refusals < 2 {
        let said = sender.said().expect("it is not killed");
        if let Ok(number) = said.parse::<u64>() {
            taken.push(number);
            after_refusal += refusals;
        } else {
            assert!(said.contains("the outbox on disk does not take it"), "{said}");
            refusals += 1;
        }
    }
    assert!(taken.len() > 100 && after_refusal > 0, "{} taken, {after_refusal} after a refusal", taken.len());
    drop(sender);
    proxy.set(Mode::Pass).await.unwrap();
    let hive = Hive::from_yaml(&yaml).unwrap();
    hive.start_with(StartOptions::new().require("net")).await.unwrap();
    assert!(hive.flush(Duration::from_secs(30)).await);
    until("all have arrived", || receiver.numbers().len() >= taken.len()).await;
    assert_eq!(receiver.numbers(), taken);
}

#[tokio::test]
async fn a_link_that_goes_down_loses_nothing_of_an_outbox_on_disk() {
    let (network, folder) = (Memory::new(), TempDir::new().unwrap());
    let worker = network.hive("connectors: {net: {pubsub_type: memory, input_channel: w, init: {}}}");
    let mut events = worker.stream("w/x").unwrap();
    worker.start().await.unwrap();
    let hive = network.hive(&sending("memory", "{}", folder.path(), ""));
    hive.start().await.unwrap();
    for number in 0..300 {
        if number % 100 == 50 {
            network.set_up(false);
            down(&hive).await;
        } else if number % 100 == 0 {
            network.set_up(true);
        }
        emit(&hive, number).unwrap();
    }
    network.set_up(true);
    for number in 0..300 {
        assert_eq!(next(&mut events).await.payload().as_value().unwrap(), &json!({"number": number}));
    }
}
