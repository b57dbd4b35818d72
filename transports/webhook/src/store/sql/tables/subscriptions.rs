//! Who wants what.

use std::sync::Arc;

use foldhash::{HashMap, HashMapExt as _, HashSet, HashSetExt as _};
use futures_util::FutureExt as _;

use super::{Care, Done, Record, Statement, Strange, Tables, limit, nth, subscription};
use crate::store::sql::text::Dialect;
use crate::store::sql::{Argument, damaged, hex};
use crate::store::{Answer, Changes, Row, RowId, StoreError, Subscriptions, Wanted};
use crate::wire::{Interest, InterestKind};

impl Subscriptions for Tables {
    fn insert<'a>(
        &'a self,
        url: &'a str,
        interest: Interest<'a>,
        recovery: Option<&'a str>,
    ) -> Answer<'a, Option<RowId>> {
        async move {
            let texts = self.texts(interest.kind());
            let statements = vec![
                Statement::new(&texts.insert, vec![url.into(), value(interest), recovery.into()]),
                Statement::new(&texts.find, vec![url.into(), value(interest)]),
            ];
            let mut done = self.engine.write(statements, Care::Durable).await?;
            let inserted = nth(&mut done, 0).affected > 0;
            Ok(self.id(interest.kind(), nth(&mut done, 1))?.filter(|_| inserted))
        }
        .boxed()
    }

    fn remove<'a>(&'a self, url: &'a str, interest: Interest<'a>) -> Answer<'a, Option<RowId>> {
        async move {
            let texts = self.texts(interest.kind());
            let statements = vec![
                Statement::new(&texts.find_to_remove, vec![url.into(), value(interest)]),
                Statement::new(&texts.remove, vec![url.into(), value(interest)]),
            ];
            let mut done = self.engine.write(statements, Care::Durable).await?;
            let removed = nth(&mut done, 1).affected > 0;
            Ok(self.id(interest.kind(), nth(&mut done, 0))?.filter(|_| removed))
        }
        .boxed()
    }

    fn remove_row(&self, id: RowId) -> Answer<'_, bool> {
        async move {
            let text = &self.texts(id.kind).remove_row;
            Ok(self.change(text, vec![id.number.into()], Care::Durable).await? > 0)
        }
        .boxed()
    }

    fn replace<'a>(&'a self, url: &'a str, wanted: &'a [Wanted<'a>]) -> Answer<'a, Vec<RowId>> {
        async move {
            let mut statements: Vec<Statement> = Vec::new();
            statements.extend(self.dialect.in_turn().map(|text| Statement { text, arguments: vec![url.into()] }));
            let skipped = statements.len();
            for kind in KINDS {
                let (texts, list) = (self.texts(kind), list(self.dialect, kind, wanted));
                let all = Statement::new(&texts.all_of_url, vec![url.into()]);
                statements.push(all.clone());
                for text in [&texts.keep_only, &texts.correct, &texts.add_all] {
                    statements.push(Statement::new(text, vec![url.into(), list.as_str().into()]));
                }
                statements.push(all);
            }
            let mut done = self.engine.write(statements, Care::Durable).await?;
            let mut changed = Vec::new();
            for (kind, first) in KINDS.into_iter().zip([skipped, skipped + 5]) {
                let before = self.subscriptions(kind, nth(&mut done, first).rows)?;
                let after = self.subscriptions(kind, nth(&mut done, first + 4).rows)?;
                changed.extend(differences(&before, after));
            }
            Ok(changed)
        }
        .boxed()
    }

    fn of_url<'a>(&'a self, url: &'a str, after: Option<Interest<'a>>, most: usize) -> Answer<'a, Vec<Row>> {
        async move {
            let mut rows = Vec::new();
            for kind in KINDS.into_iter().filter(|kind| after.is_none_or(|after| *kind >= after.kind())) {
                let texts = self.texts(kind);
                let left = limit(most.saturating_sub(rows.len()));
                let records = match after.filter(|after| after.kind() == kind) {
                    Some(after) => self.ask(&texts.of_url_after, vec![url.into(), value(after), left]).await?,
                    None => self.ask(&texts.of_url, vec![url.into(), left]).await?,
                };
                rows.extend(self.subscriptions(kind, records)?);
                if rows.len() >= most {
                    break;
                }
            }
            Ok(rows)
        }
        .boxed()
    }

    fn page(&self, after: Option<RowId>, most: usize) -> Answer<'_, Vec<Row>> {
        async move {
            let mut rows = Vec::new();
            for kind in KINDS.into_iter().filter(|kind| after.is_none_or(|after| *kind >= after.kind)) {
                let number = after.filter(|after| after.kind == kind).map_or(i64::MIN, |after| after.number);
                let left = limit(most.saturating_sub(rows.len()));
                let records = self.ask(&self.texts(kind).page, vec![number.into(), left]).await?;
                rows.extend(self.subscriptions(kind, records)?);
                if rows.len() >= most {
                    break;
                }
            }
            Ok(rows)
        }
        .boxed()
    }

    fn rows<'a>(&'a self, ids: &'a [RowId]) -> Answer<'a, Vec<Row>> {
        async move {
            let mut rows = Vec::new();
            for kind in KINDS {
                let numbers: Vec<[i64; 1]> = ids.iter().filter(|id| id.kind == kind).map(|id| [id.number]).collect();
                if !numbers.is_empty() {
                    let list = serde_json::to_string(&numbers).unwrap_or_default();
                    let records = self.ask(&self.texts(kind).rows, vec![list.into()]).await?;
                    rows.extend(self.subscriptions(kind, records)?);
                }
            }
            Ok(rows)
        }
        .boxed()
    }

    fn changes(&self) -> Answer<'_, Box<dyn Changes>> {
        Arc::clone(&self.engine).changes()
    }

    fn count(&self, kind: InterestKind) -> Answer<'_, u64> {
        async move {
            let texts = self.texts(kind);
            let mut records = self.ask(&texts.count, Vec::new()).await?;
            let count = records.pop().ok_or(Strange).and_then(|mut record| record.unsigned());
            count.map_err(|Strange| damaged(self.engine.name(), texts.table, 0))
        }
        .boxed()
    }
}

/// In the order in which rows are told.
const KINDS: [InterestKind; 2] = [InterestKind::Exact, InterestKind::Glob];

impl Tables {
    fn id(&self, kind: InterestKind, found: Done) -> Result<Option<RowId>, StoreError> {
        let number = found.rows.into_iter().next().map(|mut record: Record| record.integer()).transpose();
        let number = number.map_err(|Strange| damaged(self.engine.name(), self.texts(kind).table, 0))?;
        Ok(number.map(|number| RowId { kind, number }))
    }

    /// A row of subscriptions with more columns, which the caller reads.
    pub(super) fn first_subscription(
        &self,
        kind: InterestKind,
        records: Vec<Record>,
    ) -> Result<Option<(Row, Record)>, StoreError> {
        let Some(mut record) = records.into_iter().next() else { return Ok(None) };
        let number = record.integer().unwrap_or_default();
        match subscription(kind, number, &mut record) {
            Ok(row) => Ok(Some((row, record))),
            Err(Strange) => Err(damaged(self.engine.name(), self.texts(kind).table, number)),
        }
    }
}

fn value(interest: Interest<'_>) -> Argument {
    match interest {
        Interest::Exact(topic) => topic.into(),
        Interest::Glob(glob) => glob.into(),
    }
}

/// What is wanted of one kind, as the statements read it: a list of interests, topics in hex, and recovery urls.
fn list(dialect: Dialect, kind: InterestKind, wanted: &[Wanted<'_>]) -> String {
    let rows = wanted.iter().filter(|wanted| wanted.interest.kind() == kind).map(|wanted| {
        let interest = match wanted.interest {
            Interest::Exact(topic) => hex(topic).into(),
            Interest::Glob(glob) => dialect.to_list(glob),
        };
        (interest, wanted.recovery.map(|recovery| dialect.to_list(recovery)))
    });
    // Texts can always be written.
    serde_json::to_string(&rows.collect::<Vec<_>>()).unwrap_or_default()
}

/// Which rows came, went, or are not what they were.
fn differences(before: &[Row], after: Vec<Row>) -> Vec<RowId> {
    let mut old: HashMap<RowId, &Row> = HashMap::with_capacity(before.len());
    old.extend(before.iter().map(|row| (row.id, row)));
    let mut changed: HashSet<RowId> = HashSet::new();
    for row in after {
        if old.remove(&row.id) != Some(&row) {
            changed.insert(row.id);
        }
    }
    changed.extend(old.into_keys());
    changed.into_iter().collect()
}
