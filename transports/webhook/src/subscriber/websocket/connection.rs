//! One connection: how it begins and ends, and what its two halves share.

use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use eventhive_tls::Io;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::sync::Notify;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::Websocket;
use super::reading::Reading;
use super::writing::Writing;
use crate::compression::Compressors;
use crate::subscriber::broadcasters::Broadcaster;
use crate::subscriber::dial::dial;
use crate::subscriber::outbox::Publish;
use crate::subscriber::wish::Wish;
use crate::wire::Proof;
use crate::wire::auth::Claim;
use crate::wire::digest::Hash;
use crate::wire::endpoint::Endpoint;
use crate::wire::identifier::Identifier;
use crate::wire::stateful::counter::ConnectionNonce;
use crate::wire::stateful::{B2s, Configure, S2b};

pub(super) type Socket = WebSocketStream<Box<dyn Io>>;

/// How a connection ended.
#[derive(Debug)]
pub(super) enum End {
    /// The subscriber was closed, and all that waited is confirmed.
    Closed,
    /// Nothing is wanted on it.
    Idle,
    /// It is lost; for people, why.
    Lost(String),
}

/// What is sent as soon as something was received.
pub(super) enum Ack {
    /// A part; the message is not complete.
    Continue(Identifier, u64),
    /// A message.
    Confirm(Identifier),
}

/// What the broadcaster has to answer. Its answers come in this order.
pub(super) enum Expected {
    /// With the url that was signed.
    Subscribe(Wish, String),
    Unsubscribe(Wish, String),
    Part(Identifier),
    Notify {
        identifier: Identifier,
        publish: Publish,
        sha512: Hash,
    },
}

/// What both halves of a connection use.
pub(super) struct Shared<'a> {
    pub(super) client: &'a Websocket,
    pub(super) nonce: ConnectionNonce,
    state: Mutex<State>,
    /// Told when there is something to write.
    pub(super) write: Notify,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) acks: VecDeque<Ack>,
    pub(super) expected: VecDeque<Expected>,
    pub(super) compressors: Compressors,
    /// A ping is due.
    pub(super) ping: bool,
    /// Subscriptions that were asked for at the beginning and are not confirmed; `None` until they are asked for.
    pub(super) beginning: Option<usize>,
    /// What was asked for on this connection and not ended.
    pub(super) asked: HashSet<Wish>,
    /// What of that is confirmed.
    pub(super) confirmed: HashSet<Wish>,
}

impl Shared<'_> {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The link is up once everything stands that was wanted when the connection began.
    pub(super) fn confirmed_one(&self) -> bool {
        let mut state = self.lock();
        let Some(left) = &mut state.beginning else { return false };
        let was_last = *left == 1;
        *left = left.saturating_sub(1);
        was_last
    }
}

/// Reaches a broadcaster, and is taken by it.
pub(super) async fn connect(client: &Websocket, to: &Broadcaster) -> Result<(Socket, ConnectionNonce), String> {
    let opening = async {
        let mut socket = upgrade(client, to).await?;
        let nonce = configure(client, &mut socket).await?;
        Ok((socket, nonce))
    };
    let late = |_| Err(format!("{to} did not answer in time"));
    tokio::time::timeout(client.settings.open_timeout, opening).await.unwrap_or_else(late)
}

async fn upgrade(client: &Websocket, to: &Broadcaster) -> Result<Socket, String> {
    let io = dial(to, &client.tls).await.map_err(|error| format!("{to} cannot be reached: {error}"))?;
    let url = format!("ws://{}{}", to.authority(), to.path(Endpoint::Websocket));
    let request = url.into_client_request().map_err(|error| format!("{to}: {error}"))?;
    let most = client.settings.max_incoming_bytes;
    let config = WebSocketConfig::default().max_message_size(Some(most)).max_frame_size(Some(most));
    let upgraded = client_async_with_config(request, io, Some(config)).await;
    let (socket, _) = upgraded.map_err(|error| match error {
        tungstenite::Error::Http(answer) => {
            format!("{to} answered {} instead of the upgrade to a websocket", answer.status())
        }
        other => format!("{to} does not speak websocket as it should: {other}"),
    })?;
    Ok(socket)
}

/// The first word, and the answer to it.
async fn configure(client: &Websocket, socket: &mut Socket) -> Result<ConnectionNonce, String> {
    let settings = &client.settings;
    let told = |error: &dyn std::fmt::Display| format!("the connection could not be configured: {error}");
    let mut nonce = [0; 32];
    getrandom::fill(&mut nonce).map_err(|error| told(&error))?;
    let enable_zstd = settings.compression;
    let (enable_training, initial_dict) =
        (enable_zstd && settings.training, settings.initial_dictionary.filter(|_| enable_zstd).unwrap_or_default());
    let claim = Claim::Configure { subscriber_nonce: &nonce, enable_zstd, enable_training, initial_dict };
    let authorization = client.credentials.sign(&claim).map_err(|error| told(&error))?;
    let proof = Proof { authorization: authorization.as_deref(), tracing: b"" };
    let configure = Configure { subscriber_nonce: &nonce, enable_zstd, enable_training, initial_dict, proof };
    let mut bytes = Vec::new();
    S2b::Configure(configure).write(settings.mode, &mut bytes).map_err(|error| told(&error))?;
    socket.send(Message::Binary(bytes.into())).await.map_err(|error| told(&error))?;
    let answer = first_message(socket).await?;
    let answer = B2s::read(&answer).map_err(|error| told(&error))?;
    let B2s::ConfirmConfigure { broadcaster_nonce, proof } = answer else {
        return Err(told(&"the broadcaster's first word is another one"));
    };
    let claim = Claim::ConfirmConfigure { broadcaster_nonce };
    let vouched = client.credentials.verify(proof.authorization, &claim, proof.tracing);
    vouched.map_err(|why| told(&format!("the broadcaster's answer: {why}")))?;
    Ok(ConnectionNonce::new(&nonce, broadcaster_nonce))
}

async fn first_message(socket: &mut Socket) -> Result<Bytes, String> {
    loop {
        match socket.next().await {
            Some(Ok(Message::Binary(bytes))) => return Ok(bytes),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            Some(Ok(Message::Close(_))) | None => {
                return Err("the broadcaster closed the connection instead of taking it: compare both ends' secrets \
                            and clocks"
                    .to_owned());
            }
            Some(Ok(_)) => return Err("the broadcaster's first word is text".to_owned()),
            Some(Err(error)) => return Err(format!("the connection was lost before it began: {error}")),
        }
    }
}

/// Runs a connection to its end. Gives back what was published on it and not confirmed, in order.
pub(super) async fn run(client: &Websocket, socket: Socket, nonce: ConnectionNonce) -> (End, VecDeque<Publish>) {
    let shared = Shared { client, nonce, state: Mutex::default(), write: Notify::new() };
    let (sink, stream) = socket.split();
    let mut reading = Reading::new(&shared, stream, Instant::now());
    let mut writing = Writing::new(&shared, sink);
    let end = tokio::select! {
        end = reading.run() => end,
        end = writing.run() => end,
    };
    let unsent = writing.unsent();
    if !matches!(end, End::Lost(_)) {
        writing.close().await;
    }
    let state = std::mem::take(&mut *shared.lock());
    let publish = |expected| match expected {
        Expected::Notify { publish, .. } => Some(publish),
        _ => None,
    };
    (end, state.expected.into_iter().filter_map(publish).chain(unsent).collect())
}
