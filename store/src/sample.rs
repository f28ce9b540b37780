//! Invented records for the tests of this crate.

use compact_str::CompactString;
use model::attempt::CalleeRole;
use model::event::DeviceStatus;
use model::record::{Observed, SendResult};
use model::registry::{Binding, Role};
use model::staff::ApiToken;
use model::webhook::{Delivery, DeliveryOutcome, Waiting, WebhookOrder, WebhookState, WebhookTry};
use model::*;

/// 2026-11-22T00:00:00Z.
pub(crate) const START: i64 = 1_795_305_600_000;

pub(crate) fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(START + millis)
}

pub(crate) fn located(n: u32) -> Located {
    Located {
        position: Position { lat: 31.82 + f64::from(n) * 1e-6, lon: 117.2272 + f64::from(n) * 1e-6 },
        accuracy_m: 8.0,
    }
}

/// Wearer `w{n % wearers}` walks: one fix a second.
pub(crate) fn location(n: u32, wearers: u32) -> Record {
    location_at(n, n % wearers, i64::from(n / wearers) * 1000)
}

pub(crate) fn location_at(n: u32, wearer: u32, millis: i64) -> Record {
    let located = located(n);
    let fix = Fix { position: located.position, datum: None, accuracy_m: Some(located.accuracy_m) };
    report(wearer, &format!("7-{n}"), millis, ReportBody::Location(fix), Some(located))
}

pub(crate) fn report(wearer: u32, id: &str, millis: i64, body: ReportBody, located: Option<Located>) -> Record {
    let report = Report {
        event_id: Some(CompactString::new(id)),
        measured: Some(at(millis)),
        body,
        content_hash: 0x0123_4567_89ab_cdef,
    };
    let observed =
        Observed { wearer: Some(WearerId::new(&format!("w{wearer}"))), measured: at(millis), late: false, located };
    Record {
        at: at(millis + 120),
        input: Input::Report { device: DeviceId::new(&format!("8612345678{wearer:05}")), report },
        decisions: vec![Decision::Observed(observed)],
    }
}

/// A device goes on or off the air: the smallest thing that is told on the feed.
pub(crate) fn fact(event_seq: u64) -> Record {
    let device = DeviceId::new("861234567800001");
    let online = event_seq % 2 == 1;
    let entity = Entity::Device(DeviceStatus {
        id: device.clone(),
        wearer: None,
        online,
        battery_percent: Some(77),
        clock_ahead_seconds: Some(-86_400),
    });
    let event = Event {
        seq: event_seq,
        kind: if online { EventKind::DeviceOnline } else { EventKind::DeviceOffline },
        at: at(event_seq as i64),
        org: Some(OrgPath::new("/luyang/xinghua/")),
        entity,
        changed: Vec::new(),
    };
    Record {
        at: at(event_seq as i64),
        input: Input::Connection { device, online },
        decisions: vec![Decision::Event(Box::new(event))],
    }
}

pub(crate) fn rejected(n: u32) -> Record {
    Record {
        at: at(i64::from(n)),
        input: Input::Reject {
            device: Some(DeviceId::new("861234567800001")),
            topic: CompactString::new("yl/v1/861234567800001/up/json"),
            reject: Reject::new(RejectReason::Malformed, "half a JSON object", format!("{{\"n\":{n}").as_bytes()),
        },
        decisions: Vec::new(),
    }
}

pub(crate) fn down_command(id: u64, state: DownCommandState) -> DownCommand {
    DownCommand {
        id: DownCommandId::new(0, id),
        version: 1,
        device: DeviceId::new("861234567800001"),
        kind: DownCommandKind::HelpIsComing { text: "有人正在赶来".to_owned() },
        state,
        by: Some(PersonId::new("g1")),
        created_at: at(0),
        expires_at: at(900_000),
        changed_at: at(5),
    }
}

pub(crate) fn token() -> ApiToken {
    ApiToken {
        id: TokenId::new("t1"),
        secret_sha256: [7; 32],
        label: CompactString::new("desk"),
        role: Role::Desk,
        scope: OrgPath::new("/luyang/"),
        created_at: at(0),
        revoked: false,
        person: None,
    }
}

pub(crate) fn registry() -> RegistryChange {
    RegistryChange {
        orgs: vec![Org {
            path: OrgPath::new("/luyang/xinghua/"),
            name: "杏花街道".to_owned(),
            desk: None,
            fences: Vec::new(),
            robot: Some(CompactString::new("xinghua")),
        }],
        people: vec![Person {
            id: PersonId::new("g1"),
            role: Role::Guardian,
            name: "王芳".to_owned(),
            phone: Some(CompactString::new("+8613800000001")),
            email: None,
            push: None,
            lang: Language::ZhCn,
        }],
        wearers: vec![wearer(0), wearer(1)],
        devices: vec![Device {
            id: DeviceId::new("861234567800001"),
            kind: CompactString::new("bracelet"),
            wearer: Some(WearerId::new("w1")),
            bindings: vec![Binding { wearer: Some(WearerId::new("w1")), from: at(0) }],
            secret_hmac: [9; 32],
            datum: Datum::Gcj02,
            carrier: Some(CompactString::new("cmcc")),
        }],
    }
}

fn wearer(n: u32) -> Wearer {
    Wearer {
        id: WearerId::new(&format!("w{n}")),
        name: "王桂兰".to_owned(),
        org: OrgPath::new("/luyang/xinghua/"),
        birth_year: Some(1943),
        consents: Vec::new(),
        lives_alone: false,
        phone: None,
        guardians: vec![PersonId::new("g1")],
        doctor: None,
        fences: Vec::new(),
        thresholds: registry::Thresholds::default(),
        plan: Plan::default(),
        suspension: None,
        availability: Vec::new(),
        mode: model::registry::WearerMode::Normal,
    }
}

pub(crate) fn actor() -> Actor {
    Actor { person: PersonId::new("s1"), role: Role::Desk, scope: OrgPath::new("/luyang/") }
}

pub(crate) fn imported() -> Record {
    Record {
        at: at(1),
        input: Input::Command {
            actor: actor(),
            idempotency_key: Some(CompactString::new("k-1")),
            command: StaffCommand::Import(Box::new(registry())),
        },
        decisions: vec![
            Decision::Registry(Box::new(registry())),
            Decision::Token(token()),
            Decision::Reply(Box::new(Reply::Done(None))),
        ],
    }
}

/// One record of every class of input, small.
pub(crate) fn one_of_each_input() -> Vec<Record> {
    let bare = |input: Input| Record { at: at(2), input, decisions: Vec::new() };
    vec![
        location(0, 1),
        rejected(1),
        fact(1),
        imported(),
        bare(Input::Callback {
            attempt: AttemptId::new(0, 9),
            outcome: AttemptOutcome::Key,
            key: Some(CompactString::new("1")),
            text: None,
        }),
        bare(Input::Sent {
            attempt: AttemptId::new(0, 9),
            result: SendResult::Retry { detail: CompactString::new("busy"), after_seconds: 5 },
            provider: CompactString::new("voice"),
            others_left: false,
            reference: Some(CompactString::new("c1")),
        }),
        bare(Input::DownSent { command: DownCommandId::new(0, 4) }),
        bare(Input::DownAcknowledged { command: DownCommandId::new(0, 4) }),
        bare(Input::Tick),
        bare(Input::Started { down_since: Some(at(0)) }),
        bare(Input::Resumed { at: at(3) }),
        bare(Input::Told {
            webhook: WebhookId::new("wh_1"),
            outcome: WebhookTry {
                event: 9,
                since: Some(at(1)),
                status: Some(503),
                retry_after_seconds: None,
                detail: CompactString::new(""),
                millis: 12,
            },
        }),
        bare(Input::StoodIn { incident: IncidentId::new(0, 7), attempt: Box::new(attempt()) }),
    ]
}

fn attempt() -> Attempt {
    Attempt {
        id: AttemptId::new(63, 8),
        version: 2,
        incident: Some(IncidentId::new(0, 7)),
        campaign: None,
        case: None,
        kind: IncidentKind::Sos.into(),
        priority: Priority::High,
        wearer: WearerId::new("w1"),
        org: OrgPath::new("/luyang/"),
        channel: Channel::Voice,
        callee: Callee { person: PersonId::new("g1"), role: CalleeRole::Guardian },
        to: Destination("+8613800000001".into()),
        lang: Language::ZhCn,
        purpose: Purpose::Alert,
        lane: Lane::Alarm,
        cycle: 1,
        text: "按1".to_owned(),
        params: vec![("name".into(), "甲".to_owned())],
        state: AttemptState::Accepted,
        outcome: None,
        created_at: at(0),
        changed_at: at(1),
        not_before: at(0),
        sends: 1,
        passed_over: Vec::new(),
        reference: Some("c1".into()),
    }
}

/// One record of every class of decision, small.
pub(crate) fn one_of_each_decision() -> Vec<Record> {
    let explain = Explain {
        rule: CompactString::new("fence_exit"),
        rule_version: 1,
        readings: vec![Reading {
            name: CompactString::new("distance"),
            value: 42.5,
            unit: CompactString::new("m"),
            at: Some(at(0)),
        }],
        zh: "已离开".to_owned(),
        en: "left".to_owned(),
    };
    let finding = Finding {
        kind: IncidentKind::FenceExit,
        change: Change::Raised,
        wearer: WearerId::new("w1"),
        device: DeviceId::new("861234567800001"),
        priority: Priority::Medium,
        at: at(3),
        measured: at(1),
        late: false,
        confirmed: true,
        position: Some(located(1).position),
        explain,
    };
    let escalation = Escalation {
        incident: IncidentId::new(0, 7),
        plan: Plan::default(),
        wearer_name: "王桂兰".to_owned(),
        community_name: "银杏社区".to_owned(),
        guardians: vec![Contact {
            person: PersonId::new("g1"),
            name: "王芳".to_owned(),
            phone: Some(Destination(CompactString::new("+8613800000001"))),
            push: None,
            email: None,
            robot: None,
            lang: Language::ZhCn,
            available: Vec::new(),
        }],
        doctor: None,
        desk: Vec::new(),
        group: None,
        cycle: 1,
        next_guardian: 0,
        calls: Vec::new(),
        turn: Some(AttemptId::new(0, 9)),
        next_step_at: Some(at(15_000)),
        told: Vec::new(),
        next_due: Some(at(15_000)),
        last_rung: vec![None],
        order: vec![0],
        doctor_next_at: None,
        doctor_reminders: 0,
        position_told: None,
        position_updates: 0,
        desk_stage: Default::default(),
    };
    let down = Event {
        seq: 9,
        kind: EventKind::CommandQueued,
        at: at(5),
        org: None,
        entity: Entity::DownCommand(Box::new(down_command(1, DownCommandState::Queued))),
        changed: vec![CompactString::new("state")],
    };
    let webhook = Webhook {
        id: WebhookId::new("wh_1"),
        version: 2,
        order: WebhookOrder {
            name: CompactString::new("street"),
            url: "https://example.org/".to_owned(),
            types: vec![CompactString::new("case.*")],
        },
        scope: OrgPath::new("/luyang/"),
        by: PersonId::new("o1"),
        created_at: at(0),
        state: WebhookState::Active,
        secret_generation: 1,
        rotated_until: None,
        cursor: 9,
        waiting: vec![Waiting { event: 9, tries: 1, next_at: at(7), since: at(2) }],
        deliveries: 1,
    };
    let delivery = Delivery {
        webhook: WebhookId::new("wh_1"),
        number: 1,
        event: 9,
        at: at(2),
        attempt: 1,
        status: Some(503),
        detail: CompactString::new(""),
        millis: 12,
        outcome: DeliveryOutcome::Retrying,
        next_at: Some(at(7)),
    };
    let watch = Watch {
        person: PersonId::new("s1"),
        role: Role::Desk,
        org: OrgPath::new("/luyang/"),
        since: at(0),
        until: at(60_000),
    };
    let refused = Reply::Refused(Problem::new(ProblemCode::Stale, "stale", "已过期"));
    let decisions = [
        Decision::Repeated,
        Decision::Finding(Box::new(finding)),
        Decision::Event(Box::new(down)),
        Decision::Escalation(Box::new(escalation)),
        Decision::Registry(Box::default()),
        Decision::Token(token()),
        Decision::Reply(Box::new(refused)),
        Decision::Webhook(Box::new(webhook)),
        Decision::Delivery(Box::new(delivery)),
        Decision::Watch(Box::new(watch)),
    ];
    decisions.map(|decision| Record { at: at(2), input: Input::Tick, decisions: vec![decision] }).to_vec()
}
