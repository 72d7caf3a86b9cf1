//! Who uses whom inside a module: which siblings lean on each other in a circle.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::LazyLock;

use regex::Regex;

use super::Source;

/// A module's path from the crate's root.
type Module = Vec<String>;

/// The modules and the names that each takes from its children.
struct House {
    modules: BTreeSet<Module>,
    /// By module and name: the child that the name comes from.
    taken: BTreeMap<(Module, String), Module>,
}

/// Returns a file's module.
fn module_of(source: &Source) -> Module {
    let path: &Path = &source.path.with_extension("");
    path.iter().map(|part| part.to_str().unwrap().to_owned()).collect()
}

/// Returns the paths that begin at the start of this text, such as `a::b` of `a::{b, c}`, each name apart.
fn paths(text: &str) -> Vec<Vec<&str>> {
    if let Some(group) = text.strip_prefix('{') {
        return items(group).into_iter().flat_map(paths).collect();
    }
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    if name.is_empty() {
        return Vec::new();
    }
    let below = rest.strip_prefix("::").map_or(Vec::new(), paths);
    if below.is_empty() {
        return vec![vec![name]];
    }
    below.into_iter().map(|path| [vec![name], path].concat()).collect()
}

/// Returns what stands between the commas of a group whose opening brace was read.
fn items(group: &str) -> Vec<&str> {
    let (mut depth, mut start, mut found) = (0_usize, 0, Vec::new());
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                found.push(group[start..at].trim_start());
                start = at + 1;
                if c == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    found
}

impl House {
    fn new(sources: &[Source]) -> Self {
        let modules: BTreeSet<Module> = sources.iter().map(module_of).collect();
        let mut house = Self { modules, taken: BTreeMap::new() };
        static FROM_CHILD: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\buse (\w+)::").unwrap());
        for source in sources {
            let module = module_of(source);
            for found in FROM_CHILD.captures_iter(&source.code) {
                let child = [&module[..], &[found[1].to_owned()]].concat();
                if !house.modules.contains(&child) {
                    continue;
                }
                for path in paths(&source.code[found.get(0).unwrap().end()..]) {
                    let name = path.last().unwrap().to_string();
                    house.taken.insert((module.clone(), name), child.clone());
                }
            }
        }
        house
    }

    /// Returns the module that a path from another leads into.
    fn follow(&self, from: &[String], path: &[&str]) -> Module {
        let mut module = from.to_vec();
        for name in path {
            let child = [&module[..], &[(*name).to_owned()]].concat();
            let taken = self.taken.get(&(module.clone(), (*name).to_owned()));
            match taken {
                _ if self.modules.contains(&child) => module = child,
                Some(child) => module = child.clone(),
                None => break,
            }
        }
        module
    }

    /// Returns the siblings, itself or what it is part of first, of which one uses the other for the sake of this file.
    fn uses(&self, source: &Source) -> Vec<(Module, Module)> {
        static START: LazyLock<Regex> =
            LazyLock::new(|| Regex::new(r"(?:^|[^:\w])(crate::|(?:super::)+)").unwrap());
        let module = module_of(source);
        let mut found = Vec::new();
        for start in START.captures_iter(&source.code) {
            let start = start.get(1).unwrap();
            let up = start.as_str().matches("super::").count();
            let from = if up == 0 { &[][..] } else { &module[..module.len().saturating_sub(up)] };
            for path in paths(&source.code[start.end()..]) {
                let used = self.follow(from, &path);
                let common = module.iter().zip(&used).take_while(|(a, b)| a == b).count();
                if common < module.len() && common < used.len() {
                    found.push((module[..=common].to_vec(), used[..=common].to_vec()));
                }
            }
        }
        found
    }
}

/// Returns the uses that are part of a circle among siblings.
pub fn circles(sources: &[Source]) -> Vec<String> {
    let house = House::new(sources);
    let uses: BTreeSet<(Module, Module)> = sources.iter().flat_map(|source| house.uses(source)).collect();
    let leads_back = |(from, to): &&(Module, Module)| {
        let (mut reached, mut next) = (BTreeSet::from([to]), vec![to]);
        while let Some(module) = next.pop() {
            let used = uses.iter().filter(|(user, _)| user == module).map(|(_, used)| used);
            next.extend(used.filter(|used| reached.insert(used)));
        }
        reached.contains(from)
    };
    let told = |(from, to): &(Module, Module)| format!("{} uses {}", from.join("/"), to.join("/"));
    uses.iter().filter(leads_back).map(told).collect()
}

#[test]
fn circles_are_seen_however_they_are_closed() {
    let found = |files: &[(&str, &str)]| {
        let sources: Vec<Source> = files.iter().map(|(path, text)| Source::new(path, text)).collect();
        circles(&sources)
    };
    let both = ["m/a uses m/b", "m/b uses m/a"];
    let parent = ("m.rs", "mod a;\nmod b;\npub use b::{B, more::{C}};\n");
    assert_eq!(found(&[parent, ("m/a.rs", "use super::b::B;\n"), ("m/b.rs", "use super::a::A;\n")]), both);
    // By way of what the parent takes from the child, from the crate's root, in a group, from further below, in passing.
    assert_eq!(found(&[parent, ("m/a.rs", "use super::{B, Own};\n"), ("m/b.rs", "use super::a;\n")]), both);
    assert_eq!(found(&[parent, ("m/a.rs", "use crate::m::C;\n"), ("m/b.rs", "use crate::m::a::A;\n")]), both);
    assert_eq!(
        found(&[
            parent,
            ("m/a.rs", "use super::{\n    b::{B, C},\n};\n"),
            ("m/b.rs", "fn f() { super::a::f() }\n")
        ]),
        both
    );
    let deep = ("m/b/c.rs", "use super::super::a::A;\n");
    assert_eq!(found(&[parent, ("m/a.rs", "use super::b::B;\n"), ("m/b.rs", "mod c;\n"), deep]), both);
    let three = [("m/a.rs", "use super::b;\n"), ("m/b.rs", "use super::c;\n"), ("m/c.rs", "use super::a;\n")];
    assert_eq!(found(&[&[parent][..], &three[..]].concat()).len(), 3);
    // One way, what the parent itself has, and parents and children are no circles.
    assert_eq!(
        found(&[parent, ("m/a.rs", "use super::{B, Own};\n"), ("m/b.rs", "use super::Own;\n")]),
        [""; 0]
    );
    assert_eq!(found(&[("m.rs", "use a::A;\n"), ("m/a.rs", "use super::Own;\nuse crate::m;\n")]), [""; 0]);
}
