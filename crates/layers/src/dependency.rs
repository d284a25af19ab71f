//! Which module depends on which.

use std::collections::BTreeSet;

use crate::parse::{ALL, leads_inside};
use crate::tree::{Id, Tree};

/// A dependency of one module on another, which defines something that the first one names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dependency {
    /// The module that names it.
    pub(crate) from: Id,
    /// The module whose own file defines it.
    pub(crate) to: Id,
    /// The path by which it is named.
    pub(crate) path: String,
}

/// Where a path leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    /// To this module, or to an item that its own file defines.
    Module(Id),
    /// Out of the crate.
    Foreign,
    /// To nothing that was found: what a macro defines whose text does not show it.
    Unknown,
}

/// All dependencies among the modules of a crate.
pub(crate) fn all(tree: &Tree) -> Vec<Dependency> {
    let mut dependencies = Vec::new();
    for (from, module) in tree.modules.iter().enumerate() {
        let mut note = |path: &[String], written: String| {
            let to = match resolve(tree, from, path, &mut BTreeSet::new()) {
                Target::Module(to) => to,
                Target::Foreign => return,
                Target::Unknown => longest_known(tree, from, path),
            };
            if to != from {
                dependencies.push(Dependency { from, to, path: written });
            }
        };
        let inside = |path: &[String]| leads_inside(&path[0], &module.children);
        for import in module.source.imports.iter().filter(|import| inside(&import.path)) {
            let written = import.path.join("::");
            if import.name != ALL {
                // To re-export something is not to depend on it.
                if !import.public || module.source.words.contains(&import.name) {
                    note(&import.path, written);
                }
                continue;
            }
            if import.public {
                continue;
            }
            for word in &module.source.words {
                let path = replace_last(&import.path, word);
                if matches!(resolve(tree, from, &path, &mut BTreeSet::new()), Target::Module(_)) {
                    note(&path, format!("{written}, of which {word}"));
                }
            }
        }
        for path in &module.source.paths {
            note(path, path.join("::"));
        }
    }
    dependencies
}

/// Follows a path that is written in a module.
fn resolve(
    tree: &Tree,
    from: Id,
    path: &[String],
    seen: &mut BTreeSet<(Id, Vec<String>)>,
) -> Target {
    let Some((first, rest)) = path.split_first() else { return Target::Module(from) };
    if !seen.insert((from, path.to_vec())) {
        return Target::Unknown;
    }
    let module = &tree.modules[from];
    let next = match first.as_str() {
        "crate" => Some(0),
        "self" => Some(from),
        "super" => Some(module.parent.unwrap_or(0)),
        name => module.children.get(name).copied(),
    };
    if let Some(next) = next {
        return resolve(tree, next, rest, seen);
    }
    if first == ALL || module.source.defines.contains(first) {
        return Target::Module(from);
    }
    if let Some(import) = module.source.imports.iter().find(|import| import.name == *first) {
        let whole: Vec<_> = import.path.iter().chain(rest).cloned().collect();
        return match resolve(tree, from, &whole, seen) {
            Target::Unknown if !leads_inside(&import.path[0], &module.children) => Target::Foreign,
            target => target,
        };
    }
    for import in module.source.imports.iter().filter(|import| import.name == ALL) {
        if leads_inside(&import.path[0], &module.children) {
            let whole: Vec<_> =
                import.path[..import.path.len() - 1].iter().chain(path).cloned().collect();
            match resolve(tree, from, &whole, seen) {
                Target::Unknown => {}
                target => return target,
            }
        }
    }
    if module.source.in_macros.contains(first) { Target::Module(from) } else { Target::Unknown }
}

/// The last module that a path surely leads through.
fn longest_known(tree: &Tree, from: Id, path: &[String]) -> Id {
    (1..path.len())
        .rev()
        .find_map(|length| match resolve(tree, from, &path[..length], &mut BTreeSet::new()) {
            Target::Module(id) => Some(id),
            Target::Foreign | Target::Unknown => None,
        })
        .unwrap_or(from)
}

fn replace_last(path: &[String], word: &str) -> Vec<String> {
    let mut path = path.to_vec();
    path.pop();
    path.push(word.to_owned());
    path
}
