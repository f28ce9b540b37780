//! The journal at a start: read and decoded by one thread, ahead of the one that applies it.

use std::sync::mpsc::{self, Receiver};
use std::thread::JoinHandle;

use model::{DeviceId, Input, Record};
use store::StoreError;

/// So many reports are handed over together.
const RECORDS_TOGETHER: usize = 512;
/// So many parts wait at most.
const PARTS_WAITING_MAX: usize = 8;

/// Records in order, with what could not be read in their place.
pub(crate) type Part = Vec<Result<(u64, Record), StoreError>>;

/// Hands over what `records` reads, in order. The thread says at its end whether it came to it.
///
/// # Errors
/// When no thread can be started.
pub(crate) fn read_ahead(
    records: impl Iterator<Item = Result<(u64, Record), StoreError>> + Send + 'static,
) -> std::io::Result<(Receiver<Part>, JoinHandle<()>)> {
    let (parts, received) = mpsc::sync_channel(PARTS_WAITING_MAX);
    let reading = std::thread::Builder::new().name("read-ahead".to_owned()).spawn(move || {
        let mut part = Part::with_capacity(RECORDS_TOGETHER);
        for record in records {
            // An import is megabytes: it waits with few others.
            let is_report = device_of(&record).is_some();
            part.push(record);
            let is_full = !is_report || part.len() == RECORDS_TOGETHER;
            if is_full && parts.send(std::mem::replace(&mut part, Part::with_capacity(RECORDS_TOGETHER))).is_err() {
                return;
            }
        }
        let _ = parts.send(part); // who hung up has given up
    })?;
    Ok((received, reading))
}

/// Whose report it is, if it is one.
pub(crate) fn device_of(record: &Result<(u64, Record), StoreError>) -> Option<&DeviceId> {
    match record {
        Ok((_, Record { input: Input::Report { device, .. }, .. })) => Some(device),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use model::Timestamp;

    use super::*;

    #[test]
    fn everything_comes_in_order_whatever_the_parts() {
        let (json, limits) = (br#"{"type":"alive"}"#, ingest::Limits::default());
        let report = ingest::decode(ingest::Format::Json, json, &limits).remove(0).unwrap();
        let record = move |seq: u64| {
            let (device, report) = (DeviceId::new("b1"), report.clone());
            let input = if seq.is_multiple_of(700) { Input::Tick } else { Input::Report { device, report } };
            Ok((seq, Record { at: Timestamp::from_millis(seq as i64), input, decisions: Vec::new() }))
        };
        let (parts, reading) = read_ahead((1..=5_000).map(record)).unwrap();
        let seqs: Vec<u64> = parts.iter().flatten().map(|item| item.unwrap().0).collect();
        reading.join().unwrap();
        assert_eq!(seqs, (1..=5_000).collect::<Vec<_>>());
    }

    #[test]
    fn who_hangs_up_ends_the_reading() {
        let endless = std::iter::repeat_with(|| Err(StoreError::State("again".to_owned())));
        let (parts, reading) = read_ahead(endless).unwrap();
        drop(parts);
        reading.join().unwrap();
    }
}
