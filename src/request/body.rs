//! An answer as the payload of an event. The table is in the module's documentation above.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::answer::Answer;
use super::error::{RemoteError, RemoteErrorKind};
use crate::payload::Payload;

/// The text of an answer.
pub(crate) fn write(answer: &Answer) -> Bytes {
    match answer {
        Ok(value) => write_value(value),
        Err(error) => write_error(error),
    }
}

fn write_value(value: &Value) -> Bytes {
    let mut text = br#"{"value":"#.to_vec();
    // A `Value` is JSON by its nature, and writing to memory cannot fail.
    let _ = serde_json::to_writer(&mut text, value);
    text.push(b'}');
    text.into()
}

fn write_error(error: &RemoteError) -> Bytes {
    let body = ErrorBody {
        error: ErrorParts {
            kind: error.kind().word().into(),
            message: error.message().into(),
            code: error.code().map(Into::into),
            field: error.field().map(Into::into),
            hook: error.hook().map(Into::into),
        },
    };
    serde_json::to_vec(&body).unwrap_or_default().into()
}

/// Reads the payload of an answer that says what it is. The error is for the log.
pub(crate) fn read(payload: &Bytes, is_error: bool) -> Result<Answer<Payload>, serde_json::Error> {
    if is_error {
        let ErrorParts { kind, message, code, field, hook } = serde_json::from_slice::<ErrorBody>(payload)?.error;
        let error = RemoteError::new(RemoteErrorKind::of(&kind), message);
        return Ok(Err(error.with_code(code.as_deref()).with_field(field.as_deref()).with_hook(hook.as_deref())));
    }
    let body: ValueBody<'_> = serde_json::from_slice(payload)?;
    Ok(Ok(Payload::of_text(payload.slice_ref(body.value.get().as_bytes()))))
}

#[derive(Deserialize)]
struct ValueBody<'a> {
    #[serde(borrow)]
    value: &'a RawValue,
}

#[derive(Serialize, Deserialize)]
struct ErrorBody {
    error: ErrorParts,
}

#[derive(Serialize, Deserialize)]
struct ErrorParts {
    kind: Box<str>,
    #[serde(default)]
    message: Box<str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    code: Option<Box<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    field: Option<Box<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hook: Option<Box<str>>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn an_error_comes_back_as_it_was() {
        let error = RemoteError::new(RemoteErrorKind::Misfit, "wrong").with_field(Some("a[1]")).with_hook(Some("h"));
        for error in [error, RemoteError::new(RemoteErrorKind::Other("odd".into()), "x").with_code(Some("c"))] {
            assert_eq!(read(&write(&Err(error.clone())), true).unwrap().unwrap_err(), error);
        }
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        for (text, is_error) in [("{}", false), ("[]", false), (r#"{"error": "x"}"#, true), (r#"{"value": 1}"#, true)] {
            assert!(read(&Bytes::from(text), is_error).is_err(), "{text}");
        }
        let lean = Bytes::from(r#"{"error": {"kind": "failed"}, "more": 1}"#);
        assert_eq!(read(&lean, true).unwrap().unwrap_err().message(), "");
    }

    proptest! {
        #[test]
        fn a_value_comes_back_as_it_was(number in any::<i64>(), text in ".{0,20}") {
            let value = json!([number, {"text": text}]);
            let payload = read(&write(&Ok(value.clone())), false).unwrap().unwrap();
            prop_assert_eq!(payload.as_value().unwrap(), &value);
        }
    }
}
