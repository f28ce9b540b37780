//! The order of system calls: a report is written, `fdatasync` returns, and only then its PUBACK is.

use std::collections::BTreeMap;
use std::process::Command;

use crate::harness::registry::{BRACELET, SECRET, household, patient_plan, up};
use crate::harness::{House, Phones, Server, Wire};

/// How many reports are watched.
const REPORTS: u16 = 40;

/// One system call: when it began and ended, as line numbers of the trace.
struct Call<'a> {
    name: &'a str,
    descriptor: &'a str,
    bytes: Vec<u8>,
    began: usize,
    ended: usize,
    failed: bool,
}

/// Reads `strace -f -xx` output, joining `<unfinished ...>` with `<... resumed>`.
fn calls(trace: &str) -> Vec<Call<'_>> {
    let mut open: BTreeMap<&str, (usize, &str)> = BTreeMap::new();
    let mut calls = Vec::new();
    for (number, line) in trace.lines().enumerate() {
        let Some((thread, rest)) = line.split_once(' ') else { continue };
        let rest = rest.trim_start();
        if let Some(begun) = rest.strip_suffix("<unfinished ...>") {
            open.insert(thread, (number, begun));
            continue;
        }
        let (began, head) = if rest.starts_with("<... ") {
            let Some(begun) = open.remove(thread) else { continue };
            begun
        } else {
            (number, rest)
        };
        let Some((name, arguments)) = head.split_once('(') else { continue };
        let descriptor = arguments.split([',', ')', ' ']).next().unwrap_or_default();
        let failed = rest.rsplit_once(" = ").is_none_or(|(_, result)| result.starts_with('-'));
        calls.push(Call { name, descriptor, bytes: quoted(arguments), began, ended: number, failed });
    }
    calls
}

/// The bytes of all `"\x..."` strings in a call's arguments, joined: a vectored write is one write.
fn quoted(arguments: &str) -> Vec<u8> {
    let inside = arguments.split('"').skip(1).step_by(2);
    let digits = inside.flat_map(|text| text.split("\\x").skip(1));
    digits.filter_map(|digits| u8::from_str_radix(digits.get(..2)?, 16).ok()).collect()
}

fn contains(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle)
}

#[test]
fn fdatasync_returns_before_each_puback_is_written() {
    let phones = Phones::start();
    // Small segments: strace must print what they are filled with.
    let house = House::new(&phones, "[journal]\nsegment_bytes = 4194304\n");
    let file = house.file("trace.txt");
    let mut command = Command::new("strace");
    command.args(["-f", "-xx", "-s", "16384", "-e", "signal=none"]);
    command.args(["-e", "trace=fdatasync,write,sendto,writev,sendmsg,pwrite64,pwritev", "-o"]).arg(&file);
    command.arg(crate::harness::server::YINLING).args(house.serve_arguments());
    let server = Server::start(command, &house.token, &house.file("serve.log"));
    server.import(&household(patient_plan()));

    let mut device = Wire::login(server.mqtt, BRACELET, SECRET, 4).unwrap();
    // One at a time, then all at once: alone in a batch, and many to a batch.
    let report = |number: u16| format!(r#"{{"type":"heart_rate","bpm":70,"id":"traced-{number:04}"}}"#);
    for number in 1..=REPORTS / 2 {
        assert_eq!(device.report(&up(BRACELET), report(number).as_bytes()), 0);
    }
    let mut second = device.second();
    for number in REPORTS / 2 + 1..=REPORTS {
        device.publish(&up(BRACELET), report(number).as_bytes(), 1).unwrap();
    }
    for _ in REPORTS / 2 + 1..=REPORTS {
        assert!(matches!(second.read().unwrap(), crate::harness::wire::Said::PubAck(_, 0)));
    }
    // strace writes its file as it goes; the server's end makes it whole.
    server.stop();

    let trace = std::fs::read_to_string(&file).unwrap();
    let calls = calls(&trace);
    for number in 1..=REPORTS {
        if let Err(fault) = synced_before_acknowledged(&calls, &format!("traced-{number:04}"), number) {
            panic!("{fault}");
        }
    }
}

/// Whether the record that holds `id` was written, then synced, and only then PUBACK `packet` was written.
fn synced_before_acknowledged(calls: &[Call<'_>], id: &str, packet: u16) -> Result<(), String> {
    let written = calls.iter().find(|call| call.name.starts_with("pwrite") && contains(&call.bytes, id.as_bytes()));
    let written = written.ok_or_else(|| format!("{id} was never written to the journal"))?;
    let [high, low] = packet.to_be_bytes();
    let puback = [0x40, 2, high, low];
    let sends = ["write", "sendto", "writev", "sendmsg"];
    let acknowledged = calls.iter().find(|call| {
        // On a socket, made only of PUBACKs, and this one among them.
        let packets = call.bytes.chunks_exact(4);
        sends.contains(&call.name)
            && packets.remainder().is_empty()
            && packets.clone().all(|packet| packet[..2] == [0x40, 2])
            && packets.clone().any(|packet| packet == puback)
    });
    let acknowledged = acknowledged.ok_or_else(|| format!("the PUBACK of {id} was never written"))?;
    let synced = calls.iter().any(|sync| {
        sync.name == "fdatasync"
            && !sync.failed
            && sync.descriptor == written.descriptor
            && sync.began > written.ended
            && sync.ended < acknowledged.began
    });
    let (wrote, told) = (written.ended + 1, acknowledged.began + 1);
    synced.then_some(()).ok_or_else(|| {
        let journal = written.descriptor;
        format!("{id}: written at line {wrote}, PUBACK at line {told}, no fdatasync({journal}) returned in between")
    })
}

#[test]
fn the_judge_of_traces_is_not_lenient() {
    // "id1" and PUBACK 1.
    let write = r#"7 pwrite64(9, "\x69\x64\x31", 3, 0) = 3"#;
    let sync = "7 fdatasync(9) = 0";
    let begun = "7 fdatasync(9 <unfinished ...>";
    let resumed = "7 <... fdatasync resumed>) = 0";
    let puback = r#"8 sendto(5, "\x40\x02\x00\x01", 4, 0, NULL, 0) = 4"#;
    for (lines, holds) in [
        (&[write, sync, puback][..], true),
        (&[write, begun, resumed, puback], true),
        (&[write, begun, puback, resumed], false),
        (&[sync, write, puback], false),
        (&[write, puback, sync], false),
        (&[write, "7 fdatasync(8) = 0", puback], false),
        (&[write, "7 fdatasync(9) = -1 EIO (Input/output error)", puback], false),
        (&[sync, puback], false),
        (&[write, sync], false),
        (&[begun, write, resumed, puback], false),
    ] {
        let trace = lines.join("\n");
        assert_eq!(synced_before_acknowledged(&calls(&trace), "id1", 1).is_ok(), holds, "{trace}");
    }
}
