//! What changed thresholds or fences would have found: a wearer's own history gone through again by the same senses
//! that listened to it (`pipeline::sensing`), off the main loop.
//!
//! Gone through is what history keeps: every report that was taken in, in the order and at the times in which it was
//! decided on, by which device, the notes from the bedside, and when the engine was down. Positions come back to a
//! centimetre, temperatures to a hundredth. Three things differ from the day itself: it begins with nothing remembered,
//! so that the first fix only seeds; a suspension is left out; and silence stands alone, because what its neighbours
//! did is theirs.

use std::collections::BTreeMap;

use chrono_tz::Tz;
use model::staff::BedsideNote;
use model::{
    Change, Datum, Device, DeviceId, Finding, Fix, OrgPath, RegistryChange, Report, ReportBody, ReportKind, Timestamp,
    Wearer,
};
use serde_json::Value;
use store::{Past, State, StoreError};

use crate::pipeline::Sensing;
use crate::registry;

/// The most reports that one preview goes through: 30 days of one in ten seconds. Of more, the newest.
pub const REPORTS_MAX: usize = 260_000;
/// The most findings that one preview tells; further ones are counted.
pub const FINDINGS_MAX: usize = 2_000;

/// What is to be gone through.
#[derive(Debug, Clone)]
pub struct Request {
    /// The wearer as they stand.
    pub wearer: Wearer,
    /// What is changed: an object with `thresholds`, `fences` and `plan`, each as in an import and each in the place of
    /// what stands.
    pub change: Value,
    /// From when…
    pub from: Timestamp,
    /// …until when.
    pub to: Timestamp,
}

/// What would have been found.
#[derive(Debug, Clone, PartialEq)]
pub struct Preview {
    /// What would have been raised, in order; at most [`FINDINGS_MAX`].
    pub would: Vec<Finding>,
    /// How often something would have been raised, shown or only counted.
    pub would_count: usize,
    /// How many reports were gone through.
    pub reports: usize,
    /// From when on: later than asked for when there was more than [`REPORTS_MAX`].
    pub from: Timestamp,
}

/// Why there is no preview.
#[derive(Debug)]
pub enum Fault {
    /// The change is not valid.
    Invalid(Vec<registry::RowError>),
    /// The state cannot be read.
    State(StoreError),
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Fault {
        Fault::State(error)
    }
}

/// Goes through it. Takes as long as reading the history takes, and about a microsecond a report: called where
/// blocking is allowed.
///
/// # Errors
/// [`Fault`].
pub fn run(state: &State, zone: Tz, request: &Request) -> Result<Preview, Fault> {
    let wearer = registry::amend(&request.change, &request.wearer, zone).map_err(Fault::Invalid)?;
    let (past, is_cut) = state.past(&wearer.id, request.from, request.to, REPORTS_MAX)?;
    let from = if is_cut { past.first().map_or(request.from, |past| past.at) } else { request.from };
    let mut starts = state.starts(from, request.to)?.into_iter().peekable();
    let mut sensing = Sensing::new(&neighbourhood(state, wearer, &past)?, zone);
    let (mut findings, mut told) = (Vec::new(), Told::default());
    let mut known = Known::default();
    for past in &past {
        while let Some((start, down_since)) = starts.next_if(|(start, _)| *start <= past.at) {
            sensing.pass(down_since, &mut findings);
            sensing.listen_from(start);
        }
        hear(&mut sensing, &request.wearer, past, &known, &mut findings);
        known.note(past);
        told.take(&mut findings);
    }
    sensing.pass(request.to, &mut findings);
    told.take(&mut findings);
    Ok(Preview { would: told.findings, would_count: told.count, reports: past.len(), from })
}

#[derive(Default)]
struct Told {
    findings: Vec<Finding>,
    count: usize,
}

impl Told {
    fn take(&mut self, findings: &mut Vec<Finding>) {
        for finding in findings.drain(..).filter(|finding| finding.change == Change::Raised) {
            self.count += 1;
            if self.findings.len() < FINDINGS_MAX {
                self.findings.push(finding);
            }
        }
    }
}

/// The wearer, the organisations whose fences they share, and the devices that spoke.
fn neighbourhood(state: &State, mut wearer: Wearer, past: &[Past]) -> Result<RegistryChange, StoreError> {
    wearer.suspension = None;
    let mut change = RegistryChange::default();
    for path in std::iter::successors(Some(wearer.org.clone()), OrgPath::parent) {
        change.orgs.extend(state.org(&path)?);
    }
    let mut names: Vec<&DeviceId> = past.iter().map(|past| &past.device).filter(|id| !id.as_str().is_empty()).collect();
    names.sort_unstable();
    names.dedup();
    for id in names {
        let known = state.device(id)?;
        change.devices.push(Device {
            id: id.clone(),
            kind: known.map_or_else(|| "bracelet".into(), |device| device.kind),
            wearer: Some(wearer.id.clone()),
            // What it reported while somebody else wore it is not in this wearer's history.
            bindings: Vec::new(),
            secret_hmac: [0; 32],
            datum: Datum::Wgs84,
            carrier: None,
        });
    }
    change.wearers.push(wearer);
    Ok(change)
}

/// The newest of each vital sign by device: a note from the bedside is weighed with them.
#[derive(Default)]
struct Known(BTreeMap<ReportKind, (Timestamp, ReportBody)>);

impl Known {
    fn note(&mut self, past: &Past) {
        use ReportKind as K;
        for body in past.said.iter().filter(|_| !past.device.as_str().is_empty()) {
            let kind = body.kind();
            let is_newer = self.0.get(&kind).is_none_or(|(measured, _)| *measured <= past.measured);
            if is_newer && matches!(kind, K::HeartRate | K::BloodPressure | K::Spo2 | K::Temperature) {
                self.0.insert(kind, (past.measured, body.clone()));
            }
        }
    }
}

fn hear(sensing: &mut Sensing, wearer: &Wearer, past: &Past, known: &Known, findings: &mut Vec<Finding>) {
    if past.device.as_str().is_empty() {
        let mut note = BedsideNote {
            wearer: wearer.id.clone(),
            measured: Some(past.measured),
            respiration_per_minute: None,
            consciousness: None,
            known: known.0.values().cloned().collect(),
        };
        for body in &past.said {
            match body {
                ReportBody::Respiration { per_minute } => note.respiration_per_minute = Some(*per_minute),
                ReportBody::Consciousness { level } => note.consciousness = Some(*level),
                _ => {}
            }
        }
        return sensing.note(&note, past.measured, past.at, findings);
    }
    let fix = past.located.map(|located| Fix {
        position: located.position,
        datum: Some(Datum::Wgs84),
        accuracy_m: Some(located.accuracy_m),
    });
    let body = match (past.said.first(), fix) {
        (Some(ReportBody::Sos { .. }), fix) => ReportBody::Sos { fix },
        (Some(ReportBody::Fall { confidence, .. }), fix) => ReportBody::Fall { confidence: *confidence, fix },
        (Some(body), _) => body.clone(),
        (None, Some(fix)) => ReportBody::Location(fix),
        (None, None) => return,
    };
    // History holds what was news; under the record's own name it is news again.
    let event_id = Some(compact_str::format_compact!("{}", past.seq));
    let report = Report { event_id, measured: Some(past.measured), body, content_hash: past.seq };
    sensing.hear(&past.device, &report, past.at, findings);
}
