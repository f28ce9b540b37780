//! The areas that a community is to stay out of, found by place.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono_tz::Tz;
use model::{FenceId, FenceKind, OrgPath, Position};
use rstar::primitives::{GeomWithData, Rectangle};
use rstar::{AABB, RTree};

use crate::fence::CompiledFence;

/// The fences of all organisations: exclusions in an R-tree, inclusions by organisation.
#[derive(Debug, Clone, Default)]
pub struct Zones {
    exclusions: BTreeMap<ZoneKey, Zone>,
    tree: RTree<GeomWithData<Rectangle<[f64; 2]>, ZoneKey>>,
    inclusions: BTreeMap<OrgPath, Vec<Arc<CompiledFence>>>,
}

#[derive(Debug, Clone)]
struct Zone {
    org: OrgPath,
    fence: CompiledFence,
}

/// Which exclusion, the same after every restart: a hash of its organisation and id.
pub(crate) type ZoneKey = u64;

impl Zones {
    /// From all fences of all organisations that have any. How many did not compile stands beside: they were checked
    /// when they were taken, so that these are faults.
    #[must_use]
    pub fn new<'o>(orgs: impl IntoIterator<Item = (&'o OrgPath, &'o [model::Fence])>, zone: Tz) -> (Zones, usize) {
        let (mut zones, mut broken) = (Zones::default(), 0);
        for (org, fences) in orgs {
            for fence in fences {
                match CompiledFence::recompile(fence, zone) {
                    Ok(fence) => zones.add(org, fence),
                    Err(_) => broken += 1,
                }
            }
        }
        let boxes = zones.exclusions.iter().map(|(key, zone)| {
            let (low, high) = zone.fence.bounds();
            GeomWithData::new(Rectangle::from_corners([low.lon, low.lat], [high.lon, high.lat]), *key)
        });
        zones.tree = RTree::bulk_load(boxes.collect());
        (zones, broken)
    }

    /// The inclusions that hold for somebody of an organisation: its own, and those of all above it.
    pub fn inclusions_of(&self, org: &OrgPath) -> impl Iterator<Item = &Arc<CompiledFence>> {
        std::iter::successors(Some(org.clone()).filter(|_| !self.inclusions.is_empty()), OrgPath::parent)
            .filter_map(|path| self.inclusions.get(&path))
            .flatten()
    }

    /// Whether there is no exclusion at all.
    #[must_use]
    pub(crate) fn is_empty(&self) -> bool {
        self.exclusions.is_empty()
    }

    /// An exclusion, if it holds for somebody of an organisation.
    pub(crate) fn get(&self, key: ZoneKey, org: &OrgPath) -> Option<&CompiledFence> {
        self.exclusions.get(&key).filter(|zone| zone.org.contains(org)).map(|zone| &zone.fence)
    }

    /// The exclusions for somebody of an organisation that may be no farther than `metres` from the way between two
    /// positions.
    pub(crate) fn near(
        &self,
        org: &OrgPath,
        (a, b): (Position, Position),
        metres: f64,
    ) -> impl Iterator<Item = (ZoneKey, &CompiledFence)> {
        const METRES_PER_DEGREE_MIN: f64 = 110_500.0;
        let north = metres / METRES_PER_DEGREE_MIN;
        let east = north / a.lat.abs().max(b.lat.abs()).min(89.0).to_radians().cos();
        let low = [a.lon.min(b.lon) - east, a.lat.min(b.lat) - north];
        let high = [a.lon.max(b.lon) + east, a.lat.max(b.lat) + north];
        let found = self.tree.locate_in_envelope_intersecting(&AABB::from_corners(low, high));
        found.filter_map(move |found| self.get(found.data, org).map(|fence| (found.data, fence)))
    }

    fn add(&mut self, org: &OrgPath, fence: CompiledFence) {
        match fence.kind() {
            FenceKind::Inclusion => self.inclusions.entry(org.clone()).or_default().push(Arc::new(fence)),
            FenceKind::Exclusion => {
                let key = zone_key(org, fence.id());
                self.exclusions.insert(key, Zone { org: org.clone(), fence });
            }
        }
    }
}

/// FNV-1a: stands in checkpoints, so it must never change.
fn zone_key(org: &OrgPath, fence: &FenceId) -> ZoneKey {
    let bytes = org.as_str().bytes().chain([0]).chain(fence.as_str().bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
