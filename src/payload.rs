//! What an event carries: one JSON value, kept as text or as a value, converted at most once each way.

use std::fmt;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// The payload of an event: any JSON value. What leaves the process must be an object; the connector checks that.
///
/// It holds JSON text, a [`Value`], or both. The form that is missing is made when it is first asked for and kept, so
/// an event that only passes through is never parsed, and one that several hooks read is parsed once.
///
/// ```
/// use eventhive::Payload;
/// use serde_json::json;
///
/// let payload = Payload::from(json!({"cells": 6}));
/// assert_eq!(payload.as_text(), r#"{"cells":6}"#);
/// assert!(Payload::raw(r#"{"cells": 6"#).is_err());
/// ```
pub struct Payload {
    form: Form,
    weight: usize,
}

/// The form in which the payload came, and room for the other. What is large or rare is behind a pointer: every event
/// pays for the size of this, and one of 120 bytes is much cheaper to allocate than one of 200.
enum Form {
    /// The text was checked to be UTF-8 and JSON.
    Text { text: Bytes, value: OnceLock<Box<Result<Value, PayloadError>>> },
    /// No value is null: a variant of its own would cost each event a word.
    Value { value: Option<Box<Value>>, text: OnceLock<Box<Bytes>> },
}

static NULL: Value = Value::Null;

fn or_null(value: &Option<Box<Value>>) -> &Value {
    value.as_deref().unwrap_or(&NULL)
}

/// The payload is not what was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct PayloadError {
    message: Arc<str>,
}

impl PayloadError {
    fn new(message: impl fmt::Display) -> Self {
        Self { message: message.to_string().into() }
    }
}

impl Payload {
    /// JSON text, checked to be exactly one JSON value in UTF-8. The bytes are shared, not copied.
    ///
    /// # Errors
    /// [`PayloadError`] with line and column of the first mistake.
    pub fn raw(text: impl Into<Bytes>) -> Result<Self, PayloadError> {
        let text = text.into();
        // The JSON reader skips over what it is told to ignore without looking at its encoding.
        std::str::from_utf8(&text).map_err(PayloadError::new)?;
        serde_json::from_slice::<serde::de::IgnoredAny>(&text).map_err(PayloadError::new)?;
        Ok(Self::of_text(text))
    }

    /// Of text that is known to be one JSON value in UTF-8.
    pub(crate) const fn of_text(text: Bytes) -> Self {
        Self { weight: text.len(), form: Form::Text { text, value: OnceLock::new() } }
    }

    /// Any serialisable value, written as JSON text.
    ///
    /// # Errors
    /// [`PayloadError`] if the value cannot be JSON: a map whose keys are not texts, or a `Serialize` that fails.
    pub fn json<T: Serialize + ?Sized>(value: &T) -> Result<Self, PayloadError> {
        let text = serde_json::to_vec(value).map_err(PayloadError::new)?;
        Ok(Self::of_text(text.into()))
    }

    /// The same payload, sharing its text.
    #[must_use]
    pub fn share(&self) -> Self {
        Self::of_text(self.as_bytes().clone())
    }

    /// The JSON text. Shared: cloning the bytes does not copy them.
    pub fn as_bytes(&self) -> &Bytes {
        match &self.form {
            Form::Text { text, .. } => text,
            Form::Value { value, text } => text.get_or_init(|| Box::new(or_null(value).to_string().into())),
        }
    }

    /// The JSON text.
    pub fn as_text(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    /// The payload as a JSON value.
    ///
    /// # Errors
    /// Text that is JSON and yet fits no [`Value`]: a number beyond the range of a double, half a surrogate pair, or
    /// nesting beyond 128.
    pub fn as_value(&self) -> Result<&Value, PayloadError> {
        match &self.form {
            Form::Value { value, .. } => Ok(or_null(value)),
            Form::Text { text, value } => {
                let parsed = value.get_or_init(|| Box::new(serde_json::from_slice(text).map_err(PayloadError::new)));
                (**parsed).as_ref().map_err(Clone::clone)
            }
        }
    }

    /// The value, if there is one without parsing.
    fn ready_value(&self) -> Option<&Value> {
        match &self.form {
            Form::Value { value, .. } => Some(or_null(value)),
            Form::Text { value, .. } => (**value.get()?).as_ref().ok(),
        }
    }

    /// The payload's keys and values, if it is an object.
    #[must_use]
    pub fn as_object(&self) -> Option<&Map<String, Value>> {
        self.as_value().ok()?.as_object()
    }

    /// The payload as a value of the program.
    ///
    /// # Errors
    /// [`Misfit`] names the field that does not fit.
    pub fn to<T: DeserializeOwned>(&self) -> Result<T, Misfit> {
        let fast = match self.ready_value() {
            Some(value) => T::deserialize(value),
            None => serde_json::from_slice(self.as_bytes()),
        };
        fast.map_err(|error| self.locate::<T>(&error))
    }

    /// Reads a second time to find the field: only what fails pays for keeping track of the path.
    fn locate<T: DeserializeOwned>(&self, error: &serde_json::Error) -> Misfit {
        let located = match self.ready_value() {
            Some(value) => serde_path_to_error::deserialize::<_, T>(value),
            None => {
                serde_path_to_error::deserialize::<_, T>(&mut serde_json::Deserializer::from_slice(self.as_bytes()))
            }
        };
        match located {
            Err(at) => Misfit { field: at.path().to_string(), message: at.inner().to_string() },
            // A `Deserialize` that fails only sometimes.
            Ok(_) => Misfit { field: ".".to_owned(), message: error.to_string() },
        }
    }

    /// Bytes that the payload counts in a bounded queue: the length of its text, or an estimate of it.
    #[must_use]
    pub const fn weight(&self) -> usize {
        self.weight
    }
}

/// A payload that does not fit the type that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("field `{field}`: {message}")]
pub struct Misfit {
    /// The path of the field, such as `cells[2].size`; `.` is the payload itself.
    pub field: String,
    /// What is wrong with it.
    pub message: String,
}

/// Deeper values count a flat sum each: the estimate must not cost more than the queue it bounds.
const WEIGHED_DEPTH: usize = 8;

fn weigh(value: &Value, depth: usize) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 8,
        Value::String(text) => text.len() + 2,
        Value::Array(_) | Value::Object(_) if depth == 0 => 256,
        Value::Array(items) => items.iter().map(|item| weigh(item, depth - 1)).sum::<usize>() + 2,
        Value::Object(map) => map.iter().map(|(key, item)| key.len() + 4 + weigh(item, depth - 1)).sum::<usize>() + 2,
    }
}

impl From<Value> for Payload {
    fn from(value: Value) -> Self {
        let weight = weigh(&value, WEIGHED_DEPTH);
        Self { weight, form: Form::Value { value: Some(Box::new(value)), text: OnceLock::new() } }
    }
}

impl From<()> for Payload {
    fn from((): ()) -> Self {
        Self { weight: 4, form: Form::Value { value: None, text: OnceLock::new() } }
    }
}

macro_rules! payload_from_scalars {
    ($($scalar:ty),*) => {$(
        impl From<$scalar> for Payload {
            fn from(scalar: $scalar) -> Self {
                Self::from(Value::from(scalar))
            }
        }
    )*};
}

payload_from_scalars!(bool, i32, u32, i64, u64, f64, &str, String, Map<String, Value>, Vec<Value>);

impl fmt::Debug for Payload {
    /// The size, not the content: payloads may hold what does not belong in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Payload").field("weight", &self.weight).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use serde_json::json;

    #[derive(Debug, Deserialize, PartialEq)]
    struct Comb {
        cells: Vec<Cell>,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    struct Cell {
        size: u32,
    }

    #[test]
    fn a_misfit_names_the_field_from_text_and_from_a_value() {
        let wrong = json!({"cells": [{"size": 1}, {"size": "wide"}]});
        for payload in [Payload::json(&wrong).unwrap(), Payload::from(wrong.clone())] {
            let misfit = payload.to::<Comb>().unwrap_err();
            assert_eq!(misfit.field, "cells[1].size");
            assert!(misfit.message.contains("expected u32"), "{misfit}");
        }
    }

    #[test]
    fn raw_text_must_be_one_json_value_in_utf_8() {
        assert!(Payload::raw("{} {}").is_err());
        assert!(Payload::raw(&b"\"\xff\""[..]).is_err());
        assert!(Payload::raw("").is_err());
        let payload = Payload::raw(r#"{"a": [1, 2]}"#).unwrap();
        assert_eq!(payload.as_text(), r#"{"a": [1, 2]}"#);
        assert_eq!(payload.as_value().unwrap(), &json!({"a": [1, 2]}));
    }

    #[test]
    fn json_that_no_value_can_hold_is_an_error_and_no_panic() {
        assert!(Payload::raw("1e999").is_err() || Payload::raw("1e999").unwrap().as_value().is_err());
        let deep = format!("{}{}", "[".repeat(500), "]".repeat(500));
        assert!(Payload::raw(deep.clone()).is_err() || Payload::raw(deep).unwrap().as_value().is_err());
    }

    #[test]
    fn the_text_is_shared_and_made_once() {
        let payload = Payload::from(json!({"b": 1, "a": 2}));
        let (one, two) = (payload.as_bytes().clone(), payload.as_bytes().clone());
        assert_eq!(one.as_ptr(), two.as_ptr());
        assert_eq!(payload.as_text(), r#"{"b":1,"a":2}"#);
    }
}
