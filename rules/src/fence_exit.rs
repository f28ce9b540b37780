//! Left an area that is to be stayed in, or went into one that is to be stayed out of; and back. `geofence` has made sure of it; this says what it means.

use model::explain::FENCE_ENTRY;
use model::{Change, Crossing, CrossingDirection, Finding, IncidentKind, Priority};

use crate::Context;
use crate::explain::{explain, lateness, reading};

const RULE: &str = "fence_exit";
const RULE_VERSION: u16 = 1;

pub(crate) fn found(context: &Context<'_>, crossing: &Crossing) -> Finding {
    let distance_m = crossing.distance_m.abs();
    let accuracy_m = f64::from(crossing.located.accuracy_m);
    let mut readings = vec![reading("distance", crossing.distance_m, "m", Some(crossing.measured))];
    let (fence, margin_m, fixes) = (&crossing.fence, crossing.margin_m, crossing.fixes);
    let (change, priority, zh, en) = match crossing.direction {
        CrossingDirection::Exit => {
            readings.extend([
                reading("margin", margin_m, "m", None),
                reading("accuracy", accuracy_m, "m", None),
                reading("fixes", f64::from(fixes), "", None),
            ]);
            (
                Change::Raised,
                Priority::Medium,
                format!(
                    "离开围栏“{fence}”：界外 {distance_m:.0} 米（允许 {margin_m:.0} 米，定位精度 {accuracy_m:.0} 米，依据 {fixes} 次定位）。"
                ),
                format!(
                    "Left the fence \"{fence}\": {distance_m:.0} m outside ({margin_m:.0} m allowed, accuracy {accuracy_m:.0} m, fixes: {fixes})."
                ),
            )
        }
        CrossingDirection::Return => (
            Change::Cleared,
            Priority::Low,
            format!("回到围栏“{fence}”：界内 {distance_m:.0} 米。"),
            format!("Back within the fence \"{fence}\": {distance_m:.0} m inside."),
        ),
        CrossingDirection::Enter => {
            readings.extend([reading("accuracy", accuracy_m, "m", None), reading("fixes", f64::from(fixes), "", None)]);
            let is_through = crossing.distance_m > 0.0;
            let (where_zh, where_en) =
                if is_through { ("已穿过，界外", "and out again, by") } else { ("界内", "by") };
            (
                Change::Raised,
                Priority::Medium,
                format!(
                    "进入禁入区“{fence}”：{where_zh} {distance_m:.0} 米（定位精度 {accuracy_m:.0} 米，依据 {fixes} 次定位）。"
                ),
                format!(
                    "Went into the area to be kept out of \"{fence}\", {where_en} {distance_m:.0} m (accuracy {accuracy_m:.0} m, fixes: {fixes})."
                ),
            )
        }
        CrossingDirection::Leave => (
            Change::Cleared,
            Priority::Low,
            format!("离开禁入区“{fence}”：界外 {distance_m:.0} 米。"),
            format!("Out of the area to be kept out of \"{fence}\" again: {distance_m:.0} m away."),
        ),
    };
    let is_exclusion = matches!(crossing.direction, CrossingDirection::Enter | CrossingDirection::Leave);
    let rule = if is_exclusion { FENCE_ENTRY } else { RULE };
    let (late_zh, late_en) = lateness(context.late, crossing.measured, context.now, &mut readings);
    Finding {
        kind: IncidentKind::FenceExit,
        change,
        wearer: context.subject.wearer.clone(),
        device: context.subject.device.clone(),
        priority,
        at: context.now,
        measured: crossing.measured,
        late: context.late,
        confirmed: true,
        position: Some(crossing.located.position),
        explain: explain(rule, RULE_VERSION, readings, zh + &late_zh, en + &late_en),
    }
}
