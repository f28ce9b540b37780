//! Commands to devices: queued → sent → acknowledged, or expired, or replaced by a newer of their kind.

use std::collections::{BTreeMap, BTreeSet};

use model::command::DOWN_COMMAND_TABLE;
use model::{
    Counters, DeviceId, DownCommand, DownCommandId, DownCommandKind, DownCommandState, EventKind, PersonId, Timestamp,
};

/// How many commands may wait for one device.
pub const WAITING_PER_DEVICE_MAX: usize = 64;

/// What changed, for the feed.
pub type Change = (EventKind, DownCommand);

/// The commands that are not at their end.
#[derive(Debug, Default)]
pub struct DownCommands {
    open: BTreeMap<DownCommandId, DownCommand>,
    by_device: BTreeMap<DeviceId, BTreeSet<DownCommandId>>,
    due: BTreeSet<(Timestamp, DownCommandId)>,
}

impl DownCommands {
    /// Queues a command; the newest replaces its like.
    pub fn create(
        &mut self,
        device: &DeviceId,
        kind: DownCommandKind,
        by: Option<PersonId>,
        time_to_live_seconds: Option<u32>,
        now: Timestamp,
        counters: &mut Counters,
    ) -> Vec<Change> {
        let mut changes: Vec<Change> = self
            .waiting_for(device)
            .filter(|known| known.kind.name() == kind.name())
            .map(|known| known.id)
            .collect::<Vec<_>>()
            .into_iter()
            .filter_map(|id| self.change(id, DownCommandState::Replaced, now))
            .collect();
        let expires_at = now.plus_seconds(time_to_live_seconds.unwrap_or_else(|| kind.time_to_live_seconds()));
        let command = DownCommand {
            id: counters.next_down_command(),
            version: 1,
            device: device.clone(),
            kind,
            state: DownCommandState::Queued,
            by,
            created_at: now,
            expires_at,
            changed_at: now,
        };
        self.apply(command.clone());
        changes.push((EventKind::CommandQueued, command));
        changes
    }

    /// Written to its device's connection.
    pub fn sent(&mut self, id: DownCommandId, now: Timestamp) -> Option<Change> {
        self.change(id, DownCommandState::Sent, now)
    }

    /// The device's PUBACK came.
    pub fn acknowledged(&mut self, id: DownCommandId, now: Timestamp) -> Option<Change> {
        self.change(id, DownCommandState::Acknowledged, now)
    }

    /// When the next one expires.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Ends what expired by now.
    pub fn advance(&mut self, now: Timestamp) -> Vec<Change> {
        let mut changes = Vec::new();
        while let Some((_, id)) = self.due.first().copied().filter(|(at, _)| *at <= now) {
            match self.change(id, DownCommandState::Expired, now) {
                Some(change) => changes.push(change),
                None => {
                    self.due.pop_first();
                }
            }
        }
        changes
    }

    /// Recovery: the command as it was decided.
    pub fn apply(&mut self, command: DownCommand) {
        let (id, device) = (command.id, command.device.clone());
        if matches!(command.state, DownCommandState::Queued | DownCommandState::Sent) {
            self.due.insert((command.expires_at, id));
            self.by_device.entry(device).or_default().insert(id);
            self.open.insert(id, command);
        } else {
            self.due.remove(&(command.expires_at, id));
            self.open.remove(&id);
            if let Some(waiting) = self.by_device.get_mut(&device) {
                waiting.remove(&id);
                if waiting.is_empty() {
                    self.by_device.remove(&device);
                }
            }
        }
    }

    /// What waits for a device, oldest first.
    pub fn waiting_for(&self, device: &DeviceId) -> impl Iterator<Item = &DownCommand> {
        self.by_device.get(device).into_iter().flatten().filter_map(|id| self.open.get(id))
    }

    /// Every open command.
    pub fn open(&self) -> impl Iterator<Item = &DownCommand> {
        self.open.values()
    }

    fn change(&mut self, id: DownCommandId, to: DownCommandState, now: Timestamp) -> Option<Change> {
        let known = self.open.get(&id)?;
        if !DOWN_COMMAND_TABLE.contains(&(known.state, to)) {
            return None;
        }
        let command = DownCommand { state: to, version: known.version + 1, changed_at: now, ..known.clone() };
        self.apply(command.clone());
        let kind = match to {
            DownCommandState::Queued => EventKind::CommandQueued,
            DownCommandState::Sent => EventKind::CommandSent,
            DownCommandState::Acknowledged => EventKind::CommandAcknowledged,
            DownCommandState::Expired => EventKind::CommandExpired,
            DownCommandState::Replaced => EventKind::CommandReplaced,
        };
        Some((kind, command))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u32) -> Timestamp {
        Timestamp::EPOCH.plus_seconds(1_000_000 + seconds)
    }

    #[test]
    fn the_newest_replaces_its_like_and_what_is_too_old_is_not_delivered() {
        let (mut commands, mut counters, device) = (DownCommands::default(), Counters::default(), DeviceId::new("b1"));
        let text = |text: &str| DownCommandKind::HelpIsComing { text: text.to_owned() };
        commands.create(&device, text("yesterday"), None, None, at(0), &mut counters);
        let changes = commands.create(&device, text("today"), None, Some(60), at(1), &mut counters);
        assert_eq!(
            changes.iter().map(|c| c.0).collect::<Vec<_>>(),
            [EventKind::CommandReplaced, EventKind::CommandQueued]
        );
        assert_eq!(commands.waiting_for(&device).map(|c| c.kind.clone()).collect::<Vec<_>>(), [text("today")]);
        assert_eq!(commands.next_due(), Some(at(61)));
        assert!(commands.advance(at(60)).is_empty());
        assert_eq!(commands.advance(at(61))[0].1.state, DownCommandState::Expired);
        assert_eq!(commands.waiting_for(&device).count(), 0);
        assert_eq!(commands.next_due(), None);
    }

    #[test]
    fn an_acknowledgement_needs_a_send_and_comes_once() {
        let (mut commands, mut counters, device) = (DownCommands::default(), Counters::default(), DeviceId::new("b1"));
        let id = commands.create(&device, DownCommandKind::Locate, None, None, at(0), &mut counters)[0].1.id;
        assert_eq!(commands.acknowledged(id, at(1)), None);
        assert!(commands.sent(id, at(1)).is_some());
        assert!(commands.sent(id, at(2)).is_some(), "sent again to a device that came back");
        assert!(commands.acknowledged(id, at(3)).is_some());
        assert_eq!(commands.acknowledged(id, at(4)), None);
        assert_eq!(commands.advance(at(10_000)), vec![]);
    }
}
