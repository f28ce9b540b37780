//! Who is not let in, and what ends a session.

use super::*;

/// The CONNACK's raw bytes, and whether it is over.
fn refused(bytes: &[u8]) -> (Vec<u8>, bool) {
    let mut session = Session::new();
    let (config, stats, mut out) = (DoorConfig::default(), DoorStats::default(), Output::default());
    let env = Env { host: &House, config: &config, stats: &stats, now: noon(), certified: None };
    session.receive(bytes, &env, &mut out);
    assert_eq!(out.admitted, None);
    (out.bytes.to_vec(), session.is_closed())
}

#[test]
fn every_refusal_of_a_connect_has_its_code() {
    for (client_id, user_name, password, v4, v5) in [
        ("d1", "d1", "wrong", 4, 0x86),
        ("stranger", "stranger", "x", 4, 0x86),
        ("d1", "d2", "s1", 2, 0x85),
        ("d1", "d1", "other", 2, 0x85),
        ("blocked", "blocked", "x", 5, 0x87),
        ("busy", "busy", "x", 3, 0x89),
        ("console", "token", "wrong", 4, 0x86),
    ] {
        let case = format!("{client_id} {user_name} {password}");
        let connect_v4 = connect(Version::V4, client_id, user_name, password);
        assert_eq!(refused(&connect_v4), (vec![0x20, 2, 0, v4], true), "{case}");
        let connect_v5 = connect(Version::V5, client_id, user_name, password);
        assert_eq!(refused(&connect_v5), (vec![0x20, 3, 0, v5, 0], true), "{case}");
    }
}

/// A CONNECT's body from its parts.
fn connect_body(name: &str, level: u8, flags: u8, rest: &[u8]) -> Vec<u8> {
    let mut body = vec![0, name.len() as u8];
    body.extend_from_slice(name.as_bytes());
    body.extend_from_slice(&[level, flags, 0, 30]);
    body.extend_from_slice(rest);
    frame(0x10, &body)
}

#[test]
fn odd_connects_are_answered_where_the_protocol_has_an_answer() {
    let unspoken_v3 = vec![0x20, 2, 0, 1];
    let unspoken_v5 = vec![0x20, 3, 0, 0x84, 0];
    let malformed_v5 = vec![0x20, 3, 0, 0x81, 0];
    let nothing = vec![];
    for (what, bytes, answer) in [
        ("MQTT 3.1", connect_body("MQIsdp", 3, 2, &[0, 1, b'x']), &unspoken_v3),
        ("level 3", connect_body("MQTT", 3, 2, &[0, 1, b'x']), &unspoken_v3),
        ("level 6", connect_body("MQTT", 6, 2, &[0, 0, 1, b'x']), &unspoken_v5),
        ("another protocol", connect_body("HTTP", 4, 2, &[0, 1, b'x']), &nothing),
        ("the reserved bit, 3.1.1", connect_body("MQTT", 4, 3, &[0, 1, b'x']), &nothing),
        ("the reserved bit, 5", connect_body("MQTT", 5, 3, &[0, 0, 1, b'x']), &malformed_v5),
        ("will QoS 3", connect_body("MQTT", 5, 0x1E, &[0, 0, 1, b'x']), &malformed_v5),
        ("a will's QoS without a will", connect_body("MQTT", 5, 0x0A, &[0, 0, 1, b'x']), &malformed_v5),
        ("a property block that overruns", connect_body("MQTT", 5, 2, &[9, 0, 1, b'x']), &malformed_v5),
        ("bytes after the end", connect_body("MQTT", 5, 2, &[0, 0, 1, b'x', 7]), &malformed_v5),
        ("a client id that is not UTF-8", connect_body("MQTT", 5, 2, &[0, 0, 1, 0xFF]), &malformed_v5),
        ("a client id with a NUL", connect_body("MQTT", 5, 2, &[0, 0, 1, 0]), &malformed_v5),
        ("receive maximum 0", connect_body("MQTT", 5, 2, &[3, 33, 0, 0, 0, 1, b'x']), &vec![0x20, 3, 0, 0x82, 0]),
        (
            "extended authentication",
            connect_body("MQTT", 5, 2, &[4, 21, 0, 1, b'm', 0, 1, b'x']),
            &vec![0x20, 3, 0, 0x8C, 0],
        ),
        ("no user name", connect_body("MQTT", 4, 2, &[0, 2, b'd', b'1']), &vec![0x20, 2, 0, 4]),
        (
            "a password that is not UTF-8",
            connect_body("MQTT", 4, 0xC2, &[0, 2, b'd', b'1', 0, 2, b'd', b'1', 0, 1, 0xFF]),
            &vec![0x20, 2, 0, 4],
        ),
        ("a publish first", publish(Version::V4, 1, 1, "yl/v1/d1/up/json", b"sos"), &nothing),
        ("random bytes", b"GET / HTTP/1.1\r\n\r\n".to_vec(), &nothing),
        ("CONNECT with flag bits", vec![0x11], &nothing),
        ("an endless length", vec![0x10, 0xFF, 0xFF, 0xFF, 0xFF], &nothing),
        ("too large, 3.1.1", vec![0x10, 0x80, 0x80, 0x02, 0, 4, b'M', b'Q', b'T', b'T', 4], &nothing),
        ("too large, 5", vec![0x10, 0x80, 0x80, 0x02, 0, 4, b'M', b'Q', b'T', b'T', 5], &vec![0x20, 3, 0, 0x95, 0]),
    ] {
        assert_eq!(refused(&bytes), (answer.clone(), true), "{what}");
    }
}

#[test]
fn a_subscriber_may_leave_its_client_id_to_us() {
    let mut talk = Talk::new(Version::V5);
    talk.send(&connect(Version::V5, "", "token", "t1"));
    assert!(talk.transcript.contains(r#"assigned_client_identifier: Some("t1-"#), "{}", talk.transcript);
    let mut talk = Talk::new(Version::V4);
    talk.send(&connect(Version::V4, "", "token", "t1"));
    assert!(talk.transcript.contains("Success"));
}

#[test]
fn mqtt_5_is_told_a_keep_alive_when_it_wants_none() {
    let mut talk = Talk::new(Version::V5);
    let mut bytes = connect(Version::V5, "d1", "d1", "s1");
    bytes[11] = 0;
    talk.send(&bytes);
    assert_eq!(talk.session.keep_alive_seconds(), 1200);
    assert!(talk.transcript.contains("server_keep_alive: Some(1200)"));
}

/// The code with which MQTT 5 is sent away.
fn ends_with(talk: &mut Talk, bytes: &[u8]) -> Option<String> {
    talk.send(bytes);
    talk.session.is_closed().then(|| talk.transcript.lines().rev().nth(1).unwrap_or_default().to_owned())
}

#[test]
fn broken_rules_end_the_session_with_the_right_code() {
    let v5 = Version::V5;
    let topic = |topic: &str| publish(v5, 1, 1, topic, b"hr");
    let alias = frame(0x32, &[0, 1, b'x', 0, 1, 3, 35, 0, 1]);
    for (what, bytes, code) in [
        ("QoS 3", vec![0x36, 2, 0, 0], "0x81"),
        ("a wildcard in a topic", topic("yl/v1/d1/up/+"), "0x90"),
        ("a NUL in a topic", topic("yl/v1/d1\0/up/json"), "0x90"),
        ("an empty topic", topic(""), "0x90"),
        ("a topic that is not UTF-8", frame(0x32, &[0, 1, 0xFF, 0, 1, 0]), "0x81"),
        ("a topic alias", alias, "0x94"),
        ("packet id 0", publish(v5, 1, 0, "yl/v1/d1/up/json", b"hr"), "0x82"),
        ("a property of a CONNACK", frame(0x32, &[0, 1, b'x', 0, 1, 2, 37, 0]), "0x81"),
        ("a property block that overruns", frame(0x32, &[0, 1, b'x', 0, 1, 9, 1, 0]), "0x81"),
        ("a topic that overruns", frame(0x32, &[0, 99, b'x', 0, 1, 0]), "0x81"),
        ("an empty PUBLISH", vec![0x32, 0], "0x81"),
        ("PUBREL with the wrong flags", vec![0x60, 2, 0, 1], "0x81"),
        ("SUBSCRIBE with the wrong flags", vec![0x80, 0], "0x81"),
        ("SUBSCRIBE without filters", frame(0x82, &[0, 1, 0]), "0x82"),
        ("SUBSCRIBE with packet id 0", filters(v5, 0x82, 0, &["a"], 0), "0x82"),
        ("SUBSCRIBE with QoS 3", filters(v5, 0x82, 1, &["a"], 3), "0x81"),
        ("SUBSCRIBE with reserved options", filters(v5, 0x82, 1, &["a"], 0xC0), "0x81"),
        ("SUBSCRIBE with an identifier", frame(0x82, &[0, 1, 2, 11, 1, 0, 1, b'a', 0]), "0xa1"),
        ("UNSUBSCRIBE without filters", frame(0xA2, &[0, 1, 0]), "0x82"),
        ("a second CONNECT", connect(v5, "d1", "d1", "s1"), "0x82"),
        ("AUTH", vec![0xF0, 0], "0x82"),
        ("a server's packet", vec![0xD0, 0], "0x82"),
        ("type nought", vec![0x00, 0], "0x82"),
        ("PINGREQ with a body", vec![0xC0, 1, 0], "0x81"),
        ("PUBACK without an id", vec![0x40, 0], "0x81"),
        ("a DISCONNECT with half a property", frame(0xE0, &[0, 5, 17, 0]), "0x81"),
        ("an oversized SUBSCRIBE", vec![0x82, 0x80, 0x80, 0x80, 0x01], "0x95"),
        ("an oversized publish with an absurd property block", oversized(v5, &[0xFF, 0xFF, 0xFF, 0x7F]), "0x95"),
    ] {
        let mut talk = Talk::device(v5);
        assert_eq!(ends_with(&mut talk, &bytes), Some(format!("< DISCONNECT {code}")), "{what}");
        assert_eq!(DoorStats::read(&talk.stats.protocol_errors), 1, "{what}");
    }
}

/// The beginning of an oversized QoS 1 publish up to its property block.
fn oversized(version: Version, properties: &[u8]) -> Vec<u8> {
    let mut bytes = publish(version, 1, 1, "yl/v1/d1/up/json", &vec![0; DoorConfig::default().packet_bytes_max]);
    let at = 4 + 2 + "yl/v1/d1/up/json".len() + 2;
    bytes.splice(at..at + properties.len(), properties.iter().copied());
    bytes
}

#[test]
fn broken_rules_end_a_3_1_1_session_without_a_word() {
    let v4 = Version::V4;
    for (what, bytes) in [
        ("a wildcard in a topic", publish(v4, 1, 1, "yl/v1/d1/up/#", b"hr")),
        ("a PUBACK with a reason code", vec![0x40, 3, 0, 1, 0]),
        ("SUBSCRIBE with MQTT 5's options", filters(v4, 0x82, 1, &["a"], 0x04)),
        ("a DISCONNECT with a body", vec![0xE0, 1, 0]),
        ("AUTH", vec![0xF0, 0]),
    ] {
        let mut talk = Talk::device(v4);
        talk.send(&bytes);
        assert_eq!(talk.transcript, "closed\n", "{what}");
    }
}

#[test]
fn more_than_the_receive_maximum_ends_mqtt_5() {
    let mut talk = Talk::device(Version::V5);
    talk.config.receive_maximum = 2;
    talk.publish(1, 1, "hr").publish(2, 2, "hr").release();
    // QoS 2 counts until its PUBCOMP, QoS 1 until its PUBACK.
    talk.publish(1, 3, "hr").transcript.clear();
    talk.publish(1, 4, "sos");
    assert_eq!(talk.transcript, "< DISCONNECT 0x93\nclosed\n");
    let mut talk = Talk::device(Version::V5);
    talk.config.receive_maximum = 2;
    for id in 1..100 {
        talk.publish(1 + (id % 2) as u8, id, "hr").release().send(&frame(0x62, &id.to_be_bytes()));
    }
    assert!(!talk.session.is_closed());
}

#[test]
fn our_own_good_byes_carry_their_reason() {
    let mut talk = Talk::device(Version::V5);
    talk.work(|session, _, out| session.close(0x8E, out));
    assert_eq!(talk.transcript, "< DISCONNECT 0x8e\nclosed\n");
    let mut talk = Talk::device(Version::V4);
    talk.work(|session, _, out| session.close(0x8E, out));
    assert_eq!(talk.transcript, "closed\n");
}

#[test]
fn a_client_that_takes_only_small_packets_gets_no_large_ones() {
    let mut talk = Talk::new(Version::V5);
    let properties = [5, 39, 0, 0, 0, 40];
    let mut rest = properties.to_vec();
    rest.extend_from_slice(&[0, 2, b'd', b'1', 0, 2, b'd', b'1', 0, 2, b's', b'1']);
    talk.send(&connect_body("MQTT", 5, 0xC2, &rest)).transcript.clear();
    talk.send(&filters(Version::V5, 0x82, 1, &["yl/v1/d1/down"], 1)).command(1).publish(1, 1, "bad").release();
    assert!(!talk.transcript.contains("PUBLISH"), "{}", talk.transcript);
    assert!(talk.transcript.ends_with("< PUBACK 1 PayloadFormatInvalid \"not a word\"\n"), "{}", talk.transcript);
}
