//! Invented people and what happens to them.

use std::collections::BTreeMap;

use model::attempt::{Callee, CalleeRole, Destination};
use model::registry::{
    Binding, Consent, ConsentTo, ConsentWay, DailyWindow, Desk, Device, Fence, Org, Person, Push, Schedule, Shadow,
    Shape, Suspension, SuspensionKind, Thresholds, ThresholdsSet, Wearer,
};
use model::{
    Actor, Attempt, AttemptId, AttemptState, Case, CaseId, CaseState, Channel, Condition, Datum, DeviceId, Entity,
    FenceId, FenceKind, Incident, IncidentId, IncidentKind, IncidentState, Lane, Language, OrgPath, PersonId, Plan,
    Position, Priority, Purpose, RegistryChange, Role, Timestamp, WearerId,
};

use crate::house::{NOW, actor};

pub const YINXING: &str = "/luyang/xinghua/yinxing/";
pub const SHUSHAN: &str = "/shushan/";

/// The bearers that the stand-in knows.
pub fn actors() -> BTreeMap<String, Actor> {
    [
        ("admin", actor("t-admin", Role::Admin, "/")),
        ("desk", actor("t-desk", Role::Desk, "/luyang/xinghua/")),
        ("elsewhere", actor("t-else", Role::Desk, SHUSHAN)),
        ("guardian", actor("g1", Role::Guardian, YINXING)),
        ("volunteer", actor("t-volunteer", Role::Volunteer, YINXING)),
        ("doctor", actor("g2", Role::Doctor, YINXING)),
        ("district", actor("t-district", Role::Admin, "/luyang/")),
    ]
    .into_iter()
    .map(|(bearer, actor)| (bearer.to_owned(), actor))
    .collect()
}

fn person(id: &str, role: Role, name: &str, digit: u8) -> Person {
    Person {
        id: PersonId::new(id),
        role,
        name: name.to_owned(),
        phone: Some(format!("+861380000000{digit}").into()),
        email: None,
        push: Some(Push { kind: "ntfy".into(), topic: format!("topic-{id}").into() }),
        lang: Language::ZhCn,
    }
}

fn wearer(id: &str, name: &str, org: &str, guardian: &str) -> Wearer {
    Wearer {
        id: WearerId::new(id),
        name: name.to_owned(),
        org: OrgPath::new(org),
        birth_year: Some(1943),
        consents: Vec::new(),
        lives_alone: false,
        phone: None,
        guardians: vec![PersonId::new(guardian)],
        doctor: None,
        fences: vec![
            Fence {
                id: FenceId::new("home"),
                kind: FenceKind::Inclusion,
                datum: Datum::Wgs84,
                margin_m: 30.0,
                shape: Shape::Circle { lon: 117.2272, lat: 31.8206, radius_m: 300.0 },
                active: None,
                large: false,
            },
            Fence {
                id: FenceId::new("campus"),
                kind: FenceKind::Exclusion,
                datum: Datum::Gcj02,
                margin_m: 30.0,
                shape: Shape::Polygon { rings: vec![vec![[117.0, 31.0], [117.1, 31.0], [117.1, 31.1], [117.0, 31.0]]] },
                active: Some(Schedule {
                    window: DailyWindow { from_minute: 360, to_minute: 1320 },
                    weekdays: 0b001_0101,
                    zone: Some("Asia/Urumqi".into()),
                }),
                large: false,
            },
            Fence {
                id: FenceId::new("clinic"),
                kind: FenceKind::Inclusion,
                datum: Datum::Wgs84,
                margin_m: 30.0,
                shape: Shape::Corridor { line: vec![[117.0, 31.0], [117.1, 31.0]], width_m: 60.0 },
                active: None,
                large: false,
            },
        ],
        thresholds: Thresholds {
            blood_pressure_systolic_high: Some(170),
            temperature_high: Some(39.1),
            spo2_scale_2: true,
            silence_shadows: vec![Shadow { centre: Position { lat: 31.5, lon: 117.5 }, radius_m: 40.0 }],
            wandering_night: Some(DailyWindow { from_minute: 1260, to_minute: 360 }),
            set: Some(ThresholdsSet { by: PersonId::new("d1"), at: Timestamp::from_millis(NOW) }),
            ..Thresholds::default()
        },
        plan: Plan::default(),
        suspension: Some(Suspension { kind: SuspensionKind::Journey, until: Timestamp::from_millis(NOW) }),
        availability: vec![model::registry::Availability {
            person: PersonId::new(guardian),
            windows: vec![model::registry::WeeklyWindow { days: 0b001_1111, from_minute: 480, to_minute: 1_440 }],
        }],
        mode: model::registry::WearerMode::Normal,
    }
}

fn device(id: &str, wearer: Option<&str>) -> Device {
    let wearer = wearer.map(WearerId::new);
    let binding = |wearer: Option<WearerId>, from| Binding { wearer, from: Timestamp::from_millis(from) };
    let bindings = vec![binding(Some(WearerId::new("w9")), 1), binding(wearer.clone(), NOW)];
    Device {
        id: DeviceId::new(id),
        kind: "bracelet".into(),
        wearer,
        bindings,
        secret_hmac: [7; 32],
        datum: Datum::Wgs84,
        carrier: None,
    }
}

/// Two communities: yinxing with w1 and w2, shushan with w9.
pub fn registry() -> RegistryChange {
    let org = |path: &str, name: &str, people: &[&str]| Org {
        path: OrgPath::new(path),
        name: name.to_owned(),
        desk: Some(Desk {
            phone: Some("+8613800000010".into()),
            people: people.iter().copied().map(PersonId::new).collect(),
        }),
        fences: Vec::new(),
        robot: None,
    };
    RegistryChange {
        orgs: vec![org(YINXING, "银杏社区", &["s1"]), org(SHUSHAN, "蜀山社区", &["s9"])],
        people: vec![
            person("g1", Role::Guardian, "王芳", 1),
            person("g9", Role::Guardian, "李雷", 2),
            person("s1", Role::Desk, "值班员", 3),
            person("s9", Role::Desk, "值班员", 4),
        ],
        wearers: vec![
            wearer("w1", "王桂兰", YINXING, "g1"),
            Wearer { consents: taken_back(), ..wearer("w2", "赵大爷", YINXING, "g1") },
            wearer("w9", "钱奶奶", SHUSHAN, "g9"),
        ],
        devices: vec![device("b1", Some("w1")), device("b9", Some("w9")), device("spare", None)],
    }
}

/// Consents that were given once and hold no more.
fn taken_back() -> Vec<Consent> {
    let one = |to| Consent {
        to,
        by: Some(PersonId::new("g1")),
        how: ConsentWay::Paper,
        given_at: Timestamp::EPOCH,
        withdrawn_at: Some(Timestamp::EPOCH),
        note: "2026-031".to_owned(),
    };
    [ConsentTo::Location, ConsentTo::VitalSigns].into_iter().map(one).collect()
}

pub fn incident(number: u64, wearer: &str, org: &str, state: IncidentState) -> Incident {
    Incident {
        id: IncidentId::new(0, number),
        version: 3,
        wearer: WearerId::new(wearer),
        org: OrgPath::new(org),
        kind: IncidentKind::Sos,
        priority: Priority::High,
        state,
        condition: Condition::Present,
        late: false,
        raised_at: Timestamp::from_millis(NOW),
        changed_at: Timestamp::from_millis(NOW),
        position: Position::new(31.8206, 117.2272),
        explain: "按下 SOS".to_owned(),
        explain_en: "pressed SOS".to_owned(),
        occurrences: Vec::new(),
        occurrence_count: 1,
        acknowledged_by: None,
        on_site_by: None,
        resolution: None,
        case: None,
        unreachable: false,
        console_until: None,
        contacts_to_fix: Vec::new(),
        notes: Vec::new(),
        doctor_order: None,
        test: false,
    }
}

pub fn raised(number: u64, wearer: &str, org: &str) -> Entity {
    Entity::Incident(Box::new(incident(number, wearer, org, IncidentState::Notifying)))
}

pub fn attempt(number: u64, incident: u64, org: &str) -> Attempt {
    Attempt {
        id: AttemptId::new(0, number),
        version: 1,
        incident: Some(IncidentId::new(0, incident)),
        campaign: None,
        case: None,
        kind: IncidentKind::Sos.into(),
        priority: Priority::High,
        wearer: WearerId::new("w1"),
        org: OrgPath::new(org),
        channel: Channel::Sms,
        callee: Callee { person: PersonId::new("g1"), role: CalleeRole::Guardian },
        to: Destination("+8613800000001".into()),
        lang: Language::ZhCn,
        purpose: Purpose::Alert,
        lane: Lane::Alarm,
        cycle: 1,
        text: "王桂兰按下 SOS".to_owned(),
        params: Vec::new(),
        state: AttemptState::Pending,
        outcome: None,
        created_at: Timestamp::from_millis(NOW),
        changed_at: Timestamp::from_millis(NOW),
        not_before: Timestamp::from_millis(NOW),
        sends: 0,
        passed_over: Vec::new(),
        reference: None,
    }
}

pub fn case(number: u64, org: &str, state: CaseState) -> Case {
    Case {
        id: CaseId::new(0, number),
        version: 2,
        incident: Some(IncidentId::new(0, number)),
        wearer: Some(WearerId::new("w1")),
        org: OrgPath::new(org),
        kind: IncidentKind::Sos.into(),
        text: String::new(),
        place: Position::new(31.8206, 117.2272)
            .map(|position| model::case::CasePlace { position: Some(position), text: "3 栋 502".to_owned() }),
        priority: Priority::High,
        state,
        joined: Vec::new(),
        check_ins: Vec::new(),
        records: Vec::new(),
        photos: Vec::new(),
        external: None,
        patrol: None,
        form: Vec::new(),
        answers: Vec::new(),
        level: model::case::WhistleLevel::Community,
        handler: None,
        handlers: Vec::new(),
        filed_at: Timestamp::from_millis(NOW),
        changed_at: Timestamp::from_millis(NOW),
        due_at: None,
        steps: Vec::new(),
        notes: Vec::new(),
        disposition: None,
        rating: None,
    }
}

/// A channel as the engine would show it.
pub fn channel() -> api::ChannelState {
    api::ChannelState {
        channel: Channel::Sms,
        providers: vec![api::ProviderState {
            name: "sms".to_owned(),
            kind: "gateway".to_owned(),
            ok: true,
            last_ok: Some(Timestamp::EPOCH),
            failed_at: None,
            failure: None,
            held_back: false,
        }],
        callbacks_refused: vec![api::CallbacksRefused {
            provider: "aliyun".to_owned(),
            reason: "signature".to_owned(),
            count: 3,
        }],
        settings: vec![api::ChannelSetting {
            key: "secret".to_owned(),
            value: "***".to_owned(),
            source: "environment".to_owned(),
        }],
    }
}
