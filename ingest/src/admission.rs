//! Admission: is it news, and when was it measured?

use model::{Report, ReportKind, Timestamp};
use serde::{Deserialize, Serialize};

use crate::hash::FixedHash;
use crate::repeats::{REPEAT_WINDOW_SECONDS, Repeats};

/// Measured so long before receipt, a report counts as late, in seconds (devices.md, backfill).
pub const LATE_AFTER_SECONDS: i64 = 120;

/// What is remembered of one device to tell repeats from news. Part of the hot state: it is checkpointed, and
/// rebuilt by admitting the journaled reports again with their journaled times.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Admission {
    repeats: Repeats,
    clock: DeviceClock,
}

/// Whether a report is news.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admitted {
    /// It is, and this is when it was measured.
    Fresh(Measured),
    /// It was here before and has no second effect.
    Repeat,
}

/// When something was measured, by the device's clock as far as it can be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measured {
    /// The time to reckon with: what the device claims, put right by as much as its clock is known to be behind; never
    /// after receipt.
    pub at: Timestamp,
    /// Whether that is more than [`LATE_AFTER_SECONDS`] before receipt.
    pub late: bool,
    /// The device's clock minus receipt, ms; 0 when the device gave no time. Positive: it runs ahead.
    pub skew_ms: i64,
    /// Whether the device's time lay in the future and was set to receipt.
    pub clamped: bool,
}

impl Admission {
    /// Admits a report that was received at a time that must not run backwards from call to call.
    ///
    /// Two reports are the same if their type, their id and their time are. Without an id the content stands in for
    /// it; without a time the content counts too; without either, nothing tells a repeat from a second press, and
    /// each is news. An alarm that is taken twice rings twice, one that is taken for a repeat is lost: of a button that
    /// counts its presses from 1 after each new battery, and knows no time, an id stands for a press for an hour or two and
    /// not for as long as nothing newer comes.
    pub fn admit(&mut self, report: &Report, received: Timestamp) -> Admitted {
        if is_known_for_an_hour(report) {
            let hour_before = received.plus_millis(-REPEAT_WINDOW_SECONDS * 1000);
            if self.repeats.knows(repeat_key(report, hour_before)) {
                return Admitted::Repeat;
            }
        }
        if self.repeats.remember(repeat_key(report, received), received) {
            Admitted::Fresh(self.clock.measured(report, received))
        } else {
            Admitted::Repeat
        }
    }
}

impl Admission {
    /// How far the device's clock is ahead of ours, as far as is known, seconds; negative: behind.
    #[must_use]
    pub fn clock_ahead_seconds(&self) -> i64 {
        i64::from(self.clock.ahead_seconds) - i64::from(self.clock.behind_seconds)
    }
}

impl Admission {
    /// Looks ahead to where [`admit`](Self::admit) will look for these reports. The windows of many busy devices do not
    /// fit into the processor's caches: looked for one at a time, each key costs a wait for memory (120 ns and more,
    /// measured), looked for side by side a sixth of that. What it returns means nothing, except that it was looked at.
    #[must_use]
    pub fn foresee<'a>(&self, reports: impl Iterator<Item = (&'a Report, Timestamp)>) -> u64 {
        let (mut keys, mut looks) = ([0; FORESEEN_TOGETHER], 0);
        let mut reports = reports.map(|(report, received)| repeat_key(report, received));
        loop {
            // First all keys, then nothing but looks: only what is close together in the program is done side by side.
            let count = keys.iter_mut().zip(reports.by_ref()).map(|(place, key)| *place = key).count();
            looks = keys[..count].iter().fold(looks, |looks, key| looks ^ self.repeats.foresee(*key));
            if count < keys.len() {
                return looks;
            }
        }
    }
}

impl Admission {
    /// Looks at where the keys lie, and returns something that means nothing.
    #[must_use]
    pub fn foresee_first(&self) -> u64 {
        self.repeats.foresee(u64::MAX / 2)
    }
}

/// More looks than a processor has under way at once.
const FORESEEN_TOGETHER: usize = 32;

/// How far a device's clock is behind, if it is. What it says now then comes as old as what it said yesterday, and
/// would be history for ever: no fence would watch its wearer, no heart rate would be sustained.
///
/// A clock that is behind makes every report old by the same, for as long as one likes to wait; what was stored comes
/// faster or slower than it was measured, and grows younger or older from one report to the next. So a clock is held
/// to be behind once reports were equally old on arrival for [`SURE_SECONDS`], and until one is younger than that. A
/// clock that is ahead needs none of this: what claims to come from the future was measured on receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
struct DeviceClock {
    /// By so much it is held to be behind, seconds; 0: it is held to be right.
    behind_seconds: u32,
    /// By so much the last report claimed to come from the future, seconds.
    ahead_seconds: u32,
    /// How old a report was on arrival, and since when (seconds since 1970) others were about as old; 0: nothing is old.
    old_seconds: u32,
    old_since: u32,
}

/// No time in seconds since 1970 is larger, nor could be multiplied: 2100-01-01.
const SECONDS_MAX: i64 = 4_102_444_800;
/// A time in seconds is taken for one if it is at most so old on arrival: a month of what was stored.
const SECONDS_AGE_MAX: i64 = 30 * 86_400;
/// ... and at most so far ahead: a zone that was added.
const SECONDS_AHEAD_MAX: i64 = 86_400;

/// Reports that were equally old on arrival for so long, seconds, come from a clock that is behind.
pub const SURE_SECONDS: i64 = 600;

impl DeviceClock {
    fn measured(&mut self, report: &Report, received: Timestamp) -> Measured {
        let Some(claimed) = report.measured else {
            return Measured { at: received, late: false, skew_ms: 0, clamped: false };
        };
        let claimed = self.meant(claimed, received);
        let skew_ms = claimed.millis_since(received);
        let mut age_millis = -skew_ms;
        if age_millis > LATE_AFTER_SECONDS * 1000 {
            age_millis -= self.judge(age_millis / 1000, received) * 1000;
        } else {
            // A clock that was set right, or never was wrong, or is ahead.
            let ahead_seconds = u32::try_from(skew_ms / 1000).unwrap_or(0);
            *self = DeviceClock { ahead_seconds, ..DeviceClock::default() };
        }
        let at = received.plus_millis(-age_millis.max(0));
        Measured { at, late: age_millis > LATE_AFTER_SECONDS * 1000, skew_ms, clamped: skew_ms > 0 }
    }

    /// What a device means that counts seconds since 1970 where milliseconds are asked for: as those they are a day of
    /// January 1970, and whoever wears it would be watched by nobody. A clock that began at 1970 passes the same numbers
    /// within three quarters of an hour, in its third week, and is long known to be behind by then.
    fn meant(&self, claimed: Timestamp, received: Timestamp) -> Timestamp {
        if claimed.millis() > SECONDS_MAX || self.behind_seconds > 0 {
            return claimed;
        }
        let in_seconds = Timestamp::from_millis(claimed.millis() * 1000);
        let since = in_seconds.millis_since(received);
        if (-SECONDS_AGE_MAX * 1000..=SECONDS_AHEAD_MAX * 1000).contains(&since) { in_seconds } else { claimed }
    }

    /// Hears of a report that was old on arrival; by how many seconds the clock is behind.
    #[cold]
    fn judge(&mut self, age_seconds: i64, received: Timestamp) -> i64 {
        const ABOUT: u32 = LATE_AFTER_SECONDS as u32;
        let seconds = |value: i64| u32::try_from(value).unwrap_or(u32::MAX);
        let (age, now) = (seconds(age_seconds), seconds(received.millis() / 1000));
        if age < self.behind_seconds {
            // A little younger: the others took longer on the way. Much younger: the clock was set.
            self.behind_seconds = if self.behind_seconds - age <= ABOUT { age } else { 0 };
        }
        if self.old_seconds == 0 || age.abs_diff(self.old_seconds) > ABOUT {
            (self.old_seconds, self.old_since) = (age, now);
        } else if i64::from(now.saturating_sub(self.old_since)) >= SURE_SECONDS
            && age.abs_diff(self.behind_seconds) > ABOUT
        {
            self.behind_seconds = age.min(self.old_seconds);
        }
        i64::from(self.behind_seconds)
    }
}

/// What is equal for repeats and for nothing else. It is on disk: see the golden test.
fn repeat_key(report: &Report, received: Timestamp) -> u64 {
    let hash = FixedHash::new().word(type_number(report.kind()));
    match (&report.event_id, report.measured) {
        (Some(id), Some(time)) => hash.bytes(id.as_bytes()).word(time.millis() as u64),
        (Some(id), None) if is_known_for_an_hour(report) => {
            let hours = received.millis().div_euclid(REPEAT_WINDOW_SECONDS * 1000) as u64;
            hash.bytes(id.as_bytes()).word(report.content_hash).word(hours)
        }
        (Some(id), None) => hash.bytes(id.as_bytes()).word(report.content_hash),
        (None, Some(time)) => hash.word(report.content_hash).word(time.millis() as u64),
        (None, None) => hash.word(report.content_hash).word(!(received.millis() as u64)),
    }
    .finish()
}

/// Whether an id stands for the report for a while only: an alarm that does not say when it was.
fn is_known_for_an_hour(report: &Report) -> bool {
    report.measured.is_none()
        && report.event_id.is_some()
        && matches!(report.kind(), ReportKind::Sos | ReportKind::Fall)
}

/// On disk within the keys: never changed, only appended to.
fn type_number(kind: ReportKind) -> u64 {
    match kind {
        ReportKind::Location => 1,
        ReportKind::HeartRate => 2,
        ReportKind::BloodPressure => 3,
        ReportKind::Fall => 4,
        ReportKind::FallCancel => 5,
        ReportKind::Sos => 6,
        ReportKind::Spo2 => 7,
        ReportKind::Temperature => 8,
        ReportKind::Steps => 9,
        ReportKind::Battery => 10,
        ReportKind::Wear => 11,
        ReportKind::Alive => 12,
        ReportKind::Unknown => 13,
        ReportKind::Respiration => 14,
        ReportKind::Consciousness => 15,
    }
}

#[cfg(test)]
mod tests {
    use super::repeat_key;
    use crate::{Format, Limits, decode};
    use model::Timestamp;

    #[test]
    fn the_keys_are_those_that_are_on_disk() {
        let key = |json: &str| {
            let report = decode(Format::Json, json.as_bytes(), &Limits::default()).remove(0).unwrap();
            (repeat_key(&report, Timestamp::from_millis(1_795_305_600_000)), report.content_hash)
        };
        let keys = [
            key(r#"{"type":"sos","id":"7-1042","t":1795305600000}"#),
            key(r#"{"type":"heart_rate","id":"7-1043","bpm":72}"#),
            key(r#"{"type":"location","t":1795305600000,"lat":31.8206,"lon":117.2272,"acc":8,"datum":"gcj02"}"#),
            key(r#"{"type":"blood_pressure","sys":182,"dia":95,"pulse":80,"flags":4}"#),
            key(r#"{"type":"posture","lying":true}"#),
        ];
        assert_eq!(
            keys,
            [
                (7_742_082_816_438_768_164, 327_128_291_012_662_928),
                (13_988_558_537_925_581_386, 15_450_903_489_639_778_049),
                (12_111_026_109_766_052_507, 17_907_742_822_960_566_246),
                (636_179_635_110_140_226, 6_939_675_457_260_995_736),
                (11_635_929_250_790_182_225, 2_910_498_544_103_878_829)
            ]
        );
    }
}
