//! The keys of the main tree: a letter, then the id. Numbers are big-endian, so that they sort; a text that is not
//! last ends with a zero byte, which no id contains.

use model::{AttemptId, CampaignId, CaseId, DeviceId, DownCommandId, IncidentId, WearerId};

pub(crate) const META: u8 = b'M';
pub(crate) const EVENT: u8 = b'e';
pub(crate) const INCIDENT: u8 = b'i';
pub(crate) const INCIDENT_OPEN: u8 = b'I';
pub(crate) const INCIDENT_OF_WEARER: u8 = b'j';
pub(crate) const CASE: u8 = b'c';
pub(crate) const CASE_OPEN: u8 = b'C';
pub(crate) const CASE_OF_WEARER: u8 = b'b';
pub(crate) const ATTEMPT: u8 = b'a';
pub(crate) const ATTEMPT_OF_INCIDENT: u8 = b'A';
pub(crate) const DOWN_COMMAND: u8 = b'd';
pub(crate) const DOWN_COMMAND_OF_DEVICE: u8 = b'D';
pub(crate) const ORG: u8 = b'o';
pub(crate) const PERSON: u8 = b'p';
pub(crate) const WEARER: u8 = b'w';
pub(crate) const DEVICE: u8 = b'v';
pub(crate) const TOKEN: u8 = b't';
pub(crate) const QUARANTINE: u8 = b'q';
pub(crate) const LATEST: u8 = b'l';
pub(crate) const WEBHOOK: u8 = b'h';
pub(crate) const DELIVERY: u8 = b'H';
pub(crate) const TASK: u8 = b'k';
pub(crate) const TASK_OPEN: u8 = b'K';
pub(crate) const AUDIT: u8 = b'u';
pub(crate) const AUDIT_OF_WEARER: u8 = b'U';
/// By when the engine started: until when it had run before.
pub(crate) const START: u8 = b's';
pub(crate) const CAMPAIGN: u8 = b'g';
pub(crate) const CAMPAIGN_CALL: u8 = b'G';
pub(crate) const PATROL: u8 = b'r';
pub(crate) const DUTY: u8 = b'y';
/// A photo's hash, then a case that it belongs to.
pub(crate) const PHOTO: u8 = b'f';
/// An incident, then the event that told a step of its response: what reports are made of.
pub(crate) const RESPONSE: u8 = b'R';
/// An organisation, then a wearer of it; somebody, then a wearer whom they look after; a wearer, then their device. Hints:
/// what was so once stays, and whoever follows one looks whether it still holds.
pub(crate) const WEARER_OF_ORG: u8 = b'W';
pub(crate) const WEARER_OF_PERSON: u8 = b'P';
pub(crate) const DEVICE_OF_WEARER: u8 = b'V';

/// Somebody who was erased, and by which record.
pub(crate) const ERASED: u8 = b'x';

/// Somebody who is being taken out: by which record, and their names, until they are.
pub(crate) const ERASING: u8 = b'X';

/// The schema of the whole view; another one is rebuilt.
pub(crate) const META_VERSION: &[u8] = b"Mversion";
pub(crate) const META_FACTS: &[u8] = b"Mfacts";
pub(crate) const META_TELEMETRY: &[u8] = b"Mtelemetry";
/// Followed by the shelf, big-endian: the last record that changed its history.
pub(crate) const META_SHELF: &[u8] = b"Mshelf";

/// The registry has its hints: not so in a view of before there were any.
pub(crate) const META_HINTS: &[u8] = b"Mhints";

/// The record after which the view's files are to be made anew: somebody was erased.
pub(crate) const META_RENEW: &[u8] = b"Mrenew";
/// Followed by the shelf, big-endian: the last record that took somebody out of it.
const META_ERASED: &[u8] = b"Merased";

pub(crate) fn number(letter: u8, number: u64) -> [u8; 9] {
    let mut key = [letter; 9];
    key[1..].copy_from_slice(&number.to_be_bytes());
    key
}

pub(crate) fn text(letter: u8, text: &str) -> Vec<u8> {
    bytes(letter, text.as_bytes())
}

pub(crate) fn bytes(letter: u8, bytes: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(1 + bytes.len());
    key.push(letter);
    key.extend_from_slice(bytes);
    key
}

/// All keys with this letter: from this one up to, not including, the other.
pub(crate) fn all(letter: u8) -> ([u8; 1], [u8; 1]) {
    ([letter], [letter + 1])
}

/// A key of an index: a text, then a number. [`of_text`] gives their range.
pub(crate) fn text_number(letter: u8, first: &str, number: u64) -> Vec<u8> {
    let mut key = text(letter, first);
    key.push(0);
    key.extend_from_slice(&number.to_be_bytes());
    key
}

/// A key of an index: a text, then another.
pub(crate) fn text_text(letter: u8, first: &str, second: &str) -> Vec<u8> {
    let mut key = text(letter, first);
    key.push(0);
    key.extend_from_slice(second.as_bytes());
    key
}

/// What stands after the first text of such a key.
pub(crate) fn second_text(key: &[u8]) -> &[u8] {
    key.iter().position(|byte| *byte == 0).map_or(&[], |zero| &key[zero + 1..])
}

/// The range of the index keys of every text that begins with this one.
pub(crate) fn of_prefix(letter: u8, first: &str) -> (Vec<u8>, Vec<u8>) {
    let (from, mut to) = (text(letter, first), text(letter, first));
    if let Some(last) = to.last_mut() {
        *last = last.saturating_add(1);
    }
    (from, to)
}

/// The range of the index keys of a text.
pub(crate) fn of_text(letter: u8, first: &str) -> (Vec<u8>, Vec<u8>) {
    let (mut from, mut to) = (text(letter, first), text(letter, first));
    from.push(0);
    to.push(1);
    (from, to)
}

/// The number at the end of a key; 0 for a key that has none.
pub(crate) fn last_number(key: &[u8]) -> u64 {
    key.last_chunk().map_or(0, |chunk| u64::from_be_bytes(*chunk))
}

pub(crate) fn attempt_of(incident: IncidentId, attempt: AttemptId) -> [u8; 17] {
    let mut key = [ATTEMPT_OF_INCIDENT; 17];
    key[1..9].copy_from_slice(&incident.raw().to_be_bytes());
    key[9..].copy_from_slice(&attempt.raw().to_be_bytes());
    key
}

pub(crate) fn response(incident: IncidentId, event: u64) -> [u8; 17] {
    let mut key = [RESPONSE; 17];
    key[1..9].copy_from_slice(&incident.raw().to_be_bytes());
    key[9..].copy_from_slice(&event.to_be_bytes());
    key
}

/// One person of a campaign, by its place.
pub(crate) fn campaign_call(campaign: CampaignId, place: u32) -> [u8; 13] {
    let mut key = [CAMPAIGN_CALL; 13];
    key[1..9].copy_from_slice(&campaign.raw().to_be_bytes());
    key[9..].copy_from_slice(&place.to_be_bytes());
    key
}

pub(crate) fn incident_of(wearer: &WearerId, incident: IncidentId) -> Vec<u8> {
    text_number(INCIDENT_OF_WEARER, wearer.as_str(), incident.raw())
}

pub(crate) fn case_of(wearer: &WearerId, case: CaseId) -> Vec<u8> {
    text_number(CASE_OF_WEARER, wearer.as_str(), case.raw())
}

pub(crate) fn down_command_of(device: &DeviceId, command: DownCommandId) -> Vec<u8> {
    text_number(DOWN_COMMAND_OF_DEVICE, device.as_str(), command.raw())
}

pub(crate) fn shelf(shelf: u32) -> Vec<u8> {
    let mut key = META_SHELF.to_vec();
    key.extend_from_slice(&shelf.to_be_bytes());
    key
}

pub(crate) fn shelf_erased(shelf: u32) -> Vec<u8> {
    let mut key = META_ERASED.to_vec();
    key.extend_from_slice(&shelf.to_be_bytes());
    key
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    #[test]
    fn no_letter_begins_the_keys_of_two_things() {
        let letters: Vec<&str> = include_str!("keys.rs")
            .lines()
            .filter_map(|line| line.strip_prefix("pub(crate) const ")?.split_once(": u8 = ").map(|(_, letter)| letter))
            .collect();
        assert!(letters.len() > 25, "{letters:?}");
        assert_eq!(letters.iter().collect::<BTreeSet<_>>().len(), letters.len(), "{letters:?}");
    }
}
