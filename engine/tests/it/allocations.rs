//! The rule core in its steady state: admission, fences and rules allocate nothing for a report that leads to nothing,
//! but for the repeat window, which is turned over once an hour and device.
#![allow(unsafe_code, reason = "an allocator that counts; every call is handed on as it came")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use engine::pipeline::Pipeline;
use model::{Actor, DeviceId, Input, OrgPath, PersonId, Report, Role, StaffCommand, Timestamp};

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

fn count() {
    // A thread that ends has no counter any more, and is not the one that counts.
    let _ = ALLOCATIONS.try_with(|counter| counter.set(counter.get() + 1));
}

// SAFETY: what `System` promises is promised on; counting neither allocates nor panics.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promise about `layout` is handed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as for `alloc`; `pointer` came from there.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: as for `dealloc`.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const WEARERS: u32 = 10;
/// Each reports as often: where they are, and their heart rate.
const EVERY_SECONDS: u32 = 30;
/// Until every repeat window has its full size, and then as long again: two and a half hours each.
const WARM_ROUNDS: u32 = 300;
const ROUNDS: u32 = 300;
/// How often a repeat window is turned over in that time, at most.
const TURNS_MAX: u64 = 3;

fn at(round: u32) -> Timestamp {
    Timestamp::from_millis(1_795_305_600_000).plus_seconds(round * EVERY_SECONDS)
}

fn pipeline() -> Pipeline {
    let of = |row: &dyn Fn(u32) -> String| (0..WEARERS).map(row).collect::<Vec<_>>().join(",");
    let wearers = of(&|n| {
        format!(
            r#"{{"id":"w{n}","name":"王桂兰","org":"/a/","guardians":[],"fences":[
                {{"id":"home","circle":{{"lon":117.2272,"lat":31.8206,"radius_m":300}}}},
                {{"id":"campus","geometry":{{"type":"Polygon","coordinates":
                  [[[117.21,31.81],[117.25,31.81],[117.25,31.83],[117.21,31.83],[117.21,31.81]]]}}}}]}}"#
        )
    });
    let devices = of(&|n| format!(r#"{{"id":"86123456789{n:04}","kind":"bracelet","wearer":"w{n}","secret":"x"}}"#));
    let document = format!(r#"{{"orgs":[{{"path":"/a/","name":"甲"}}],"wearers":[{wearers}],"devices":[{devices}]}}"#);
    let zone = chrono_tz::Tz::Asia__Shanghai;
    let change = engine::registry::validate_alone(document.as_bytes(), zone).unwrap();
    let actor = Actor { person: PersonId::new("s1"), role: Role::Admin, scope: OrgPath::new("/") };
    let command = StaffCommand::Import(Box::new(change));
    let mut pipeline = Pipeline::new(zone);
    pipeline.decide(Input::Command { actor, idempotency_key: None, command }, at(0), &mut Vec::new());
    pipeline
}

fn reports(round: u32, wearer: u32) -> [Report; 2] {
    let (round, millis) = (round + wearer, at(round).millis());
    let lat = 31.8200 + f64::from(round % 11) * 1e-4;
    [
        format!(r#"{{"type":"location","id":"l{round}","t":{millis},"lat":{lat},"lon":117.2272,"acc":8}}"#),
        format!(r#"{{"type":"heart_rate","id":"h{round}","t":{millis},"bpm":{}}}"#, 66 + round % 20),
    ]
    .map(|json| ingest::decode(ingest::Format::Json, json.as_bytes(), &ingest::Limits::default()).remove(0).unwrap())
}

#[test]
fn reports_that_lead_to_nothing_allocate_nothing_but_the_turn_of_the_repeat_window() {
    let mut pipeline = pipeline();
    let devices: Vec<DeviceId> = (0..WEARERS).map(|n| DeviceId::new(&format!("86123456789{n:04}"))).collect();
    let (mut records, mut allocations, mut decided) = (Vec::with_capacity(64), 0, 0_u64);
    for round in 0..WARM_ROUNDS + ROUNDS {
        for (wearer, device) in (0..).zip(&devices) {
            for report in reports(round, wearer) {
                let before = ALLOCATIONS.get();
                let plain = pipeline.decide_report(device, &report, at(round), &mut records);
                if round >= WARM_ROUNDS {
                    allocations += ALLOCATIONS.get() - before;
                    decided += 1;
                }
                assert!(plain.is_some_and(|plain| plain.observed.is_some()), "{records:?}");
            }
        }
    }
    println!("{allocations} allocations in {decided} reports");
    assert_eq!(decided, u64::from(ROUNDS * WEARERS * 2));
    assert!(allocations <= TURNS_MAX * u64::from(WEARERS), "{allocations}");
}
