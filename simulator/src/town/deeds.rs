//! What a scenario says happens, written into the truth of those to whom it happens.

use crate::dice::Dice;
use crate::neighbourhood::Offset;
use crate::scenario::{Act, Deed, Gait, Scenario};

use super::day::settle_power;
use super::truth::{BUCKET, Happens, Moment, Ms, Reading, SECOND, Truth};
use super::{Elder, Town};

/// Where the unnamed are called `town`, everybody `all`.
pub(super) fn befall(town: &mut Town, scenario: &Scenario) {
    for (number, act) in scenario.acts.iter().enumerate() {
        if act.deed.is_about_the_house() {
            continue;
        }
        let mut dice = Dice::new(town.seed, &format!("act{number}"));
        let crowd = town.elders.iter().find(|elder| concerns(act, elder)).map(|elder| elder.home);
        let chosen: Vec<usize> = (0..town.elders.len())
            .filter(|place| concerns(act, &town.elders[*place]) && dice.chance(act.share))
            .collect();
        let gap = act.spread_s / chosen.len().max(1) as f64;
        for (turn, place) in chosen.into_iter().enumerate() {
            let at = ((act.at_s + gap * turn as f64) * 1000.0) as Ms;
            let elder = &mut town.elders[place];
            match (&act.deed, crowd) {
                (Deed::Crowd { to_m, for_s }, Some(first)) => gather(elder, first, at, *to_m, *for_s, &mut dice),
                _ => happen(elder, &act.deed, at, scenario.duration_ms()),
            }
        }
    }
    for elder in &mut town.elders {
        elder.truth.moments.sort_by_key(|moment| moment.at);
        // Of two that begin at once the later one said holds.
        elder.faults.skew.sort_by_key(|(from, _)| *from);
    }
}

/// Whether an act happens to this elder.
pub(crate) fn concerns(act: &Act, elder: &Elder) -> bool {
    act.who == elder.id || act.who == "all" || (act.who == "town" && !elder.is_named) || {
        act.who.strip_prefix("carrier:").is_some_and(|name| elder.carrier.as_deref() == Some(name))
    }
}

fn happen(elder: &mut Elder, deed: &Deed, at: Ms, duration: Ms) {
    let truth = &mut elder.truth;
    let lasts = |seconds: f64| at + (seconds * 1000.0) as Ms;
    let mut moment = |at, what| truth.moments.push(Moment { at, what });
    match *deed {
        Deed::Sos { times, gap_s } => {
            (0..times).for_each(|n| moment(at + (gap_s * 1000.0) as Ms * Ms::from(n), Happens::Press));
        }
        Deed::Fall => {
            moment(at, Happens::Fall);
            truth.path.cut(at);
            lie_still(truth, at, duration);
        }
        Deed::FalseFall { cancel_after_s } => {
            moment(at, Happens::FalseFall { cancelled_after: Some((cancel_after_s * 1000.0) as Ms) });
        }
        Deed::Stumble => {
            moment(at, Happens::FalseFall { cancelled_after: None });
            truth.path.cut(at);
            let here = truth.path.at(at);
            let there = truth.path.go(at, Offset { east: here.east + 90.0, north: here.north }, 1.0);
            truth.path.go(there, here, 1.0);
        }
        Deed::Walk { to_m, direction, gait } => {
            truth.path.cut(at);
            truth.path.go(at, Offset::polar(to_m, direction.to_radians()), gait.metres_per_second());
        }
        Deed::Home => {
            truth.path.cut(at);
            truth.path.go(at, Offset::default(), Gait::Briskly.metres_per_second());
        }
        Deed::Measure { sys, dia, badly, irregular, standing, sitting } => {
            let reading = Reading { systolic: sys, diastolic: dia, badly, irregular, standing, sitting };
            moment(at, Happens::Cuff(reading));
        }
        Deed::Heart { bpm, for_s } => truth.heart.set(at, lasts(for_s), bpm),
        Deed::Oxygen { percent, for_s } => truth.oxygen.set(at, lasts(for_s), percent),
        Deed::Temperature { celsius, for_s } => truth.temperature.set(at, lasts(for_s), celsius),
        Deed::Bedside { per_minute, confused } => moment(at, Happens::Bedside { per_minute, confused }),
        Deed::LieStill { for_s } => {
            truth.path.cut(at);
            lie_still(truth, at, lasts(for_s));
        }
        Deed::TakeOff { for_s } => truth.off_wrist.add(at, lasts(for_s)),
        Deed::Charge { for_s } => {
            truth.off_wrist.add(at, lasts(for_s));
            truth.charging.add(at, lasts(for_s));
        }
        Deed::Battery { percent } => {
            for (bucket, level) in truth.battery.iter_mut().enumerate().skip((at / BUCKET) as usize) {
                let hours = ((bucket as Ms * BUCKET - at).max(0) as f64) / super::truth::HOUR as f64;
                *level = (percent - 1.4 * hours).max(0.0);
            }
            settle_power(truth, duration);
        }
        Deed::NoCoverage { for_s, backfill } => {
            truth.unheard.add(at, lasts(for_s));
            elder.faults.backfill = backfill;
        }
        Deed::NoFix { for_s } => truth.no_fix.add(at, lasts(for_s)),
        Deed::Jump { by_m, fixes } => elder.faults.jumps.push((at, by_m, fixes)),
        Deed::Clock { skew_s } => elder.faults.skew.push((at, (skew_s * 1000.0) as Ms)),
        Deed::Repeat { times, for_s } => elder.faults.repeats.push((at, lasts(for_s), times)),
        // These are nobody's truth: the world stages them.
        Deed::Forge | Deed::SpeakFor { .. } | Deed::Crowd { .. } | Deed::WelfareCalls { .. } => {}
        Deed::Case { .. } | Deed::Restart { .. } | Deed::Provider { .. } | Deed::DiskNearlyFull { .. } => {}
    }
}

/// Nothing is pursued, no step is counted.
fn lie_still(truth: &mut Truth, from: Ms, to: Ms) {
    truth.still.add(from, to);
    let (first, last) = ((from / BUCKET) as usize, (to / BUCKET + 1) as usize);
    let Some(&before) = truth.pottering.get(first) else { return };
    let taken = truth.pottering.get(last).map_or(0.0, |after| after - before);
    for (bucket, steps) in truth.pottering.iter_mut().enumerate().skip(first + 1) {
        *steps = if bucket <= last { before } else { *steps - taken };
    }
}

/// To one place with everybody else, and home again.
fn gather(elder: &mut Elder, first: model::Position, at: Ms, to_m: f64, for_s: f64, dice: &mut Dice) {
    const DEGREE_M: f64 = 111_320.0;
    let place = Offset {
        east: (first.lon - elder.home.lon) * DEGREE_M * elder.home.lat.to_radians().cos() + to_m,
        north: (first.lat - elder.home.lat) * DEGREE_M,
    };
    let stand = Offset { east: place.east + dice.around(0.0, 6.0), north: place.north + dice.around(0.0, 6.0) };
    let path = &mut elder.truth.path;
    path.cut(at);
    let there = path.go(at, stand, 1.1);
    let leaves = there.max(at + (for_s * 1000.0) as Ms) + dice.between(0.0, 60.0) as Ms * SECOND;
    path.go(leaves, Offset::default(), 1.1);
}
