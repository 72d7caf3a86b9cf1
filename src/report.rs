//! What a seed log tells, drawn: a page for the browser that stands by itself, figures as files of their own, and event
//! files that TensorBoard opens. And written: the card of an exported model.
//!
//! [`Run`] takes from a log what is shown, `charts` says which curves there are, `plot` and `heat` draw, `page` puts it
//! together, and `png` makes pictures of figures. Everything is a template of `maud`, which escapes whatever a log says.
//! The page has no script and asks for nothing from anywhere; its colours come as CSS variables, so that it is light or
//! dark as the reader likes it.

mod card;
mod charts;
mod events;
mod facts;
mod figure;
mod heat;
mod page;
mod plot;
mod png;
mod run;
mod scale;
mod style;

pub use card::{Card, card};
pub use charts::Subject;
pub use events::events;
pub use figure::figures;
pub use page::page;
pub use png::{PngError, png};
pub use run::{MOVES_COLUMNS, Run, span};

#[cfg(test)]
mod tests;
