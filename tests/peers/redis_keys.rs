//! A connector's `init` on Redis takes what redis-py takes.

use std::process::Command;

use eventhive::config::Kinds;

use crate::environment::Stack;

/// Objects of Python: a YAML file cannot have them, nor the original be given them.
const OBJECTS: &[&str] = &[
    "cache",
    "cache_config",
    "connection_pool",
    "credential_provider",
    "event_dispatcher",
    "oss_cluster_maint_notifications_handler",
    "redis_connect_func",
    "retry",
    "ssl_ocsp_context",
];

#[test]
fn every_keyword_of_redis_py_that_yaml_can_hold_is_a_key() {
    let asked = "import inspect, redis; print(*list(inspect.signature(redis.Redis).parameters))";
    let output = Command::new(Stack::Eventhive.program("python")).args(["-c", asked]).output().unwrap();
    let words = String::from_utf8(output.stdout).unwrap();
    let kinds = Kinds::compiled_in();
    let keys = kinds.find("redis").and_then(|kind| kind.connector).unwrap();
    let is_known = |word: &str| OBJECTS.contains(&word) || keys.iter().any(|key| key.name == word);
    let missing: Vec<&str> = words.split_whitespace().filter(|word| !is_known(word)).collect();
    assert!(words.contains("unix_socket_path") && missing.is_empty(), "{missing:?} of {words}");
}
