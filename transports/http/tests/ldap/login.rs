//! Who is who, and what their groups give them.

use std::sync::Arc;

use eventhive_http::access::{Credentials, DirectoryError, Users};

use crate::slapd::program;
use crate::support::{block, lookup, pair, read, segments};

fn texts(texts: &[&str]) -> Option<Vec<String>> {
    Some(texts.iter().map(|text| (*text).to_owned()).collect())
}

#[tokio::test]
async fn a_user_has_the_rights_of_all_groups_that_all_patterns_find() {
    let (slapd, directory) = pair("");
    let rights = lookup(&directory, "alice", "wonder:land").await.unwrap().unwrap();
    assert_eq!(segments(&directory, "alice", "wonder:land").await, texts(&["git", "svn trunk", "unix"]));
    assert_eq!(rights.topics, ["bread"]);
    assert!(rights.may_see("git/x") && rights.may_see("trunk/svn") && !rights.may_see("svn"));
    assert!(rights.may_publish("bread") && !rights.may_publish("git"));
    assert_eq!(segments(&directory, "bob", "builder").await, texts(&["git"]));
    assert_eq!(segments(&directory, "lonely", "lonely").await, texts(&[]));
    // Asked as the user, below the base with all levels, for names alone.
    let log = slapd.log();
    assert!(log.contains(r#"BIND dn="uid=bob,ou=people,dc=example,dc=org" method=128"#), "{log}");
    assert!(log.contains(r#"SRCH base="dc=example,dc=org" scope=2 deref=0 filter="(memberUid=bob)""#), "{log}");
    assert!(log.contains("SRCH attr=1.1"), "{log}");
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_user_are_nobody() {
    let (_slapd, directory) = pair("");
    for (user, password) in [("alice", "wonder"), ("alice", "builder"), ("nobody", "x"), ("cn=admin", "admin")] {
        assert_eq!(segments(&directory, user, password).await, None, "{user}");
    }
    assert_eq!((directory.stats().asked, directory.stats().refused), (4, 4));
    assert_eq!(directory.stats().connections, 1, "a refused login costs no connection");
}

#[tokio::test]
async fn an_empty_password_is_refused_before_the_server_is_asked() {
    let (slapd, directory) = pair("");
    // The server would let it in.
    let mut whoami = program("ldapwhoami");
    whoami.args(["-x", "-H", &slapd.uri(), "-D", "uid=alice,ou=people,dc=example,dc=org", "-w", ""]);
    assert!(whoami.status().unwrap().success());
    let long = "x".repeat(2000);
    for (user, password) in [("alice", ""), ("", "x"), ("", ""), ("alice", &long), (&long, "x")] {
        assert_eq!(segments(&directory, user, password).await, None);
    }
    assert_eq!((directory.stats().lookups, directory.stats().asked, directory.stats().connections), (5, 0, 0));
}

#[tokio::test]
async fn a_name_is_never_syntax() {
    let (slapd, directory) = pair("");
    assert_eq!(segments(&directory, "o'neil (x),*", "special").await, texts(&["git"]), "{}", slapd.log());
    // Someone who is called `*` is not everyone.
    assert_eq!(segments(&directory, "*", "star").await, texts(&[]), "{}", slapd.log());
    for name in
        ["bob)(memberUid=*", "*)(uid=*))(|(uid=*", "bob,ou=people,dc=example,dc=org", "bob\0", "bob+cn=Bob", "b*b"]
    {
        assert_eq!(segments(&directory, name, "builder").await, None, "{name}");
    }
    assert_eq!(directory.stats().unanswered, 0, "{}", slapd.log());
}

#[tokio::test]
async fn a_user_of_the_access_list_is_never_looked_up() {
    let (_slapd, directory) = pair("");
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "bob: {password: listed, acl: {one: [listed]}}").unwrap();
    let users = Users::open(Some(file.path().to_owned()), Some(Arc::new(directory.clone()))).unwrap();
    let who = |user: &str, password: &str| Credentials { user: user.into(), password: password.to_owned().into() };
    let identity = users.identify(who("bob", "listed"), None).await.unwrap();
    assert!(identity.may_see("listed") && !identity.may_see("git"));
    let identity = users.identify(who("bob", "builder"), None).await.unwrap();
    assert!(!identity.may_see("listed") && !identity.may_see("git"));
    assert_eq!(directory.stats().lookups, 0);
    assert!(users.identify(who("alice", "wonder:land"), None).await.unwrap().may_see("git"));
    assert_eq!(directory.stats().lookups, 1);
}

#[tokio::test]
async fn a_search_that_the_server_refuses_gives_no_rights_and_harms_nobody_else() {
    let (slapd, directory) = pair("");
    let elsewhere = block(&slapd.uri(), "retry_secs: 3600").replace("base_scope: dc=example", "base_scope: dc=nowhere");
    let lost = read(&elsewhere);
    for _ in 0..2 {
        // Right as the password is: it may be the server's rules that will be changed.
        assert_eq!(lookup(&lost, "bob", "builder").await, Err(DirectoryError::Withheld));
    }
    assert_eq!((lost.stats().refused, lost.stats().connections), (2, 1));
    assert_eq!(segments(&directory, "bob", "builder").await, texts(&["git"]));
}
