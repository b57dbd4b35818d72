//! A network of its own for each test.
//!
//! The test starts itself again in a new network namespace that has `lo` and nothing else, with an address, a route to
//! the outside and one for multicast on it. It needs root, or user namespaces.

use std::future::Future;
use std::process::{Command, Stdio};

/// The address that other machines would use.
pub(crate) const ADDRESS: &str = "10.99.0.1";
/// Set inside.
const INSIDE: &str = "EVENTHIVE_TEST_NAMESPACE";
/// Said by a process in a namespace that is ready, to tell a failing test from a machine without namespaces.
const READY: &str = "the namespace is ready";

const MAKE: &str = "set -e
ip link set lo up
ip link set lo multicast on
ip address add 10.99.0.1/24 dev lo
ip route add 1.1.1.1 dev lo src 10.99.0.1
ip route add 224.0.0.0/4 dev lo src 10.99.0.1
exec \"$0\" \"$@\"";

/// Runs `body`, the body of the test of this name, in a network of its own.
pub(crate) fn alone<F: Future<Output = ()>>(test: &str, body: impl FnOnce() -> F) {
    if std::env::var_os(INSIDE).is_some() {
        println!("{READY}");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        return runtime.block_on(body());
    }
    let output = Command::new("unshare")
        .args(if is_root() { &[][..] } else { &["--user", "--map-root-user"] })
        // With processes of its own too: what is left of them ends with the test.
        .args(["--net", "--pid", "--fork", "--kill-child"])
        .args(["sh", "-c", MAKE])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(INSIDE, "1")
        .stdin(Stdio::null())
        .output()
        .expect("`unshare` (package util-linux) is needed to test discovery without touching the real network");
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(
        said.contains(READY),
        "no network namespace can be made here, and discovery is never tested on the real network: run as root, or \
         allow user namespaces, and install iproute2.\n{said}"
    );
    assert!(output.status.success(), "{said}");
}

fn is_root() -> bool {
    std::fs::read_to_string("/proc/self/status")
        .unwrap()
        .lines()
        .any(|line| line.strip_prefix("Uid:").is_some_and(|ids| ids.split_whitespace().nth(1) == Some("0")))
}

/// A test in a network of its own. The name that the test runner knows it by has to be found again, so it is made here.
#[macro_export]
macro_rules! alone {
    ($(#[$meta:meta])* async fn $name:ident() $body:block) => {
        $(#[$meta])*
        #[test]
        fn $name() {
            let test = concat!(module_path!(), "::", stringify!($name));
            let test = test.split_once("::").map_or(test, |(_, inside)| inside);
            $crate::namespace::alone(test, || async $body);
        }
    };
}
