//! Passwords, their hashes, and the bounds on comparing them.

use super::*;

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
            // `late` without a check: that password was right for that hash.
            (true, false, true),
        ),
        ("u: {password: q, acl: {all: []}}".to_owned(), (false, true, false)),
        (format!("u: {{password: '{ARGON2}', acl: {{one: [b]}}}}"), (false, false, false)),
    ] {
        std::fs::write(file.path(), &list).unwrap();
        users.renew(AclFile::read).unwrap();
        assert_eq!((right.may_see("a"), wrong.may_see("a"), late.may_see("a")), rights, "{list}");
    }
    assert!(right.may_see("b"));
}

#[tokio::test]
async fn a_reload_compares_no_password_that_was_wrong_and_each_that_was_right_once() {
    let (file, users) = users(&format!("u: {{password: '{ARGON2}', acl: {{all: []}}}}"), None);
    let mut streams = Vec::new();
    for number in 0..50 {
        streams.push(users.identify(who("u", "p"), None).await.unwrap());
        streams.push(users.identify(who("u", &format!("wrong {number}")), None).await.unwrap());
    }
    let others = || streams.iter().filter(|stream| stream.may_see("a")).count();
    for (hash, checks) in [(BCRYPT, 1), (ARGON2, 0), (BCRYPT, 0)] {
        let before = users.logins().checks();
        std::fs::write(file.path(), format!("u: {{password: '{hash}', acl: {{all: []}}}}")).unwrap();
        users.renew(AclFile::read).unwrap();
        assert_eq!((users.logins().checks() - before, others()), (checks, 50), "{hash}");
    }
}

#[tokio::test]
async fn who_lost_the_rights_by_a_new_hash_has_them_again_when_the_old_one_is_back() {
    let (file, users) = users(&format!("u: {{password: '{ARGON2}', acl: {{all: []}}}}"), None);
    let stream = users.identify(who("u", "p"), None).await.unwrap();
    let other = super::password::hash("q", super::password::Scheme::Argon2id).unwrap();
    for (hash, seen) in [(other.as_str(), false), (ARGON2, true)] {
        std::fs::write(file.path(), format!("u: {{password: '{hash}', acl: {{all: []}}}}")).unwrap();
        users.renew(AclFile::read).unwrap();
        assert_eq!(stream.may_see("a"), seen);
    }
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

#[tokio::test]
async fn names_that_are_not_there_wait_each_for_a_check_of_its_own_as_users_do() {
    let (_file, users) =
        users(&format!("u: {{password: '{ARGON2}', acl: {{}}}}\nplain: {{password: x, acl: {{}}}}"), None);
    let turns = users.logins().occupy();
    let mut waiting = Vec::new();
    for (number, name) in ["u", "plain", "nobody", "other", "nobod"].into_iter().enumerate() {
        // Twice: the same login waits for the same check.
        for _ in 0..2 {
            let users = Arc::clone(&users);
            let password = if name == "nobod" { "ywrong" } else { "wrong" };
            waiting.push(tokio::spawn(async move { users.identify(who(name, password), None).await }));
        }
        let deadline = Instant::now() + Duration::from_secs(10);
        while users.logins().waiting() <= number {
            assert!(Instant::now() < deadline, "`{name}` shares another's check");
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(users.logins().waiting(), 5);
    drop(turns);
    for login in waiting {
        assert!(!login.await.unwrap().unwrap().may_see("a"));
    }
}

#[test]
fn a_name_that_is_not_there_has_one_of_the_hashes_and_always_the_same() {
    let list = format!("a: {{password: '{ARGON2}', acl: {{}}}}\nb: {{password: '{BCRYPT}', acl: {{}}}}");
    let list = super::acl::List::parse(&list).unwrap();
    let logins = super::logins::Logins::new();
    let decoy = |name: &str| logins.decoy_of(list.decoys(), name).unwrap().text().to_owned();
    let names: Vec<_> = (0..200).map(|number| format!("name {number}")).collect();
    assert!(names.iter().all(|name| decoy(name) == decoy(name)));
    let argon2 = names.iter().filter(|name| decoy(name) == ARGON2).count();
    assert!((50..150).contains(&argon2), "{argon2} of 200");
    assert!(logins.decoy_of(&[], "name").is_none());
}
