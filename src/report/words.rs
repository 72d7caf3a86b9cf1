//! Words and numbers on a page.

/// Returns a log's text for display: characters that control a terminal or the direction of writing are replaced.
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
