//! How urls are called, and what becomes of what does not arrive.

use std::sync::Arc;
use std::time::Duration;

use eventhive_listener::Networks;
use eventhive_transport::{Problem, Settings};

use crate::delivery::{BackOff, BreakerSettings, DeliverySettings, JournalSettings, Log, Rate};
use crate::outgoing::{OutgoingSettings, Signed, StandardWebhooks, Unvouched, WebhookSecret};

/// A word for the addresses of the machine itself.
const LOOPBACK: &str = "loopback";

const SECONDS_OF_A_DAY: f64 = 86_400.0;

/// From settings of a table with the keys of requests to urls. Who signs is put in later.
pub(super) fn outgoing(settings: &Settings) -> Result<OutgoingSettings, Vec<Problem>> {
    let standard = OutgoingSettings::new(Arc::new(Unvouched));
    let (allow, webhooks) = match (allow(settings), standard_webhooks(settings)) {
        (Ok(allow), Ok(webhooks)) => (allow, webhooks),
        (allow, webhooks) => return Err(allow.err().into_iter().chain(webhooks.err()).flatten().collect()),
    };
    let time = |name, or| settings.seconds(name).unwrap_or(or);
    let size = |name, or| settings.size(name).unwrap_or(or);
    let requests = size("outgoing_requests", standard.requests);
    Ok(OutgoingSettings {
        total_timeout: time("outgoing_http_timeout_total", standard.total_timeout),
        connect_timeout: time("outgoing_http_timeout_sock_connect", standard.connect_timeout),
        read_timeout: time("outgoing_http_timeout_sock_read", standard.read_timeout),
        per_host: size("outgoing_per_host", standard.per_host),
        per_host_waiting: size("outgoing_waiting_per_host", standard.per_host_waiting),
        requests,
        idle_connections: requests,
        allow,
        tls_ca: settings.text("tls_ca").map(Into::into),
        standard_webhooks: webhooks,
        origin: settings.text("handshake").map(Into::into),
        ..standard
    })
}

/// Nothing unless it is said: a server that listens on loopback may stand behind a proxy that all the world reaches.
fn allow(settings: &Settings) -> Result<Networks, Vec<Problem>> {
    let given = settings.texts("allow");
    let entries =
        given.into_iter().flat_map(|entry| if entry == LOOPBACK { vec!["127.0.0.0/8", "::1"] } else { vec![entry] });
    Networks::parse(entries).map_err(|wrong| wrong.into_iter().map(|what| settings.problem("allow", what)).collect())
}

fn standard_webhooks(settings: &Settings) -> Result<Option<StandardWebhooks>, Vec<Problem>> {
    let Some(table) = settings.table("standard_webhooks") else { return Ok(None) };
    let texts = table.secrets("secret")?;
    let secrets = texts.iter().map(|text| WebhookSecret::from_text(text)).collect::<Result<Vec<_>, _>>();
    let secrets = secrets.map_err(|error| vec![table.problem("secret", error.to_string())])?;
    let signed = if table.text("signed") == Some("body") { Signed::Body } else { Signed::Message };
    Ok(Some(StandardWebhooks { secrets, signed }))
}

/// From settings of a table with the keys of deliveries.
pub(super) fn delivery(settings: &Settings) -> DeliverySettings {
    let standard = DeliverySettings::default();
    DeliverySettings {
        missed: settings.table("missed").map_or(standard.missed, |table| missed(&table)),
        sweep_interval: settings.seconds("sweep_missed_interval").unwrap_or(standard.sweep_interval),
        sweep_concurrency: settings.size("sweep_missed_concurrency").unwrap_or(standard.sweep_concurrency),
        breaker: settings.table("breaker").map_or(standard.breaker, |table| breaker(&table)),
        rate: settings.table("rate").and_then(|table| rate(&table)),
        disable_after: settings.seconds("disable_after_secs").filter(|time| !time.is_zero()),
        probe_disabled: settings.seconds("probe_disabled_secs").unwrap_or(standard.probe_disabled),
        verify: settings.get("handshake").is_some(),
        most_urls: settings.size("remembered_urls").unwrap_or(standard.most_urls),
        journal: settings.table("log").map_or(standard.journal, |table| journal(&table)),
    }
}

fn missed(table: &Settings) -> BackOff {
    let standard = BackOff::default();
    let seconds = |name, or| table.seconds(name).map_or(or, |time| time.as_secs_f64());
    let number = |name, or| table.integer(name).and_then(|number| u32::try_from(number).ok()).unwrap_or(or);
    BackOff {
        expo_factor: seconds("expo_factor", standard.expo_factor),
        expo_base: seconds("expo_base", standard.expo_base),
        expo_max: number("expo_max", standard.expo_max),
        constant: seconds("constant", standard.constant),
        jitter: seconds("jitter", standard.jitter),
        max_retries: number("max_retries", standard.max_retries),
    }
}

fn breaker(table: &Settings) -> BreakerSettings {
    let standard = BreakerSettings::default();
    BreakerSettings {
        failures: table.integer("failures").and_then(|number| u32::try_from(number).ok()).unwrap_or(standard.failures),
        hold: table.seconds("pause_secs").unwrap_or(standard.hold),
        hold_max: table.seconds("max_pause_secs").unwrap_or(standard.hold_max),
    }
}

fn rate(table: &Settings) -> Option<Rate> {
    let per_second = table.seconds("per_second")?.as_secs_f64();
    let burst = table.integer("burst").and_then(|number| u32::try_from(number).ok()).unwrap_or(1);
    Some(Rate { every: Duration::try_from_secs_f64(1.0 / per_second).ok()?, burst })
}

fn journal(table: &Settings) -> JournalSettings {
    let standard = JournalSettings::default();
    let number = |name, or| table.integer(name).and_then(|number| u64::try_from(number).ok()).unwrap_or(or);
    let log = match table.text("attempts") {
        Some("all") => Log::All,
        Some("none") => Log::None,
        _ => Log::Failures,
    };
    let keep = table.seconds("keep_days").map(|days| days.as_secs_f64() * SECONDS_OF_A_DAY);
    JournalSettings {
        log,
        queue_bytes: table
            .integer("queue_bytes")
            .and_then(|bytes| u32::try_from(bytes).ok())
            .unwrap_or(standard.queue_bytes),
        letter_bytes: number("letter_bytes", standard.letter_bytes),
        keep: keep.and_then(|secs| Duration::try_from_secs_f64(secs).ok()).unwrap_or(standard.keep),
        keep_attempts: number("keep_attempts", standard.keep_attempts),
        keep_letters: number("keep_letters", standard.keep_letters),
        keep_letters_per_url: number("keep_letters_per_url", standard.keep_letters_per_url),
        keep_bytes_per_url: number("keep_bytes_per_url", standard.keep_bytes_per_url),
        ..standard
    }
}
