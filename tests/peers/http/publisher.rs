//! A publisher that is faster than curl: one connection, one request after the other.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use crate::process::LIMIT;

pub(crate) struct Publisher {
    socket: BufReader<TcpStream>,
}

impl Publisher {
    pub(crate) fn connect(port: u16) -> Self {
        let socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
        socket.set_nodelay(true).unwrap();
        socket.set_read_timeout(Some(LIMIT)).unwrap();
        Self { socket: BufReader::new(socket) }
    }

    /// Publishes, which has to be taken.
    pub(crate) fn put(&mut self, target: &str, body: &str) {
        let size = body.len();
        let request = format!("PUT {target} HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n{body}");
        self.socket.get_mut().write_all(request.as_bytes()).unwrap();
        let mut status = String::new();
        self.socket.read_line(&mut status).unwrap();
        let (mut size, mut line) = (0, String::new());
        while self.socket.read_line(&mut line).unwrap() > 2 {
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                size = value.trim().parse().unwrap();
            }
            line.clear();
        }
        let mut text = vec![0; size];
        self.socket.read_exact(&mut text).unwrap();
        assert!(status.starts_with("HTTP/1.1 202 "), "{target}: {status}{}", String::from_utf8_lossy(&text));
    }
}
