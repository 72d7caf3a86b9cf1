//! Reports on seed logs: a self-contained page for the browser, figures as files of their own, and event files for
//! TensorBoard. Also the card of an exported model, and a Modelfile for Ollama.
//!
//! [`Run`] takes from a log what is shown, and from elsewhere what no log knows: where the time went ([`Timing`]) and what the
//! model replies ([`Sample`]). `charts` says which curves there are, `plot` and `heat` draw, `page` puts it
//! together, and `png` makes pictures of figures. Everything is a template of `maud`, which escapes whatever a log says.
//! The page has no script and asks for nothing from anywhere; its colours come as CSS variables, so that it is light or
//! dark as the reader likes it.

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
pub use sample::{Reply, Sample};
pub use timing::{Timing, TimingError};

#[cfg(test)]
mod tests;
