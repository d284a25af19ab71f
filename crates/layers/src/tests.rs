use std::io;
use std::path::Path;

use crate::tree::Tree;
use crate::{circle, circles_of, crates, dependency};

#[test]
fn no_crate_has_a_circle_of_modules() {
    for name in crates().unwrap() {
        let circles = circles_of(&name).unwrap();
        let shown: Vec<String> = circles.iter().map(|circle| format!("{name}: {circle}")).collect();
        assert!(circles.is_empty(), "{}", shown.join("\n"));
    }
}

/// The members of each circle of a crate that is made of some files, by name and text.
fn circles(files: &[(&str, &str)]) -> Vec<String> {
    let read = |path: &Path| -> io::Result<Option<String>> {
        let found = files.iter().find(|(name, _)| Path::new(name) == path);
        Ok(found.map(|(_, text)| (*text).to_owned()))
    };
    let tree = Tree::read(Path::new("lib.rs"), &read).unwrap();
    let circles = circle::find(&tree, &dependency::all(&tree));
    circles.into_iter().map(|circle| circle.modules.join(" ")).collect()
}

#[test]
fn two_siblings_that_import_each_other_are_a_circle() {
    let files = [
        ("lib.rs", "mod a; mod b;"),
        ("a.rs", "use crate::b::B; pub struct A(B);"),
        ("b.rs", "use super::a::A; pub struct B(A);"),
    ];
    assert_eq!(circles(&files), ["a b"]);
}

#[test]
fn a_chain_is_none() {
    let files = [
        ("lib.rs", "mod a; mod b; mod c;"),
        ("a.rs", "use crate::{b::B, c::C}; pub struct A(B, C);"),
        ("b.rs", "pub struct B(crate::c::C);"),
        ("c.rs", "pub struct C;"),
    ];
    assert_eq!(circles(&files), [""; 0]);
}

#[test]
fn a_circle_may_have_many_members() {
    let files = [
        ("lib.rs", "mod a; mod b; mod c; mod d;"),
        ("a.rs", "fn a() { crate::b::b() }"),
        ("b.rs", "pub fn b() { vec![super::c::c()]; }"),
        ("c.rs", "pub fn c() { use crate::d::d; d() }"),
        ("d.rs", "pub fn d() {}"),
    ];
    assert_eq!(circles(&files), [""; 0]);
    let mut closed = files;
    closed[4].1 = "pub fn d() { if false { crate::b::b() } }";
    assert_eq!(circles(&closed), ["b c d"]);
}

#[test]
fn a_re_export_stands_for_what_it_leads_to() {
    let files = [
        ("lib.rs", "mod a; mod b; pub use a::A; pub use b::*;"),
        ("a.rs", "use crate::B; pub struct A(B);"),
        ("b.rs", "pub struct B; fn f(a: crate::A) {}"),
    ];
    assert_eq!(circles(&files), ["a b"]);
    let macros = [
        ("lib.rs", "mod a; mod id; pub use a::A; pub use id::*;"),
        ("a.rs", "use crate::AppId; pub struct A(AppId);"),
        ("id.rs", "ids! { /// Of an app.\n AppId }"),
    ];
    assert_eq!(circles(&macros), [""; 0]);
    let mut closed = macros;
    closed[2].1 = "ids! { /// Of an app.\n AppId } use crate::A; fn f(a: A) {}";
    assert_eq!(circles(&closed), ["a id"]);
}

#[test]
fn a_parent_and_a_child_that_use_each_other_are_a_circle() {
    let one_way = [
        ("lib.rs", "mod a;"),
        ("a.rs", "mod b; pub use b::B; pub fn run() { b::run() }"),
        ("a/b.rs", "pub struct B; pub fn run() {}"),
    ];
    assert_eq!(circles(&one_way), [""; 0]);
    let other_way = [
        ("lib.rs", "mod a;"),
        ("a.rs", "mod b; pub use b::run; pub struct A;"),
        ("a/b.rs", "use super::A; pub fn run(a: A) {}"),
    ];
    assert_eq!(circles(&other_way), [""; 0]);
    let mut both = other_way;
    both[1].1 = "mod b; pub struct A; pub fn run() { b::run(A) }";
    assert_eq!(circles(&both), ["a a::b"]);
}

#[test]
fn a_deep_module_counts_for_the_child_that_it_is_in() {
    let files = [
        ("lib.rs", "mod a; mod b;"),
        ("a.rs", "mod deep;"),
        ("a/deep.rs", "use crate::b; fn f() { b::inner::g() }"),
        ("b.rs", "pub mod inner { pub fn g() { crate::a::h() } }"),
    ];
    assert_eq!(circles(&files), ["a b"]);
}

#[test]
fn tests_may_use_everything() {
    let files = [
        ("lib.rs", "mod a; mod b;"),
        ("a.rs", "pub struct A(crate::b::B); #[cfg(test)] mod tests;"),
        (
            "b.rs",
            "pub struct B; #[cfg(test)] mod tests { use crate::a::A; fn f(a: A) {} }
             #[cfg(test)] impl B { fn f(a: crate::a::A) {} }
             #[cfg(all(test, unix))] use crate::a::A;",
        ),
    ];
    assert_eq!(circles(&files), [""; 0]);
}

#[test]
fn comments_texts_and_captures_are_no_paths() {
    let files = [
        ("lib.rs", "mod a; mod b;"),
        ("a.rs", "pub struct A(crate::b::B);"),
        (
            "b.rs",
            "/// See [`crate::a::A`].\npub struct B; // crate::a::A
             pub fn f<'a>(a: &'a str) -> impl Sized + use<'a> { \"crate::a::A\"; a }",
        ),
    ];
    assert_eq!(circles(&files), [""; 0]);
}
