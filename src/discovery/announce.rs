//! Telling the network that a server is here.

use std::net::IpAddr;

use eventhive_transport::settings::Entry;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::claim::Claim;
use super::claiming::claim;
use super::keeper::Keeper;
use super::records::Records;
use super::{DiscoveryError, Mdns, Signature};

/// A server to be announced.
#[derive(Debug, Clone)]
pub struct Server {
    /// Its name, which is the network's.
    pub name: String,
    /// The address that it listens on. A wildcard stands for all addresses of the chosen interfaces. A server that
    /// listens on loopback is announced there only.
    pub host: IpAddr,
    /// The port that it listens on.
    pub port: u16,
    /// Its settings. Give those that a connector has a use for (see [`keep_known`](super::keep_known)); tokens, keys and
    /// the like are left out in any case.
    pub init: Vec<Entry>,
    /// Its age and identity, if servers of this name decide among themselves which one stays.
    pub claim: Option<Claim>,
}

/// A standing announcement. [`withdraw`](Self::withdraw) it; dropped, it is withdrawn in the background.
#[derive(Debug)]
pub struct Announcement {
    repeat: mpsc::Sender<()>,
    keeper: JoinHandle<()>,
}

impl Announcement {
    /// With `insist` the name is not asked for: another server may be announced under it, and both are then.
    pub(super) async fn start(mdns: &Mdns, server: &Server, insist: bool) -> Result<Self, DiscoveryError> {
        let signer = mdns.signer.as_ref();
        let interfaces = mdns.interfaces.for_host(server.host)?;
        let mut records = Records::new(server, &interfaces, signer)?;
        let claimed = match claim(&mut records, &interfaces, signer, !insist).await {
            // Whoever does not know the secret cannot keep the name from those who do.
            Err(DiscoveryError::Taken { by, .. })
                if signer.is_some() && by.as_ref().is_none_or(|by| by.signature != Signature::Valid) =>
            {
                tracing::warn!(
                    server = server.name,
                    ?by,
                    "announced, although a server that is not signed has the name"
                );
                claim(&mut records, &interfaces, signer, false).await?
            }
            other => other?,
        };
        tracing::info!(server = server.name, host = records.host(), port = server.port, "announced by mDNS");
        let (repeat, orders) = mpsc::channel(1);
        let keeper = Keeper { interfaces, records, claimed, signer: mdns.signer.clone(), orders };
        Ok(Self { repeat, keeper: tokio::spawn(keeper.run()) })
    }

    /// Says it again, for those who heard another server of this name say goodbye.
    pub fn repeat(&self) {
        // A repetition that waits already is enough.
        let _ = self.repeat.try_send(());
    }

    /// Says goodbye, so that others forget the server at once. Takes a seventh of a second.
    pub async fn withdraw(self) {
        drop(self.repeat);
        let _ = self.keeper.await;
    }
}
