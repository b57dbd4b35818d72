//! Servers to announce.

use eventhive::discovery::{Interfaces, Mdns, Server, Signer};
use eventhive_transport::settings::{Entry, Position, Value};

/// An entry of a configuration.
pub(crate) fn entry(key: &str, value: Value) -> Entry {
    let at = Position::default();
    Entry { key: key.to_owned(), key_at: at, node: eventhive_transport::Node { value, at } }
}

pub(crate) fn text(value: &str) -> Value {
    Value::Text(value.to_owned())
}

/// A server with an endpoint.
pub(crate) fn server(name: &str, host: &str, port: u16) -> Server {
    let init =
        vec![entry("host", text(host)), entry("port", Value::Integer(port.into())), entry("endpoint", text("/pubsub"))];
    Server { name: name.to_owned(), host: host.parse().unwrap(), port, init, claim: None }
}

/// mDNS without a secret.
pub(crate) fn open() -> Mdns {
    Mdns::default()
}

/// mDNS with this secret.
pub(crate) fn secret(secret: &str) -> Mdns {
    Mdns::new(Interfaces::Usual, Signer::new(&[secret.to_owned().into()]))
}

/// Pairs as text, for comparisons.
pub(crate) fn pairs(of: &[(&str, &str)]) -> Vec<(String, String)> {
    of.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}
