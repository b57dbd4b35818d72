use std::time::{Duration, Instant};

use eventhive::request::{End, Reply};
use eventhive::{Hive, RemoteError, RequestError, RequestOptions};
use serde_json::{Value, json};

use crate::cli::calling::{CallArgs, Called, seconds, stop};
use crate::cli::console::{Console, bold, visible};
use crate::cli::exit::{Exit, Failure};
use crate::cli::run::{Signals, block_on};
use crate::cli::verb::Verb;

/// `hive-cli request`
#[derive(Debug, clap::Args)]
pub(crate) struct Request {
    #[command(flatten)]
    call: CallArgs,

    /// How many seconds it may take, from the start to the last answer. The hives are told, and do not begin later.
    #[arg(short, long, default_value_t = 6.0, value_name = "SECONDS", value_parser = seconds)]
    timeout: f64,

    /// Print the answers of all hives, one a line, with the id of each hive.
    #[arg(short, long)]
    all: bool,

    /// As --all, and end after so many answers.
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
}

impl Verb for Request {
    const NAME: &'static str = "request";
    const ABOUT: &'static str = "Call an event of a network and print what a hook returns";
    const MORE: &'static str = "The answer is the JSON that the hook returned. With --all it ends when every hive has answered, where the network\n\
                                can tell, or after --timeout.\n\
                                Exit code 0: answered; 1: the answer is an error, or the request was refused, or --all has an error among the\n\
                                answers, or fewer answers than --count; 2: no such network, or wrong JSON; 3: not reached in time;\n\
                                5: nobody listens; 6: no answer in time, or fewer than --count.";
    // What goes wrong is the answer: the link's warnings would only say it twice.
    const LOG_LEVEL: &'static str = "error";

    fn run(self, console: Console) -> Result<Exit, Failure> {
        let called = self.call.check()?;
        block_on(async {
            let mut signals = Signals::listen()?;
            tokio::select! {
                exit = self.request(&called, console) => exit,
                exit = signals.end() => Ok(exit),
            }
        })
    }
}

impl Request {
    async fn request(&self, called: &Called, console: Console) -> Result<Exit, Failure> {
        let (begun, within) = (Instant::now(), Duration::from_secs_f64(self.timeout));
        let hive = called.start(within).await?;
        let options = RequestOptions::new().within(within.saturating_sub(begun.elapsed()));
        let result = if self.all || self.count.is_some() {
            self.gather(&hive, options, called, console).await
        } else {
            one(&hive, options, called, console).await
        };
        stop(&hive).await;
        result
    }

    /// Prints answers as they come.
    async fn gather(
        &self,
        hive: &Hive,
        mut options: RequestOptions,
        called: &Called,
        console: Console,
    ) -> Result<Exit, Failure> {
        if let Some(count) = self.count {
            options = options.count(usize::try_from(count).unwrap_or(usize::MAX));
        }
        let asked = hive.request_all(options, called.name.as_str(), called.payload.share()).await;
        let mut replies = asked.map_err(|error| failure(&error))?;
        let (mut seen, mut failed) = (0, false);
        while let Some(reply) = replies.next().await {
            seen += 1;
            failed |= reply.payload().is_err();
            console.answer(|| text_of(&reply), || json_of(&reply, called))?;
        }
        let event = || called.name.clone();
        match replies.end() {
            Some(End::Failed(error)) => Err(failure(error)),
            Some(End::NoListener) => Err(failure(&RequestError::NoListener { event: event() })),
            Some(End::Deadline) if seen == 0 || self.count.is_some() => Err(self.too_few(Exit::NoAnswer, seen)),
            Some(End::AllAnswered) if self.count.is_some() => Err(self.too_few(Exit::Negative, seen)),
            _ => Ok(if failed { Exit::Negative } else { Exit::Ok }),
        }
    }

    fn too_few(&self, exit: Exit, seen: u64) -> Failure {
        let wanted = self.count.map(|count| format!(" of {count}")).unwrap_or_default();
        let when = if exit == Exit::NoAnswer { format!(" within {} s", self.timeout) } else { String::new() };
        Failure::new(exit, format!("{seen}{wanted} answers came{when}"))
    }
}

async fn one(hive: &Hive, options: RequestOptions, called: &Called, console: Console) -> Result<Exit, Failure> {
    let answer = hive.request_with::<Value>(options, called.name.as_str(), called.payload.share()).await;
    let value = answer.map_err(|error| failure(&error))?;
    let json = || {
        let mut answer = called.json();
        answer["value"] = value.clone();
        answer
    };
    console.answer(|| visible(&value.to_string()).into_owned(), json)?;
    Ok(Exit::Ok)
}

fn text_of(reply: &Reply) -> String {
    let from = bold(&visible(reply.from().unwrap_or("(a hive that does not say which)")));
    match reply.payload() {
        Ok(value) => format!("{from} {}", visible(value.as_text())),
        Err(error) => format!("{from} {}", visible(&error.to_string())),
    }
}

fn json_of(reply: &Reply, called: &Called) -> Value {
    let mut answer = called.json();
    answer["from"] = json!(reply.from());
    match reply.payload().map(|payload| payload.as_value()) {
        Ok(Ok(value)) => answer["value"] = value.clone(),
        // JSON that fits no value, such as a number beyond the range of a double.
        Ok(Err(error)) => answer["error"] = json!({ "kind": "answer", "message": error.to_string() }),
        Err(error) => answer["error"] = parts(error),
    }
    answer
}

fn parts(error: &RemoteError) -> Value {
    json!({
        "kind": error.kind().word(),
        "message": error.message(),
        "code": error.code(),
        "field": error.field(),
        "hook": error.hook(),
    })
}

fn failure(error: &RequestError) -> Failure {
    let exit = match error {
        RequestError::NoListener { .. } => Exit::NoListener,
        RequestError::TimedOut { published: true, .. } => Exit::NoAnswer,
        RequestError::TimedOut { published: false, .. } => Exit::Unreachable,
        RequestError::Stopped => Exit::Failed,
        _ => Exit::Negative,
    };
    let mut failure = Failure::new(exit, error.to_string());
    failure.keys.push(("kind", error.word().into()));
    if let RequestError::Remote(error) = error {
        failure.keys.extend([("remote", parts(error)), ("from", json!(error.from()))]);
    }
    failure
}
