//! From base model and seed log to the tuned model, byte for byte as the live run held it in memory.
//!
//! The base is copied and its code bytes are patched; its metadata gains the model's provenance, unless that is not
//! wanted, and all else is unchanged. The log alone determines the codes.

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
