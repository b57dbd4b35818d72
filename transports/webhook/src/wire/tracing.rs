//! The one form of tracing that is spoken: the "simple" one of Python's broadcaster, in answers to notify.
//!
//! Everywhere else tracing is opaque and empty. Python's HTTP client fails, though, when the answer to its notify has
//! no trace; so a broadcaster always writes one. Whoever gets a tracing may ignore it.

use super::error::WireError;
use super::read::Reader;
use super::write::{Writer, whole};

/// Python's broadcaster adds no more traces when the blob would have more bytes than this.
pub const MAX_BYTES: usize = 65_519;

/// One thing that happened.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trace<'a> {
    /// What, such as `auth_accepted`.
    pub name: &'a str,
    /// More about it, as a JSON object.
    pub extra: &'a str,
    /// When, in seconds since the epoch.
    pub at: f64,
}

/// What happened between a request and its answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Traces<'a> {
    /// Whether traces were left out because there were too many.
    pub truncated: bool,
    /// When the request came, in nanoseconds since the epoch.
    pub received_ns: u64,
    /// When the answer went, in nanoseconds since the epoch.
    pub sent_ns: u64,
    traces: Raw<'a>,
}

/// Traces as they are on the wire; they have been checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Raw<'a>(&'a [u8]);

impl<'a> Traces<'a> {
    /// Reads a blob.
    ///
    /// # Errors
    /// It is too short, or a text in it is not UTF-8.
    pub fn read(blob: &'a [u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(blob);
        let truncated = reader.u8("truncated")? != 0;
        let count = reader.u16("traces")?;
        let start = reader.at();
        (0..count).try_for_each(|_| trace(&mut reader).map(drop))?;
        let traces = Raw(blob.get(start..reader.at()).unwrap_or_default());
        let (received_ns, sent_ns) = (reader.u64("received")?, reader.u64("sent")?);
        Ok(Self { truncated, received_ns, sent_ns, traces })
    }

    /// The traces, in the order of what happened.
    pub fn iter(&self) -> impl Iterator<Item = Trace<'a>> + use<'a> {
        let mut reader = Reader::new(self.traces.0);
        std::iter::from_fn(move || trace(&mut reader).ok())
    }
}

fn trace<'a>(reader: &mut Reader<'a>) -> Result<Trace<'a>, WireError> {
    Ok(Trace {
        name: reader.text("trace name")?,
        extra: reader.text("trace extra")?,
        at: f64::from_be_bytes(*reader.array("trace time")?),
    })
}

/// Appends a blob with as many of the traces as fit in [`MAX_BYTES`], and says in it if some did not.
///
/// # Errors
/// A text of a trace that fits is longer than 65,535 bytes: impossible, as it would not fit.
pub fn write(traces: &[Trace<'_>], received_ns: u64, sent_ns: u64, out: &mut Vec<u8>) -> Result<(), WireError> {
    let fitting = fitting(traces);
    whole(out, |out: &mut Writer<'_, Vec<u8>>| {
        out.u8(u8::from(fitting.len() < traces.len()));
        out.u16(u16::try_from(fitting.len()).unwrap_or(u16::MAX));
        for trace in fitting {
            out.l16("trace name", trace.name.as_bytes())?;
            out.l16("trace extra", trace.extra.as_bytes())?;
            out.put(&trace.at.to_be_bytes());
        }
        out.u64(received_ns);
        out.u64(sent_ns);
        Ok(())
    })
}

fn fitting<'t, 'a>(traces: &'t [Trace<'a>]) -> &'t [Trace<'a>] {
    let mut bytes = 1 + 2 + 8 + 8;
    let fits = |trace: &&Trace<'_>| {
        bytes += 2 + trace.name.len() + 2 + trace.extra.len() + 8;
        bytes <= MAX_BYTES
    };
    let count = traces.iter().take_while(fits).count();
    traces.get(..count).unwrap_or_default()
}
