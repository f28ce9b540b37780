//! One wearer and one device as the pipeline holds them: the registration made ready for use, and the hot state beside it.

use std::sync::{Arc, LazyLock};

use chrono_tz::Tz;
use geofence::{CompiledFence, Ground, Watch, Zones};
use model::registry::Shape;
use model::{Datum, Device, DeviceId, Located, Position, Thresholds, Timestamp, Wearer};

use super::slots::Found;

/// The id of the fence that is home, if one has it.
const HOME_FENCE: &str = "home";

/// A wearer, their fences ready for use, and their hot state.
///
/// Among a million wearers, what a report costs is how many lines of memory it looks at. So everything that a plain
/// report needs stands here side by side, in this order, and [`WearerEntry::foresee`] has it fetched; what is as long as a
/// page and hardly ever asked for, the registration and the fences, stands elsewhere.
#[derive(Debug)]
#[repr(C)]
pub struct WearerEntry {
    near: Near,
    /// The fence by which their nights are measured.
    pub home: Option<rules::Home>,
    /// As registered.
    pub wearer: Box<Wearer>,
    /// What changes with every report.
    pub hot: WearerHot,
    /// Their fences, compiled, and after them what they inherit to stay in; in the order of [`WearerHot::watch`].
    pub fences: Vec<Arc<CompiledFence>>,
    /// How many of these are their own.
    own_fences: usize,
}

/// Of a wearer's registration what every report asks for, and where their device was found last.
#[derive(Debug)]
struct Near {
    fall_window_seconds: u32,
    /// The slot of the device that was heard last, to be looked at first.
    heard_slot: u32,
    has_thresholds: bool,
    has_suspension: bool,
}

/// What changes with every report of a wearer.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
#[repr(C)]
pub struct WearerHot {
    /// When the rules want to be asked again; mirrors the timer index.
    pub due: Option<Timestamp>,
    /// The device whose fix the watch waits on: a slot.
    pub watched_device: Option<u32>,
    /// The newest fix by time of measurement.
    pub last_fix: Option<(Timestamp, Located)>,
    /// Where they stand with regard to their fences.
    pub watch: Watch,
    /// What the rules remember.
    pub rules: rules::WearerState,
}

/// A device and its hot state; what a report needs stands side by side, as with [`WearerEntry`].
#[derive(Debug)]
#[repr(C)]
pub struct DeviceEntry {
    /// From when on who wears it is who wears it now.
    pub(super) bound_from: Timestamp,
    /// Who that is, once they were looked up.
    pub(super) bound_to: Found,
    /// What changes with every report.
    pub hot: DeviceHot,
    /// As registered.
    pub device: Box<Device>,
    /// Where it is kept.
    pub placement: rules::Placement,
    /// Of its fixes.
    pub datum: Datum,
}

/// What changes with every report of a device.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
pub struct DeviceHot {
    /// The repeat window.
    pub admission: ingest::Admission,
    /// Whether a session is there.
    pub online: bool,
    /// The last level that it reported, percent.
    pub battery_percent: Option<u8>,
}

impl DeviceEntry {
    /// Looks at its lines, and returns something that means nothing.
    pub fn foresee(&self) -> u64 {
        u64::from(self.hot.online) ^ self.bound_from.millis() as u64
    }

    /// A device whose wearer has yet to be found.
    pub fn new(device: Device, hot: DeviceHot) -> DeviceEntry {
        let bound_from = match device.bindings.as_slice() {
            [] => Timestamp::from_millis(i64::MIN),
            [.., last] if last.wearer != device.wearer => Timestamp::from_millis(i64::MAX),
            [_] => Timestamp::from_millis(i64::MIN),
            [.., last] => last.from,
        };
        DeviceEntry {
            bound_from,
            bound_to: Found::default(),
            hot,
            placement: rules::Placement::of_kind(&device.kind),
            datum: device.datum,
            device: Box::new(device),
        }
    }
}

impl WearerEntry {
    /// A wearer with their fences compiled, and how many of these did not compile. `hot` is arranged for them.
    pub fn new(wearer: Wearer, hot: WearerHot, zones: &Zones, zone: Tz) -> (WearerEntry, usize) {
        let (own, broken) = compile(&wearer, zone);
        let (near, home, wearer) = (Near::of(&wearer), home(&wearer), Box::new(wearer));
        let mut entry = WearerEntry { near, hot, home, wearer, fences: Vec::new(), own_fences: 0 };
        entry.arrange(own, zones, true);
        (entry, broken)
    }

    /// They are registered anew.
    pub(super) fn register(&mut self, wearer: Wearer) {
        self.near = Near { heard_slot: self.near.heard_slot, ..Near::of(&wearer) };
        self.home = home(&wearer);
        *self.wearer = wearer;
    }

    /// Looks at the lines that a plain report asks for, and returns something that means nothing.
    pub fn foresee(&self) -> u64 {
        let WearerEntry { near, hot, home, .. } = self;
        let fix = hot.last_fix.map_or(0, |(measured, _)| measured.millis() as u64);
        u64::from(near.heard_slot) ^ fix ^ hot.watch.foresee() ^ hot.rules.foresee() ^ u64::from(home.is_some())
    }

    /// The slot of the device that was heard last.
    pub fn heard_slot(&self) -> u32 {
        self.near.heard_slot
    }

    /// A worn device is heard, which will be missed.
    pub fn note_heard(&mut self, device_slot: u32) {
        self.near.heard_slot = device_slot;
    }

    /// The wearer for the rules and on the ground, and their hot state. Who asks says which device reports.
    pub fn watched<'a>(
        &'a mut self,
        zones: &'a Zones,
        nobody: &'a DeviceId,
        utc_offset_minutes: i32,
        listening_since: Timestamp,
    ) -> (rules::Subject<'a>, impl Fn() -> Ground<'a>, &'a mut WearerHot) {
        let WearerEntry { near, hot, home, wearer, fences, .. } = self;
        let (wearer, fences): (&Wearer, &Vec<Arc<CompiledFence>>) = (wearer, fences);
        let subject = rules::Subject {
            wearer: &wearer.id,
            device: nobody,
            placement: rules::Placement::Worn,
            // Only their own are where nothing else is that is asked for.
            thresholds: if near.has_thresholds { &wearer.thresholds } else { &USUAL },
            suspension: if near.has_suspension { wearer.suspension.as_ref() } else { None },
            fall_window_seconds: near.fall_window_seconds,
            position: hot.last_fix.map(|(_, located)| located.position),
            fix_before: None,
            home: home.as_ref(),
            utc_offset_minutes,
            listening_since,
        };
        // Only asked for where a fence may have been crossed.
        let ground = move || Ground { fences, zones, org: &wearer.org };
        (subject, ground, hot)
    }

    /// Takes over the organisations' fences; their own stay as they are.
    pub(super) fn inherit(&mut self, zones: &Zones, is_arranged: bool) {
        let own = self.fences[..self.own_fences].to_vec();
        self.arrange(own, zones, is_arranged);
    }

    /// Puts their own fences and the inherited ones in order. A tracker goes on where its fence did not change.
    pub(super) fn arrange(&mut self, own: Vec<Arc<CompiledFence>>, zones: &Zones, is_arranged: bool) {
        self.own_fences = own.len();
        let mut fences = own;
        fences.extend(zones.inclusions_of(&self.wearer.org).cloned());
        if !is_arranged {
            let before = |fence: &Arc<CompiledFence>| self.fences.iter().position(|known| known == fence);
            self.hot.watch.arrange(fences.iter().map(before));
        }
        self.fences = fences;
    }
}

/// The thresholds of nearly everybody.
static USUAL: LazyLock<Thresholds> = LazyLock::new(Thresholds::default);

impl Near {
    fn of(wearer: &Wearer) -> Near {
        Near {
            fall_window_seconds: wearer.plan.fall_window_seconds,
            heard_slot: u32::MAX,
            has_thresholds: wearer.thresholds != *USUAL,
            has_suspension: wearer.suspension.is_some(),
        }
    }
}

/// A wearer's own fences, and how many did not compile.
pub(super) fn compile(wearer: &Wearer, zone: Tz) -> (Vec<Arc<CompiledFence>>, usize) {
    let compiled = wearer.fences.iter().filter_map(|fence| CompiledFence::recompile(fence, zone).ok());
    let fences: Vec<Arc<CompiledFence>> = compiled.map(Arc::new).collect();
    let broken = wearer.fences.len() - fences.len();
    (fences, broken)
}

/// The fence to stay in that is called home, else the first of these. Its middle is that of a circle, or the mean of an outline's corners.
fn home(wearer: &Wearer) -> Option<rules::Home> {
    let mut to_stay_in = wearer.fences.iter().filter(|fence| fence.kind == model::FenceKind::Inclusion);
    let first = to_stay_in.clone().next();
    let fence = to_stay_in.find(|fence| fence.id.as_str() == HOME_FENCE).or(first)?;
    let middle = match &fence.shape {
        Shape::Circle { lon, lat, .. } => Position::new(*lat, *lon),
        // The last corner of a ring is the first again.
        Shape::Polygon { rings } => rings.first().and_then(|ring| middle(ring.get(1..)?)),
        Shape::MultiPolygon { polygons } => {
            polygons.first().and_then(|rings| rings.first()).and_then(|ring| middle(ring.get(1..)?))
        }
        Shape::Corridor { line, .. } => middle(line),
    };
    let centre = middle.map(|position| geofence::datum::to_wgs84(position, fence.datum));
    Some(rules::Home { fence: fence.id.clone(), centre })
}

/// The mean of corners.
fn middle(corners: &[[f64; 2]]) -> Option<Position> {
    let mean = |axis: usize| corners.iter().map(|corner| corner[axis]).sum::<f64>() / corners.len() as f64;
    Position::new(mean(1), mean(0))
}
