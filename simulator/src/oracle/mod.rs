//! The oracle: it knows the truth, reads the public feed and its own phones, and says what was missed, late, false or
//! doubled. It knows nothing else of the engine.

mod judge;
pub mod report;
pub mod truths;

use std::collections::BTreeMap;

use model::case::WhistleLevel;
use model::{CaseState, Channel, IncidentKind, IncidentState, Priority};
use serde::Deserialize;
use serde_json::Value;

use crate::scenario::Scenario;
use crate::town::Town;
use crate::town::truth::Ms;

pub use report::{Fault, FaultKind, Verdict};

use truths::{Due, Outages};

/// Who was reached, how, when, and about what: as the phones saw it.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    /// When.
    pub at: Ms,
    /// Whose phone.
    pub person: String,
    /// By what.
    pub channel: Channel,
    /// About which incident.
    pub incident: String,
}

/// Something that was found, as the feed told it.
#[derive(Debug, Clone, PartialEq)]
pub struct Raise {
    /// When.
    pub at: Ms,
    /// About whom.
    pub who: String,
    /// As what.
    pub kind: IncidentKind,
    /// How urgent.
    pub priority: Priority,
    /// Whether it came late.
    pub late: bool,
    /// In which incident.
    pub incident: String,
}

/// What the feed told about one incident.
#[derive(Debug, Clone)]
struct Known {
    who: String,
    kind: IncidentKind,
    states: Vec<(Ms, IncidentState)>,
    occurrences: u64,
    cleared: bool,
    /// When calling began, again and again, and when it was to stop.
    calls_until: Vec<(Ms, bool)>,
}

/// Of a feed's `data`, what the oracle looks at.
#[derive(Deserialize)]
struct Data {
    id: String,
    wearer: String,
    kind: IncidentKind,
    state: IncidentState,
    condition: model::Condition,
    occurrences: Vec<OccurrenceData>,
    occurrence_count: u64,
}

/// Of a case's `data`.
#[derive(Deserialize)]
struct CaseData {
    incident: Option<String>,
    state: CaseState,
    level: WhistleLevel,
}

#[derive(Deserialize)]
struct OccurrenceData {
    kind: IncidentKind,
    priority: Priority,
    late: bool,
}

/// Listens to a run, and judges it.
pub struct Oracle {
    scenario: Scenario,
    seed: u64,
    elders: usize,
    outages: Outages,
    dues: Vec<Due>,
    /// Which of the dues are about whom.
    about: BTreeMap<(String, IncidentKind), Vec<usize>>,
    incidents: BTreeMap<String, Known>,
    /// What became of the case about an incident: when it stood where, and how high it was whistled.
    cases: BTreeMap<String, Vec<(Ms, CaseState, WhistleLevel)>>,
    raises: Vec<Raise>,
    told: Vec<Told>,
    faults: Vec<Fault>,
    unreadable: u64,
}

impl Oracle {
    /// Knows the truth of this town.
    #[must_use]
    pub fn new(town: &Town, scenario: &Scenario) -> Oracle {
        let dues = truths::of(town, scenario);
        let mut about: BTreeMap<_, Vec<usize>> = BTreeMap::new();
        for (place, due) in dues.iter().enumerate() {
            about.entry((due.who.clone(), due.kind)).or_default().push(place);
        }
        Oracle {
            outages: Outages::of(scenario),
            scenario: scenario.clone(),
            seed: town.seed,
            elders: town.elders.len(),
            dues,
            about,
            incidents: BTreeMap::new(),
            cases: BTreeMap::new(),
            raises: Vec::new(),
            told: Vec::new(),
            faults: Vec::new(),
            unreadable: 0,
        }
    }

    /// An envelope of the feed.
    pub fn feed(&mut self, at: Ms, envelope: &Value) {
        let event = envelope["type"].as_str().unwrap_or_default();
        if event.starts_with("case.") {
            match CaseData::deserialize(&envelope["data"]) {
                Ok(CaseData { incident: Some(incident), state, level }) => {
                    self.cases.entry(incident).or_default().push((at, state, level));
                }
                Ok(_) => {}
                Err(_) => self.unreadable += 1,
            }
        }
        if !event.starts_with("incident.") {
            return;
        }
        let Ok(data) = Data::deserialize(&envelope["data"]) else {
            self.unreadable += 1;
            return;
        };
        let twin = (event == "incident.raised").then(|| self.open_twin(&data)).flatten();
        let known = self.incidents.entry(data.id.clone()).or_insert_with(|| Known {
            who: data.wearer.clone(),
            kind: data.kind,
            states: Vec::new(),
            occurrences: 0,
            cleared: false,
            calls_until: Vec::new(),
        });
        known.kind = data.kind;
        if known.states.last().is_none_or(|(_, state)| *state != data.state) {
            known.states.push((at, data.state));
        }
        let calls = matches!(data.state, IncidentState::Notifying | IncidentState::Exhausted | IncidentState::Raised);
        known.calls_until.push((at, calls));
        known.cleared = data.condition == model::Condition::Cleared;
        let new = data.occurrence_count.saturating_sub(known.occurrences);
        known.occurrences = data.occurrence_count;
        let skipped = data.occurrences.len().saturating_sub(new as usize);
        for occurrence in &data.occurrences[skipped..] {
            self.raised(Raise {
                at,
                who: data.wearer.clone(),
                kind: occurrence.kind,
                priority: occurrence.priority,
                late: occurrence.late,
                incident: data.id.clone(),
            });
        }
        if let Some(twin) = twin {
            self.fault(FaultKind::Doubled, data.kind, &data.wearer, at, format!("{twin} is open already"));
        }
    }

    /// A phone rang, or a text arrived.
    pub fn told(&mut self, told: Told) {
        self.told.push(told);
    }

    /// A publish that must be refused was taken, or the other way round.
    pub fn door(&mut self, at: Ms, who: &str, detail: &str) {
        self.fault(FaultKind::Broken, IncidentKind::Sos, who, at, detail.to_owned());
    }

    /// What was raised so far.
    #[must_use]
    pub fn raises(&self) -> &[Raise] {
        &self.raises
    }

    fn open_twin(&self, data: &Data) -> Option<String> {
        let is_twin = |(id, known): (&String, &Known)| {
            let is_open = known.states.last().is_none_or(|(_, state)| state.is_open());
            (*id != data.id && is_open && known.who == data.wearer && known.kind == data.kind).then(|| id.clone())
        };
        self.incidents.iter().find_map(is_twin)
    }

    fn raised(&mut self, raise: Raise) {
        let places = self.about.get(&(raise.who.clone(), raise.kind)).cloned().unwrap_or_default();
        let fits: Vec<usize> =
            places.into_iter().filter(|&p| (self.dues[p].from..=self.dues[p].until).contains(&raise.at)).collect();
        let free = fits.iter().copied().find(|&place| self.dues[place].raised.is_empty());
        // What goes on is told again now and then; a press or a fall is one.
        let place = free.or_else(|| fits.iter().copied().find(|&place| !self.dues[place].each));
        match (place, fits.first()) {
            (Some(place), _) => {
                // One finding answers for everything that is so at the time: two readings of one measurement, say.
                for other in fits {
                    if other == place || !self.dues[other].each {
                        self.dues[other].raised.push(raise.at);
                    }
                }
            }
            (None, Some(_)) => {
                let detail = "one more than there were".to_owned();
                self.fault(FaultKind::Doubled, raise.kind, &raise.who.clone(), raise.at, detail);
            }
            (None, None) => {
                let detail = format!("nothing of the kind is so (incident {})", raise.incident);
                self.fault(FaultKind::False, raise.kind, &raise.who.clone(), raise.at, detail);
            }
        }
        self.raises.push(raise);
    }

    fn fault(&mut self, what: FaultKind, kind: IncidentKind, who: &str, at: Ms, detail: String) {
        self.faults.push(Fault { what, kind, who: who.to_owned(), at, detail });
    }
}
