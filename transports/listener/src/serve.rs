//! The threads behind one listener.

use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, mpsc};
use std::thread;

use actix_http::error::DispatchError;
use actix_http::{HttpService, Protocol};
use actix_service::{ServiceFactory, ServiceFactoryExt, fn_service, map_config};
use actix_web::dev::{AppConfig, Server, ServerHandle, ServiceRequest, ServiceResponse};
use actix_web::rt::net::ActixStream;
use actix_web::{App, HttpResponse, HttpServer, web};
use rustls::ServerConfig;
use tokio::sync::oneshot;

use crate::connection::Connections;
use crate::preface::{self, Preface};
use crate::share::Guest;
use crate::tls::Certificate;
use crate::{Limits, Networks, TlsError};

/// A server that runs in threads of its own.
pub(crate) struct Running {
    pub(crate) handle: ServerHandle,
    pub(crate) connections: Arc<Connections>,
    /// Resolves, by its sender's end, when the threads are done.
    pub(crate) done: oneshot::Receiver<()>,
}

pub(crate) struct Serve {
    pub(crate) name: String,
    pub(crate) sockets: Vec<TcpListener>,
    pub(crate) certificate: Option<Arc<Certificate>>,
    pub(crate) proxies: Option<Networks>,
    pub(crate) limits: Limits,
    pub(crate) doors: Vec<Guest>,
}

/// Starts the threads; returns when the sockets are being accepted from.
pub(crate) fn start(serve: Serve) -> io::Result<Running> {
    let connections = Connections::new();
    let (told, tell) = mpsc::sync_channel(1);
    let (alive, done) = oneshot::channel::<()>();
    let all = Arc::clone(&connections);
    thread::Builder::new().name(serve.name.clone()).spawn(move || {
        let _alive = alive;
        // A system of its own: this thread may be started from inside another one, or from none.
        actix_web::rt::System::new().block_on(async move {
            let doors = serve.doors.clone();
            match build(serve, &all) {
                Ok(server) => {
                    doors.iter().for_each(|guest| guest.door.begin());
                    // The caller waits for this word and is there to hear it.
                    _ = told.send(Ok(server.handle()));
                    if let Err(error) = server.await {
                        tracing::error!(%error, "a listener stopped");
                    }
                }
                Err(error) => _ = told.send(Err(error)),
            }
        });
    })?;
    let handle = tell.recv().map_err(|_| io::Error::other("the listener's thread died at its start"))??;
    Ok(Running { handle, connections, done })
}

fn build(serve: Serve, connections: &Arc<Connections>) -> io::Result<Server> {
    let Serve { sockets, certificate, proxies, limits, doors, .. } = serve;
    let tls = certificate.map(|certificate| certificate.server_config()).transpose().map_err(to_io)?;
    let cores = || thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let workers = limits.workers.unwrap_or_else(cores).max(1);
    let common = Common { workers, limits, doors: sorted(doors), connections: Arc::clone(connections) };
    match proxies {
        None => direct(common, sockets, tls),
        Some(trusted) => behind(common, sockets, tls, trusted),
    }
}

/// What a server is made of, whoever connects to it.
struct Common {
    workers: usize,
    limits: Limits,
    doors: Arc<[Guest]>,
    connections: Arc<Connections>,
}

impl Common {
    fn connections_each(&self) -> usize {
        self.limits.max_connections.div_ceil(self.workers).max(1)
    }
}

/// The first route that fits serves a request: a door of many paths must leave those of the others to them.
fn sorted(mut doors: Vec<Guest>) -> Arc<[Guest]> {
    doors.sort_by_key(|guest| std::cmp::Reverse(guest.path.len()));
    doors.into()
}

fn application(
    doors: &[Guest],
) -> App<
    impl ServiceFactory<ServiceRequest, Config = (), Response = ServiceResponse, Error = actix_web::Error, InitError = ()>
    + use<>,
> {
    App::new()
        .configure(|config| doors.iter().for_each(|guest| guest.door.mount(config)))
        .default_service(web::to(nothing_here))
}

/// Clients connect themselves, or through proxies that only add headers.
fn direct(common: Common, sockets: Vec<TcpListener>, tls: Option<ServerConfig>) -> io::Result<Server> {
    let Common { workers, limits, doors, connections } = &common;
    let doors = Arc::clone(doors);
    let mut server = HttpServer::new(move || application(&doors))
        .workers(*workers)
        .max_connections(common.connections_each())
        .client_request_timeout(limits.request_timeout)
        .tls_handshake_timeout(limits.request_timeout)
        .client_disconnect_timeout(LINGER)
        // A client that is gone must be noticed by handlers that wait or stream, and so must a cut connection.
        .h1_allow_half_closed(false)
        .tcp_nodelay(true)
        .shutdown_timeout(SHUTDOWN_SECS)
        .disable_signals()
        // Before `listen`: later it has no effect.
        .on_connect(connections.on_connect(limits.send_timeout));
    for socket in sockets {
        server = match &tls {
            None => server.listen(socket)?,
            Some(tls) => server.listen_rustls_0_23(socket, tls.clone())?,
        };
    }
    Ok(server.run())
}

/// Some clients connect through proxies that speak the PROXY protocol: the same server, put together by hand, because
/// `HttpServer` has no place for what comes before HTTP.
fn behind(
    common: Common,
    sockets: Vec<TcpListener>,
    tls: Option<ServerConfig>,
    trusted: Networks,
) -> io::Result<Server> {
    let mut server = Server::build()
        .workers(common.workers)
        .max_concurrent_connections(common.connections_each())
        .shutdown_timeout(SHUTDOWN_SECS)
        .disable_signals();
    let preface = Preface { trusted: Arc::new(trusted), patience: common.limits.request_timeout };
    let acceptor = tls.map(preface::acceptor);
    let common = Arc::new(common);
    for socket in sockets {
        let (common, preface) = (Arc::clone(&common), preface.clone());
        server = match acceptor.clone() {
            None => server.listen(NAME, socket, move || {
                let preface = preface.clone();
                fn_service(move |tcp| http(preface.clone().plain(tcp))).and_then(service(&common))
            })?,
            Some(acceptor) => server.listen(NAME, socket, move || {
                let (preface, acceptor) = (preface.clone(), acceptor.clone());
                let secured = move |tcp| http(preface.clone().tls(tcp, acceptor.clone()));
                fn_service(secured).and_then(service(&common))
            })?,
        };
    }
    Ok(server.run())
}

const NAME: &str = "http behind proxies";

/// A connection, as HTTP takes it.
type Opened<T> = (T, Protocol, Option<SocketAddr>);

async fn http<T>(
    opening: impl Future<Output = io::Result<(T, Option<SocketAddr>)>>,
) -> Result<Opened<T>, DispatchError> {
    let (io, client) = opening.await?;
    Ok((io, Protocol::Http1, client))
}

fn service<T: ActixStream + 'static>(
    common: &Common,
) -> impl ServiceFactory<Opened<T>, Config = (), Response = (), Error = DispatchError, InitError = ()> + use<T> {
    let on_connect = common.connections.on_connect(common.limits.send_timeout);
    HttpService::build()
        .client_request_timeout(common.limits.request_timeout)
        .client_disconnect_timeout(LINGER)
        .h1_allow_half_closed(false)
        .on_connect_ext(move |io: &T, data| on_connect(io, data))
        .finish(map_config(application(&common.doors), |()| AppConfig::default()))
}

/// How long a connection is read on after a response that did not wait for the whole request, so that the response
/// arrives and is not lost to a reset.
const LINGER: std::time::Duration = std::time::Duration::from_secs(2);

/// How long a worker waits for its connections when it stops. By then they have been drained or cut, see
/// [`Listeners::stop`](crate::Listeners::stop); this only bounds what nobody should meet.
const SHUTDOWN_SECS: u64 = 3;

fn to_io(error: TlsError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

async fn nothing_here() -> HttpResponse {
    HttpResponse::NotFound().content_type("text/plain; charset=utf-8").body("no door is here; check the path\n")
}
