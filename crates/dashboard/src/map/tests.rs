//! The map and the matrix of worlds, and properties of every layout.

mod fixture;
mod layout;
mod view;

use super::{Asked, English, Japanese, Links, Map, Matrix, Viewer, Words};

fn links() -> Links {
    Links { base: "/dashboard".to_owned() }
}

/// A user of team 1 who has account 1 too.
fn both() -> Viewer {
    Viewer {
        user: Some(fixture::uuid(1)),
        accounts: [fixture::account(1)].into(),
        ..Viewer::default()
    }
}

fn drawn(world: &model::World, viewer: &Viewer, query: &str, words: &dyn Words) -> String {
    let asked = Asked::read(query);
    Map::of(world, viewer, &asked, fixture::NOW).html(&asked, words, &links())
}

/// Each element on a line of its own.
fn lines(html: &str) -> String {
    html.replace("><", ">\n<")
}

#[test]
fn a_small_world_is_drawn_to_the_letter() {
    let world = fixture::small().world;
    insta::assert_snapshot!("small", lines(&drawn(&world, &both(), "", &English)));
    let payments: model::VpcId = fixture::id(fixture::PAYMENTS);
    let query = format!("from=spaces%2Fweb.1&to={payments}%2F10.64.0.10&port=8000");
    insta::assert_snapshot!("chosen", lines(&drawn(&world, &both(), &query, &Japanese)));
    let map = Map::of(&world, &both(), &Asked::default(), fixture::NOW);
    insta::assert_snapshot!("attention", lines(&map.attention(&English, &links())));
}

#[test]
fn the_matrix_of_a_small_world_is_written_to_the_letter() {
    let world = fixture::small().world;
    let asked = Asked::read("port=8000");
    let matrix = Matrix::of(&world, &both(), &asked, fixture::NOW);
    let html = matrix.html(&asked, &English, &links(), "23:04:12");
    insta::assert_snapshot!("matrix", lines(&html));
}

#[test]
fn nothing_is_said_with_a_style() {
    let world = fixture::small().world;
    for html in [drawn(&world, &both(), "", &English), drawn(&world, &both(), "q=x", &Japanese)] {
        assert!(!html.contains("style=") && !html.contains("<script"));
    }
}
