//! What a packet costs on its way through the Linux fabric, in time of the processor.
//!
//! Rates say little on a machine that does other things as well. So both ends are on one processor, and
//! as a rule one thread has both: the kernel carries each packet to its end within the call that sends
//! it, and all of that is in the time of the thread. Short rounds of all ways alternate, and each is compared with the
//! round of the bare pair beside it. Needs root.

#![expect(clippy::print_stdout, reason = "its rows are what it is for")]

mod cost {
    pub mod measure;
    pub mod plain;
    pub mod world;
}

use std::error::Error;

use cost::measure::{MEASURES, Measure, Round, Way, pin};
use cost::plain::Plain;
use cost::world::World;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Rounds of each way, unless an argument says otherwise.
const ROUNDS: usize = 60;

fn main() -> Result<()> {
    let rounds = match std::env::args().nth(1) {
        Some(text) => text.parse::<usize>()?.max(1),
        None => ROUNDS,
    };
    let bare = Plain::new("bare", 1)?;
    let plain = Plain::new("plain", 3)?;
    let few = World::new("few", 1, 1, 1)?;
    let many = World::new("many", 100, 10, 50)?;
    let ways = [
        ("a bare veth pair", bare.way()),
        ("three pairs, plain forwarding", plain.way()),
        ("a peering: 1 rule", few.way()),
        ("a peering: 1,000 rules, 100 groups, 50 peerings", many.way()),
    ];
    pin()?;
    for measure in MEASURES {
        compare(measure, &ways, rounds)?;
    }
    Ok(())
}

/// Measures all ways in turns, and prints their rows.
fn compare(measure: &Measure, ways: &[(&str, Way)], rounds: usize) -> Result<()> {
    let mut all = vec![Vec::new(); ways.len()];
    for turn in 0..rounds {
        for place in 0..ways.len() {
            // Who comes after whom may matter.
            let at = (turn + place) % ways.len();
            all[at].push((measure.run)(&ways[at].1)?);
        }
    }
    println!("{} (median, quartiles)", measure.what);
    let bare = all[0].clone();
    for ((name, _), rounds) in ways.iter().zip(&all) {
        let figures = |of: &dyn Fn(&Round, &Round) -> f64| {
            let mut figures: Vec<f64> = rounds.iter().zip(&bare).map(|(a, b)| of(a, b)).collect();
            let [low, middle, high] = quartiles(&mut figures);
            format!("{middle:8.2} ({low:.2} to {high:.2})")
        };
        let cost = figures(&|round, _| round.busy * measure.scale);
        let ratio = figures(&|round, bare| round.busy / bare.busy);
        let rate = figures(&|round, _| round.rate / measure.per);
        println!("  {name}");
        println!("    {:<28} {cost:>34}", measure.unit);
        println!("    {:<28} {ratio:>34}", "÷ a bare pair");
        println!("    {:<28} {rate:>34}", measure.rate);
    }
    Ok(())
}

/// The lower quartile, the median and the upper quartile.
fn quartiles(figures: &mut [f64]) -> [f64; 3] {
    figures.sort_by(f64::total_cmp);
    [1, 2, 3].map(|quarter| figures[(figures.len() - 1) * quarter / 4])
}
