//! The only persistence: load, commit, tail.
