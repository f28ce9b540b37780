//! One decoded device message.

use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Fix, Timestamp};

/// One thing that a device said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The device's own name for it, at most 64 bytes; makes a repeat harmless.
    pub event_id: Option<CompactString>,
    /// When the device says it was measured. `None`: absent, unreadable or absurd, which means *now*.
    pub measured: Option<Timestamp>,
    /// What was said.
    pub body: ReportBody,
    /// A 64-bit hash of type and content, part of the repeat key when there is no `event_id`; computed by
    /// `ingest` with a fixed function, so that it may be kept on disk.
    pub content_hash: u64,
}

/// What a report says. Values are within the ranges stated: anything else was rejected by `ingest`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum ReportBody {
    /// A position.
    Location(Fix),
    /// Heart rate in beats a minute, 1–350.
    HeartRate {
        /// Beats a minute.
        bpm: u16,
    },
    /// A cuff reading; 40 ≤ systolic ≤ 300, 20 ≤ diastolic ≤ 200, systolic > diastolic (clinical.md).
    BloodPressure {
        /// Systolic, mmHg.
        systolic: u16,
        /// Diastolic, mmHg.
        diastolic: u16,
        /// Beats a minute, if measured.
        pulse: Option<u16>,
        /// Bits as in Bluetooth 2A35: 0 body moved, 1 cuff loose, 2 irregular pulse, 5 wrong position; and of our
        /// own: 8 taken standing, 9 taken sitting or lying.
        flags: u16,
    },
    /// The device believes that its wearer fell.
    Fall {
        /// 0–1, if the device says.
        confidence: Option<f32>,
        /// Where, if the device says.
        fix: Option<Fix>,
    },
    /// The wearer said that it was no fall.
    FallCancel,
    /// The button.
    Sos {
        /// Where, if the device says.
        fix: Option<Fix>,
    },
    /// Oxygen saturation, 1–100 %.
    Spo2 {
        /// Percent.
        percent: u8,
    },
    /// Body temperature, 25–45 °C.
    Temperature {
        /// Degrees Celsius.
        celsius: f32,
    },
    /// Steps since the device's midnight.
    Steps {
        /// Count.
        count: u32,
    },
    /// Battery level, 0–100 %.
    Battery {
        /// Percent.
        percent: u8,
    },
    /// Put on or taken off.
    Wear {
        /// Whether it is worn now.
        on: bool,
    },
    /// "I am here".
    Alive,
    /// A type that we do not know: kept and counted, not interpreted.
    Unknown {
        /// Its `type`, at most 64 bytes.
        kind: CompactString,
        /// The JSON object as it came, at most 4 KiB.
        json: String,
    },
    /// Breaths a minute, 1–80.
    Respiration {
        /// Breaths a minute.
        per_minute: u8,
    },
    /// How awake the wearer is.
    Consciousness {
        /// On the scale of NEWS2.
        level: Consciousness,
    },
}

/// How awake somebody is, on NEWS2's scale (ACVPU). Appended to, never reordered: the number is on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Consciousness {
    /// Awake, and as clear as they always are.
    Alert,
    /// Newly confused.
    Confused,
    /// Responds to a voice.
    Voice,
    /// Responds to pain only.
    Pain,
    /// Does not respond.
    Unresponsive,
}

impl Consciousness {
    /// Every level, from the best on; a level's place is its number on disk and on the wire.
    pub const ALL: [Consciousness; 5] = [
        Consciousness::Alert,
        Consciousness::Confused,
        Consciousness::Voice,
        Consciousness::Pain,
        Consciousness::Unresponsive,
    ];

    /// The name in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Consciousness::Alert => "alert",
            Consciousness::Confused => "confused",
            Consciousness::Voice => "voice",
            Consciousness::Pain => "pain",
            Consciousness::Unresponsive => "unresponsive",
        }
    }

    /// By its name or its letter of ACVPU, in any case.
    #[must_use]
    pub fn named(text: &str) -> Option<Consciousness> {
        let is_named = |level: &Consciousness| {
            text.eq_ignore_ascii_case(level.name()) || text.eq_ignore_ascii_case(&level.name()[..1])
        };
        Consciousness::ALL.into_iter().find(is_named)
    }

    /// By its number.
    #[must_use]
    pub fn numbered(number: u64) -> Option<Consciousness> {
        Consciousness::ALL.get(usize::try_from(number).ok()?).copied()
    }
}

/// The type of a report, without its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)] // the names are those of the JSON report and say what they are
pub enum ReportKind {
    Location,
    HeartRate,
    BloodPressure,
    Fall,
    FallCancel,
    Sos,
    Spo2,
    Temperature,
    Steps,
    Battery,
    Wear,
    Alive,
    Unknown,
    Respiration,
    Consciousness,
}

impl ReportBody {
    /// The type of it.
    #[must_use]
    pub fn kind(&self) -> ReportKind {
        match self {
            ReportBody::Location(_) => ReportKind::Location,
            ReportBody::HeartRate { .. } => ReportKind::HeartRate,
            ReportBody::BloodPressure { .. } => ReportKind::BloodPressure,
            ReportBody::Fall { .. } => ReportKind::Fall,
            ReportBody::FallCancel => ReportKind::FallCancel,
            ReportBody::Sos { .. } => ReportKind::Sos,
            ReportBody::Spo2 { .. } => ReportKind::Spo2,
            ReportBody::Temperature { .. } => ReportKind::Temperature,
            ReportBody::Steps { .. } => ReportKind::Steps,
            ReportBody::Battery { .. } => ReportKind::Battery,
            ReportBody::Wear { .. } => ReportKind::Wear,
            ReportBody::Alive => ReportKind::Alive,
            ReportBody::Unknown { .. } => ReportKind::Unknown,
            ReportBody::Respiration { .. } => ReportKind::Respiration,
            ReportBody::Consciousness { .. } => ReportKind::Consciousness,
        }
    }
}

impl Report {
    /// The type of this report.
    #[must_use]
    pub fn kind(&self) -> ReportKind {
        self.body.kind()
    }

    /// Whether it travels in the lane that nothing delays: sos, fall, fall_cancel.
    #[must_use]
    pub fn is_alarm(&self) -> bool {
        matches!(self.body, ReportBody::Sos { .. } | ReportBody::Fall { .. } | ReportBody::FallCancel)
    }

    /// The position that it carries, if any.
    #[must_use]
    pub fn fix(&self) -> Option<Fix> {
        match self.body {
            ReportBody::Location(fix) => Some(fix),
            ReportBody::Sos { fix } | ReportBody::Fall { fix, .. } => fix,
            _ => None,
        }
    }
}
