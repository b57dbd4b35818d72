//! Who gets in, and how: passwords, ACL, unix sockets, TLS.

use std::path::{Path, PathBuf};

use eventhive_transport::settings::Value;
use eventhive_transport::{Delivery, Filter, Link, LinkError, LinkState, RefusedReason};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

use crate::server::{Port, Server};
use crate::support::{
    Given, at, collect, connect, link, listen, message, number, publish, text, texts, try_collect, until, until_down,
    with,
};

async fn works(link: &dyn Link) {
    let mut received = collect(link, "net/*").await;
    assert_eq!(publish(link, "net/a", "x").await, Ok(Delivery::Counted(1)));
    assert_eq!(received.next().await, message("net/a", "x"));
}

async fn gives_up(given: &Given, why: &str) -> String {
    let link = connect(given);
    let state = until(&*link, |state| matches!(state, LinkState::Down { gave_up: true, .. })).await;
    let told = state.to_string();
    assert!(told.contains(why), "{told}");
    // Nobody waits for what will never come.
    let refused = try_collect(&*link, Filter::exact("a")).await.map(drop).unwrap_err();
    assert!(matches!(refused, LinkError::Rejected(_)), "{refused:?}");
    assert_eq!(link.publish("a".into(), "x".into()).unwrap_err().reason, RefusedReason::Down);
    link.close().await;
    told
}

#[tokio::test]
async fn a_password_lets_in_and_a_wrong_one_is_not_tried_again() {
    let server = Server::with(&["--requirepass", "open-sesame"]);
    works(&*link(&with(at(&server), [("password", text("open-sesame"))])).await).await;
    let url = format!("redis://:open-sesame@127.0.0.1:{}", server.port());
    works(&*link(&vec![("url", text(url))]).await).await;
    let told = gives_up(&at(&server), "add `password`").await;
    assert!(told.ends_with("the server asks for a password: add `password`"), "{told}");
    let told = gives_up(&with(at(&server), [("password", text("hunter2"))]), "WRONGPASS").await;
    assert!(told.ends_with("(check `username` and `password`)") && !told.contains("hunter2"), "{told}");
}

#[tokio::test]
async fn a_server_of_another_kind_is_told_with_the_fix() {
    let server = Server::start();
    let address = || texts([server.address().to_string()]);
    for (given, fix) in [
        (vec![("sentinels", address()), ("service_name", text("m"))], "this is no Sentinel: check `sentinels`"),
        (
            vec![("nodes", address()), ("cluster", Value::Bool(true)), ("sharded", Value::Bool(true))],
            "this is no cluster: remove `cluster`",
        ),
        (with(at(&server), [("ssl", Value::Bool(true)), ("socket_connect_timeout", number(1))]), "speak TLS?"),
    ] {
        let told = until_down(&*connect(&given)).await.to_string();
        assert!(told.contains(fix), "{told}");
    }
    let secured = Secured::start("no");
    let plain = vec![("host", text("localhost")), ("port", number(secured.server.port()))];
    let told = until_down(&*connect(&plain)).await.to_string();
    assert!(told.contains("add `ssl: true`"), "{told}");
    let closed = Server::with(&["--requirepass", "open-sesame"]);
    let guarded = vec![("sentinels", texts([closed.address().to_string()])), ("service_name", text("m"))];
    gives_up(&guarded, "add `sentinel_password`").await;
    gives_up(&with(guarded, [("sentinel_password", text("x"))]), "check `sentinel_username`").await;
}

#[tokio::test]
async fn an_acl_users_limits_are_refusals_and_cost_the_link_nothing() {
    let server = Server::start();
    let _: () = server.ask(&["ACL", "SETUSER", "hive", "on", ">secret", "resetchannels", "&net/*", "+@all"]);
    let link = link(&with(at(&server), [("username", text("hive")), ("password", text("secret"))])).await;
    let refused = publish(&*link, "other/a", "x").await.unwrap_err();
    assert!(matches!(&refused, LinkError::Rejected(reason) if reason.contains("NOPERM")), "{refused:?}");
    for filter in [Filter::exact("other/a"), Filter::All] {
        let refused = try_collect(&*link, filter).await.map(drop).unwrap_err();
        assert!(matches!(&refused, LinkError::Rejected(reason) if reason.contains("NOPERM")), "{refused:?}");
    }
    works(&*link).await;
    let _: () = server.ask(&["ACL", "SETUSER", "hive", "resetchannels", "&net/b"]);
    // Redis closes the connection of a user that lost a channel it listens on; what is still allowed stands again.
    let mut received = listen(&*link, "net/b").await;
    until(&*link, LinkState::is_up).await;
    assert_eq!(publish(&*link, "net/b", "x").await, Ok(Delivery::Counted(1)));
    assert_eq!(received.payload().await, "x");
}

#[tokio::test]
async fn a_unix_socket_is_a_way_in() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("redis.sock");
    let server = Server::with(&["--unixsocket", socket.to_str().unwrap()]);
    let given = vec![("unix_socket_path", text(socket.to_str().unwrap()))];
    let link = link(&given).await;
    works(&*link).await;
    server.kill();
    until_down(&*link).await;
    server.resume();
    until(&*link, LinkState::is_up).await;
    works(&*link).await;
    works(&*crate::support::link(&vec![("url", text(format!("unix://{}", socket.display())))]).await).await;
}

/// A server that speaks TLS only, and the files of its authority and of a client.
struct Secured {
    server: Server,
    files: tempfile::TempDir,
}

fn write(directory: &Path, name: &str, content: &str) -> PathBuf {
    let path = directory.join(name);
    std::fs::write(&path, content).unwrap();
    path
}

impl Secured {
    fn start(clients: &str) -> Self {
        let files = tempfile::tempdir().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, "an authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        write(files.path(), "ca.pem", &authority.pem());
        for (name, host) in [("server", "localhost"), ("client", "hive")] {
            let key = KeyPair::generate().unwrap();
            let mut params = CertificateParams::new(vec![host.into()]).unwrap();
            // The same name as the authority's would look like a certificate that signed itself.
            params.distinguished_name.push(DnType::CommonName, host);
            let certificate = params.signed_by(&key, &authority).unwrap();
            write(files.path(), &format!("{name}.pem"), &certificate.pem());
            write(files.path(), &format!("{name}.key"), &key.serialize_pem());
        }
        let path = |name: &str| files.path().join(name).to_str().unwrap().to_owned();
        let options = [
            ["--tls-cert-file", &path("server.pem")],
            ["--tls-key-file", &path("server.key")],
            ["--tls-ca-cert-file", &path("ca.pem")],
            ["--tls-auth-clients", clients],
        ];
        let server = Server::with_tls(&options.concat());
        Self { server, files }
    }

    fn path(&self, name: &str) -> Value {
        text(self.files.path().join(name).to_str().unwrap())
    }

    fn given(&self) -> Given {
        let port = number(self.server.port());
        let ssl = Value::Bool(true);
        vec![("host", text("localhost")), ("port", port), ("ssl", ssl), ("ssl_ca_certs", self.path("ca.pem"))]
    }
}

#[tokio::test]
async fn tls_trusts_the_authority_it_is_given_and_no_other() {
    let secured = Secured::start("no");
    works(&*link(&secured.given()).await).await;
    let by_directory = secured.given().into_iter().filter(|(key, _)| *key != "ssl_ca_certs").collect();
    works(&*link(&with(by_directory, [("ssl_ca_path", text(secured.files.path().to_str().unwrap()))])).await).await;
    let strange = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap().cert.pem();
    let port = number(secured.server.port());
    let given = vec![("host", text("localhost")), ("port", port), ("ssl", Value::Bool(true))];
    let link = connect(&with(given, [("ssl_ca_data", text(strange))]));
    let told = until_down(&*link).await.to_string();
    assert!(told.contains("certificate"), "{told}");
    link.close().await;
}

#[tokio::test]
async fn tls_checks_the_hosts_name_unless_told_otherwise() {
    let secured = Secured::start("no");
    let by_address = |more: Given| {
        let others = secured.given().into_iter().filter(|(key, _)| *key != "host");
        with(others.collect(), [("host", text("127.0.0.1"))].into_iter().chain(more))
    };
    let link = connect(&by_address(vec![]));
    let told = until_down(&*link).await.to_string();
    assert!(told.contains("not valid for name") || told.contains("NotValidForName"), "{told}");
    works(&*crate::support::link(&by_address(vec![("ssl_check_hostname", Value::Bool(false))])).await).await;
    let port = secured.server.port();
    works(&*crate::support::link(&vec![("url", text(format!("rediss://127.0.0.1:{port}/#insecure")))]).await).await;
}

#[tokio::test]
async fn a_server_that_asks_for_a_clients_certificate_gets_it() {
    let secured = Secured::start("yes");
    let certificate = [("ssl_certfile", secured.path("client.pem")), ("ssl_keyfile", secured.path("client.key"))];
    works(&*link(&with(secured.given(), certificate)).await).await;
    until_down(&*connect(&secured.given())).await;
    let missing = [("ssl_certfile", secured.path("no.pem")), ("ssl_keyfile", secured.path("client.key"))];
    let told = until_down(&*connect(&with(secured.given(), missing))).await.to_string();
    assert!(told.contains("no.pem"), "{told}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_tried_again() {
    let port = Port::free();
    let given = vec![("host", text("127.0.0.1")), ("port", number(port.number()))];
    let state = until_down(&*connect(&given)).await;
    assert!(matches!(&state, LinkState::Down { gave_up: false, reason } if reason.contains("refused")), "{state}");
}
