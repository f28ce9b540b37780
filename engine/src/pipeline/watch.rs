//! Who watches a console: begun and kept up by the console's signs of life, over when they stop.

use model::duty::{WATCH_SECONDS, Watch};
use model::{Actor, Decision, Reply, Role, StaffCommand, Timestamp};

use super::Pipeline;
use super::respond::not_allowed;

/// Who can take an alarm at a console.
const WATCHERS: [Role; 6] = [Role::Admin, Role::Operator, Role::Desk, Role::GridWorker, Role::Street, Role::Department];

impl Pipeline {
    /// Somebody's console gives a sign of life, or they end their watch.
    pub(super) fn watch(&mut self, actor: &Actor, on: bool, at: Timestamp, decisions: &mut Vec<Decision>) -> Reply {
        if !WATCHERS.contains(&actor.role) {
            return Reply::Refused(not_allowed("who can take an alarm watches, and nobody else"));
        }
        let since = self.watched_since(actor, at);
        if !on && since.is_none() {
            return Reply::Done(None);
        }
        let watch = Watch {
            person: actor.person.clone(),
            role: actor.role,
            org: actor.scope.clone(),
            since: since.unwrap_or(at),
            until: if on { at.plus_seconds(WATCH_SECONDS) } else { at },
        };
        self.alerting.apply_watch(watch.clone(), at);
        decisions.push(Decision::Watch(Box::new(watch)));
        Reply::Done(None)
    }

    /// A sign of life within a watch is no act of its own: that it began and ended is in the audit.
    pub(super) fn is_watched_on(&self, actor: &Actor, command: &StaffCommand, at: Timestamp) -> bool {
        *command == StaffCommand::Watch { on: true } && self.watched_since(actor, at).is_some_and(|since| since < at)
    }

    fn watched_since(&self, actor: &Actor, at: Timestamp) -> Option<Timestamp> {
        self.alerting.watches().find(|watch| watch.person == actor.person && at < watch.until).map(|watch| watch.since)
    }
}

#[cfg(test)]
mod tests {
    use model::{Decision, Input, StaffCommand};

    use super::super::tests::{at, begun, command, image, recovered};

    #[test]
    fn a_watch_lasts_as_long_as_its_console_gives_signs_of_life_and_is_in_the_audit_twice() {
        let (mut pipeline, mut records) = begun();
        let watch = |on| -> Input { command(StaffCommand::Watch { on }, None) };
        let until = |pipeline: &super::Pipeline| pipeline.alerting().watches().map(|watch| watch.until).max();
        for second in [0.0, 20.0, 40.0, 60.0] {
            pipeline.decide(watch(true), at(second), &mut records);
        }
        let known = pipeline.alerting().watches().next().unwrap().clone();
        assert_eq!((known.since, known.until), (at(0.0), at(120.0)));
        assert!(known.covers(&model::OrgPath::new("/luyang/"), at(119.0)) && !known.covers(&known.org, at(120.0)));
        assert_eq!(image(&pipeline), image(&recovered(&records)));
        pipeline.decide(watch(false), at(70.0), &mut records);
        assert_eq!(until(&pipeline), None);
        pipeline.decide(watch(true), at(80.0), &mut records);
        // Its console is silent; then it begins anew.
        pipeline.decide(watch(true), at(200.0), &mut records);
        assert_eq!(pipeline.alerting().watches().next().map(|watch| watch.since), Some(at(200.0)));
        assert_eq!(image(&pipeline), image(&recovered(&records)));
        let audited = records.iter().flat_map(|record| &record.decisions).filter_map(|decision| match decision {
            Decision::Audit(entry) if entry.subject == "duty/watch" => Some(entry.action.to_string()),
            _ => None,
        });
        assert_eq!(audited.collect::<Vec<_>>(), ["watch.begin", "watch.end", "watch.begin", "watch.begin"]);
    }
}
