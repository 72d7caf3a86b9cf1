//! From base model and seed log to the tuned model, byte for byte what the live run held in memory.
//!
//! The base is copied and its code bytes are patched; its metadata gains what says where the model comes from, unless that is
//! not wanted, and everything else stays as it is. Nothing else than the log decides the codes.

mod error;
mod provenance;
mod split;
mod stack;
mod tuned;

pub use error::{ExportError, WrongBase};
pub use provenance::{PastTune, past_tunes};
pub use split::merge_parts;
pub use stack::{DiffFile, Item, apply, revert};
pub use tuned::{Form, Rebuilt, Tuned, export};
