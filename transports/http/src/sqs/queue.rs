//! What is asked of the server.

use std::time::Duration;

use aws_config::BehaviorVersion;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::{Region, SharedHttpClient};
use aws_sdk_sqs::types::{DeleteMessageBatchRequestEntry, Message};
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;

use super::config::{QueueConfig, is_url};
use super::failure::Failure;

/// Messages of one request: the most that the API allows.
const BATCH: i32 = 10;

/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(5);

/// How long an answer may take beyond what it may wait for messages.
const ANSWER: Duration = Duration::from_secs(10);

/// A queue that was found.
pub(super) struct Queue {
    client: Client,
    url: String,
    wait_secs: i32,
}

/// A message that was received.
#[derive(Debug)]
pub(super) struct Received {
    /// What tells it from others; a server that gives none, or an empty one, cannot have its copies known.
    pub(super) id: Option<String>,
    pub(super) body: String,
    /// What it is deleted by.
    receipt: String,
}

/// What all readers share: connections, and the roots of TLS.
pub(super) fn http_client() -> SharedHttpClient {
    Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https()
}

impl Queue {
    /// Looks the queue up. Credentials, region and profile are read anew, so that a reader that was refused goes on when
    /// they have been mended.
    pub(super) async fn open(config: &QueueConfig, http: SharedHttpClient) -> Result<Self, Failure> {
        let sdk = sdk_config(config, http).await;
        if sdk.region().is_none() {
            return Err(Failure::new("region", "no region: give `region`, or set AWS_REGION or the profile's"));
        }
        let client = Client::new(&sdk);
        let url = if is_url(&config.queue) { config.queue.clone() } else { url(&client, &config.queue).await? };
        Ok(Self { client, url, wait_secs: config.wait_secs() })
    }

    /// The next messages, or none when there are none for as long as is waited. Whoever drops the future may lose sight of
    /// messages until their time at the queue is over.
    pub(super) async fn receive(&self) -> Result<Vec<Received>, Failure> {
        let ask = self.client.receive_message().queue_url(&self.url);
        let ask = ask.max_number_of_messages(BATCH).wait_time_seconds(self.wait_secs);
        let answer = ask.send().await.map_err(|error| match error.as_service_error() {
            Some(service) if service.is_queue_does_not_exist() => missing(&self.url),
            _ => Failure::of_call(&error),
        })?;
        Ok(answer.messages.unwrap_or_default().into_iter().map(Received::from).collect())
    }

    /// Deletes messages of one answer. Gives the number that went, and what is wrong with the others.
    pub(super) async fn delete(&self, messages: &[Received]) -> (u64, Option<Failure>) {
        let entry = |(place, message): (usize, &Received)| {
            let entry = DeleteMessageBatchRequestEntry::builder().id(place.to_string());
            entry.receipt_handle(&message.receipt).build()
        };
        let entries: Result<Vec<_>, _> = messages.iter().enumerate().map(entry).collect();
        let entries = match entries {
            Ok(entries) => entries,
            Err(error) => return (0, Some(Failure::new("request", error))),
        };
        let ask = self.client.delete_message_batch().queue_url(&self.url).set_entries(Some(entries));
        match ask.send().await {
            Err(error) => (0, Some(Failure::of_call(&error))),
            Ok(answer) => {
                let failure = answer.failed().first().map(|entry| {
                    Failure::new(entry.code(), format!("{}: {}", entry.code(), entry.message().unwrap_or_default()))
                });
                (answer.successful().len() as u64, failure)
            }
        }
    }
}

async fn sdk_config(config: &QueueConfig, http: SharedHttpClient) -> aws_config::SdkConfig {
    let timeouts = TimeoutConfig::builder().connect_timeout(CONNECT).operation_timeout(config.wait + ANSWER);
    // The reader tries again by itself; by the SDK's own tries a failure would be known later, and a stop too.
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http)
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts.build());
    if let Some(region) = &config.region {
        loader = loader.region(Region::new(region.clone()));
    }
    if let Some(credentials) = &config.credentials {
        loader = loader.credentials_provider(credentials.clone());
    }
    if let Some(url) = &config.endpoint_url {
        loader = loader.endpoint_url(url);
    }
    loader.load().await
}

async fn url(client: &Client, name: &str) -> Result<String, Failure> {
    let answer = client.get_queue_url().queue_name(name).send().await;
    let answer = answer.map_err(|error| match error.as_service_error() {
        Some(service) if service.is_queue_does_not_exist() => missing(name),
        _ => Failure::of_call(&error),
    })?;
    answer.queue_url.ok_or_else(|| Failure::new("answer", "the server named no URL of the queue"))
}

fn missing(queue: &str) -> Failure {
    let text =
        format!("there is no queue `{queue}` in this region and account: create it, or mend `queue` or `region`");
    Failure::new("missing", text)
}

impl From<Message> for Received {
    fn from(message: Message) -> Self {
        Self {
            id: message.message_id.filter(|id| !id.is_empty()),
            body: message.body.unwrap_or_default(),
            receipt: message.receipt_handle.unwrap_or_default(),
        }
    }
}
