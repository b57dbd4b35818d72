//! Running the cases, and the results.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use eventhive_transport::Capabilities;
use futures_util::future::join_all;
use serde::Serialize;

use crate::case::{BrokerUse, Case, Check, Need, Stop};
use crate::cases::CASES;
use crate::context::Context;
use crate::fixture::Fixture;
use crate::record::record;

/// The results of all cases on one wire. Serialises to JSON.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// What the wire says of itself.
    #[serde(serialize_with = "as_object")]
    pub capabilities: Capabilities,
    /// One result a case, in the order of the list.
    pub results: Vec<CaseResult>,
}

/// The result of one case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CaseResult {
    /// The case's name.
    pub case: &'static str,
    /// How it ended.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// How long all copies took together, in milliseconds.
    pub millis: u128,
}

/// How a case ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// Every copy passed.
    Passed,
    /// The wire does not have what the case needs.
    Skipped {
        /// What it lacks: the name of a capability.
        lacks: &'static str,
    },
    /// It was not run: what stands behind the link is known not to do it, whatever the link does.
    Excused {
        /// What it is that it does not do.
        why: &'static str,
    },
    /// At least one copy failed.
    Failed {
        /// The copy's id, and what it failed at.
        reason: String,
    },
}

/// A failed case, as a test returns it. Prints as its text.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Failure(String);

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Report {
    /// The report as JSON, one object with `capabilities` and `results`.
    ///
    /// # Errors
    /// None that is known; the serialiser's signature has one.
    pub fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(self)
    }

    /// The cases that failed.
    pub fn failures(&self) -> impl Iterator<Item = &CaseResult> {
        self.results.iter().filter(|result| matches!(result.outcome, Outcome::Failed { .. }))
    }
}

/// Runs every case, one after the other, each on fixtures of its own.
pub async fn run_all<M, R, F>(start: M) -> Report
where
    M: Fn() -> R,
    R: Future<Output = F>,
    F: Fixture,
{
    let fixture = start().await;
    let capabilities = fixture.capabilities();
    fixture.stop().await;
    let mut results = Vec::with_capacity(CASES.len());
    for case in CASES {
        results.push(run_case(case, &start).await);
    }
    Report { capabilities, results }
}

/// Runs the case of this name; `None` if there is none.
pub async fn run_one<M, R, F>(name: &str, start: M) -> Option<CaseResult>
where
    M: Fn() -> R,
    R: Future<Output = F>,
    F: Fixture,
{
    let case = CASES.iter().find(|case| case.name == name)?;
    Some(run_case(case, &start).await)
}

/// What [`conformance!`](crate::conformance) expands to: a runtime of two threads, and one case on it.
///
/// # Errors
/// [`Failure`] when a copy of the case failed, when there is no such case, or when no runtime could be made.
pub fn run_test<M, R, F>(name: &str, start: M) -> Result<(), Failure>
where
    M: Fn() -> R,
    R: Future<Output = F>,
    F: Fixture,
{
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|error| Failure(format!("no runtime: {error}")))?;
    let result = runtime.block_on(run_one(name, start));
    runtime.shutdown_timeout(Duration::from_secs(1));
    match result {
        None => Err(Failure(format!("no case is named `{name}`"))),
        Some(CaseResult { outcome: Outcome::Failed { reason }, .. }) => Err(Failure(reason)),
        Some(_) => Ok(()),
    }
}

async fn run_case<M, R, F>(case: &'static Case, start: &M) -> CaseResult
where
    M: Fn() -> R,
    R: Future<Output = F>,
    F: Fixture,
{
    let began = Instant::now();
    let shared: Arc<dyn Fixture> = Arc::new(start().await);
    let (wire, capabilities) = (shared.wire(), shared.capabilities());
    let outcome = outcome_of(case, shared, start).await;
    let millis = began.elapsed().as_millis();
    match &outcome {
        Outcome::Passed => println!("passed: {}, {millis} ms", case.name),
        Outcome::Skipped { lacks } => println!("skipped: {}: no {lacks}", case.name),
        Outcome::Excused { why } => println!("excused: {}: {why}", case.name),
        Outcome::Failed { .. } => println!("failed: {}, {millis} ms", case.name),
    }
    let mut result = CaseResult { case: case.name, outcome, millis };
    if let Err(error) = record(wire, capabilities, &result) {
        result.outcome = Outcome::Failed { reason: format!("its result cannot be written: {error}") };
    }
    result
}

async fn outcome_of<M, R, F>(case: &'static Case, shared: Arc<dyn Fixture>, start: &M) -> Outcome
where
    M: Fn() -> R,
    R: Future<Output = F>,
    F: Fixture,
{
    if let Some(why) = shared.excused(case.name) {
        shared.stop().await;
        return Outcome::Excused { why };
    }
    if let Some(lacks) = lack_of(case, &*shared) {
        shared.stop().await;
        return Outcome::Skipped { lacks };
    }
    let copies = case.copies.min(shared.copies()).max(1);
    let mut fixtures = vec![Arc::clone(&shared)];
    while case.broker == BrokerUse::Own && fixtures.len() < copies {
        fixtures.push(Arc::new(start().await));
    }
    let copy = |number| {
        let fixture = fixtures.get(number).unwrap_or(&shared);
        tokio::spawn(run_copy(case, Context::new(Arc::clone(fixture), case.name, number)))
    };
    let ends = join_all((0..copies).map(copy).collect::<Vec<_>>()).await;
    for fixture in &fixtures {
        fixture.stop().await;
    }
    combine(ends.into_iter().map(|end| end.unwrap_or_else(|panic| Err(Stop::Failed(format!("panicked: {panic}"))))))
}

fn lack_of(case: &Case, fixture: &dyn Fixture) -> Option<&'static str> {
    let capabilities = fixture.capabilities();
    let unmet = |need: &&Need| !need.is_met(&capabilities) || (**need == Need::Broker && fixture.broker().is_none());
    case.needs.iter().find(unmet).map(|need| need.name())
}

async fn run_copy(case: &'static Case, context: Context) -> Check {
    let result = (case.run)(context.clone()).await;
    let closed = context.close_links().await;
    let tell = |stop| match stop {
        Stop::Failed(reason) => Stop::Failed(format!("{}: {reason}", context.id())),
        lacks @ Stop::Lacks(_) => lacks,
    };
    result.and(closed).map_err(tell)
}

/// One failure fails the case; a lack found under way skips it.
fn combine(ends: impl Iterator<Item = Check>) -> Outcome {
    let mut outcome = Outcome::Passed;
    for end in ends {
        match end {
            Err(Stop::Failed(reason)) => return Outcome::Failed { reason },
            Err(Stop::Lacks(lacks)) => outcome = Outcome::Skipped { lacks },
            Ok(()) => {}
        }
    }
    outcome
}

pub(crate) fn as_object<S: serde::Serializer>(capabilities: &Capabilities, serializer: S) -> Result<S::Ok, S::Error> {
    use serde::ser::SerializeStruct;
    let mut object = serializer.serialize_struct("Capabilities", 10)?;
    object.serialize_field("patterns", &capabilities.patterns)?;
    object.serialize_field("everything", &capabilities.everything)?;
    object.serialize_field("segments", &capabilities.segments)?;
    object.serialize_field("order", &format!("{:?}", capabilities.order))?;
    object.serialize_field("resumes", &capabilities.resumes)?;
    object.serialize_field("binary", &capabilities.binary)?;
    object.serialize_field("max_payload", &capabilities.max_payload)?;
    object.serialize_field("hears_itself", &capabilities.hears_itself)?;
    object.serialize_field("delivery_count", &capabilities.delivery_count)?;
    object.serialize_field("broker", &capabilities.broker)?;
    object.end()
}
