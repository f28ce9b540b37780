//! Fences that cannot be, and what is said about them; windows of the day.

use expect_test::{Expect, expect};
use model::{Datum, Fence, Shape, Timestamp};

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
        expect!["/geometry/coordinates/0 → ring 0 is not closed: its last vertex must be its first"],
    );
    check(
        &polygon(&[&SQUARE[..4]]),
        expect!["/geometry/coordinates/0 → ring 0 is not closed: its last vertex must be its first"],
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
        &polygon(&[&vec![[117.0, 31.0]; 3000]]),
        expect!["/geometry/coordinates → too many vertices: at most 2000 in all rings together"],
    );
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
        expect![
            "/geometry/coordinates/0/0 → vertex 0 of ring 0 lies across the border of the datum's area: draw the fence in wgs84"
        ],
    );
    check(&Fence { datum: Datum::Bd09, ..circle(300.0) }, expect!["fine"]);
}

#[test]
fn windows_of_the_day() {
    let is_active = |window, time: &str| {
        let fence = compile(&Fence { active: window, ..circle(300.0) }).unwrap();
        fence.is_active(Timestamp::parse(&format!("2026-11-22T{time}+08:00")).unwrap())
    };
    let day = between(6 * 60, 22 * 60);
    let night = between(22 * 60, 6 * 60);
    for (time, in_day) in
        [("05:59:59", false), ("06:00:00", true), ("21:59:59", true), ("22:00:00", false), ("00:00:00", false)]
    {
        assert_eq!(is_active(day, time), in_day, "{time}");
        assert_eq!(is_active(night, time), !in_day, "{time}");
        assert!(is_active(None, time) && is_active(between(480, 480), time), "{time}");
    }
}
