//! Faults that are put between the world and the house, so that the oracle can be seen to notice: each makes the house
//! behave as if one line of a rule, of the door or of the calling were wrong. Nothing of the product is changed.

use model::{Attempt, CaseAction};
use serde_json::{Value, json};

use crate::phones::words::Callback;
use crate::town::truth::{MINUTE, Ms, SECOND};

/// A seeded fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutant {
    /// The fence's margin is dropped, and the fixes' accuracy is not weighed.
    MarginDropped,
    /// The datum of fixes is not looked at.
    DatumIgnored,
    /// An SOS shortly after an SOS counts as a repeat.
    SosDeduplicated,
    /// An event older than the newest position produces nothing, SOS included.
    OldIsSkipped,
    /// What a heart must sustain is halved, and its limit lowered.
    SustainHalved,
    /// A fall does not wait for its cancel.
    FallWindowDropped,
    /// The second reading of a blood pressure is not waited for.
    RepeatNotAwaited,
    /// Silence is noticed three times too late.
    SilenceSlow,
    /// The battery counts as low only at 5 %.
    BatteryLate,
    /// Oxygen counts as low only at 80 %.
    OxygenLate,
    /// That somebody answered counts as "I am going".
    AnsweredIsAcknowledged,
    /// Only the first contact is ever called.
    FirstContactOnly,
    /// A call whose provider failed once is not tried again.
    NoRetry,
    /// After a restart nobody is called any more.
    RestartForgets,
    /// The night is not watched.
    NightForgotten,
    /// An incident is raised again for every occurrence.
    RaisedAgain,
    /// Anybody may publish for any device.
    DoorOpen,
    /// A device that is stored and forwarded newest first is read only once it is in order.
    BackfillDropped,
    /// A blood pressure that is somewhat high is never told.
    WatchForgotten,
    /// Whoever answers a welfare call is well, whatever they press.
    HelpUnheard,
    /// What a carrier takes with it is told one by one.
    CarrierForgotten,
    /// What a cell takes with it is told one by one: nobody has neighbours.
    NeighboursForgotten,
    /// A fever counts only above 41 °C, a cold body below 33 °C.
    TemperatureLate,
    /// Somebody who lies still is looked for only on the next day.
    StillnessForgotten,
    /// A bracelet on the table is noticed two hours later.
    RemovedLate,
    /// The cuff's word about the pulse is not read.
    IrregularUnseen,
    /// Whether somebody sat or stood is not read.
    PostureForgotten,
    /// Breaths and clarity are not counted into the score.
    ScoreIncomplete,
    /// That another verified a case is not written down.
    VerifyForgotten,
    /// A case that nobody takes is whistled to nobody.
    WhistleUnheard,
}

impl Mutant {
    /// All, by name, and a scenario that notices each.
    pub const ALL: &[(&'static str, Mutant, &'static str)] = &[
        ("margin_dropped", Mutant::MarginDropped, "edge_walkers"),
        ("datum_ignored", Mutant::DatumIgnored, "gcj02_bracelet"),
        ("sos_deduplicated", Mutant::SosDeduplicated, "two_sos_at_once"),
        ("old_is_skipped", Mutant::OldIsSkipped, "clock_off_by_a_day"),
        ("sustain_halved", Mutant::SustainHalved, "heart_rate"),
        ("fall_window_dropped", Mutant::FallWindowDropped, "false_fall"),
        ("repeat_not_awaited", Mutant::RepeatNotAwaited, "cuff_artefact"),
        ("silence_slow", Mutant::SilenceSlow, "silence"),
        ("battery_late", Mutant::BatteryLate, "battery"),
        ("oxygen_late", Mutant::OxygenLate, "oxygen_and_fever"),
        ("answered_is_acknowledged", Mutant::AnsweredIsAcknowledged, "family_never_answers"),
        ("first_contact_only", Mutant::FirstContactOnly, "sos"),
        ("no_retry", Mutant::NoRetry, "provider_outage"),
        ("restart_forgets", Mutant::RestartForgets, "restart_in_the_middle"),
        ("night_forgotten", Mutant::NightForgotten, "night_wandering"),
        ("raised_again", Mutant::RaisedAgain, "two_sos_at_once"),
        ("door_open", Mutant::DoorOpen, "forged_device"),
        ("backfill_dropped", Mutant::BackfillDropped, "newest_first"),
        ("watch_forgotten", Mutant::WatchForgotten, "blood_pressure_watch"),
        ("help_unheard", Mutant::HelpUnheard, "welfare_call"),
        ("carrier_forgotten", Mutant::CarrierForgotten, "carrier_outage"),
        ("neighbours_forgotten", Mutant::NeighboursForgotten, "cell_outage"),
        ("temperature_late", Mutant::TemperatureLate, "oxygen_and_fever"),
        ("stillness_forgotten", Mutant::StillnessForgotten, "immobility"),
        ("removed_late", Mutant::RemovedLate, "battery"),
        ("irregular_unseen", Mutant::IrregularUnseen, "blood_pressure"),
        ("posture_forgotten", Mutant::PostureForgotten, "blood_pressure"),
        ("score_incomplete", Mutant::ScoreIncomplete, "news2"),
        ("verify_forgotten", Mutant::VerifyForgotten, "case_of_a_fall"),
        ("whistle_unheard", Mutant::WhistleUnheard, "case_of_a_fall"),
    ];

    /// By its name.
    #[must_use]
    pub fn named(name: &str) -> Option<Mutant> {
        Mutant::ALL.iter().find(|(known, _, _)| *known == name).map(|(_, mutant, _)| *mutant)
    }
}

/// A mutant at work, or none.
#[derive(Debug, Default)]
pub struct Tampering {
    mutant: Option<Mutant>,
    last_sos: std::collections::BTreeMap<usize, Ms>,
    restarted: bool,
    raised: u64,
}

impl Tampering {
    /// With this fault.
    #[must_use]
    pub fn with(mutant: Option<Mutant>) -> Tampering {
        Tampering { mutant, ..Tampering::default() }
    }

    /// The registry as the house is told of it.
    pub fn registry(&self, registry: &mut Value) {
        if self.mutant == Some(Mutant::CarrierForgotten) {
            for device in registry["devices"].as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
                device.remove("carrier");
            }
        }
        if self.mutant == Some(Mutant::NeighboursForgotten) {
            each_alone(registry);
        }
        let Some(wearers) = registry["wearers"].as_array_mut() else { return };
        let thresholds: Value = match self.mutant {
            Some(Mutant::SustainHalved) => json!({"heart_rate": {"sustain_s": 60, "high": 105}}),
            Some(Mutant::RepeatNotAwaited) => json!({"blood_pressure": {"repeat_within_s": 1}}),
            Some(Mutant::SilenceSlow) => json!({"silence": {"heartbeat_s": 1380}}),
            Some(Mutant::BatteryLate) => json!({"battery": {"low": 5}}),
            Some(Mutant::WatchForgotten) => json!({"blood_pressure": {"watch_sys": 170, "watch_dia": 105}}),
            Some(Mutant::TemperatureLate) => json!({"temperature": {"high": 41, "low": 33}}),
            Some(Mutant::StillnessForgotten) => json!({"immobility": {"after_s": 86_400}}),
            Some(Mutant::RemovedLate) => json!({"removed": {"after_s": 9_000}}),
            Some(Mutant::OxygenLate) => json!({"spo2": {"low": 80, "watch": 81}}),
            _ => Value::Null,
        };
        for wearer in wearers {
            match self.mutant {
                Some(Mutant::MarginDropped) => wearer["fences"][0]["margin_m"] = json!(0),
                Some(Mutant::FallWindowDropped) => wearer["plan"]["fall_window_s"] = json!(1),
                Some(Mutant::NightForgotten) => wearer["thresholds"]["wandering"] = json!({"night": "12:00-12:01"}),
                Some(Mutant::FirstContactOnly) => {
                    let first = wearer["guardians"][0].clone();
                    wearer["guardians"] = json!([first]);
                }
                _ => {}
            }
            for (key, value) in thresholds.as_object().into_iter().flatten() {
                wearer["thresholds"][key.as_str()] = value.clone();
            }
        }
    }

    /// A report as the house gets to see it; `None`: it is lost.
    pub fn payload(&mut self, elder: usize, alarm: bool, payload: String, at: Ms, sent: Ms) -> Option<String> {
        match self.mutant {
            Some(Mutant::MarginDropped) => Some(with_accuracy_of_one(payload)),
            Some(Mutant::DatumIgnored) => Some(payload.replace(r#","datum":"gcj02""#, r#","datum":"wgs84""#)),
            Some(Mutant::SosDeduplicated) if payload.starts_with(r#"{"type":"sos""#) => {
                let last = self.last_sos.insert(elder, at);
                last.is_none_or(|last| at - last > MINUTE).then_some(payload)
            }
            Some(Mutant::OldIsSkipped) => (sent > at - 2 * MINUTE).then_some(payload),
            Some(Mutant::IrregularUnseen) => Some(without_flags(payload, 4)),
            Some(Mutant::PostureForgotten) => Some(without_flags(payload, 256 | 512)),
            Some(Mutant::ScoreIncomplete) => {
                let is_looked_at = ["respiration", "consciousness"].map(|kind| format!(r#"{{"type":"{kind}""#));
                (!is_looked_at.iter().any(|begin| payload.starts_with(begin))).then_some(payload)
            }
            Some(Mutant::BackfillDropped) if sent < at - 30 * SECOND => (!alarm).then_some(payload),
            _ => Some(payload),
        }
    }

    /// Whether an attempt is carried at all.
    #[must_use]
    pub fn carries(&self, attempt: &Attempt) -> bool {
        match self.mutant {
            Some(Mutant::NoRetry) => attempt.sends == 0,
            Some(Mutant::RestartForgets) => !self.restarted,
            _ => true,
        }
    }

    /// Whether the house hears of this step of a case.
    #[must_use]
    pub fn hears_case(&self, action: CaseAction) -> bool {
        self.mutant != Some(Mutant::VerifyForgotten) || action != CaseAction::Verify
    }

    /// What a phone reports, as the house hears it.
    pub fn callback(&self, callback: &mut Callback) {
        if self.mutant == Some(Mutant::AnsweredIsAcknowledged) && callback.outcome == model::AttemptOutcome::Answered {
            callback.outcome = model::AttemptOutcome::Key;
            callback.key = Some('1');
        }
        if self.mutant == Some(Mutant::HelpUnheard) {
            callback.key = callback.key.map(|_| '1');
        }
    }

    /// The feed as it is shown.
    pub fn envelope(&mut self, envelope: &mut Value) {
        if self.mutant == Some(Mutant::RaisedAgain) && envelope["type"] == "incident.recurred" {
            self.raised += 1;
            envelope["type"] = json!("incident.raised");
            envelope["data"]["id"] = json!(format!("i{}x", self.raised));
        }
        if self.mutant == Some(Mutant::WhistleUnheard) && envelope["data"].get("level").is_some() {
            envelope["data"]["level"] = json!("community");
        }
    }

    /// The secret that is checked; an open door lets everybody in.
    #[must_use]
    pub fn is_door_open(&self) -> bool {
        self.mutant == Some(Mutant::DoorOpen)
    }

    /// The house starts again.
    pub fn restarts(&mut self) {
        self.restarted = true;
    }
}

/// Everybody in a community of their own.
fn each_alone(registry: &mut Value) {
    let mut own = Vec::new();
    for wearer in registry["wearers"].as_array_mut().into_iter().flatten() {
        let path = format!("{}{}/", wearer["org"].as_str().unwrap_or("/"), wearer["id"].as_str().unwrap_or("x"));
        own.push(json!({"path": path, "name": path}));
        wearer["org"] = json!(path);
    }
    registry["orgs"].as_array_mut().into_iter().for_each(|orgs| orgs.append(&mut own));
}

fn with_accuracy_of_one(payload: String) -> String {
    with_number(payload, r#""acc":"#, |_| "1".to_owned())
}

fn without_flags(payload: String, bits: u16) -> String {
    with_number(payload, r#""flags":"#, |flags| (flags.parse::<u16>().unwrap_or(0) & !bits).to_string())
}

/// A payload with another number behind this key, if it has one.
fn with_number(payload: String, key: &str, other: impl Fn(&str) -> String) -> String {
    let Some(begin) = payload.find(key).map(|at| at + key.len()) else { return payload };
    let digits = payload[begin..].bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b'.').count();
    format!("{}{}{}", &payload[..begin], other(&payload[begin..begin + digits]), &payload[begin + digits..])
}
