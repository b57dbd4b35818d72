//! How much is asked, at a time and again.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use eventhive_conformance::proxy::{FaultProxy, Mode};
use eventhive_http::access::{Asker, DirectoryError};
use futures_util::future::join_all;

use crate::slapd::Slapd;
use crate::support::{ENTRIES, directory, lookup, lookup_for, pair, segments, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_logins_at_a_time_share_a_bounded_number_of_connections() {
    let slapd = Slapd::start(ENTRIES);
    let proxy = FaultProxy::start(([127, 0, 0, 1], slapd.port).into()).await.unwrap();
    let most = Arc::new(AtomicUsize::new(0));
    let (seen, mut open) = (Arc::clone(&most), proxy.open());
    tokio::spawn(async move {
        while open.changed().await.is_ok() {
            seen.fetch_max(*open.borrow_and_update(), Ordering::Relaxed);
        }
    });
    let directory = directory(&format!("ldap://{}", proxy.address()), "connections: 3\ntimeout_secs: 30");
    let logins = (0..300).map(|round| {
        let directory = directory.clone();
        tokio::spawn(async move {
            let password = if round % 2 == 0 { "builder".to_owned() } else { format!("wrong {round}") };
            (round, lookup(&directory, "bob", &password).await.unwrap().is_some())
        })
    });
    for login in join_all(logins).await {
        let (round, is_let_in) = login.unwrap();
        assert_eq!(is_let_in, round % 2 == 0, "{round}");
    }
    let stats = directory.stats();
    assert!(stats.asked > 150 && stats.unanswered == 0, "{stats:?}");
    assert!(stats.connections <= 3 && most.load(Ordering::Relaxed) <= 3, "{stats:?} {most:?}");
}

#[tokio::test]
async fn equal_logins_at_a_time_are_one() {
    let (_slapd, directory) = pair("");
    let found = join_all((0..100).map(|_| lookup(&directory, "bob", "builder"))).await;
    assert!(found.iter().all(|found| matches!(found, Ok(Some(rights)) if rights.may_see("git"))));
    assert_eq!((directory.stats().asked, directory.stats().shared), (1, 99));
}

#[tokio::test]
async fn logins_that_find_no_connection_in_time_are_told_to_come_later() {
    let slapd = Slapd::start(ENTRIES);
    let proxy = FaultProxy::start(([127, 0, 0, 1], slapd.port).into()).await.unwrap();
    proxy.set(Mode::Stall).await.unwrap();
    let directory =
        directory(&format!("ldap://{}", proxy.address()), "connections: 1\ntimeout_secs: 0.3\nretry_secs: 3600");
    let names: Vec<String> = (0..1200).map(|name| format!("u{name}")).collect();
    let found = join_all(names.iter().map(|name| lookup(&directory, name, "x"))).await;
    let busy = found.iter().filter(|found| **found == Err(DirectoryError::Busy)).count();
    // Those that there was no room for at once, and perhaps some whose time was over first.
    assert!(busy >= 1200 - 1024, "{busy}");
    assert!(found.iter().all(Result::is_err));
    assert!(directory.stats().connections <= 2, "the second that takes too long is the last");
}

#[tokio::test]
async fn one_address_that_floods_puts_only_itself_off() {
    let (_slapd, directory) = pair("timeout_secs: 30");
    let names: Vec<String> = (0..2000).map(|name| format!("u{name}")).collect();
    let flooder = Asker::Client(Some("192.0.2.1".parse().unwrap()));
    let flood = join_all(names.iter().map(|name| lookup_for(&directory, name, "x", flooder)));
    // All are asked before one is answered: on this runtime nothing goes on meanwhile.
    let (flood, other) = tokio::join!(flood, segments(&directory, "bob", "builder"));
    assert_eq!(flood.iter().filter(|found| **found == Err(DirectoryError::Busy)).count(), 2000 - 32);
    assert_eq!(other.unwrap(), ["git"]);
    assert_eq!(lookup_for(&directory, "u", "x", flooder).await, Ok(None), "it gets its places back");
}

#[tokio::test]
async fn a_recheck_finds_its_way_through_any_flood() {
    let slapd = Slapd::start(ENTRIES);
    let proxy = FaultProxy::start(([127, 0, 0, 1], slapd.port).into()).await.unwrap();
    proxy.set(Mode::Stall).await.unwrap();
    let directory = directory(&format!("ldap://{}", proxy.address()), "connections: 1\ntimeout_secs: 30");
    let names: Vec<String> = (0..1200).map(|name| format!("u{name}")).collect();
    let mut flood = Box::pin(join_all(names.iter().map(|name| lookup(&directory, name, "x"))));
    assert!(futures_util::poll!(&mut flood).is_pending());
    assert_eq!(lookup(&directory, "bob", "builder").await, Err(DirectoryError::Busy), "there is no room for clients");
    let recheck = lookup_for(&directory, "bob", "builder", Asker::Recheck);
    let passes = async { proxy.set(Mode::Pass).await.unwrap() };
    let (found, ()) = tokio::join!(recheck, passes);
    assert!(found.unwrap().unwrap().may_see("git"));
    let asked = directory.stats().asked;
    assert!(asked < 100, "it waited for {asked} others");
    drop(flood);
}

#[tokio::test]
async fn a_login_is_remembered_for_a_while_and_a_wrong_one_too() {
    let (slapd, directory) = pair("cache_secs: 3600\nrefusal_cache_secs: 3600");
    for _ in 0..3 {
        assert_eq!(segments(&directory, "bob", "builder").await.unwrap(), ["git"]);
        assert_eq!(segments(&directory, "bob", "wrong").await, None);
    }
    assert_eq!((directory.stats().asked, directory.stats().remembered), (2, 4));
    // The name and the password together, wherever one ends.
    assert_eq!(segments(&directory, "bobb", "uilder").await, None);
    assert_eq!(slapd.log().matches("method=128").count(), 3);
}

#[tokio::test]
async fn who_is_taken_out_of_a_group_loses_its_rights_after_the_time_of_the_cache() {
    let (slapd, directory) = pair("cache_secs: 0.2");
    assert_eq!(segments(&directory, "bob", "builder").await.unwrap(), ["git"]);
    slapd.modify(
        "dn: cn=staff,ou=groups,dc=example,dc=org\nchangetype: modify\ndelete: member\n\
         member: uid=bob,ou=people,dc=example,dc=org\n",
    );
    let directory = &directory;
    let has_lost = || async move { segments(directory, "bob", "builder").await == Some(Vec::new()) };
    until("the rights are gone", has_lost).await;
    slapd.modify(
        "dn: uid=bob,ou=people,dc=example,dc=org\nchangetype: modify\nreplace: userPassword\nuserPassword: new\n",
    );
    until("the old password is wrong", || async move { segments(directory, "bob", "builder").await.is_none() }).await;
    assert!(segments(directory, "bob", "new").await.is_some());
}

#[tokio::test]
async fn connections_that_nobody_uses_are_closed() {
    let slapd = Slapd::start(ENTRIES);
    let proxy = FaultProxy::start(([127, 0, 0, 1], slapd.port).into()).await.unwrap();
    let directory = directory(&format!("ldap://{}", proxy.address()), "idle_secs: 0.1");
    assert!(lookup(&directory, "bob", "builder").await.is_ok());
    let mut open = proxy.open();
    tokio::time::timeout(crate::support::PATIENCE, open.wait_for(|open| *open == 0)).await.unwrap().unwrap();
    assert!(lookup(&directory, "bob", "builder").await.is_ok());
    assert_eq!(directory.stats().connections, 2);
    assert!(slapd.log().contains("UNBIND"), "{}", slapd.log());
}
