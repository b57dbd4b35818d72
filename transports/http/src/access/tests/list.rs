//! The access list, as its file changes, and those who were identified by it.

use super::*;

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

#[cfg(unix)]
#[tokio::test]
async fn a_list_that_could_not_be_read_is_tried_again() {
    let directory = tempfile::tempdir().unwrap();
    let (path, away) = (directory.path().join("acl.yaml"), directory.path().join("away.yaml"));
    std::fs::write(&path, "u: {password: one, acl: {all: []}}").unwrap();
    let users = Users::open(Some(path.clone()), None).unwrap();
    let after = users.identify(who("u", "two"), None).await.unwrap();
    std::fs::write(&away, "u: {password: two, acl: {all: []}}").unwrap();
    std::fs::remove_file(&path).unwrap();
    // What is there has a version, and reading it fails.
    std::fs::create_dir(&path).unwrap();
    let start = Instant::now();
    let file = AclFile::new(path.clone());
    for round in 0..3 {
        let now = start + SETTLED * 2 * round;
        assert_eq!((file.is_to_be_read(now), file.is_to_be_read(now + SETTLED)), (false, true), "round {round}");
        assert!(file.read().is_err());
        users.follow(now);
        users.follow(now + SETTLED);
    }
    assert!(!after.may_see("a"));
    std::fs::remove_dir(&path).unwrap();
    std::fs::rename(&away, &path).unwrap();
    users.follow(start + SETTLED * 8);
    users.follow(start + SETTLED * 9);
    assert!(after.may_see("a"));
}

#[cfg(unix)]
#[test]
fn a_list_that_others_may_read_now_is_read_again() {
    use std::os::unix::fs::PermissionsExt;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "").unwrap();
    let acl = AclFile::new(file.path().to_owned());
    acl.read().unwrap();
    let start = Instant::now();
    assert!(!acl.is_to_be_read(start) && !acl.is_to_be_read(start + SETTLED));
    // The clock of the file system may be coarse: until it has moved on, the change cannot be seen.
    let deadline = start + Duration::from_secs(5);
    let mut mode = 0o600;
    while {
        acl.is_to_be_read(start);
        !acl.is_to_be_read(start + SETTLED)
    } {
        assert!(Instant::now() < deadline, "a change of the mode is not seen");
        mode ^= 0o040;
        std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(mode)).unwrap();
    }
}

#[tokio::test]
async fn of_two_lists_that_are_read_at_once_the_newer_one_stays() {
    let (file, users) = users("u: {password: one, acl: {all: []}}", None);
    let one = users.identify(who("u", "one"), None).await.unwrap();
    let (ended, end) = std::sync::mpsc::channel();
    let mut newer = None;
    let older = users.renew(|acl| {
        let list = acl.read();
        std::fs::write(file.path(), "u: {password: two, acl: {all: []}}").unwrap();
        let users = Arc::clone(&users);
        newer = Some(std::thread::spawn(move || {
            users.renew(AclFile::read).unwrap();
            ended.send(()).unwrap();
        }));
        // The newer one comes first if nothing holds it up.
        let _ = end.recv_timeout(Duration::from_millis(100));
        list
    });
    older.unwrap();
    newer.unwrap().join().unwrap();
    assert!(!one.may_see("a"), "the older list was put back");
}

#[tokio::test]
async fn a_list_that_is_being_written_is_not_taken_when_a_signal_asks_for_it() {
    use std::io::Write;
    let (file, users) = users("u: {password: p, acl: {all: []}}\nv: {password: p, acl: {all: []}}", None);
    let later = users.identify(who("v", "p"), None).await.unwrap();
    let mut half = std::fs::File::create(file.path()).unwrap();
    half.write_all(b"u: {password: p, acl: {all: []}}\n").unwrap();
    let reload = std::thread::spawn({
        let users = Arc::clone(&users);
        move || users.reload()
    });
    // Written on well within the half second.
    let start = Instant::now();
    while start.elapsed() < SETTLED / 5 {
        assert!(later.may_see("a"), "half of it was taken");
        std::thread::yield_now();
    }
    half.write_all(b"v: {password: p, acl: {all: []}}\nw: {password: p, acl: {all: []}}\n").unwrap();
    drop(half);
    reload.join().unwrap().unwrap();
    assert!(later.may_see("a"));
    assert!(users.identify(who("w", "p"), None).await.unwrap().may_see("a"), "it was read whole");
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
    users.renew(AclFile::read).unwrap();
    assert!(!viewer.may_see(&message) && !known.may_publish(["t"].into_iter()));
    assert!(viewer_of_unknown.may_see(&message));
    std::fs::write(file.path(), "u: {password: one, acl: {one: [b]}}").unwrap();
    users.renew(AclFile::read).unwrap();
    assert!(viewer.may_see(&message) && !viewer_of_unknown.may_see(&message));
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
        users.renew(AclFile::read).unwrap();
        assert_eq!((robot.may_see("a"), other.may_see("a")), seen, "{list}");
    }
}
