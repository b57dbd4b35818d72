//! Encrypted connections: to whom, and to whom not.

use eventhive_http::access::DirectoryError;

use crate::slapd::Slapd;
use crate::support::{ENTRIES, directory, lookup, segments};

#[tokio::test]
async fn ldaps_and_starttls_work_with_a_certificate_that_is_trusted() {
    let slapd = Slapd::start(ENTRIES);
    let trusted = format!("tls_ca: {}", slapd.ca());
    let ldaps = directory(&slapd.tls_uri(), &trusted);
    assert_eq!(segments(&ldaps, "bob", "builder").await.unwrap(), ["git"]);
    let starttls = directory(&slapd.uri(), &format!("starttls: true\n{trusted}"));
    assert_eq!(segments(&starttls, "bob", "builder").await.unwrap(), ["git"]);
    assert_eq!(segments(&starttls, "bob", "wrong").await, None);
    let log = slapd.log();
    assert!(log.contains("STARTTLS") && log.matches("TLS established").count() == 2, "{log}");
}

#[tokio::test]
async fn a_certificate_of_someone_else_is_refused_and_no_password_is_said() {
    let slapd = Slapd::start(ENTRIES);
    let stranger = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap().cert.pem();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), stranger).unwrap();
    let (right, wrong) = (format!("tls_ca: {}", slapd.ca()), format!("tls_ca: {}", file.path().display()));
    // The certificate is for `localhost`, so it is not for the address.
    let [ldaps, ldap] = [slapd.tls_uri(), slapd.uri()].map(|uri| uri.replace("localhost", "127.0.0.1"));
    for (uri, more) in [
        (slapd.tls_uri(), wrong.clone()),
        (slapd.uri(), format!("starttls: true\n{wrong}")),
        (ldaps, right.clone()),
        (ldap, format!("starttls: true\n{right}")),
    ] {
        let directory = directory(&uri, &more);
        assert_eq!(lookup(&directory, "bob", "builder").await, Err(DirectoryError::Unavailable), "{uri} {more}");
    }
    assert!(!slapd.log().contains("BIND"), "{}", slapd.log());
}

#[tokio::test]
async fn a_server_that_speaks_no_tls_where_it_should_is_refused() {
    let slapd = Slapd::start(ENTRIES);
    let plain = slapd.uri().replace("ldap:", "ldaps:");
    let directory = directory(&plain, &format!("tls_ca: {}\ntimeout_secs: 2", slapd.ca()));
    assert_eq!(lookup(&directory, "bob", "builder").await, Err(DirectoryError::Unavailable));
    assert!(!slapd.log().contains("BIND"), "{}", slapd.log());
}
