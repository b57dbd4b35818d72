//! What Python announces is found.

use std::time::{Duration, Instant};

use eventhive::discovery::{Change, Claim, Signature, Sources};
use serde_json::json;

use crate::alone;
use crate::namespace::ADDRESS;
use crate::python::{BOTH, LIMIT, Packages, Program};
use crate::servers::{open, pairs, secret, server};

/// Announces with Python, and waits until it is.
async fn announced(packages: Packages, what: serde_json::Value) -> Program {
    let mut python = Program::start(packages, "announce", &[&what.to_string()]);
    python.said("announced").await;
    python
}

alone! {
    async fn what_python_announces_is_found_without_regard_to_case() {
        for packages in BOTH {
            let txt = json!({"host": "10.99.0.1", "port": 18085, "endpoint": "/pubsub", "tls": true});
            let mut python = announced(packages, json!({"name": "My-Hive", "port": 18085, "txt": txt})).await;
            let found = open().resolve("my-hIVE", LIMIT).await.unwrap().unwrap();
            assert_eq!(found.name, "My-Hive");
            let expected = [("host", "10.99.0.1"), ("port", "18085"), ("endpoint", "/pubsub"), ("tls", "True")];
            assert_eq!(found.txt, pairs(&expected));
            assert_eq!((found.port, found.signature), (18085, Signature::Missing));
            assert_eq!(found.claim, Claim::default());
            python.finish();
            python.said("withdrawn").await;
        }
    }
}

alone! {
    async fn names_with_dots_spaces_and_letters_of_any_script_are_found() {
        for name in ["my.hive", "my hive", "Bienenstöcke"] {
            let _python = announced(Packages::Eventhive, json!({"name": name, "port": 1, "txt": {"host": "h"}})).await;
            assert_eq!(open().resolve(name, LIMIT).await.unwrap().unwrap().name, name);
        }
    }
}

alone! {
    async fn another_name_for_the_machine_and_an_address_of_its_own_do_no_harm() {
        let what = json!({"name": "n", "port": 1, "txt": {"host": "h"}, "server": "box.local.", "address": "10.99.0.9"});
        let _python = announced(Packages::Zeroconf, what).await;
        assert_eq!(open().resolve("n", LIMIT).await.unwrap().unwrap().host(), Some("h"));
    }
}

alone! {
    async fn a_server_that_says_nothing_counts_as_not_found_and_the_time_is_kept() {
        let _python = announced(Packages::Eventhive, json!({"name": "empty", "port": 1, "txt": {}})).await;
        for within in [Duration::ZERO, Duration::from_millis(1500)] {
            let begun = Instant::now();
            assert_eq!(open().resolve("empty", within).await.unwrap(), None);
            let took = begun.elapsed();
            assert!(took >= within && took < within + Duration::from_millis(500), "{took:?}");
        }
    }
}

alone! {
    async fn the_answer_is_there_at_once_not_after_the_time_is_up() {
        let _announcement = open().announce(&server("my-hive", ADDRESS, 18085)).await.unwrap();
        let begun = Instant::now();
        assert!(open().resolve("my-hive", Duration::from_secs(60)).await.unwrap().is_some());
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    }
}

alone! {
    async fn a_server_that_comes_while_it_is_waited_for_is_found() {
        let mdns = open();
        let looking = mdns.resolve("my-hive", LIMIT);
        let announcing = announced(Packages::Eventhive, json!({"name": "my-hive", "port": 7, "txt": {"port": 7}}));
        let (found, _python) = tokio::join!(looking, announcing);
        assert_eq!(found.unwrap().unwrap().port, 7);
    }
}

alone! {
    async fn values_that_are_no_text_are_left_out_and_the_rest_is_taken() {
        // host=h, bytes=<ff fe>, a key without value, line=<line feed>, =x, endpoint=/p
        let txt = "06686f73743d68 0862797465733dfffe 046e6f6e65 066c696e653d0a 023d78 0b656e64706f696e743d2f70";
        let what = json!({"name": "odd", "port": 9, "txt": txt.replace(' ', "")});
        let _python = announced(Packages::Zeroconf, what).await;
        let found = open().resolve("odd", LIMIT).await.unwrap().unwrap();
        assert_eq!(found.txt, pairs(&[("host", "h"), ("endpoint", "/p")]));
        assert_eq!(found.port, 9, "where the record has no port, the server's record has");
    }
}

alone! {
    async fn with_a_secret_only_what_is_signed_with_it_is_found() {
        let (ours, theirs) = (secret("ours"), secret("theirs"));
        let _python = announced(Packages::Eventhive, json!({"name": "plain", "port": 1, "txt": {"port": 1}})).await;
        let _other = theirs.announce(&server("other", ADDRESS, 2)).await.unwrap();
        let _good = ours.announce(&server("good", ADDRESS, 3)).await.unwrap();
        assert_eq!(ours.resolve("good", LIMIT).await.unwrap().unwrap().signature, Signature::Valid);
        for name in ["plain", "other"] {
            assert_eq!(ours.resolve(name, Duration::from_millis(700)).await.unwrap(), None, "{name}");
            assert!(open().resolve(name, LIMIT).await.unwrap().is_some(), "{name} is there for those without a secret");
        }
    }
}

alone! {
    async fn the_list_is_live_and_python_comes_changes_and_goes_in_it() {
        let mut browser = open().browse().unwrap();
        let mut python = announced(Packages::Eventhive, json!({"name": "b", "port": 1, "txt": {"host": "h"}})).await;
        let Change::Appeared(found) = browser.next().await else { panic!() };
        assert_eq!((found.name.as_str(), found.host(), found.port), ("b", Some("h"), 1));

        let _announcement = open().announce(&server("a", ADDRESS, 2)).await.unwrap();
        let Change::Appeared(ours) = browser.next().await else { panic!() };
        assert_eq!(ours.name, "a");
        assert!(ours.since >= found.since);
        assert_eq!(browser.servers().map(|it| it.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);

        python.finish();
        loop {
            if let Change::Gone(gone) = browser.next().await {
                assert_eq!(gone.name, "b");
                break;
            }
        }
        assert_eq!(browser.servers().map(|it| it.name.as_str()).collect::<Vec<_>>(), ["a"]);
    }
}

alone! {
    async fn what_is_announced_goes_before_what_is_listed_and_the_list_helps_where_nothing_is() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let listed = vec![format!("127.0.0.1:{port}").parse().unwrap()];
        let sources = Sources { mdns: Some(open()), listed, file: None };
        let _announcement = open().announce(&server("announced", ADDRESS, 5)).await.unwrap();
        assert_eq!(sources.find("announced", LIMIT).await.unwrap().unwrap().port, 5);
        assert_eq!(sources.find("silent", Duration::from_millis(300)).await.unwrap().unwrap().port, port);
    }
}
