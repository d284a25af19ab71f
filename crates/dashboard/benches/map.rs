//! What the map and the matrix of many networks cost: to make, and to send.
#![expect(clippy::print_stdout, reason = "a benchmark reports")]

#[path = "../src/map/tests/fixture.rs"]
#[expect(dead_code, reason = "it is made for the tests")]
mod fixture;

use std::hint::black_box;
use std::io::Write;
use std::time::Instant;

use causeway_dashboard::map::{Asked, Map, Matrix};
use causeway_dashboard::{Language, Viewer};
use fixture::NOW;
use flate2::Compression;
use flate2::write::GzEncoder;

const ROUNDS: u32 = 10;

fn main() {
    let operator = Viewer { operator: true, ..Viewer::default() };
    for (spaces, accounts, vpcs, peerings) in
        [(3, 2, 10, 15), (20, 12, 60, 120), (100, 40, 500, 1000)]
    {
        let world = fixture::large(spaces, accounts, vpcs, peerings).world;
        let account = fixture::account(0);
        let group = format!("group=us-east-1%2F{account}");
        for (what, query) in [
            ("plain", ""),
            ("a group opened", &*group),
            ("searched", "q=payments"),
            ("tcp 80", "port=80"),
        ] {
            let asked = Asked::read(query);
            let make = || {
                let map = Map::of(&world, operator, &asked, NOW);
                map.html(&asked, Language::English)
            };
            report(&format!("map, {vpcs} VPCs, {peerings} peerings, {what}"), make);
        }
        let asked = Asked::default();
        report(&format!("matrix, {vpcs} VPCs, {peerings} peerings"), || {
            let matrix = Matrix::of(&world, operator, &asked, NOW);
            matrix.html(&asked, Language::English)
        });
    }
}

fn report(what: &str, make: impl Fn() -> String) {
    let page = make();
    let start = Instant::now();
    for _ in 0..ROUNDS {
        black_box(make());
    }
    let each = start.elapsed().as_secs_f64() * 1000.0 / f64::from(ROUNDS);
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(page.as_bytes()).expect("memory takes it");
    let packed = packed.finish().expect("memory takes it").len();
    println!("{what}: {each:.1} ms, {} kB, {} kB gzipped", page.len() / 1000, packed / 1000);
}
