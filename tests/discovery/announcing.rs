//! What is announced is found by Python.

use eventhive::discovery::{Change, Claim, DiscoveryError, Interfaces, Mdns};
use eventhive_transport::settings::Value;
use serde_json::json;

use crate::alone;
use crate::namespace::ADDRESS;
use crate::python::{BOTH, Packages, Program};
use crate::servers::{entry, open, secret, server, text};

alone! {
    async fn python_finds_what_is_announced_with_all_its_records() {
        let mut announced = server("my-hive", "0.0.0.0", 18085);
        announced.init.push(entry("tls", Value::Bool(true)));
        announced.init.push(entry("f", Value::Float(1.5)));
        announced.init.push(entry("bearer_tokens", text("never leave")));
        let _announcement = open().announce(&announced).await.unwrap();
        for packages in BOTH {
            let found = Program::start(packages, "resolve", &["my-hive", "10"]).said("found").await;
            let txt = json!([
                ["host", ADDRESS], ["port", "18085"], ["endpoint", "/pubsub"], ["tls", "True"], ["f", "1.5"],
            ]);
            assert_eq!(found["txt"], txt);
            assert_eq!(found["server"], "my-hive._eventhive._tcp.local.");
            assert_eq!((&found["port"], &found["priority"], &found["weight"]), (&json!(18085), &json!(0), &json!(0)));
            let addresses = found["addresses"].as_array().unwrap();
            assert!(addresses.contains(&json!(ADDRESS)), "real addresses, not 0.0.0.0: {addresses:?}");
        }
    }
}

alone! {
    async fn names_with_dots_spaces_capitals_and_letters_of_any_script_are_found_by_python() {
        for name in ["my.hive", "a.b.example", "my hive", "Bienenstöcke", "蜂の巣"] {
            let announcement = open().announce(&server(name, ADDRESS, 18085)).await.unwrap();
            for packages in BOTH {
                for asked in [name.to_owned(), name.to_lowercase()] {
                    let found = Program::start(packages, "resolve", &[&asked, "10"]).said("found").await;
                    assert_eq!(found["port"], 18085, "{asked}");
                    assert_eq!(found["txt"][2], json!(["endpoint", "/pubsub"]), "{asked}");
                }
            }
            announcement.withdraw().await;
        }
    }
}

alone! {
    async fn python_hears_the_goodbye_at_once() {
        for packages in BOTH {
            let mut watch = Program::start(packages, "watch", &[]);
            watch.said("watching").await;
            let announcement = open().announce(&server("my-hive", ADDRESS, 18085)).await.unwrap();
            assert_eq!(watch.said("change").await, "Added");
            announcement.withdraw().await;
            let mut change = watch.said("change").await;
            while change == "Updated" {
                change = watch.said("change").await;
            }
            assert_eq!(change, "Removed");
        }
    }
}

alone! {
    async fn a_dropped_announcement_is_withdrawn_too() {
        let mut browser = open().browse().unwrap();
        drop(open().announce(&server("my-hive", ADDRESS, 18085)).await.unwrap());
        assert!(matches!(browser.next().await, Change::Appeared(_)));
        loop {
            if let Change::Gone(found) = browser.next().await {
                assert_eq!(found.name, "my-hive");
                break;
            }
        }
    }
}

alone! {
    async fn a_server_on_loopback_is_announced_for_this_machine_only() {
        let _announcement = open().announce(&server("my-hive", "127.0.0.1", 18085)).await.unwrap();
        let found = open().resolve("my-hive", crate::python::LIMIT).await.unwrap().unwrap();
        assert_eq!(found.host(), Some("127.0.0.1"));
        assert_eq!(found.addresses, ["127.0.0.1".parse::<std::net::IpAddr>().unwrap()]);
        let found = Program::start(Packages::Eventhive, "resolve", &["my-hive", "10"]).said("found").await;
        assert_eq!(found["txt"][0], json!(["host", "127.0.0.1"]));
    }
}

alone! {
    async fn the_address_of_one_interface_is_the_only_one_announced() {
        let _announcement = open().announce(&server("my-hive", ADDRESS, 18085)).await.unwrap();
        let found = open().resolve("my-hive", crate::python::LIMIT).await.unwrap().unwrap();
        assert_eq!(found.addresses, [ADDRESS.parse::<std::net::IpAddr>().unwrap()]);
    }
}

alone! {
    async fn a_host_that_is_no_address_of_this_machine_is_announced_as_it_is() {
        // A server behind a NAT, say. An address record is needed all the same, or Python finds nothing.
        let _announcement = open().announce(&server("my-hive", "192.0.2.77", 18085)).await.unwrap();
        let found = Program::start(Packages::Eventhive, "resolve", &["my-hive", "10"]).said("found").await;
        assert_eq!(found["txt"][0], json!(["host", "192.0.2.77"]));
        assert!(found["addresses"].as_array().unwrap().contains(&json!(ADDRESS)));
    }
}

alone! {
    async fn a_name_that_python_has_announced_is_refused_and_never_announced_as_another() {
        let mut watch = Program::start(Packages::Zeroconf, "watch", &[]);
        watch.said("watching").await;
        let other = json!({"name": "my-hive", "port": 1, "txt": {"host": "10.99.0.7", "port": 1, "endpoint": "/x"}});
        let mut python = Program::start(Packages::Eventhive, "announce", &[&other.to_string()]);
        assert_eq!(watch.said("name").await, "my-hive");
        python.said("announced").await;

        let error = open().announce(&server("my-hive", ADDRESS, 18085)).await.err().unwrap();
        let DiscoveryError::Taken { by: Some(by), .. } = &error else { panic!("{error}") };
        assert_eq!(by.to_string(), "10.99.0.7:1");
        assert!(error.to_string().starts_with("`my-hive` is already announced by 10.99.0.7:1: "), "{error}");

        // Had `my-hive (2)` been announced, Python would have heard it before this one.
        let _announcement = open().announce(&server("after", ADDRESS, 18086)).await.unwrap();
        let mut name = watch.said("name").await;
        while name == "my-hive" {
            name = watch.said("name").await;
        }
        assert_eq!(name, "after");
        // The older zeroconf: a recent one takes 0.0.0.0, which eventhive 0.5.0 announces, for no address.
        let found = Program::start(Packages::Eventhive, "resolve", &["my-hive", "10"]).said("found").await;
        assert_eq!(found["port"], 1, "the one that had the name is still there");
    }
}

alone! {
    async fn python_is_refused_a_name_that_is_announced_here() {
        let _announcement = open().announce(&server("my-hive", ADDRESS, 18085)).await.unwrap();
        for packages in BOTH {
            let other = json!({"name": "my-hive", "port": 1, "txt": {"port": 1}});
            let mut python = Program::start(packages, "announce", &[&other.to_string()]);
            python.said("taken").await;
        }
    }
}

alone! {
    async fn of_two_that_announce_one_name_at_once_one_is_refused() {
        let mdns = open();
        let (one, other) = (server("my-hive", ADDRESS, 1), server("my-hive", ADDRESS, 2));
        let (one, other) = tokio::join!(mdns.announce(&one), mdns.announce(&other));
        assert_eq!(usize::from(one.is_ok()) + usize::from(other.is_ok()), 1);
        let error = one.err().or(other.err()).unwrap();
        assert!(matches!(error, DiscoveryError::Taken { .. }), "{error}");
    }
}

alone! {
    async fn an_unsigned_announcement_keeps_no_name_from_those_who_know_the_secret() {
        let other = json!({"name": "my-hive", "port": 1, "txt": {"host": "10.99.0.7", "port": 1}});
        let mut python = Program::start(Packages::Eventhive, "announce", &[&other.to_string()]);
        python.said("announced").await;
        let mut ours = server("my-hive", ADDRESS, 18085);
        ours.claim = Some(Claim::now());
        let _announcement = secret("s3cret").announce(&ours).await.unwrap();
        let found = secret("s3cret").resolve("my-hive", crate::python::LIMIT).await.unwrap().unwrap();
        assert_eq!((found.port, Some(&found.claim)), (18085, ours.claim.as_ref()));
        assert!(!found.txt.iter().any(|(_, value)| value.contains("s3cret")));
    }
}

alone! {
    async fn interfaces_are_chosen_by_name_and_a_wrong_one_is_said() {
        let on = |name: &str| Mdns::new(Interfaces::Named(vec![name.to_owned()]), None);
        let _announcement = on("lo").announce(&server("my-hive", "0.0.0.0", 18085)).await.unwrap();
        assert!(on("lo").resolve("my-hive", crate::python::LIMIT).await.unwrap().is_some());
        for error in [
            on("eth7").announce(&server("x", "0.0.0.0", 1)).await.err().unwrap(),
            on("eth7").resolve("my-hive", crate::python::LIMIT).await.err().unwrap(),
        ] {
            assert!(error.to_string().ends_with("wanted eth7, this machine has lo"), "{error}");
        }
    }
}
