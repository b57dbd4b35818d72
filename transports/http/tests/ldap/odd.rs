//! Servers that answer what no LDAP server should.

use eventhive_http::access::DirectoryError;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::support::{directory, lookup};

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
