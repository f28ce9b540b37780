//! Wearers: their people, fences and plan.

use model::registry::WearerMode;
use model::{PersonId, Plan, Thresholds, Wearer, WearerId};

use super::rows::{id, name, org_path, phone};
use super::thresholds::small;
use super::{Reference, Walk, care, thresholds};
use crate::config::document::{Faults, Object};

/// The most guardians of one wearer.
const GUARDIANS_MAX: usize = 20;
/// The most fences of one wearer.
const FENCES_MAX: usize = 32;
pub(super) const DAY_SECONDS: u64 = 86_400;

impl Walk<'_> {
    pub(super) fn wearer(&mut self, mut row: Object<'_>) -> Option<String> {
        let faults = &mut self.faults;
        let id = id(&mut row, "id", true, faults);
        let name = name(&mut row, faults);
        let org = org_path(&mut row, "org", faults);
        let birth_year = row.integer("birth_year", 1880..=2100, faults).and_then(|year| u16::try_from(year).ok());
        let lives_alone = row.boolean("lives_alone", faults).unwrap_or_default();
        let thresholds = row.object("thresholds", faults).map(|object| thresholds::thresholds(object, faults));
        let suspension = row.object("suspension", faults).and_then(|object| thresholds::suspension(object, faults));
        let plan = row.object("plan", faults).map(|object| plan(object, faults));
        let doctor = self::id(&mut row, "doctor", false, faults).map(PersonId::new);
        let phone = phone(&mut row, faults);
        let mode = row.object("mode", faults).map(|object| care::mode(object, faults));
        let (guardians, availability) = self.guardians(&mut row, GUARDIANS_MAX);
        let fences = self.fences(&mut row, FENCES_MAX);
        let consents = self.consents(&mut row);
        if let Some(org) = &org {
            self.references.push((row.at("org"), Reference::Org(org.clone())));
        }
        if let Some(doctor) = &doctor {
            self.references.push((row.at("doctor"), Reference::Person(doctor.clone())));
        }
        if guardians.is_empty() && !row.has("guardians") {
            let detail = "this wearer has no guardians: alarms go to the desk at once";
            self.warnings.add(row.pointer().to_owned(), detail, "该佩戴者没有监护人：报警将直接转至值守台");
        }
        if let Some(id) = id {
            self.warn_of_losses(&row, &WearerId::new(id));
        }
        row.finish(&mut self.faults);
        let id = id?;
        if let (Some(name), Some(org)) = (name, org) {
            self.change.wearers.push(Wearer {
                id: WearerId::new(id),
                name,
                org,
                birth_year,
                lives_alone,
                phone,
                guardians,
                doctor,
                fences,
                thresholds: thresholds.unwrap_or_default(),
                plan: plan.unwrap_or_default(),
                suspension,
                availability,
                mode: mode.flatten().unwrap_or_default(),
                consents,
            });
        }
        Some(id.to_owned())
    }
}

impl Walk<'_> {
    /// A row stands for the whole wearer: what it does not mention is gone. Who corrects a phone number with a table of
    /// three columns is to know which protection that takes away.
    fn warn_of_losses(&mut self, row: &Object<'_>, id: &WearerId) {
        let before = match self.context.known.wearer(id) {
            Ok(Some(before)) => before,
            Ok(None) => return,
            Err(unreadable) => return self.unreadable(&unreadable),
        };
        let had = [
            ("guardians", !before.guardians.is_empty()),
            ("doctor", before.doctor.is_some()),
            ("phone", before.phone.is_some()),
            ("fences", !before.fences.is_empty()),
            ("thresholds", before.thresholds != Thresholds::default()),
            ("plan", before.plan != Plan::default()),
            ("suspension", before.suspension.is_some()),
            ("mode", before.mode != WearerMode::default()),
            ("consents", !before.consents.is_empty()),
        ];
        let lost: Vec<&str> =
            had.into_iter().filter(|(name, had)| *had && !row.has(name)).map(|(name, _)| name).collect();
        if !lost.is_empty() {
            let lost = lost.join(", ");
            let detail = format!("{id} has these and the row does not mention them, so they are taken away: {lost}");
            self.warnings.add(row.pointer().to_owned(), detail, format!("{id} 已有而此行未写的内容将被清除：{lost}"));
        }
    }

    /// What of a wearer may be tried out.
    pub(super) fn amend(&mut self, mut change: Object<'_>, wearer: &mut Wearer) {
        if let Some(object) = change.object("thresholds", &mut self.faults) {
            wearer.thresholds = thresholds::thresholds(object, &mut self.faults);
        }
        if let Some(object) = change.object("plan", &mut self.faults) {
            wearer.plan = plan(object, &mut self.faults);
        }
        if change.has("fences") {
            wearer.fences = self.fences(&mut change, FENCES_MAX);
        }
        change.finish(&mut self.faults);
    }
}

fn plan(mut object: Object<'_>, faults: &mut Faults) -> Plan {
    let defaults = Plan::default();
    let mut whole = |name, most, default: u32| {
        object.integer(name, 1..=most, faults).and_then(|found| u32::try_from(found).ok()).unwrap_or(default)
    };
    let plan = Plan {
        next_after_seconds: whole("next_after_s", DAY_SECONDS, defaults.next_after_seconds),
        ring_seconds: whole("ring_s", DAY_SECONDS, defaults.ring_seconds),
        gap_seconds: whole("gap_s", DAY_SECONDS, defaults.gap_seconds),
        cycles: u16::try_from(whole("cycles", 1_000, u32::from(defaults.cycles))).unwrap_or(defaults.cycles),
        lease_seconds: whole("lease_s", DAY_SECONDS, defaults.lease_seconds),
        fall_window_seconds: whole("fall_window_s", DAY_SECONDS, defaults.fall_window_seconds),
        quiet: care::quiet(&mut object, faults, defaults.quiet),
        test_calls_every_days: small(object.integer("test_calls_every_days", 0..=90, faults)).unwrap_or(0),
    };
    object.finish(faults);
    plan
}
