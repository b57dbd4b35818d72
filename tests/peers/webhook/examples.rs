//! The programs in `examples/` that are written in Python.

use std::process::Command;
use std::rc::Rc;

use super::auth::{Auth, Folder};
use super::broadcaster::{Broadcaster, Kind};
use super::client::{Client, Wire};
use super::standard::subscribe;
use crate::environment::{Stack, root};
use crate::process::Peer;

fn example(name: &str, arguments: &[&str]) -> Peer {
    let mut command = Command::new(Stack::Lonely.program("python"));
    command.arg("-B").arg(root().join("examples").join(name)).args(arguments);
    Peer::start(name, command)
}

#[test]
fn the_subscriber_on_lonelypsc_hears_what_it_publishes() {
    let folder = Rc::new(Folder::signed());
    let broadcaster = Broadcaster::start(Kind::Ours, &folder);
    let secrets = folder.text("subscriber-secrets.json");
    let subscriber = example("webhooks.py", &[&broadcaster.url("http"), &secrets]);
    subscriber.said("heard orders/17: paid");
    subscriber.said("orders/17 reached 1 subscriber(s)");
}

#[test]
fn the_receiver_without_a_library_takes_messages_and_is_told_what_it_missed() {
    let folder = Rc::new(Folder::with(Auth::None, Auth::None));
    let broadcaster = Broadcaster::start(Kind::Ours, &folder);
    let receiver = example("webhook_receiver.py", &["0"]);
    let line = receiver.said("listening on ");
    let base = line.split_once("listening on ").unwrap().1;
    subscribe(&broadcaster, &format!("{base}/hook"), "a");
    let mut notifier = Client::start(&broadcaster, Wire::Http);
    assert_eq!(notifier.notify("a", "flowers"), 1);
    receiver.said("a: flowers");
    let arguments = ["webhooks", "test", "--recover", "--topic", "a", &format!("{base}/recover")];
    let (told, _, code) = crate::process::run(env!("CARGO_BIN_EXE_hive-cli").as_ref(), &folder.path("."), &arguments);
    assert_eq!(code, 0, "{told}");
    receiver.said("a: messages may have been missed");
}
