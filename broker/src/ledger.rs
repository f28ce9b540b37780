//! The acknowledgements that a connection owes, in the order of its publishes.
//!
//! A publish is acknowledged when every parcel that carries an item of it is settled, and never before the publishes
//! that came earlier, whichever lane they took.

use std::collections::VecDeque;

use compact_str::CompactString;
use model::RejectReason;

use crate::mailbox::Verdict;

/// Above this many, the room of an empty ledger is given back.
const LEDGER_KEPT_ACKS_MAX: usize = 256;

/// One acknowledgement owed.
#[derive(Debug)]
pub(crate) struct Ack {
    /// Of the publish; 0 with [`AckKind::Nothing`].
    pub packet_id: u16,
    /// How to acknowledge.
    pub kind: AckKind,
    /// The MQTT 5 reason code, if nothing worse happens on the way.
    pub code: u8,
    /// What was rejected in the payload.
    pub complaint: Option<Box<Complaint>>,
}

/// How a publish is acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AckKind {
    /// QoS 0 with a complaint to be told.
    Nothing,
    /// QoS 1.
    Puback,
    /// QoS 2.
    Pubrec,
    /// QoS 2, sent again with the same packet identifier: its first copy counts.
    PubrecAgain,
}

/// What a device is told about rejected items.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Complaint {
    /// Of the first rejected item.
    pub reason: RejectReason,
    /// Of the first rejected item.
    pub detail: CompactString,
    /// How many items were rejected.
    pub rejected: usize,
    /// How many items there were.
    pub items: usize,
}

impl Complaint {
    /// In one sentence.
    pub fn text(&self) -> CompactString {
        if self.items > 1 {
            compact_str::format_compact!("{} of {} items rejected: {}", self.rejected, self.items, self.detail)
        } else {
            self.detail.clone()
        }
    }
}

/// The parcels that a publish waits for; 0 is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Waits {
    pub alarm: u64,
    pub telemetry: u64,
}

/// Acknowledgements in a row that wait for the same parcels.
#[derive(Debug)]
struct Run {
    waits: Waits,
    count: usize,
    verdict: Verdict,
    /// Whether the rest of an oversized publish is still coming.
    uploading: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    runs: VecDeque<Run>,
    acks: VecDeque<Ack>,
}

impl Ledger {
    pub fn is_empty(&self) -> bool {
        self.acks.is_empty()
    }

    /// Owes an acknowledgement once the parcels it waits for are settled.
    pub fn owe(&mut self, waits: Waits, ack: Ack) {
        self.acks.push_back(ack);
        match self.runs.back_mut() {
            Some(run) if run.waits == waits && run.verdict == Verdict::Released && !run.uploading => run.count += 1,
            _ => self.runs.push_back(Run { waits, count: 1, verdict: Verdict::Released, uploading: false }),
        }
    }

    /// Owes an acknowledgement that also waits for [`uploaded`](Self::uploaded).
    pub fn owe_while_uploading(&mut self, waits: Waits, ack: Ack) {
        self.acks.push_back(ack);
        self.runs.push_back(Run { waits, count: 1, verdict: Verdict::Released, uploading: true });
    }

    /// The rest of the oversized publish has come.
    pub fn uploaded(&mut self) {
        for run in &mut self.runs {
            run.uploading = false;
        }
    }

    /// A parcel is settled. Where two parcels carry one publish, the worse verdict stands.
    pub fn settle(&mut self, serial: u64, verdict: Verdict) {
        for run in &mut self.runs {
            let waits = &mut run.waits;
            let concerned = waits.alarm == serial || waits.telemetry == serial;
            if !concerned {
                continue;
            }
            if waits.alarm == serial {
                waits.alarm = 0;
            }
            if waits.telemetry == serial {
                waits.telemetry = 0;
            }
            run.verdict = worse(run.verdict, verdict);
        }
    }

    /// The next acknowledgement whose turn has come.
    pub fn next_due(&mut self) -> Option<(Ack, Verdict)> {
        let run = self.runs.front_mut()?;
        if run.waits != Waits::default() || run.uploading {
            return None;
        }
        let verdict = run.verdict;
        run.count -= 1;
        if run.count == 0 {
            self.runs.pop_front();
        }
        let ack = self.acks.pop_front();
        if self.acks.is_empty() && self.acks.capacity() > LEDGER_KEPT_ACKS_MAX {
            self.acks = VecDeque::new();
        }
        ack.map(|ack| (ack, verdict))
    }
}

fn worse(one: Verdict, other: Verdict) -> Verdict {
    match (one, other) {
        (Verdict::Abandoned, _) | (_, Verdict::Abandoned) => Verdict::Abandoned,
        (Verdict::Refused, _) | (_, Verdict::Refused) => Verdict::Refused,
        (Verdict::Released, Verdict::Released) => Verdict::Released,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owe(ledger: &mut Ledger, packet_id: u16, alarm: u64, telemetry: u64) {
        let ack = Ack { packet_id, kind: AckKind::Puback, code: 0, complaint: None };
        ledger.owe(Waits { alarm, telemetry }, ack);
    }

    fn due(ledger: &mut Ledger) -> Vec<(u16, Verdict)> {
        std::iter::from_fn(|| ledger.next_due()).map(|(ack, verdict)| (ack.packet_id, verdict)).collect()
    }

    #[test]
    fn an_alarm_that_overtook_is_acknowledged_in_its_turn() {
        let mut ledger = Ledger::default();
        owe(&mut ledger, 1, 0, 11);
        owe(&mut ledger, 2, 10, 0);
        owe(&mut ledger, 3, 0, 11);
        ledger.settle(10, Verdict::Released);
        assert_eq!(due(&mut ledger), []);
        ledger.settle(11, Verdict::Released);
        assert_eq!(due(&mut ledger), [(1, Verdict::Released), (2, Verdict::Released), (3, Verdict::Released)]);
        assert!(ledger.is_empty());
    }

    #[test]
    fn a_publish_of_both_lanes_waits_for_both_and_takes_the_worse_verdict() {
        let mut ledger = Ledger::default();
        owe(&mut ledger, 1, 10, 11);
        owe(&mut ledger, 2, 0, 13);
        ledger.settle(11, Verdict::Refused);
        ledger.settle(13, Verdict::Released);
        assert_eq!(due(&mut ledger), []);
        ledger.settle(10, Verdict::Released);
        assert_eq!(due(&mut ledger), [(1, Verdict::Refused), (2, Verdict::Released)]);
    }

    #[test]
    fn an_upload_holds_back_its_own_acknowledgement() {
        let mut ledger = Ledger::default();
        let ack = Ack { packet_id: 9, kind: AckKind::Puback, code: 0x99, complaint: None };
        ledger.owe_while_uploading(Waits { alarm: 0, telemetry: 5 }, ack);
        ledger.settle(5, Verdict::Released);
        assert_eq!(due(&mut ledger), []);
        ledger.uploaded();
        assert_eq!(due(&mut ledger), [(9, Verdict::Released)]);
    }
}
