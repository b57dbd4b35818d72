//! One run: the template becomes a configuration, the hive starts, at most one event goes out, at most one is awaited.

use std::io::{self, Read as _, Write as _};
use std::time::Duration;

use eventhive::config::{Kinds, Sources};
use eventhive::{Config, Event, Hive, Origin, Payload, StartOptions};
use serde_json::Value;
use tokio::time::Instant;

use super::args::{LegacyArgs, usage};
use super::{eprintln, failure};
use crate::cli::exit::{Exit, Failure};
use crate::cli::python;
use crate::cli::run::Signals;
use crate::cli::template::{TemplateError, Values, fill};

/// How long leaving the network may take.
const STOP: Duration = Duration::from_secs(1);

/// The configuration: what the environment says, and the filled template over it.
pub(super) fn prepare(arguments: &LegacyArgs) -> Result<Config, Failure> {
    let mut sources = Sources::new();
    sources.read_environment();
    let values = Values { network: &arguments.network, receiver: &arguments.receiver, secret: &arguments.secret };
    match fill(&template(arguments)?, &values) {
        Ok(text) => {
            sources.read_named(arguments.config.display().to_string(), &text);
        }
        // The original goes on without the file, and scripts may look for its text.
        Err(TemplateError::UnknownName(name)) => {
            let _ = writeln!(io::stdout().lock(), "[CLI] Configuration exception {}", python::repr_text(&name));
        }
        Err(error) => return Err(failure(Exit::Negative, format!("[CLI] {}: {error}", arguments.config.display()))),
    }
    let mut config = sources.resolve(&Kinds::compiled_in())?;
    // What waits on disk is a running hive's to send.
    config.connectors.iter_mut().for_each(|connector| connector.outbox.path = None);
    Ok(config)
}

fn template(arguments: &LegacyArgs) -> Result<String, Failure> {
    let path = &arguments.config;
    let read = if path.as_os_str() == "-" {
        let mut text = String::new();
        io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        std::fs::read_to_string(path)
    };
    read.map_err(|error| {
        failure(Exit::Usage, format!("{}\nerror: argument --config: can't open '{}': {error}", usage(), path.display()))
    })
}

/// The text to print: the message that came, or the fallback.
pub(super) async fn run(config: Config, arguments: &LegacyArgs) -> Result<String, Failure> {
    let deadline = Instant::now() + Duration::from_secs(arguments.timeout.into());
    let metadata_key = config.hive.metadata_key.clone();
    let mut signals = Signals::listen()?;
    let failed = |error: &dyn std::fmt::Display| failure(Exit::Failed, format!("[CLI] {error}"));
    let hive = Hive::builder().config(config).build().map_err(|error| failed(&error))?;
    let awaited = arguments.awaited();
    hive.define(&awaited, "what the command line waits for").map_err(|error| failed(&error))?;
    let mut events = hive.stream(awaited.as_str()).map_err(|error| failed(&error))?;
    eprintln(&format!("[CLI] Waiting for: '{awaited}'"));
    let exchange = async {
        let options = StartOptions::new().within(deadline.saturating_duration_since(Instant::now()));
        hive.start_with(options).await.map_err(|error| failed(&error))?;
        publish(&hive, arguments).await?;
        Ok(events.next().await)
    };
    let event = tokio::select! {
        event = tokio::time::timeout_at(deadline, exchange) => event.unwrap_or(Ok(None)),
        exit = signals.end() => Err(failure(exit, "[CLI] ended by a signal")),
    };
    hive.stop(STOP).await;
    let Some(event) = event? else { return Ok(arguments.json_fallback.clone()) };
    let received = python::dumps(&message(&event, &metadata_key));
    eprintln(&format!("[CLI] Received: '{received}'"));
    Ok(received)
}

/// Calls the target, if there is anything that Python takes for true.
async fn publish(hive: &Hive, arguments: &LegacyArgs) -> Result<(), Failure> {
    let Some(data) = arguments.json_data.as_ref().filter(|data| !python::is_falsy(data)) else { return Ok(()) };
    let target = arguments.target();
    let shown = match data {
        Value::String(text) => text.clone(),
        other => python::repr(other),
    };
    eprintln(&format!("[CLI] Publishing to '{target}': '{shown}'"));
    if !data.is_object() {
        return Err(failure(Exit::Negative, "[CLI] --json-data must be a JSON object to be published"));
    }
    let outcomes = hive.call(&target, Payload::from(data.clone())).await;
    match outcomes {
        Ok(outcomes) => match outcomes.published() {
            Some(Err(error)) => Err(failure(Exit::Negative, format!("[CLI] not published: {error}"))),
            _ => Ok(()),
        },
        // The original publishes into the void and waits; a message may still come from others.
        Err(error) => {
            eprintln(&format!("[CLI] not published: {error}"));
            Ok(())
        }
    }
}

/// The message as the original's hook gets it: the payload, and the metadata that came with it.
fn message(event: &Event, metadata_key: &str) -> Value {
    let mut message = event.payload().as_value().cloned().unwrap_or_default();
    if let (Origin::Network(_), Some(metadata), Value::Object(entries)) =
        (event.origin(), event.sent_metadata(), &mut message)
    {
        let metadata = serde_json::json!({
            "time": metadata.time, "version": metadata.version, "event": metadata.event, "id": metadata.id,
        });
        entries.insert(metadata_key.to_owned(), metadata);
    }
    message
}
