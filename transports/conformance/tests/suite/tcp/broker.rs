//! The broker: a queue and two tasks a connection.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use eventhive_transport::Topic;
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::{Flaw, Frame, Kind};

/// What may wait for one connection.
const QUEUE: usize = 4 << 20;

pub(super) struct Running {
    pub(super) address: SocketAddr,
    state: Arc<State>,
    tasks: JoinSet<()>,
}

struct State {
    flaw: Flaw,
    /// Serialises publishes, so that everyone sees one order.
    clients: tokio::sync::Mutex<HashMap<usize, Client>>,
    queues: Mutex<Vec<Arc<AtomicUsize>>>,
}

struct Client {
    topics: HashSet<Topic>,
    queue: mpsc::UnboundedSender<Bytes>,
    waiting: Arc<AtomicUsize>,
}

pub(super) fn start(address: SocketAddr, flaw: Flaw) -> Running {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    // So that what a stalled client does not take waits here, and not in the system.
    socket.set_send_buffer_size(64 * 1024).unwrap();
    socket.bind(address).unwrap();
    let listener = socket.listen(1024).unwrap();
    let address = listener.local_addr().unwrap();
    let state = Arc::new(State { flaw, clients: tokio::sync::Mutex::default(), queues: Mutex::default() });
    let mut tasks = JoinSet::new();
    tasks.spawn(accept(listener, Arc::clone(&state)));
    Running { address, state, tasks }
}

impl Running {
    pub(super) async fn stop(mut self) {
        self.tasks.shutdown().await;
    }

    pub(super) fn queued_bytes(&self) -> usize {
        self.state.queues.lock().unwrap().iter().map(|waiting| waiting.load(Ordering::Relaxed)).sum()
    }
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    // In the task that is aborted, so that connections end with it.
    let mut connections = JoinSet::new();
    for number in 0.. {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let state = Arc::clone(&state);
        connections.spawn(async move {
            serve(number, stream, &state).await;
            state.clients.lock().await.remove(&number);
        });
    }
}

async fn serve(number: usize, stream: TcpStream, state: &State) {
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    let (queue, mut frames) = mpsc::unbounded_channel::<Bytes>();
    let waiting = Arc::new(AtomicUsize::new(0));
    state.queues.lock().unwrap().push(Arc::clone(&waiting));
    let client = Client { topics: HashSet::new(), queue, waiting: Arc::clone(&waiting) };
    state.clients.lock().await.insert(number, client);
    let write = async {
        while let Some(frame) = frames.recv().await {
            if writer.write_all(&frame).await.is_err() {
                break;
            }
            waiting.fetch_sub(frame.len(), Ordering::Relaxed);
        }
    };
    let read = async {
        while let Ok(frame) = Frame::read(&mut reader).await {
            handle(number, frame, state).await;
        }
    };
    tokio::select! { () = write => {}, () = read => {} }
    waiting.store(0, Ordering::Relaxed);
}

async fn handle(number: usize, frame: Frame, state: &State) {
    let mut clients = state.clients.lock().await;
    match frame.kind {
        Kind::Publish => {
            let encoded = frame.encode();
            let mut slow = Vec::new();
            for (of, client) in clients.iter().filter(|(_, client)| client.topics.contains(&frame.topic)) {
                if !offer(client, &encoded, state.flaw).await {
                    slow.push(*of);
                }
            }
            clients.retain(|of, _| !slow.contains(of));
        }
        Kind::Subscribe => {
            let own = clients.get_mut(&number);
            own.into_iter().for_each(|client| _ = client.topics.insert(frame.topic.clone()));
        }
        Kind::Unsubscribe => {
            let own = clients.get_mut(&number);
            own.into_iter().for_each(|client| _ = client.topics.remove(&frame.topic));
        }
        Kind::Ping | Kind::Done => {}
    }
    if let Some(client) = clients.get(&number) {
        offer(client, &Frame::bare(Kind::Done).encode(), Flaw::None).await;
    }
}

/// Queues a frame; `false` if the client is too slow.
async fn offer(client: &Client, frame: &Bytes, flaw: Flaw) -> bool {
    while flaw == Flaw::ServesInTurn && client.waiting.load(Ordering::Relaxed) > QUEUE && !client.queue.is_closed() {
        tokio::task::yield_now().await;
    }
    let before = client.waiting.fetch_add(frame.len(), Ordering::Relaxed);
    let room = before < QUEUE || flaw == Flaw::KeepsAllForTheSlow;
    room && client.queue.send(frame.clone()).is_ok()
}
