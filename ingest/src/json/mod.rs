//! The JSON report: `{"type":"location","id":"7-1042","t":"2026-11-22T08:00:00+08:00","lat":31.8206,"lon":117.2272}`,
//! or an array of such objects.
//!
//! | type | members, beside `type`, `id` and `t` |
//! |---|---|
//! | `location` | `lat`, `lon` in degrees; optional `acc` in metres, `datum`: `wgs84`, `gcj02`, `bd09` |
//! | `heart_rate` | `bpm` 1–350 |
//! | `blood_pressure` | `sys` 40–300, `dia` 20–200 mmHg; optional `pulse`, `flags` (status bits of Bluetooth 2A35) |
//! | `fall` | optional `confidence` 0–1, and a position as in `location` |
//! | `fall_cancel`, `alive` | – |
//! | `sos` | optional: a position as in `location` |
//! | `spo2`, `battery` | `pct` 1–100, 0–100 |
//! | `temperature` | `celsius` 25–45 |
//! | `steps` | `count` since midnight |
//! | `wear` | `on`: true or false |
//!
//! `spo2`, `battery`, `temperature` and `steps` also take `value`. `t` is RFC 3339 or milliseconds since 1970, and
//! absent means now. Unknown members are ignored, `null` is as good as absent, an unknown type is kept; a known member
//! that stands there twice spoils its report. In an alarm (`sos`, `fall`, `fall_cancel`) a member that is not as it
//! should be counts as absent.

mod members;
mod number;
mod report;
mod rescue;
mod scan;
mod swar;
mod usual;

use model::{Reject, RejectReason, Report};

use crate::fault::Fault;
use crate::{Items, Limits, one};
use members::{Member, Members};
use scan::{Scanner, Why};

/// Byte order mark of UTF-8, which some libraries put before their text.
const BYTE_ORDER_MARK: char = '\u{feff}';

pub(crate) fn decode(payload: &[u8], limits: &Limits) -> Items {
    let bytes_max = limits.payload_bytes_max.min(u32::MAX as usize / 2);
    if payload.len() > bytes_max {
        let detail = format!("{} bytes, at most {bytes_max} are taken; send smaller arrays", payload.len());
        return refused_whole(Fault::new(RejectReason::TooLarge, detail), &payload[..bytes_max], payload);
    }
    usual::report(payload).map_or_else(|| decode_any(payload, limits), |report| one(Ok(report)))
}

/// Whatever it is, of at most so many bytes as are taken.
fn decode_any(payload: &[u8], limits: &Limits) -> Items {
    match std::str::from_utf8(payload) {
        Ok(text) => Text { text, payload, limits, not_utf8: None }.decode(),
        Err(error) => {
            let text = String::from_utf8_lossy(payload);
            let not_utf8 = Some(error.valid_up_to());
            Text { text: &text, payload, limits, not_utf8 }.decode()
        }
    }
}

/// The alarms that can still be read in what was refused, or the reject.
fn refused_whole(fault: Fault, readable: &[u8], payload: &[u8]) -> Items {
    let alarms: Items = rescue::alarms(readable).map(Ok).collect();
    if alarms.is_empty() { one(Err(fault.reject(None, payload))) } else { alarms }
}

/// A payload that is text, if need be with replacement characters.
struct Text<'a> {
    text: &'a str,
    payload: &'a [u8],
    limits: &'a Limits,
    /// Up to where the payload was UTF-8, if it is not all of it.
    not_utf8: Option<usize>,
}

impl Text<'_> {
    fn decode(&self) -> Items {
        let start = if self.text.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len_utf8() } else { 0 };
        let mut scanner = self.scanner(start);
        scanner.skip_end();
        match scanner.peek() {
            Some(b'{') => self.single(scanner.at),
            Some(b'[') => self.array(scanner.at),
            Some(_) => {
                refused_whole(self.or_not_utf8(scanner.unexpected(Why::NoOutermostBracket)), self.payload, self.payload)
            }
            None => self.without_reports("nothing but white space; send a report"),
        }
    }

    fn scanner(&self, at: usize) -> Scanner<'_> {
        Scanner::new(self.text, at, self.limits.nesting_max)
    }

    fn without_reports(&self, detail: &str) -> Items {
        one(Err(Fault::new(RejectReason::Empty, detail).reject(None, self.payload)))
    }

    /// The payload as one object.
    fn single(&self, start: usize) -> Items {
        let mut scanner = self.scanner(start);
        let mut members = Members::default();
        let read = match scanner.object(0, &mut members) {
            Err(snag) => Err(scanner.fault(snag)),
            Ok(()) => {
                let end = scanner.at;
                scanner.skip_end();
                if scanner.peek().is_none() { Ok(end) } else { Err(behind_the_end(scanner.at)) }
            }
        };
        match self.outcome(read, &scanner, &members, start) {
            Ok(report) => one(Ok(report)),
            Err(fault) if fault.reason == RejectReason::BadField || fault.reason == RejectReason::Implausible => {
                one(Err(fault.reject(None, self.payload)))
            }
            Err(fault) => refused_whole(fault, self.payload, self.payload),
        }
    }

    /// The payload as an array whose items stand alone: what is wrong with one says nothing about the next.
    fn array(&self, start: usize) -> Items {
        let mut scanner = self.scanner(start + 1);
        scanner.skip_space();
        if scanner.peek() == Some(b']') {
            return self.without_reports("an array without reports; send none, or send `alive`");
        }
        let items_max = self.limits.array_items_max;
        let (mut items, mut beyond_limit, mut number) = (Items::new(), BeyondLimit::default(), 0);
        loop {
            number += 1;
            scanner.skip_space();
            let start = scanner.at;
            let item = self.item(&mut scanner);
            let Some(end) = item.end else {
                return self.give_up(items, item, number, start);
            };
            match item.outcome {
                Ok(report) if number <= items_max || report.is_alarm() => items.push(Ok(report)),
                Err(fault) if number <= items_max => {
                    items.push(Err(fault.reject(Some(number), &self.text.as_bytes()[start..end])));
                }
                Ok(_) | Err(_) => beyond_limit.count(start),
            }
            scanner.skip_space();
            match scanner.peek() {
                Some(b',') => scanner.at += 1,
                Some(b']') => break,
                _ => {
                    let rest = Item::broken(scanner.unexpected(Why::NoCommaOrBracket), scanner.at);
                    return self.give_up(items, rest, number + 1, scanner.at);
                }
            }
        }
        items.extend(beyond_limit.reject(self, number).map(Err));
        scanner.at += 1;
        scanner.skip_end();
        if scanner.peek().is_none() {
            return items;
        }
        let rest = Item::broken(behind_the_end(scanner.at), scanner.at);
        self.give_up(items, rest, number + 1, scanner.at)
    }

    /// Reads one item of an array and goes behind it, if its end can be found.
    fn item(&self, scanner: &mut Scanner<'_>) -> Item {
        let start = scanner.at;
        if scanner.peek() != Some(b'{') {
            return match scanner.value(1) {
                Err(snag) => Item::broken(scanner.fault(snag), start),
                Ok(raw) => {
                    let detail = format!("byte {start}: {}; an item must be an object", raw.shape.name());
                    let fault = Fault::new(RejectReason::BadField, detail);
                    Item { outcome: Err(fault), end: Some(scanner.at), rescue_from: start }
                }
            };
        }
        scanner.no_value_at = None;
        let mut members = Members::default();
        let read = match scanner.object(1, &mut members) {
            Ok(()) => Ok(scanner.at),
            Err(snag) => Err(scanner.fault(snag)),
        };
        let mut end = Some(scanner.at);
        if read.is_err() {
            scanner.at = start;
            end = scanner.skip_broken().then_some(scanner.at);
        }
        let outcome = self.outcome(read, scanner, &members, start);
        let rescue_from = start.max(members.get(Member::Type).end as usize);
        match (outcome, end) {
            (Err(fault), Some(end)) => {
                let rescued = rescue::alarms(&self.text.as_bytes()[start..end]).next();
                Item { outcome: rescued.ok_or(fault), end: Some(end), rescue_from }
            }
            (outcome, end) => Item { outcome, end, rescue_from },
        }
    }

    /// What cannot be told apart into items any more: the alarms in it, and the reject of the rest.
    fn give_up(&self, mut items: Items, item: Item, number: usize, start: usize) -> Items {
        let bytes = self.text.as_bytes();
        let fault = match item.outcome {
            Err(fault) => fault,
            Ok(alarm) => {
                items.push(Ok(alarm));
                Fault::new(RejectReason::Malformed, format!("byte {start}: the payload ends within this item"))
            }
        };
        items.extend(rescue::alarms(&bytes[item.rescue_from..]).map(Ok));
        items.push(Err(self.or_not_utf8(fault).reject(Some(number), &bytes[start..])));
        items
    }

    /// What one object says. `read` is where it ends, or why it cannot be read to its end.
    fn outcome(
        &self,
        read: Result<usize, Fault>,
        scanner: &Scanner<'_>,
        members: &Members,
        start: usize,
    ) -> Result<Report, Fault> {
        let end = read.as_ref().map_or(start, |end| *end);
        let source = report::Source { text: self.text, object: &self.text[start..end], members };
        let fault = match (read, scanner.no_value_at) {
            (Ok(_), None) if self.not_utf8.is_none() || !source.object.contains(char::REPLACEMENT_CHARACTER) => {
                return source.report();
            }
            (Ok(_), None) => Fault::new(RejectReason::NotUtf8, ""),
            (Ok(_), Some(at)) => no_value(at),
            (Err(fault), _) => fault,
        };
        source.alarm().ok_or_else(|| self.or_not_utf8(fault))
    }

    /// If the payload is not UTF-8, that is what is wrong with it.
    fn or_not_utf8(&self, fault: Fault) -> Fault {
        match self.not_utf8 {
            None => fault,
            Some(at) => Fault::new(
                RejectReason::NotUtf8,
                format!("byte {at} is not UTF-8; send JSON in UTF-8, not in GBK or binary"),
            ),
        }
    }
}

/// One item of an array.
struct Item {
    outcome: Result<Report, Fault>,
    /// The first byte behind it; `None` if nobody can tell where that is.
    end: Option<usize>,
    /// Where to look for alarms, if nobody can tell where it ends.
    rescue_from: usize,
}

impl Item {
    /// Something of which nothing can be read.
    fn broken(fault: Fault, start: usize) -> Item {
        Item { outcome: Err(fault), end: None, rescue_from: start }
    }
}

/// The items beyond the limit of an array that were refused.
#[derive(Default)]
struct BeyondLimit {
    refused: usize,
    start: usize,
}

impl BeyondLimit {
    fn count(&mut self, start: usize) {
        if self.refused == 0 {
            self.start = start;
        }
        self.refused += 1;
    }

    /// One reject for all of them.
    fn reject(&self, text: &Text<'_>, items: usize) -> Option<Reject> {
        let max = text.limits.array_items_max;
        (self.refused > 0).then(|| {
            let detail = format!(
                "{items} items, at most {max} are taken and {} were refused; send smaller arrays",
                self.refused
            );
            Fault::new(RejectReason::TooManyItems, detail).reject(None, &text.text.as_bytes()[self.start..])
        })
    }
}

fn behind_the_end(at: usize) -> Fault {
    let detail = format!("byte {at}: something follows the end of the JSON text; send several reports as an array");
    Fault::new(RejectReason::Malformed, detail)
}

fn no_value(at: u32) -> Fault {
    let detail = format!("byte {at}: no JSON value (NaN and infinity are none); leave the member out or send null");
    Fault::new(RejectReason::Malformed, detail)
}
