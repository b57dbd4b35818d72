//! Sealing and opening beside the bare primitives.
//!
//! Every contestant of a table seals or opens messages of the same size on the same topic. The bare ones use the same
//! crates, keyed beforehand, and do nothing else: no envelope, no clock, no memory against replays. Those that open get
//! fresh messages for each round, outside of the time that is measured, and all of them read theirs from memory that is as
//! cold.

mod bare;
mod ours;
mod python;

use crate::report::{self, Column, Entry};

pub(crate) const TOPIC: &str = "net/worker/action";
/// Many short rounds: contestants take turns within a millisecond, so that they share what else the machine does.
const ROUNDS: usize = 401;
const SMALL: usize = 128;
const LARGE: usize = 16 * 1024;

/// A JSON object of so many bytes.
pub(crate) fn message(size: usize) -> Vec<u8> {
    let frame = r#"{"id": 12345, "text": ""}"#;
    let text = "0123456789abcdef".repeat(size / 16 + 1);
    format!(r#"{{"id": 12345, "text": "{}"}}"#, &text[..size - frame.len()]).into_bytes()
}

macro_rules! tables {
    ($size:expr, $events:expr) => {{
        let seal: &[Entry] = &[
            ("AES-256-GCM + HMAC-SHA256", || Box::new(bare::Seal::start($size, false))),
            ("the same + base64", || Box::new(bare::Seal::start($size, true))),
            ("seal", || Box::new(ours::Seal::start($size, ours::Kind::Default))),
        ];
        let open: &[Entry] = &[
            ("AES-256-GCM + HMAC-SHA256", || Box::new(bare::Open::start($size, false))),
            ("the same + base64", || Box::new(bare::Open::start($size, true))),
            ("read a plain message", || Box::new(ours::Open::start($size, ours::Kind::Plain))),
            ("open", || Box::new(ours::Open::start($size, ours::Kind::Default))),
        ];
        let python_seal: &[Entry] = &[
            ("AES-128-CTR + HMAC-SHA1", || Box::new(python::Seal::start($size, false))),
            ("the same + base64 + random iv", || Box::new(python::Seal::start($size, true))),
            ("seal, eventhive-0.5", || Box::new(ours::Seal::start($size, ours::Kind::Python))),
        ];
        let python_open: &[Entry] = &[
            ("AES-128-CTR + HMAC-SHA1", || Box::new(python::Open::start($size, false))),
            ("the same + base64", || Box::new(python::Open::start($size, true))),
            ("read a plain message", || Box::new(ours::Open::start($size, ours::Kind::Plain))),
            ("open, eventhive-0.5", || Box::new(ours::Open::start($size, ours::Kind::Python))),
        ];
        for (title, entries) in [
            ("seal, aes-256-gcm", seal),
            ("open, aes-256-gcm", open),
            ("seal, eventhive-0.5", python_seal),
            ("open, eventhive-0.5", python_open),
        ] {
            report::print(&format!("{title}, {} bytes", $size), &Column::run(entries, ROUNDS, $events));
        }
    }};
}

pub(crate) fn run() {
    tables!(SMALL, 1_000);
    tables!(LARGE, 40);
}
