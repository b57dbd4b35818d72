//! What the hooks of one hive come to as one answer.

use serde_json::Value;

use super::error::{RemoteError, RemoteErrorKind};
use crate::registry::{Outcome, Skip, Status};

/// A value, or an error in its place.
pub(crate) type Answer<T = Value> = Result<T, RemoteError>;

/// Takes the answer to where it is waited for. Called once.
pub(crate) type Answerer = Box<dyn FnOnce(Answer) + Send>;

/// The answer of a hook by itself.
pub(crate) fn of_one(hook: &str, status: Status) -> Answer {
    match status {
        Status::Value(value) => Ok(value),
        other => Err(error(hook, &other)),
    }
}

/// The answer of several hooks, in their order, as soon as it is settled: nothing that is still to come can change it.
pub(crate) fn of_all(outcomes: &[Option<Outcome>]) -> Option<Answer> {
    let mut null = false;
    let mut problem: Option<RemoteError> = None;
    for outcome in outcomes {
        match outcome.as_ref()?.status() {
            Status::Value(Value::Null) => null = true,
            Status::Value(value) => return Some(Ok(value.clone())),
            status => {
                let hook = outcome.as_ref().map_or("", Outcome::hook);
                let error = error(hook, status);
                // A hook that ran and failed tells more than one that did not run.
                if problem.as_ref().is_none_or(|first| first.kind().is_preliminary() && !error.kind().is_preliminary())
                {
                    problem = Some(error);
                }
            }
        }
    }
    Some(match problem {
        Some(problem) if !null => Err(problem),
        _ => Ok(Value::Null),
    })
}

/// The answer where there is no hook to ask.
pub(crate) fn no_hook(event: &str) -> RemoteError {
    RemoteError::new(RemoteErrorKind::NoHook, format_args!("no hook for `{event}`"))
}

fn error(hook: &str, status: &Status) -> RemoteError {
    use RemoteErrorKind::{Busy, Expired, Failed, Misfit, NoHook, Panicked, Stopping};
    let error = match status {
        Status::Failed(error) => RemoteError::new(Failed, error).with_code(error.code()),
        Status::Refused(refusal) => RemoteError::new(Misfit, &refusal.misfit).with_field(Some(&refusal.misfit.field)),
        Status::Panicked(message) => RemoteError::new(Panicked, message),
        Status::Skipped(skip) => {
            let kind = match skip {
                Skip::Full | Skip::Evicted => Busy,
                Skip::Closed => Stopping,
                Skip::Waiting(_) => NoHook,
                Skip::Expired | Skip::TimedOut => Expired,
                Skip::Stopped(_) => Failed,
            };
            RemoteError::new(kind, skip)
        }
        Status::Value(_) => RemoteError::new(Failed, "it returned a value"),
    };
    error.with_hook(Some(hook))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::HookError;
    use serde_json::json;

    fn outcomes(statuses: Vec<Option<Status>>) -> Vec<Option<Outcome>> {
        statuses.into_iter().map(|status| Some(Outcome::new("h".into(), status?))).collect()
    }

    fn value(value: Value) -> Option<Status> {
        Some(Status::Value(value))
    }

    fn failed() -> Option<Status> {
        Some(Status::Failed(HookError::new("no")))
    }

    #[test]
    fn the_first_value_in_order_answers_and_not_before_those_in_front_of_it_have_ended() {
        assert_eq!(of_all(&outcomes(vec![value(json!(1)), None])), Some(Ok(json!(1))));
        assert_eq!(of_all(&outcomes(vec![None, value(json!(1))])), None);
        assert_eq!(of_all(&outcomes(vec![value(json!(null)), failed(), value(json!(2))])), Some(Ok(json!(2))));
        assert_eq!(of_all(&outcomes(vec![failed(), value(json!(null))])), Some(Ok(json!(null))));
    }

    #[test]
    fn without_a_value_the_answer_is_the_error_that_tells_most() {
        let closed = Some(Status::Skipped(Skip::Closed));
        let answer = of_all(&outcomes(vec![closed.clone(), failed(), closed])).unwrap().unwrap_err();
        assert_eq!((answer.kind(), answer.message(), answer.hook()), (&RemoteErrorKind::Failed, "no", Some("h")));
    }
}
