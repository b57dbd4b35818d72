//! The beginning of a session: CONFIGURE, its answer, and the compressors that there are from the beginning.

use std::rc::Rc;
use std::sync::Arc;

use super::closing::Close;
use super::live::Live;
use super::requests::answer;
use super::settings;
use crate::broadcaster::{Joined, Peer};
use crate::compression::{Dictionary, PLAIN, PLAIN_LEVEL, Trainer, Training};
use crate::wire::Proof;
use crate::wire::auth::Claim;
use crate::wire::stateful::counter::ConnectionNonce;
use crate::wire::stateful::{B2s, Compressor, Configure, S2b};

/// Lets the subscriber in. It joins the broadcaster, where it gets nothing before it subscribes.
pub(super) async fn configure(live: &Rc<Live>, configure: Configure<'_>) -> Result<Joined, Close> {
    if let Some(claim) = S2b::Configure(configure).claim("") {
        live.speech.admit(configure.proof, configure.proof.tracing, &claim).await?;
    }
    let nonce = live.sessions.settings.random.nonce().map_err(|error| {
        tracing::warn!(%error, "no random bytes for a websocket");
        Close::failed("no random bytes for a nonce")
    })?;
    live.speech.begin(ConnectionNonce::new(configure.subscriber_nonce, &nonce));
    let authorization = live.speech.sign(&Claim::ConfirmConfigure { broadcaster_nonce: &nonce })?;
    let proof = Proof { authorization: authorization.as_deref(), tracing: b"" };
    answer(live, &B2s::ConfirmConfigure { broadcaster_nonce: &nonce, proof })?;
    match &live.sessions.settings.compression {
        Some(compression) if configure.enable_zstd => enable(live, compression, configure)?,
        _ => {}
    }
    let peer: Arc<dyn Peer> = Arc::clone(&live.queue) as _;
    let joined = live.sessions.broadcaster.join(peer);
    live.configured();
    Ok(joined)
}

/// Announces the compressors that need no training. Nothing else has been sent that is counted, so they come first.
fn enable(live: &Rc<Live>, settings: &settings::Compression, configure: Configure<'_>) -> Result<(), Close> {
    let max_size = u64::MAX;
    let plain = Compressor { id: PLAIN, level: PLAIN_LEVEL, min_size: settings.trained_max_size, max_size };
    announce(live, plain, None)?;
    if configure.initial_dict >= 2 {
        let preset = settings.presets.get(&configure.initial_dict);
        let preset = preset.ok_or_else(|| Close::refused("a dictionary that is not known here"))?;
        let (id, level) = (configure.initial_dict.into(), preset.level());
        let compressor = Compressor { id, level, min_size: settings.min_size, max_size };
        announce(live, compressor, Some(Arc::clone(preset)))?;
    }
    if let (Some(training), true) = (settings.training, configure.enable_training) {
        let (min_size, max_size) = (settings.min_size, settings.trained_max_size.into());
        live.speech.train(Trainer::new(Training { min_size, max_size, ..training }));
    }
    Ok(())
}

fn announce(live: &Live, compressor: Compressor, dictionary: Option<Arc<Dictionary>>) -> Result<(), Close> {
    live.speech.compressors.borrow_mut().enable(compressor, dictionary).map_err(Close::refused)?;
    let url = live.speech.next_url();
    let authorization = live.speech.sign(&Claim::EnableZstdPreset { url: &url, compressor })?;
    let proof = Proof { authorization: authorization.as_deref(), tracing: b"" };
    answer(live, &B2s::EnableZstdPreset { compressor, proof })
}
