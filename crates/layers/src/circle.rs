//! Circles among the children of one module.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::dependency::Dependency;
use crate::tree::{Id, Tree};

/// Modules that depend on each other, directly or through each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Circle {
    /// The paths of the modules, in order.
    pub(crate) modules: Vec<String>,
    /// What closes it: which module names what, and of which one it is.
    pub(crate) reasons: Vec<Reason>,
}

/// One dependency in a circle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reason {
    /// The path of the module that names something.
    pub(crate) from: String,
    /// The path of the module that defines it.
    pub(crate) to: String,
    /// What it is.
    pub(crate) path: String,
}

impl fmt::Display for Circle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} depend on each other:", self.modules.join(", "))?;
        for Reason { from, to, path } in &self.reasons {
            write!(f, "\n    {from} depends on {to}: {path}")?;
        }
        Ok(())
    }
}

/// The dependencies among the children of one module, by the two ends.
type Level<'a> = BTreeMap<(Id, Id), Vec<&'a Dependency>>;

/// Finds all circles.
pub(crate) fn find(tree: &Tree, dependencies: &[Dependency]) -> Vec<Circle> {
    let mut levels: BTreeMap<Id, Level<'_>> = BTreeMap::new();
    for dependency in dependencies {
        let (from, to) = (tree.lineage(dependency.from), tree.lineage(dependency.to));
        let common = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
        let parent = from[common - 1];
        // Where one of the two is the parent, it stands for its own file.
        let end = |lineage: &[Id]| lineage.get(common).copied().unwrap_or(parent);
        let level = levels.entry(parent).or_default();
        level.entry((end(&from), end(&to))).or_default().push(dependency);
    }
    levels.values().flat_map(|level| circles_in(tree, level)).collect()
}

fn circles_in(tree: &Tree, level: &Level<'_>) -> Vec<Circle> {
    let mut next: BTreeMap<Id, BTreeSet<Id>> = BTreeMap::new();
    for (from, to) in level.keys() {
        next.entry(*from).or_default().insert(*to);
    }
    let reach: BTreeMap<Id, BTreeSet<Id>> =
        next.keys().map(|id| (*id, reachable(&next, *id))).collect();
    let reaches = |a: &Id, b: &Id| reach.get(a).is_some_and(|reached| reached.contains(b));
    let mut circles = Vec::new();
    let mut done = BTreeSet::new();
    for id in next.keys() {
        let circle: BTreeSet<Id> =
            next.keys().copied().filter(|b| reaches(id, b) && reaches(b, id)).collect();
        if circle.is_empty() || !done.insert(circle.clone()) {
            continue;
        }
        let inside = level.iter().filter(|((a, b), _)| circle.contains(a) && circle.contains(b));
        let reasons = inside.flat_map(|(_, all)| all.iter().map(|reason| reason_of(tree, reason)));
        let modules = circle.iter().map(|id| path_of(tree, *id)).collect();
        circles.push(Circle { modules, reasons: reasons.collect() });
    }
    circles
}

/// What can be reached from a module, which need not be the module itself.
fn reachable(next: &BTreeMap<Id, BTreeSet<Id>>, from: Id) -> BTreeSet<Id> {
    let mut reached = BTreeSet::new();
    let mut waiting = vec![from];
    while let Some(id) = waiting.pop() {
        for next in next.get(&id).into_iter().flatten() {
            if reached.insert(*next) {
                waiting.push(*next);
            }
        }
    }
    reached
}

fn reason_of(tree: &Tree, dependency: &Dependency) -> Reason {
    Reason {
        from: path_of(tree, dependency.from),
        to: path_of(tree, dependency.to),
        path: dependency.path.clone(),
    }
}

fn path_of(tree: &Tree, id: Id) -> String {
    match tree.modules[id].path.as_slice() {
        [] => "crate".to_owned(),
        path => path.join("::"),
    }
}
