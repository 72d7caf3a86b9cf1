//! Names of control tokens in texts.

use std::ops::Range;

use regex::Regex;

/// Most memory of the search for a vocabulary's names, in bytes.
const MAX_SEARCH: usize = 64 << 20;

/// The names of a vocabulary's control tokens, such as `<|im_end|>`, ready to be found in texts.
#[derive(Clone, Debug, Default)]
pub struct ControlNames {
    /// `None` if there are no names.
    search: Option<Regex>,
}

impl ControlNames {
    /// Prepares the search for names; of several that begin at one place, the longest is found.
    pub fn new(names: impl IntoIterator<Item = String>) -> Self {
        let mut names: Vec<String> = names.into_iter().filter(|name| !name.is_empty()).collect();
        names.sort_by(|a, b| b.len().cmp(&a.len()).then(a.cmp(b)));
        names.dedup();
        let pattern = names.iter().map(|name| regex::escape(name)).collect::<Vec<_>>().join("|");
        let search = regex::RegexBuilder::new(&pattern).size_limit(MAX_SEARCH).build();
        Self { search: search.ok().filter(|_| !names.is_empty()) }
    }

    /// Returns the places of names in a text, in ascending order.
    pub fn find<'a>(&'a self, text: &'a str) -> impl Iterator<Item = Range<usize>> + 'a {
        self.search.iter().flat_map(move |search| search.find_iter(text).map(|found| found.range()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_name_is_found() {
        let names = ControlNames::new(["<s>", "<s>x", "</s>", "", "[*]"].map(str::to_owned));
        let text = "a<s>x</s>[*]<s";
        let found: Vec<&str> = names.find(text).map(|place| &text[place]).collect();
        assert_eq!(found, ["<s>x", "</s>", "[*]"]);
        assert_eq!(ControlNames::new([]).find("<s>").count(), 0);
    }
}
