//! The modules of a crate, as its files declare them.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use crate::parse::{self, Source};

/// A module by its place in [`Tree::modules`].
pub(crate) type Id = usize;

/// A module, and what its own file says; the files of its children are theirs.
#[derive(Debug)]
pub(crate) struct Module {
    /// The path from the crate's root, without `crate`.
    pub(crate) path: Vec<String>,
    /// The module around it; `None` for the root.
    pub(crate) parent: Option<Id>,
    /// The modules that it declares, by name.
    pub(crate) children: BTreeMap<String, Id>,
    /// What its own file says; the modules in it are taken out.
    pub(crate) source: Source,
}

/// All modules of a crate; the first one is its root.
#[derive(Debug)]
pub(crate) struct Tree {
    /// The modules, each parent before its children.
    pub(crate) modules: Vec<Module>,
}

/// The text of a file, or `None` where there is no such file.
pub(crate) type Read<'a> = &'a dyn Fn(&Path) -> io::Result<Option<String>>;

impl Tree {
    /// Reads the crate of which a file is the root.
    ///
    /// # Errors
    ///
    /// A file cannot be read or is not Rust, or a module that is declared has no file.
    pub(crate) fn read(root: &Path, read: Read<'_>) -> io::Result<Self> {
        let mut tree = Self { modules: Vec::new() };
        let text = read(root)?.ok_or_else(|| in_file(root, "there is no such file"))?;
        let source = parse::file(&text).map_err(|error| in_file(root, error))?;
        let folder = root.parent().unwrap_or(Path::new(""));
        tree.add(None, Vec::new(), source, folder, read)?;
        Ok(tree)
    }

    fn add(
        &mut self,
        parent: Option<Id>,
        path: Vec<String>,
        mut source: Source,
        folder: &Path,
        read: Read<'_>,
    ) -> io::Result<Id> {
        let id = self.modules.len();
        let inner = std::mem::take(&mut source.modules);
        let children = BTreeMap::new();
        self.modules.push(Module { path: path.clone(), parent, children, source });
        for (name, body) in inner {
            let folder = folder.join(&name);
            let source = match body {
                Some(source) => source,
                None => read_module(&folder, read)?,
            };
            let path = path.iter().cloned().chain([name.clone()]).collect();
            let child = self.add(Some(id), path, source, &folder, read)?;
            self.modules[id].children.insert(name, child);
        }
        Ok(id)
    }

    /// The modules from the root down to one, with both.
    pub(crate) fn lineage(&self, id: Id) -> Vec<Id> {
        let mut lineage: Vec<Id> =
            std::iter::successors(Some(id), |id| self.modules[*id].parent).collect();
        lineage.reverse();
        lineage
    }
}

/// Reads `folder.rs`, or `folder/mod.rs`.
fn read_module(folder: &Path, read: Read<'_>) -> io::Result<Source> {
    for file in [folder.with_extension("rs"), folder.join("mod.rs")] {
        if let Some(text) = read(&file)? {
            return parse::file(&text).map_err(|error| in_file(&file, error));
        }
    }
    Err(in_file(folder, "there is no file of this module"))
}

/// Says in which file an error is.
pub(crate) fn in_file(path: &Path, error: impl std::fmt::Display) -> io::Error {
    io::Error::other(format!("{}: {error}", path.display()))
}
