//! What all answers have in common.

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use actix_web::{HttpResponse, HttpResponseBuilder};

use super::origin;
use super::shard::Shard;
use crate::wire::answers::{DOOR_HEADER, SERVER, TEXT_TYPE, X_REQUESTS, X_SUBSCRIBERS};

/// When a client that was put off may come again, in seconds.
const RETRY_AFTER: &str = "5";

/// The answer to one request, as far as it is known when the request arrives.
pub(super) struct Reply {
    subscribers: usize,
    requests: u64,
    readable_by: Option<HeaderValue>,
    any_origin_matters: bool,
}

impl Reply {
    pub(super) fn new(shard: &Shard, headers: &HeaderMap) -> Self {
        let origins = &shard.config().origins;
        Self {
            subscribers: shard.counters().sessions(),
            requests: shard.counters().requests.add_one(),
            readable_by: eventhive_listener::origin::allowed(headers, origins),
            any_origin_matters: !origins.is_empty(),
        }
    }

    pub(super) fn builder(&self, status: StatusCode, content_type: &'static str) -> HttpResponseBuilder {
        let mut response = HttpResponse::build(status);
        response
            .insert_header((header::SERVER, SERVER))
            .insert_header((header::CONTENT_TYPE, content_type))
            .insert_header((X_SUBSCRIBERS, self.subscribers))
            .insert_header((X_REQUESTS, self.requests))
            .insert_header((DOOR_HEADER, env!("CARGO_PKG_VERSION")));
        if let Some(origin) = &self.readable_by {
            response
                .insert_header((header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone()))
                .insert_header((header::ACCESS_CONTROL_EXPOSE_HEADERS, origin::exposed_headers()));
        }
        if self.any_origin_matters {
            response.insert_header((header::VARY, "origin"));
        }
        response
    }

    pub(super) fn text(&self, status: StatusCode, text: &'static str) -> HttpResponse {
        self.builder(status, TEXT_TYPE).body(text)
    }

    /// To HEAD, and to a browser's question.
    pub(super) fn nothing(&self) -> HttpResponse {
        self.builder(StatusCode::NO_CONTENT, TEXT_TYPE).finish()
    }

    pub(super) fn preflight(&self) -> HttpResponse {
        self.builder(StatusCode::NO_CONTENT, TEXT_TYPE)
            .insert_header((header::ACCESS_CONTROL_ALLOW_METHODS, origin::ALLOWED_METHODS))
            .insert_header((header::ACCESS_CONTROL_ALLOW_HEADERS, origin::ALLOWED_HEADERS))
            .insert_header((header::ACCESS_CONTROL_MAX_AGE, "600"))
            .finish()
    }

    /// Nothing is wrong with the request; another time it would have been served.
    pub(super) fn later(&self, text: &'static str) -> HttpResponse {
        self.builder(StatusCode::SERVICE_UNAVAILABLE, TEXT_TYPE)
            .insert_header((header::RETRY_AFTER, RETRY_AFTER))
            .body(text)
    }

    pub(super) fn allows_its_origin(&self) -> bool {
        self.readable_by.is_some()
    }
}
