//! `cargo bench -p benches --bench fences`: the signed distance to a fence beside what `tg`, `geo` and GEOS take for
//! inside or outside alone, in one run; agreement with `geo`; and what a fix costs on a walk.
//!
//! `-- --walk FILE.plt` (Geolife's format) measures on a real one, too. `--features geos` brings GEOS in.

#![allow(clippy::unwrap_used, reason = "a bench that cannot go on panics")]

mod agreement;
#[cfg(feature = "geos")]
mod geos;
mod ring;
mod tg;
mod walk;

use std::hint::black_box;
use std::path::PathBuf;
use std::time::Instant;

use clap::Parser;
use geo::{Contains, Distance, Euclidean};
use simulator::dice::Dice;

use ring::Ring;

/// How many rings of each size, and how many places around each.
const RINGS: usize = 16;
const PLACES: usize = 4096;

/// What is measured.
#[derive(Debug, clap::Parser)]
struct Args {
    /// Where the dice begin
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How often each peer's turn comes, forth and back
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Places at which `geo` must agree
    #[arg(long, default_value_t = 10_000_000)]
    places: usize,
    /// A walk to measure on, in Geolife's format
    #[arg(long)]
    walk: Vec<PathBuf>,
    /// Which bench is meant; another one than this is not run here
    #[arg(hide = true)]
    only: Option<String>,
    /// Given by `cargo bench`; has no meaning here
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    if args.only.as_ref().is_some_and(|only| only != "fences") {
        return Ok(());
    }
    sizes(&args);
    if args.places > 0 {
        agreement::check(args.seed, args.places)?;
    }
    walk::measure("made", &walk::made(args.seed));
    for path in &args.walk {
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        walk::measure(&name, &walk::read(path)?);
    }
    Ok(())
}

/// What one peer does at a place; the sum of its answers keeps the compiler from leaving it out.
type Peer<'p> = (&'static str, Box<dyn Fn(usize) -> f64 + 'p>);

/// A table in Markdown: as it stands in `docs/performance.md`.
fn sizes(args: &Args) {
    let turns = 2 * args.rounds;
    println!(
        "Nanoseconds at a place, median of {turns} turns forth and back; {RINGS} rings of each size, {PLACES} places \
         around each; seed {}.\n",
        args.seed
    );
    for vertices in [8, 20, 60, 200] {
        let mut dice = Dice::new(args.seed, "rings");
        let rings: Vec<Ring> = (0..RINGS).map(|_| Ring::star(&mut dice, vertices, PLACES)).collect();
        let peers = peers(&rings);
        if vertices == 8 {
            let names: Vec<&str> = peers.iter().map(|(name, _)| *name).collect();
            println!("| vertices | {} | Yinling / best of tg | reach |", names.join(" | "));
            println!("|{}", "---:|".repeat(peers.len() + 3));
        }
        let mut times: Vec<Vec<f64>> = vec![Vec::new(); peers.len()];
        for _ in 0..args.rounds {
            let forth = 0..peers.len();
            for peer in forth.clone().chain(forth.rev()) {
                times[peer].push(turn(&peers[peer].1));
            }
        }
        let medians = times.iter_mut().map(|times| {
            times.sort_by(f64::total_cmp);
            times[times.len() / 2]
        });
        let medians: Vec<f64> = medians.collect();
        let told: Vec<String> = medians.iter().map(|ns| format!("{ns:.1}")).collect();
        // The first is ours, the next two are tg's.
        let ratio = medians[0] / medians[1].min(medians[2]);
        println!("| {vertices} | {} | **{ratio:.2}** | ≤ 1 |", told.join(" | "));
    }
}

fn turn(peer: &dyn Fn(usize) -> f64) -> f64 {
    let begun = Instant::now();
    let sum: f64 = (0..RINGS).map(peer).sum();
    black_box(sum);
    begun.elapsed().as_nanos() as f64 / (RINGS * PLACES) as f64
}

fn peers(rings: &[Ring]) -> Vec<Peer<'_>> {
    let natural: Vec<tg::Polygon> =
        rings.iter().map(|ring| tg::Polygon::new(&ring.vertices, tg::Index::Natural)).collect();
    let striped: Vec<tg::Polygon> =
        rings.iter().map(|ring| tg::Polygon::new(&ring.vertices, tg::Index::Stripes)).collect();
    let inside = |is_inside: bool| f64::from(u8::from(is_inside));
    let over = |at: usize, answer: &dyn Fn(&ring::Place) -> f64| rings[at].places.iter().map(answer).sum::<f64>();
    #[cfg_attr(not(feature = "geos"), allow(unused_mut, reason = "GEOS is added to them"))]
    let mut peers: Vec<Peer<'_>> = vec![
        (
            "Yinling, signed metres",
            Box::new(move |at| {
                let ring = &rings[at];
                ring.places.iter().map(|place| ring.fence.signed_distance_m(place.position)).sum()
            }),
        ),
        (
            "tg, inside?",
            Box::new(move |at| {
                let polygon = &natural[at];
                rings[at].places.iter().map(|place| inside(polygon.contains(place.position))).sum()
            }),
        ),
        (
            "tg with y-stripes, inside?",
            Box::new(move |at| {
                let polygon = &striped[at];
                rings[at].places.iter().map(|place| inside(polygon.contains(place.position))).sum()
            }),
        ),
        ("geo, inside?", Box::new(move |at| over(at, &|place| inside(rings[at].polygon.contains(&place.point))))),
        (
            "geo, degrees to the edge",
            Box::new(move |at| over(at, &|place| Euclidean.distance(&place.point, rings[at].polygon.exterior()))),
        ),
    ];
    #[cfg(feature = "geos")]
    {
        let prepared: Vec<geos::Polygon> = rings.iter().map(geos::Polygon::new).collect();
        peers.push(("GEOS prepared, inside?", Box::new(move |at| prepared[at].count() as f64)));
    }
    peers
}
