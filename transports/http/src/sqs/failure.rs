//! What goes wrong with a queue, and when it is told.

use std::error::Error;
use std::fmt::{self, Write as _};
use std::iter::successors;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};

/// Characters of what is told: room for what each of AWS's providers of credentials has to say.
const LONGEST: usize = 1000;

/// Why something could not be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    /// The same for failures that need not be told apart.
    kind: String,
    /// For people.
    text: String,
}

impl Failure {
    pub(super) fn new(kind: &str, text: impl fmt::Display) -> Self {
        // Some of it comes from outside: it is to be one line of the log, and not a long one.
        let text = text.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        Self { kind: kind.to_owned(), text: text.chars().take(LONGEST).collect() }
    }

    /// Of a call to the server. What it says has neither keys nor contents of messages in it.
    pub(super) fn of_call<E>(error: &SdkError<E>) -> Self
    where
        E: Error + ProvideErrorMetadata + 'static,
    {
        if let Some(meta) = error.as_service_error().map(ProvideErrorMetadata::meta) {
            let code = meta.code().unwrap_or("an error without a code");
            return Self::new(code, format_args!("{code}: {}", meta.message().unwrap_or("no more was said")));
        }
        match causes(error).find(|error| error.is::<CredentialsError>()) {
            Some(error) => Self::new(
                "credentials",
                format_args!(
                    "no credentials: give `key` and `secret`, or set them up as for AWS's tools ({})",
                    line(error)
                ),
            ),
            None => Self::new(&error.to_string(), line(error)),
        }
    }
}

/// An error, and what is behind it.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    successors(Some(error), |error| (**error).source())
}

/// An error and what is behind it, in one line. What repeats the text before it is left out.
fn line(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    for more in causes(error).map(ToString::to_string) {
        if !text.contains(&more) {
            // Writing to a string does not fail.
            let _ = write!(text, ": {more}");
        }
    }
    text
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Whether one thing that is done again and again works. It is told when that changes, and when it fails for another
/// reason, so that an hour without a server is one line in the log.
#[derive(Debug, Default)]
pub(super) struct Standing(Option<String>);

impl Standing {
    /// It has failed; whether that is news.
    pub(super) fn failed(&mut self, failure: &Failure) -> bool {
        let news = self.0.as_ref() != Some(&failure.kind);
        self.0 = Some(failure.kind.clone());
        news
    }

    /// It has worked; whether that is news.
    pub(super) fn worked(&mut self) -> bool {
        self.0.take().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_one_line_of_bounded_length() {
        let failure = Failure::new("x", format!("one\n  two\r\n{}", "ä".repeat(2000)));
        let text = failure.to_string();
        assert!(text.starts_with("one two ä"), "{text}");
        assert_eq!(text.chars().count(), LONGEST);
    }

    #[test]
    fn a_failure_is_news_once_and_again_when_it_is_another_one_or_comes_back() {
        let (one, same) = (Failure::new("away", "refused by ::1"), Failure::new("away", "refused by ::2"));
        let other = Failure::new("denied", "who are you?");
        let mut standing = Standing::default();
        assert!(!standing.worked());
        assert!(standing.failed(&one) && !standing.failed(&same));
        assert!(standing.failed(&other) && !standing.failed(&other));
        assert!(standing.worked() && !standing.worked());
        assert!(standing.failed(&other));
    }
}
