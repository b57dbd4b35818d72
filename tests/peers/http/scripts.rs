//! Scripts in node and Ruby, which take what their library hands them: one event has to be exactly one chunk.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use super::publisher::Publisher;
use super::served::{Served, vectors};
use crate::environment::root;
use crate::process::{LIMIT, Peer};

/// A language, its column in the vectors, and its script.
const LANGUAGES: [(&str, usize, &str); 2] = [("node", 3, "node/listen.js"), ("ruby", 4, "ruby/listen.rb")];

fn script(language: &str, file: &str, url: &str, more: &[&str]) -> Peer {
    let found = Command::new(language).arg("--version").output();
    assert!(found.is_ok(), "install {language}, as tests/all.sh does");
    let mut command = Command::new(language);
    command.arg(root().join("tests/peers").join(file)).arg(url).args(more);
    Peer::start(language, command)
}

const LAST: &str = "{\"n\":1,\"pubsub_path\":\"/a\",\"text\":\"last\"}\n";

fn line(text: &str) -> String {
    format!("{{\"n\":0,\"pubsub_path\":\"/a\",\"text\":\"{text}\"}}\n")
}

/// The pieces of a stream of the vectors: in a list, each a chunk; the lists are written apart.
fn pieces(name: &str) -> Vec<Vec<Vec<u8>>> {
    let alone = |piece: &[u8]| vec![piece.to_vec()];
    let cut = |line: &str, at: usize| {
        vec![alone(&line.as_bytes()[..at]), alone(&line.as_bytes()[at..]), alone(LAST.as_bytes())]
    };
    let apart = |line: String| vec![alone(line.as_bytes()), alone(LAST.as_bytes())];
    match name {
        "one line per chunk, one chunk per segment" => apart(line("x")),
        "two chunks in one TCP segment" => vec![vec![line("x").into(), LAST.into()]],
        "two lines in one chunk" => vec![alone((line("x") + LAST).as_bytes())],
        "one line split over two chunks" => cut(&line("x"), 9),
        "line + NUL in one chunk" => apart(line("x") + "\0"),
        "100 kB line" => apart(line(&"x".repeat(100_000))),
        "400 kB line" => apart(line(&"x".repeat(400_000))),
        "raw UTF-8, whole line in one chunk" => apart(line("ä☃")),
        "raw UTF-8, chunk boundary inside a character" => {
            let line = line("ä☃");
            let at = line.find('☃').unwrap() + 1;
            cut(&line, at)
        }
        other => panic!("a new row of the vectors: {other}"),
    }
}

/// Serves one stream of these pieces.
fn serve(pieces: Vec<Vec<Vec<u8>>>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        socket.set_nodelay(true).unwrap();
        socket.set_read_timeout(Some(LIMIT)).unwrap();
        let mut request = BufReader::new(socket.try_clone().unwrap()).lines();
        while !request.next().unwrap().unwrap().is_empty() {}
        socket.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap();
        for chunks in pieces {
            let frame = |chunk: &Vec<u8>| [format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat();
            // A client that has died hangs up.
            let _ = socket.write_all(&chunks.iter().map(frame).collect::<Vec<_>>().concat());
            // Apart on the wire; that it is so is not what the test is about.
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = socket.write_all(b"0\r\n\r\n");
    });
    address
}

/// The numbers of the events that a script received before the stream, or the script, ended.
fn heard(mut peer: Peer) -> Vec<Value> {
    let mut numbers = Vec::new();
    while let Some(mut line) = peer.next_line() {
        if line.get("received").is_some() {
            numbers.push(line["data"]["n"].take());
        } else if line["state"] == "ended" {
            break;
        }
    }
    numbers
}

/// Without this, what the scripts bear would prove nothing.
#[test]
fn the_scripts_bear_what_those_of_pypubsub_bear_and_die_of_what_those_die_of() {
    let vectors = vectors();
    for row in vectors["client_chunk_tolerance"]["rows"].as_array().unwrap() {
        let name = row[0].as_str().unwrap();
        for (language, column, file) in LANGUAGES {
            let address = serve(pieces(name));
            let heard = heard(script(language, file, &format!("http://{address}/"), &[]));
            assert_eq!(heard == [0, 1], row[column] == "ok", "{language}, {name}: {heard:?}");
        }
    }
}

const LIMIT_BYTES: usize = 102_400;

/// The text of an event: mostly short, now and then as long as the door takes.
fn text(n: usize, body_around: usize) -> String {
    let pattern = ["x", "ä", "☃", "\u{1f600}"][n % 4];
    let bytes = if n % 100 == 99 { LIMIT_BYTES - body_around } else { n % 50 };
    let mut text = pattern.repeat(bytes / pattern.len());
    text.extend(std::iter::repeat_n('.', bytes - text.len()));
    text
}

const PUBLISHERS: usize = 4;
const EVENTS: usize = 1000;

fn publish_all(port: u16) {
    let publish = |publisher: usize| {
        let mut connection = Publisher::connect(port);
        for n in 0..EVENTS {
            let around = format!("{{\"n\":{n},\"text\":\"\"}}").len();
            connection.put(&format!("/all/{publisher}"), &format!("{{\"n\":{n},\"text\":\"{}\"}}", text(n, around)));
        }
    };
    std::thread::scope(|scope| {
        for publisher in 0..PUBLISHERS {
            scope.spawn(move || publish(publisher));
        }
    });
}

#[test]
fn scripts_hear_thousands_of_events_of_any_size_in_order_and_none_dies() {
    let server = Served::door("oldschoolers: [svnwcsub], queue_bytes: 268435456, send_timeout_secs: 60");
    let url = server.url("/all");
    let mut scripts = Vec::new();
    for (language, _, file) in LANGUAGES {
        scripts.push(script(language, file, &url, &[]));
        // An old client, whose lines end with a NUL.
        scripts.push(script(language, file, &url, &["--nul"]));
    }
    for script in &mut scripts {
        script.wait_for("state", &json!("ready"));
    }
    publish_all(server.port);
    for mut script in scripts {
        let mut next = [0; PUBLISHERS];
        for _ in 0..PUBLISHERS * EVENTS {
            let (path, data) = script.received();
            let publisher: usize = path.strip_prefix("/all/").unwrap().parse().unwrap();
            let n = next[publisher];
            next[publisher] += 1;
            let text = text(n, format!("{{\"n\":{n},\"text\":\"\"}}").len());
            let start: String = text.chars().take(3).collect();
            assert_eq!(data, json!({"n": n, "start": start, "bytes": text.len()}), "{path}");
        }
        assert_eq!(next, [EVENTS; PUBLISHERS]);
    }
}
