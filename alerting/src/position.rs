//! A better position than the one that people were told.

use std::collections::BTreeSet;

use model::attempt::CalleeRole;
use model::{Counters, EventKind, Incident, IncidentId, IncidentState, Position, Purpose, WearerId};

use crate::Output;
use crate::book::Book;
use crate::turn::Turn;
use crate::wording::{self, LocalTime};

/// People are told again when the wearer is farther than this from where they were told, in metres.
pub const POSITION_MOVED_METRES: f64 = 100.0;
/// How long at least lies between two such messages of one incident.
pub const POSITION_UPDATE_SECONDS: u32 = 60;
/// How many there are at most: who goes sees the rest on the map.
pub const POSITION_UPDATES_MAX: u16 = 5;

const METRES_PER_DEGREE: f64 = 111_320.0;

/// A newer position of a wearer, for all of their open incidents.
pub(crate) fn located(
    book: &mut Book,
    counters: &mut Counters,
    time: LocalTime,
    wearer: &WearerId,
    position: Position,
) -> Vec<Output> {
    let elsewhere = |incident: &&Incident| incident.position != Some(position);
    let ids: Vec<IncidentId> = book.open_of(wearer).filter(elsewhere).map(|incident| incident.id).collect();
    let mut outputs = Vec::new();
    for id in ids {
        if let Some(mut turn) = Turn::open(book, counters, time, id) {
            turn.incident.position = Some(position);
            turn.tell(EventKind::IncidentUpdated);
            turn.tell_position(position);
            outputs.append(&mut turn.finish());
        }
    }
    outputs
}

impl Turn<'_> {
    /// Everybody who was told of an SOS or a fall hears where the wearer is, if that is news.
    fn tell_position(&mut self, position: Position) {
        let is_emergency = self.incident.is_emergency();
        let is_looked_for = self.incident.state != IncidentState::OnSite;
        let is_news = match self.calling.position_told {
            None => true,
            Some((told, at)) => {
                at.plus_seconds(POSITION_UPDATE_SECONDS) <= self.now()
                    && metres_between(told, position) > POSITION_MOVED_METRES
            }
        };
        if !is_emergency || !is_looked_for || !is_news || self.calling.position_updates >= POSITION_UPDATES_MAX {
            return;
        }
        self.calling.position_told = Some((position, self.now()));
        self.calling.position_updates += 1;
        let mut reached = BTreeSet::new();
        for callee in self.calling.told.clone() {
            let Some(contact) = self.contact(&callee).cloned().filter(|_| callee.role != CalleeRole::Doctor) else {
                continue;
            };
            let message = wording::position_text(contact.lang, &self.facts());
            self.text(callee.role, &contact, Purpose::Position, &message, &mut reached);
        }
    }
}

/// Good enough over the distances that matter here (an error below one in a thousand up to 100 km).
fn metres_between(a: Position, b: Position) -> f64 {
    let north = (a.lat - b.lat) * METRES_PER_DEGREE;
    let mut east_degrees = (a.lon - b.lon).abs();
    if east_degrees > 180.0 {
        east_degrees = 360.0 - east_degrees;
    }
    let east = east_degrees * METRES_PER_DEGREE * ((a.lat + b.lat) / 2.0).to_radians().cos();
    north.hypot(east)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_right_to_a_per_cent() {
        let at = |lat, lon| Position::new(lat, lon).unwrap();
        for (a, b, metres) in [
            (at(31.8206, 117.2272), at(31.8206, 117.2272), 0.0),
            (at(31.8206, 117.2272), at(31.8306, 117.2272), 1_113.0),
            (at(31.8206, 117.2272), at(31.8206, 117.2372), 946.0),
            (at(0.0, 179.999), at(0.0, -179.999), 222.6),
        ] {
            assert!((metres_between(a, b) - metres).abs() <= metres * 0.01, "{}", metres_between(a, b));
        }
    }
}
