//! Hooks declared by attribute.

use eventhive::{Earlier, Event, Hive, Json, State, hooks};
use serde_json::json;

use crate::support::{bare, soon};

#[eventhive::hook("declared/double")]
async fn double(Json(number): Json<i64>) -> i64 {
    number * 2
}

mod inner {
    use super::*;

    #[eventhive::hook(
        "declared/*",
        name = "watch",
        order = 5,
        mailbox = 3,
        mailbox_bytes = 99,
        overflow = "drop_oldest",
        concurrency = 2
    )]
    pub(super) fn watcher(event: Event) -> String {
        event.name().to_string()
    }

    #[eventhive::hook("declared/stateful", "declared/second", inline, after = "double")]
    pub(super) fn stateful(state: State<String>, earlier: Earlier) -> String {
        format!("{} after {}", *state, earlier.len())
    }
}

#[tokio::test]
async fn every_hive_hooks_what_is_declared_once_without_further_code() {
    let hive = Hive::builder().state("queen".to_owned()).hooks(hooks![double, inner::stateful]).build().unwrap();
    let outcomes = soon(hive.call("declared/double", 4)).await.unwrap();
    assert_eq!(outcomes.len(), 2);
    assert_eq!(outcomes.value_of("double"), Some(&json!(8)));
    assert_eq!(outcomes.value_of("watch"), Some(&json!("declared/double")));
    let hooks = hive.hooks();
    let watch = hooks.iter().find(|hook| &*hook.name == "watch").unwrap();
    assert_eq!((watch.mailbox, watch.concurrency, watch.overflow.word()), (3, 2, "drop_oldest"));
    assert!(watch.module.ends_with("declared::inner"), "{}", watch.module);
    assert!(watch.source.file.ends_with("declared.rs"));
}

#[tokio::test]
async fn declared_hooks_can_be_left_out_and_chosen() {
    assert!(bare().hooks().is_empty());
    let hive = Hive::builder().declared_hooks(false).hooks(hooks![double]).build().unwrap();
    assert_eq!(hive.hooks().len(), 1);
    hive.install(hooks![inner::watcher][0]).unwrap();
    assert_eq!(soon(hive.call("declared/double", 4)).await.unwrap().len(), 2);
}

#[test]
fn a_declared_hook_whose_state_is_missing_is_an_error_at_the_start() {
    let error = Hive::local().unwrap_err();
    assert!(error.to_string().contains("hook `stateful` takes `State<alloc::string::String>`"), "{error}");
}

#[test]
fn the_attribute_leaves_the_function_as_it_is() {
    let name = eventhive::EventName::new("x").unwrap();
    assert_eq!(inner::watcher(Event::new(name, ())), "x");
}

#[eventhive::main]
async fn run_as_main() -> usize {
    let hive = bare();
    hive.hook("a", async || 1).unwrap();
    hive.call("a", ()).await.unwrap().len()
}

#[test]
fn the_main_attribute_runs_the_body_on_a_system() {
    assert_eq!(run_as_main(), 1);
}
