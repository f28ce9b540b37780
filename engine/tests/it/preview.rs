//! Two days of a wearer, decided live, journaled and projected: gone through again from the journal they give the same
//! findings byte by byte, and so they do from the wearer's history; with something changed, what that changes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use engine::pipeline::Pipeline;
use engine::preview::{self, Request};
use expect_test::expect;
use model::staff::BedsideNote;
use model::{
    Actor, Change, Consciousness, Decision, DeviceId, Finding, IncidentAction, IncidentId, IncidentKind, Input,
    OrgPath, PersonId, Record, ReportBody, ReportKind, Role, StaffCommand, Timestamp, WearerId,
};
use serde_json::{Value, json};
use store::{
    DataDir, Disk, Follower, FollowerConfig, Journal, JournalConfig, RealDisk, State, StateConfig, StoreError, codec,
};

const ZONE: chrono_tz::Tz = chrono_tz::Tz::Asia__Shanghai;
const DAYS: u32 = 2;

const REGISTRY: &str = r#"{
  "orgs": [{"path":"/luyang/xinghua/yinxing/","name":"银杏社区","desk":{"phone":"+8613800000010"},
            "fences":[{"id":"river","kind":"exclusion","margin_m":10,
                       "circle":{"lon":117.2272,"lat":31.8306,"radius_m":100}}]}],
  "wearers": [{"id":"w1","name":"王桂兰","org":"/luyang/xinghua/yinxing/",
               "fences":[{"id":"home","circle":{"lon":117.2272,"lat":31.8206,"radius_m":300}}]},
              {"id":"w2","name":"李秀英","org":"/luyang/xinghua/yinxing/"}],
  "devices": [{"id":"b1","kind":"bracelet","wearer":"w1","datum":"gcj02","secret":"not used here"},
              {"id":"c1","kind":"cuff","wearer":"w1","secret":"not used here"},
              {"id":"b2","kind":"bracelet","wearer":"w2","secret":"not used here"}]
}"#;

/// 2026-11-22T00:00:00+08:00, and seconds from there.
fn at(seconds: u32) -> Timestamp {
    Timestamp::from_millis(1_795_276_800_000).plus_seconds(seconds)
}

fn admin(command: StaffCommand) -> Input {
    let actor = Actor { person: PersonId::new("s1"), role: Role::Admin, scope: OrgPath::new("/") };
    Input::Command { actor, idempotency_key: None, command }
}

fn resolve(id: IncidentId) -> Input {
    admin(StaffCommand::Incident {
        id,
        action: IncidentAction::Resolve,
        if_match: None,
        note: None,
        disposition: Some("helped".to_owned()),
        on_behalf_of: None,
    })
}

/// Numbers that look like chance and are always the same.
struct Chance(u64);

impl Chance {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most
    }
}

/// What comes in, in order. Positions have seven decimals, as history keeps them.
fn inputs() -> Vec<(Timestamp, Input)> {
    let change = engine::registry::validate_alone(REGISTRY.as_bytes(), ZONE).unwrap();
    let mut inputs = vec![(at(0), admin(StaffCommand::Import(Box::new(change))))];
    let (mut chance, mut number, mut north) = (Chance(7), 0, 0_i64);
    // What the state would show the API last, of each of the four.
    let mut known: BTreeMap<ReportKind, (Timestamp, ReportBody)> = BTreeMap::new();
    for minute in 1..DAYS * 1440 {
        let now = at(minute * 60 + chance.below(30) as u32);
        let mut say = |device: &str, delay_s: u32, mut body: Value| {
            number += 1;
            body["id"] = json!(format!("n{number}"));
            body["t"] = json!(now.plus_millis(-i64::from(delay_s) * 1000));
            let text = body.to_string();
            let item = ingest::decode(ingest::Format::Json, text.as_bytes(), &ingest::Limits::default()).remove(0);
            let report = item.unwrap();
            use ReportKind as K;
            if matches!(report.kind(), K::HeartRate | K::BloodPressure | K::Spo2 | K::Temperature) {
                known.insert(report.kind(), (report.measured.unwrap(), report.body.clone()));
            }
            inputs.push((now, Input::Report { device: DeviceId::new(device), report }));
        };
        // An hour of every day nothing is heard of anybody.
        if (700..770).contains(&(minute % 1440)) {
            continue;
        }
        let hour = minute % 1440 / 60;
        north = if (8..11).contains(&hour) { north + 900 } else { north - north / 4 };
        let place = |chance: &mut Chance| {
            let jitter = chance.below(400) as i64;
            (318_206_000 + north + jitter, 1_172_272_000 + jitter)
        };
        let degrees = |fixed: i64| fixed as f64 / 1e7;
        let (lat, lon) = place(&mut chance);
        let late = if minute % 97 == 0 { 600 } else { 0 };
        say("b1", late, json!({"type":"location","lat":degrees(lat),"lon":degrees(lon),"acc":8,"datum":"wgs84"}));
        say("b2", 0, json!({"type":"alive"}));
        let fast = (14..15).contains(&hour);
        say(
            "b1",
            0,
            json!({"type":"heart_rate","bpm": if fast { 125 + chance.below(9) } else { 66 + chance.below(30) }}),
        );
        match minute % 60 {
            5 => say("b1", 0, json!({"type":"steps","count":minute % 1440 * 3})),
            7 => say("b1", 0, json!({"type":"spo2","pct": if hour == 3 { 90 } else { 96 }})),
            8..=10 => say("b1", 0, json!({"type":"spo2","pct": if hour == 3 { 89 } else { 97 }})),
            11 => say("b1", 0, json!({"type":"temperature","celsius": if hour == 21 { 39.4 } else { 36.6 }})),
            20 => say(
                "c1",
                0,
                json!({"type":"blood_pressure","sys":if hour == 9 { 186 } else { 128 },"dia":82,"pulse":70}),
            ),
            22 if hour == 9 => say("c1", 0, json!({"type":"blood_pressure","sys":190,"dia":99,"flags":4})),
            30 => say("b1", 0, json!({"type":"battery","pct": 100 - (minute / 20).min(99)})),
            40 if hour == 16 => say("b1", 0, json!({"type":"fall","confidence":0.8})),
            44 if hour == 17 => {
                say("b1", 5, json!({"type":"sos","lat":degrees(lat),"lon":degrees(lon),"datum":"wgs84"}))
            }
            50 if hour == 18 => say("b1", 0, json!({"type":"wear","on":false})),
            55 if hour == 19 => say("b1", 0, json!({"type":"wear","on":true})),
            12 if hour == 21 => {
                let note = BedsideNote {
                    wearer: WearerId::new("w1"),
                    measured: None,
                    respiration_per_minute: Some(26),
                    consciousness: Some(Consciousness::Confused),
                    known: known.values().cloned().collect(),
                };
                inputs.push((now.plus_seconds(20), admin(StaffCommand::Observe(note))));
            }
            _ => {}
        }
    }
    // The engine was down for an hour of the second day.
    let (down, up) = (at(86_400 + 4 * 3600), at(86_400 + 5 * 3600));
    inputs.retain(|(at, _)| *at < down || *at > up);
    let place = inputs.iter().position(|(at, _)| *at > up).unwrap();
    inputs.insert(place, (up, Input::Started { down_since: Some(down) }));
    inputs
}

struct House {
    _directory: tempfile::TempDir,
    data: DataDir,
    disk: Arc<dyn Disk>,
    state: Arc<State>,
    live: Vec<Record>,
}

fn house() -> House {
    let (mut pipeline, mut live) = (Pipeline::new(ZONE), Vec::new());
    let mut hour = at(0);
    for (now, input) in inputs() {
        pipeline.decide(input, now, &mut live);
        // Somebody sees to what is open: this is not about calling.
        if now >= hour {
            hour = hour.plus_seconds(900);
            let open: Vec<IncidentId> = pipeline.open_incidents().map(|incident| incident.id).collect();
            open.into_iter().for_each(|id| pipeline.decide(resolve(id), now, &mut live));
        }
    }
    pipeline.advance(at(DAYS * 86_400), &mut live);
    let directory = tempfile::tempdir().unwrap();
    let (data, disk): (_, Arc<dyn Disk>) = (DataDir::new(directory.path()), Arc::new(RealDisk));
    let config = JournalConfig { segment_bytes: 1 << 20, spare_segments: 1, start_seq: 1 };
    let (opened, _) = Journal::open(Arc::clone(&disk), &data.journal(), config).unwrap();
    let journal = opened.start(|_| {}, |error: StoreError| panic!("{error}")).unwrap();
    for records in live.chunks(100) {
        let mut batch = journal.batch();
        for record in records {
            batch.push(record).unwrap();
        }
        journal.submit(batch, ()).unwrap();
    }
    let durable = journal.progress();
    journal.close();
    let (state, _) = State::open(&data.state(), &StateConfig::default()).unwrap();
    let fails = |error: StoreError| panic!("{error}");
    let (follows, config) = (Arc::clone(&state), FollowerConfig::default());
    Follower::start(Arc::clone(&disk), &data.journal(), follows, durable, config, fails).unwrap().close();
    House { _directory: directory, data, disk, state, live }
}

impl House {
    fn preview(&self, wearer: &str, change: Value) -> Vec<Finding> {
        let wearer = self.state.wearer(&WearerId::new(wearer)).unwrap().unwrap();
        let request = Request { wearer, change, from: at(0), to: at(DAYS * 86_400) };
        preview::run(&self.state, ZONE, &request).unwrap().would
    }
}

fn findings(records: &[Record]) -> Vec<&Finding> {
    let found = records.iter().flat_map(|record| &record.decisions).filter_map(|decision| match decision {
        Decision::Finding(finding) => Some(&**finding),
        _ => None,
    });
    found.collect()
}

fn counts<'a>(findings: impl IntoIterator<Item = &'a Finding>) -> BTreeMap<IncidentKind, usize> {
    let mut counts = BTreeMap::new();
    findings.into_iter().for_each(|finding| *counts.entry(finding.kind).or_default() += 1);
    counts
}

#[test]
fn two_days_gone_through_again() {
    let house = house();
    what_was_found_is_regenerated_from_the_journal_to_the_byte(&house);
    a_preview_with_nothing_changed_finds_what_was_found(&house);
    a_preview_shows_what_a_change_would_have_found(&house);
    a_change_that_is_not_valid_says_where(&house);
}

fn what_was_found_is_regenerated_from_the_journal_to_the_byte(house: &House) {
    let journal = store::read_from(Arc::clone(&house.disk), &house.data.journal(), 1).unwrap();
    let (mut pipeline, mut again, mut last) = (Pipeline::new(ZONE), Vec::new(), Timestamp::EPOCH);
    for item in journal {
        let Record { at, mut input, decisions } = item.unwrap().1;
        last = last.max(at);
        // An import's content stands in the decision.
        if let Some(Decision::Registry(change)) = decisions.into_iter().next() {
            input = admin(StaffCommand::Import(change));
        }
        if !matches!(input, Input::Tick | Input::Resumed { .. }) {
            pipeline.decide(input, at, &mut again);
        }
    }
    pipeline.advance(last, &mut again);
    let bytes = |records| codec::to_bytes(&findings(records)).unwrap();
    assert!(bytes(&house.live) == bytes(&again));
    // And every one of them says what it rests on.
    let mut told = BTreeSet::new();
    for finding in findings(&again) {
        let explain = &finding.explain;
        assert!(explain.rule_version > 0 && !explain.zh.is_empty() && !explain.en.is_empty(), "{finding:?}");
        assert!(explain.readings.iter().all(|reading| reading.value.is_finite()), "{finding:?}");
        let names: Vec<&str> = explain.readings.iter().map(|reading| reading.name.as_str()).collect();
        told.insert(format!("{} {:?}: {}", explain.rule, finding.change, names.join(" ")));
    }
    let told: Vec<String> = told.into_iter().collect();
    expect![[r#"
        battery Raised: battery threshold
        blood_pressure Cleared: systolic diastolic
        blood_pressure Raised: systolic diastolic systolic_threshold diastolic_threshold
        fall Raised: confidence window
        fence_entry Cleared: distance
        fence_entry Raised: distance accuracy fixes
        fence_exit Cleared: distance
        fence_exit Raised: distance margin accuracy fixes
        heart_rate Cleared: heart_rate
        heart_rate Raised: heart_rate threshold readings
        irregular_pulse Raised: flags
        news2 Raised: respiration spo2 systolic heart_rate alert temperature on_oxygen points threshold
        removed Cleared: 
        removed Raised: off allowed
        silence Cleared: silent
        silence Raised: silent allowed
        sos Raised: 
        spo2 Cleared: spo2
        spo2 Raised: spo2 threshold readings lasted
        temperature Cleared: temperature
        temperature Raised: temperature threshold readings"#]]
    .assert_eq(&told.join("\n"));
}

fn a_preview_with_nothing_changed_finds_what_was_found(house: &House) {
    for wearer in ["w1", "w2"] {
        let raised = findings(&house.live)
            .into_iter()
            .filter(|finding| finding.wearer.as_str() == wearer && finding.change == Change::Raised);
        let (raised, would): (Vec<Finding>, _) = (raised.cloned().collect(), house.preview(wearer, json!({})));
        assert_eq!(counts(&would), counts(&raised));
        assert_eq!(would, raised);
        assert!(!would.is_empty());
    }
}

fn a_preview_shows_what_a_change_would_have_found(house: &House) {
    let now = counts(&house.preview("w1", json!({})));
    let changed = |change| {
        let then = counts(&house.preview("w1", change));
        let kinds: BTreeSet<IncidentKind> = now.keys().chain(then.keys()).copied().collect();
        let of = |counts: &BTreeMap<IncidentKind, usize>, kind| counts.get(&kind).copied().unwrap_or_default();
        let changed = kinds.into_iter().filter(|kind| of(&now, *kind) != of(&then, *kind));
        let told: Vec<String> =
            changed.map(|kind| format!("{kind:?} {} → {}", of(&now, kind), of(&then, kind))).collect();
        told.join(", ")
    };
    let home = json!({"id":"home","circle":{"lon":117.2272,"lat":31.8206,"radius_m":5000},"large":true});
    let told = [
        changed(json!({"fences": [home]})),
        changed(json!({"thresholds": {"heart_rate": {"high": 110, "sustain_s": 60}}})),
        changed(json!({"thresholds": {"silence": {"heartbeat_s": 3600}, "battery": {"low": 50}}})),
    ];
    expect![[r#"
        FenceExit 5 → 3
        HeartRateHigh 2 → 4
        Silence 2 → 0, BatteryLow 1 → 2"#]]
    .assert_eq(&told.join("\n"));
    // Fences may come as a FeatureCollection, too.
    let collection = json!({"type":"FeatureCollection","features":[{
        "type":"Feature","id":"home","properties":{"radius_m":5000,"large":true},
        "geometry":{"type":"Point","coordinates":[117.2272,31.8206]}}]});
    assert_eq!(changed(json!({"fences": collection})), told[0]);
}

fn a_change_that_is_not_valid_says_where(house: &House) {
    let wearer = house.state.wearer(&WearerId::new("w1")).unwrap().unwrap();
    let change = json!({"thresholds": {"spo2": {"low": 200}}, "fences": [{"id": "x"}], "colour": 1});
    let request = Request { wearer, change, from: at(0), to: at(60) };
    let Err(preview::Fault::Invalid(rows)) = preview::run(&house.state, ZONE, &request) else { panic!("it is valid") };
    let pointers: Vec<&str> = rows.iter().map(|row| row.pointer.as_str()).collect();
    assert_eq!(pointers, ["/thresholds/spo2/low", "/fences/0", "/colour"]);
}
