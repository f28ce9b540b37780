//! Who wears what, who is called, and where they live: the registry as stored (the JSON that outsiders write is
//! read in `engine::registry`, which validates it into these).

use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::incident::{Category, IncidentKind};
use crate::{Datum, DeviceId, FenceId, Language, OrgPath, PersonId, Position, Timestamp, WearerId};

/// What tells two states of an entry apart: FNV-1a, 64 bits, over its JSON. It stands in `ETag`.
#[must_use]
pub fn fingerprint<T: Serialize>(entry: &T) -> u64 {
    // Plain structs of strings, numbers and finite floats: the conversion cannot fail.
    let json = serde_json::to_vec(entry).unwrap_or_default();
    json.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// In which role somebody acts. Appended to, never reordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)] // the names say what they are
pub enum Role {
    Guardian,
    Doctor,
    Operator,
    Desk,
    GridWorker,
    Volunteer,
    Street,
    Department,
    Admin,
    Integration,
}

/// An organisation: district, street, community or grid.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Org {
    /// Its place in the tree.
    pub path: OrgPath,
    /// Its name.
    pub name: String,
    /// Its human desk, if it has one of its own.
    pub desk: Option<Desk>,
    /// Fences that hold for everybody who belongs here or below: the estate's outline, the river, the motorway.
    pub fences: Vec<Fence>,
    /// The group whose robot is told of everybody who belongs here or below, by its name in the configuration;
    /// `None`: that of the nearest organisation above that has one.
    pub robot: Option<CompactString>,
}

/// The human desk: where an incident ends up when every contact was tried in vain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Desk {
    /// The desk's own phone, E.164.
    #[schema(value_type = Option<String>)]
    pub phone: Option<CompactString>,
    /// The people on it, in the order of calling.
    pub people: Vec<PersonId>,
}

/// A guardian, doctor or member of staff.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// Their id.
    pub id: PersonId,
    /// Their role.
    pub role: Role,
    /// Their name.
    pub name: String,
    /// E.164, e.g. `+8613800000001`.
    pub phone: Option<CompactString>,
    /// Electronic mail.
    pub email: Option<CompactString>,
    /// Where push messages go.
    pub push: Option<Push>,
    /// The language of their messages.
    pub lang: Language,
}

/// Where push messages go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Push {
    /// The service, e.g. `ntfy`.
    #[schema(value_type = String)]
    pub kind: CompactString,
    /// The topic or device key there.
    #[schema(value_type = String)]
    pub topic: CompactString,
}

/// An elder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Wearer {
    /// Their id.
    pub id: WearerId,
    /// Their name.
    pub name: String,
    /// Where they belong.
    pub org: OrgPath,
    /// Year of birth.
    pub birth_year: Option<u16>,
    /// Whether they live alone: patrols can be sent to all who do.
    pub lives_alone: bool,
    /// Their own phone, E.164: welfare calls go there.
    pub phone: Option<CompactString>,
    /// Who is called, in this order.
    pub guardians: Vec<PersonId>,
    /// Their family doctor.
    pub doctor: Option<PersonId>,
    /// Their fences.
    pub fences: Vec<Fence>,
    /// What differs from the defaults.
    pub thresholds: Thresholds,
    /// How people are called.
    pub plan: Plan,
    /// A time in which most of what would be found is expected.
    pub suspension: Option<Suspension>,
    /// When guardians can be called; who is not in here always can. Whoever cannot at the time comes after all who
    /// can: nobody is left out.
    pub availability: Vec<Availability>,
    /// Whether alarms are to be taken as they are.
    pub mode: WearerMode,
    /// What was agreed to, and what was taken back; the newest entry for a purpose holds.
    pub consents: Vec<Consent>,
}

impl Wearer {
    /// How it stands with the consent to a purpose at a time. Where nothing was ever written down, nobody was asked.
    #[must_use]
    pub fn consent(&self, to: ConsentTo, at: Timestamp) -> Consented {
        let newest = self.consents.iter().filter(|consent| consent.to == to && consent.given_at <= at);
        match newest.max_by_key(|consent| consent.given_at) {
            None => Consented::NotAsked,
            Some(consent) if consent.withdrawn_at.is_some_and(|withdrawn| withdrawn <= at) => Consented::Withdrawn,
            Some(_) => Consented::Given,
        }
    }
}

/// Somebody agreed that a wearer's data are used for a purpose (知情同意). Alarms need none: they protect life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Consent {
    /// To what.
    pub to: ConsentTo,
    /// Who agreed, when it was not the wearer: a guardian.
    pub by: Option<PersonId>,
    /// How.
    pub how: ConsentWay,
    /// When.
    pub given_at: Timestamp,
    /// When it was taken back.
    pub withdrawn_at: Option<Timestamp>,
    /// The number of the paper and the like, at most [`CONSENT_NOTE_BYTES_MAX`].
    pub note: String,
}

/// The longest note of a consent, in bytes.
pub const CONSENT_NOTE_BYTES_MAX: usize = 200;

/// What is agreed to. Appended to, never reordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConsentTo {
    /// That guardians and staff see where the wearer is and was, also when nothing has happened.
    Location,
    /// That they see the vital signs.
    VitalSigns,
}

/// How somebody agreed. Appended to, never reordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConsentWay {
    /// Signed on paper.
    Paper,
    /// Said, before a witness or on the phone.
    Spoken,
    /// On a page or in an app.
    Online,
}

/// How it stands with a consent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consented {
    /// Nothing is written down.
    NotAsked,
    /// It holds.
    Given,
    /// It was taken back.
    Withdrawn,
}

/// When one guardian of a wearer can be called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Availability {
    /// Who.
    pub person: PersonId,
    /// When; any of them.
    pub windows: Vec<WeeklyWindow>,
}

/// A window on some days of the week in the configured zone; `from > to` runs over midnight into the next day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WeeklyWindow {
    /// On which days it begins: bit 0 is Monday, bit 6 Sunday.
    pub days: u8,
    /// First minute, 0–1 439.
    pub from_minute: u16,
    /// First minute after it, 1–1 440.
    pub to_minute: u16,
}

impl WeeklyWindow {
    /// Whether a minute (0–1 439) of a day of the week (0 is Monday) lies in it.
    #[must_use]
    pub fn contains(&self, weekday: u8, minute: u16) -> bool {
        let begins_on = |day: u8| self.days & (1 << (day % 7)) != 0;
        if self.from_minute < self.to_minute {
            return begins_on(weekday) && (self.from_minute..self.to_minute).contains(&minute);
        }
        (begins_on(weekday) && minute >= self.from_minute) || (begins_on(weekday + 6) && minute < self.to_minute)
    }
}

/// Whether a wearer's alarms are to be taken as they are. What is not normal ends by itself.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum WearerMode {
    /// They are.
    #[default]
    Normal,
    /// Somebody installs or tries the device: an alarm is shown, confirmed on the device, and calls nobody.
    Test {
        /// Who does.
        by: PersonId,
        /// Until when; at most [`TEST_MODE_SECONDS_MAX`] after it was set.
        until: Timestamp,
    },
}

/// A test that somebody forgot must not silence an SOS for long.
pub const TEST_MODE_SECONDS_MAX: u32 = 24 * 3600;

/// A time in which most of what would be found is expected; it ends by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Suspension {
    /// Why.
    pub kind: SuspensionKind,
    /// When it ends.
    pub until: Timestamp,
}

/// Why a wearer's rules rest. An SOS and a fall never do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SuspensionKind {
    /// In hospital: others watch over the vital signs, and the device may lie in a drawer.
    Hospital,
    /// On a journey: away from home, and that is right so.
    Journey,
}

impl Suspension {
    /// Whether this kind of finding is expected at a time.
    #[must_use]
    pub fn covers(&self, kind: IncidentKind, at: Timestamp) -> bool {
        let is_covered = match self.kind {
            SuspensionKind::Hospital => kind.category() != Category::Emergency,
            SuspensionKind::Journey => matches!(kind, IncidentKind::FenceExit | IncidentKind::Wandering),
        };
        is_covered && at < self.until
    }
}

/// An area that a wearer is to stay in, or to stay out of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fence {
    /// Its id, unique within the wearer or the organisation.
    pub id: FenceId,
    /// Whether it is to be stayed in or out of.
    pub kind: FenceKind,
    /// The datum of its coordinates.
    pub datum: Datum,
    /// How far outside counts as outside, metres, 0–10 000. Of a fence that is to be stayed out of: how far one must
    /// be away again before it counts as left.
    pub margin_m: f64,
    /// Its shape, in `datum`.
    pub shape: Shape,
    /// When it holds; `None`: always.
    pub active: Option<Schedule>,
    /// Whether a circle of more than 2 000 m is meant, and not a radius with a zero too many.
    pub large: bool,
}

/// What a fence asks of its wearer. Appended to, never reordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FenceKind {
    /// To be stayed in: home, the estate, the way to the clinic.
    #[default]
    Inclusion,
    /// To be stayed out of: the river, the motorway.
    Exclusion,
}

/// The shape of a fence, in the fence's own datum, degrees. Appended to, never reordered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Shape {
    /// A disc.
    Circle {
        /// Degrees east.
        lon: f64,
        /// Degrees north.
        lat: f64,
        /// Metres, 1–1 000 000.
        radius_m: f64,
    },
    /// Rings of `[lon, lat]`, the first the outline, the others holes, each closed as in GeoJSON.
    Polygon {
        /// The rings.
        rings: Vec<Vec<[f64; 2]>>,
    },
    /// Several polygons that do not overlap.
    MultiPolygon {
        /// Each as in [`Shape::Polygon`].
        polygons: Vec<Vec<Vec<[f64; 2]>>>,
    },
    /// A line with a width: the way to the clinic, a river.
    Corridor {
        /// `[lon, lat]`, at least two.
        line: Vec<[f64; 2]>,
        /// From bank to bank, metres, 1–10 000.
        width_m: f64,
    },
}

/// When a fence holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// The hours. One that runs over midnight belongs to the day on which it begins.
    pub window: DailyWindow,
    /// On which days it begins: bit 0 is Monday, bit 6 Sunday; at least one.
    pub weekdays: u8,
    /// The IANA time zone of the hours and days, e.g. `Asia/Urumqi`; `None`: the configured one.
    pub zone: Option<CompactString>,
}

/// All seven days, as [`Schedule::weekdays`] has them.
pub const EVERY_DAY: u8 = 0b111_1111;

/// A window of the day in minutes since midnight; `from > to` runs over midnight, `from == to` is the whole day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DailyWindow {
    /// First minute, 0–1 439.
    pub from_minute: u16,
    /// First minute after it, 0–1 439.
    pub to_minute: u16,
}

/// A wearer's thresholds; `None` is the default of the rule that reads it (clinical.md).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Thresholds {
    /// Blood pressure: systolic at and above which it is high, mmHg (180).
    pub blood_pressure_systolic_high: Option<u16>,
    /// Diastolic at and above which it is high, mmHg (110).
    pub blood_pressure_diastolic_high: Option<u16>,
    /// Systolic below which it is low, mmHg (90).
    pub blood_pressure_systolic_low: Option<u16>,
    /// How long a repeat is waited for, seconds (300).
    pub blood_pressure_repeat_within_seconds: Option<u32>,
    /// Heart rate above which it is high (120).
    pub heart_rate_high: Option<u16>,
    /// Heart rate below which it is low (40).
    pub heart_rate_low: Option<u16>,
    /// How long it must last, seconds (600).
    pub heart_rate_sustain_seconds: Option<u32>,
    /// Oxygen saturation at and below which it is low, percent (91).
    pub spo2_low: Option<u8>,
    /// Temperature at and above which it is high, °C (39.1).
    pub temperature_high: Option<f32>,
    /// Temperature at and below which it is low, °C (35.0).
    pub temperature_low: Option<f32>,
    /// Systolic at and above which the doctor is told when it is so on separate days, mmHg (140).
    pub blood_pressure_watch_systolic: Option<u16>,
    /// The same for diastolic, mmHg (90).
    pub blood_pressure_watch_diastolic: Option<u16>,
    /// Heart rate at and above which two readings are enough (131).
    pub heart_rate_severe_high: Option<u16>,
    /// Heart rate at and below which two readings are enough (40).
    pub heart_rate_severe_low: Option<u16>,
    /// Oxygen saturation at and below which somebody should look, percent (93).
    pub spo2_watch: Option<u8>,
    /// How long oxygen saturation must be low, seconds (120).
    pub spo2_sustain_seconds: Option<u32>,
    /// NEWS2's scale 2, for those whose target is 88–92 % (COPD), by a doctor's order.
    pub spo2_scale_2: bool,
    /// How often the device is heard at least, seconds (460); three times that is silence.
    pub silence_heartbeat_seconds: Option<u32>,
    /// How much longer it may be silent while it is charged or not worn, seconds (10 800).
    pub silence_charging_grace_seconds: Option<u32>,
    /// How much longer where it is known to have no signal, seconds (7 200).
    pub silence_shadow_grace_seconds: Option<u32>,
    /// Where it is known to have no signal.
    pub silence_shadows: Vec<Shadow>,
    /// Battery level at and below which it is low, percent (15).
    pub battery_low: Option<u8>,
    /// How long a device may be off the wrist, seconds (1 800).
    pub removed_after_seconds: Option<u32>,
    /// The night in which being outside the home fence is wandering (22:00–05:00).
    pub wandering_night: Option<DailyWindow>,
    /// How far from home the wearer usually goes, metres (1 500).
    pub wandering_radius_m: Option<u32>,
    /// How long they may walk away beyond that, seconds (1 200).
    pub wandering_after_seconds: Option<u32>,
    /// How long they may lie or sit still by day, seconds (21 600).
    pub immobility_after_seconds: Option<u32>,
    /// On oxygen: two points of NEWS2.
    pub news2_on_oxygen: bool,
    /// Who set what differs here, and when; written down by the engine.
    pub set: Option<ThresholdsSet>,
}

/// A circle in which a device is known to have no signal: a cellar, a lift.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Shadow {
    /// Its middle, in WGS-84.
    pub centre: Position,
    /// Its radius, metres, 1–10 000.
    pub radius_m: f32,
}

/// Who set a wearer's thresholds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThresholdsSet {
    /// Who.
    pub by: PersonId,
    /// When.
    pub at: Timestamp,
}

/// How people are called (alerting.md). All in seconds unless the name says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Without news, the next contact's phone rings too after this.
    pub next_after_seconds: u32,
    /// A phone rings this long.
    pub ring_seconds: u32,
    /// The same callee is left alone this long.
    pub gap_seconds: u32,
    /// How many times round before the desk.
    pub cycles: u16,
    /// How long "I am going" holds.
    pub lease_seconds: u32,
    /// How long a fall waits for a sign of life.
    pub fall_window_seconds: u32,
    /// When what may wait (low priority: batteries, digests) waits; `None`: it never does.
    pub quiet: Option<DailyWindow>,
    /// Every how many days each guardian's number is tried by a test call; 0: never, 1: daily, 7: weekly.
    pub test_calls_every_days: u8,
}

impl DailyWindow {
    /// Whether a minute of the day (0–1 439) lies in it.
    #[must_use]
    pub fn contains(&self, minute: u16) -> bool {
        if self.from_minute < self.to_minute {
            (self.from_minute..self.to_minute).contains(&minute)
        } else {
            minute >= self.from_minute || minute < self.to_minute
        }
    }
}

impl Default for Plan {
    fn default() -> Plan {
        Plan {
            next_after_seconds: 15,
            ring_seconds: 30,
            gap_seconds: 60,
            cycles: 5,
            lease_seconds: 600,
            fall_window_seconds: 60,
            quiet: Some(DailyWindow { from_minute: 22 * 60, to_minute: 7 * 60 }),
            test_calls_every_days: 0,
        }
    }
}

/// A bracelet, watch or cuff.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// Its id.
    pub id: DeviceId,
    /// What it is: `bracelet`, `watch`, `cuff`…
    pub kind: CompactString,
    /// Who wears it now; `None`: nobody.
    pub wearer: Option<WearerId>,
    /// Since when, and who before: dated intervals, oldest first, the last one being the present one.
    pub bindings: Vec<Binding>,
    /// HMAC-SHA-256 of its secret with the pepper.
    pub secret_hmac: [u8; 32],
    /// The datum of its fixes.
    pub datum: Datum,
    /// Whose network it is in, as the operator calls it (`cmcc`, `46001`): what falls silent with it may be this
    /// carrier's fault.
    pub carrier: Option<CompactString>,
}

/// Who wore a device from when on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Binding {
    /// Who; `None`: nobody.
    pub wearer: Option<WearerId>,
    /// From when on.
    pub from: Timestamp,
}

impl Device {
    /// Who wore it at a time. Before the first binding: whoever was first.
    #[must_use]
    pub fn wearer_at(&self, at: Timestamp) -> Option<&WearerId> {
        let binding = self.bindings.iter().rev().find(|b| b.from <= at).or_else(|| self.bindings.first());
        binding.map_or(self.wearer.as_ref(), |b| b.wearer.as_ref())
    }
}

/// Entries that are written together: all or nothing. The pipeline completes device bindings.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct RegistryChange {
    /// Organisations, inserted or replaced.
    pub orgs: Vec<Org>,
    /// People.
    pub people: Vec<Person>,
    /// Wearers.
    pub wearers: Vec<Wearer>,
    /// Devices.
    pub devices: Vec<Device>,
}
