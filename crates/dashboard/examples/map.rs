//! Writes maps and matrices of a few worlds into a directory, to be looked at with the dashboard's
//! style sheet around them: `cargo run -p causeway-dashboard --example map DIRECTORY`.

#[path = "../src/map/tests/fixture.rs"]
mod fixture;

use std::path::PathBuf;

use causeway_dashboard::map::{Asked, Map, Matrix};
use causeway_dashboard::{Language, Viewer};
use fixture::NOW;

fn main() -> std::io::Result<()> {
    let directory = PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| ".".to_owned()));
    let small = fixture::small().world;
    let middle = fixture::large(12, 9, 60, 90).world;
    let large = fixture::large(100, 40, 500, 1000).world;
    let payments: model::VpcId = fixture::id(fixture::PAYMENTS);
    let team = Viewer { user: Some(fixture::uuid(1)), ..Viewer::default() };
    let both = Viewer { account: Some(fixture::account(1)), ..team };
    let account = Viewer { account: Some(fixture::account(1)), ..Viewer::default() };
    let chosen = format!("from=spaces%2Fweb.1&to={payments}%2F10.64.0.10&port=8000");
    let passes = format!(
        "from=spaces%2Fweb.1&to={}%2F172.20.0.10&port=8000",
        fixture::id::<model::VpcId>(fixture::WAREHOUSE)
    );
    let beside = format!(
        "from={payments}%2F10.64.0.10&to={}%2F10.100.0.10&port=80",
        fixture::id::<model::VpcId>(fixture::ORDERS)
    );
    let group = format!("group=us-east-1%2F{}&open={payments}", fixture::account(0));
    let all = Viewer { operator: true, ..Viewer::default() };
    let pages: [(&str, &model::World, Viewer, &str); 12] = [
        ("small", &small, both, ""),
        ("chosen", &small, both, &chosen),
        ("passes", &small, both, &passes),
        ("beside", &small, both, &beside),
        ("team", &small, team, ""),
        ("account", &small, account, ""),
        ("unknown", &small, account, "q=nothing+of+this"),
        ("middle", &middle, all, ""),
        ("group", &middle, all, &group),
        ("large", &large, all, ""),
        ("search", &large, all, "q=payments-07"),
        ("stopped", &large, all, "state=stopped"),
    ];
    for (name, world, viewer, query) in pages {
        let asked = Asked::read(query);
        let map = Map::of(world, viewer, &asked, NOW);
        let matrix = Matrix::of(world, viewer, &asked, NOW);
        for language in Language::ALL {
            let code = language.code();
            let html = map.html(&asked, language);
            std::fs::write(directory.join(format!("{name}.{code}.html")), html)?;
            let html = map.attention(language);
            std::fs::write(directory.join(format!("{name}.{code}.aside")), html)?;
            let html = matrix.html(&asked, language);
            std::fs::write(directory.join(format!("{name}-matrix.{code}.html")), html)?;
        }
    }
    Ok(())
}
