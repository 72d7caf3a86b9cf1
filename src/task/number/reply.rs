//! The number that is the answer of a reply.
//!
//! A reply may show its work, go on after its answer, or begin a question of its own. Before a new question, the
//! answer is, in this order: the number after `####`; that in the last `\boxed{}`; that after the last "answer is" or
//! "answer:"; else the final number of the last sentence with one, which is the one after its last `=`, or its last.

use super::latex;
use super::{CURRENCY, Number, first_number, last_number};

/// Mark before the final number in the answers of GSM8K.
pub const MARK: &str = "####";

/// Words at the start of a line that asks something new.
const ASKING: [&str; 8] =
    ["question", "q", "problem", "exercise", "user", "human", "instruction", "### instruction"];
/// Marks of a new turn in the templates of chat models.
const TURNS: [&str; 4] = ["[INST]", "<|im_start|>user", "<|user|>", "<start_of_turn>user"];
/// Words after which a sentence gives reasons.
const REASONS: [&str; 5] = [" because ", " since ", ", as ", " (", "\u{2003}("];
/// Characters of a sentence that are searched after the word "answer".
const REACH: usize = 240;

/// Returns the final number of a reply, if it has one.
pub fn final_number(reply: &str) -> Option<Number> {
    let reply = latex::plain(reply);
    let own = own_part(&reply);
    marked(own).or_else(|| boxed(own)).or_else(|| stated(own)).or_else(|| concluded(own))
}

/// Returns whether two texts have the same final number. A text without one equals none, not even itself.
pub fn same_number(reply: &str, wanted: &str) -> bool {
    let wanted = final_number(wanted);
    wanted.is_some() && final_number(reply) == wanted
}

/// Returns the number after the last `####`, on the same line or, if nothing else is on it, the next. A mark after a
/// new question does not count.
pub fn marked_number(text: &str) -> Option<Number> {
    marked(own_part(&latex::plain(text)))
}

/// Returns the part of a reply before it asks something new.
fn own_part(reply: &str) -> &str {
    let mut has_number = false;
    let mut start = 0;
    for line in reply.split_inclusive('\n') {
        if has_number && asks_anew(line) {
            return &reply[..start];
        }
        // A turn may begin in the middle of a line.
        if let Some(at) = TURNS.iter().filter_map(|turn| line.find(turn)).min()
            && (has_number || has_digit(&line[..at]))
        {
            return &reply[..start + at];
        }
        has_number |= has_digit(line);
        start += line.len();
    }
    reply
}

/// Returns whether a line begins a new question: "Question:", "**Problem 2:**".
fn asks_anew(line: &str) -> bool {
    let line = line.trim_start_matches(|c: char| c.is_whitespace() || "*#->".contains(c));
    ASKING.iter().any(|word| {
        let Some(start) = line.get(..word.len()).filter(|start| start.eq_ignore_ascii_case(word)) else {
            return false;
        };
        let after = line[start.len()..].trim_start_matches(|c: char| c == ' ' || c.is_ascii_digit());
        after.trim_start_matches('*').starts_with(':')
    })
}

fn has_digit(text: &str) -> bool {
    text.bytes().any(|byte| byte.is_ascii_digit())
}

fn marked(text: &str) -> Option<Number> {
    let mut last = None;
    for (at, _) in text.match_indices(MARK) {
        if last.is_some_and(|before: usize| is_question(&text[before..at])) {
            break;
        }
        last = Some(at + MARK.len());
    }
    let rest = text[last?..].trim_start_matches('#');
    value(rest.trim_start().lines().next()?)
}

/// Returns whether a text has a line that asks about numbers.
fn is_question(text: &str) -> bool {
    text.lines().any(|line| line.trim_end().ends_with('?') && has_digit(line))
}

fn boxed(text: &str) -> Option<Number> {
    let (_, rest) = text.rsplit_once("\\boxed{")?;
    let mut open = 1_usize;
    let end = rest.find(|c| {
        open = if c == '{' { open + 1 } else { open - usize::from(c == '}') };
        open == 0
    })?;
    value(&rest[..end])
}

/// Returns the number after the last "answer is" or "answer:" that has one.
fn stated(text: &str) -> Option<Number> {
    let lower = text.to_ascii_lowercase();
    let mut ends: Vec<usize> = lower.match_indices("answer").map(|(at, word)| at + word.len()).collect();
    // Only the last few can matter, and each is looked at within its reach alone.
    while let Some(end) = ends.pop() {
        let reach = &text[end..text.floor_char_boundary((end + REACH).min(text.len()))];
        if let Some(number) = said(reach).and_then(value) {
            return Some(number);
        }
    }
    None
}

/// Returns the text after "is" or a colon that follows the word "answer", up to the end of the sentence.
fn said(reach: &str) -> Option<&str> {
    const LINKS: [&str; 7] = [":", "=", " is ", " is:", " are ", " would be ", " equals "];
    let first = sentences(reach).next()?;
    let links = LINKS.iter().filter_map(|link| first.find(link).map(|at| at + link.len()));
    let behind = links.min()?;
    let said = first[behind..].trim_matches(|c: char| c.is_whitespace() || c == '*');
    if !said.is_empty() {
        return Some(said);
    }
    // "Answer:" on a line of its own.
    reach[behind..].trim_start_matches(['*', ':']).lines().map(str::trim).find(|line| !line.is_empty())
}

/// Returns the number of a statement: the one at its start, or else its final one.
fn value(statement: &str) -> Option<Number> {
    let statement = without_reasons(statement);
    let decoration = |c: char| c.is_whitespace() || "*_({[=≈~:".contains(c) || CURRENCY.contains(&c);
    let begins = statement.trim_start_matches(decoration);
    let is_number = begins.starts_with(|c: char| c.is_ascii_digit() || "-+.\u{2212}".contains(c));
    if is_number && !statement[statement.len() - begins.len()..].contains(['=', '≈']) {
        return first_number(statement);
    }
    ended_up_with(statement)
}

/// Returns the number after the last equals sign that one follows, or else the last number.
fn ended_up_with(sentence: &str) -> Option<Number> {
    let behind = sentence.rmatch_indices(['=', '≈']).map(|(at, sign)| &sentence[at + sign.len()..]);
    // Signs with no digit between them and the next are passed over; none of it is looked at twice.
    let mut end = sentence.len();
    for rest in behind {
        let start = sentence.len() - rest.len();
        if has_digit(&sentence[start..end]) {
            return first_number(rest);
        }
        end = start;
    }
    last_number(sentence)
}

/// Returns a statement without reasons and brackets after its first number.
fn without_reasons(statement: &str) -> &str {
    let Some(first) = statement.find(|c: char| c.is_ascii_digit()) else { return statement };
    let end = REASONS.iter().filter_map(|word| statement[first..].find(word)).min();
    end.map_or(statement, |end| &statement[..first + end])
}

/// Returns the final number of the last sentence that is neither a question nor a check.
fn concluded(text: &str) -> Option<Number> {
    let lines = text.lines().map(without_list_number);
    let with_numbers: Vec<&str> = lines.flat_map(sentences).filter(|sentence| has_digit(sentence)).collect();
    let tells = |sentence: &&&str| {
        let lower = sentence.to_ascii_lowercase();
        !(lower.trim_end().ends_with('?') || lower.contains("check") || lower.contains("verif"))
    };
    match with_numbers.iter().rev().find(tells).or(with_numbers.last()) {
        Some(sentence) => ended_up_with(without_reasons(sentence)),
        None => last_number(text),
    }
}

/// Returns a line without its number in a list.
fn without_list_number(line: &str) -> &str {
    let trimmed = line.trim_start();
    let digits = trimmed.bytes().take_while(u8::is_ascii_digit).count();
    let after = trimmed[digits..].strip_prefix(['.', ')']).filter(|rest| rest.starts_with(' '));
    match after {
        Some(rest) if (1..=2).contains(&digits) && !rest.trim().is_empty() => rest,
        _ => line,
    }
}

/// Splits a text into sentences: at line ends, and at points, exclamation and question marks that white space follows.
fn sentences(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let mut after_mark = false;
        let end = rest.char_indices().find(|(_, c)| {
            let ends = *c == '\n' || (after_mark && c.is_whitespace());
            after_mark = matches!(c, '.' | '!' | '?') || (after_mark && matches!(c, '*' | '"' | ')'));
            ends
        });
        let (sentence, after) = match end {
            Some((at, c)) => (&rest[..at], &rest[at + c.len_utf8()..]),
            None => (rest, ""),
        };
        rest = after;
        Some(sentence)
    })
}
