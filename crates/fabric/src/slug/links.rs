//! Checks that an archive's symbolic links stay inside it.

use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

use super::error::SlugError;
use super::tree::{Node, Tree, refuse};

/// The directory in which a workload sees its slug.
const HOME: &str = "/app";
/// Other directories that a link may lead to: a workload sees the machine's programs there, and may
/// only read them.
const SYSTEM: [&str; 6] = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64"];
/// Links that may be followed one after the other, as in the kernel.
const HOPS: usize = 40;
/// Path components that may be looked at for all links together: a few for each link.
const STEPS: usize = 4_000_000;

/// Refuses links that lead out of an archive, or round in circles. One that leads to what is not
/// there may stay: the app might make it.
pub(super) fn check_links(tree: &Tree) -> Result<(), SlugError> {
    let mut steps = 0;
    for (path, node) in tree {
        if let Node::Link(target) = node {
            let parent = path.parent().unwrap_or(Path::new(""));
            follow(tree, parent, target, &mut steps).map_err(|why| refuse(path, why))?;
        }
    }
    Ok(())
}

fn follow(tree: &Tree, from: &Path, target: &Path, steps: &mut usize) -> Result<(), &'static str> {
    let mut at = from.to_owned();
    let mut ahead: Vec<Part> = Vec::new();
    expand(target, &mut ahead);
    let mut hops = 1;
    while let Some(part) = ahead.pop() {
        *steps += 1;
        if *steps > STEPS {
            return Err("is one of too many links");
        }
        match part {
            Part::Root => match below(&ahead, HOME) {
                Some(rest) => {
                    at = PathBuf::new();
                    ahead.truncate(rest);
                }
                None if is_system(&ahead) => return Ok(()),
                None => return Err("is a link that leads out of the archive"),
            },
            Part::Up => {
                if !at.pop() {
                    return Err("is a link that leads out of the archive");
                }
            }
            Part::Name(name) => {
                at.push(name);
                if let Some(Node::Link(target)) = tree.get(&at) {
                    hops += 1;
                    if hops > HOPS {
                        return Err("is a link that leads in a circle");
                    }
                    at.pop();
                    expand(target, &mut ahead);
                }
            }
        }
    }
    Ok(())
}

/// A component of a path that is still to be followed; the next one is last in its list.
enum Part {
    Root,
    Up,
    Name(OsString),
}

fn expand(target: &Path, ahead: &mut Vec<Part>) {
    let parts: Vec<Part> = target
        .components()
        .filter_map(|component| match component {
            Component::RootDir => Some(Part::Root),
            Component::ParentDir => Some(Part::Up),
            Component::Normal(name) => Some(Part::Name(name.to_owned())),
            Component::CurDir | Component::Prefix(_) => None,
        })
        .collect();
    ahead.extend(parts.into_iter().rev());
}

/// If the components begin with an absolute directory: how many are left behind it.
fn below(ahead: &[Part], dir: &str) -> Option<usize> {
    let mut left = ahead.len();
    for name in dir.split('/').skip(1) {
        left = left.checked_sub(1)?;
        match ahead.get(left) {
            Some(Part::Name(part)) if part == name => {}
            _ => return None,
        }
    }
    Some(left)
}

fn is_system(ahead: &[Part]) -> bool {
    SYSTEM.iter().any(|dir| below(ahead, dir).is_some())
        && !ahead.iter().any(|part| matches!(part, Part::Up))
}
