//! What the documents name is in the tree: the tests that prove what docs/security.md promises, and files.

use std::fs;
use std::path::{Path, PathBuf};

use crate::CRATES;

/// The workspace's folder.
fn workspace() -> PathBuf {
    Path::new(CRATES).join("..")
}

/// What stands between backquotes in a text, outside blocks of code.
fn code_spans(text: &str) -> Vec<String> {
    let mut in_block = false;
    let mut prose = String::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
        } else if !in_block {
            prose.push_str(line);
            prose.push('\n');
        }
    }
    prose.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The crate and the path of a proof such as `server: http::refusals`.
fn proof(span: &str) -> Option<(&str, &str)> {
    let (name, path) = span.split_once(": ")?;
    let is_name = |text: &str| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    (is_name(name) && path.split("::").all(is_name)).then_some((name, path))
}

/// Whether a file or a folder holds a test.
fn holds_test(path: &Path) -> bool {
    if path.is_dir() {
        let entries = fs::read_dir(path).unwrap();
        return entries.into_iter().any(|entry| holds_test(&entry.unwrap().path()));
    }
    let text = fs::read_to_string(path).unwrap_or_default();
    path.extension().is_some_and(|extension| extension == "rs")
        && ["#[test]", "#[tokio::test"].iter().any(|attribute| text.contains(attribute))
}

/// Whether a path of modules leads to tests: in a module of the crate or in one of its test programs.
fn leads_to_tests(name: &str, path: &str) -> bool {
    let folder = Path::new(CRATES).join(if name == "causeway" { "cli" } else { name });
    let below = path.replace("::", "/");
    ["src", "tests"].iter().any(|root| {
        let module = folder.join(root).join(&below);
        let file = module.with_extension("rs");
        file.is_file() && (holds_test(&file) || module.is_dir() && holds_test(&module))
    })
}

#[test]
fn every_proof_of_a_promise_leads_to_tests() {
    let text = fs::read_to_string(workspace().join("docs/security.md")).unwrap();
    let spans = code_spans(&text);
    let proofs: Vec<_> = spans.iter().filter_map(|span| proof(span)).collect();
    assert!(proofs.len() > 50, "the proofs are not found: {proofs:?}");
    let dead = proofs.iter().filter(|(name, path)| !leads_to_tests(name, path));
    let dead: Vec<String> = dead.map(|(name, path)| format!("{name}: {path}")).collect();
    assert!(dead.is_empty(), "docs/security.md names no tests with: {}", dead.join(", "));
}

#[test]
fn every_promise_has_a_proof() {
    let text = fs::read_to_string(workspace().join("docs/security.md")).unwrap();
    let mut proved = false;
    for line in text.lines() {
        let Some(row) = line.strip_prefix("| ").and_then(|line| line.strip_suffix('|')) else {
            proved &= line.starts_with('|');
            continue;
        };
        let last = row.rsplit('|').next().unwrap_or_default().trim();
        assert!(!proved || !last.is_empty(), "no proof: {line}");
        proved |= last == "proof";
    }
}

#[test]
fn every_path_in_the_documents_is_there() {
    let documents =
        ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "docs/api.md", "docs/security.md"];
    let mut found = 0;
    for document in documents {
        let text = fs::read_to_string(workspace().join(document)).unwrap();
        for span in code_spans(&text) {
            let Some(path) = span.split_whitespace().next() else { continue };
            let folders = ["crates/", "scripts/", "docs/", "tests/"];
            if !folders.iter().any(|folder| path.starts_with(folder)) {
                continue;
            }
            // What the reader fills in, as `NAME` or `<name>`, and what comes after it, is not looked up.
            let fixed = path.split('/').take_while(|part| {
                !part.contains('<') && !part.starts_with(|letter: char| letter.is_ascii_uppercase())
            });
            let fixed: PathBuf = fixed.collect();
            assert!(workspace().join(&fixed).exists(), "{document} names {path}");
            found += 1;
        }
    }
    assert!(found > 20, "{found} paths");
}

/// The texts of all sources, with strings of several lines put together.
fn sources() -> String {
    fn read(folder: &Path, into: &mut String) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                read(&path, into);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                into.push_str(&fs::read_to_string(&path).unwrap());
            }
        }
    }
    let mut text = String::new();
    for entry in fs::read_dir(CRATES).unwrap() {
        let folder = entry.unwrap().path().join("src");
        if folder.is_dir() {
            read(&folder, &mut text);
        }
    }
    let parts: Vec<&str> = text.split("\\\n").collect();
    parts.iter().map(|part| part.trim_start_matches(' ')).collect()
}

/// Whoever looks a message up finds it as the programs say it.
#[test]
fn the_troubleshooting_page_quotes_what_is_said() {
    let page = fs::read_to_string(workspace().join("docs/troubleshooting.md")).unwrap();
    let said = sources();
    let mut quoted = 0;
    for cell in page.lines().filter(|line| line.starts_with("| ")) {
        let symptom = cell.trim_start_matches("| ").split(" | ").next().unwrap();
        for span in code_spans(symptom) {
            for part in span.split('…').map(str::trim).filter(|part| part.len() > 3) {
                assert!(said.contains(part), "no source says '{part}' of `{span}`");
                quoted += 1;
            }
        }
    }
    assert!(quoted > 30, "{quoted} texts are quoted");
}

/// The files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[test]
fn the_examples_name_variables_that_there_are() {
    let plugin = workspace().join("clients/python/src/pytest_causeway/plugin.py");
    let known = sources() + &fs::read_to_string(plugin).unwrap();
    let mut named = 0;
    for file in files(&workspace().join("examples")) {
        let text = fs::read_to_string(&file).unwrap_or_default();
        let words = text.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'));
        for word in words.filter(|word| word.contains("CAUSEWAY_")) {
            assert!(known.contains(word), "{} names {word}", file.display());
            named += 1;
        }
    }
    assert!(named >= 5, "{named} variables are named");
}

#[test]
fn the_plugin_for_pytest_has_the_version_of_the_programs() {
    let version = |file: &str| {
        let text = fs::read_to_string(workspace().join(file)).unwrap();
        let line = text.lines().find(|line| line.starts_with("version = ")).unwrap();
        line.to_owned()
    };
    assert_eq!(version("clients/python/pyproject.toml"), version("Cargo.toml"));
}
