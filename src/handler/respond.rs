//! What handlers return.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Display;

use serde::Serialize;
use serde_json::Value;

use super::{HookError, Json};

/// What a handler may return: nothing, JSON scalars and collections, [`Json`] of any serialisable value, an `Option`
/// (none is null), or a `Result` of these with an error that can be displayed.
#[diagnostic::on_unimplemented(
    message = "a handler cannot return `{Self}`",
    note = "return `Json(value)` for a type of your own, or a `Result` whose error implements `Display`"
)]
pub trait Respond: Sized + 'static {
    /// The value that the caller gets.
    ///
    /// # Errors
    /// The handler's own error, or a value that cannot be JSON.
    fn respond(self) -> Result<Value, HookError>;

    /// Drops the value, when nobody waits for it, and keeps the error.
    ///
    /// # Errors
    /// The handler's own error.
    fn discard(self) -> Result<(), HookError> {
        Ok(())
    }
}

impl<T: Serialize + 'static> Respond for Json<T> {
    fn respond(self) -> Result<Value, HookError> {
        Ok(serde_json::to_value(self.0)?)
    }
}

impl<T: Respond, E: Display + 'static> Respond for Result<T, E> {
    fn respond(self) -> Result<Value, HookError> {
        self.map_err(HookError::of)?.respond()
    }

    fn discard(self) -> Result<(), HookError> {
        self.map_err(HookError::of)?.discard()
    }
}

impl<T: Respond> Respond for Option<T> {
    fn respond(self) -> Result<Value, HookError> {
        self.map_or(Ok(Value::Null), Respond::respond)
    }
}

impl Respond for () {
    fn respond(self) -> Result<Value, HookError> {
        Ok(Value::Null)
    }
}

impl Respond for Value {
    fn respond(self) -> Result<Value, HookError> {
        Ok(self)
    }
}

/// For handlers that never return.
impl Respond for std::convert::Infallible {
    fn respond(self) -> Result<Value, HookError> {
        match self {}
    }
}

macro_rules! respond_by_value {
    ($($scalar:ty),*) => {$(
        impl Respond for $scalar {
            fn respond(self) -> Result<Value, HookError> {
                Ok(Value::from(self))
            }
        }
    )*};
}

respond_by_value!(bool, i8, i16, i32, i64, u8, u16, u32, u64, isize, usize, f32, f64, &'static str, String);

macro_rules! respond_by_serde {
    ($($collection:ident<$($parameter:ident),*>),*) => {$(
        impl<$($parameter: Serialize + 'static),*> Respond for $collection<$($parameter),*> {
            fn respond(self) -> Result<Value, HookError> {
                Ok(serde_json::to_value(self)?)
            }
        }
    )*};
}

respond_by_serde!(Vec<T>, BTreeMap<K, V>, HashMap<K, V>);

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_code_of_a_hook_error_is_kept() {
        let error = Err::<(), _>(HookError::new("no honey").with_code("empty")).respond().unwrap_err();
        assert_eq!((error.message(), error.code()), ("no honey", Some("empty")));
    }

    #[test]
    fn results_options_and_collections_become_json() {
        assert_eq!(Ok::<_, String>(Some(3)).respond().unwrap(), json!(3));
        assert_eq!(None::<String>.respond().unwrap(), Value::Null);
        assert_eq!(Err::<(), _>("no honey").respond().unwrap_err().message(), "no honey");
        assert_eq!(vec![1, 2].respond().unwrap(), json!([1, 2]));
        assert_eq!(Json(json!({"a": 1})).respond().unwrap(), json!({"a": 1}));
    }
}
