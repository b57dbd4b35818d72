//! Queues in the configuration.

use eventhive_http::{Config, Http};
use eventhive_hub::{Hub, HubSettings};
use eventhive_listener::DoorTransport;
use eventhive_transport::Settings;

use crate::hive::Hive;
use crate::moto::{Moto, REGION};

/// The problems of these settings of a server, each with its line.
fn problems(yaml: &str) -> Vec<String> {
    let node = eventhive_yaml::read(0, yaml).unwrap().unwrap();
    let found = match Settings::check("servers.x.init", &node, DoorTransport::keys(&Http)) {
        Err(problems) => problems,
        Ok(settings) => match Http.plan(&settings, &Hub::new(HubSettings::default())) {
            Ok(_) => Vec::new(),
            Err(problems) => problems,
        },
    };
    found.iter().map(|problem| format!("{}: {problem}", problem.at.line)).collect()
}

fn config(yaml: &str) -> Config {
    let node = eventhive_yaml::read(0, yaml).unwrap().unwrap();
    Config::from_settings(&Settings::check("servers.x.init", &node, DoorTransport::keys(&Http)).unwrap()).unwrap()
}

#[test]
fn every_problem_of_every_queue_is_told_with_its_place_and_the_fix() {
    let table = "sqs:\n  one:\n    region: eu-west-1\n  two:\n    queue: q\n    wait_time_secs: 21\n    regoin: x\n";
    let found = problems(table);
    assert_eq!(found.len(), 3, "{found:#?}");
    assert!(found.iter().any(|one| one.contains("servers.x.init.sqs.one: `queue` is missing")), "{found:#?}");
    assert!(found.iter().any(|one| one.starts_with("6: servers.x.init.sqs.two.wait_time_secs: 21 is out of range")));
    assert!(found.iter().any(|one| one.contains("sqs.two.regoin: unknown key `regoin`: did you mean `region`?")));

    let values = "sqs:\n  one: {queue: '', key: k}\n  two:\n    queue: q\n    secret: s\n    endpoint_url: there\n";
    let found = problems(values);
    assert_eq!(found.len(), 4, "{found:#?}");
    assert!(found[0].starts_with("2: servers.x.init.sqs.one.queue: must not be empty"), "{found:#?}");
    assert!(found[1].contains("sqs.one.key: `secret` is missing"), "{found:#?}");
    assert!(found[2].starts_with("6: servers.x.init.sqs.two.endpoint_url: not the URL of a server"), "{found:#?}");
    assert!(found[3].contains("sqs.two.secret: `key` is missing"), "{found:#?}");

    let found = problems("sqs: {one: {queue: q, key: 'env:EVENTHIVE_NO_SUCH', secret: 'file:/no/such'}}");
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(found[0].contains("sqs.one.key: the environment variable `EVENTHIVE_NO_SUCH` is not set"), "{found:#?}");
    assert!(found[1].contains("sqs.one.secret: cannot read the secret from `/no/such`"), "{found:#?}");
}

#[test]
fn what_pypubsub_has_is_taken_and_no_secret_is_shown() {
    let config = config(
        "sqs:\n  theirs: {queue: gitbox, region: us-west-2, delete: true, key: AKID, secret: hunter2}\n  ours: {queue: q}\n",
    );
    let [theirs, ours] = &config.queues[..] else { panic!("{config:?}") };
    assert_eq!((&*theirs.name, &*theirs.queue, theirs.region.as_deref()), ("theirs", "gitbox", Some("us-west-2")));
    assert!(theirs.delete && !ours.delete && ours.credentials.is_none() && ours.region.is_none());
    assert_eq!((ours.wait.as_secs(), ours.remember), (20, 120_000));
    assert!(!format!("{config:?}").contains("hunter2"));
}

#[tokio::test]
async fn a_configuration_reads_its_queues() {
    let moto = Moto::shared().await;
    let queue = moto.created("configured").await;
    let secret = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(secret.path(), "hunter2\n").unwrap();
    let yaml = format!(
        "sqs:\n  any name:\n    queue: {}\n    region: {REGION}\n    delete: yes\n    key: AKID\n    secret: file:{}\n    endpoint_url: {}\n    wait_time_secs: 1\n",
        queue.name,
        secret.path().display(),
        moto.url(),
    );
    let hive = Hive::on(Hub::new(HubSettings::default()), config(&yaml));
    queue.send(r#"{"n":1}"#).await;
    assert_eq!(hive.stream("/").await.event().await["n"], 1);
    queue.until_size(0).await;
}
