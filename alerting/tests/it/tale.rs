//! How what was decided is told.

use alerting::Output;
use model::{AttemptState, Channel, EventKind, Purpose, Timestamp};

/// What a nurse would call it; with whom, where several of a kind are told together.
pub fn phrase(output: &Output, now: Timestamp) -> (String, Option<String>) {
    match output {
        Output::Escalation(_) => (String::new(), None),
        Output::Down { device, kind } => (format!("{device}: {}", kind.name()), None),
        Output::Refused(problem) => {
            let holder = problem.holder.as_ref().map(|h| format!(", held by {h}")).unwrap_or_default();
            let pointers: Vec<&str> = problem.errors.iter().map(|fault| fault.pointer.as_str()).collect();
            let pointers = if pointers.is_empty() { String::new() } else { format!(" {}", pointers.join(" ")) };
            let status = problem.code.status();
            (format!("refused {status} {}{pointers}{holder}", problem.detail_zh), None)
        }
        Output::Incident { kind, incident, .. } => {
            let name = kind.name().strip_prefix("incident.").unwrap();
            let told = match kind {
                EventKind::IncidentRaised => format!("RAISED {:?} {:?}", incident.kind, incident.priority),
                EventKind::IncidentAcknowledged => {
                    let by = incident.acknowledged_by.as_ref().unwrap();
                    let channel = by.channel.map_or("api".to_owned(), |c| format!("{c:?}").to_lowercase());
                    format!("ACKNOWLEDGED by {} ({channel})", by.person)
                }
                EventKind::IncidentOnSite => format!("ON_SITE {}", incident.on_site_by.as_ref().unwrap()),
                EventKind::IncidentRecurred => {
                    format!("RECURRED {:?} ×{}", incident.kind, incident.occurrence_count)
                }
                EventKind::IncidentUpdated => format!("updated {:?} ×{}", incident.kind, incident.occurrence_count),
                EventKind::IncidentNoted => format!("noted '{}'", incident.notes.last().unwrap().text),
                EventKind::IncidentExhausted if incident.unreachable => "EXHAUSTED, UNREACHABLE".to_owned(),
                _ => name.to_uppercase(),
            };
            (told, None)
        }
        Output::Attempt { kind, attempt, .. } => {
            let who = attempt.callee.person.to_string();
            let channel = match attempt.channel {
                Channel::Sms => "text",
                Channel::Voice => "call",
                Channel::Push => "push",
                Channel::Email => "mail",
                Channel::Robot => "robot",
            };
            let purpose = match attempt.purpose {
                Purpose::Alert => "",
                Purpose::Taken => "-taken",
                Purpose::Ended => "-ended",
                Purpose::Reminder => "-again",
                Purpose::Position => "-position",
                Purpose::Test => "-test",
                Purpose::Welfare => "-welfare",
                Purpose::Code => "-code",
            };
            match kind {
                EventKind::AttemptStarted => (format!("{channel}{purpose}"), Some(who)),
                EventKind::AttemptAccepted => (String::new(), None),
                EventKind::AttemptCancelled => (format!("cancel-{channel}{purpose}"), Some(who)),
                EventKind::AttemptRetrying => {
                    let wait = attempt.not_before.millis_since(now) / 1000;
                    (format!("{channel}-retry-in-{wait}s"), Some(who))
                }
                _ if attempt.state == AttemptState::Failed => {
                    let outcome = attempt.outcome.map_or("unknown".to_owned(), |o| format!("{o:?}").to_lowercase());
                    (format!("{who} {channel} failed ({outcome})"), None)
                }
                _ => {
                    let what = kind.name().strip_prefix("attempt.").unwrap();
                    (format!("{who} {what}"), None)
                }
            }
        }
    }
}
