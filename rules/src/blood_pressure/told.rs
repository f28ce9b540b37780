//! The sentences about blood pressure.

use model::{Change, DeviceId, Finding, IncidentKind, Priority, Reading, Timestamp};

use super::{Bounds, Certainty, Cuff, RULE, RULE_VERSION, Side};
use crate::explain::{explain, lateness, reading};
use crate::{Context, Subject};

pub(super) fn found(
    subject: &Subject<'_>,
    device: &DeviceId,
    side: Side,
    cuff: Cuff,
    certainty: Certainty,
    now: Timestamp,
) -> Finding {
    let bounds = Bounds::of(subject);
    let mut readings = readings(cuff);
    let Cuff { systolic, diastolic, .. } = cuff;
    let (kind, mut zh, mut en) = match side {
        Side::High => {
            let (high, low) = (bounds.systolic_high, bounds.diastolic_high);
            readings.push(reading("systolic_threshold", f64::from(high), "mmHg", None));
            readings.push(reading("diastolic_threshold", f64::from(low), "mmHg", None));
            let zh = format!("血压过高：{systolic}/{diastolic} mmHg（警戒线 {high}/{low}）");
            (
                IncidentKind::BloodPressureHigh,
                zh,
                format!("Blood pressure {systolic}/{diastolic} mmHg (limit {high}/{low})"),
            )
        }
        Side::Low => {
            let low = bounds.systolic_low;
            readings.push(reading("systolic_threshold", f64::from(low), "mmHg", None));
            let zh = format!("血压过低：{systolic}/{diastolic} mmHg（收缩压警戒线 {low}）");
            (
                IncidentKind::BloodPressureLow,
                zh,
                format!("Blood pressure {systolic}/{diastolic} mmHg (systolic limit {low})"),
            )
        }
    };
    let (why_zh, why_en) = match certainty {
        Certainty::Repeated(count) => {
            (format!("，{count} 次测量的平均值。"), format!(", the mean of {count} readings."))
        }
        Certainty::Crisis if cuff.is_wrist => (
            "，一次腕式测量已属危急，请用袖带复测。".to_owned(),
            ", critical by itself, measured on the wrist: repeat it with a cuff.".to_owned(),
        ),
        Certainty::Crisis => ("，一次测量已属危急。".to_owned(), ", critical by itself.".to_owned()),
        Certainty::Together => (
            "，同时有求救、跌倒或心率异常。".to_owned(),
            ", together with an SOS, a fall or an abnormal heart rate.".to_owned(),
        ),
        Certainty::Unconfirmed => {
            let seconds = bounds.repeat_within_seconds;
            readings.push(reading("repeat_within", f64::from(seconds), "s", None));
            (
                format!("，{seconds} 秒内没有可靠的复测，未经确认。"),
                format!(", unconfirmed: no reliable repeat within {seconds} s."),
            )
        }
    };
    let (late_zh, late_en) = lateness(cuff.late, cuff.measured, now, &mut readings);
    zh += &(why_zh + &late_zh);
    en += &(why_en + &late_en);
    let priority = match (side, certainty) {
        (Side::Low, _) | (_, Certainty::Unconfirmed) => Priority::Medium,
        (Side::High, Certainty::Repeated(_) | Certainty::Crisis | Certainty::Together) => Priority::High,
    };
    Finding {
        kind,
        change: Change::Raised,
        wearer: subject.wearer.clone(),
        device: device.clone(),
        priority,
        at: now,
        measured: cuff.measured,
        late: cuff.late,
        confirmed: certainty != Certainty::Unconfirmed && !(certainty == Certainty::Crisis && cuff.is_wrist),
        position: subject.position,
        explain: explain(RULE, RULE_VERSION, readings, zh, en),
    }
}

pub(super) fn cleared(context: &Context<'_>, side: Side, cuff: Cuff) -> Finding {
    let Cuff { systolic, diastolic, .. } = cuff;
    let kind = match side {
        Side::High => IncidentKind::BloodPressureHigh,
        Side::Low => IncidentKind::BloodPressureLow,
    };
    Finding {
        kind,
        change: Change::Cleared,
        wearer: context.subject.wearer.clone(),
        device: context.subject.device.clone(),
        priority: Priority::Low,
        at: context.now,
        measured: context.measured,
        late: context.late,
        confirmed: true,
        position: context.subject.position,
        explain: explain(
            RULE,
            RULE_VERSION,
            readings(cuff),
            format!("血压已恢复：{systolic}/{diastolic} mmHg。"),
            format!("Blood pressure is back at {systolic}/{diastolic} mmHg."),
        ),
    }
}

fn readings(cuff: Cuff) -> Vec<Reading> {
    let at = Some(cuff.measured);
    vec![
        reading("systolic", f64::from(cuff.systolic), "mmHg", at),
        reading("diastolic", f64::from(cuff.diastolic), "mmHg", at),
    ]
}
