//! The table of what each wire can do, made from the results of the suite.
//!
//! [`Matrix::read`] takes the results that tests have written (see [`RESULTS`](crate::RESULTS)), and is an error if any is
//! missing or tells of a failure: a table is never made of half a run. [`splice`] puts a text between two markers of a
//! document, so that a document that differs can be told from one that does not.

use std::collections::BTreeSet;
use std::path::Path;
use std::{fs, io};

use serde::Deserialize;

use crate::case::names;
use crate::record::folder_of;

/// What was recorded of one case on one wire.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Recorded {
    wire: String,
    case: String,
    capabilities: Abilities,
    #[serde(flatten)]
    outcome: Ended,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Abilities {
    patterns: bool,
    everything: bool,
    segments: bool,
    order: String,
    resumes: bool,
    binary: bool,
    max_payload: Option<u64>,
    hears_itself: bool,
    delivery_count: bool,
    broker: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
enum Ended {
    Passed,
    Skipped { lacks: String },
    Excused { why: String },
    Failed { reason: String },
}

/// Why no table can be made of the results.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MatrixError {
    /// Cases of a wire were not run.
    #[error("`{wire}` has no result for {}: run all of its tests", some(cases))]
    Missing {
        /// The wire.
        wire: String,
        /// The cases, in the suite's order.
        cases: Vec<String>,
    },
    /// There are results of a wire that the table has no row for.
    #[error("there are results in `{folder}`, and no row for that wire")]
    Foreign {
        /// The folder's name.
        folder: String,
    },
    /// A case failed.
    #[error("`{case}` failed on `{wire}`: {reason}")]
    Failed {
        /// The wire.
        wire: String,
        /// The case.
        case: String,
        /// At what.
        reason: String,
    },
    /// The copies of one wire say different things of it.
    #[error("`{wire}` says of itself one thing in one case and another in `{case}`")]
    Inconsistent {
        /// The wire.
        wire: String,
        /// The case.
        case: String,
    },
    /// A result cannot be read.
    #[error("{path}: {error}")]
    Unreadable {
        /// The file or folder.
        path: String,
        /// Why.
        error: io::Error,
    },
    /// The document has no place for the table.
    #[error("the document has no lines `{}` and `{}`, one after the other", marker("begin", name), marker("end", name))]
    NoPlace {
        /// The place's name.
        name: String,
    },
}

fn some(cases: &[String]) -> String {
    let shown = cases.iter().take(3).map(|case| format!("`{case}`")).collect::<Vec<_>>().join(", ");
    if cases.len() > 3 { format!("{shown} and {} more cases", cases.len() - 3) } else { shown }
}

/// The results of all wires.
#[derive(Debug)]
pub struct Matrix(Vec<Row>);

#[derive(Debug)]
struct Row {
    wire: String,
    abilities: Abilities,
    /// Every case of the suite, in its order.
    cases: Vec<(String, Ended)>,
}

impl Matrix {
    /// Reads the results of these wires, each complete and without a failure, and of no others.
    ///
    /// # Errors
    /// [`MatrixError`].
    pub fn read(folder: &Path, wires: &[&str]) -> Result<Self, MatrixError> {
        let rows = wires.iter().map(|wire| Row::read(folder, wire)).collect::<Result<Vec<_>, _>>()?;
        let known: BTreeSet<_> = wires.iter().map(|wire| folder_of(folder, wire)).collect();
        for entry in fs::read_dir(folder).map_err(unreadable(folder))? {
            let path = entry.map_err(unreadable(folder))?.path();
            if !known.contains(&path) {
                return Err(MatrixError::Foreign { folder: path.display().to_string() });
            }
        }
        Ok(Self(rows))
    }

    /// The table: a row a wire.
    #[must_use]
    pub fn table(&self) -> String {
        let mut text =
            format!("| | {} |\n|{}\n", COLUMNS.map(|(name, _)| name).join(" | "), "---|".repeat(COLUMNS.len() + 1));
        for row in &self.0 {
            let cells = COLUMNS.map(|(_, cell)| cell(row)).join(" | ");
            text.push_str(&format!("| {} | {cells} |\n", row.wire));
        }
        text
    }

    /// What was not run on each wire, by name, and for want of what.
    #[must_use]
    pub fn not_run(&self) -> String {
        let mut text = String::new();
        for row in &self.0 {
            text.push_str(&format!("- **{}**", row.wire));
            let mut reasons: Vec<String> = Vec::new();
            for (_, outcome) in &row.cases {
                let reason = outcome.reason();
                reasons.extend(reason.filter(|reason| !reasons.contains(reason)));
            }
            if reasons.is_empty() {
                text.push_str(": all were run");
            }
            for reason in reasons {
                let of = |(case, outcome): &(String, Ended)| {
                    (outcome.reason().as_ref() == Some(&reason)).then(|| format!("`{case}`"))
                };
                let cases = row.cases.iter().filter_map(of).collect::<Vec<_>>().join(", ");
                text.push_str(&format!("\n  - {reason}: {cases}"));
            }
            text.push('\n');
        }
        text
    }
}

impl Row {
    fn read(folder: &Path, wire: &str) -> Result<Self, MatrixError> {
        let folder = folder_of(folder, wire);
        let (mut cases, mut missing, mut abilities) = (Vec::new(), Vec::new(), None);
        for case in names() {
            let Some(recorded) = Recorded::read(&folder.join(format!("{case}.json")))? else {
                missing.push(case.to_owned());
                continue;
            };
            let (wire, case) = (wire.to_owned(), case.to_owned());
            if let Ended::Failed { reason } = recorded.outcome {
                return Err(MatrixError::Failed { wire, case, reason });
            }
            if recorded.wire != wire || *abilities.get_or_insert(recorded.capabilities.clone()) != recorded.capabilities
            {
                return Err(MatrixError::Inconsistent { wire, case });
            }
            cases.push((case, recorded.outcome));
        }
        match abilities {
            Some(abilities) if missing.is_empty() => Ok(Self { wire: wire.to_owned(), abilities, cases }),
            _ => Err(MatrixError::Missing { wire: wire.to_owned(), cases: missing }),
        }
    }

    /// The word of the first of these cases that has passed.
    fn shown(&self, words: &[(&str, &str)]) -> String {
        let passed = |wanted: &str| self.cases.iter().any(|(case, ended)| case == wanted && *ended == Ended::Passed);
        let word = words.iter().find(|(case, _)| passed(case)).map(|(_, word)| *word);
        word.unwrap_or(if self.abilities.broker { "not tried" } else { "–" }).to_owned()
    }
}

impl Recorded {
    fn read(path: &Path) -> Result<Option<Self>, MatrixError> {
        let text = match fs::read_to_string(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            text => text.map_err(unreadable(path))?,
        };
        serde_json::from_str(&text).map(Some).map_err(io::Error::from).map_err(unreadable(path))
    }
}

impl Ended {
    fn reason(&self) -> Option<String> {
        match self {
            Self::Skipped { lacks } => Some(format!("no {lacks}")),
            Self::Excused { why } => Some(why.clone()),
            Self::Passed | Self::Failed { .. } => None,
        }
    }
}

fn unreadable(path: &Path) -> impl FnOnce(io::Error) -> MatrixError + '_ {
    |error| MatrixError::Unreadable { path: path.display().to_string(), error }
}

type Cell = fn(&Row) -> String;

const COLUMNS: [(&str, Cell); 11] = [
    ("order", |row| match row.abilities.order.as_str() {
        "PerPublisher" => "of each publisher".to_owned(),
        "Total" => "one for all".to_owned(),
        other => other.to_lowercase(),
    }),
    ("patterns", |row| yes(row.abilities.patterns)),
    ("everything", |row| yes(row.abilities.everything)),
    ("sets of segments", |row| yes(row.abilities.segments)),
    ("any bytes", |row| yes(row.abilities.binary)),
    ("largest payload", |row| row.abilities.max_payload.map_or("any".to_owned(), bytes)),
    ("hears itself", |row| yes(row.abilities.hears_itself)),
    ("counts receivers", |row| yes(row.abilities.delivery_count)),
    ("survives a restart of its broker", |row| {
        row.shown(&[("a_broker_restart_in_the_middle_of_a_stream_is_survived", "yes")])
    }),
    ("what was published while it was away", |row| {
        row.shown(&[
            ("what_is_published_while_a_link_is_away_reaches_it", "arrives"),
            ("a_link_that_was_away_tells_that_messages_may_be_lost", "is lost, and told as a gap"),
        ])
    }),
    ("cases passed", |row| {
        let passed = row.cases.iter().filter(|(_, outcome)| *outcome == Ended::Passed).count();
        format!("{passed} of {}", row.cases.len())
    }),
];

fn yes(is: bool) -> String {
    if is { "yes" } else { "no" }.to_owned()
}

/// Rounded: a wire's own share makes most of them a little less than a round number.
fn bytes(count: u64) -> String {
    let rounded = |unit: u64| (count + unit / 2) / unit;
    match rounded(1 << 20) {
        0 => format!("{} KiB", rounded(1 << 10)),
        mebibytes => format!("{mebibytes} MiB"),
    }
}

fn marker(which: &str, name: &str) -> String {
    format!("<!-- {which} {name} -->")
}

/// The document with `text` between the lines `<!-- begin NAME -->` and `<!-- end NAME -->`.
///
/// # Errors
/// [`MatrixError::NoPlace`].
pub fn splice(document: &str, name: &str, text: &str) -> Result<String, MatrixError> {
    let (begin, end) = (marker("begin", name), marker("end", name));
    let no_place = || MatrixError::NoPlace { name: name.to_owned() };
    let (before, rest) = document.split_once(&begin).ok_or_else(no_place)?;
    let (_, after) = rest.split_once(&end).ok_or_else(no_place)?;
    Ok(format!("{before}{begin}\n{text}{end}{after}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tempfile::TempDir;

    use super::*;

    /// Results of every case on these wires; `change` may alter or leave out each.
    fn results(wires: &[&str], change: impl Fn(&str, &str, &mut serde_json::Value) -> bool) -> TempDir {
        let folder = TempDir::new().unwrap();
        for wire in wires {
            fs::create_dir_all(folder_of(folder.path(), wire)).unwrap();
            for case in names() {
                let mut result = json!({"wire": wire, "case": case, "millis": 1, "outcome": "passed", "capabilities": {
                    "patterns": true, "everything": false, "segments": false, "order": "PerPublisher", "resumes": false,
                    "binary": true, "max_payload": 1_048_000, "hears_itself": true, "delivery_count": false, "broker": true,
                }});
                if change(wire, case, &mut result) {
                    let path = folder_of(folder.path(), wire).join(format!("{case}.json"));
                    fs::write(path, result.to_string()).unwrap();
                }
            }
        }
        folder
    }

    fn error(folder: &TempDir, wires: &[&str]) -> String {
        Matrix::read(folder.path(), wires).unwrap_err().to_string()
    }

    #[test]
    fn the_table_has_a_row_a_wire_and_the_list_says_what_was_not_run_and_why() {
        let restart = "a_broker_restart_in_the_middle_of_a_stream_is_survived";
        let folder = results(&["one", "two, three"], |wire, case, result| {
            if wire == "one" && case == restart {
                (result["outcome"], result["lacks"]) = (json!("skipped"), json!("broker"));
            }
            true
        });
        let matrix = Matrix::read(folder.path(), &["two, three", "one"]).unwrap();
        let table = matrix.table();
        let rows: Vec<&str> = table.lines().collect();
        let all = names().count();
        let common = "of each publisher | yes | no | no | yes | 1 MiB | yes | no";
        assert_eq!(rows.len(), 4);
        assert_eq!(rows[2], format!("| two, three | {common} | yes | arrives | {all} of {all} |"));
        assert_eq!(rows[3], format!("| one | {common} | not tried | arrives | {} of {all} |", all - 1));
        assert_eq!(
            matrix.not_run(),
            format!("- **two, three**: all were run\n- **one**\n  - no broker: `{restart}`\n")
        );
    }

    #[test]
    fn half_a_run_a_failure_and_a_wire_without_a_row_make_no_table() {
        let case = names().nth(3).unwrap();
        let folder = results(&["one"], |_, of, _| of != case);
        assert_eq!(error(&folder, &["one"]), format!("`one` has no result for `{case}`: run all of its tests"));
        assert!(error(&folder, &["one", "two"]).starts_with("`one` has no result"));
        let folder = results(&["one"], |_, _, _| true);
        assert!(error(&folder, &["one", "two"]).contains("`two` has no result for"));
        assert!(error(&folder, &["two"]).contains("`two` has no result for"));
        fs::create_dir(folder.path().join("two")).unwrap();
        assert!(error(&folder, &["one"]).contains("no row for that wire"));
        let folder = results(&["one"], |_, of, result| {
            if of == case {
                (result["outcome"], result["reason"]) = (json!("failed"), json!("why"));
            }
            true
        });
        assert_eq!(error(&folder, &["one"]), format!("`{case}` failed on `one`: why"));
        let folder = results(&["one"], |_, of, result| {
            result["capabilities"]["patterns"] = json!(of == case);
            true
        });
        assert!(error(&folder, &["one"]).contains("one thing in one case and another"));
    }

    #[test]
    fn a_text_is_put_between_its_markers_and_nowhere_else() {
        let document = "a\n<!-- begin x -->\nold\n<!-- end x -->\nb\n";
        let spliced = splice(document, "x", "new\n").unwrap();
        assert_eq!(spliced, "a\n<!-- begin x -->\nnew\n<!-- end x -->\nb\n");
        assert_eq!(splice(&spliced, "x", "new\n").unwrap(), spliced);
        assert!(matches!(splice(document, "y", ""), Err(MatrixError::NoPlace { .. })));
    }
}
