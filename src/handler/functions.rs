//! Functions and closures as handlers.

use std::marker::PhantomData;

use super::{Context, FromEvent, Handler, Prepared, Respond, Setup};
use crate::registry::SetupError;
use crate::runtime::{start_async, start_sync};

/// Marks handlers that return a future.
pub struct Async<Arguments>(PhantomData<Arguments>);

/// Marks handlers that return what they have to say.
pub struct Sync<Arguments>(PhantomData<Arguments>);

macro_rules! functions {
    ($($argument:ident),*) => {
        impl<F, R, $($argument),*> Handler<Async<($($argument,)*)>> for F
        where
            F: AsyncFn($($argument),*) -> R + Send + 'static,
            R: Respond,
            $($argument: FromEvent,)*
        {
            fn prepare(self, setup: &Setup<'_>) -> Result<Prepared, SetupError> {
                $($argument::check(setup)?;)*
                let _ = setup;
                let asks_earlier = false $(|| $argument::ASKS_EARLIER)*;
                let handler = async move |context: &Context<'_>| {
                    let _ = context;
                    Ok(self($($argument::from_event(context)?),*).await)
                };
                Ok(Prepared { asks_earlier, start: Box::new(move |running| start_async(running, handler)) })
            }
        }

        impl<F, R, $($argument),*> Handler<Sync<($($argument,)*)>> for F
        where
            F: Fn($($argument),*) -> R + Send + std::marker::Sync + 'static,
            R: Respond,
            $($argument: FromEvent,)*
        {
            fn prepare(self, setup: &Setup<'_>) -> Result<Prepared, SetupError> {
                $($argument::check(setup)?;)*
                let _ = setup;
                let asks_earlier = false $(|| $argument::ASKS_EARLIER)*;
                let handler = move |context: &Context<'_>| {
                    let _ = context;
                    Ok(self($($argument::from_event(context)?),*))
                };
                Ok(Prepared { asks_earlier, start: Box::new(move |running| start_sync(running, handler)) })
            }
        }
    };
}

functions!();
functions!(A1);
functions!(A1, A2);
functions!(A1, A2, A3);
functions!(A1, A2, A3, A4);
functions!(A1, A2, A3, A4, A5);
functions!(A1, A2, A3, A4, A5, A6);
functions!(A1, A2, A3, A4, A5, A6, A7);
functions!(A1, A2, A3, A4, A5, A6, A7, A8);
