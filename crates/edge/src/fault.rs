//! Parts of the edge that panic when a test wants it; there is nothing of this in a program.

/// The environment variable with the name of the part that panics.
pub(crate) const PART: &str = "CAUSEWAY_EDGE_TEST_FAULT";
/// The environment variable with the input that it panics at; any, if it is not set.
pub(crate) const INPUT: &str = "CAUSEWAY_EDGE_TEST_FAULT_INPUT";

/// A point that a part passes with some input.
pub(crate) fn at(part: &str, input: &[u8]) {
    let is = |name, value: &[u8]| {
        std::env::var_os(name).map(|wanted| wanted.as_encoded_bytes() == value)
    };
    if is(PART, part.as_bytes()) == Some(true) && is(INPUT, input) != Some(false) {
        panic!("the fault {part}");
    }
}
