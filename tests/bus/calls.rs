//! Calls: outcomes, order, earlier results, dependencies, waterfalls.

use std::time::Duration;

use eventhive::{CallError, CallOptions, Earlier, Event, Hive, Json, Outcome, Skip, Status};
use serde_json::{Value, json};

use crate::support::{Log, bare, soon, until};

fn values(outcomes: &[Outcome]) -> Vec<Value> {
    outcomes.iter().filter_map(Outcome::value).cloned().collect()
}

#[tokio::test]
async fn outcomes_come_in_the_order_of_hooking_and_an_error_stops_nobody() {
    let hive = bare();
    let log = Log::default();
    let (one, three) = (log.clone(), log.clone());
    hive.on("a").named("one").hook(async move || one.add("one")).unwrap();
    hive.on("a").named("two").hook(|| Err::<(), _>("no honey")).unwrap();
    hive.on("a").named("three").hook(move || three.add("three")).unwrap();
    let outcomes = soon(hive.call("a", ())).await.unwrap();
    assert_eq!(outcomes.iter().map(Outcome::hook).collect::<Vec<_>>(), ["one", "two", "three"]);
    assert!(matches!(outcomes[1].status(), Status::Failed(error) if error.message() == "no honey"));
    assert_eq!(outcomes[1].to_string(), "hook `two` failed: no honey");
    assert_eq!(log.lines(), ["one", "three"]);
    assert!(!outcomes.is_ok());
    assert_eq!(outcomes.first_problem().unwrap().hook(), "two");
}

#[tokio::test]
async fn stop_on_error_skips_the_rest_and_says_why() {
    for options in [CallOptions::new(), CallOptions::new().together()] {
        let hive = bare();
        hive.on("a").named("bad").hook(|| Err::<(), _>("no")).unwrap();
        hive.on("a").named("last").hook(|_: Earlier| 1).unwrap();
        let outcomes = soon(hive.call_with(options.stop_on_error(), "a", ())).await.unwrap();
        assert_eq!(outcomes[1].status(), &Status::Skipped(Skip::Stopped("bad".into())));
    }
}

#[tokio::test]
async fn hooks_run_one_after_another_unless_they_are_called_together() {
    let hive = bare();
    let (send, receive) = tokio::sync::oneshot::channel::<()>();
    let receive = std::sync::Mutex::new(Some(receive));
    let send = std::sync::Mutex::new(Some(send));
    // The first hook ends only when the second has run.
    hive.hook("a", move || {
        let receive = receive.lock().unwrap().take();
        async move { receive.unwrap().await.unwrap() }
    })
    .unwrap();
    hive.hook("a", move || send.lock().unwrap().take().unwrap().send(()).is_ok()).unwrap();
    let outcomes = soon(hive.call_with(CallOptions::new().together(), "a", ())).await.unwrap();
    assert!(outcomes.is_ok(), "{outcomes:?}");
}

#[tokio::test]
async fn a_hook_that_is_late_is_skipped_and_the_next_still_runs() {
    let hive = bare();
    hive.hook("a", std::future::pending::<()>).unwrap();
    hive.hook("a", || 2).unwrap();
    let options = CallOptions::new().timeout(Duration::from_millis(20));
    let outcomes = soon(hive.call_with(options, "a", ())).await.unwrap();
    assert_eq!(outcomes[0].status(), &Status::Skipped(Skip::TimedOut));
    assert_eq!(outcomes[1].value(), Some(&json!(2)));
}

#[tokio::test]
async fn results_of_earlier_hooks_reach_those_that_ask() {
    let hive = bare();
    hive.on("a").named("first").hook(async |Json(n): Json<i64>| n + 1).unwrap();
    hive.on("a")
        .named("second")
        .hook(|earlier: Earlier| earlier.value_of("first").unwrap().as_i64().unwrap() * 10)
        .unwrap();
    hive.on("a").named("third").hook(async |earlier: Earlier| earlier.len() as u64).unwrap();
    for options in [CallOptions::new(), CallOptions::new().together()] {
        let outcomes = soon(hive.call_with(options, "a", 4)).await.unwrap();
        assert_eq!(values(&outcomes), [json!(5), json!(50), json!(2)]);
    }
}

#[tokio::test]
async fn earlier_results_reach_those_that_ask_also_when_nobody_waits() {
    let hive = bare();
    let log = Log::default();
    let (seen, last) = (log.clone(), log.clone());
    hive.on("a").named("first").hook(async |Json(n): Json<i64>| n + 1).unwrap();
    hive.on("a").named("broken").hook(|| -> () { panic!("on purpose") }).unwrap();
    hive.hook("a", move |earlier: Earlier| seen.add(format!("{} {}", earlier[0], earlier[1]))).unwrap();
    hive.hook("a", move |earlier: Earlier| last.add(format!("{}", earlier.len()))).unwrap();
    assert_eq!(hive.emit("a", 4).unwrap().taken, 4);
    let expected = "hook `first` returned 5 hook `broken` panicked: on purpose";
    until(|| log.lines() == [expected, "3"]).await;
    assert_eq!(soon(hive.send("a", 4)).await.unwrap().taken, 4);
    until(|| log.lines().len() == 4).await;
}

#[tokio::test]
async fn a_stalled_hook_delays_only_those_that_ask_for_its_result() {
    let hive = bare();
    let log = Log::default();
    let (free, asking) = (log.clone(), log.clone());
    hive.hook("a", std::future::pending::<()>).unwrap();
    hive.hook("a", move |_: Earlier| asking.add("asking")).unwrap();
    hive.hook("a", move || free.add("free")).unwrap();
    hive.emit("a", ()).unwrap();
    hive.emit("a", ()).unwrap();
    until(|| log.lines() == ["free", "free"]).await;
}

#[tokio::test]
async fn a_hook_waits_for_hooks_of_the_modules_it_names() {
    let hive = bare();
    hive.on("a").named("late").after("app::auth").after("log").hook(|| "late").unwrap();
    hive.on("a").named("free").hook(|| "free").unwrap();
    let outcomes = soon(hive.call("a", ())).await.unwrap();
    assert_eq!(outcomes[0].hook(), "free");
    assert_eq!(outcomes[1].status(), &Status::Skipped(Skip::Waiting(vec!["app::auth".into(), "log".into()])));
    assert_eq!(hive.emit("a", ()).unwrap().refused, 1);

    hive.on("a").named("auth").in_module("my::app::auth").hook(|| "auth").unwrap();
    let log = hive.on("a").named("log").hook(|| "log").unwrap();
    let outcomes = soon(hive.call("a", ())).await.unwrap();
    assert_eq!(values(&outcomes), ["free", "auth", "log", "late"]);

    log.unhook();
    let outcomes = soon(hive.call("a", ())).await.unwrap();
    assert!(matches!(outcomes[2].status(), Status::Skipped(Skip::Waiting(missing)) if missing.len() == 1));
}

#[tokio::test]
async fn a_smaller_order_runs_earlier() {
    let hive = bare();
    hive.hook("a", || 1).unwrap();
    hive.on("a").order(-1).hook(|| 2).unwrap();
    hive.hook("*", || 3).unwrap();
    assert_eq!(values(&soon(hive.call("a", ())).await.unwrap()), [2, 1, 3]);
}

#[tokio::test]
async fn a_glob_call_expands_over_defined_events_in_sorted_order() {
    let hive = bare();
    hive.hook("*", |event: Event| format!("{} {}", event.name(), event.payload().as_text())).unwrap();
    for name in ["w/b", "w/é", "w/a", "x"] {
        hive.define(name, "").unwrap();
    }
    let all = soon(hive.call_matching("w/*", json!({"n": 1}))).await.unwrap();
    let texts: Vec<&str> = all.iter().filter_map(|outcomes| outcomes.value()?.as_str()).collect();
    assert_eq!(texts, [r#"w/a {"n":1}"#, r#"w/b {"n":1}"#, r#"w/é {"n":1}"#]);
    assert!(soon(hive.call_matching("none*", ())).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_waterfall_hands_each_result_to_the_next() {
    let hive = bare();
    hive.define("w", "").unwrap();
    assert_eq!(soon(hive.waterfall("w", json!([1]))).await.unwrap(), json!([1]));
    hive.hook("w", async |Json(n): Json<i64>| n + 1).unwrap();
    hive.hook("w", |Json(n): Json<i64>| n * 10).unwrap();
    assert_eq!(soon(hive.waterfall("w", 4)).await.unwrap(), json!(50));
    hive.on("w").named("bad").hook(|Json(_): Json<String>| ()).unwrap();
    let error = soon(hive.waterfall("w", 4)).await.unwrap_err();
    assert!(matches!(&error, CallError::Waterfall(outcome) if outcome.hook() == "bad"), "{error}");
}

#[tokio::test]
async fn a_hook_can_call_other_events() {
    let hive = bare();
    hive.hook("inner", |Json(n): Json<i64>| n + 1).unwrap();
    hive.hook("outer", async |hive: Hive, event: Event| {
        let outcomes = hive.call("inner", event.payload().share()).await.unwrap();
        outcomes.value().cloned()
    })
    .unwrap();
    hive.hook("blocking", |hive: Hive, event: Event| {
        hive.call_blocking("outer", event.payload().share()).unwrap().value().cloned()
    })
    .unwrap();
    assert_eq!(soon(hive.call("outer", 1)).await.unwrap().value(), Some(&json!(2)));
    assert_eq!(soon(hive.call("blocking", 1)).await.unwrap().value(), Some(&json!(2)));
}

#[tokio::test]
async fn a_call_can_be_awaited_in_another_task() {
    let hive = bare();
    hive.hook("a", || 1).unwrap();
    let other = hive.clone();
    let task = tokio::spawn(async move { other.call("a", ()).await });
    assert_eq!(soon(task).await.unwrap().unwrap().value(), Some(&json!(1)));
}
