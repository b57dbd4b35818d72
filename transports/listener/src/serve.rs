//! The threads behind one listener.

use std::io;
use std::net::TcpListener;
use std::sync::{Arc, mpsc};
use std::thread;

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpResponse, HttpServer, web};
use tokio::sync::oneshot;

use crate::connection::Connections;
use crate::share::Guest;
use crate::tls::Certificate;
use crate::{Limits, TlsError};

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

fn build(serve: Serve, connections: &Arc<Connections>) -> io::Result<actix_web::dev::Server> {
    let Serve { sockets, certificate, limits, mut doors, .. } = serve;
    // The first route that fits serves a request: a door of many paths must leave those of the others to them.
    doors.sort_by_key(|guest| std::cmp::Reverse(guest.path.len()));
    let cores = || thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let workers = limits.workers.unwrap_or_else(cores).max(1);
    let application = move || {
        App::new()
            .configure(|config| doors.iter().for_each(|guest| guest.door.mount(config)))
            .default_service(web::to(nothing_here))
    };
    let mut server = HttpServer::new(application)
        .workers(workers)
        .max_connections(limits.max_connections.div_ceil(workers).max(1))
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
        server = match &certificate {
            None => server.listen(socket)?,
            Some(certificate) => server.listen_rustls_0_23(socket, certificate.server_config().map_err(to_io)?)?,
        };
    }
    Ok(server.run())
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
