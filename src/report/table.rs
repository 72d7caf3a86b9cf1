//! Tables of the page.

use maud::{Markup, html};

/// Returns a table that scrolls by itself if it is wider than the page.
pub(super) fn table(label: &str, class: &str, head: &Markup, rows: &Markup) -> Markup {
    html! {
        div.card.scroll tabindex="0" role="region" aria-label=(label) {
            table class=(class) { thead { tr { (head) } } tbody { (rows) } }
        }
    }
}
