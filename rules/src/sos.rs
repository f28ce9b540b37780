//! The button: no delay, no condition, never gated by anything (clinical.md, SOS).

use model::{Change, Finding, IncidentKind, Priority};

use crate::Context;
use crate::explain::{explain, lateness};

const RULE: &str = "sos";
const RULE_VERSION: u16 = 1;

pub(crate) fn found(context: &Context<'_>) -> Finding {
    let mut readings = Vec::new();
    let (late_zh, late_en) = lateness(context.late, context.measured, context.now, &mut readings);
    let zh = format!("按下了求救键。{late_zh}");
    let en = format!("The SOS button was pressed.{late_en}");
    Finding {
        kind: IncidentKind::Sos,
        change: Change::Raised,
        wearer: context.subject.wearer.clone(),
        device: context.subject.device.clone(),
        priority: Priority::High,
        at: context.now,
        measured: context.measured,
        late: context.late,
        confirmed: true,
        position: context.position(),
        explain: explain(RULE, RULE_VERSION, readings, zh, en),
    }
}
