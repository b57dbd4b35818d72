//! What an answer means. Its status is for people; its body says it.

use std::num::NonZeroU32;

use super::connection::Answer;
use super::report::{Failure, Identifier, Verified};
use super::settings::{Objection, Vouch};
use crate::store::Outcome;
use crate::wire::Proof;
use crate::wire::auth::Claim;
use crate::wire::responses::Response;

const ALLOWED_ORIGIN: &str = "webhook-allowed-origin";
const ALLOWED_RATE: &str = "webhook-allowed-rate";

/// For how many subscribers a RECEIVE was confirmed.
pub(super) async fn received(
    vouch: &dyn Vouch,
    url: &str,
    identifier: &Identifier,
    answer: &Answer,
) -> Result<u32, Failure> {
    let (proof, theirs, num_subscribers) = match Response::read(&answer.body) {
        Ok(Response::ConfirmReceive { proof, identifier, num_subscribers }) => (proof, identifier, num_subscribers),
        Ok(Response::UnsubscribeImmediate) => {
            return Err(failure(Outcome::Unsubscribed, answer, "nobody there wants the topic".to_owned()));
        }
        other => return Err(other_answer(answer, other.err())),
    };
    if theirs != identifier {
        return Err(failure(Outcome::BadAnswer, answer, "it confirms another message".to_owned()));
    }
    let claim = Claim::ConfirmReceive { identifier: theirs, num_subscribers, url };
    authorize(vouch, proof, claim, answer).await?;
    Ok(num_subscribers)
}

/// Whether a MISSED was confirmed.
pub(super) async fn missed(vouch: &dyn Vouch, recovery: &str, topic: &[u8], answer: &Answer) -> Result<(), Failure> {
    match Response::read(&answer.body) {
        Ok(Response::ConfirmMissed { proof }) => {
            authorize(vouch, proof, Claim::ConfirmMissed { topic, url: recovery }, answer).await
        }
        other => Err(other_answer(answer, other.err())),
    }
}

/// Whether a url said that it wants to be called by `origin`, and how often.
pub(super) fn verified(origin: &str, answer: &Answer) -> Result<Verified, Failure> {
    let bad = |detail: String| failure(Outcome::BadAnswer, answer, detail);
    let header = |name| answer.headers.get(name).map(|value| value.to_str().unwrap_or_default().trim());
    match header(ALLOWED_ORIGIN) {
        Some(allowed) if allowed == "*" || allowed.eq_ignore_ascii_case(origin) => {}
        Some(_) => return Err(bad("its `WebHook-Allowed-Origin` names others".to_owned())),
        None => {
            let detail = format!("it does not allow calls from `{origin}`: its answer lacks `WebHook-Allowed-Origin`");
            return Err(bad(detail));
        }
    }
    match header(ALLOWED_RATE) {
        None | Some("*") => Ok(Verified { rate: None }),
        Some(rate) => match rate.parse::<NonZeroU32>() {
            Ok(rate) => Ok(Verified { rate: Some(rate) }),
            Err(_) => {
                Err(bad("its `WebHook-Allowed-Rate` is neither `*` nor a number of requests a minute".to_owned()))
            }
        },
    }
}

async fn authorize(vouch: &dyn Vouch, proof: Proof<'_>, claim: Claim<'_>, answer: &Answer) -> Result<(), Failure> {
    let admitted = vouch.admit(proof.authorization, claim, proof.tracing).await;
    admitted.map_err(|objection| match objection {
        Objection::Refused(why) => failure(Outcome::BadAuthorization, answer, why.into()),
        Objection::Unknown(why) => failure(Outcome::OwnFault, answer, why.into()),
    })
}

fn other_answer(answer: &Answer, problem: Option<crate::wire::WireError>) -> Failure {
    let (status, bytes) = (answer.status, answer.body.len());
    let mut detail = match problem {
        _ if bytes == 0 => format!("status {status} without a body"),
        Some(problem) => format!("status {status} with {bytes} bytes that are no answer: {problem}"),
        None => format!("status {status} with an answer to something else"),
    };
    if status.is_redirection() {
        detail.push_str("; redirects are not followed: subscribe the url that it leads to");
    }
    failure(Outcome::BadAnswer, answer, detail)
}

fn failure(outcome: Outcome, answer: &Answer, detail: String) -> Failure {
    Failure { outcome, status: Some(answer.status.as_u16()), detail }
}
