//! The directory behind the list.

use super::*;

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
        users.renew(AclFile::read).unwrap();
        assert_eq!(bob.may_see("a"), seen, "{list}");
    }
    assert!(bob.may_see("c"));
}

#[tokio::test]
async fn another_spelling_of_a_listed_name_is_no_way_to_the_directory() {
    let rights = Rights { segments: vec![vec!["a".into()]], topics: vec![] };
    let oracle = Arc::new(Oracle(std::sync::Mutex::new((Ok(Some(Arc::new(rights))), 0))));
    let (file, users) = users("Bob B: {password: p, acl: {}}", Some(Arc::clone(&oracle) as _));
    let mut streams = Vec::new();
    for name in ["bob b", "BOB  B", " Bob B", "B\u{ad}ob B", "\u{ff22}ob B", "Bob\u{a0}B"] {
        streams.push(users.identify(who(name, "q"), None).await.unwrap());
        assert!(!streams.last().unwrap().may_see("a"), "{name:?}");
    }
    users.recheck().await;
    assert_eq!(oracle.0.lock().unwrap().1, 0, "it was asked");
    let seen = |topic| streams.iter().filter(|stream| stream.may_see(topic)).count();
    for (list, expected) in [("", streams.len()), ("BOB B: {password: p, acl: {}}", 0), ("other: {}", streams.len())] {
        std::fs::write(file.path(), list).unwrap();
        users.renew(AclFile::read).unwrap();
        users.recheck().await;
        assert_eq!(seen("a"), expected, "{list}");
    }
    assert!(users.identify(who("bobb", "q"), None).await.unwrap().may_see("a"));
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
    let (_file, alone) = super::users("", None);
    assert!(!alone.is_to_be_rechecked(start) && !alone.is_to_be_rechecked(start + period * 9));
}
