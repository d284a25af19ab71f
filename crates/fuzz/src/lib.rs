//! Fuzz targets: a property of some reader of foreign bytes, tried on inputs that are kept in the
//! repository and on inputs that libFuzzer finds by the code that they reach.
//!
//! A target is a test beside the code that it is about, named `fuzz_` and its name:
//!
//! ```no_run
//! fn fuzz_numbers() {
//!     causeway_fuzz::target("numbers", |input| {
//!         let Ok(text) = str::from_utf8(input) else { return };
//!         let Ok(number) = text.parse::<u64>() else { return };
//!         assert_eq!(number.to_string().parse(), Ok(number));
//!     });
//! }
//! ```
//!
//! Every run of the tests tries the inputs in `crates/fuzz/corpus/NAME`, in the order of their file
//! names. `scripts/fuzz` builds the same tests with the feature `engine` and with the compiler's
//! counters of edges, which the stable toolchain has, and lets libFuzzer change the kept inputs into
//! new ones. An input that a target fails on belongs into the corpus, so that it is tried for ever.

use std::fs;
use std::path::{Path, PathBuf};

#[cfg(feature = "engine")]
mod engine;

/// Tries a target: `try_one` panics where the input shows that a property does not hold.
///
/// # Panics
///
/// If a kept input makes the target panic, or if there is none: a target that is never tried proves
/// nothing.
pub fn target(name: &str, try_one: impl Fn(&[u8]) + Send + Sync + 'static) {
    #[cfg(feature = "engine")]
    if let Some(arguments) = std::env::var_os(engine::ARGUMENTS) {
        engine::run(&arguments, try_one);
    }
    let kept = kept(name);
    assert!(!kept.is_empty(), "there is no input of the target in {}", corpus(name).display());
    for path in kept {
        let input = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let tried = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| try_one(&input)));
        assert!(tried.is_ok(), "the property does not hold for {}", path.display());
    }
}

/// Where the inputs of a target are kept.
fn corpus(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name)
}

/// The files with the kept inputs of a target, in the order of their names.
fn kept(name: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(corpus(name))
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.is_file())
        .collect();
    files.sort();
    files
}
