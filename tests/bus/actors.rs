//! The user's own actix actors as hooks.

use actix::prelude::*;
use eventhive::{Event, HookError, Status};
use serde_json::{Value, json};

use crate::support::{bare, soon};

#[derive(Default)]
struct Counter {
    seen: u64,
}

impl Actor for Counter {
    type Context = Context<Self>;
}

impl Handler<Event> for Counter {
    type Result = Result<Value, HookError>;

    fn handle(&mut self, event: Event, context: &mut Context<Self>) -> Self::Result {
        match event.payload().as_text() {
            "\"stop\"" => {
                context.terminate();
                Ok(Value::Null)
            }
            "\"fail\"" => Err(HookError::new("as asked")),
            _ => {
                self.seen += 1;
                Ok(self.seen.into())
            }
        }
    }
}

#[actix_rt::test]
async fn the_address_of_an_actor_is_hooked_and_its_answer_is_the_outcome() {
    let hive = bare();
    let actor = Counter::default().start();
    hive.hook("count", actor.clone()).unwrap();
    hive.on("count").named("again").hook(actor.recipient()).unwrap();
    let outcomes = soon(hive.call("count", ())).await.unwrap();
    assert_eq!(outcomes.values().cloned().collect::<Vec<_>>(), [json!(1), json!(2)]);
    let failed = soon(hive.call("count", "fail")).await.unwrap();
    assert!(matches!(failed[0].status(), Status::Failed(error) if error.message() == "as asked"));
}

#[actix_rt::test]
async fn an_actor_that_is_gone_is_a_failed_outcome() {
    let hive = bare();
    hive.hook("count", Counter::default().start()).unwrap();
    soon(hive.call("count", "stop")).await.unwrap();
    let outcomes = soon(hive.call("count", ())).await.unwrap();
    assert!(matches!(outcomes[0].status(), Status::Failed(error) if error.message().contains("gone")), "{outcomes:?}");
}
