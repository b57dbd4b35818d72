//! What is asked of broadcasters, and what their answers have to be.

use bytes::Bytes;

use super::urls::{Urls, arrival_of};
use crate::message::Message;
use crate::subscriber::credentials::Credentials;
use crate::subscriber::error::SubscriberError;
use crate::subscriber::exchange::{Call, Failure};
use crate::subscriber::table::Arrival;
use crate::subscriber::wish::Wish;
use crate::wire::Interest;
use crate::wire::Proof;
use crate::wire::auth::Claim;
use crate::wire::bodies::{CheckSubscriptions, Entry, NotifyHead, SetHead, Subscribe, Unsubscribe, write_lists};
use crate::wire::endpoint::Endpoint;
use crate::wire::etag::{Etag, EtagBuilder};
use crate::wire::responses::Response;

/// Bytes that name a notify until it is answered.
pub(crate) type Identifier = [u8; 8];

pub(crate) fn subscribe(credentials: &Credentials, urls: &Urls, wish: &Wish) -> Result<(Call, ()), SubscriberError> {
    let (url, recovery) = (urls.receive(arrival_of(wish)), urls.recover(arrival_of(wish)));
    let body = Subscribe { url: &url, interest: wish.interest(), recovery: Some(&recovery), tracing: b"" };
    let mut head = Vec::new();
    body.write(&mut head)?;
    let endpoint = Endpoint::Subscribe(wish.interest().kind());
    Ok((Call { endpoint, authorization: credentials.sign(&body.claim())?, head, message: None }, ()))
}

pub(crate) fn unsubscribe(credentials: &Credentials, urls: &Urls, wish: &Wish) -> Result<(Call, ()), SubscriberError> {
    let url = urls.receive(arrival_of(wish));
    let body = Unsubscribe { url: &url, interest: wish.interest(), tracing: b"" };
    let mut head = Vec::new();
    body.write(&mut head)?;
    let endpoint = Endpoint::Unsubscribe(wish.interest().kind());
    Ok((Call { endpoint, authorization: credentials.sign(&body.claim())?, head, message: None }, ()))
}

/// The answer to subscribe, unsubscribe and set. An empty one is 409: it was so already.
pub(crate) fn generic(credentials: &Credentials, claim: &Claim<'_>, answer: &Bytes) -> Result<(), Failure> {
    if answer.is_empty() {
        return Ok(());
    }
    match read(answer)? {
        Response::Generic { proof } => verify(credentials, &proof, claim),
        _ => Err(unusable("it is not of this request")),
    }
}

/// What the answer to a subscribe, or to the end of one, vouches for.
pub(crate) fn subscribed<T>(urls: &Urls, wish: &Wish, begun: bool, with: impl FnOnce(&Claim<'_>) -> T) -> T {
    let (url, recovery) = (urls.receive(arrival_of(wish)), urls.recover(arrival_of(wish)));
    let recovery = Some(recovery.as_str()).filter(|_| begun);
    with(&Claim::ConfirmSubscribe { url: &url, interest: wish.interest(), recovery })
}

pub(crate) fn check(credentials: &Credentials, url: &str) -> Result<(Call, ()), SubscriberError> {
    let body = CheckSubscriptions { tracing: b"", url };
    let mut head = Vec::new();
    body.write(&mut head)?;
    let authorization = credentials.sign(&body.claim())?;
    Ok((Call { endpoint: Endpoint::CheckSubscriptions, authorization, head, message: None }, ()))
}

pub(crate) fn checked(credentials: &Credentials, answer: &Bytes) -> Result<Etag, Failure> {
    match read(answer)? {
        Response::CheckSubscriptions { proof, etag } => {
            verify(credentials, &proof, &Claim::CheckSubscriptionsResponse { etag: &etag })?;
            Ok(etag)
        }
        _ => Err(unusable("it is not of this request")),
    }
}

/// All subscriptions of one url, sorted as lists are.
pub(crate) struct List {
    pub(crate) url: String,
    recovery: String,
    wishes: Vec<Wish>,
    pub(crate) etag: Etag,
}

impl List {
    /// Of these wishes, which all have to be of this arrival.
    pub(crate) fn new(urls: &Urls, arrival: Arrival, mut wishes: Vec<Wish>) -> Result<Self, SubscriberError> {
        wishes.sort_by(|a, b| a.interest().as_bytes().cmp(b.interest().as_bytes()));
        let (url, recovery) = (urls.receive(arrival), urls.recover(arrival));
        let mut etag = EtagBuilder::new(&url)?;
        wishes.iter().try_for_each(|wish| etag.push(wish.interest(), Some(&recovery)))?;
        Ok(Self { etag: etag.finish(), url, recovery, wishes })
    }

    pub(crate) fn set(&self, credentials: &Credentials) -> Result<(Call, ()), SubscriberError> {
        let body = SetHead { tracing: b"", url: &self.url, etag: self.etag };
        let entry = |wish: &'_ Wish| -> bool { matches!(wish.interest(), Interest::Glob(_)) };
        let entries = |globs: bool| -> Vec<Entry<'_>> {
            let these = self.wishes.iter().filter(|wish| entry(wish) == globs);
            these.map(|wish| Entry { interest: wish.interest(), recovery: Some(&self.recovery) }).collect()
        };
        let mut head = Vec::new();
        body.write(&mut head)?;
        write_lists(&entries(false), &entries(true), &mut head)?;
        let authorization = credentials.sign(&body.claim())?;
        Ok((Call { endpoint: Endpoint::SetSubscriptions, authorization, head, message: None }, ()))
    }

    pub(crate) fn was_set(&self, credentials: &Credentials, answer: &Bytes) -> Result<(), Failure> {
        generic(credentials, &Claim::SetSubscriptionsResponse { etag: &self.etag }, answer)
    }
}

pub(crate) fn notify(credentials: &Credentials, message: &Message) -> Result<(Call, Identifier), SubscriberError> {
    let identifier: Identifier = fastrand::u64(..).to_be_bytes();
    let fields = notify_head(message, &identifier);
    let mut head = Vec::new();
    fields.write(&mut head)?;
    let authorization = credentials.sign(&fields.claim())?;
    let message = Some(message.body.clone());
    Ok((Call { endpoint: Endpoint::Notify, authorization, head, message }, identifier))
}

fn notify_head<'a>(message: &'a Message, identifier: &'a Identifier) -> NotifyHead<'a> {
    let (topic, sha512, length) = (&*message.topic, &message.sha512, message.body.len());
    NotifyHead { topic, sha512, tracing: b"", identifier, length }
}

pub(crate) fn notified(
    credentials: &Credentials,
    message: &Message,
    identifier: &Identifier,
    answer: &Bytes,
) -> Result<u64, Failure> {
    match read(answer)? {
        Response::Notify { proof, count, identifier: its } if its == identifier => {
            verify(credentials, &proof, &notify_head(message, identifier).answer_claim(count))?;
            Ok(count.into())
        }
        _ => Err(unusable("it is not of this request")),
    }
}

fn read(answer: &Bytes) -> Result<Response<'_>, Failure> {
    Response::read(answer).map_err(|error| unusable(&error.to_string()))
}

/// A broadcaster that cannot vouch for its answer may still have done what it was asked.
fn verify(credentials: &Credentials, proof: &Proof<'_>, claim: &Claim<'_>) -> Result<(), Failure> {
    let vouched = credentials.verify(proof.authorization, claim, proof.tracing);
    vouched.map_err(|why| unusable(&why.to_string()))
}

fn unusable(why: &str) -> Failure {
    Failure::Ambiguous(format!("the broadcaster's answer cannot be used: {why}"))
}
