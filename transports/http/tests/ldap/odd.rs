//! Servers that answer what no LDAP server should.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use eventhive_http::access::{Asker, Directory, DirectoryError};
use futures_util::FutureExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::support::{PATIENCE, directory, lookup};

/// A server that answers whatever it is asked with these bytes, and takes what comes then. Gives its URI.
async fn server(answer: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("ldap://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let answer = answer.clone();
            tokio::spawn(async move {
                let mut asked = [0; 4096];
                let _ = stream.read(&mut asked).await;
                let _ = stream.write_all(&answer).await;
                while matches!(stream.read(&mut asked).await, Ok(1..)) {}
            });
        }
    });
    uri
}

/// An answer with a result code, to the first question.
fn done(operation: u8, code: u8) -> Vec<u8> {
    vec![0x30, 12, 2, 1, 1, operation, 7, 10, 1, code, 4, 0, 4, 0]
}

/// A server that answers each question with what `code` says to its operation and its bytes; never, if it says nothing.
async fn server_saying(code: impl Fn(u8, &[u8]) -> Option<u8> + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("ldap://{}", listener.local_addr().unwrap());
    let code = Arc::new(code);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let code = Arc::clone(&code);
            tokio::spawn(async move {
                let mut asked = [0; 4096];
                while let Ok(size @ 1..) = stream.read(&mut asked).await {
                    // Behind the tag and the length, of one byte or five: the number of the question, and what it is.
                    let at = if asked[1] < 0x80 { 4 } else { 8 };
                    let (id, operation) = (asked[at], asked[at + 1]);
                    if let Some(code) = code(operation, &asked[..size]) {
                        let answer = [&[0x30, 12, 2, 1, id], &done(answer_to(operation), code)[5..]].concat();
                        stream.write_all(&answer).await.unwrap();
                    }
                }
            });
        }
    });
    uri
}

const fn answer_to(operation: u8) -> u8 {
    if operation == ASKS_BIND { BIND } else { FOUND }
}

const ASKS_BIND: u8 = 0x60;
const ASKS_SEARCH: u8 = 0x63;
const FOUND: u8 = 0x65;
const BIND: u8 = 0x61;
const EXTENDED: u8 = 0x78;

#[tokio::test]
async fn answers_that_are_none_deny_and_end_nothing() {
    let deep = b"\x30\x84\x00\x00\xff\xfa".iter().chain(b"\x30\x80".repeat(32_000).iter()).copied().collect();
    let other = [&[0x30, 12, 2, 1, 99][..], &done(BIND, 0)[5..]].concat();
    let hung_up = [&[0x30, 12, 2, 1, 0][..], &done(EXTENDED, 52)[5..]].concat();
    for (what, answer) in [
        ("another protocol", b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()),
        ("nothing but a beginning", b"\x30\x84".to_vec()),
        ("more than there may be", b"\x30\x84\x7f\xff\xff\xff".to_vec()),
        ("levels without end", deep),
        ("an empty message", b"\x30\x00".to_vec()),
        ("an answer to something else", other),
        ("that it hangs up", hung_up),
        ("that it is busy", done(BIND, 51)),
        ("an entry in place of a login", b"\x30\x09\x02\x01\x01\x64\x04\x04\x00\x30\x00".to_vec()),
    ] {
        let directory = directory(&server(answer).await, "timeout_secs: 0.3");
        assert_eq!(lookup(&directory, "bob", "builder").await, Err(DirectoryError::Unavailable), "{what}");
    }
}

#[tokio::test]
async fn a_server_that_will_not_encrypt_is_not_told_the_password() {
    let ca = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap().cert.pem();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), ca).unwrap();
    let more = format!("starttls: true\ntimeout_secs: 0.3\ntls_ca: {}", file.path().display());
    // The last one says something that would be taken for a login that succeeded, under TLS.
    for answer in [done(EXTENDED, 2), done(BIND, 0), [done(EXTENDED, 0), done(BIND, 0)].concat()] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let directory = directory(&format!("ldap://{}", listener.local_addr().unwrap()), &more);
        let heard = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let (mut first, mut rest) = (vec![0; 4096], Vec::new());
            let size = stream.read(&mut first).await.unwrap();
            stream.write_all(&answer).await.unwrap();
            let _ = stream.read_to_end(&mut rest).await;
            first.truncate(size);
            [first, rest].concat()
        });
        assert_eq!(lookup(&directory, "bob", "builder").await, Err(DirectoryError::Unavailable));
        let heard = String::from_utf8_lossy(&heard.await.unwrap()).into_owned();
        assert!(heard.contains("1.3.6.1.4.1.1466.20037") && !heard.contains("builder"), "{heard:?}");
    }
}

#[tokio::test]
async fn only_a_wrong_password_is_a_no_and_a_passing_result_is_not_remembered() {
    const TIME_LIMIT: u8 = 3;
    const OTHER: u8 = 80;
    const UNWILLING: u8 = 53;
    const NO_ACCESS: u8 = 50;
    let says = Arc::new([AtomicU8::new(0), AtomicU8::new(0)]);
    let said = Arc::clone(&says);
    let code = move |operation, _: &[u8]| Some(said[usize::from(operation == ASKS_SEARCH)].load(Ordering::Relaxed));
    let directory = directory(&server_saying(code).await, "refusal_cache_secs: 3600");
    for (round, (bind, search, expected)) in [
        (0, TIME_LIMIT, Err(DirectoryError::Unavailable)),
        (OTHER, 0, Err(DirectoryError::Unavailable)),
        (UNWILLING, 0, Err(DirectoryError::Withheld)),
        (0, NO_ACCESS, Err(DirectoryError::Withheld)),
        (49, 0, Ok(None)),
        (32, 0, Ok(None)),
    ]
    .into_iter()
    .enumerate()
    {
        says[0].store(bind, Ordering::Relaxed);
        says[1].store(search, Ordering::Relaxed);
        let user = format!("u{round}");
        assert_eq!(lookup(&directory, &user, "x").await, expected, "{bind} {search}");
        says.iter().for_each(|code| code.store(0, Ordering::Relaxed));
        let is_remembered = lookup(&directory, &user, "x").await == expected;
        assert_eq!(is_remembered, expected != Err(DirectoryError::Unavailable), "{bind} {search}");
    }
    assert_eq!(directory.stats().connections, 1, "nobody was shut out");
}

#[test]
fn a_runtime_that_has_ended_denies_and_blocks_nobody() {
    let directory = directory("ldap://127.0.0.1:1", "");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let handle = runtime.handle().clone();
    drop(runtime);
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let _entered = handle.enter();
        let found = directory.lookup("bob", "builder", Asker::Recheck).now_or_never();
        tell.send(found).unwrap();
    });
    let found = told.recv_timeout(PATIENCE).expect("it does not wait for itself");
    assert_eq!(found, Some(Err(DirectoryError::Unavailable)));
}

#[tokio::test]
async fn a_login_that_the_server_leaves_without_an_answer_shuts_nobody_out() {
    let holds = |question: &[u8], name: &[u8]| question.windows(name.len()).any(|part| part == name);
    let code = move |_, question: &[u8]| (!holds(question, b"uid=slow")).then_some(0);
    let directory = directory(&server_saying(code).await, "timeout_secs: 0.3\nretry_secs: 3600");
    let rights = || lookup(&directory, "bob", "builder");
    // Two connections, so that one waits while the other is lost.
    let (one, other) = tokio::join!(rights(), lookup(&directory, "alice", "x"));
    assert!(one.is_ok() && other.is_ok());
    for round in 0..3 {
        assert_eq!(lookup(&directory, "slow", "x").await, Err(DirectoryError::Unavailable));
        assert!(rights().await.is_ok(), "{round}");
    }
    assert_eq!(directory.stats().connections, 4, "only those that got no answer were replaced");
}
