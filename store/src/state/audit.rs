//! Queries about the audit.

use model::{AuditEntry, Timestamp, WearerId};

use super::tree::Scan;
use super::{State, keys};
use crate::error::StoreError;

/// How many entries a query looks at before it gives what it has.
const SCANNED_MAX: usize = 20_000;

/// Which entries of the audit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Only those about this wearer's data.
    pub wearer: Option<WearerId>,
    /// Only those at or after this time.
    pub from: Option<Timestamp>,
    /// Only those before this time.
    pub to: Option<Timestamp>,
}

/// A part of the audit, newest first.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditPage {
    /// The entries.
    pub entries: Vec<AuditEntry>,
    /// The last number that was looked at, when there is more below it.
    pub more_below: Option<u64>,
}

impl State {
    /// One entry, by its number.
    ///
    /// # Errors
    /// [`StoreError::State`].
    pub fn audit_entry(&self, number: u64) -> Result<Option<AuditEntry>, StoreError> {
        self.read("audit entry", &keys::number(keys::AUDIT, number))
    }

    /// Entries below `below` (`None`: from the newest), newest first, at most `limit` of those that `keep` lets
    /// through.
    ///
    /// # Errors
    /// [`StoreError::State`].
    pub fn audit(
        &self,
        filter: &AuditFilter,
        below: Option<u64>,
        limit: usize,
        keep: &dyn Fn(&AuditEntry) -> bool,
    ) -> Result<AuditPage, StoreError> {
        let (from, mut to) = match &filter.wearer {
            Some(wearer) => keys::of_text(keys::AUDIT_OF_WEARER, wearer.as_str()),
            None => {
                let (from, to) = keys::all(keys::AUDIT);
                (from.to_vec(), to.to_vec())
            }
        };
        if let Some(below) = below {
            to.clone_from(&from);
            to.extend_from_slice(&below.to_be_bytes());
        }
        let mut page = AuditPage { entries: Vec::new(), more_below: None };
        let (mut scanned, mut last) = (0, u64::MAX);
        self.database.scan_back(&from, &to, &mut |key, _| {
            if page.entries.len() >= limit || scanned >= SCANNED_MAX {
                page.more_below = Some(last);
                return Ok(Scan::Stop);
            }
            (scanned, last) = (scanned + 1, keys::last_number(key));
            let Some(entry) = self.audit_entry(last)? else { return Ok(Scan::Go) };
            // Entries ascend in time: before `from` there is nothing more.
            if filter.from.is_some_and(|from| entry.at < from) {
                return Ok(Scan::Stop);
            }
            if filter.to.is_none_or(|to| entry.at < to) && keep(&entry) {
                page.entries.push(entry);
            }
            Ok(Scan::Go)
        })?;
        Ok(page)
    }

    /// Hands over the whole audit, oldest first.
    ///
    /// # Errors
    /// [`StoreError::State`].
    pub fn for_each_audit_entry(&self, visit: &mut dyn FnMut(AuditEntry)) -> Result<(), StoreError> {
        let (from, to) = keys::all(keys::AUDIT);
        self.database.scan(&from, &to, &mut |_, value| {
            visit(crate::codec::decode_value("audit entry", value)?);
            Ok(Scan::Go)
        })
    }
}
