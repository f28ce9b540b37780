//! Stories of who can be reached, campaigns, and devices that nobody wears.

use model::campaign::{CampaignKind, CampaignOrder};
use model::registry::WearerMode;
use model::{
    AttemptOutcome, Channel, Decision, DeviceId, Entity, EventKind, IncidentKind, IncidentState, Input, PersonId,
    Record, RegistryChange, Reply, StaffCommand, WearerId,
};

use super::Pipeline;
use super::tests::{ZONE, at, begun, call_of, callback, command, image, recovered, report};

fn import(document: &str) -> model::Input {
    let change = crate::registry::validate_alone(document.as_bytes(), ZONE).unwrap();
    command(StaffCommand::Import(Box::new(change)), None)
}

fn events(records: &[Record]) -> Vec<(EventKind, Entity)> {
    let decisions = records.iter().flat_map(|record| &record.decisions);
    let events = decisions.filter_map(|decision| match decision {
        Decision::Event(event) => Some((event.kind, event.entity.clone())),
        _ => None,
    });
    events.collect()
}

fn tasks(records: &[Record]) -> Vec<String> {
    let task = |(kind, entity): (EventKind, Entity)| match entity {
        Entity::Task(task) => Some(format!("{} {} {}", kind.name(), task.kind.name(), task.wearer)),
        _ => None,
    };
    events(records).into_iter().filter_map(task).collect()
}

fn reply(records: &[Record]) -> &Reply {
    let decisions = records.last().unwrap().decisions.iter();
    let mut replies = decisions.filter_map(|d| if let Decision::Reply(reply) = d { Some(&**reply) } else { None });
    replies.next_back().unwrap()
}

fn check_recovery(pipeline: &Pipeline, records: &[Record]) {
    assert_eq!(image(pipeline), image(&recovered(records)), "recovered from the journal");
}

const UNBOUND: &str = r#"{"devices":[{"id":"b1","kind":"bracelet","secret":"not used here"}]}"#;

#[test]
fn an_sos_of_a_device_that_nobody_wears_is_the_desks() {
    let (mut pipeline, mut records) = begun();
    pipeline.decide(import(UNBOUND), at(-30.0), &mut records);
    pipeline.decide(report(r#"{"type":"battery","id":"1","pct":50}"#), at(0.0), &mut records);
    assert_eq!(pipeline.open_incidents().count(), 0);
    pipeline.decide(report(r#"{"type":"sos","id":"2"}"#), at(1.0), &mut records);
    pipeline.decide(report(r#"{"type":"sos","id":"2"}"#), at(2.0), &mut records);
    let incident = pipeline.open_incidents().next().unwrap().clone();
    assert_eq!((incident.kind, incident.state), (IncidentKind::Sos, IncidentState::Exhausted));
    assert_eq!((incident.wearer.as_str(), incident.org.as_str()), ("device:b1", "/luyang/xinghua/yinxing/"));
    assert_eq!(incident.occurrence_count, 1, "a repeat is a repeat");
    assert!(incident.case.is_some() && !incident.unreachable);
    let call = call_of(&records, "desk");
    pipeline.decide(report(r#"{"type":"location","id":"3","lat":31.9,"lon":117.3,"acc":8}"#), at(3.0), &mut records);
    assert_eq!(pipeline.open_incidents().next().unwrap().position, model::Position::new(31.9, 117.3));
    pipeline.decide(callback(call, AttemptOutcome::Key, Some("1")), at(5.0), &mut records);
    assert_eq!(pipeline.open_incidents().next().unwrap().state, IncidentState::Acknowledged);
    check_recovery(&pipeline, &records);
}

#[test]
fn a_whistle_about_a_device_that_nobody_wears_names_the_device() {
    let (mut pipeline, mut records) = begun();
    pipeline.decide(import(UNBOUND), at(-30.0), &mut records);
    pipeline.decide(report(r#"{"type":"sos","id":"2"}"#), at(1.0), &mut records);
    let resolve = StaffCommand::Incident {
        id: pipeline.open_incidents().next().unwrap().id,
        action: model::IncidentAction::Resolve,
        if_match: Some(pipeline.open_incidents().next().unwrap().version),
        note: None,
        disposition: Some("false_alarm".into()),
        on_behalf_of: None,
    };
    pipeline.decide(command(resolve, None), at(5.0), &mut records);
    assert_eq!(pipeline.open_incidents().count(), 0);
    let before = records.len();
    pipeline.advance(at(600.0), &mut records);
    let text = |(_, entity): (EventKind, Entity)| match entity {
        Entity::Attempt(attempt) if attempt.channel == Channel::Sms => Some(attempt.text),
        _ => None,
    };
    let whistles: Vec<String> = events(&records[before..]).into_iter().filter_map(text).collect();
    assert!(!whistles.is_empty());
    assert!(whistles.iter().all(|text| text.contains("未绑定设备b1的使用人")), "{whistles:?}");
}

#[test]
fn an_sos_of_a_device_whose_wearer_is_not_known_is_the_desks() {
    let (mut pipeline, mut records) = begun();
    // Import refuses such a reference; a registry that was restored in part may hold one all the same.
    let mut device = pipeline.directory().devices.get("b1").unwrap().device.as_ref().clone();
    device.wearer = Some(WearerId::new("gone"));
    let change = RegistryChange { devices: vec![device], ..RegistryChange::default() };
    pipeline.decide(command(StaffCommand::Import(Box::new(change)), None), at(-30.0), &mut records);
    pipeline.decide(report(r#"{"type":"sos","id":"1"}"#), at(0.0), &mut records);
    assert_eq!(pipeline.open_incidents().next().unwrap().wearer.as_str(), "device:b1");
    call_of(&records, "desk");
    check_recovery(&pipeline, &records);
}

#[test]
fn a_test_that_somebody_forgot_silences_nobody_for_more_than_a_day() {
    let (mut pipeline, mut records) = begun();
    let mut wearer = pipeline.directory().wearers.get("w1").unwrap().wearer.as_ref().clone();
    wearer.mode = WearerMode::Test { by: PersonId::new("s1"), until: at(400.0 * 86_400.0) };
    let change = RegistryChange { wearers: vec![wearer], ..RegistryChange::default() };
    pipeline.decide(command(StaffCommand::Import(Box::new(change)), None), at(0.0), &mut records);
    pipeline.decide(report(r#"{"type":"sos","id":"1"}"#), at(86_399.0), &mut records);
    assert_eq!(pipeline.open_incidents().count(), 0, "it was tried");
    pipeline.decide(report(r#"{"type":"sos","id":"2"}"#), at(86_401.0), &mut records);
    assert_eq!(pipeline.open_incidents().next().unwrap().kind, IncidentKind::Sos);
    check_recovery(&pipeline, &records);
}

#[test]
fn a_fall_of_a_device_that_nobody_wears_is_the_desks_at_once() {
    let (mut pipeline, mut records) = begun();
    pipeline.decide(import(UNBOUND), at(-30.0), &mut records);
    pipeline.decide(report(r#"{"type":"fall","id":"1"}"#), at(0.0), &mut records);
    let incident = pipeline.open_incidents().next().unwrap().clone();
    assert_eq!((incident.kind, incident.wearer.as_str()), (IncidentKind::Fall, "device:b1"));
    call_of(&records, "desk");
    check_recovery(&pipeline, &records);
}

#[test]
fn without_any_desk_the_operators_are_called() {
    let (mut pipeline, mut records) = (Pipeline::new(ZONE), Vec::new());
    let document = r#"{"people":[{"id":"o1","role":"operator","name":"值班员","phone":"+8613800000019"}],
                       "devices":[{"id":"b1","kind":"bracelet","secret":"not used here"}]}"#;
    pipeline.decide(import(document), at(-60.0), &mut records);
    pipeline.decide(report(r#"{"type":"sos"}"#), at(0.0), &mut records);
    call_of(&records, "o1");
    check_recovery(&pipeline, &records);
}

/// One person is on duty at a community's office, day and night.
fn on_duty(org: &str, person: &str, version: Option<u32>) -> Input {
    let window = model::registry::WeeklyWindow { days: 0b111_1111, from_minute: 0, to_minute: 1_440 };
    let shifts = vec![model::duty::Shift { people: vec![PersonId::new(person)], window }];
    let (id, name, level) = ("office".into(), "值班室".to_owned(), model::case::WhistleLevel::Community);
    let units = vec![model::duty::DutyUnit { id, name, level, shifts }];
    let (org, by) = (model::OrgPath::new(org), PersonId::new("admin"));
    let roster = model::DutyRoster { org, version: 0, units, changed_by: by, changed_at: at(0.0) };
    command(StaffCommand::SetDuty { if_match: version, roster: Box::new(roster) }, None)
}

#[test]
fn a_duty_roster_alone_is_a_desk_also_for_those_below_and_for_a_device_of_nobody() {
    let (mut pipeline, mut records) = (Pipeline::new(ZONE), Vec::new());
    let document = r#"{"orgs":[{"path":"/luyang/","name":"庐阳"},{"path":"/luyang/xinghua/","name":"杏花"}],
        "people":[{"id":"s3","role":"grid_worker","name":"赵宁","phone":"+8613800000013"},
                  {"id":"o1","role":"operator","name":"值班员","phone":"+8613800000019"}],
        "wearers":[{"id":"w1","name":"王桂兰","org":"/luyang/xinghua/","guardians":[]}],
        "devices":[{"id":"b1","kind":"bracelet","secret":"not used here","wearer":"w1"},
                   {"id":"b2","kind":"bracelet","secret":"not used here"}]}"#;
    pipeline.decide(import(document), at(-60.0), &mut records);
    assert!(!pipeline.directory().has_desk(&model::OrgPath::new("/luyang/xinghua/"), &pipeline.casework));
    pipeline.decide(on_duty("/luyang/", "s3", None), at(-50.0), &mut records);
    assert!(pipeline.directory().has_desk(&model::OrgPath::new("/luyang/xinghua/"), &pipeline.casework));
    for device in ["b1", "b2"] {
        let begun = records.len();
        let Input::Report { report, .. } = report(r#"{"type":"sos"}"#) else { unreachable!() };
        pipeline.decide(Input::Report { device: DeviceId::new(device), report }, at(0.0), &mut records);
        call_of(&records[begun..], "s3");
    }
    check_recovery(&pipeline, &records);
}

#[test]
fn a_guardian_who_is_added_while_it_is_open_is_called() {
    let (mut pipeline, mut records) = begun();
    pipeline.decide(report(r#"{"type":"sos","id":"1"}"#), at(0.0), &mut records);
    let document = r#"{"orgs":[{"path":"/luyang/xinghua/yinxing/","name":"银杏社区","desk":{"phone":"+8613800000010"}}],
        "people":[{"id":"g1","role":"guardian","name":"王芳","phone":"+8613800000001"},
                  {"id":"g2","role":"guardian","name":"王强","phone":"+8613800000002"},
                  {"id":"g3","role":"guardian","name":"赵磊","phone":"+8613800000003"}],
        "wearers":[{"id":"w1","name":"王桂兰","org":"/luyang/xinghua/yinxing/","guardians":["g1","g2","g3"]}]}"#;
    pipeline.decide(import(document), at(5.0), &mut records);
    for person in ["g1", "g2"] {
        pipeline.advance(at(20.0), &mut records);
        let call = call_of(&records, person);
        pipeline.decide(callback(call, AttemptOutcome::Busy, None), at(21.0), &mut records);
    }
    call_of(&records, "g3");
    check_recovery(&pipeline, &records);
}

#[test]
fn an_elder_who_moves_takes_the_alarm_along_and_its_case_if_nobody_holds_it() {
    let moved = r#"{"orgs":[{"path":"/luyang/other/","name":"槐花社区","desk":{"phone":"+8613800000011"}}],
        "people":[{"id":"g1","role":"guardian","name":"王芳","phone":"+8613800000001"}],
        "wearers":[{"id":"w1","name":"王桂兰","org":"/luyang/other/","guardians":["g1"]}]}"#;
    let (mut pipeline, mut records) = begun();
    pipeline.decide(report(r#"{"type":"sos","id":"1"}"#), at(0.0), &mut records);
    pipeline.decide(import(moved), at(5.0), &mut records);
    let incident = pipeline.open_incidents().next().unwrap().clone();
    let case = pipeline.casework.case_of(incident.id).unwrap().clone();
    assert_eq!((incident.org.as_str(), case.org.as_str()), ("/luyang/other/", "/luyang/other/"));
    // Who had it on the screen sees it go.
    let told = |record: &Record| {
        let events = record.decisions.iter().filter_map(|decision| match decision {
            Decision::Event(event) if event.changed.iter().any(|member| member == "org") => Some(&**event),
            _ => None,
        });
        let heard = |event: &model::Event| format!("{} {}", event.entity.subject(), event.org.as_ref().unwrap());
        events.map(heard).collect::<Vec<_>>()
    };
    let (i, c) = (format!("incidents/{}", incident.id), format!("cases/{}", case.id));
    let (here, there) = ("/luyang/xinghua/yinxing/", "/luyang/other/");
    let heard = records.iter().flat_map(told).collect::<Vec<_>>();
    assert_eq!(heard, [format!("{i} {there}"), format!("{c} {there}"), format!("{i} {here}"), format!("{c} {here}")]);
    let call = call_of(&records, "g1");
    pipeline.decide(callback(call, AttemptOutcome::Key, Some("2")), at(6.0), &mut records);
    let desk = call_of(&records, "desk");
    assert_eq!(pipeline.attempt(desk).unwrap().to.0, "+8613800000011", "the desk of where they are now");
    check_recovery(&pipeline, &records);

    let (mut pipeline, mut records) = begun();
    pipeline.decide(report(r#"{"type":"sos","id":"1"}"#), at(0.0), &mut records);
    let request = Box::new(model::case::CaseRequest::new(model::CaseAction::Accept));
    let id = pipeline.casework.open_cases().next().unwrap().id;
    pipeline.decide(command(StaffCommand::Case { id, if_match: Some(1), request }, None), at(1.0), &mut records);
    pipeline.decide(import(moved), at(5.0), &mut records);
    assert_eq!(pipeline.casework.case(id).unwrap().org.as_str(), "/luyang/xinghua/yinxing/", "somebody has it in hand");
    check_recovery(&pipeline, &records);
}

#[test]
fn a_number_that_is_missing_opens_a_task_that_somebody_sees_to() {
    let (mut pipeline, mut records) = begun();
    assert_eq!(tasks(&records), Vec::<String>::new());
    let document = r#"{"orgs":[{"path":"/luyang/xinghua/yinxing/","name":"银杏社区","desk":{"phone":"+8613800000010"}}],
        "people":[{"id":"g1","role":"guardian","name":"王芳"},{"id":"g2","role":"guardian","name":"王强"}],
        "wearers":[{"id":"w1","name":"王桂兰","org":"/luyang/xinghua/yinxing/","guardians":["g1","g2"]}]}"#;
    pipeline.decide(import(document), at(0.0), &mut records);
    assert_eq!(
        tasks(&records),
        ["task.opened fix_contact w1", "task.opened fix_contact w1", "task.opened uncovered w1"]
    );
    let id = model::TaskId::new(0, 3);
    let finish = || StaffCommand::FinishTask { id, note: Some("邻居老李答应照看".to_owned()) };
    pipeline.decide(command(finish(), None), at(1.0), &mut records);
    assert!(matches!(reply(&records), Reply::Done(Some(Entity::Task(task))) if task.note == "邻居老李答应照看"));
    pipeline.decide(command(finish(), None), at(2.0), &mut records);
    assert!(matches!(reply(&records), Reply::Refused(problem) if problem.code.status() == 404));
    check_recovery(&pipeline, &records);
}

#[test]
fn a_guardian_who_is_written_alone_has_it_looked_at_whom_they_are_called_for() {
    let (mut pipeline, mut records) = begun();
    let mut written = |person: &str| {
        let before = records.len();
        let document = format!(r#"{{"people":[{{"id":"g1","role":"guardian","name":"王芳"{person}}}]}}"#);
        pipeline.decide(import(&document), at(0.0), &mut records);
        tasks(&records[before..])
    };
    assert_eq!(written(""), ["task.opened fix_contact w1"]);
    assert_eq!(written(""), Vec::<String>::new(), "nothing is new");
    assert_eq!(written(r#","phone":"+8613800000001""#), ["task.done fix_contact w1"]);
    check_recovery(&pipeline, &records);
}

#[test]
fn a_welfare_call_without_an_answer_raises_an_incident() {
    let (mut pipeline, mut records) = begun();
    let order = |wearer: &str| CampaignOrder {
        kind: CampaignKind::Welfare,
        name: "周日问候".to_owned(),
        text: String::new(),
        window: None,
        tries: 1,
        gap_seconds: 600,
        until: at(7_200.0),
        wearers: vec![WearerId::new(wearer)],
    };
    let start = |wearer| command(StaffCommand::StartCampaign(Box::new(order(wearer))), None);
    pipeline.decide(start("w1"), at(0.0), &mut records);
    assert!(matches!(reply(&records), Reply::Refused(p) if p.errors[0].detail == "has no phone of their own"));
    let document = r#"{"orgs":[{"path":"/luyang/xinghua/yinxing/","name":"银杏社区","desk":{"phone":"+8613800000010"}}],
        "people":[{"id":"g1","role":"guardian","name":"王芳","phone":"+8613800000001"}],
        "wearers":[{"id":"w1","name":"王桂兰","phone":"+8613800000031","org":"/luyang/xinghua/yinxing/","guardians":["g1"]}]}"#;
    pipeline.decide(import(document), at(1.0), &mut records);
    pipeline.decide(start("w1"), at(2.0), &mut records);
    pipeline.advance(at(2.0), &mut records);
    let call = call_of(&records, "w1");
    assert_eq!(pipeline.unsent_attempts().count(), 1, "an attempt like any other, waiting for its dispatcher");
    pipeline.decide(callback(call, AttemptOutcome::NoAnswer, None), at(30.0), &mut records);
    let incident = pipeline.open_incidents().next().unwrap();
    assert_eq!((incident.kind, incident.wearer.as_str()), (IncidentKind::WelfareCall, "w1"));
    let ended = |(kind, entity): &(EventKind, Entity)| match entity {
        Entity::Campaign(campaign) => *kind == EventKind::CampaignEnded && campaign.unanswered == 1,
        _ => false,
    };
    assert!(events(&records).iter().any(ended));
    check_recovery(&pipeline, &records);
}

#[test]
fn the_plans_test_calls_find_the_number_that_does_not_work() {
    let (mut pipeline, mut records) = begun();
    let document = r#"{"orgs":[{"path":"/luyang/xinghua/yinxing/","name":"银杏社区","desk":{"phone":"+8613800000010"}}],
        "people":[{"id":"g1","role":"guardian","name":"王芳","phone":"+8613800000001"},
                  {"id":"g2","role":"guardian","name":"王强","phone":"+8613800000002"}],
        "wearers":[{"id":"w1","name":"王桂兰","org":"/luyang/xinghua/yinxing/","guardians":["g1","g2"],
                    "plan":{"test_calls_every_days":7}}]}"#;
    pipeline.decide(import(document), at(0.0), &mut records);
    assert_eq!(pipeline.next_due(), Some(at(7_200.0)), "at ten o'clock");
    let mut hour = 2;
    for _ in 0..3 {
        pipeline.advance(at(f64::from(hour) * 3_600.0), &mut records);
        pipeline.advance(at(f64::from(hour) * 3_600.0 + 1.0), &mut records);
        if hour == 2 {
            let live = call_of(&records, "g1");
            pipeline.decide(callback(live, AttemptOutcome::Key, Some("1")), at(7_205.0), &mut records);
        }
        let dead = call_of(&records, "g2");
        let told = at(f64::from(hour) * 3_600.0 + 6.0);
        pipeline.decide(callback(dead, AttemptOutcome::NoAnswer, None), told, &mut records);
        hour += 1;
        pipeline.advance(at(f64::from(hour) * 3_600.0 + 10.0), &mut records);
    }
    assert_eq!(tasks(&records), ["task.opened fix_contact w1"]);
    let tests = |(kind, entity): &(EventKind, Entity)| match entity {
        Entity::Attempt(a) => *kind == EventKind::AttemptStarted && a.channel == Channel::Voice,
        _ => false,
    };
    assert_eq!(events(&records).iter().filter(|event| tests(event)).count(), 4);
    check_recovery(&pipeline, &records);
    // Tomorrow nobody is due: the one answered, the other was tried.
    let count = records.len();
    pipeline.advance(at(30.0 * 3_600.0), &mut records);
    assert_eq!(records.len(), count);
    assert_eq!(pipeline.open_incidents().count(), 0, "a test call raises no incident");
}

#[test]
fn a_battery_that_is_low_is_told_of_its_device_once() {
    let (mut pipeline, mut records) = begun();
    for (index, percent) in [40, 9, 8].into_iter().enumerate() {
        let json = format!(r#"{{"type":"battery","id":"{index}","pct":{percent}}}"#);
        pipeline.decide(report(&json), at(index as f64 * 60.0), &mut records);
    }
    let told = events(&records).into_iter().filter(|(kind, _)| *kind == EventKind::DeviceLowBattery);
    let levels: Vec<Option<u8>> = told
        .map(|(_, entity)| match entity {
            Entity::Device(status) => status.battery_percent,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(levels, [Some(9)]);
    assert_eq!(image(&pipeline), image(&recovered(&records)));
}

#[test]
fn the_desk_calls_whoever_is_on_duty_first_and_a_new_roster_holds_at_once() {
    let (mut pipeline, mut records) = begun();
    let desk = r#"{"orgs":[{"path":"/luyang/xinghua/yinxing/","name":"银杏社区","desk":{"people":["s1","s2"]}}],
        "people":[{"id":"s1","role":"desk","name":"张敏","phone":"+8613800000011"},
                  {"id":"s2","role":"desk","name":"李军","phone":"+8613800000012"},
                  {"id":"s3","role":"grid_worker","name":"赵宁","phone":"+8613800000013"}],
        "devices":[{"id":"b1","kind":"bracelet","secret":"not used here"}]}"#;
    pipeline.decide(import(desk), at(-30.0), &mut records);
    let on_duty = |person: &str, version: Option<u32>| on_duty("/luyang/xinghua/yinxing/", person, version);
    // A grid worker who is not on the desk's list.
    pipeline.decide(on_duty("s3", None), at(-20.0), &mut records);
    pipeline.decide(report(r#"{"type":"sos","id":"1"}"#), at(0.0), &mut records);
    let rung = |records: &[Record], from: f64, to: f64| {
        let calls = events(records).into_iter().filter_map(|(kind, entity)| match entity {
            Entity::Attempt(a) if kind == EventKind::AttemptStarted && a.channel == Channel::Voice => Some(a),
            _ => None,
        });
        let now = calls.filter(|a| a.created_at >= at(from) && a.created_at < at(to));
        now.map(|a| a.callee.person.to_string()).collect::<Vec<_>>()
    };
    pipeline.advance(at(40.0), &mut records);
    assert_eq!(rung(&records, 0.0, 29.0), ["s3"]);
    assert_eq!(rung(&records, 29.0, 40.0), ["s1", "s2"]);
    pipeline.decide(on_duty("s2", Some(1)), at(60.0), &mut records);
    assert!(matches!(reply(&records), Reply::Done(Some(_))));
    pipeline.advance(at(700.0), &mut records);
    assert_eq!(rung(&records, 600.0, 635.0), ["s2"]);
    assert_eq!(rung(&records, 635.0, 700.0), ["s1", "s3"]);
    check_recovery(&pipeline, &records);
}
