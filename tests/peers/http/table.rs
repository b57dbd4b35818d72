//! The protocol from outside: what was observed on the original, asked of a running server by curl.
//!
//! Each table runs against `hive-cli serve --pypubsub`, and against the original itself where `EVENTHIVE_PYPUBSUB` names a
//! folder with its `pypubsub.py`: the same files, and the same rows but for those of [`DIFFERENCES`].

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::curl::{Answer, Stream, curl, put, put_with};
use super::served::{Kind, Served, vectors};
use crate::vector_requests;

const BAD_REQUEST: &str = "I could not understand your request, sorry! Please see https://pubsub.apache.org/api.html for usage documentation.\n";
const TOO_LARGE: &str = "Payload is too large for me to serve, please make it shorter.\n";

/// Where we answer as the original should: the row, the number of its defect (`L`: its HTTP library answers by itself), and
/// our status and text.
const DIFFERENCES: &[(&str, &str, u16, Option<&str>)] = &[
    ("PUT empty body", "Q2", 400, Some(BAD_REQUEST)),
    ("PUT without Content-Length", "Q2", 400, Some(BAD_REQUEST)),
    ("PUT invalid UTF-8", "Q2", 400, Some(BAD_REQUEST)),
    ("PUT unknown charset", "Q2", 400, Some(BAD_REQUEST)),
    ("PUT chunked beyond max_payload_size", "Q3", 400, Some(TOO_LARGE)),
    ("PUT chunked beyond 1 MiB", "Q3", 400, Some(TOO_LARGE)),
    ("PUT NaN", "Q4", 400, Some(BAD_REQUEST)),
    ("lower-case method", "L", 400, None),
    ("no Host header", "L", 400, None),
    ("raw non-ASCII in the target", "L", 400, None),
    ("request line over 8190 bytes", "L", 400, Some(BAD_REQUEST)),
];

/// Curl waits for one answer before it sends the next request.
const NOT_BY_CURL: &str = "two PUTs pipelined on one connection";

/// Subscriptions that a stray comma turns into everything in the original (Q5), and what they mean here.
const EMPTY_BATCHES: &[(&str, &str)] =
    &[("/,foo", "/foo"), ("/foo,", "/foo"), ("/foo,,bar", "/foo,bar"), ("/foo,/", "/foo")];

/// `all:all`, who sees every private event.
const SEES_ALL: &[&str] = &["-u", "all:all"];

/// One test for each server.
macro_rules! at_both {
    ($($case:ident),* $(,)?) => { $(
        mod $case {
            use super::super::served::Kind;
            #[test]
            fn ours() { super::$case(Kind::Ours) }
            #[test]
            #[ignore = "EVENTHIVE_PYPUBSUB has to name a folder with the original server's pypubsub.py"]
            fn the_original() { super::$case(Kind::Original) }
        }
    )* };
}

at_both!(
    every_request_gets_its_answer,
    every_path_comes_back_with_its_topics,
    every_payload_is_rendered_as_it_should_be,
    every_pair_of_subscription_and_event_is_delivered_or_not,
    private_events_are_seen_by_those_with_the_right,
    the_backlog_is_replayed_from_where_a_client_says,
    old_clients_get_a_nul_behind_each_line,
);

/// A request as curl's arguments, and its body.
fn arguments(row: &Value) -> (Vec<Vec<u8>>, Vec<u8>) {
    let bytes = vector_requests::bytes(row);
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let (head, body) = (&bytes[..end], &bytes[end + 4..]);
    let mut lines = head.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end);
    let mut words = lines.next().unwrap().splitn(3, |byte| *byte == b' ');
    let (method, target) = (words.next().unwrap(), words.next().unwrap());
    let target = target.to_vec();
    let mut arguments = vec![b"--request-target".to_vec(), target];
    let mut add = |name: &str, value: &[u8]| arguments.extend([name.as_bytes().to_vec(), value.to_vec()]);
    if method == b"HEAD" {
        add("-I", b"-sS")
    } else {
        add("-X", method)
    }
    if words.next().unwrap().ends_with(b"1.0") {
        add("--http1.0", b"-sS");
    }
    let headers: Vec<_> = lines.collect();
    let has = |name: &[u8]| headers.iter().any(|header| header.to_ascii_lowercase().starts_with(name));
    for header in &headers {
        add("-H", header);
    }
    if !has(b"host:") {
        add("-H", b"Host:");
    }
    if body.is_empty() && !has(b"content-length:") {
        return (arguments, Vec::new());
    }
    add("--data-binary", b"@-");
    if !has(b"content-type:") {
        add("-H", b"Content-Type:");
    }
    (arguments, if has(b"transfer-encoding:") { first_chunk(body) } else { body.to_vec() })
}

/// The data of a body that is one chunk.
fn first_chunk(body: &[u8]) -> Vec<u8> {
    let line = body.iter().position(|byte| *byte == b'\n').unwrap();
    let size = usize::from_str_radix(std::str::from_utf8(&body[..line]).unwrap().trim(), 16).unwrap();
    body[line + 1..][..size].to_vec()
}

fn expected(row: &Value, kind: Kind) -> (u16, Option<&str>) {
    let name = row["name"].as_str().unwrap();
    let observed = row["status_line"].as_str().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    match DIFFERENCES.iter().find(|(known, ..)| *known == name) {
        Some((_, _, status, text)) if kind == Kind::Ours => (*status, *text),
        Some(_) => (observed, None),
        None => (observed, row["body"].as_str()),
    }
}

fn every_request_gets_its_answer(kind: Kind) {
    use std::os::unix::ffi::OsStringExt;
    let server = Served::of_vectors(kind);
    let (vectors, mut asked) = (vectors(), 0);
    for row in vectors["requests"].as_array().unwrap() {
        let name = row["name"].as_str().unwrap();
        if name == NOT_BY_CURL {
            continue;
        }
        asked += 1;
        let (arguments, body) = arguments(row);
        let mut arguments: Vec<_> = arguments.into_iter().map(std::ffi::OsString::from_vec).collect();
        arguments.push(server.url("/").into());
        let (status, text) = expected(row, kind);
        let streams = status == 200 && !name.contains("1.0");
        let answer = if streams {
            let head = Stream::open(&arguments).head.clone();
            Answer { status: head.split(' ').nth(1).unwrap().parse().unwrap(), head, body: Vec::new() }
        } else {
            curl(&arguments, &body)
        };
        assert_eq!(answer.status, status, "{name}: {answer:?}");
        if let Some(text) = text {
            is_of_the_protocol(name, &answer, streams);
            assert!(streams || answer.text() == text, "{name}: {answer:?}");
        }
    }
    assert!(asked > 40, "{asked}");
}

/// What the original's library does not answer by itself has these.
fn is_of_the_protocol(name: &str, answer: &Answer, streams: bool) {
    assert_eq!(answer.header("server"), Some("PyPubSub/0.7.4"), "{name}");
    for header in ["x-subscribers", "x-requests"] {
        assert!(answer.header(header).is_some_and(|value| value.parse::<u64>().is_ok()), "{name}: {answer:?}");
    }
    assert!(answer.header("date").is_some(), "{name}");
    let wanted = match answer.status {
        200 if streams => "application/vnd.pypubsub-stream",
        200 => "application/octet-stream",
        _ => "text/plain; charset=utf-8",
    };
    assert_eq!(answer.header("content-type"), Some(wanted), "{name}");
    assert_eq!(answer.header("transfer-encoding"), streams.then_some("chunked"), "{name}");
}

fn every_path_comes_back_with_its_topics(kind: Kind) {
    let server = Served::of_vectors(kind);
    let mut stream = Stream::subscribed(&[SEES_ALL, &[&server.url("/")]].concat());
    for row in vectors()["paths"]["rows"].as_array().unwrap() {
        let target = row["request_target"].as_str().unwrap();
        let more = ["-X", "PUT", "--data-binary", "@-", "--request-target", target, &server.url("/")];
        let answer = curl(&more, br#"{"a":1}"#);
        if kind == Kind::Ours && target.contains(['<', '>']) {
            assert_eq!(answer.status, 400, "our HTTP library takes it for no target: {target}");
            continue;
        }
        assert_eq!(answer.status, 202, "{target}: {answer:?}");
        let event = stream.event();
        assert_eq!(
            (&event["pubsub_topics"], &event["pubsub_path"]),
            (&row["pubsub_topics"], &row["pubsub_path"]),
            "{target}"
        );
    }
}

fn every_payload_is_rendered_as_it_should_be(kind: Kind) {
    let server = Served::of_vectors(kind);
    let (vectors, url) = (vectors(), server.url("/fruits/apples"));
    let mut stream = Stream::subscribed(&[server.url("/")]);
    for row in vectors["rendering"]["rows"].as_array().unwrap() {
        let (body, line) = (row["body"].as_str().unwrap(), row["line"].as_str().unwrap());
        if kind == Kind::Ours && body.contains("NaN") {
            let answer = curl(&["-X", "PUT", "--data-binary", "@-", &url], body.as_bytes());
            assert_eq!((answer.status, &*answer.text()), (400, BAD_REQUEST), "Q4");
            continue;
        }
        put(&url, body);
        assert_eq!(without_what_varies(&stream.event_line()), line, "{body}");
    }
}

/// A line with the placeholders of the vectors for time and cursor.
fn without_what_varies(line: &str) -> String {
    let replace = |line: String, key: &str, ends: &[char], by: &str| {
        let start = line.find(key).unwrap_or_else(|| panic!("{line} has no {key}")) + key.len();
        let end = start + line[start..].find(ends).unwrap();
        format!("{}{by}{}", &line[..start], &line[end..])
    };
    let line = replace(line.to_owned(), "\"pubsub_timestamp\": ", &[',', '}'], "<TIMESTAMP>");
    replace(line, "\"pubsub_cursor\": \"", &['"'], "<CURSOR>")
}

/// Opens a stream for each name, publishes each event once, and gives what came for each name.
fn deliver(
    server: &Served,
    subscriptions: BTreeMap<String, (String, String)>,
    events: &[&str],
) -> BTreeMap<String, BTreeSet<u64>> {
    let open = |(name, (authorization, target)): (String, (String, String))| {
        let target = with_mark(&target);
        let more = ["-H", &authorization, "--request-target", &target, &server.url("/")].map(str::to_owned);
        (name, Stream::subscribed(&more))
    };
    let mut streams: Vec<_> = subscriptions.into_iter().map(open).collect();
    for (n, event) in events.iter().enumerate() {
        put_with(&server.url("/"), &format!("{{\"n\":{n}}}"), &["--request-target", event]);
    }
    put(&server.url("/end-of-the-table"), &format!("{{\"n\":{}}}", events.len()));
    let last = events.len() as u64;
    let numbers = |stream: &mut Stream| -> BTreeSet<u64> {
        let mut came = BTreeSet::new();
        loop {
            let number = stream.event()["n"].as_u64().unwrap();
            if number == last {
                return came;
            }
            assert!(came.insert(number), "{number} came twice");
        }
    };
    streams.iter_mut().map(|(name, stream)| (name.clone(), numbers(stream))).collect()
}

/// The target with one more batch, for the mark behind the events. Adding it changes nothing for the others.
fn with_mark(target: &str) -> String {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let query = if query.is_empty() { String::new() } else { format!("?{query}") };
    if path.trim_matches([',', '/']).is_empty() { target.to_owned() } else { format!("{path},end-of-the-table{query}") }
}

fn column(rows: &[Value], at: usize) -> BTreeSet<&str> {
    rows.iter().map(|row| row[at].as_str().unwrap()).collect()
}

fn every_pair_of_subscription_and_event_is_delivered_or_not(kind: Kind) {
    let server = Served::of_vectors(kind);
    let vectors = vectors();
    let rows = vectors["matching"]["rows"].as_array().unwrap();
    let events: Vec<_> = column(rows, 1).into_iter().collect();
    let anonymous = |target: &str| (target.to_owned(), ("X-Nobody: x".to_owned(), target.to_owned()));
    let received = deliver(&server, column(rows, 0).into_iter().map(anonymous).collect(), &events);
    assert_eq!(rows.len(), 666);
    for row in rows {
        let (subscription, event) = (row[0].as_str().unwrap(), row[1].as_str().unwrap());
        let number = events.iter().position(|known| *known == event).unwrap() as u64;
        let delivered = received[subscription].contains(&number);
        let meant = EMPTY_BATCHES.iter().find(|(known, _)| kind == Kind::Ours && *known == subscription);
        let wanted = match meant {
            None => row[2].as_bool().unwrap(),
            Some((_, meant)) => {
                meant.split(',').any(|topic| event.split('/').any(|part| part == topic.trim_matches('/')))
            }
        };
        assert_eq!(delivered, wanted, "{row}");
    }
}

fn private_events_are_seen_by_those_with_the_right(kind: Kind) {
    let server = Served::of_vectors(kind);
    let vectors = vectors();
    let rows = vectors["private_events"]["rows"].as_array().unwrap();
    let name = |row: &Value, who: &str| format!("{who} {}", row[2].as_str().unwrap());
    let subscription = |row: &Value| {
        let header = row[1].as_str().map_or("X-Nobody: x".to_owned(), |value| format!("Authorization: {value}"));
        (name(row, row[0].as_str().unwrap()), (header, row[2].as_str().unwrap().to_owned()))
    };
    let events: Vec<_> = column(rows, 3).into_iter().collect();
    let received = deliver(&server, rows.iter().map(subscription).collect(), &events);
    for row in rows {
        let number = events.iter().position(|known| row[3] == *known).unwrap() as u64;
        let delivered = received[&name(row, row[0].as_str().unwrap())].contains(&number);
        // Q9: the original knows no `basic`, which is testuser.
        let as_testuser = kind == Kind::Ours && row[0] == "lower-case scheme";
        let same = |other: &&Value| other[0] == "testuser" && other[2] == row[2] && other[3] == row[3];
        let meant = if as_testuser { rows.iter().find(same).unwrap() } else { row };
        assert_eq!(meant[4], delivered, "{row}");
    }
}

fn the_backlog_is_replayed_from_where_a_client_says(kind: Kind) {
    let server = Served::of_vectors(kind);
    let mut watcher = Stream::subscribed(&[server.url("/b")]);
    let cursors: Vec<_> = (0..8)
        .map(|i| {
            put(&server.url(&format!("/b/{i}")), &format!("{{\"i\":{i}}}"));
            watcher.event()["pubsub_cursor"].as_str().unwrap().to_owned()
        })
        .collect();
    for row in vectors()["backlog"]["rows"].as_array().unwrap() {
        let name = row["name"].as_str().unwrap();
        // For curl, a header without a value ends with a semicolon.
        let header = vector_requests::backlog_header(name, &cursors).unwrap_or("X-Nothing;".to_owned());
        let header = header.strip_suffix(": ").map_or(header.clone(), |name| format!("{name};"));
        let mut stream = Stream::open(&["-H", &header, &server.url(row["path"].as_str().unwrap())]);
        // Q1: `X-Fetch-Since` ends a stream of the original.
        let expected = row.get("correct").filter(|_| kind == Kind::Ours).unwrap_or(&row["chunks"]);
        let mut chunks = Vec::new();
        while !chunks.last().is_some_and(|last| last == "ping" || last == "end") {
            let line = stream.next_line().map(|line| serde_json::from_str::<Value>(&line).unwrap());
            chunks.push(match line {
                None => Value::from("end"),
                Some(line) if line.get("stillalive").is_some() => Value::from("ping"),
                Some(mut event) => event["i"].take(),
            });
        }
        assert_eq!(chunks, *expected.as_array().unwrap(), "{name}");
    }
}

fn old_clients_get_a_nul_behind_each_line(kind: Kind) {
    let server = Served::of_vectors(kind);
    for row in vectors()["oldschool"]["user_agents"].as_array().unwrap() {
        let agent = row[0].as_str().unwrap();
        let agent = if agent.is_empty() { "User-Agent:".to_owned() } else { format!("User-Agent: {agent}") };
        let mut stream = Stream::subscribed(&["-H", &agent, &server.url("/a")]);
        put(&server.url("/a"), "{}");
        let line = stream.event_line();
        // The NUL behind the ping is the first of the next line.
        assert_eq!(row[1], line.starts_with('\0'), "{agent}: {line:?}");
    }
}
