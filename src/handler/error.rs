//! What a handler says when it fails.

use std::any::Any;
use std::fmt;

/// A handler's error, as text: outcomes can be cloned and can cross a network.
///
/// Made of any error by `?`:
///
/// ```
/// # use eventhive::HookError;
/// fn parse(text: &str) -> Result<u16, HookError> {
///     Ok(text.parse()?)
/// }
/// assert_eq!(parse("x").unwrap_err().to_string(), "invalid digit found in string");
/// ```
///
/// A [`code`](Self::with_code) is for programs: whoever [requests](crate::Hive::request) an answer can match on it.
#[derive(Clone, PartialEq, Eq)]
pub struct HookError {
    message: Box<str>,
    code: Option<Box<str>>,
}

impl HookError {
    /// An error of this text.
    #[must_use]
    pub fn new(message: impl fmt::Display) -> Self {
        Self { message: message.to_string().into(), code: None }
    }

    /// The same error with a word by which programs tell it apart.
    #[must_use]
    pub fn with_code(mut self, code: impl Into<Box<str>>) -> Self {
        self.code = Some(code.into());
        self
    }

    /// The text.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The word for programs, if the handler gave one.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }

    /// Of what a handler returned: a `HookError` stays what it is.
    pub(super) fn of<E: fmt::Display + 'static>(error: E) -> Self {
        (&error as &dyn Any).downcast_ref::<Self>().cloned().unwrap_or_else(|| Self::new(error))
    }
}

impl<E: std::error::Error> From<E> for HookError {
    /// The error and all its causes, joined by `: `.
    fn from(error: E) -> Self {
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        Self::new(text)
    }
}

impl fmt::Display for HookError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for HookError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.message, f)
    }
}
