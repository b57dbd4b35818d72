//! The kernel's side of a connection.
//!
//! A handler in actix-web that waits for a stalled peer cannot end its own connection: nothing polls it. So each
//! connection has a second handle of its socket here, by which someone else can. The price is one more file descriptor
//! for each connection.

use std::any::Any;
use std::fmt;
use std::net::{Shutdown, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actix_tls::accept::rustls_0_23::TlsStream;
use actix_web::dev::Extensions;
use actix_web::rt::net::TcpStream;
use slab::Slab;
use socket2::{SockRef, Socket};
use tokio::sync::Notify;

/// A connection as the kernel sees it. Handlers find theirs with `request.conn_data::<Arc<Connection>>()`.
///
/// The connection's socket stays open as long as this is held: let go of it when the connection's task ends.
pub struct Connection {
    socket: Arc<Socket>,
    peer: Option<SocketAddr>,
    key: usize,
    all: Arc<Connections>,
}

impl Connection {
    /// The other end's address; of a proxy, if one stands between.
    #[must_use]
    pub const fn peer(&self) -> Option<SocketAddr> {
        self.peer
    }

    /// Ends the connection now; what was not sent yet is lost.
    pub fn kill(&self) {
        kill(&self.socket);
    }

    /// Reads no more: the server's side sees the end of input, sends what it has left, and closes.
    pub fn stop_reading(&self) {
        // It fails only when the connection is gone already.
        _ = self.socket.shutdown(Shutdown::Read);
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.all.remove(self.key);
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("peer", &self.peer).finish_non_exhaustive()
    }
}

fn kill(socket: &Socket) {
    // It fails only when the connection is gone already.
    _ = socket.shutdown(Shutdown::Both);
}

/// All connections of a listener.
#[derive(Default)]
pub struct Connections {
    open: Mutex<Slab<Arc<Socket>>>,
    none: Notify,
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connections").field("open", &self.count()).finish()
    }
}

impl Connections {
    /// No connection yet.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// For `HttpServer::on_connect`, which must be called **before** `bind` or `listen`: sets `send_timeout` as
    /// [`Limits`](crate::Limits) says, and gives the connection its [`Connection`]. Applications that mount a door's
    /// scope in their own server should use it; without it a peer that stops reading is only ended by the kernel.
    pub fn on_connect(
        self: &Arc<Self>,
        send_timeout: Duration,
    ) -> impl Fn(&dyn Any, &mut Extensions) + Send + Sync + use<> {
        let all = Arc::clone(self);
        move |io, data| {
            if let Some(tcp) = tcp_of(io)
                && let Some(connection) = all.admit(tcp, send_timeout)
            {
                data.insert(connection);
            }
        }
    }

    fn admit(self: &Arc<Self>, tcp: &TcpStream, send_timeout: Duration) -> Option<Arc<Connection>> {
        let socket = SockRef::from(tcp);
        #[cfg(any(target_os = "linux", target_os = "android"))]
        if let Err(error) = socket.set_tcp_user_timeout(Some(send_timeout)) {
            tracing::warn!(%error, "a connection has no send timeout");
        }
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        let _ = send_timeout;
        match socket.try_clone() {
            Ok(socket) => {
                let socket = Arc::new(socket);
                let key = self.lock().insert(Arc::clone(&socket));
                let peer = tcp.peer_addr().ok();
                Some(Arc::new(Connection { socket, peer, key, all: Arc::clone(self) }))
            }
            Err(error) => {
                tracing::warn!(%error, "a connection has no handle to end it by: raise the limit of open files");
                None
            }
        }
    }

    /// Connections now.
    #[must_use]
    pub fn count(&self) -> usize {
        self.lock().len()
    }

    /// [`stop_reading`](Connection::stop_reading) of every connection: those without a request end at once, the others
    /// when they have answered.
    pub fn stop_reading_all(&self) {
        for (_, socket) in self.lock().iter() {
            _ = socket.shutdown(Shutdown::Read);
        }
    }

    /// Ends every connection now.
    pub fn kill_all(&self) {
        for (_, socket) in self.lock().iter() {
            kill(socket);
        }
    }

    /// Resolves when there is no connection.
    pub async fn none(&self) {
        loop {
            let none = self.none.notified();
            if self.count() == 0 {
                return;
            }
            none.await;
        }
    }

    fn remove(&self, key: usize) {
        let mut open = self.lock();
        open.try_remove(key);
        if open.is_empty() {
            self.none.notify_waiters();
        }
    }

    // Nothing in here can panic halfway, so a poisoned lock has a whole table behind it.
    fn lock(&self) -> MutexGuard<'_, Slab<Arc<Socket>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn tcp_of(io: &dyn Any) -> Option<&TcpStream> {
    io.downcast_ref::<TcpStream>().or_else(|| io.downcast_ref::<TlsStream<TcpStream>>().map(|tls| tls.get_ref().0))
}
