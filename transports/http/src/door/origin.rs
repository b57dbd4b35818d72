//! What is said to web pages (CORS). Which of them may do what, is in [`eventhive_listener::origin`].

use actix_web::http::Method;
use actix_web::http::header::{self, HeaderMap};

use crate::wire::answers::{X_PUBSUB_CURSOR, X_PUBSUB_REPLAY, X_REQUESTS, X_SUBSCRIBERS};

/// What pages may send beside what every page may.
pub(super) const ALLOWED_HEADERS: &str =
    "authorization, content-type, idempotency-key, last-event-id, x-fetch-since, x-fetch-since-cursor";
pub(super) const ALLOWED_METHODS: &str = "GET, HEAD, PUT, POST";
/// What pages may read of an answer.
pub(super) fn exposed_headers() -> String {
    [X_PUBSUB_CURSOR, X_PUBSUB_REPLAY, X_SUBSCRIBERS, X_REQUESTS].join(", ")
}

/// Whether it is a browser's question before a request of a page.
pub(super) fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    *method == Method::OPTIONS && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}
