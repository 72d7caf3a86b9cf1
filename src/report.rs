//! Reports on seed logs: a self-contained page for the browser, figures as files of their own, and event files for
//! TensorBoard. Also the card of an exported model, and a Modelfile for Ollama.
//!
//! [`Run`] takes its figures from a log, and from elsewhere what no log contains: the split of time ([`Timing`]) and
//! the model's replies ([`Sample`]). `charts` selects the curves, `plot` and `heat` draw, `page` assembles them, and
//! `png` renders figures as pictures. Everything is a template of `maud`, which escapes all texts of a log. The page
//! has no script and loads nothing; its colours are CSS variables, so that it follows the reader's choice of light or
//! dark.

mod bounds;
mod card;
mod charts;
mod events;
mod facts;
mod figure;
mod heat;
mod modelfile;
mod page;
mod plot;
#[cfg(feature = "png")]
mod png;
#[cfg(not(feature = "png"))]
#[path = "report/png/absent.rs"]
mod png;
mod run;
mod sample;
mod samples;
mod scale;
mod style;
mod table;
mod timing;
mod words;

pub use card::{Card, card};
pub use charts::Subject;
pub use events::events;
pub use figure::figures;
pub use modelfile::{Served, modelfile};
pub use page::page;
pub use png::{PngError, check_png, png};
pub use run::{MOVES_COLUMNS, Run, span};
pub use sample::{Sample, SampleReply};
pub use timing::{Timing, TimingError};

#[cfg(test)]
mod tests;
