//! What requests are answered with.
//!
//! An answer with fields has status 200 and a length, and goes out in one write with its head: Python reads each field of it
//! with one read. It is never content-encoded, as Python's client does not decode it.

use actix_web::HttpResponse;
use actix_web::http::header::{ALLOW, CONTENT_ENCODING, CONTENT_TYPE, HeaderValue};
use actix_web::http::{Method, StatusCode};

use crate::broadcaster::{Broadcaster, Denied, NotifyError, SignError, SubscribeError};
use crate::wire::auth::Claim;
use crate::wire::endpoint;
use crate::wire::responses::Response;
use crate::wire::{Proof, WireError};

/// Why a request gets no answer with fields.
#[derive(Debug)]
pub(super) enum Refusal {
    /// This status, and no body.
    Status(StatusCode),
    /// This status, and the answer that nobody here wants the topic: whoever asked removes the subscription.
    Unsubscribe(StatusCode),
    /// The url is not the one that is advertised.
    WrongMissedUrl,
}

impl Refusal {
    pub(super) const MALFORMED: Self = Self::Status(StatusCode::BAD_REQUEST);
    pub(super) const TOO_LARGE: Self = Self::Status(StatusCode::PAYLOAD_TOO_LARGE);
    pub(super) const CONFLICT: Self = Self::Status(StatusCode::CONFLICT);
    pub(super) const UNAVAILABLE: Self = Self::Status(StatusCode::SERVICE_UNAVAILABLE);
    pub(super) const FAILED: Self = Self::Status(StatusCode::INTERNAL_SERVER_ERROR);

    /// The same status with [`Response::UnsubscribeImmediate`], unless it is 503.
    pub(super) fn unsubscribing(self) -> Self {
        match self {
            Self::Status(status) if status != StatusCode::SERVICE_UNAVAILABLE => Self::Unsubscribe(status),
            other => other,
        }
    }

    pub(super) fn response(self) -> HttpResponse {
        match self {
            Self::Status(status) => HttpResponse::new(status),
            Self::Unsubscribe(status) => {
                let mut body = Vec::with_capacity(2);
                match Response::UnsubscribeImmediate.write(&mut body) {
                    Ok(()) => with_fields(status, body),
                    Err(_) => HttpResponse::new(status),
                }
            }
            Self::WrongMissedUrl => {
                json(StatusCode::BAD_REQUEST, r#"{"unsubscribe": true, "reason": "invalid missed URL"}"#)
            }
        }
    }
}

impl From<WireError> for Refusal {
    fn from(error: WireError) -> Self {
        tracing::debug!(%error, "a request is malformed");
        Self::MALFORMED
    }
}

impl From<Denied> for Refusal {
    fn from(denied: Denied) -> Self {
        Self::Status(StatusCode::from_u16(denied.status()).unwrap_or(StatusCode::FORBIDDEN))
    }
}

impl From<SubscribeError> for Refusal {
    fn from(error: SubscribeError) -> Self {
        tracing::debug!(%error, "subscriptions were not changed");
        match error {
            SubscribeError::Glob(_) | SubscribeError::Wire(_) => Self::MALFORMED,
            _ => Self::UNAVAILABLE,
        }
    }
}

impl From<NotifyError> for Refusal {
    fn from(error: NotifyError) -> Self {
        tracing::debug!(%error, "a message was not delivered");
        Self::UNAVAILABLE
    }
}

impl From<SignError> for Refusal {
    fn from(error: SignError) -> Self {
        tracing::error!(%error, "an answer could not be signed");
        Self::FAILED
    }
}

/// An answer with fields that makes this claim. `write` gets its proof, and appends it.
pub(super) fn signed(
    broadcaster: &Broadcaster,
    claim: &Claim<'_>,
    tracing: &[u8],
    write: impl FnOnce(Proof<'_>, &mut Vec<u8>) -> Result<(), WireError>,
) -> Result<HttpResponse, Refusal> {
    let authorization = broadcaster.sign(claim, tracing)?;
    let proof = Proof { authorization: authorization.as_deref(), tracing };
    let mut body = Vec::with_capacity(192 + tracing.len());
    write(proof, &mut body)?;
    Ok(with_fields(StatusCode::OK, body))
}

fn with_fields(status: StatusCode, body: Vec<u8>) -> HttpResponse {
    HttpResponse::build(status).insert_header((CONTENT_TYPE, endpoint::CONTENT_TYPE)).body(body)
}

fn json(status: StatusCode, text: &'static str) -> HttpResponse {
    HttpResponse::build(status).insert_header((CONTENT_TYPE, "application/json; charset=utf-8")).body(text)
}

pub(super) fn not_found() -> HttpResponse {
    json(StatusCode::NOT_FOUND, r#"{"detail": "Not Found"}"#)
}

/// For web pages of others, which a browser lets ask any server that it reaches.
pub(super) fn foreign() -> HttpResponse {
    json(StatusCode::FORBIDDEN, r#"{"detail": "pages of this origin may not use this server: see `origins`"}"#)
}

pub(super) fn method_not_allowed(allowed: &Method) -> HttpResponse {
    let mut response = json(StatusCode::METHOD_NOT_ALLOWED, r#"{"detail": "Method Not Allowed"}"#);
    if let Ok(allowed) = HeaderValue::from_str(allowed.as_str()) {
        response.headers_mut().insert(ALLOW, allowed);
    }
    response
}

/// In an application of somebody else's, which may encode what it finds: not this.
pub(super) fn left_as_it_is(mut response: HttpResponse) -> HttpResponse {
    response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("identity"));
    response
}
