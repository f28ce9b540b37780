//! Inside, outside and metres, held against `geo` at many places around many rings.

use anyhow::ensure;
use geo::{Contains, Distance, Euclidean};
use model::Position;
use simulator::dice::Dice;

use crate::ring::Ring;

const PLACES_PER_RING: usize = 2000;

/// Goes through `places` places and counts those at which `geo` says something else by more than the stated error.
pub(crate) fn check(seed: u64, places: usize) -> anyhow::Result<()> {
    let mut dice = Dice::new(seed, "agreement");
    let (mut differ, mut within, mut worst_share) = (0_usize, 0_usize, 0.0_f64);
    for _ in 0..places.div_ceil(PLACES_PER_RING) {
        let vertices = 3 + dice.below(198);
        let ring = Ring::star(&mut dice, vertices, PLACES_PER_RING);
        let on_map = |position: Position| geo::Point::from(ring.fence.on_map(position));
        let outline = ring.vertices.iter().map(|[lon, lat]| on_map(Position { lat: *lat, lon: *lon }));
        let outline: geo::LineString = outline.collect();
        for place in &ring.places {
            let found = ring.fence.signed_distance_m(place.position);
            let band = ring.fence.arithmetic_error_m(place.position);
            let metres = Euclidean.distance(&on_map(place.position), &outline);
            // Inside or outside is asked in the degrees as they were drawn.
            let expected = if ring.polygon.contains(&place.point) { -metres } else { metres };
            worst_share = worst_share.max((found.abs() - metres).abs() / band);
            within += usize::from(metres <= band);
            differ += usize::from((found - expected).abs() > band);
        }
    }
    println!(
        "\n- Agreement with geo: {differ} of {places} places differ by more than the stated error (0.1 mm + 0.3 mm a \
         kilometre); the largest difference was {:.0} % of it; {within} places were so near to the edge.",
        100.0 * worst_share
    );
    ensure!(differ == 0, "geo says something else at {differ} places; seed {seed}");
    Ok(())
}
