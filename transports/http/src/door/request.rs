//! Which request does what.

use std::rc::Rc;

use actix_web::http::header::{self, HeaderMap};
use actix_web::http::{Method, StatusCode, Version};
use actix_web::{HttpRequest, HttpResponse, web};

use super::reply::Reply;
use super::shard::Shard;
use super::{origin, publish, stream};
use crate::access::Claim;
use crate::wire::answers::{BAD_REQUEST, MAX_TARGET};
use crate::wire::target;

pub(super) async fn answer(shard: Rc<Shard>, request: HttpRequest, body: web::Payload) -> HttpResponse {
    let reply = Reply::new(&shard, request.headers());
    let size = request.uri().path().len() + request.uri().query().map_or(0, str::len);
    let Some(path) = path(&request, &shard.config().endpoint).filter(|_| size <= MAX_TARGET) else {
        return reply.text(StatusCode::BAD_REQUEST, BAD_REQUEST);
    };
    match *request.method() {
        Method::PUT | Method::POST => publish::publish(&shard, &reply, &request, &path, body).await,
        Method::GET if request.version() < Version::HTTP_11 => {
            // The original has nothing to say to those who cannot read chunks.
            reply.builder(StatusCode::OK, "application/octet-stream").force_close().finish()
        }
        Method::GET => stream::open(&shard, &reply, request, &path).await,
        Method::HEAD => reply.nothing(),
        _ if reply.allows_its_origin() && origin::is_preflight(request.method(), request.headers()) => {
            reply.preflight()
        }
        _ => reply.text(StatusCode::BAD_REQUEST, BAD_REQUEST),
    }
}

/// The decoded path below the door's own; `None` if the request has none, as `CONNECT` and `OPTIONS *` have.
fn path(request: &HttpRequest, endpoint: &str) -> Option<String> {
    let below = request.uri().path().strip_prefix(endpoint)?;
    match below.chars().next() {
        None if !endpoint.is_empty() => Some("/".to_owned()),
        Some('/') => Some(target::decode(below).into_owned()),
        _ => None,
    }
}

/// Who sent it, by its own word.
pub(super) fn claim(headers: &HeaderMap) -> Option<Claim> {
    headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(Claim::read)
}

/// A header as text.
pub(super) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}
