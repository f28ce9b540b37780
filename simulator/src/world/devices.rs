//! Everybody's devices and the air around them, as one timed core: what is measured when, and when it arrives. The
//! virtual house and a real server hear the same.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::town::Town;
use crate::town::gadget::{Gadget, Sensor};
use crate::town::truth::{Happens, Ms};

use super::air::{Air, Parcel};

/// A report that arrives.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Arrival {
    /// When.
    pub at: Ms,
    /// What.
    pub parcel: Parcel,
    /// When it was sent.
    pub sent: Ms,
}

/// Something that a device does.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Doing {
    /// Something happens to its wearer: the number of the moment.
    Moment(usize, usize),
    /// It says what it measured before.
    Say(Parcel),
    /// A sensor's turn.
    Measure(usize, Sensor),
    /// Coverage is back.
    Forward(usize),
}

/// All devices of a town.
pub struct Devices<'a> {
    town: &'a Town,
    gadgets: Vec<Gadget>,
    airs: Vec<Air>,
    queue: BinaryHeap<Reverse<(Ms, u64, Doing)>>,
    turn: u64,
    reports: u64,
}

impl<'a> Devices<'a> {
    /// Switched on, at the beginning.
    #[must_use]
    pub fn new(town: &'a Town) -> Devices<'a> {
        let mut devices = Devices {
            town,
            gadgets: town.elders.iter().map(|elder| Gadget::new(town, elder)).collect(),
            airs: town.elders.iter().map(|elder| Air::new(town, elder)).collect(),
            queue: BinaryHeap::new(),
            turn: 0,
            reports: 0,
        };
        for (number, elder) in town.elders.iter().enumerate() {
            for (sensor, at) in devices.gadgets[number].first(elder) {
                devices.at(at, Doing::Measure(number, sensor));
            }
            for (place, moment) in elder.truth.moments.iter().enumerate() {
                devices.at(moment.at, Doing::Moment(number, place));
            }
            for (_, end) in elder.truth.unheard.iter() {
                devices.at(end, Doing::Forward(number));
            }
        }
        devices
    }

    /// How many reports were sent.
    #[must_use]
    pub fn reports(&self) -> u64 {
        self.reports
    }

    /// When a device does something next.
    #[must_use]
    pub fn next_due(&self) -> Option<Ms> {
        self.queue.peek().map(|Reverse((at, _, _))| *at)
    }

    /// Lets everything be done that is due by now; what arrives of it, and when.
    pub fn advance(&mut self, now: Ms) -> Vec<Arrival> {
        let mut arrivals = Vec::new();
        while self.next_due().is_some_and(|due| due <= now) {
            let Some(Reverse((at, _, doing))) = self.queue.pop() else { break };
            self.act(at, doing, &mut arrivals);
        }
        arrivals
    }

    fn act(&mut self, at: Ms, doing: Doing, arrivals: &mut Vec<Arrival>) {
        let town = self.town;
        let start = town.start.millis();
        match doing {
            Doing::Measure(number, sensor) => {
                let (said, again) = self.gadgets[number].measure(&town.elders[number], start, sensor, at);
                for payload in said {
                    self.send(Parcel { elder: number, by_cuff: false, alarm: false, payload }, at, arrivals);
                }
                self.at(again.max(at + 1), Doing::Measure(number, sensor));
            }
            Doing::Moment(number, place) => self.moment(number, place, at),
            Doing::Say(parcel) => self.send(parcel, at, arrivals),
            Doing::Forward(number) => {
                let forwarded = self.airs[number].forward(&town.elders[number], at);
                arrivals.extend(forwarded.into_iter().map(|(then, parcel)| Arrival { at: then, parcel, sent: at }));
            }
        }
    }

    fn moment(&mut self, number: usize, place: usize, at: Ms) {
        let elder = &self.town.elders[number];
        let moment = elder.truth.moments[place];
        if elder.truth.dead.contains(at) {
            return;
        }
        let by_cuff = matches!(moment.what, Happens::Cuff(_));
        let said = self.gadgets[number].tell(elder, self.town.start.millis(), at, moment.what);
        for (place, (at, payload)) in said.into_iter().enumerate() {
            let is_alarm = !by_cuff && !matches!(moment.what, Happens::Bedside { .. });
            let alarm = is_alarm && (place == 0 || payload.contains("fall_cancel"));
            self.at(at, Doing::Say(Parcel { elder: number, by_cuff, alarm, payload }));
        }
    }

    fn send(&mut self, parcel: Parcel, sent: Ms, arrivals: &mut Vec<Arrival>) {
        self.reports += 1;
        let number = parcel.elder;
        let arriving = self.airs[number].send(&self.town.elders[number], parcel, sent);
        arrivals.extend(arriving.into_iter().map(|(at, parcel)| Arrival { at, parcel, sent }));
    }

    fn at(&mut self, at: Ms, doing: Doing) {
        self.turn += 1;
        self.queue.push(Reverse((at, self.turn, doing)));
    }
}
