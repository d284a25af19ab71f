//! Finds circles among the modules of the workspace's crates: modules that depend on each other, be
//! it directly or through further ones.
//!
//! A module depends on another one if its own file names an item that the other one's own file
//! defines, in a `use` or by a path; a re-export stands for what it leads to. For two modules this is
//! judged among the children of their nearest common parent, and the parent's own file counts as one
//! of these children: so a parent may use its children, and children may use their parent, but not
//! both. Code under `#[cfg(test)]` may use everything.
//!
//! Calls of methods are not seen: what the methods of one type call of each other is that type's
//! business, wherever they are written.
//!
//! `cargo run -p causeway-layers -- server edge` shows the circles of these crates, and without
//! arguments those of all crates. Its tests also look up in the tree what the documents name.

#![warn(unreachable_pub)]

mod circle;
mod dependency;
mod parse;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_documents;
#[cfg(test)]
mod tests_reference;
mod tree;

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use circle::Circle;

/// The folder that holds the workspace's crates.
const CRATES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

fn main() -> io::Result<ExitCode> {
    let mut names: Vec<String> = std::env::args().skip(1).collect();
    if names.is_empty() {
        names = crates()?;
    }
    let mut found = false;
    for name in names {
        for circle in circles_of(&name)? {
            writeln!(io::stdout(), "{name}: {circle}")?;
            found = true;
        }
    }
    Ok(if found { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// The names of the folders of all crates, in order.
fn crates() -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(CRATES)? {
        let entry = entry?;
        if entry.path().join("Cargo.toml").exists() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// The circles of a crate, by the name of its folder: those of its library and of its program.
fn circles_of(name: &str) -> io::Result<Vec<Circle>> {
    let source = Path::new(CRATES).join(name).join("src");
    let roots = ["lib.rs", "main.rs"].map(|file| source.join(file));
    let mut roots = roots.iter().filter(|root| root.exists()).peekable();
    if roots.peek().is_none() {
        let message = format!("{} holds no crate", source.display());
        return Err(io::Error::new(io::ErrorKind::NotFound, message));
    }
    let read = |path: &Path| match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(tree::in_file(path, error)),
    };
    let mut circles = Vec::new();
    for root in roots {
        let tree = tree::Tree::read(root, &read)?;
        circles.extend(circle::find(&tree, &dependency::all(&tree)));
    }
    Ok(circles)
}
