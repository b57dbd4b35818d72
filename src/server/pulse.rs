//! Whether the server that another hive runs still answers.

use std::time::Duration;

use tokio::net::TcpStream;

use crate::discovery::Found;

/// How long a server has to accept a connection.
const ANSWER: Duration = Duration::from_secs(2);
/// How long a connection is kept: where a whole machine is gone, nothing tells of its end.
const KEPT: Duration = Duration::from_secs(15);
/// The wait between two connections. A server ends one that says nothing, after ten seconds or so.
const PAUSE: Duration = Duration::from_secs(1);
/// The wait after the server was told to be lost.
const AGAIN: Duration = Duration::from_secs(5);

/// Keeps a connection open that says nothing: its end tells at once that the server's process is gone.
#[derive(Default)]
pub(super) struct Pulse {
    place: Option<(String, u16)>,
    connection: Option<TcpStream>,
    /// Attempts in a row that failed.
    failures: u32,
}

impl Pulse {
    /// Feels the pulse of this server from now on. One that does not say where it is has none.
    pub(super) fn of(server: &Found) -> Self {
        let place = server.host().map(|host| (host.to_owned(), server.port));
        Self { place, connection: None, failures: 0 }
    }

    /// Whether the server answered when it was last asked.
    pub(super) const fn is_felt(&self) -> bool {
        self.place.is_some() && self.failures == 0
    }

    /// Comes back when the server does not answer, twice; then again every few seconds while that stays so.
    pub(super) async fn lost(&mut self) {
        let Some(place) = self.place.clone() else { return std::future::pending().await };
        loop {
            if let Some(connection) = &self.connection {
                // Either way a new one shows whether the server is there.
                let _ = tokio::time::timeout(KEPT, ended(connection)).await;
                self.connection = None;
                tokio::time::sleep(PAUSE).await;
            }
            let connecting = TcpStream::connect((place.0.as_str(), place.1));
            match tokio::time::timeout(ANSWER, connecting).await {
                Ok(Ok(connection)) => (self.connection, self.failures) = (Some(connection), 0),
                Ok(Err(_)) | Err(_) => {
                    self.failures = self.failures.saturating_add(1);
                    tokio::time::sleep(if self.failures > 2 { AGAIN } else { PAUSE }).await;
                    if self.failures >= 2 {
                        return;
                    }
                }
            }
        }
    }
}

/// Waits for the end of a connection. What the server says meanwhile is of no interest.
async fn ended(connection: &TcpStream) {
    let mut said = [0; 256];
    while connection.readable().await.is_ok() {
        match connection.try_read(&mut said) {
            Ok(0) => return,
            Err(error) if error.kind() != std::io::ErrorKind::WouldBlock => return,
            Ok(_) | Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    const PATIENCE: Duration = Duration::from_secs(60);

    fn server(port: u16) -> Found {
        let txt = vec![("host".to_owned(), "127.0.0.1".to_owned()), ("port".to_owned(), port.to_string())];
        Found::described("net".to_owned(), txt, port, None)
    }

    #[tokio::test]
    async fn a_server_that_only_ends_connections_is_not_lost_and_one_that_takes_none_is() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut pulse = Pulse::of(&server(listener.local_addr().unwrap().port()));
        let ends_two = async {
            for _ in 0..2 {
                drop(listener.accept().await.unwrap());
            }
            listener.accept().await.unwrap()
        };
        let connection = tokio::select! {
            connection = tokio::time::timeout(PATIENCE, ends_two) => connection.unwrap(),
            () = pulse.lost() => panic!("it was there"),
        };
        assert!(pulse.is_felt());
        drop((connection, listener));
        for _ in 0..2 {
            tokio::time::timeout(PATIENCE, pulse.lost()).await.unwrap();
            assert!(!pulse.is_felt());
        }
    }
}
