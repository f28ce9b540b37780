//! Fences that cannot be, and what is said about them; windows of the day.

use expect_test::{Expect, expect};
use geofence::CompiledFence;
use model::{Datum, Fence, Position, Shape};

use crate::{between, circle, compile, fence, polygon};

fn check(fence: &Fence, expected: Expect) {
    let said = match compile(fence) {
        Ok(_) => "fine".to_owned(),
        Err(error) => format!("{} → {error}", error.pointer()),
    };
    expected.assert_eq(&said);
}

const SQUARE: [[f64; 2]; 5] = [[117.0, 31.0], [117.1, 31.0], [117.1, 31.1], [117.0, 31.1], [117.0, 31.0]];

#[test]
fn circles() {
    check(&circle(300.0), expect!["fine"]);
    check(&circle(0.0), expect!["/circle/radius_m → the radius must be 1 to 1000000 m"]);
    check(&circle(f64::NAN), expect!["/circle/radius_m → the radius must be 1 to 1000000 m"]);
    check(
        &fence(Shape::Circle { lon: 31.8, lat: 117.2, radius_m: 300.0 }),
        expect!["/circle → the centre's latitude must be -90 to 90 and its longitude -180 to 180; they may be swapped"],
    );
    check(&Fence { margin_m: -1.0, ..circle(300.0) }, expect!["/margin_m → the margin must be 0 to 10000 m"]);
    check(&Fence { margin_m: f64::INFINITY, ..circle(300.0) }, expect!["/margin_m → the margin must be 0 to 10000 m"]);
    check(
        &Fence { active: between(0, 1440), ..circle(300.0) },
        expect!["/active → the daily window must lie between 00:00 and 23:59"],
    );
}

#[test]
fn polygons() {
    check(&polygon(&[&SQUARE]), expect!["fine"]);
    check(&polygon(&[]), expect!["/geometry/coordinates → a polygon needs at least one ring"]);
    check(&polygon(&[&[]]), expect!["/geometry/coordinates/0 → ring 0 needs at least three different vertices"]);
    check(
        &polygon(&[&SQUARE[..3]]),
        expect!["/geometry/coordinates/0/2 → vertex 2 of ring 0 is not closed: its last vertex must be its first"],
    );
    check(
        &polygon(&[&SQUARE[..4]]),
        expect!["/geometry/coordinates/0/3 → vertex 3 of ring 0 is not closed: its last vertex must be its first"],
    );
    check(
        &polygon(&[&[[117.0, 31.0], [117.1, 31.0], [117.0, 31.0]]]),
        expect!["/geometry/coordinates/0 → ring 0 needs at least three different vertices"],
    );
    check(
        &polygon(&[&[[31.0, 117.0], [31.0, 117.1], [31.1, 117.1], [31.0, 117.0]]]),
        expect![
            "/geometry/coordinates/0/0 → vertex 0 of ring 0: longitude must be -180 to 180 and latitude -90 to 90; GeoJSON has longitude first"
        ],
    );
    check(
        &polygon(&[&[[117.0, 31.0], [117.1, f64::NAN], [117.1, 31.1], [117.0, 31.0]]]),
        expect![
            "/geometry/coordinates/0/1 → vertex 1 of ring 0: longitude must be -180 to 180 and latitude -90 to 90; GeoJSON has longitude first"
        ],
    );
    let bow_tie = [[117.0, 31.0], [117.1, 31.1], [117.1, 31.0], [117.0, 31.1], [117.0, 31.0]];
    check(
        &polygon(&[&bow_tie]),
        expect![
            "/geometry/coordinates/0/0 → the edge that begins at vertex 0 of ring 0 meets another edge of the ring"
        ],
    );
    let spike = [[117.0, 31.0], [117.1, 31.0], [117.2, 31.0], [117.1, 31.0], [117.1, 31.1], [117.0, 31.0]];
    check(
        &polygon(&[&spike]),
        expect![
            "/geometry/coordinates/0/0 → the edge that begins at vertex 0 of ring 0 meets another edge of the ring"
        ],
    );
    let doubled = [[117.0, 31.0], [117.1, 31.0], [117.1, 31.0], [117.1, 31.1], [117.0, 31.0]];
    check(&polygon(&[&doubled]), expect!["fine"]);
    let far = [[117.0, 31.0], [122.0, 31.0], [117.0, 31.1], [117.0, 31.0]];
    check(
        &polygon(&[&far]),
        expect![
            "/geometry/coordinates/0/1 → vertex 1 of ring 0 is more than 4 degrees from another: the fence is too large"
        ],
    );
    check(
        &polygon(&[&vec![[117.0, 31.0]; 5001]]),
        expect![
            "/geometry/coordinates → too many vertices: 5001, at most 5000 in all rings together; draw it with fewer"
        ],
    );
}

#[test]
fn many_vertices_are_taken_and_their_order_does_not_matter() {
    let vertex = |i: usize| {
        let angle = std::f64::consts::TAU * (i % 999) as f64 / 999.0;
        let radius = if (i % 999).is_multiple_of(2) { 0.01 } else { 0.0102 };
        [117.0 + radius * angle.cos(), 31.0 + radius * angle.sin()]
    };
    let ring: Vec<[f64; 2]> = (0..1000).map(vertex).collect();
    let reversed: Vec<[f64; 2]> = ring.iter().rev().copied().collect();
    let (left, right) = (compile(&polygon(&[&ring])).unwrap(), compile(&polygon(&[&reversed])).unwrap());
    for (lat, lon) in [(31.0, 117.0), (31.0, 117.02), (31.011, 117.0)] {
        let place = Position { lat, lon };
        let (a, b) = (left.signed_distance_m(place), right.signed_distance_m(place));
        assert!((a - b).abs() < 0.001 && (a < 0.0) == (lat == 31.0 && lon == 117.0), "{a} {b}");
    }
    let again = CompiledFence::recompile(&polygon(&[&ring]), chrono_tz::Asia::Shanghai);
    assert_eq!(again, Ok(left), "without its check it is the same");
}

#[test]
fn holes() {
    let hole = |west: f64| [[west, 31.02], [west + 0.02, 31.02], [west + 0.02, 31.04], [west, 31.02]];
    check(&polygon(&[&SQUARE, &hole(117.02)]), expect!["fine"]);
    check(
        &polygon(&[&SQUARE, &hole(117.5)]),
        expect!["/geometry/coordinates/1 → ring 1 is a hole and must lie within the outline, apart from other holes"],
    );
    check(
        &polygon(&[&SQUARE, &hole(117.02), &hole(117.03)]),
        expect!["/geometry/coordinates/2 → ring 2 is a hole and must lie within the outline, apart from other holes"],
    );
}

#[test]
fn the_border_of_a_datum() {
    let border = [[71.9, 31.0], [72.1, 31.0], [72.1, 31.1], [71.9, 31.1], [71.9, 31.0]];
    check(&polygon(&[&border]), expect!["fine"]);
    check(
        &Fence { datum: Datum::Gcj02, ..polygon(&[&border]) },
        expect![
            "/geometry/coordinates/0/1 → vertex 1 of ring 0 lies across the border of the datum's area: draw the fence in wgs84"
        ],
    );
    let round = fence(Shape::Circle { lon: 72.01, lat: 31.0, radius_m: 2000.0 });
    check(&round, expect!["fine"]);
    check(
        &Fence { datum: Datum::Bd09, ..round },
        expect!["/circle → the circle lies across the border of the datum's area: draw the fence in wgs84"],
    );
    check(&Fence { datum: Datum::Bd09, ..circle(300.0) }, expect!["fine"]);
}

#[test]
fn three_kilometres_that_are_meant_as_three_hundred_metres() {
    check(
        &circle(3000.0),
        expect![[
            r#"/circle/radius_m → a radius of 3000 m is unusual: is there a zero too many? If it is meant, add "large": true"#
        ]],
    );
    check(&Fence { large: true, ..circle(3000.0) }, expect!["fine"]);
    check(&circle(2000.0), expect!["fine"]);
}

fn ring(west: f64, south: f64, size: f64) -> Vec<[f64; 2]> {
    vec![[west, south], [west + size, south], [west + size, south + size], [west, south + size], [west, south]]
}

#[test]
fn several_polygons() {
    let several = |polygons: Vec<Vec<Vec<[f64; 2]>>>| fence(Shape::MultiPolygon { polygons });
    let (here, there) = (ring(117.0, 31.0, 0.01), ring(117.02, 31.0, 0.01));
    check(&several(vec![vec![here.clone()], vec![there.clone()]]), expect!["fine"]);
    // Corners may touch.
    check(&several(vec![vec![here.clone()], vec![ring(117.01, 31.01, 0.01)]]), expect!["fine"]);
    check(&several(vec![]), expect!["/geometry/coordinates → a polygon needs at least one ring"]);
    check(
        &several(vec![vec![here.clone()], vec![]]),
        expect!["/geometry/coordinates → a polygon needs at least one ring"],
    );
    check(
        &several(vec![vec![there.clone()], vec![here.clone()], vec![ring(117.005, 31.0, 0.01)]]),
        expect![
            "/geometry/coordinates/2 → polygon 2 overlaps an earlier one or shares an edge with it: draw them as one, or as two fences"
        ],
    );
    check(
        &several(vec![vec![here.clone()], vec![ring(117.01, 31.0, 0.01)]]),
        expect![
            "/geometry/coordinates/1 → polygon 1 overlaps an earlier one or shares an edge with it: draw them as one, or as two fences"
        ],
    );
    let bow_tie = vec![[117.3, 31.0], [117.4, 31.1], [117.4, 31.0], [117.3, 31.1], [117.3, 31.0]];
    check(
        &several(vec![vec![here.clone()], vec![bow_tie]]),
        expect![
            "/geometry/coordinates/1/0/0 → the edge that begins at vertex 0 of ring 0 of polygon 1 meets another edge of the ring"
        ],
    );
    check(
        &several(vec![vec![here.clone()], vec![there, here]]),
        expect![
            "/geometry/coordinates/1/1 → ring 1 of polygon 1 is a hole and must lie within the outline, apart from other holes"
        ],
    );
}

#[test]
fn corridors() {
    let corridor = |line: &[[f64; 2]], width_m| fence(Shape::Corridor { line: line.to_vec(), width_m });
    check(&corridor(&[[117.0, 31.0], [117.01, 31.0], [117.0, 31.0]], 40.0), expect!["fine"]);
    check(
        &corridor(&[[117.0, 31.0], [117.01, 31.0]], 0.0),
        expect!["/width_m → the corridor's width must be 1 to 10000 m"],
    );
    check(
        &corridor(&[[117.0, 31.0]], 40.0),
        expect!["/geometry/coordinates → the line needs at least two different vertices"],
    );
    check(
        &corridor(&[[117.0, 31.0], [117.0, 31.0]], 40.0),
        expect!["/geometry/coordinates → the line needs at least two different vertices"],
    );
    check(
        &corridor(&[[117.0, 31.0], [31.0, 117.0]], 40.0),
        expect![
            "/geometry/coordinates/1 → vertex 1 of the line: longitude must be -180 to 180 and latitude -90 to 90; GeoJSON has longitude first"
        ],
    );
    check(
        &corridor(&[[117.0, 31.0], [117.0, 36.0]], 40.0),
        expect![
            "/geometry/coordinates/1 → vertex 1 of the line is more than 4 degrees from another: the fence is too large"
        ],
    );
    let border = [[72.1, 31.0], [71.9, 31.0]];
    check(
        &Fence { datum: Datum::Gcj02, ..corridor(&border, 40.0) },
        expect![
            "/geometry/coordinates/1 → vertex 1 of the line lies across the border of the datum's area: draw the fence in wgs84"
        ],
    );
}

/// What a person reads in Chinese names the same place.
#[test]
fn every_fault_has_its_chinese() {
    let said = |fence: &Fence| compile(fence).unwrap_err().zh();
    let bow_tie = [[117.0, 31.0], [117.1, 31.1], [117.1, 31.0], [117.0, 31.1], [117.0, 31.0]];
    expect!["从第 0 个环第 0 个顶点（从 0 数起）开始的边与同环的另一条边相交"].assert_eq(&said(&polygon(&[&bow_tie])));
    expect![[r#"半径 3000 米不同寻常，是否多写了一个零？如确认无误，请加上 "large": true"#]]
        .assert_eq(&said(&circle(3000.0)));
    expect!["该线至少需要两个不同的顶点"]
        .assert_eq(&said(&fence(Shape::Corridor { line: vec![[117.0, 31.0]], width_m: 40.0 })));
}
