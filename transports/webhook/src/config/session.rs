//! How websockets are treated.

use std::collections::HashMap;
use std::fs;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::str::FromStr as _;
use std::sync::Arc;

use eventhive_listener::Proxies;
use eventhive_transport::{Overflow, Problem, Settings};

use crate::compression::{Bounds, Dictionary, Training};
use crate::session::{self, Compression};
use crate::wire::stateful::Mode;

/// From settings of a table with the keys of websockets. Reads dictionaries.
pub(super) fn session(settings: &Settings) -> Result<session::Settings, Vec<Problem>> {
    let standard = session::Settings::default();
    let (proxies, compression) = match (Proxies::from_settings(settings), compression(settings)) {
        (Ok(proxies), Ok(compression)) => (proxies, compression),
        (proxies, compression) => {
            return Err(proxies.err().into_iter().chain(compression.err()).flatten().collect());
        }
    };
    let size = |name, or| settings.size(name).unwrap_or(or);
    let time = |name, or| settings.seconds(name).unwrap_or(or);
    let unacknowledged = settings.size("websocket_send_max_unacknowledged");
    Ok(session::Settings {
        max_sessions: size("max_sessions", standard.max_sessions),
        max_sessions_per_address: size("max_sessions_per_address", standard.max_sessions_per_address),
        proxies,
        configure_timeout: time("websocket_accept_timeout", standard.configure_timeout),
        ping_interval: time("ping_interval_secs", standard.ping_interval),
        ping_timeout: time("ping_timeout_secs", standard.ping_timeout),
        max_pending: size("websocket_max_pending_sends", standard.max_pending),
        queue_bytes: size("queue_bytes", standard.queue_bytes),
        overflow: settings.text("overflow").and_then(|word| Overflow::from_str(word).ok()).unwrap_or(standard.overflow),
        patience: time("patience_secs", standard.patience),
        max_unprocessed: size("websocket_max_unprocessed_receives", standard.max_unprocessed),
        max_unacknowledged: unacknowledged.map_or(standard.max_unacknowledged, NonZeroUsize::new),
        headers: if settings.flag("websocket_minimal_headers") { Mode::Minimal } else { Mode::Expanded },
        max_outgoing_bytes: size("outgoing_max_ws_message_size", standard.max_outgoing_bytes),
        max_incoming_bytes: size("incoming_max_ws_message_size", standard.max_incoming_bytes),
        compression,
        bounds: bounds(settings, standard.bounds),
        ..standard
    })
}

fn bounds(settings: &Settings, standard: Bounds) -> Bounds {
    let number = |name, or| settings.size(name).map_or(or, |number| number as u64);
    Bounds {
        spool_bytes: settings.size("message_body_spool_size").unwrap_or(standard.spool_bytes),
        // That it is there is checked where requests are configured.
        spool_folder: settings.text("spool_path").map(PathBuf::from),
        // The door's own is put in when it opens.
        memory: None,
        max_message_bytes: number("max_message_bytes", standard.max_message_bytes),
        max_window_bytes: number("decompression_max_window_size", standard.max_window_bytes),
    }
}

fn compression(settings: &Settings) -> Result<Option<Compression>, Vec<Problem>> {
    if !settings.flag("compression_allowed") {
        return Ok(None);
    }
    let standard = Compression::default();
    let size = |name, or| settings.integer(name).and_then(|size| u32::try_from(size).ok()).unwrap_or(or);
    let min_size = size("compression_min_size", standard.min_size);
    let trained_max_size = size("compression_trained_max_size", standard.trained_max_size);
    let training = settings.flag("compression_allow_training").then(|| training(settings, min_size, trained_max_size));
    Ok(Some(Compression { min_size, trained_max_size, presets: presets(settings)?, training }))
}

fn training(settings: &Settings, min_size: u32, max_size: u32) -> Training {
    let standard = Training::default();
    let number = |name, or| settings.size(name).map_or(or, |number| number as u64);
    Training {
        min_size,
        max_size: max_size.into(),
        low_watermark: number("compression_training_low_watermark", standard.low_watermark),
        high_watermark: number("compression_training_high_watermark", standard.high_watermark),
        retrain_interval: settings.seconds("compression_retrain_interval_seconds").unwrap_or(standard.retrain_interval),
    }
}

fn presets(settings: &Settings) -> Result<HashMap<u16, Arc<Dictionary>>, Vec<Problem>> {
    let (mut presets, mut problems) = (HashMap::new(), Vec::new());
    for (number, table) in settings.named("compression_dictionary_by_id") {
        match (number.parse::<u16>().ok().filter(|number| *number >= 2), preset(&table)) {
            (Some(number), Ok(dictionary)) => drop(presets.insert(number, Arc::new(dictionary))),
            (None, _) => problems.push(table.problem_here("a dictionary's number is from 2 to 65535")),
            (_, Err(what)) => problems.push(table.problem("file", what)),
        }
    }
    if problems.is_empty() { Ok(presets) } else { Err(problems) }
}

fn preset(table: &Settings) -> Result<Dictionary, String> {
    let file = table.text("file").unwrap_or_default();
    let level = table.integer("level").and_then(|level| i16::try_from(level).ok()).unwrap_or(3);
    let bytes = fs::read(file).map_err(|error| format!("cannot read the dictionary `{file}`: {error}"))?;
    Dictionary::new(bytes.into(), level).map_err(|error| format!("`{file}`: {error}"))
}
