//! From a request to what answers it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use actix_web::http::Method;
use actix_web::http::header::AUTHORIZATION;
use actix_web::{HttpRequest, HttpResponse, web};
use eventhive_listener::origin;

use super::answer::{Refusal, foreign, left_as_it_is, method_not_allowed, not_found};
use super::body::Incoming;
use super::stats::Counters;
use super::{Common, messages, subscriptions};
use crate::broadcaster::{Asker, Broadcaster};
use crate::config::Config;
use crate::wire::auth::Claim;
use crate::wire::endpoint::Endpoint;

/// What handlers need of a request, beside its body.
pub(super) struct Request<'a> {
    pub(super) broadcaster: &'a Arc<Broadcaster>,
    pub(super) config: &'a Config,
    pub(super) counters: &'a Arc<Counters>,
    endpoint: Endpoint,
    http: &'a HttpRequest,
}

impl Request<'_> {
    /// A header's text. One that is not ASCII is as good as any other wrong text: empty.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.http.headers().get(name).map(|value| value.to_str().unwrap_or_default())
    }

    /// The url as the request reached it: for a proxy in front, as that says.
    pub(super) fn url(&self) -> String {
        let connection = self.http.connection_info();
        let target = self.http.uri().path_and_query().map_or("", |target| target.as_str());
        format!("{}://{}{target}", connection.scheme(), connection.host())
    }

    pub(super) async fn admit(&self, claim: &Claim<'_>, tracing: &[u8]) -> Result<(), Refusal> {
        let authorization = self.header(AUTHORIZATION.as_str());
        let asker = Asker { address: self.config.session.proxies.client(self.http), endpoint: self.endpoint };
        Ok(self.broadcaster.admit(asker, authorization, claim, tracing).await?)
    }
}

/// Answers a request to a path below that of the door.
pub(super) async fn answer(common: &Common, http: HttpRequest, payload: web::Payload, embedded: bool) -> HttpResponse {
    let path = http.path().strip_prefix(common.config.endpoint.as_str()).unwrap_or_default();
    let endpoint = match Endpoint::of(path) {
        None | Some(Endpoint::Receive | Endpoint::Recover) => return not_found(),
        Some(endpoint) => endpoint,
    };
    common.counters.requests.fetch_add(1, Ordering::Relaxed);
    let answered = answer_endpoint(common, endpoint, http, payload, embedded).await;
    if answered.status().is_client_error() || answered.status().is_server_error() {
        common.counters.refused.fetch_add(1, Ordering::Relaxed);
    }
    answered
}

async fn answer_endpoint(
    common: &Common,
    endpoint: Endpoint,
    http: HttpRequest,
    payload: web::Payload,
    embedded: bool,
) -> HttpResponse {
    if origin::is_foreign(http.headers(), &common.config.origins, &common.config.host) {
        return foreign();
    }
    let method = if endpoint == Endpoint::Websocket { Method::GET } else { Method::POST };
    if *http.method() != method {
        return method_not_allowed(&method);
    }
    let answered = serve(common, endpoint, http, payload).await.unwrap_or_else(|refusal| refusal.response());
    if embedded { left_as_it_is(answered) } else { answered }
}

async fn serve(
    common: &Common,
    endpoint: Endpoint,
    http: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, Refusal> {
    // A session has no way to say that a message is to be sent again.
    let needs_all = matches!(endpoint, Endpoint::Websocket | Endpoint::Notify);
    let opened = common.opened(needs_all).await.ok_or(Refusal::UNAVAILABLE)?;
    if endpoint == Endpoint::Websocket {
        return opened.sessions.upgrade(http, payload).or_else(|error| Ok(error.error_response()));
    }
    let Common { config, counters, .. } = common;
    let request = Request { broadcaster: &opened.broadcaster, config, counters, endpoint, http: &http };
    let body = Incoming::new(payload, config.body_timeout);
    match endpoint {
        Endpoint::Subscribe(kind) => subscriptions::subscribe(&request, kind, body).await,
        Endpoint::Unsubscribe(kind) => subscriptions::unsubscribe(&request, kind, body).await,
        Endpoint::CheckSubscriptions => subscriptions::check_all(&request, body).await,
        Endpoint::SetSubscriptions => subscriptions::set_all(&request, body).await,
        Endpoint::Notify => messages::notify(&request, body).await,
        Endpoint::ReceiveForWebsockets => messages::receive_for_websockets(&request, body).await,
        Endpoint::MissedForWebsockets => messages::missed_for_websockets(&request, body).await,
        Endpoint::Websocket | Endpoint::Receive | Endpoint::Recover => Ok(not_found()),
    }
}
