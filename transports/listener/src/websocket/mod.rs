//! What doors with websockets have in common, whatever they speak: the guard of their input, what they know of it, and frames.

mod frame;
mod guard;
mod input;

pub use frame::{Control, binary_header, close, control};
pub use guard::{Guard, Guarded};
pub use input::Input;
