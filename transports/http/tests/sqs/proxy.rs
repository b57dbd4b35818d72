//! A server in front of Moto that notes what is asked, and answers some of it itself.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{header, until};

/// A request: what it asks for, and its head and body.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) action: String,
    pub(crate) head: String,
    pub(crate) body: String,
}

/// An answer in place of the server's: status line and body.
pub(crate) type Answer = (&'static str, &'static str);

#[derive(Default)]
struct State {
    asked: Vec<Asked>,
    answers: Vec<(&'static str, Answer)>,
}

pub(crate) struct Proxy {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl Proxy {
    pub(crate) async fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, state) = (listener.local_addr().unwrap(), Arc::<Mutex<State>>::default());
        let of_all = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let state = Arc::clone(&of_all);
                // A client that goes away in the middle is none of the proxy's errors.
                tokio::spawn(async move { _ = serve(client, server, &state).await });
            }
        });
        Self { address, state }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Answers such requests itself from now on.
    pub(crate) fn answer(&self, action: &'static str, answer: Answer) {
        self.pass(action);
        self.state.lock().unwrap().answers.push((action, answer));
    }

    /// Passes them on again.
    pub(crate) fn pass(&self, action: &'static str) {
        self.state.lock().unwrap().answers.retain(|(known, _)| *known != action);
    }

    /// The requests of this kind so far.
    pub(crate) fn asked(&self, action: &str) -> Vec<Asked> {
        self.state.lock().unwrap().asked.iter().filter(|asked| asked.action == action).cloned().collect()
    }

    /// Returns with them when there are so many.
    pub(crate) async fn until_asked(&self, action: &str, count: usize) -> Vec<Asked> {
        until(&format!("{action} is asked for {count} times"), || self.asked(action).len() >= count).await;
        self.asked(action)
    }
}

/// One request: each answer ends its connection, as Moto's do.
async fn serve(mut client: TcpStream, server: SocketAddr, state: &Mutex<State>) -> std::io::Result<()> {
    let (head, body) = request(&mut client).await?;
    let action = header(&head, "x-amz-target").and_then(|target| target.rsplit('.').next()).unwrap_or_default();
    let own = {
        let mut state = state.lock().unwrap();
        let asked = Asked { action: action.to_owned(), head: head.clone(), body: body.clone() };
        state.asked.push(asked);
        state.answers.iter().find(|(known, _)| *known == action).map(|(_, answer)| *answer)
    };
    if let Some((status, body)) = own {
        let size = body.len();
        let kind = "application/x-amz-json-1.0";
        let answer = format!(
            "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {size}\r\nConnection: close\r\n\r\n{body}"
        );
        return client.write_all(answer.as_bytes()).await;
    }
    let mut server = TcpStream::connect(server).await?;
    server.write_all(format!("{head}{body}").as_bytes()).await?;
    tokio::io::copy(&mut server, &mut client).await?;
    Ok(())
}

async fn request(client: &mut TcpStream) -> std::io::Result<(String, String)> {
    let (mut bytes, mut chunk) = (Vec::new(), [0; 4096]);
    loop {
        let text = String::from_utf8_lossy(&bytes);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let size = header(head, "content-length").map_or(0, |size| size.parse().unwrap());
            if body.len() >= size {
                return Ok((format!("{head}\r\n\r\n"), body.to_owned()));
            }
        }
        match client.read(&mut chunk).await? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            read => bytes.extend_from_slice(&chunk[..read]),
        }
    }
}
