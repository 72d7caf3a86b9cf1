//! Plain text, cut into pieces that fit a context.

/// Cuts a text into pieces of up to `most` bytes (at least one character), each as long as possible: up to the last
/// blank line in reach, else the last line end, else the last white space, else anywhere between two characters.
/// Joined together they are the text without the white space at its end; pieces of only white space are left out. Each
/// piece comes with whether it is the end of the text.
///
/// After a change in the text, the pieces before it stay the same, but later ones may be cut elsewhere.
pub fn pieces(text: &str, most: usize) -> impl Iterator<Item = (&str, bool)> {
    let mut rest = text.trim_end();
    let all = std::iter::from_fn(move || {
        let (piece, after) = rest.split_at(cut(rest, most));
        rest = after;
        (!piece.is_empty()).then_some((piece, after.is_empty()))
    });
    all.filter(|(piece, _)| !piece.trim().is_empty())
}

/// Returns the length of the first piece; 0 only for an empty text.
fn cut(text: &str, most: usize) -> usize {
    if text.len() <= most {
        return text.len();
    }
    let first = text.chars().next().map_or(0, char::len_utf8);
    let most = text.floor_char_boundary(most).max(first);
    let head = &text[..most];
    let line = || head.rfind('\n').map(|at| at + 1);
    // White space goes to the word behind it, as most tokenizers have it.
    let space = || head.rfind(char::is_whitespace).filter(|at| *at > 0);
    last_blank_line(head).or_else(line).or_else(space).unwrap_or(most)
}

/// Returns the end of the last blank line that has text before it.
fn last_blank_line(text: &str) -> Option<usize> {
    let begins = text.find(|c: char| !c.is_whitespace())?;
    let mut end = text.rfind('\n')?;
    while let Some(start) = text[..end].rfind('\n') {
        if text[start..end].trim().is_empty() && start > begins {
            return Some(end + 1);
        }
        end = start;
    }
    None
}
