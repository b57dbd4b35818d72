//! The rules, by the vectors of the original and beyond.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use eventhive_hub::{Cursor, Message};
use futures_util::future::BoxFuture;
use zeroize::Zeroizing;

use super::file::SETTLED;
use super::logins::{MOST_OF_ADDRESS, MOST_WAIT};
use super::*;
use crate::wire::target;
use crate::wire::topics::{self, EventPath};

fn vectors() -> serde_json::Value {
    serde_json::from_str(include_str!("../../tests/vectors/pypubsub.json")).unwrap()
}

/// The users of a list, and its file, which lives as long as what is returned first.
fn users(text: &str, directory: Option<Arc<dyn Directory>>) -> (tempfile::NamedTempFile, Arc<Users>) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    let users = Users::open(Some(file.path().to_owned()), directory).unwrap();
    (file, Arc::new(users))
}

fn who(user: &str, password: &str) -> Credentials {
    Credentials { user: user.into(), password: Zeroizing::new(password.into()) }
}

#[tokio::test]
async fn every_row_of_the_vectors_says_who_sees_which_private_event() {
    let all = vectors();
    let (_file, users) = users(all["_about"]["acl_yaml"].as_str().unwrap(), None);
    let rows = all["private_events"]["rows"].as_array().unwrap();
    assert!(rows.len() > 250);
    let as_testuser = |event: &serde_json::Value, subscription: &serde_json::Value| {
        rows.iter().find(|row| row[0] == "testuser" && row[2] == *subscription && row[3] == *event).unwrap()[4].clone()
    };
    for row in rows {
        let text = |at: usize| row[at].as_str().unwrap();
        let path = target::path_of(text(3)).into_owned();
        let event = EventPath::new(&path);
        let topic = event.topic();
        let identity = match row[1].as_str().and_then(Credentials::read) {
            Some(credentials) => users.identify(credentials, None).await.unwrap(),
            None => Identity::nobody(),
        };
        let seen = !event.private || identity.may_see(topic.as_str().unwrap());
        let delivered = seen && topics::subscription(&target::path_of(text(2))).matches(&topic);
        // The original knows no `basic`; accepting it takes nothing from anyone.
        let expected = if row[0] == "lower-case scheme" { as_testuser(&row[3], &row[2]) } else { row[4].clone() };
        assert_eq!(expected, delivered, "{row}");
    }
}

#[tokio::test]
async fn secured_topics_are_for_users_who_have_them_all_and_not_for_payloaders() {
    let (_file, users) = users(vectors()["_about"]["acl_yaml"].as_str().unwrap(), None);
    let access = Access {
        payloaders: Networks::parse(["127.0.0.1"]).unwrap(),
        secure_topics: vec!["bread".into(), "syrup".into()],
        users: Some(users),
    };
    let (local, far) = (Some("127.0.0.1".parse().unwrap()), Some("10.0.0.1".parse().unwrap()));
    for (peer, path, credentials, allowed) in [
        (local, "/fruits", None, true),
        (far, "/fruits", Some(who("both", "p:w")), false),
        (None, "/fruits", None, false),
        (local, "/bread/x", None, false),
        (far, "/bread/x", Some(who("testuser", "foobar")), true),
        (far, "/bread/syrup", Some(who("testuser", "foobar")), false),
        (far, "/bread/syrup", Some(who("both", "p:w")), true),
        (local, "/bread", Some(who("both", "nope")), false),
        (local, "/private/bread", None, false),
        (local, "/bread,x", None, true),
    ] {
        let identity = access.identify(credentials.clone().map(Claim::Login), peer).await.unwrap();
        assert_eq!(access.may_publish(peer, path, &identity), allowed, "{path} {credentials:?}");
    }
}

#[tokio::test]
async fn a_changed_file_is_taken_when_it_is_whole_and_a_broken_one_never() {
    let (file, users) = users("u: {password: one, acl: {all: []}}", None);
    let write = |text: &str, age: u64| {
        std::fs::write(file.path(), text).unwrap();
        let then = SystemTime::now() - std::time::Duration::from_secs(age);
        std::fs::File::options().write(true).open(file.path()).unwrap().set_modified(then).unwrap();
    };
    let before = users.identify(who("u", "one"), None).await.unwrap();
    let after = users.identify(who("u", "two"), None).await.unwrap();
    let now = |topic| (before.may_see(topic), after.may_see(topic));
    assert_eq!(now("a"), (true, false));
    let start = Instant::now();
    write("u: {password: two, acl: {all: []}}", 100);
    users.follow(start);
    users.follow(start + SETTLED / 2);
    assert_eq!(now("a"), (true, false), "it may still be being written");
    users.follow(start + SETTLED);
    assert_eq!(now("a"), (false, true), "who is here already loses and gains");
    write("u: {password: [", 50);
    users.follow(start);
    users.follow(start + SETTLED);
    assert_eq!(now("a"), (false, true));
    assert!(users.identify(who("u", "two"), None).await.unwrap().may_see("a"));
    assert!(matches!(Users::open(Some("/no/such/file".into()), None), Err(AclError::File { .. })));
}

#[tokio::test]
async fn an_identity_follows_the_list_and_its_viewer_too() {
    let (file, users) = users("u: {password: one, acl: {one: [a]}, topics: [t]}", None);
    let known = users.identify(who("u", "one"), None).await.unwrap();
    let unknown = users.identify(who("later", "x"), None).await.unwrap();
    let (viewer, viewer_of_unknown) = (known.viewer().unwrap(), unknown.viewer().unwrap());
    let draft = eventhive_hub::Draft::json("a/b", "{}");
    let message = Message::stamped(draft, uuid::Uuid::nil(), SystemTime::UNIX_EPOCH, Cursor::origin());
    assert!(viewer.may_see(&message) && known.may_publish(["t"].into_iter()));
    assert!(!viewer_of_unknown.may_see(&message));
    std::fs::write(file.path(), "later: {password: x, acl: {one: [b]}}").unwrap();
    users.reload().unwrap();
    assert!(!viewer.may_see(&message) && !known.may_publish(["t"].into_iter()));
    assert!(viewer_of_unknown.may_see(&message));
    std::fs::write(file.path(), "u: {password: one, acl: {one: [b]}}").unwrap();
    users.reload().unwrap();
    assert!(viewer.may_see(&message) && !viewer_of_unknown.may_see(&message));
}

/// Knows one user, and writes down who was asked for.
#[derive(Debug, Default)]
struct Book(std::sync::Mutex<Vec<String>>);

impl Directory for Book {
    fn lookup<'a>(
        &'a self,
        user: &'a str,
        password: &'a str,
        _asker: Asker,
    ) -> BoxFuture<'a, Result<Option<Arc<Rights>>, DirectoryError>> {
        self.0.lock().unwrap().push(user.to_owned());
        Box::pin(async move {
            match (user, password) {
                ("bob", "builder") => Ok(Some(Arc::new(Rights { segments: vec![vec!["a".into()]], topics: vec![] }))),
                ("many", _) => Err(DirectoryError::Busy),
                ("lost", _) => Err(DirectoryError::Unavailable),
                _ => Ok(None),
            }
        })
    }
}

#[tokio::test]
async fn the_directory_is_asked_only_for_users_that_the_list_does_not_have() {
    let book = Arc::new(Book::default());
    let (file, users) = users("listed: {password: p, acl: {}}\nbroken: {password: p}", Some(Arc::clone(&book) as _));
    for (user, password, seen) in [
        ("listed", "p", false),
        ("listed", "wrong", false),
        ("broken", "p", false),
        ("bob", "wrong", false),
        ("bob", "builder", true),
        ("lost", "", false),
    ] {
        let identity = users.identify(who(user, password), None).await.unwrap();
        assert_eq!(identity.may_see("a"), seen, "{user} {password}");
    }
    assert_eq!(*book.0.lock().unwrap(), ["bob", "bob", "lost"]);
    assert_eq!(users.identify(who("many", ""), None).await.unwrap_err(), Busy);
    // What the list says of a user goes before what the directory said, as soon as it says it.
    let bob = users.identify(who("bob", "builder"), None).await.unwrap();
    for (list, seen) in [
        ("bob: {password: other, acl: {all: []}}", false),
        ("", true),
        ("bob: {password: builder, acl: {c: [c]}}", false),
    ] {
        std::fs::write(file.path(), list).unwrap();
        users.reload().unwrap();
        assert_eq!(bob.may_see("a"), seen, "{list}");
    }
    assert!(bob.may_see("c"));
}

#[tokio::test]
async fn those_who_are_gone_are_forgotten() {
    let (_file, users) = users("u: {password: p, acl: {}}", None);
    let kept = users.identify(who("u", "p"), None).await.unwrap();
    for _ in 0..1000 {
        users.identify(who("u", "p"), None).await.unwrap();
    }
    assert!(users.remembered() <= 128);
    drop(kept);
}

/// Hashes of `p`, with costs for tests.
const ARGON2: &str = "$argon2id$v=19$m=64,t=1,p=1$sCGqt2PObNcvvoo+/b2GFg$JFkFta8WYeXImDwmx0JGX65Q3woKBdK04qpu1kRGxPs";
const BCRYPT: &str = "$2b$04$E4sFe19RV5jywIUqJPd6A.yFcrrnid04YDAD6S/JJY8isTqbgnFVe";

#[tokio::test]
async fn passwords_are_plain_or_hashes_and_a_broken_hash_fits_nothing() {
    let list = format!(
        "plain: {{password: p, acl: {{all: []}}}}\n\
         argon2: {{password: '{ARGON2}', acl: {{all: []}}}}\n\
         bcrypt: {{password: '{BCRYPT}', acl: {{all: []}}}}\n\
         broken: {{password: $argon2id$v=19$p, acl: {{all: []}}}}\n"
    );
    let (_file, users) = users(&list, None);
    for (user, password, seen) in [
        ("plain", "p", true),
        ("plain", "q", false),
        ("argon2", "p", true),
        ("argon2", "q", false),
        ("argon2", ARGON2, false),
        ("bcrypt", "p", true),
        ("bcrypt", "q", false),
        ("broken", "$argon2id$v=19$p", false),
        ("nobody", "p", false),
        ("nobody", "", false),
    ] {
        for _ in 0..2 {
            let identity = users.identify(who(user, password), None).await.unwrap();
            assert_eq!(identity.may_see("a"), seen, "{user} {password}");
        }
    }
    assert_eq!(users.warnings().len(), 2);
}

#[tokio::test]
async fn a_plain_password_that_becomes_a_hash_costs_no_open_stream_its_rights() {
    let (file, users) = users("u: {password: p, acl: {all: []}}", None);
    let right = users.identify(who("u", "p"), None).await.unwrap();
    let wrong = users.identify(who("u", "q"), None).await.unwrap();
    let late = users.identify(who("late", "p"), None).await.unwrap();
    for (list, rights) in [
        (format!("u: {{password: '{ARGON2}', acl: {{all: []}}}}"), (true, false, false)),
        (
            format!("u: {{password: '{BCRYPT}', acl: {{all: []}}}}\nlate: {{password: '{ARGON2}', acl: {{all: []}}}}"),
            (true, false, true),
        ),
        ("u: {password: q, acl: {all: []}}".to_owned(), (false, true, false)),
        (format!("u: {{password: '{ARGON2}', acl: {{one: [b]}}}}"), (false, false, false)),
    ] {
        std::fs::write(file.path(), &list).unwrap();
        users.reload().unwrap();
        assert_eq!((right.may_see("a"), wrong.may_see("a"), late.may_see("a")), rights, "{list}");
    }
    assert!(right.may_see("b"));
}

#[tokio::test]
async fn logins_beyond_the_bound_are_put_off_and_those_that_were_right_lately_are_not() {
    let (_file, users) = users(&format!("u: {{password: '{ARGON2}', acl: {{all: []}}}}"), None);
    let address = |last: usize| Some(std::net::IpAddr::from([192, 0, 2, u8::try_from(last).unwrap()]));
    assert!(users.identify(who("u", "p"), address(1)).await.unwrap().may_see("a"));
    let turns = users.logins().occupy();
    let flood = |from: usize, number: usize| {
        let users = Arc::clone(&users);
        tokio::spawn(async move { users.identify(who("u", &format!("{from} {number}")), address(from)).await })
    };
    let mut waiting = Vec::new();
    for from in 2..2 + MOST_WAIT / MOST_OF_ADDRESS {
        let mut logins: Vec<_> = (0..MOST_OF_ADDRESS).map(|number| flood(from, number)).collect();
        // The same again waits for the same check.
        logins.push(flood(from, 0));
        while users.logins().waiting() < (from - 1) * MOST_OF_ADDRESS {
            tokio::task::yield_now().await;
        }
        if from == 2 {
            assert_eq!(flood(from, MOST_OF_ADDRESS).await.unwrap().unwrap_err(), Busy, "of one address");
        }
        waiting.extend(logins);
    }
    assert_eq!(users.identify(who("u", "new"), address(99)).await.unwrap_err(), Busy, "all together");
    assert_eq!(users.identify(who("unknown", "p"), address(99)).await.unwrap_err(), Busy, "unknown users wait as well");
    assert!(users.identify(who("u", "p"), address(2)).await.unwrap().may_see("a"), "it was right lately");
    drop(turns);
    for login in waiting {
        assert!(!login.await.unwrap().unwrap().may_see("a"));
    }
    assert_eq!(users.logins().waiting(), 0);
}

#[test]
fn every_row_of_the_vectors_says_who_is_in_a_network() {
    let all = vectors();
    let rows = all["payloader_cidr"]["rows"].as_array().unwrap();
    assert!(rows.len() > 50);
    for row in rows {
        let (entry, address) = (row[0].as_str().unwrap(), row[1].as_str().unwrap().parse().unwrap());
        match Networks::parse([entry]) {
            Ok(payloaders) => assert_eq!(row[2], payloaders.contain(address), "{row}"),
            Err(_) => assert_eq!(row[2], "AddrFormatError", "{row}"),
        }
    }
}

/// Says the same of everyone, until it says something else; counts how often it is asked.
#[derive(Debug)]
struct Oracle(std::sync::Mutex<(Answer, usize)>);

type Answer = Result<Option<Arc<Rights>>, DirectoryError>;

impl Directory for Oracle {
    fn lookup<'a>(
        &'a self,
        _user: &'a str,
        _password: &'a str,
        _asker: Asker,
    ) -> BoxFuture<'a, Result<Option<Arc<Rights>>, DirectoryError>> {
        let mut said = self.0.lock().unwrap();
        said.1 += 1;
        let said = said.0.clone();
        Box::pin(async move { said })
    }

    fn recheck(&self) -> Option<Duration> {
        Some(Duration::from_secs(10))
    }
}

#[tokio::test]
async fn the_directory_is_asked_again_about_those_who_stay() {
    let rights = |topic: &str| Ok(Some(Arc::new(Rights { segments: vec![vec![topic.into()]], topics: vec![] })));
    let oracle = Arc::new(Oracle(std::sync::Mutex::new((Err(DirectoryError::Unavailable), 0))));
    let says = |said| *oracle.0.lock().unwrap() = (said, 0);
    let (_file, users) = users("listed: {password: p, acl: {}}", Some(Arc::clone(&oracle) as _));
    let early = users.identify(who("early", "x"), None).await.unwrap();
    let _listed = users.identify(who("listed", "p"), None).await.unwrap();
    says(rights("a"));
    let late = users.identify(who("late", "x"), None).await.unwrap();
    drop(users.identify(who("gone", "x"), None).await.unwrap());
    users.recheck().await;
    assert!(early.may_see("a"), "who came while it could not be asked gains what it says now");
    assert_eq!(oracle.0.lock().unwrap().1, 4, "neither who is in the list nor who is gone is asked about");
    says(rights("b"));
    users.recheck().await;
    assert!([&early, &late].iter().all(|who| who.may_see("b") && !who.may_see("a")));
    for said in [Err(DirectoryError::Unavailable), Err(DirectoryError::Busy)] {
        says(said);
        users.recheck().await;
        assert!(early.may_see("b"), "they keep what they have while it cannot say");
    }
    says(Err(DirectoryError::Withheld));
    users.recheck().await;
    assert!(!early.may_see("b") && oracle.0.lock().unwrap().1 == 2, "without rights while it will not have them");
    says(rights("b"));
    users.recheck().await;
    assert!(early.may_see("b") && late.may_see("b"), "and not for good");
    says(Ok(None));
    users.recheck().await;
    assert!([&early, &late].iter().all(|who| !who.may_see("b")));
    says(rights("a"));
    users.recheck().await;
    assert!(!early.may_see("a") && oracle.0.lock().unwrap().1 == 0, "who was refused is not tried again");
}

/// Is busy the second time, and writes down for whom it was asked.
#[derive(Debug, Default)]
struct Crowded(std::sync::Mutex<Vec<Asker>>);

impl Directory for Crowded {
    fn lookup<'a>(&'a self, _user: &'a str, _password: &'a str, asker: Asker) -> BoxFuture<'a, Answer> {
        let mut asked = self.0.lock().unwrap();
        asked.push(asker);
        let answer = if asked.len() == 2 { Err(DirectoryError::Busy) } else { Ok(Some(Arc::default())) };
        Box::pin(async move { answer })
    }
}

#[tokio::test]
async fn a_busy_directory_is_asked_again_at_once_about_those_who_stay_and_knows_for_whom() {
    let directory = Arc::new(Crowded::default());
    let (_file, users) = users("", Some(Arc::clone(&directory) as _));
    let peer = Some("192.0.2.7".parse().unwrap());
    let _who = users.identify(who("u", "x"), peer).await.unwrap();
    users.recheck().await;
    assert_eq!(*directory.0.lock().unwrap(), [Asker::Client(peer), Asker::Recheck, Asker::Recheck]);
}

/// Answers rechecks when three wait for it.
#[derive(Debug)]
struct Three(tokio::sync::Barrier);

impl Directory for Three {
    fn lookup<'a>(&'a self, _user: &'a str, _password: &'a str, asker: Asker) -> BoxFuture<'a, Answer> {
        Box::pin(async move {
            if asker == Asker::Recheck {
                self.0.wait().await;
            }
            Ok(Some(Arc::default()))
        })
    }

    fn rechecks_at_a_time(&self) -> usize {
        3
    }
}

#[tokio::test]
async fn those_who_stay_are_asked_about_as_many_at_a_time_as_the_directory_takes() {
    let (_file, users) = users("", Some(Arc::new(Three(tokio::sync::Barrier::new(3))) as _));
    let mut stay = Vec::new();
    for name in 0..9 {
        stay.push(users.identify(who(&name.to_string(), "x"), None).await.unwrap());
    }
    tokio::time::timeout(Duration::from_secs(20), users.recheck()).await.expect("three are asked about at a time");
}

#[tokio::test]
async fn it_is_time_to_ask_again_once_in_a_period_and_never_without_a_directory() {
    let oracle = Arc::new(Oracle(std::sync::Mutex::new((Ok(None), 0))));
    let (_file, users) = users("", Some(oracle as _));
    let (start, period) = (Instant::now(), Duration::from_secs(10));
    let times = [start, start + period / 2, start + period, start + period, start + period * 2];
    assert_eq!(times.map(|time| users.is_to_be_rechecked(time)), [false, false, true, false, true]);
    let (_file, alone) = super::tests::users("", None);
    assert!(!alone.is_to_be_rechecked(start) && !alone.is_to_be_rechecked(start + period * 9));
}

#[tokio::test]
async fn a_token_stands_for_its_user_for_as_long_as_the_list_says_so() {
    let hash = token::hash("hive-0123456789abcdef").unwrap();
    let (file, users) = users(
        &format!("robot: {{tokens: ['{hash}', hive-plain-0123456789], acl: {{all: []}}, topics: [bread]}}"),
        None,
    );
    let claim = |token: &str| Claim::read(&format!("Bearer {token}")).unwrap();
    for (token, seen) in [
        ("hive-0123456789abcdef", true),
        ("hive-plain-0123456789", true),
        ("hive-0123456789abcdeg", false),
        (&*hash, false),
        (hash.strip_prefix("sha256:").unwrap(), false),
    ] {
        let identity = users.identify(claim(token), None).await.unwrap();
        assert_eq!((identity.may_see("a"), identity.may_publish(["bread"].into_iter())), (seen, seen), "{token}");
    }
    // Its name opens nothing without a password.
    assert!(!users.identify(who("robot", ""), None).await.unwrap().may_see("a"));
    let robot = users.identify(claim("hive-0123456789abcdef"), None).await.unwrap();
    let other = users.identify(claim("hive-other-0123456789"), None).await.unwrap();
    for (list, seen) in [
        ("robot: {tokens: hive-other-0123456789, acl: {all: []}}".to_owned(), (false, true)),
        (format!("robot: {{tokens: ['{hash}'], acl: nonsense}}"), (false, false)),
        (format!("robot: {{tokens: ['{hash}'], acl: {{all: []}}}}"), (true, false)),
        (
            format!("one: {{tokens: ['{hash}'], acl: {{all: []}}}}\ntwo: {{tokens: ['{hash}'], acl: {{all: []}}}}"),
            (false, false),
        ),
        ("robot: {tokens: ['sha256:12', hive-other-0123456789], acl: {all: []}}".to_owned(), (false, false)),
    ] {
        std::fs::write(file.path(), &list).unwrap();
        users.reload().unwrap();
        assert_eq!((robot.may_see("a"), other.may_see("a")), seen, "{list}");
    }
}
