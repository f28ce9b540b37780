//! The members that a report may have, and where they lie in the text.

/// What a value looks like, before anybody needs to know what it says. As wide as the places beside it: a processor
/// stalls on reading at once what was written in pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u32)]
pub(super) enum Shape {
    #[default]
    Absent,
    Null,
    True,
    False,
    Number,
    /// A string without escapes.
    Text,
    /// A string with escapes.
    EscapedText,
    Object,
    Array,
    /// A bare word that JSON does not have: `NaN`, `inf`, `.5`, `None`.
    NoValue,
}

impl Shape {
    /// As it is called in a detail.
    pub(super) fn name(self) -> &'static str {
        match self {
            Shape::Absent => "missing",
            Shape::Null => "null",
            Shape::True | Shape::False => "a boolean",
            Shape::Number => "a number",
            Shape::Text | Shape::EscapedText => "a string",
            Shape::Object => "an object",
            Shape::Array => "an array",
            Shape::NoValue => "no JSON value",
        }
    }
}

/// A value: its shape and where it lies. Of a string, without its quotes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Raw {
    pub(super) shape: Shape,
    pub(super) start: u32,
    pub(super) end: u32,
}

/// The members that we know, in any type of report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Member {
    Type,
    Id,
    Time,
    Lat,
    Lon,
    Accuracy,
    Datum,
    Bpm,
    Systolic,
    Diastolic,
    Pulse,
    Flags,
    Confidence,
    Percent,
    Celsius,
    Count,
    On,
    Value,
    BreathsPerMinute,
    Level,
}

impl Member {
    /// How many members there are.
    pub(super) const COUNT: usize = Member::Level as usize + 1;

    /// The name in the wire format.
    pub(super) fn name(self) -> &'static str {
        match self {
            Member::Type => "type",
            Member::Id => "id",
            Member::Time => "t",
            Member::Lat => "lat",
            Member::Lon => "lon",
            Member::Accuracy => "acc",
            Member::Datum => "datum",
            Member::Bpm => "bpm",
            Member::Systolic => "sys",
            Member::Diastolic => "dia",
            Member::Pulse => "pulse",
            Member::Flags => "flags",
            Member::Confidence => "confidence",
            Member::Percent => "pct",
            Member::Celsius => "celsius",
            Member::Count => "count",
            Member::On => "on",
            Member::Value => "value",
            Member::BreathsPerMinute => "rpm",
            Member::Level => "level",
        }
    }

    pub(super) fn named(name: &[u8]) -> Option<Member> {
        Some(match name {
            b"type" => Member::Type,
            b"id" => Member::Id,
            b"t" => Member::Time,
            b"lat" => Member::Lat,
            b"lon" => Member::Lon,
            b"acc" => Member::Accuracy,
            b"datum" => Member::Datum,
            b"bpm" => Member::Bpm,
            b"sys" => Member::Systolic,
            b"dia" => Member::Diastolic,
            b"pulse" => Member::Pulse,
            b"flags" => Member::Flags,
            b"confidence" => Member::Confidence,
            b"pct" => Member::Percent,
            b"celsius" => Member::Celsius,
            b"count" => Member::Count,
            b"on" => Member::On,
            b"value" => Member::Value,
            b"rpm" => Member::BreathsPerMinute,
            b"level" => Member::Level,
            _ => return None,
        })
    }
}

/// A short name as a word: the first letter lowest, zeros above the last.
const fn word(name: &str) -> u64 {
    let (mut word, mut at) = (0, name.len());
    while at > 0 {
        at -= 1;
        word = word << 8 | name.as_bytes()[at] as u64;
    }
    word
}

impl Member {
    /// The member of a short name, given as a word.
    #[inline]
    pub(super) fn of_word(name: u64) -> Option<Member> {
        const TYPE: u64 = word("type");
        const ID: u64 = word("id");
        const TIME: u64 = word("t");
        const LAT: u64 = word("lat");
        const LON: u64 = word("lon");
        const ACCURACY: u64 = word("acc");
        const BPM: u64 = word("bpm");
        const SYSTOLIC: u64 = word("sys");
        const DIASTOLIC: u64 = word("dia");
        const PULSE: u64 = word("pulse");
        const PERCENT: u64 = word("pct");
        Some(match name {
            TYPE => Member::Type,
            ID => Member::Id,
            TIME => Member::Time,
            LAT => Member::Lat,
            LON => Member::Lon,
            ACCURACY => Member::Accuracy,
            BPM => Member::Bpm,
            SYSTOLIC => Member::Systolic,
            DIASTOLIC => Member::Diastolic,
            PULSE => Member::Pulse,
            PERCENT => Member::Percent,
            _ => return None,
        })
    }
}

/// Where the known members of one object lie, and the values of those that are numbers.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Members {
    raws: [Raw; Member::COUNT],
    numbers: [f64; Member::COUNT],
}

impl Members {
    #[inline]
    pub(super) fn set(&mut self, member: Member, raw: Raw, number: f64) {
        self.raws[member as usize] = raw;
        self.numbers[member as usize] = number;
    }

    #[inline]
    pub(super) fn get(&self, member: Member) -> Raw {
        self.raws[member as usize]
    }

    /// Of a member whose shape is a number; infinite for one that is too large.
    #[inline]
    pub(super) fn number(&self, member: Member) -> f64 {
        self.numbers[member as usize]
    }
}
