//! Who sees exactly where, and how somebody is: a grid worker or volunteer only while they hold the case; before and
//! after, about a kilometre, and that something is wrong.

use model::{Actor, Attempt, Case, Category, Entity, Event, Incident, Position, Role};

/// What a degree is rounded to for who does not hold the case: a hundredth, about a kilometre.
const ROUGH_DEGREES: f64 = 0.01;

/// Whether somebody is shown exact places without holding the case.
pub(crate) fn is_for(actor: &Actor) -> bool {
    !matches!(actor.role, Role::GridWorker | Role::Volunteer)
}

/// A case as somebody may see it.
pub(crate) fn case(mut case: Case, actor: &Actor) -> Case {
    if is_for(actor) || holds(Some(&case), actor) {
        return case;
    }
    if let Some(place) = &mut case.place {
        place.position = place.position.map(rough);
        place.text.clear();
    }
    for check_in in &mut case.check_ins {
        check_in.spot = None;
    }
    case
}

/// Whether a case is somebody's to see to now.
fn holds(case: Option<&Case>, actor: &Actor) -> bool {
    case.is_some_and(|case| case.state.is_open() && case.handler.as_ref() == Some(&actor.person))
}

/// What somebody was told, as another may see it: of an incident whose case is not theirs, that they were.
pub(crate) fn attempt(mut attempt: Attempt, case: Option<&Case>, actor: &Actor) -> Attempt {
    if !is_for(actor) && !holds(case, actor) {
        attempt.text.clear();
        attempt.params.clear();
    }
    attempt
}

/// An incident as somebody may see it; `case` is its case, if it has one.
pub(crate) fn incident(mut incident: Incident, case: Option<&Case>, actor: &Actor) -> Incident {
    if is_for(actor) || holds(case, actor) {
        return incident;
    }
    if incident.occurrences.iter().any(|occurrence| occurrence.kind.category() == Category::Health) {
        incident.explain.clear();
        incident.explain_en.clear();
    }
    incident.position = incident.position.map(rough);
    for occurrence in &mut incident.occurrences {
        occurrence.position = occurrence.position.map(rough);
        if occurrence.kind.category() == Category::Health {
            occurrence.explain.readings.clear();
            occurrence.explain.zh.clear();
            occurrence.explain.en.clear();
        }
    }
    incident
}

/// An event as somebody may see it. An incident on the feed is never exact for who may have to hold its case first:
/// they read it when they do.
pub(crate) fn event(mut event: Event, actor: &Actor) -> Event {
    if is_for(actor) {
        return event;
    }
    event.entity = match event.entity {
        Entity::Case(it) => Entity::Case(Box::new(case(*it, actor))),
        Entity::Incident(it) => Entity::Incident(Box::new(incident(*it, None, actor))),
        Entity::Attempt(it) => Entity::Attempt(Box::new(attempt(*it, None, actor))),
        other => other,
    };
    event
}

fn rough(position: Position) -> Position {
    let round = |degrees: f64| ((degrees / ROUGH_DEGREES).round() * ROUGH_DEGREES * 100.0).round() / 100.0;
    Position { lat: round(position.lat), lon: round(position.lon) }
}
