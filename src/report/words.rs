//! Words and numbers as a page shows them.

/// Returns a text of a log as it is shown: what steers a terminal or turns the direction of writing is replaced.
pub(super) fn shown(text: &str) -> String {
    let steers = |c: char| {
        c.is_control()
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{fffe}' | '\u{ffff}')
    };
    text.chars().map(|c| if steers(c) { '\u{fffd}' } else { c }).collect()
}

/// Returns a number with a minus sign as long as a plus sign.
pub(super) fn minus(text: &str) -> String {
    text.replace('-', "\u{2212}")
}
