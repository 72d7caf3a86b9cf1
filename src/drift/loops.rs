//! Detects replies that loop, the first fault that a damaged model shows in free replies.

/// Fewest words, and fewest characters, of all copies together in a loop.
const LEAST_WORDS: usize = 6;
const LEAST_CHARACTERS: usize = 32;

/// Most occurrences of a sequence of three words in a reply of few different words.
const MOST_TRIPLES: usize = 3;

/// Returns whether a reply repeats itself instead of going on, which is one of these:
///
/// - Something is said back to back, at least three times, and that is half of the reply or more; or at least four
///   times, and the reply breaks off in the midst of it. "Something" is any number of words, regardless of capitals,
///   punctuation and the numbers of lists, the copies together at least six words; or any characters (also of a script
///   without spaces, or empty lines), the copies together at least 32.
/// - A sequence of three words occurs more than three times, and at most a third of the words are different.
///
/// A list whose items begin alike, a poem with a refrain, and a word said three times for emphasis are not loops.
pub fn is_loop(reply: &str) -> bool {
    let words = words(reply);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    repeats(&words, LEAST_WORDS) || is_monotonous(&words) || repeats(&characters(reply), LEAST_CHARACTERS)
}

/// Returns the words in lower case, without the numbers of lists.
fn words(reply: &str) -> Vec<String> {
    let is_word = |c: char| c.is_alphanumeric() || c == '\'' || c == '\u{2019}';
    let mut words = Vec::new();
    for line in reply.lines() {
        let rest = line.trim_start().trim_start_matches(|c: char| c.is_ascii_digit());
        let is_numbered = rest.len() < line.trim_start().len() && rest.starts_with(['.', ')']);
        let line = if is_numbered { rest } else { line };
        let parts = line.split(|c: char| !is_word(c)).filter(|word| !word.is_empty());
        words.extend(parts.map(str::to_lowercase));
    }
    words
}

/// Returns the characters; runs of spaces and tabs become one space.
fn characters(reply: &str) -> Vec<char> {
    let mut characters: Vec<char> = Vec::new();
    for c in reply.chars().map(|c| if c == '\t' { ' ' } else { c }) {
        if c != ' ' || characters.last() != Some(&' ') {
            characters.push(c);
        }
    }
    characters
}

/// Returns whether consecutive copies of some items, `least` items together, are half of the items or run to the end.
fn repeats<T: Eq>(items: &[T], least: usize) -> bool {
    let len = items.len();
    (1..=len / 3).any(|unit| {
        let mut equal = 0;
        (unit..len).any(|at| {
            equal = if items[at] == items[at - unit] { equal + 1 } else { 0 };
            let (covered, copies) = (equal + unit, equal / unit + 1);
            let is_most = copies >= 3 && 2 * covered >= len;
            let is_at_end = copies >= 4 && at + 1 == len;
            covered >= least && (is_most || is_at_end)
        })
    })
}

/// Returns whether a sequence of three words recurs too often among few different words.
fn is_monotonous(words: &[&str]) -> bool {
    let mut different = words.to_vec();
    different.sort_unstable();
    different.dedup();
    let mut triples: Vec<&[&str]> = words.windows(3).collect();
    triples.sort_unstable();
    let most = triples.chunk_by(|a, b| a == b).map(<[_]>::len).max().unwrap_or(0);
    most > MOST_TRIPLES && 3 * different.len() <= words.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loops_are_told_from_what_only_looks_like_them() {
        let cases = [
            // Of tuned models that were damaged.
            (true, "La France, la la, la la, la la"),
            (true, "I'm not. I'm not. I'm not."),
            (true, "I can't remember the ice. I can't remember the ice. I can't remember the ice."),
            (true, "fine, fine, fine, fine, fine, fine, fine"),
            (true, "A guitar, eh? Well, matey, it's a guitar, a guitar, a guitar"),
            (
                true,
                "The cat sat on the mat. The cat sat on the rug. The cat sat on the mat. The cat sat on the rug.",
            ),
            (true, "1. Drink water.\n2. Drink water.\n3. Drink water.\n4. Drink water."),
            (
                true,
                "Boil the egg for six minutes and rinse it under cold water, then peel it and eat it with a little salt, and \
                 the egg and the egg and the egg and the egg and",
            ),
            (true, "111111111111111111111111111111111111"),
            (true, "Sure!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!"),
            (true, "\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n"),
            (true, "\u{54c8}\u{54c8}".repeat(20).leak()),
            (true, "You can use a for loop to do this: <br><br><br><br><br><br><br><br><br><br><br>"),
            // Of models that are well.
            (false, ""),
            (false, "Paris."),
            (false, "The capital of France is Paris."),
            (false, "No, no, no! Never do that."),
            (false, "Ho ho ho! Merry Christmas!"),
            (false, "It is very, very, very far away."),
            (
                false,
                "Paris is the capital of France. Rome is the capital of Italy. Madrid is the capital of Spain. Berlin is the \
                 capital of Germany.",
            ),
            (false, "1. Go to bed early.\n2. Go to a quiet room.\n3. Go for a walk.\n4. Go easy on coffee."),
            (false, "I like to eat apples. I like to eat pears. I like to eat plums. I like to eat figs."),
            (
                false,
                "The wind blows on, the wind blows on,\nThe summer days are almost gone.\nThe wind blows on, the wind blows on,\n\
                 The river sleeps beneath the swan.\nThe wind blows on, the wind blows on,\nAnd I am waiting for the dawn.",
            ),
            (
                false,
                "Row, row, row your boat, gently down the stream, merrily, merrily, merrily, life is but a dream.",
            ),
            (false, "def larger(a, b):\n    if a > b:\n        return a\n    return b"),
            (false, "| name | age |\n|---|---|\n| Ann | 4 |\n| Ben | 6 |\n| Cleo | 9 |"),
            (false, "2 x 1 = 2\n2 x 2 = 4\n2 x 3 = 6\n2 x 4 = 8\n2 x 5 = 10"),
            (false, "1, 2, 3, 4, 5, 6, 7, 8, 9, 10"),
            (false, "10000000000"),
        ];
        let wrong: Vec<_> = cases.iter().filter(|(loops, reply)| is_loop(reply) != *loops).collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
}
