//! Whatever comes, however it is cut: no panic, and the same result.

use proptest::prelude::*;

use super::*;

fn version() -> impl Strategy<Value = Version> {
    prop_oneof![Just(Version::V4), Just(Version::V5)]
}

/// Something that a device may send.
fn packet(version: Version) -> impl Strategy<Value = Vec<u8>> {
    let payload = prop_oneof![
        4 => Just("hr".to_owned()),
        1 => Just("sos".to_owned()),
        1 => Just("bad".to_owned()),
        1 => Just("hr,sos,bad".to_owned()),
        1 => "[a-z,]{0,200}",
    ];
    let topic = prop_oneof![6 => Just("yl/v1/d1/up/json"), 1 => Just("yl/v1/d1/up/xml"), 1 => Just("银杏/up")];
    prop_oneof![
        8 => (0u8..3, 1u16..9, topic, payload)
            .prop_map(move |(qos, id, topic, payload)| publish(version, qos, id, topic, payload.as_bytes())),
        1 => (1u16..9).prop_map(|id| frame(0x62, &id.to_be_bytes())),
        1 => Just(vec![0xC0, 0]),
        1 => Just(filters(version, 0x82, 3, &["yl/v1/d1/down", "#"], 1)),
        1 => (1usize..600).prop_map(move |more| publish(
            version, 1, 77, "yl/v1/d1/up/json", &vec![b'x'; SMALL_PACKET_BYTES_MAX + more])),
    ]
}

/// So that oversized publishes come often and cost little.
const SMALL_PACKET_BYTES_MAX: usize = 300;

fn small_device(version: Version) -> Talk {
    let mut talk = Talk::device(version);
    talk.config.packet_bytes_max = SMALL_PACKET_BYTES_MAX;
    talk
}

/// Cuts bytes at the given places, each taken modulo what is left.
fn send_in_chunks(talk: &mut Talk, bytes: &[u8], cuts: &[usize]) {
    let mut rest = bytes;
    for cut in cuts {
        let (chunk, later) = rest.split_at(cut % (rest.len() + 1));
        talk.send(chunk);
        rest = later;
    }
    talk.send(rest);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn how_the_bytes_were_cut_makes_no_difference(
        (version, packets) in version().prop_flat_map(|v| (Just(v), prop::collection::vec(packet(v), 0..20))),
        cuts in prop::collection::vec(0usize..400, 0..20),
    ) {
        let bytes = packets.concat();
        let (mut whole, mut cut) = (small_device(version), small_device(version));
        whole.send(&bytes).release();
        send_in_chunks(&mut cut, &bytes, &cuts);
        cut.release();
        prop_assert_eq!(&whole.alarms, &cut.alarms);
        prop_assert_eq!(&whole.telemetry, &cut.telemetry);
        // What an acknowledgement needs not wait for may come earlier; what is said is the same, and everything is.
        let sorted = |talk: &Talk| {
            let mut said: Vec<String> =
                talk.transcript.lines().filter(|l| l.starts_with('<')).map(str::to_owned).collect();
            said.sort();
            said
        };
        prop_assert_eq!(sorted(&whole), sorted(&cut));
        prop_assert!(!whole.session.is_owing() && !cut.session.is_owing());
    }

    #[test]
    fn acknowledgements_leave_in_the_order_of_the_publishes(
        kinds in prop::collection::vec(prop_oneof![Just("hr"), Just("sos"), Just("hr,sos")], 1..40),
        order in prop::collection::vec(any::<prop::sample::Index>(), 80),
    ) {
        let mut talk = Talk::device(Version::V4);
        for (index, kind) in kinds.iter().enumerate() {
            talk.publish(1, index as u16 + 1, kind);
        }
        talk.transcript.clear();
        for index in order {
            if talk.parcels.is_empty() {
                break;
            }
            let at = index.index(talk.parcels.len());
            let (_, serial) = talk.parcels.swap_remove(at);
            talk.work(|session, env, out| session.settle(&[(serial, Verdict::Released)], env, out));
        }
        let expected: String =
            (1..=kinds.len()).map(|id| format!("< PubAck(PubAck {{ pkid: {id} }})\n")).collect();
        prop_assert_eq!(&talk.transcript, &expected);
    }

    #[test]
    fn random_bytes_never_panic(
        version in version(),
        connected in any::<bool>(),
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        cuts in prop::collection::vec(0usize..50, 0..6),
    ) {
        let mut talk = if connected { small_device(version) } else { Talk::new(version) };
        let (config, stats) = (talk.config.clone(), DoorStats::default());
        let env = Env { host: &House, config: &config, stats: &stats, now: noon(), certified: None };
        let mut rest = &bytes[..];
        for cut in cuts {
            let (chunk, later) = rest.split_at(cut % (rest.len() + 1));
            talk.session.receive(chunk, &env, &mut Output::default());
            rest = later;
        }
        talk.session.receive(rest, &env, &mut Output::default());
    }

    #[test]
    fn damaged_packets_never_panic(
        (version, packets) in version().prop_flat_map(|v| (Just(v), prop::collection::vec(packet(v), 1..6))),
        subscriber in any::<bool>(),
        with_connect in any::<bool>(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
    ) {
        let mut talk = match (with_connect, subscriber) {
            (true, _) => Talk::new(version),
            (false, true) => Talk::subscriber(version),
            (false, false) => small_device(version),
        };
        let mut bytes = if with_connect { connect(version, "d1", "d1", "s1") } else { Vec::new() };
        bytes.extend(packets.concat());
        for (index, value) in damage {
            let at = index.index(bytes.len());
            bytes[at] = value;
        }
        let (config, stats) = (talk.config.clone(), DoorStats::default());
        let env = Env { host: &House, config: &config, stats: &stats, now: noon(), certified: None };
        let mut out = Output::default();
        talk.session.receive(&bytes, &env, &mut out);
        // Whatever was said can be read by a client (unless the damage made it one of the other version).
        while !with_connect && !out.bytes.is_empty() {
            heard(version, &mut out.bytes);
        }
    }
}
