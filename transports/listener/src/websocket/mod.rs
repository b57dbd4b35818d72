//! What doors with websockets have in common, whatever they speak: the guard of their input, and frames.

mod frame;
mod guard;

pub use frame::{Control, binary_header, close, control};
pub use guard::{Guard, Guarded};
