//! From the members of one object to a report.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use compact_str::CompactString;
use model::{Consciousness, Datum, Fix, RejectReason, Report, ReportBody, Timestamp};

use super::members::{Member, Members, Raw, Shape};
use super::scan::unescaped;
use crate::content;
use crate::fault::Fault;
use crate::hash::FixedHash;
use crate::time;

/// One object: the whole text that offsets count in, the object within it, and its members.
pub(super) struct Source<'a> {
    pub(super) text: &'a str,
    pub(super) object: &'a str,
    pub(super) members: &'a Members,
}

impl Source<'_> {
    /// The report. Never a fault for an alarm.
    pub(super) fn report(&self) -> Result<Report, Fault> {
        let kind = self.type_name()?;
        let body = match &*kind {
            "location" => ReportBody::Location(self.fix()?),
            "heart_rate" => ReportBody::HeartRate { bpm: self.whole(&[Member::Bpm], content::BPM)? as u16 },
            "blood_pressure" => self.blood_pressure()?,
            "spo2" => ReportBody::Spo2 { percent: self.whole(&[Member::Percent, Member::Value], content::SPO2)? as u8 },
            "temperature" => {
                let celsius = self.in_range(&[Member::Celsius, Member::Value], content::CELSIUS)? as f32;
                ReportBody::Temperature { celsius }
            }
            "steps" => ReportBody::Steps { count: self.whole(&[Member::Count, Member::Value], content::STEPS)? as u32 },
            "battery" => {
                ReportBody::Battery { percent: self.whole(&[Member::Percent, Member::Value], content::BATTERY)? as u8 }
            }
            "wear" => ReportBody::Wear { on: self.boolean(Member::On)? },
            "alive" => ReportBody::Alive,
            "respiration" => {
                let members = [Member::BreathsPerMinute, Member::Value];
                ReportBody::Respiration { per_minute: self.whole(&members, content::RESPIRATION)? as u8 }
            }
            "consciousness" => ReportBody::Consciousness { level: self.consciousness()? },
            _ => match self.alarm_of(&kind) {
                Some(alarm) => return Ok(alarm),
                None => return self.unknown(&kind),
            },
        };
        let content_hash = content::hash(&body);
        Ok(Report { event_id: self.event_id()?, measured: self.time()?, body, content_hash })
    }

    /// The report, if it is an alarm: whatever is not as it should be counts as absent.
    pub(super) fn alarm(&self) -> Option<Report> {
        self.type_name().ok().and_then(|kind| self.alarm_of(&kind))
    }

    fn alarm_of(&self, kind: &str) -> Option<Report> {
        let fix = || self.fix().ok();
        let body = if kind.eq_ignore_ascii_case("sos") {
            ReportBody::Sos { fix: fix() }
        } else if kind.eq_ignore_ascii_case("fall") {
            let confidence = self.number(Member::Confidence).ok().flatten().and_then(content::confidence);
            ReportBody::Fall { confidence, fix: fix() }
        } else if kind.eq_ignore_ascii_case("fall_cancel") {
            ReportBody::FallCancel
        } else {
            return None;
        };
        let measured = self.time().ok().flatten().filter(|claimed| claimed.millis() >= time::CLOCK_SET_MILLIS_MIN);
        let mut content_hash = content::hash(&body);
        let claimed = self.members.get(Member::Time);
        if measured.is_none() && !matches!(claimed.shape, Shape::Absent | Shape::Null) {
            // Two presses with times that mean nothing are still two presses.
            content_hash = FixedHash::new().word(content_hash).bytes(self.slice(claimed).as_bytes()).finish();
        }
        Some(Report { event_id: self.event_id().unwrap_or(None), measured, body, content_hash })
    }

    /// Kept, not interpreted. It must be whole JSON, since others will read what is kept.
    fn unknown(&self, kind: &str) -> Result<Report, Fault> {
        if let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(self.object) {
            let detail = format!("not JSON within this object, line {} column {}", error.line(), error.column());
            return Err(Fault::new(RejectReason::Malformed, detail));
        }
        let body = content::unknown(kind, self.object);
        let content_hash = content::hash(&body);
        let measured = self.time().unwrap_or(None);
        Ok(Report { event_id: self.event_id().unwrap_or(None), measured, body, content_hash })
    }

    fn type_name(&self) -> Result<Cow<'_, str>, Fault> {
        let raw = self.members.get(Member::Type);
        self.string(raw).ok_or_else(|| self.bad(Member::Type, raw, "send the report's type as a string"))
    }

    fn event_id(&self) -> Result<Option<CompactString>, Fault> {
        let raw = self.members.get(Member::Id);
        match raw.shape {
            Shape::Absent | Shape::Null => Ok(None),
            Shape::Number => Ok(content::event_id(self.slice(raw))),
            _ => match self.string(raw) {
                Some(text) => Ok(content::event_id(&text)),
                None => Err(self.bad(Member::Id, raw, "send a string of at most 64 bytes")),
            },
        }
    }

    fn time(&self) -> Result<Option<Timestamp>, Fault> {
        let raw = self.members.get(Member::Time);
        let time = match raw.shape {
            Shape::Absent | Shape::Null => return Ok(None),
            Shape::Number => time::from_millis(self.members.number(Member::Time)),
            Shape::Text => time::parse_rfc3339(self.slice(raw)),
            _ => None,
        };
        let advice = "send RFC 3339 with an offset, or milliseconds since 1970, up to the year 9999";
        time.map(Some).ok_or_else(|| self.bad(Member::Time, raw, advice))
    }

    fn fix(&self) -> Result<Fix, Fault> {
        let (lat, lon) = (self.required(Member::Lat)?, self.required(Member::Lon)?);
        let accuracy_m = self.number(Member::Accuracy)?;
        let datum = self.datum()?;
        content::fix(lat, lon, datum, accuracy_m).map_err(|detail| {
            let at = self.members.get(Member::Lat).start;
            Fault::new(RejectReason::Implausible, format!("byte {at}: {detail}"))
        })
    }

    fn datum(&self) -> Result<Option<Datum>, Fault> {
        let raw = self.members.get(Member::Datum);
        if matches!(raw.shape, Shape::Absent | Shape::Null) {
            return Ok(None);
        }
        let name = self.string(raw).unwrap_or_default();
        let is = |datum: &str| name.eq_ignore_ascii_case(datum);
        if is("wgs84") || is("cgcs2000") {
            Ok(Some(Datum::Wgs84))
        } else if is("gcj02") {
            Ok(Some(Datum::Gcj02))
        } else if is("bd09") {
            Ok(Some(Datum::Bd09))
        } else {
            Err(self.bad(Member::Datum, raw, "send wgs84, cgcs2000, gcj02 or bd09"))
        }
    }

    fn blood_pressure(&self) -> Result<ReportBody, Fault> {
        let systolic = self.whole(&[Member::Systolic], content::SYSTOLIC)? as u16;
        let diastolic = self.whole(&[Member::Diastolic], content::DIASTOLIC)? as u16;
        if systolic <= diastolic {
            let at = self.members.get(Member::Systolic).start;
            let detail = format!("byte {at}: {}", content::PRESSURES_CROSSED);
            return Err(Fault::new(RejectReason::Implausible, detail));
        }
        // A pulse of 0 is one that was not measured; the pressures are good without it.
        let pulse = self.number(Member::Pulse)?.filter(|bpm| content::BPM.contains(bpm)).map(|bpm| bpm.round() as u16);
        let flags = match self.number(Member::Flags)? {
            None => 0,
            Some(_) => self.whole(&[Member::Flags], content::FLAGS)? as u16,
        };
        Ok(ReportBody::BloodPressure { systolic, diastolic, pulse, flags })
    }

    fn consciousness(&self) -> Result<Consciousness, Fault> {
        let raw = self.members.get(Member::Level);
        let level = self.string(raw).and_then(|text| Consciousness::named(&text));
        level.ok_or_else(|| self.bad(Member::Level, raw, "send alert, confused, voice, pain or unresponsive"))
    }

    fn boolean(&self, member: Member) -> Result<bool, Fault> {
        let raw = self.members.get(member);
        match (raw.shape, self.slice(raw)) {
            (Shape::True, _) | (Shape::Number, "1") => Ok(true),
            (Shape::False, _) | (Shape::Number, "0") => Ok(false),
            _ => Err(self.bad(member, raw, "send true or false")),
        }
    }

    /// A number in a range, rounded to a whole one.
    fn whole(&self, members: &[Member], range: RangeInclusive<f64>) -> Result<f64, Fault> {
        self.in_range(members, range).map(f64::round)
    }

    fn in_range(&self, members: &[Member], range: RangeInclusive<f64>) -> Result<f64, Fault> {
        let member = self.present(members);
        let value = self.required(member)?;
        if range.contains(&value) {
            return Ok(value);
        }
        let (at, name, low, high) = (self.members.get(member).start, member.name(), range.start(), range.end());
        let detail = format!("byte {at}: `{name}` must be {low} to {high}; leave out what was not measured");
        Err(Fault::new(RejectReason::Implausible, detail))
    }

    #[inline]
    fn required(&self, member: Member) -> Result<f64, Fault> {
        match self.number(member)? {
            Some(value) => Ok(value),
            None => Err(self.bad(member, self.members.get(member), "send a number")),
        }
    }

    /// The first of these that is there, else the first.
    fn present(&self, members: &[Member]) -> Member {
        let is_there = |member: &&Member| !matches!(self.members.get(**member).shape, Shape::Absent | Shape::Null);
        *members.iter().find(is_there).unwrap_or(&members[0])
    }

    /// A finite number, if it is there.
    #[inline]
    fn number(&self, member: Member) -> Result<Option<f64>, Fault> {
        let raw = self.members.get(member);
        match raw.shape {
            Shape::Absent | Shape::Null => Ok(None),
            Shape::Number => {
                let value = self.members.number(member);
                if value.is_finite() { Ok(Some(value)) } else { Err(self.bad(member, raw, "send a finite number")) }
            }
            _ => Err(self.bad(member, raw, "send a number")),
        }
    }

    fn string(&self, raw: Raw) -> Option<Cow<'_, str>> {
        match raw.shape {
            Shape::Text => Some(Cow::Borrowed(self.slice(raw))),
            Shape::EscapedText => unescaped(self.slice(raw)).map(Cow::Owned),
            _ => None,
        }
    }

    fn slice(&self, raw: Raw) -> &str {
        &self.text[raw.start as usize..raw.end as usize]
    }

    fn bad(&self, member: Member, raw: Raw, advice: &str) -> Fault {
        let name = member.name();
        let detail = match raw.shape {
            Shape::Absent | Shape::Null => format!("`{name}` is missing; {advice}"),
            shape => format!("byte {}: `{name}` is {} that cannot be used; {advice}", raw.start, shape.name()),
        };
        Fault::new(RejectReason::BadField, detail)
    }
}
