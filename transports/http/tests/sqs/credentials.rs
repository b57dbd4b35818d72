//! Who the readers say they are.

use std::process::{Command, Stdio};

use eventhive_http::sqs::QueueConfig;

use crate::hive::Hive;
use crate::moto::{Moto, REGION};
use crate::proxy::Proxy;
use crate::support::header;

const QUEUE: &str = "EVENTHIVE_TEST_SQS_QUEUE";
const SERVER: &str = "EVENTHIVE_TEST_SQS_SERVER";

/// What stands behind `Credential=` in the first request.
async fn scope(proxy: &Proxy) -> String {
    let asked = proxy.until_asked("GetQueueUrl", 1).await;
    let authorization = header(&asked[0].head, "authorization").unwrap().to_owned();
    let (_, rest) = authorization.split_once("Credential=").unwrap();
    rest.split(',').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_key_and_a_region_of_the_queue_sign_its_requests() {
    let moto = Moto::shared().await;
    let queue = moto.created("signed").await;
    let proxy = Proxy::start(moto.address()).await;
    let _hive = Hive::reading([queue.read_at(&proxy.url(), true)]);
    let scope = scope(&proxy).await;
    assert!(scope.starts_with("AKIDOFTHETEST/"), "{scope}");
    assert!(scope.ends_with(&format!("/{REGION}/sqs/aws4_request")), "{scope}");
}

/// Runs [`reads_until_it_is_killed`] in a process with this environment; gives what it signs with.
async fn scope_in(name: &str, environment: &[(&str, &str)]) -> String {
    let moto = Moto::shared().await;
    let queue = moto.created(name).await;
    let proxy = Proxy::start(moto.address()).await;
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "credentials::reads_until_it_is_killed", "--ignored", "--test-threads=1"]);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("AWS_")) {
        command.env_remove(name);
    }
    // Nobody asks the machine that the tests run on.
    command.env("AWS_EC2_METADATA_DISABLED", "true");
    command.envs(environment.iter().copied()).env(QUEUE, &queue.name).env(SERVER, proxy.url());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let scope = scope(&proxy).await;
    child.kill().unwrap();
    child.wait().unwrap();
    scope
}

#[tokio::test]
#[ignore = "run by other tests, in a process of their own"]
async fn reads_until_it_is_killed() {
    let (queue, server) = (std::env::var(QUEUE).unwrap(), std::env::var(SERVER).unwrap());
    let _hive = Hive::reading([QueueConfig { endpoint_url: Some(server), ..QueueConfig::new("child", queue) }]);
    // Until the parent's end of the pipe is closed, however it ends.
    tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new())).await.unwrap().unwrap();
}

#[tokio::test]
async fn without_a_key_the_environment_tells_who_and_where_we_are() {
    let keys = [("AWS_ACCESS_KEY_ID", "AKIDOFTHEENV"), ("AWS_SECRET_ACCESS_KEY", "s"), ("AWS_REGION", "sa-east-1")];
    let scope = scope_in("environment", &keys).await;
    assert!(scope.starts_with("AKIDOFTHEENV/") && scope.contains("/sa-east-1/"), "{scope}");
}

#[tokio::test]
async fn a_profile_tells_it_too() {
    let folder = tempfile::tempdir().unwrap();
    let (config, keys) = (folder.path().join("config"), folder.path().join("credentials"));
    std::fs::write(&config, "[profile events]\nregion = ap-south-1\n").unwrap();
    std::fs::write(&keys, "[events]\naws_access_key_id = AKIDOFPROFILE\naws_secret_access_key = s\n").unwrap();
    let environment = [
        ("AWS_PROFILE", "events"),
        ("AWS_CONFIG_FILE", config.to_str().unwrap()),
        ("AWS_SHARED_CREDENTIALS_FILE", keys.to_str().unwrap()),
    ];
    let scope = scope_in("profile", &environment).await;
    assert!(scope.starts_with("AKIDOFPROFILE/") && scope.contains("/ap-south-1/"), "{scope}");
}
