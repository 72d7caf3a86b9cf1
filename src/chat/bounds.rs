//! Bounds on the lists and dictionaries that a template makes.
//!
//! The engine counts instructions and the bytes of texts, but neither lists that are joined to themselves again and
//! again nor nested lists, which a text of a few hundred letters makes larger than any memory, or deeper than any
//! stack. So the text of a template is changed before it is compiled: every list, dictionary and tuple in it, and
//! every sum and product, goes through a filter that measures it. Line numbers stay the same, for error messages.

use minijinja::value::{Kwargs, ValueKind, ValueOrKwargs};
use minijinja::{Environment, Error, ErrorKind, State, Value};

/// The filter's name, which no template has.
const FILTER: &str = "qes_measured";

/// The filter for values stored in a namespace, which must not be namespaces: they could hold each other.
const STORED: &str = "qes_stored";

/// Insertion into the text of a template. Of several at one place, the one listed first here comes first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Insert {
    Measured,
    Stored,
    Open,
}

/// Most levels of nested lists and dictionaries.
const DEPTH: usize = 32;

/// Bytes of a text that count as much as an item of a list.
const BYTES_OF_ITEM: u64 = 16;

/// Share of the remaining instructions that a value may have as items, nested ones included: one in this many.
const SHARE: u64 = 8;

/// Instructions that a namespace costs, since it may hold another one.
const NAMESPACE: u64 = 5000;

/// Filters that are not Jinja's, or that nest lists; models' templates do not use them.
const UNBOUNDED: [&str; 6] = ["chain", "zip", "batch", "slice", "groupby", "pprint"];

/// Words in expressions that are not values.
const WORDS: [&str; 8] = ["and", "or", "not", "in", "is", "if", "else", "recursive"];

/// Sets up the filter that measured templates call.
pub(super) fn set_up(environment: &mut Environment<'static>) {
    environment.add_filter(FILTER, measured);
    environment.add_filter(STORED, |state: &State, value: Value| {
        refuse_namespace(&value)?;
        measured(state, value)
    });
    UNBOUNDED.iter().for_each(|name| environment.remove_filter(name));
    environment.remove_global("debug");
    environment.add_function("namespace", |state: &State, fields: Option<ValueOrKwargs>| {
        state.consume_fuel(NAMESPACE)?;
        if let Some(fields) = fields.as_deref().filter(|fields| fields.kind() == ValueKind::Map) {
            for key in fields.try_iter()? {
                refuse_namespace(&fields.get_item(&key)?)?;
            }
        }
        minijinja::functions::namespace(fields)
    });
    environment.add_function("dict", |state: &State, fields: Option<Value>, more: Kwargs| {
        measured(state, minijinja::functions::dict(fields, more)?)
    });
}

/// Returns a value as it is, or an error if it is larger than a template may make one.
fn measured(state: &State, value: Value) -> Result<Value, Error> {
    if !matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable | ValueKind::Map) {
        return Ok(value);
    }
    let most = state.fuel_levels().map_or(u64::MAX, |(_, left)| left) / SHARE;
    let mut left = most;
    // What has no length yet would be flattened without being counted.
    let value = match value.len() {
        Some(_) => value,
        None => Value::from(
            value.try_iter()?.take(usize::try_from(most).unwrap_or(usize::MAX)).collect::<Vec<_>>(),
        ),
    };
    measure(&value, DEPTH, &mut left)?;
    state.consume_fuel(most - left)?;
    Ok(value)
}

/// Returns an error for a namespace.
fn refuse_namespace(value: &Value) -> Result<(), Error> {
    match value.as_object() {
        Some(object) if object.type_name().ends_with("::Namespace") => {
            Err(Error::new(ErrorKind::InvalidOperation, "a namespace cannot be stored in another value"))
        }
        _ => Ok(()),
    }
}

/// Subtracts the items of a value from what is left.
fn measure(value: &Value, depth: usize, left: &mut u64) -> Result<(), Error> {
    let too_large = || Error::new(ErrorKind::OutOfFuel, "a list is too large");
    let spend = |left: &mut u64, items: u64| {
        *left = left.checked_sub(items).ok_or_else(too_large)?;
        Ok::<(), Error>(())
    };
    match value.kind() {
        ValueKind::String => spend(left, 1 + value.as_str().map_or(0, str::len) as u64 / BYTES_OF_ITEM),
        ValueKind::Seq | ValueKind::Iterable | ValueKind::Map => {
            spend(left, 1 + value.len().unwrap_or(0) as u64 / 2)?;
            let inner = depth.checked_sub(1).ok_or_else(too_large)?;
            let is_map = value.kind() == ValueKind::Map;
            for item in value.try_iter()? {
                refuse_namespace(&item)?;
                measure(&item, inner, left)?;
                if is_map {
                    let field = value.get_item(&item)?;
                    refuse_namespace(&field)?;
                    measure(&field, inner, left)?;
                }
            }
            Ok(())
        }
        _ => spend(left, 1),
    }
}

/// Returns a template's text with a call of the filter around each list, dictionary and tuple, and around each part of
/// a sum or product.
pub(super) fn bounded(text: &str) -> String {
    let mut inserts: Vec<(usize, Insert)> = Vec::new();
    let mut rest = 0;
    while let Some(tag) = text[rest..].find('{').map(|at| rest + at) {
        let block = match text.as_bytes().get(tag + 1) {
            Some(b'#') => {
                rest = text[tag..].find("#}").map_or(text.len(), |at| tag + at + 2);
                continue;
            }
            Some(b'%') => true,
            Some(b'{') => false,
            _ => {
                rest = tag + 1;
                continue;
            }
        };
        let mut reader = Reader::new(text, tag + 2, block);
        rest = reader.read();
        let is_raw = reader.is_raw;
        inserts.append(&mut reader.inserts);
        if is_raw {
            rest = after_raw(text, rest);
        }
    }
    inserts.sort_unstable();
    let mut made = String::with_capacity(text.len() + inserts.len() * 16);
    let mut from = 0;
    for (at, insert) in inserts {
        made.push_str(&text[from..at]);
        match insert {
            Insert::Open => made.push_str("(("),
            Insert::Measured => made.extend([")|", FILTER, ")"]),
            Insert::Stored => made.extend([")|", STORED, ")"]),
        }
        from = at;
    }
    made + &text[from..]
}

/// Returns the end of the raw block that begins before this place.
fn after_raw(text: &str, from: usize) -> usize {
    let mut at = from;
    while let Some(tag) = text[at..].find("{%").map(|found| at + found) {
        let inner = text[tag + 2..].trim_start_matches(['-', '+']).trim_start();
        if inner.starts_with("endraw") {
            return tag;
        }
        at = tag + 2;
    }
    text.len()
}

/// The meaning of an open bracket, or the tag itself.
struct Frame {
    open: usize,
    /// `true` for a value: a list or dictionary, or a tuple once there is a comma.
    is_value: bool,
    is_group: bool,
    /// Start of the part of a sum that is being read.
    part: Option<usize>,
    /// `true` if this part belongs to a sum or is a product.
    is_measured: bool,
}

/// Reader of the expression of a tag.
struct Reader<'a> {
    text: &'a str,
    at: usize,
    block: bool,
    frames: Vec<Frame>,
    inserts: Vec<(usize, Insert)>,
    /// End of the last token, and whether a value can end with it.
    last: usize,
    ends_value: bool,
    tag: Option<String>,
    is_raw: bool,
    /// `true` while reading a value, `false` while reading a target of `for` or `set`.
    reads: bool,
    /// Start of the value of a `set`, which is measured as a whole.
    value: Option<(usize, Insert)>,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str, at: usize, block: bool) -> Self {
        let frame = Frame { open: at, is_value: false, is_group: false, part: None, is_measured: false };
        Self {
            text,
            at,
            block,
            frames: vec![frame],
            inserts: Vec::new(),
            last: at,
            ends_value: false,
            tag: None,
            is_raw: false,
            reads: true,
            value: None,
        }
    }

    /// Reads up to the end of the tag and returns its place.
    fn read(&mut self) -> usize {
        if self.text[self.at..].starts_with(['-', '+']) {
            self.at += 1;
        }
        while let Some(letter) = self.text[self.at..].chars().next() {
            let start = self.at;
            if letter.is_whitespace() {
                self.at += letter.len_utf8();
                continue;
            }
            if self.frames.len() == 1 && self.is_end() {
                return self.at;
            }
            match letter {
                '"' | '\'' => self.string(letter),
                _ if letter.is_alphanumeric() || letter == '_' => self.word(),
                '(' | '[' | '{' => self.open(letter),
                ')' | ']' | '}' => self.close(),
                _ => self.sign(letter),
            }
            debug_assert!(self.at > start, "every step reads something");
        }
        self.at
    }

    /// Checks whether the tag ends here.
    fn is_end(&mut self) -> bool {
        let rest = &self.text[self.at..];
        let end = if self.block { "%}" } else { "}}" };
        let bare = rest.strip_prefix(['-', '+']).unwrap_or(rest);
        let found = bare.starts_with(end);
        if found {
            self.is_raw = self.block && self.tag.as_deref() == Some("raw");
            self.boundary();
            if let Some((start, close)) = self.value.filter(|(start, _)| *start < self.last) {
                self.inserts.extend([(start, Insert::Open), (self.last, close)]);
            }
            self.at += rest.len() - bare.len() + end.len();
        }
        found
    }

    fn frame(&mut self) -> &mut Frame {
        let last = self.frames.len() - 1;
        &mut self.frames[last]
    }

    /// Notes a token of a value that begins here.
    fn begins(&mut self, start: usize) {
        let frame = self.frame();
        frame.part.get_or_insert(start);
    }

    fn ended(&mut self, ends_value: bool) {
        self.last = self.at;
        self.ends_value = ends_value;
    }

    fn string(&mut self, quote: char) {
        self.begins(self.at);
        let mut escaped = false;
        let inner = self.text[self.at + 1..].char_indices();
        let end = inner.into_iter().find(|(_, letter)| {
            let found = *letter == quote && !escaped;
            escaped = *letter == '\\' && !escaped;
            found
        });
        self.at = end.map_or(self.text.len(), |(at, _)| self.at + 1 + at + 1);
        self.ended(true);
    }

    fn word(&mut self) {
        let rest = &self.text[self.at..];
        let len = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        let (start, word) = (self.at, &rest[..len]);
        if self.block && self.tag.is_none() {
            self.tag = Some(word.to_owned());
            self.reads = !matches!(word, "for" | "set");
            self.at += len;
            // The brackets of a call block are no tuple.
            return self.ended(word == "call");
        }
        if WORDS.contains(&word) && !self.text[..start].trim_end().ends_with('.') {
            self.boundary();
            self.at += len;
            if word == "in" && self.frames.len() == 1 {
                self.reads = true;
            }
            return self.ended(false);
        }
        self.begins(start);
        self.at += len;
        self.ended(true);
    }

    fn open(&mut self, letter: char) {
        let follows_value = self.ends_value;
        self.begins(self.at);
        let is_group = letter == '(' && !follows_value;
        let is_value = letter == '{' || (letter == '[' && !follows_value);
        self.frames.push(Frame { open: self.at, is_value, is_group, part: None, is_measured: false });
        self.at += 1;
        self.ended(false);
    }

    fn close(&mut self) {
        self.boundary();
        self.at += 1;
        if self.frames.len() > 1
            && let Some(frame) = self.frames.pop()
            && frame.is_value
            && self.reads
        {
            self.inserts.extend([(frame.open, Insert::Open), (self.at, Insert::Measured)]);
        }
        self.ended(true);
    }

    fn sign(&mut self, letter: char) {
        let rest = &self.text[self.at..];
        let len = if rest.starts_with("**") || rest.starts_with("//") { 2 } else { letter.len_utf8() };
        match letter {
            '+' if self.ends_value => {
                self.frame().is_measured = true;
                self.boundary();
                self.frame().is_measured = true;
            }
            '*' if self.ends_value => self.frame().is_measured = true,
            '/' | '%' | '.' | '|' => (),
            // A sign before a value belongs to it.
            '+' | '-' | '*' if !self.ends_value => self.begins(self.at),
            ',' => {
                self.boundary();
                let frame = self.frame();
                frame.is_value |= frame.is_group;
            }
            '=' if self.frames.len() == 1 && !rest.starts_with("==") => {
                self.boundary();
                self.reads = true;
                if self.tag.as_deref() == Some("set") && self.value.is_none() {
                    let target = &self.text[self.frames[0].open..self.at];
                    let close = if target.contains('.') { Insert::Stored } else { Insert::Measured };
                    self.value = Some((self.at + 1, close));
                }
            }
            _ => self.boundary(),
        }
        self.at += len;
        self.ended(false);
    }

    /// Ends the part of a sum that is being read.
    fn boundary(&mut self) {
        let (last, reads) = (self.last, self.reads);
        let frame = self.frame();
        let part = frame.part.take();
        if let Some(start) = part.filter(|start| frame.is_measured && *start < last)
            && reads
        {
            self.inserts.extend([(start, Insert::Open), (last, Insert::Measured)]);
        }
        self.frame().is_measured = false;
    }
}
