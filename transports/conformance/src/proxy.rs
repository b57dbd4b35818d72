//! A TCP forwarder that misbehaves on demand.
//!
//! One task accepts; each connection has a task that pumps both directions and obeys the [`Mode`], which can be changed
//! at any time and holds for open connections and new ones alike.

use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Mutex, watch};
use tokio::task::{JoinHandle, JoinSet};

/// What the proxy does with connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Forwards.
    Pass,
    /// Keeps sockets open and accepts new ones, but reads and forwards nothing. Back in [`Pass`](Self::Pass), what was
    /// held flows on.
    Stall,
    /// Half-open: what clients send vanishes, what the broker sends arrives.
    LoseFromClient,
    /// Half-open: what the broker sends vanishes, what clients send arrives.
    LoseFromBroker,
    /// Refuses new connections; those that are open pass.
    Refuse,
}

/// The proxy. Dropping it closes its connections.
///
/// A connection that lost bytes is cut when its mode changes, because what came next would be garbage to its ends.
#[derive(Debug)]
pub struct FaultProxy {
    address: SocketAddr,
    broker: SocketAddr,
    control: watch::Sender<Control>,
    open: Arc<watch::Sender<usize>>,
    door: Mutex<Door>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Control {
    mode: Mode,
    cuts: u64,
}

#[derive(Debug)]
enum Door {
    Open(JoinHandle<()>),
    /// Bound, so that nobody else gets the port, but not listening: connections are refused by the system.
    Shut(TcpSocket),
    /// Between the two.
    Moving,
}

/// Small, so that a stalled connection is felt by its sender after kilobytes, not after the megabytes that the system
/// would buffer by itself.
const SOCKET_BUFFER_BYTES: u32 = 64 * 1024;

impl FaultProxy {
    /// Starts on a free port of the loopback interface, passing everything to `broker`.
    ///
    /// # Errors
    /// If no port can be bound.
    pub async fn start(broker: SocketAddr) -> io::Result<Self> {
        let socket = bound(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        let address = socket.local_addr()?;
        let (control, _) = watch::channel(Control { mode: Mode::Pass, cuts: 0 });
        let (open, _) = watch::channel(0);
        let proxy = Self { address, broker, control, open: Arc::new(open), door: Mutex::new(Door::Shut(socket)) };
        proxy.let_in().await?;
        Ok(proxy)
    }

    /// Where clients connect to.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes the mode. When it returns, new connections are refused or accepted as the mode says.
    ///
    /// # Errors
    /// If the port cannot be opened or bound again.
    pub async fn set(&self, mode: Mode) -> io::Result<()> {
        self.control.send_modify(|control| control.mode = mode);
        if mode == Mode::Refuse { self.keep_out().await } else { self.let_in().await }
    }

    /// Cuts every open connection with a reset, on both sides.
    pub fn cut(&self) {
        self.control.send_modify(|control| control.cuts += 1);
    }

    /// How many connections are open.
    #[must_use]
    pub fn open(&self) -> watch::Receiver<usize> {
        self.open.subscribe()
    }

    async fn let_in(&self) -> io::Result<()> {
        let mut door = self.door.lock().await;
        *door = match std::mem::replace(&mut *door, Door::Moving) {
            Door::Open(task) => Door::Open(task),
            Door::Shut(socket) => self.accepting(socket)?,
            Door::Moving => self.accepting(bound(self.address)?)?,
        };
        Ok(())
    }

    fn accepting(&self, socket: TcpSocket) -> io::Result<Door> {
        let listener = socket.listen(1024)?;
        let (control, open) = (self.control.clone(), Arc::clone(&self.open));
        Ok(Door::Open(tokio::spawn(accept(listener, self.broker, control, open))))
    }

    async fn keep_out(&self) -> io::Result<()> {
        let mut door = self.door.lock().await;
        if matches!(*door, Door::Shut(_)) {
            return Ok(());
        }
        // Bound before the listener is gone, or another process could get the port in between.
        let socket = bound(self.address)?;
        if let Door::Open(task) = std::mem::replace(&mut *door, Door::Moving) {
            task.abort();
            // Ends as cancelled; what matters is that the listener is gone.
            let _ = task.await;
        }
        *door = Door::Shut(socket);
        Ok(())
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        if let Door::Open(task) = self.door.get_mut() {
            task.abort();
        }
        self.cut();
    }
}

fn bound(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    #[cfg(unix)]
    socket.set_reuseport(true)?;
    socket.set_recv_buffer_size(SOCKET_BUFFER_BYTES)?;
    socket.bind(address)?;
    Ok(socket)
}

/// Accepts for as long as the door is open. Connections outlive it: they end by their peers, by a cut, or with the proxy.
async fn accept(
    listener: TcpListener,
    broker: SocketAddr,
    control: watch::Sender<Control>,
    open: Arc<watch::Sender<usize>>,
) {
    loop {
        match listener.accept().await {
            Ok((client, _)) => {
                tokio::spawn(serve(client, broker, control.subscribe(), Arc::clone(&open)));
            }
            Err(error) => {
                // Out of descriptors, for instance. Waiting a little beats spinning until one is free.
                tracing::warn!(%error, "the fault proxy could not accept");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }
}

async fn serve(
    client: TcpStream,
    broker: SocketAddr,
    control: watch::Receiver<Control>,
    open: Arc<watch::Sender<usize>>,
) {
    let mut cut = control.clone();
    let cuts = cut.borrow_and_update().cuts;
    let Ok(upstream) = connect(broker).await else {
        reset(&client);
        return;
    };
    open.send_modify(|open| *open += 1);
    // Both ends send on when they have something: the proxy must not add its own delay.
    let _ = (client.set_nodelay(true), upstream.set_nodelay(true));
    pump_both(client, upstream, control, async move {
        // An error means that the proxy is gone.
        let _ = cut.wait_for(|control| control.cuts != cuts).await;
    })
    .await;
    open.send_modify(|open| *open -= 1);
}

async fn connect(broker: SocketAddr) -> io::Result<TcpStream> {
    let socket = if broker.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_recv_buffer_size(SOCKET_BUFFER_BYTES)?;
    socket.connect(broker).await
}

/// Forwards both ways until both are at their end, or one breaks, or `cut` resolves; then whatever is still open is reset.
async fn pump_both(client: TcpStream, upstream: TcpStream, control: watch::Receiver<Control>, cut: impl Future) {
    let (from_client, to_client) = client.into_split();
    let (from_broker, to_broker) = upstream.into_split();
    let mut pumps = JoinSet::new();
    pumps.spawn(pump(from_client, to_broker, control.clone(), Mode::LoseFromClient));
    pumps.spawn(pump(from_broker, to_client, control, Mode::LoseFromBroker));
    tokio::select! {
        _ = cut => {}
        () = async { while let Some(Ok(Ok(()))) = pumps.join_next().await {} } => {}
    }
    pumps.shutdown().await;
}

/// The read half of one stream and the write half of the other. Dropped without an orderly end, it resets both.
struct Pipe {
    from: OwnedReadHalf,
    to: OwnedWriteHalf,
    orderly: bool,
}

impl Drop for Pipe {
    fn drop(&mut self) {
        if !self.orderly {
            reset(self.from.as_ref());
            reset(self.to.as_ref());
        }
    }
}

async fn pump(
    from: OwnedReadHalf,
    to: OwnedWriteHalf,
    mut control: watch::Receiver<Control>,
    loses: Mode,
) -> io::Result<()> {
    let mut pipe = Pipe { from, to, orderly: false };
    let mut buffer = vec![0_u8; 16 * 1024];
    let mut lost = false;
    loop {
        let mode = control.borrow_and_update().mode;
        if lost && mode != loses {
            return Err(io::Error::other("bytes were lost"));
        }
        let read = tokio::select! {
            read = read_unless(mode == Mode::Stall, &mut pipe.from, &mut buffer) => read?,
            changed = control.changed() => {
                changed.map_err(io::Error::other)?;
                continue;
            }
        };
        if mode == loses {
            lost = true;
            // The end of the stream is lost as well: it stays half-open.
            if read == 0 {
                control.changed().await.map_err(io::Error::other)?;
            }
        } else if read == 0 {
            pipe.orderly = true;
            return pipe.to.shutdown().await;
        } else {
            pipe.to.write_all(buffer.get(..read).unwrap_or_default()).await?;
        }
    }
}

async fn read_unless(stalled: bool, from: &mut OwnedReadHalf, buffer: &mut [u8]) -> io::Result<usize> {
    if stalled { pending().await } else { from.read(buffer).await }
}

/// Makes the socket's end a reset. If that cannot be, it ends as any other, which is as much an end for its peer.
fn reset(stream: &TcpStream) {
    let _ = stream.set_zero_linger();
}
