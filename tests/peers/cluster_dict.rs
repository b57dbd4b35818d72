//! `examples/cluster_dict`: a dictionary replicated among members in Python and in Rust.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::environment::{Stack, root};
use crate::place::{Place, Wire};
use crate::process::Peer;

/// A member of the dictionary `honey`.
fn rust(place: &Place) -> Peer {
    let programs = Path::new(env!("CARGO_BIN_EXE_hive-cli")).parent().unwrap();
    let program = programs.join("examples/cluster_dict");
    assert!(program.exists(), "{} is missing: cargo build --example cluster_dict", program.display());
    started("cluster_dict", Command::new(program), place)
}

fn python(place: &Place) -> Peer {
    let mut command = Command::new(Stack::Eventhive.program("python"));
    command.arg("-B").arg(root().join("examples/cluster_dict.py"));
    started("cluster_dict.py", command, place)
}

fn started(name: &str, mut command: Command, place: &Place) -> Peer {
    command.args(["honey", &place.url()]);
    Peer::start(name, command)
}

/// Waits until the member has just this.
fn has(member: &mut Peer, dictionary: &Value) {
    member.wait_until(&dictionary.to_string(), |line| line == dictionary);
}

fn a_dictionary_is_replicated(wire: Wire, first: fn(&Place) -> Peer, second: fn(&Place) -> Peer) {
    let place = Place::start(wire);
    let mut one = first(&place);
    one.write("set flowers 3");
    has(&mut one, &json!({"flowers": 3}));

    let mut two = second(&place);
    has(&mut two, &json!({"flowers": 3}));
    two.write(r#"set bees {"names": ["Maja", "ü"], "legs": 6.5}"#);
    let both = json!({"flowers": 3, "bees": {"names": ["Maja", "ü"], "legs": 6.5}});
    has(&mut one, &both);
    has(&mut two, &both);
    one.write("del flowers");
    let left = json!({"bees": both["bees"]});
    has(&mut one, &left);
    has(&mut two, &left);

    // One who comes late has all of it, and nothing that is gone.
    let mut three = first(&place);
    has(&mut three, &left);
    // Who was there when it began may leave.
    drop(one);
    three.write("set bees none");
    has(&mut two, &json!({"bees": "none"}));
    has(&mut three, &json!({"bees": "none"}));
}

#[test]
fn rust_begins_and_python_joins_over_redis() {
    a_dictionary_is_replicated(Wire::Redis, rust, python);
}

#[test]
fn python_begins_and_rust_joins_over_redis() {
    a_dictionary_is_replicated(Wire::Redis, python, rust);
}

#[test]
fn rust_begins_and_python_joins_over_our_hub() {
    a_dictionary_is_replicated(Wire::Ours, rust, python);
}

#[test]
fn python_begins_and_rust_joins_over_our_hub() {
    a_dictionary_is_replicated(Wire::Ours, python, rust);
}

#[test]
fn rust_begins_and_python_joins_over_pythons_hub() {
    a_dictionary_is_replicated(Wire::Python03, rust, python);
}
