//! What handlers take.

use std::any::type_name;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use eventhive_transport::EventName;
use serde::de::DeserializeOwned;

use super::{Context, Setup};
use crate::payload::Misfit;
use crate::registry::{Earlier, SetupError};
use crate::{Event, Hive, Metadata};

/// An argument of a handler.
#[diagnostic::on_unimplemented(
    message = "a handler cannot take `{Self}`",
    note = "take the payload as `Json<T>`, the event as `Event`, shared state as `State<T>`"
)]
pub trait FromEvent: Sized + 'static {
    /// Whether it needs the outcomes of the hooks before. A hook that has such an argument runs after all of them.
    const ASKS_EARLIER: bool = false;

    /// Checks, when the handler is hooked, that it will be there.
    ///
    /// # Errors
    /// [`SetupError`] if it cannot be.
    fn check(setup: &Setup<'_>) -> Result<(), SetupError> {
        let _ = setup;
        Ok(())
    }

    /// Makes the argument.
    ///
    /// # Errors
    /// [`ExtractError`]: the handler does not run, and the outcome says why.
    fn from_event(context: &Context<'_>) -> Result<Self, ExtractError>;
}

/// An argument that could not be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExtractError {
    /// The payload does not fit.
    #[error(transparent)]
    Misfit(#[from] Misfit),
    /// The hive is gone.
    #[error("the hive was stopped")]
    Stopped,
}

/// The payload as a `T`, or a value of the program as what a handler returns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned + 'static> FromEvent for Json<T> {
    fn from_event(context: &Context<'_>) -> Result<Self, ExtractError> {
        Ok(Self(context.event.payload().to()?))
    }
}

/// Any argument that may be missing.
impl<T: FromEvent> FromEvent for Option<T> {
    const ASKS_EARLIER: bool = T::ASKS_EARLIER;

    fn from_event(context: &Context<'_>) -> Result<Self, ExtractError> {
        Ok(T::from_event(context).ok())
    }
}

impl FromEvent for Event {
    fn from_event(context: &Context<'_>) -> Result<Self, ExtractError> {
        Ok(context.event.clone())
    }
}

impl FromEvent for EventName {
    fn from_event(context: &Context<'_>) -> Result<Self, ExtractError> {
        Ok(context.event.name().clone())
    }
}

impl FromEvent for Metadata {
    fn from_event(context: &Context<'_>) -> Result<Self, ExtractError> {
        Ok(context.event.metadata().clone())
    }
}

impl FromEvent for Earlier {
    const ASKS_EARLIER: bool = true;

    fn from_event(context: &Context<'_>) -> Result<Self, ExtractError> {
        Ok(context.earlier.cloned().unwrap_or_default())
    }
}

impl FromEvent for Hive {
    fn from_event(context: &Context<'_>) -> Result<Self, ExtractError> {
        context.hook.hive.upgrade().ok_or(ExtractError::Stopped)
    }
}

/// A state that the hive was given by its builder, shared by all handlers.
#[derive(Debug)]
pub struct State<T>(Arc<T>);

impl<T> State<T> {
    /// The shared pointer itself.
    #[must_use]
    pub fn into_inner(self) -> Arc<T> {
        self.0
    }
}

impl<T> Clone for State<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Deref for State<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Send + Sync + 'static> FromEvent for State<T> {
    fn check(setup: &Setup<'_>) -> Result<(), SetupError> {
        match setup.states.get::<T>() {
            Some(_) => Ok(()),
            None => Err(SetupError::MissingState { hook: setup.hook.clone(), state: type_name::<T>() }),
        }
    }

    fn from_event(context: &Context<'_>) -> Result<Self, ExtractError> {
        // States are never removed, so what `check` saw is there.
        context.hook.states.get().map(Self).ok_or(ExtractError::Stopped)
    }
}

impl<T> Deref for Json<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for Json<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}
