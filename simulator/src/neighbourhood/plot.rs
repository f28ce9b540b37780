//! What befalls an elder, and when.

use model::Language;

/// Something that befalls an elder, so many seconds after the beginning.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Plot {
    /// Seconds after the beginning.
    pub after_s: u32,
    /// What.
    pub act: Act,
}

/// The things that befall elders.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Act {
    /// Presses the button.
    Sos,
    /// Falls; the bracelet notices.
    Fall,
    /// Says that it was no fall.
    FallCancel,
    /// Measures the blood pressure, mmHg.
    Cuff {
        /// Systolic.
        systolic: u16,
        /// Diastolic.
        diastolic: u16,
    },
    /// Walks off, out of the fence, until so far from home.
    WalkAway {
        /// Metres from home at which they stop.
        metres: f64,
    },
    /// Walks (or is walked) home.
    WalkHome,
}

impl Plot {
    /// So many seconds after the beginning.
    #[must_use]
    pub fn after(after_s: u32, act: Act) -> Plot {
        Plot { after_s, act }
    }

    /// `+0:35 吴淑芬 falls`: for the timeline that the demo prints.
    #[must_use]
    pub fn announce(&self, name: &str, language: Language) -> String {
        let (zh, en) = match self.act {
            Act::Sos => ("按下 SOS".to_owned(), "presses SOS".to_owned()),
            Act::Fall => ("跌倒".to_owned(), "falls".to_owned()),
            Act::FallCancel => ("说没事（取消跌倒报警）".to_owned(), "says it was nothing (fall cancelled)".to_owned()),
            Act::Cuff { systolic, diastolic } => {
                (format!("量血压 {systolic}/{diastolic}"), format!("measures {systolic}/{diastolic} mmHg"))
            }
            Act::WalkAway { .. } => ("独自走远".to_owned(), "walks off, out of the fence".to_owned()),
            Act::WalkHome => ("被接回家".to_owned(), "is walked home".to_owned()),
        };
        let words = if language == Language::ZhCn { zh } else { en };
        format!("+{}:{:02} {name} {words}", self.after_s / 60, self.after_s % 60)
    }
}
