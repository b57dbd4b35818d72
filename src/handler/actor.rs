//! The user's own actors as handlers.

use actix::dev::ToEnvelope;
use actix::{Actor, Addr, MailboxError, Recipient};

use super::{Context, Handler, HookError, Prepared, Setup};
use crate::Event;
use crate::registry::SetupError;
use crate::runtime::start_async;

/// Marks the address of an actor.
pub struct ByAddress;

/// The hook keeps this one address and awaits each answer, so the bound of the actor's own mailbox holds.
impl<A> Handler<ByAddress> for Addr<A>
where
    A: Actor + actix::Handler<Event>,
    A::Context: ToEnvelope<A, Event>,
{
    fn prepare(self, setup: &Setup<'_>) -> Result<Prepared, SetupError> {
        self.recipient().prepare(setup)
    }
}

impl Handler<ByAddress> for Recipient<Event> {
    fn prepare(self, _: &Setup<'_>) -> Result<Prepared, SetupError> {
        let handler = async move |context: &Context<'_>| Ok(answer(self.send(context.event().clone()).await));
        Ok(Prepared { asks_earlier: false, start: Box::new(move |running| start_async(running, handler)) })
    }
}

fn answer(
    answered: Result<Result<serde_json::Value, HookError>, MailboxError>,
) -> Result<serde_json::Value, HookError> {
    match answered {
        Ok(result) => result,
        Err(MailboxError::Closed) => Err(HookError::new("the hooked actor is gone")),
        Err(MailboxError::Timeout) => Err(HookError::new("the hooked actor did not answer in time")),
    }
}
