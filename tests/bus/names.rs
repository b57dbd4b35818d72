//! Defining, hooking, unhooking, listing; names and globs.

use eventhive::{CallError, Event, EventName, SetupError};
use serde_json::json;

use crate::support::{Log, bare, soon};

#[tokio::test]
async fn hooking_an_unknown_name_defines_it_and_never_wipes_hooks() {
    let hive = bare();
    hive.hook("a/b", || 1).unwrap();
    hive.hook(["a/b"], || 2).unwrap();
    hive.define("a/b", "help comes later").unwrap();
    hive.define("a/b", "").unwrap();
    let outcomes = soon(hive.call("a/b", ())).await.unwrap();
    assert_eq!(outcomes.values().cloned().collect::<Vec<_>>(), [json!(1), json!(2)]);
    assert_eq!(&*hive.events()[0].help, "help comes later");
}

#[tokio::test]
async fn a_glob_matches_events_defined_before_and_after_it() {
    let hive = bare();
    hive.define("worker/early", "").unwrap();
    hive.hook("worker/*", |event: Event| event.name().to_string()).unwrap();
    hive.define("worker/late/deep", "").unwrap();
    hive.define("other", "").unwrap();
    for name in ["worker/early", "worker/late/deep"] {
        assert_eq!(soon(hive.call(name, ())).await.unwrap().value(), Some(&json!(name)));
    }
    assert!(soon(hive.call("other", ())).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_name_that_only_a_glob_knows_can_be_called_and_is_not_listed() {
    let hive = bare();
    let hook = hive.hook("worker/*", |event: Event| event.name().to_string()).unwrap();
    assert_eq!(soon(hive.call("worker/x", ())).await.unwrap().value(), Some(&json!("worker/x")));
    assert!(hive.events().is_empty());
    hook.unhook();
    assert!(matches!(hive.call("worker/x", ()).await, Err(CallError::Unknown { .. })));
}

#[tokio::test]
async fn a_hook_of_several_patterns_runs_once_for_an_event() {
    let hive = bare();
    hive.hook(["a", "a*", "*"], || 1).unwrap();
    assert_eq!(soon(hive.call("a", ())).await.unwrap().len(), 1);
}

#[tokio::test]
async fn an_unhooked_hook_runs_no_more_and_what_waits_is_still_handled() {
    let hive = bare();
    let log = Log::default();
    let (seen, gate) = (log.clone(), std::sync::Arc::new(tokio::sync::Semaphore::new(0)));
    let opened = gate.clone();
    let hook = hive
        .hook("a", move |event: Event| {
            let (seen, gate) = (seen.clone(), gate.clone());
            async move {
                gate.acquire().await.unwrap().forget();
                seen.add(event.payload().as_text());
            }
        })
        .unwrap();
    hive.emit("a", 1).unwrap();
    hive.emit("a", 2).unwrap();
    assert!(hook.unhook());
    assert!(!hook.unhook());
    assert_eq!(hive.emit("a", 3).unwrap().taken, 0);
    opened.add_permits(9);
    crate::support::until(|| log.lines() == ["1", "2"]).await;
}

#[tokio::test]
async fn a_guard_takes_its_hook_out_at_the_end_of_its_scope() {
    let hive = bare();
    {
        let _guard = hive.hook("a", || 1).unwrap().guard();
        assert_eq!(soon(hive.call("a", ())).await.unwrap().len(), 1);
    }
    assert_eq!(soon(hive.call("a", ())).await.unwrap().len(), 0);
}

fn plain_function() -> &'static str {
    "plain"
}

#[tokio::test]
async fn the_listing_tells_help_hooks_names_and_places() {
    let hive = bare();
    hive.define("b", "the help").unwrap();
    let line = line!() + 1;
    hive.hook("a", plain_function).unwrap();
    hive.on("*").named("glob").mailbox(7).concurrency(2).hook(async || ()).unwrap();
    let events = hive.events();
    assert_eq!(events.iter().map(|event| event.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(&*events[1].help, "the help");
    assert!(events[0].source.file.ends_with("names.rs"), "{:?}", events[0].source);
    assert_eq!(events[0].source.line, line);
    let hook = &events[0].hooks[0];
    assert_eq!((&*hook.name, hook.source.line), ("plain_function", line));
    assert!(hook.module.ends_with("names"), "{}", hook.module);
    let glob = &events[1].hooks[0];
    assert_eq!((&*glob.name, glob.mailbox, glob.concurrency), ("glob", 7, 2));
    assert_eq!(glob.patterns, ["*"]);
    assert_eq!(hive.hooks().len(), 2);
}

#[tokio::test]
async fn an_unknown_name_is_an_error_that_suggests_the_nearest() {
    let hive = bare();
    hive.define("worker/action", "").unwrap();
    let error = hive.call("worker/acton", ()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "no event `worker/acton` is known, did you mean `worker/action`?: define it or hook a function to it"
    );
    assert_eq!(hive.emit("worker/acton", ()).unwrap_err(), error);
    assert!(matches!(hive.call("zzz", ()).await, Err(CallError::Unknown { nearest: None, .. })));
    assert!(matches!(hive.call("", ()).await, Err(CallError::Name(_))));
    assert!(matches!(hive.hook("", || ()), Err(SetupError::Name(_))));
    assert!(matches!(hive.hook(Vec::<String>::new(), || ()), Err(SetupError::NoPattern(_))));
}

#[tokio::test]
async fn a_defined_event_without_hooks_has_no_outcomes() {
    let hive = bare();
    hive.define("a", "").unwrap();
    assert!(soon(hive.call("a", ())).await.unwrap().is_empty());
    assert_eq!(hive.emit("a", ()).unwrap().taken, 0);
}

#[tokio::test]
async fn a_name_with_wildcard_characters_is_meant_literally_where_it_is_a_name() {
    let hive = bare();
    let name = EventName::new("a*").unwrap();
    hive.hook(name, || "literal").unwrap();
    hive.define("ab", "").unwrap();
    assert!(soon(hive.call("ab", ())).await.unwrap().is_empty());
    assert_eq!(soon(hive.call("a*", ())).await.unwrap().value(), Some(&json!("literal")));
}

#[tokio::test]
async fn the_generation_grows_with_every_new_event_and_names_are_sorted_by_code_point() {
    let hive = bare();
    let mut changes = hive.registry().changes();
    for name in ["b", "é", "a/b", "a", "Z"] {
        hive.define(name, "").unwrap();
        assert!(changes.has_changed().unwrap());
        changes.mark_unchanged();
    }
    hive.define("a", "again").unwrap();
    hive.hook("a*", || ()).unwrap();
    assert!(!changes.has_changed().unwrap());
    hive.hook("new", || ()).unwrap();
    assert!(changes.has_changed().unwrap());
    let names = hive.registry().names();
    assert_eq!(names.iter().map(EventName::as_str).collect::<Vec<_>>(), ["Z", "a", "a/b", "b", "new", "é"]);
}

#[tokio::test]
async fn unknown_names_from_outside_do_not_pile_up() {
    let hive = bare();
    hive.hook("seen/*", || ()).unwrap();
    for number in 0..10_000 {
        let name = EventName::new(format!("other/{number}")).unwrap();
        let event = Event::received(name, ().into(), None, "net".into());
        assert!(matches!(hive.registry().fire(event), Err(CallError::Unknown { nearest: None, .. })));
    }
    assert!(hive.events().is_empty());
}
