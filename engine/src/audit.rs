//! `yinling audit verify`: whether the audit on disk is whole. It reads the journal, and for what lies before it the
//! newest export; it needs neither the lock nor the view, so it also works while somebody serves.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use model::Decision;
use model::audit::{AUDIT_BEGINNING, AuditEntry};
use store::{DataDir, Disk, RealDisk, State, StateConfig, StoreError};

use crate::pipeline::{hash_of, hash_of_purpose};

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// How many entries were looked at.
    pub entries: u64,
    /// The number of the oldest of them; 0: there is none.
    pub oldest: u64,
    /// Number and hash of the newest: written down elsewhere, it shows later that nothing was cut off.
    pub head: (u64, [u8; 32]),
    /// How many of them lost their purpose because whom it was about was erased.
    pub purposes_erased: u64,
    /// What is wrong, entry by entry, in English.
    pub faults: Vec<String>,
}

/// How many faults are told; one changed entry makes two.
const FAULTS_MAX: usize = 100;

/// Checks entries one after the other.
#[derive(Debug)]
pub struct Chain {
    verdict: Verdict,
    /// What the head was noted as, and whether it was met.
    noted: Option<(u64, [u8; 32])>,
    is_noted_met: bool,
}

impl Chain {
    /// Begins with nothing. `noted` is a head that was written down earlier.
    #[must_use]
    pub fn new(noted: Option<(u64, [u8; 32])>) -> Chain {
        let verdict =
            Verdict { entries: 0, oldest: 0, head: (0, AUDIT_BEGINNING), purposes_erased: 0, faults: Vec::new() };
        Chain { verdict, noted, is_noted_met: false }
    }

    /// Takes the next entry. One that was taken before (it stands in an export and in the journal) must be the same.
    pub fn take(&mut self, entry: &AuditEntry) {
        let number = entry.number;
        let (last, hash) = self.verdict.head;
        if hash_of(entry) != entry.hash {
            self.fault(format!("entry {number} was changed: its hash does not fit what it says"));
        }
        match (&entry.purpose, entry.purpose_hash) {
            (Some(purpose), hash) if hash != Some(hash_of_purpose(number, purpose)) => {
                self.fault(format!("entry {number} was changed: its purpose is not the one that was given"));
            }
            (None, Some(_)) => self.verdict.purposes_erased += 1,
            _ => {}
        }
        if self.verdict.entries == 0 {
            self.verdict.oldest = number;
            if number == 1 && entry.previous != AUDIT_BEGINNING {
                self.fault("entry 1 is not the first: it says that something stood before it".to_owned());
            }
        } else if number > last + 1 {
            self.fault(format!("entries {} to {} are missing", last + 1, number - 1));
        } else if number <= last {
            self.fault(format!(
                "entry {number} stands after entry {last}: the order was changed, or it is there twice"
            ));
        } else if entry.previous != hash {
            self.fault(format!("entry {number} does not follow entry {last}: one of them was changed or put in"));
        }
        if let Some((noted, hash)) = self.noted
            && noted == number
        {
            self.is_noted_met = true;
            if hash != entry.hash {
                self.fault(format!("entry {number} is not the one that was noted"));
            }
        }
        self.verdict.entries += 1;
        self.verdict.head = (number, entry.hash);
    }

    /// What was found.
    #[must_use]
    pub fn finish(mut self) -> Verdict {
        if let Some((noted, _)) = self.noted
            && !self.is_noted_met
        {
            self.fault(format!("entry {noted}, which was noted, is not there: what came last was cut off"));
        }
        self.verdict
    }

    fn fault(&mut self, what: String) {
        if self.verdict.faults.len() < FAULTS_MAX {
            self.verdict.faults.push(what);
        }
    }
}

/// Looks through the audit of a data directory.
///
/// # Errors
/// When it cannot be read. That something is wrong with the audit is no error but in the verdict.
pub fn verify(data: &Path, noted: Option<(u64, [u8; 32])>) -> anyhow::Result<Verdict> {
    crate::data_dir::DataDir::open(data)?;
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let layout = DataDir::new(data);
    let mut damaged = Vec::new();
    let mut recent: Vec<AuditEntry> = Vec::new();
    let reader = store::read_from(Arc::clone(&disk), &layout.journal(), 0)
        .with_context(|| format!("reading the journal of {}", data.display()))?;
    for item in reader {
        match item {
            Ok((_, record)) => recent.extend(record.decisions.into_iter().filter_map(|decision| match decision {
                Decision::Audit(entry) => Some(*entry),
                _ => None,
            })),
            Err(StoreError::Damage(damage)) => damaged.push(format!("the journal is damaged: {damage:?}")),
            Err(error) => return Err(error.into()),
        }
    }
    let mut chain = Chain::new(noted);
    let begins = recent.first().map_or(u64::MAX, |entry| entry.number);
    if begins > 1 {
        older(&disk, &layout, begins, &mut chain).context("reading the newest export")?;
    }
    recent.iter().for_each(|entry| chain.take(entry));
    let mut verdict = chain.finish();
    verdict.faults.extend(damaged);
    if verdict.oldest > 1 {
        verdict.faults.push(format!("the audit begins with entry {}: what stood before it is gone", verdict.oldest));
    }
    Ok(verdict)
}

/// What stands before the journal, from the newest export.
fn older(disk: &Arc<dyn Disk>, layout: &DataDir, before: u64, chain: &mut Chain) -> anyhow::Result<()> {
    // Not in the data directory, which may be on a disk that can only be read; for the owner only, and gone afterwards.
    let scratch = tempfile::Builder::new().prefix("yinling-audit-").tempdir().with_context(|| {
        let folder = std::env::temp_dir();
        format!("making a folder in {}; TMPDIR names another, with room for the state", folder.display())
    })?;
    let (state, _) = State::open(&scratch.path().join("state"), &StateConfig::default())?;
    store::export::restore_latest(&**disk, &layout.exports(), &state)?;
    state.for_each_audit_entry(&mut |entry| {
        if entry.number < before {
            chain.take(&entry);
        }
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use model::{Actor, OrgPath, PersonId, Role, StaffCommand, Timestamp};
    use proptest::prelude::*;

    use super::*;
    use crate::pipeline::Pipeline;

    fn entries(count: usize) -> Vec<AuditEntry> {
        let (mut pipeline, mut records) = (Pipeline::new(chrono_tz::Tz::Asia__Shanghai), Vec::new());
        for n in 0..count {
            let look = model::staff::Look {
                subject: format!("wearers/w{n}/latest").into(),
                fields: vec!["position".into()],
                purpose: (n % 2 == 0).then(|| "looking for her".into()),
            };
            let input = model::Input::Command {
                actor: Actor { person: PersonId::new("s1"), role: Role::Desk, scope: OrgPath::new("/") },
                idempotency_key: None,
                command: StaffCommand::Look(look),
            };
            pipeline.decide(input, Timestamp::from_millis(n as i64), &mut records);
        }
        let decisions = records.into_iter().flat_map(|record| record.decisions);
        decisions.filter_map(|d| if let Decision::Audit(entry) = d { Some(*entry) } else { None }).collect()
    }

    fn checked(entries: &[AuditEntry], noted: Option<(u64, [u8; 32])>) -> Vec<String> {
        let mut chain = Chain::new(noted);
        entries.iter().for_each(|entry| chain.take(entry));
        chain.finish().faults
    }

    #[test]
    fn whatever_is_done_to_the_audit_shows() {
        let whole = entries(9);
        let head = whole.last().map(|entry| (entry.number, entry.hash));
        assert_eq!(checked(&whole, head), [""; 0]);
        let told = |change: &dyn Fn(&mut Vec<AuditEntry>)| {
            let mut changed = whole.clone();
            change(&mut changed);
            checked(&changed, head)
        };
        let resealed = |entry: &mut AuditEntry| entry.hash = hash_of(entry);
        assert_eq!(
            told(&|e| e[3].person = PersonId::new("s2")),
            ["entry 4 was changed: its hash does not fit what it says"]
        );
        assert_eq!(
            told(&|e| {
                e[3].person = PersonId::new("s2");
                resealed(&mut e[3]);
            }),
            ["entry 5 does not follow entry 4: one of them was changed or put in"]
        );
        assert_eq!(
            told(&|e| e[4].purpose = Some("a better reason".into())),
            ["entry 5 was changed: its purpose is not the one that was given"]
        );
        assert_eq!(
            told(&|e| e[3].purpose = Some("a reason".into())),
            ["entry 4 was changed: its purpose is not the one that was given"]
        );
        assert_eq!(told(&|e| drop(e.remove(3))), ["entries 4 to 4 are missing"]);
        assert_eq!(told(&|e| e.truncate(7)), ["entry 9, which was noted, is not there: what came last was cut off"]);
        assert_eq!(told(&|e| e.swap(3, 4)).len(), 3);
        assert_eq!(told(&|e| e.insert(3, e[3].clone())).len(), 1);
        // All of it written anew from the fourth on, as one who knows how would: the noted head tells.
        let forged = told(&|e| {
            e[3].person = PersonId::new("s2");
            for n in 3..e.len() {
                e[n].previous = e[n - 1].hash;
                resealed(&mut e[n]);
            }
        });
        assert_eq!(forged, ["entry 9 is not the one that was noted"]);
    }

    #[test]
    fn a_purpose_that_an_erasure_took_out_breaks_no_chain_and_is_counted() {
        let mut entries = entries(9);
        entries.iter_mut().for_each(|entry| entry.purpose = None);
        let mut chain = Chain::new(entries.last().map(|entry| (entry.number, entry.hash)));
        entries.iter().for_each(|entry| chain.take(entry));
        let verdict = chain.finish();
        assert_eq!((verdict.faults, verdict.purposes_erased), (Vec::new(), 5));
    }

    proptest! {
        #[test]
        fn no_entry_can_be_changed_dropped_or_moved(at in 0usize..8, to in 0usize..8, kind in 0u8..6) {
            let whole = entries(9);
            let mut changed = whole.clone();
            match kind {
                0 => changed[at].subject.push('x'),
                1 => changed[at].at = changed[at].at.plus_millis(1),
                2 => changed[at].result = "refused".into(),
                3 => drop(changed.remove(at)),
                4 => changed.swap(at, to),
                _ => {
                    changed[at].previous[to] ^= 1;
                    changed[at].hash = hash_of(&changed[at]);
                }
            }
            let dropped_first = kind == 3 && at == 0;
            // That the first is gone shows in the number of the oldest.
            prop_assert_eq!(checked(&changed, None).is_empty(), changed == whole || dropped_first);
        }
    }
}
