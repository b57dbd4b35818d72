//! A request, from what it says to its head and body.

use std::io;

use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use hyper::{Method, Request};

use super::body::{Parts, RequestBody};
use super::report::{Failure, Identifier};
use super::settings::OutgoingSettings;
use super::target::Target;
use crate::message::Body;
use crate::store::Outcome;
use crate::wire::auth::Claim;
use crate::wire::digest::{Hash, repr_digest};
use crate::wire::endpoint;

pub(super) const REQUEST_ORIGIN: HeaderName = HeaderName::from_static("webhook-request-origin");
const DIGEST: HeaderName = HeaderName::from_static(endpoint::REPR_DIGEST);
const WEBHOOK_ID: HeaderName = HeaderName::from_static("webhook-id");
const WEBHOOK_TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const WEBHOOK_SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// What a request says.
pub(super) struct Call<'a> {
    pub(super) identifier: Identifier,
    pub(super) parts: Parts,
    /// What its authorization vouches for.
    pub(super) claim: Claim<'a>,
    /// The hash of the message, if it has one.
    pub(super) digest: Option<&'a Hash>,
}

/// The headers that no request of this broadcaster lacks.
pub(super) struct Always {
    user_agent: HeaderValue,
    origin: Option<HeaderValue>,
}

impl Always {
    pub(super) fn new(user_agent: HeaderValue, origin: Option<HeaderValue>) -> Self {
        Self { user_agent, origin }
    }

    fn headers(&self, target: &Target) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(8);
        headers.insert(HOST, target.authority.clone());
        headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        headers.insert(USER_AGENT, self.user_agent.clone());
        if let Some(origin) = &self.origin {
            headers.insert(REQUEST_ORIGIN, origin.clone());
        }
        headers
    }

    /// A request, authorized anew each time: what is sent again must not look like a replay.
    pub(super) fn post(
        &self,
        settings: &OutgoingSettings,
        target: &Target,
        call: &Call<'_>,
        extra: &HeaderMap,
    ) -> Result<Request<RequestBody>, Failure> {
        let mut headers = self.headers(target);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(endpoint::CONTENT_TYPE));
        if let Some(digest) = call.digest {
            headers.insert(DIGEST, value(repr_digest(digest))?);
        }
        let signed = settings.vouch.sign(&call.claim, b"");
        if let Some(authorization) = signed.map_err(|why| unmade(format!("it cannot be signed: {why}")))? {
            headers.insert(AUTHORIZATION, value(authorization)?);
        }
        headers.extend(extra.iter().map(|(name, value)| (name.clone(), value.clone())));
        Ok(request(Method::POST, target, headers, call.parts.body()))
    }

    /// The question whether a url wants to be called.
    pub(super) fn options(&self, target: &Target) -> Request<RequestBody> {
        let nothing = Parts::new(Vec::new(), &Body::Memory(bytes::Bytes::new()));
        request(Method::OPTIONS, target, self.headers(target), nothing.body())
    }
}

fn request(method: Method, target: &Target, headers: HeaderMap, body: RequestBody) -> Request<RequestBody> {
    let mut request = Request::new(body);
    *request.method_mut() = method;
    *request.uri_mut() = target.uri.clone();
    *request.headers_mut() = headers;
    request
}

/// The headers of Standard Webhooks; none if they are not wanted. `message` is what a receiver sees as the message.
pub(super) async fn standard_headers(
    settings: &OutgoingSettings,
    call: &Call<'_>,
    message: &Body,
) -> Result<HeaderMap, Failure> {
    let mut headers = HeaderMap::new();
    let Some(standard) = &settings.standard_webhooks else { return Ok(headers) };
    let id = text(&call.identifier);
    let timestamp = settings.vouch.now().as_secs();
    let unread = |error: io::Error| unmade(format!("the message cannot be read: {error}"));
    let signature = standard.sign(id, timestamp, &call.parts, message).await.map_err(unread)?;
    headers.insert(WEBHOOK_ID, value(id.to_owned())?);
    headers.insert(WEBHOOK_TIMESTAMP, HeaderValue::from(timestamp));
    headers.insert(WEBHOOK_SIGNATURE, value(signature)?);
    Ok(headers)
}

/// An identifier is of characters.
fn text(identifier: &Identifier) -> &str {
    str::from_utf8(identifier).unwrap_or_default()
}

fn value(text: String) -> Result<HeaderValue, Failure> {
    HeaderValue::try_from(text).map_err(|_| unmade("a header has characters that none can have".to_owned()))
}

/// A request that was never made, for a reason of our own.
pub(super) fn unmade(detail: String) -> Failure {
    Failure::new(Outcome::OwnFault, detail)
}
