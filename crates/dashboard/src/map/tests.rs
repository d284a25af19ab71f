//! The map and the matrix of worlds, and properties of every layout.

mod fixture;
mod layout;
mod view;

use super::{Asked, Map, Matrix};
use crate::{Language, Viewer};

fn operator() -> Viewer {
    Viewer { operator: true, ..Viewer::default() }
}

/// A user of team 1 who has account 1 too.
fn both() -> Viewer {
    Viewer { user: Some(fixture::uuid(1)), account: Some(fixture::account(1)), ..Viewer::default() }
}

fn drawn(world: &model::World, viewer: Viewer, query: &str, language: Language) -> String {
    let asked = Asked::read(query);
    Map::of(world, viewer, &asked, fixture::NOW).html(&asked, language)
}

/// Each element on a line of its own.
fn lines(html: &str) -> String {
    html.replace("><", ">\n<")
}

#[test]
fn a_small_world_is_drawn_to_the_letter() {
    let world = fixture::small().world;
    insta::assert_snapshot!("small", lines(&drawn(&world, both(), "", Language::English)));
    let payments: model::VpcId = fixture::id(fixture::PAYMENTS);
    let query = format!("from=spaces%2Fweb.1&to={payments}%2F10.64.0.10&port=8000");
    insta::assert_snapshot!("chosen", lines(&drawn(&world, both(), &query, Language::Japanese)));
    let map = Map::of(&world, both(), &Asked::default(), fixture::NOW);
    insta::assert_snapshot!("attention", lines(&map.attention(Language::English)));
}

#[test]
fn the_matrix_of_a_small_world_is_written_to_the_letter() {
    let world = fixture::small().world;
    let asked = Asked::read("port=8000");
    let matrix = Matrix::of(&world, both(), &asked, fixture::NOW);
    let html = matrix.html(&asked, Language::English);
    insta::assert_snapshot!("matrix", lines(&html));
}

#[test]
fn nothing_is_said_with_a_style() {
    let world = fixture::small().world;
    for html in [
        drawn(&world, both(), "", Language::English),
        drawn(&world, both(), "q=x", Language::Japanese),
    ] {
        assert!(!html.contains("style=") && !html.contains("<script"));
    }
}
