//! What is handed in, where it will stand, and which segments there are: the part of the journal that one lock holds.

use std::collections::VecDeque;

use model::Timestamp;

use super::Retention;
use super::batch::Batch;
use super::format::PAGE_BYTES;
use super::segments::WritableSegment;

const DAY_MILLIS: i64 = 86_400_000;

/// Batches on their way, and the segments that they go to.
pub(super) struct Queue<R> {
    pub(super) next_seq: u64,
    pub(super) next_ticket: u64,
    pub(super) in_flight: usize,
    pub(super) jobs: VecDeque<Job<R>>,
    pub(super) active: Option<(WritableSegment, u64)>,
    pub(super) ready: VecDeque<WritableSegment>,
    pub(super) next_generation: u64,
    /// Segments with records, oldest first, the active one last.
    pub(super) kept: Vec<Kept>,
    pub(super) dirty_spares: Vec<String>,
    /// One is being zeroed.
    pub(super) cleaning: bool,
    pub(super) clean_spares: Vec<String>,
    pub(super) preparing_error: Option<String>,
    pub(super) pool: Vec<Batch>,
    pub(super) closing: bool,
}

/// What truncation needs to know of a segment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kept {
    pub(super) generation: u64,
    pub(super) bytes: u64,
    pub(super) first_seq: u64,
    pub(super) first_at: i64,
}

pub(super) struct Job<R> {
    pub(super) ticket: u64,
    pub(super) batch: Batch,
    pub(super) first_seq: u64,
    pub(super) segment: WritableSegment,
    pub(super) offset: u64,
    pub(super) release: R,
}

impl<R> Queue<R> {
    pub(super) fn keep(&mut self, generation: u64, bytes: u64, first_seq: u64, first_at: i64) {
        self.kept.push(Kept { generation, bytes, first_seq, first_at });
    }

    pub(super) fn has_room(&self, span: u64) -> bool {
        let fits = self.active.as_ref().is_some_and(|(segment, offset)| offset + span <= segment.bytes);
        fits || self.ready.front().is_some_and(|segment| PAGE_BYTES + span <= segment.bytes)
    }

    /// Gives a batch its sequence numbers and its place. `None`: there is no room after all.
    pub(super) fn place(&mut self, batch: Batch, span: u64, release: R) -> Option<Job<R>> {
        if self.active.as_ref().is_none_or(|(segment, offset)| offset + span > segment.bytes) {
            self.active = Some((self.ready.pop_front()?, PAGE_BYTES));
        }
        let (segment, offset) = self.active.as_mut()?;
        let (segment, at) = (segment.clone(), *offset);
        let (ticket, first_seq) = (self.next_ticket, self.next_seq);
        if !batch.is_empty() {
            *offset += span;
            if self.kept.last().is_none_or(|kept| kept.generation != segment.generation) {
                self.keep(segment.generation, segment.bytes, first_seq, batch.base_at());
            }
        }
        self.next_ticket += 1;
        self.next_seq += batch.len() as u64;
        self.in_flight += 1;
        Some(Job { ticket, batch, first_seq, segment, offset: at, release })
    }

    pub(super) fn take_truncated(&mut self, below: u64, keep: &Retention, now: Timestamp) -> Vec<Kept> {
        let young_from = now.millis() - i64::from(keep.days) * DAY_MILLIS;
        let mut newer_bytes: u64 = self.kept.iter().map(|kept| kept.bytes).sum();
        let mut going = 0;
        // A segment ends where the next one begins, in numbers and in time; the last one stays.
        for pair in self.kept.windows(2) {
            let (segment, next) = (&pair[0], &pair[1]);
            newer_bytes -= segment.bytes;
            let is_needed = next.first_seq > below;
            let is_young = next.first_at > young_from && newer_bytes + segment.bytes <= keep.bytes;
            if is_needed || is_young {
                break;
            }
            going += 1;
        }
        self.kept.drain(..going).collect()
    }
}
