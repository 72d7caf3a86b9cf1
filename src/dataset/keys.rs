//! From an object's keys to its contents.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::clean::clean;
use super::contents::Found;
use super::error::{self, keys};
use super::fields::{check_showable, quoted};
use super::layouts::{KNOWN, KeySet, near};
use super::values::weight;
use super::{Earlier, Example, Fault, Notes, Shape};

/// Reader of objects that must all be like the first.
#[derive(Debug)]
pub(super) struct KeyReader<'a> {
    wanted: &'a [Shape],
    /// The first object's layout and line.
    first: Option<(&'static KeySet, u64)>,
    line_ends: u64,
    unused: BTreeSet<String>,
}

impl<'a> KeyReader<'a> {
    pub(super) fn new(wanted: &'a [Shape]) -> Self {
        Self { wanted, first: None, line_ends: 0, unused: BTreeSet::new() }
    }

    /// Returns the shape of the objects and the remarks on them; `None` before the first object.
    pub(super) fn finish(self) -> Option<(Shape, Notes)> {
        let notes = Notes { line_ends: self.line_ends, unused: self.unused.into_iter().collect() };
        self.first.map(|(layout, _)| (layout.shape, notes))
    }

    pub(super) fn read(&mut self, line: u64, object: Map<String, Value>) -> Result<Example, Fault> {
        let found = KeySet::of(&object, self.wanted);
        let layout = match (self.first, found) {
            (None, Some(layout)) => layout,
            (Some((first, _)), Some(layout)) if std::ptr::eq(layout, first) => layout,
            (first, found) => return Err(self.unfit(first, found, &object)),
        };
        check_showable(&object)?;
        let Found { mut content, earlier, weight: of_reply } = (layout.read)(&object)?;
        self.line_ends += u64::from(clean(&mut content)?);
        let weight = weight(&object, || quoted("weight"))?;
        self.first.get_or_insert((layout, line));
        for key in object.keys().filter(|key| !layout.uses(key)) {
            if !self.unused.contains(key) {
                self.unused.insert(key.clone());
            }
        }
        let earlier = earlier.into_iter().map(|one| Earlier { weight: weight * one.weight, ..one }).collect();
        Ok(Example { content, earlier, weight: weight * of_reply, line: Some(line), object })
    }

    /// Returns the reason that an object cannot be used, or not after the first one.
    fn unfit(
        &self,
        first: Option<(&KeySet, u64)>,
        wanted: Option<&'static KeySet>,
        object: &Map<String, Value>,
    ) -> Fault {
        let found = wanted.or_else(|| KeySet::of(object, &Shape::ALL));
        // What is wrong inside may be why it is not what it was meant to be.
        if let Some(problem) = found.and_then(|layout| (layout.read)(object).err()) {
            return problem;
        }
        let of_keys = || keys(object);
        match (first, found) {
            (Some((first, line)), found) => Fault::OtherShape {
                found: found.map_or_else(of_keys, |layout| layout.words.to_owned()),
                expected: first.words,
                first: line,
            },
            (None, Some(layout)) => {
                Fault::Unwanted { found: layout.words, wanted: error::shapes(self.wanted) }
            }
            (None, None) => {
                Fault::NoShape { found: of_keys(), wanted: error::shapes(self.wanted), hint: hint(object) }
            }
        }
    }
}

/// Returns advice on keys that are nearly those of an example.
fn hint(object: &Map<String, Value>) -> String {
    let near_miss = |key: &String| near(key).map(|known| format!("\"{known}\" instead of \"{key}\""));
    match object.keys().filter(|key| !KNOWN.contains(&key.as_str())).find_map(near_miss) {
        Some(advice) => format!("; write {advice}"),
        None => String::new(),
    }
}
