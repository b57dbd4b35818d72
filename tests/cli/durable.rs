//! A durable hub as a process: what it answered with 202 is there after `kill -9`, and after a disk that was full.

use std::collections::{HashMap, HashSet};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Hub, Running, SOON, folder_with};

const PUBLISHERS: usize = 24;

const ROUNDS: usize = 10;

const YAML: &str = "servers: {net: {create: always, pubsub_type: http, \
                    backlog: {path: log, durable: true, max_bytes: 33554432}, init: {port: 0}}}";

/// Events by their cursor.
type Events = HashMap<String, String>;

/// A connection on which one request follows the other.
struct Publisher(BufReader<TcpStream>);

/// What was answered to a publish.
enum Answer {
    Taken { cursor: String },
    Later,
}

impl Publisher {
    fn connect(port: u16) -> Self {
        let socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
        socket.set_nodelay(true).unwrap();
        socket.set_read_timeout(Some(SOON)).unwrap();
        Self(BufReader::new(socket))
    }

    /// `None` when the server has gone.
    fn put(&mut self, body: &str) -> Option<Answer> {
        let size = body.len();
        let request = format!("PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n{body}");
        self.0.get_mut().write_all(request.as_bytes()).ok()?;
        let status = self.line()?;
        let (mut cursor, mut length, mut may_retry) = (None, 0, false);
        loop {
            let line = self.line()?;
            match line.split_once(": ") {
                None => break,
                Some(("x-pubsub-cursor", value)) => cursor = Some(value.to_owned()),
                Some(("content-length", value)) => length = value.parse().unwrap(),
                Some(("retry-after", _)) => may_retry = true,
                Some(_) => {}
            }
        }
        self.0.read_exact(&mut vec![0; length]).ok()?;
        match &*status {
            "HTTP/1.1 202 Accepted" => Some(Answer::Taken { cursor: cursor.unwrap() }),
            "HTTP/1.1 503 Service Unavailable" if may_retry => Some(Answer::Later),
            other => panic!("{other}"),
        }
    }

    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = self.0.read_line(&mut line).ok()?;
        (read > 0 && line.ends_with("\r\n")).then(|| line.trim_end().to_owned())
    }
}

/// What the server has from a place on, in its order: cursors and what the events are called.
fn replay(port: u16, place: &str) -> Vec<(String, String)> {
    let mut socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
    socket.set_read_timeout(Some(SOON)).unwrap();
    socket.write_all(format!("GET / HTTP/1.1\r\nHost: x\r\n{place}\r\n\r\n").as_bytes()).unwrap();
    let lines = BufReader::new(socket).lines().map(Result::unwrap);
    let mut lines = lines.skip_while(|line| line != "x-pubsub-replay: found").peekable();
    assert!(lines.peek().is_some(), "the place is unknown: {place}");
    // The sizes of the chunks stand between.
    let lines = lines.filter(|line| line.starts_with('{')).take_while(|line| !line.contains("stillalive"));
    let event = |line: String| {
        let event: Value = serde_json::from_str(&line).unwrap();
        let text = |key: &str| event[key].as_str().unwrap().to_owned();
        (text("pubsub_cursor"), text("name"))
    };
    lines.map(event).collect()
}

fn serve(folder: &TempDir) -> Hub {
    Hub::of(Running::start_in(folder.path(), &["serve", "--config", "hub.yaml", "--json"]))
}

/// Publishes from many threads, kills the server after about so many answers, and gives all answers that came.
fn killed_after(hub: Hub, round: usize, answers: usize) -> Events {
    let (count, taken) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Events::new())));
    let publishers: Vec<_> = (0..PUBLISHERS)
        .map(|publisher| {
            let (count, taken, port) = (Arc::clone(&count), Arc::clone(&taken), hub.port);
            thread::spawn(move || {
                let mut connection = Publisher::connect(port);
                for number in 0.. {
                    let name = format!("{round}-{publisher}-{number}");
                    let body = format!("{{\"name\": \"{name}\", \"filling\": \"{}\"}}", "x".repeat(number % 7 * 100));
                    let Some(answer) = connection.put(&body) else { return };
                    let Answer::Taken { cursor } = answer else { panic!("the disk is not full") };
                    assert_eq!(taken.lock().unwrap().insert(cursor, name), None, "a cursor is given once");
                    count.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let until = std::time::Instant::now() + SOON;
    while count.load(Ordering::Relaxed) < answers {
        assert!(std::time::Instant::now() < until, "publishers are not answered");
        thread::yield_now();
    }
    hub.running.signal("KILL");
    publishers.into_iter().for_each(|publisher| publisher.join().unwrap());
    assert_eq!(hub.running.end().code, -1, "it was killed");
    Arc::try_unwrap(taken).unwrap().into_inner().unwrap()
}

#[test]
fn a_hub_that_is_killed_has_everything_that_it_answered_with_202() {
    let seed = std::env::var("SEED").map_or_else(|_| fastrand::u64(..), |seed| seed.parse().unwrap());
    println!("SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let folder = folder_with("hub.yaml", YAML);
    let mut taken = Events::new();
    for round in 0..ROUNDS {
        let answers = random.usize(1..1000);
        for (cursor, name) in killed_after(serve(&folder), round, answers) {
            assert_eq!(taken.insert(cursor, name), None, "a cursor is given once, whatever happens");
        }
        let hub = serve(&folder);
        let found = replay(hub.port, "X-Fetch-Since: 0");
        let stored: HashMap<_, _> = found.iter().cloned().collect();
        for (cursor, name) in &taken {
            assert_eq!(stored.get(cursor), Some(name), "answered, and lost");
        }
        let names: HashSet<_> = stored.values().collect();
        assert_eq!((names.len(), stored.len()), (found.len(), found.len()), "nothing is there twice");
        for publisher in 0..PUBLISHERS {
            let of_publisher = format!("{round}-{publisher}-");
            let numbers = found.iter().filter_map(|(_, name)| name.strip_prefix(&of_publisher)?.parse::<usize>().ok());
            assert!(numbers.enumerate().all(|(at, number)| at == number), "the order of {of_publisher} is kept");
        }
        let place = random.usize(..found.len());
        assert_eq!(replay(hub.port, &format!("X-Fetch-Since-Cursor: {}", found[place].0)), found[place + 1..]);
        hub.running.signal("KILL");
        hub.running.end();
    }
}

#[test]
fn a_full_disk_is_said_to_the_publisher_and_nothing_that_was_answered_is_lost() {
    let folder = folder_with("hub.yaml", YAML);
    // No file may be larger: what is written beyond fails, as on a disk that is full.
    let script = "trap '' XFSZ; ulimit -f 200; exec \"$0\" \"$@\"";
    let mut command = Command::new("sh");
    command.args(["-c", script, env!("CARGO_BIN_EXE_hive-cli"), "serve", "--config", "hub.yaml", "--json"]);
    command.current_dir(folder.path()).env_remove("EVENTHIVE_CONFIG").env_remove("EVENTHIVE_SECRET");
    let hub = Hub::of(Running::of(command.stdout(Stdio::piped()).stderr(Stdio::piped())));
    let mut publisher = Publisher::connect(hub.port);
    let (mut taken, mut refused, mut taken_after) = (Events::new(), 0, 0);
    let filling = "x".repeat(10_000);
    let until = std::time::Instant::now() + SOON;
    for number in 0.. {
        let name = number.to_string();
        match publisher.put(&format!("{{\"name\": \"{name}\", \"filling\": \"{filling}\"}}")).unwrap() {
            Answer::Taken { cursor } => {
                taken.insert(cursor, name);
                taken_after += usize::from(refused > 0);
            }
            Answer::Later => refused += 1,
        }
        if refused > 1 && taken_after > 1 {
            break;
        }
        assert!(std::time::Instant::now() < until, "{} taken, {refused} refused", taken.len());
    }
    hub.running.signal("KILL");
    hub.running.end();
    let hub = serve(&folder);
    let stored: HashMap<_, _> = replay(hub.port, "X-Fetch-Since: 0").into_iter().collect();
    assert!(taken.iter().all(|(cursor, name)| stored.get(cursor) == Some(name)), "answered, and lost");
    assert!(taken.len() > 5 && taken_after > 1, "{} taken", taken.len());
}
