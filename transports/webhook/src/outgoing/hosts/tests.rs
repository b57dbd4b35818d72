use super::*;
use crate::outgoing::target::Target;

fn hosts() -> Arc<Hosts> {
    let idle_for = Duration::from_secs(30);
    Hosts::new(Bounds { per_host: 1, per_host_waiting: 0, requests: 8, idle: 8, idle_for })
}

#[test]
fn a_host_that_was_forgotten_does_not_take_its_successor_with_it() {
    let (hosts, origin) = (hosts(), Target::read("http://example.org/").unwrap().origin);
    let first = hosts.enter(&origin).unwrap();
    let seen = Arc::clone(&first.host);
    drop(first);
    let _second = hosts.enter(&origin).unwrap();
    // What a round of the tender does that had seen the first.
    Hosts::forget(&mut lock(&hosts.known), &seen);
    assert_eq!(hosts.enter(&origin).err(), Some(Crowded::Full(1)), "the bound is of one host");
}
