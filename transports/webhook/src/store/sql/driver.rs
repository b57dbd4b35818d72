//! Statements for sqlx, and what it answers: what is the same whichever of its databases it is.

use futures_util::{Stream, TryStreamExt as _};
use sqlx::{Arguments, Either, Encode, Type};

use super::{Argument, Done, Record};

/// The values of a statement.
pub(in crate::store) fn arguments<A: Arguments>(values: Vec<Argument>) -> Result<A, sqlx::Error>
where
    Option<i64>: Encode<'static, A::Database> + Type<A::Database>,
    Option<String>: Encode<'static, A::Database> + Type<A::Database>,
    Option<Vec<u8>>: Encode<'static, A::Database> + Type<A::Database>,
{
    let mut arguments = A::default();
    for value in values {
        let added = match value {
            Argument::Integer(value) => arguments.add(value),
            Argument::Text(value) => arguments.add(value.map(String::from)),
            Argument::Bytes(value) => arguments.add(value.map(Vec::from)),
        };
        added.map_err(sqlx::Error::Encode)?;
    }
    Ok(arguments)
}

/// What a statement came to: its rows, and how many it has changed.
pub(in crate::store) async fn done<C, R>(
    mut answers: impl Stream<Item = Result<Either<C, R>, sqlx::Error>> + Unpin,
    changed: impl Fn(&C) -> u64,
    record: impl Fn(&R) -> Result<Record, sqlx::Error>,
) -> Result<Done, sqlx::Error> {
    let mut done = Done::default();
    while let Some(answer) = answers.try_next().await? {
        match answer {
            Either::Left(result) => done.affected += changed(&result),
            Either::Right(row) => done.rows.push(record(&row)?),
        }
    }
    Ok(done)
}
