//! What goes well, and what is answered politely.

use expect_test::expect;

use super::*;

const SUBSCRIBE: u8 = 0x82;
const UNSUBSCRIBE: u8 = 0xA2;

#[test]
fn a_device_of_either_version_is_let_in() {
    let mut talk = Talk::new(Version::V4);
    talk.send(&connect(Version::V4, "d1", "d1", "s1")).expect(expect![[r#"
        admitted Device("d1")
        < ConnAck(ConnAck { session_present: false, code: Success })
    "#]]);
    let mut talk = Talk::new(Version::V5);
    talk.send(&connect(Version::V5, "d1", "d1", "s1")).expect(expect![[r#"
        admitted Device("d1")
        < ConnAck(ConnAck { session_present: false, code: Success, properties: Some(ConnAckProperties { session_expiry_interval: Some(0), receive_max: Some(1024), max_qos: None, retain_available: Some(0), max_packet_size: Some(262144), assigned_client_identifier: None, topic_alias_max: None, reason_string: None, user_properties: [], wildcard_subscription_available: Some(0), subscription_identifiers_available: Some(0), shared_subscription_available: Some(0), server_keep_alive: None, response_information: None, server_reference: None, authentication_method: None, authentication_data: None }) })
    "#]]);
}

#[test]
fn qos_1_is_acknowledged_only_when_released() {
    for version in [Version::V4, Version::V5] {
        let mut talk = Talk::device(version);
        talk.publish(1, 7, "hr");
        assert_eq!(talk.transcript, "Telemetry: HeartRate\n");
        talk.transcript.clear();
        talk.release();
        assert!(talk.transcript.starts_with("< PubAck") || talk.transcript == "< PUBACK 7 Success\n");
        assert_eq!(DoorStats::read(&talk.stats.acknowledged), 1);
    }
}

#[test]
fn qos_0_is_offered_and_owes_nothing() {
    let mut talk = Talk::device(Version::V4);
    talk.publish(0, 0, "hr").release().expect(expect![[r#"
        Telemetry: HeartRate
    "#]]);
    assert!(!talk.session.is_owing() && talk.parcels.is_empty());
}

#[test]
fn an_alarm_overtakes_into_the_house_but_not_in_the_acknowledgements() {
    let mut talk = Talk::device(Version::V5);
    talk.publish(1, 1, "hr").publish(1, 2, "sos").publish(1, 3, "hr");
    talk.settle(Lane::Alarm, Verdict::Released).expect(expect![[r#"
        Telemetry: HeartRate
        Alarm: Sos
        Telemetry: HeartRate
    "#]]);
    talk.settle(Lane::Telemetry, Verdict::Released).expect(expect![[r#"
        < PUBACK 1 Success
        < PUBACK 2 Success
        < PUBACK 3 Success
    "#]]);
}

#[test]
fn an_array_is_split_over_the_lanes_and_waits_for_both() {
    let mut talk = Talk::device(Version::V5);
    talk.publish(1, 1, "hr,sos,hr,bad").settle(Lane::Alarm, Verdict::Released).expect(expect![[r#"
        Alarm: Sos
        Telemetry: HeartRate, HeartRate, reject Malformed 3 bytes at yl/v1/d1/up/json
    "#]]);
    // Some of it was good: the publish succeeds, and says what did not.
    talk.settle(Lane::Telemetry, Verdict::Released).expect(expect![[r#"
        < PUBACK 1 Success "1 of 4 items rejected: not a word"
    "#]]);
}

#[test]
fn qos_2_is_received_after_the_commit_and_taken_once() {
    let mut talk = Talk::device(Version::V5);
    let dup = {
        let mut bytes = publish(Version::V5, 2, 9, "yl/v1/d1/up/json", b"sos");
        bytes[0] |= 0x08;
        bytes
    };
    // Sent again before and after the commit: one item, and no PUBREC before the commit.
    talk.publish(2, 9, "sos").send(&dup).expect(expect![[r#"
        Alarm: Sos
    "#]]);
    talk.release().send(&dup).expect(expect![[r#"
        < PUBREC 9 Success
        < PUBREC 9 Success
        < PUBREC 9 Success
    "#]]);
    talk.send(&frame(0x62, &[0, 9])).send(&frame(0x62, &[0, 9])).expect(expect![[r#"
        < PUBCOMP 9 Success
        < PUBCOMP 9 PacketIdentifierNotFound
    "#]]);
    // The identifier is free for another report.
    talk.publish(2, 9, "hr").release().expect(expect![[r#"
        Telemetry: HeartRate
        < PUBREC 9 Success
    "#]]);
}

#[test]
fn what_is_wrong_is_told_to_mqtt_5_in_the_acknowledgement() {
    let mut talk = Talk::device(Version::V5);
    talk.publish(1, 1, "bad").publish(1, 2, "").send(&publish(Version::V5, 1, 3, "yl/v1/d2/up/json", b"sos"));
    talk.send(&publish(Version::V5, 1, 4, "yl/v1/d1/up/xml", b"hr")).send(&publish(
        Version::V5,
        2,
        5,
        "yl/v1/d1/down",
        b"",
    ));
    talk.release().expect(expect![[r#"
        Telemetry: reject Malformed 3 bytes at yl/v1/d1/up/json
        Telemetry: reject Empty 0 bytes at yl/v1/d1/up/json
        Telemetry: reject ForeignTopic 3 bytes at yl/v1/d2/up/json
        Telemetry: reject UnknownFormat 2 bytes at yl/v1/d1/up/xml
        Telemetry: reject ForeignTopic 0 bytes at yl/v1/d1/down
        < PUBACK 1 PayloadFormatInvalid "not a word"
        < PUBACK 2 PayloadFormatInvalid "no bytes"
        < PUBACK 3 NotAuthorized "a device may publish only to its own yl/v1/{device}/up/{format}"
        < PUBACK 4 PayloadFormatInvalid "no such format"
        < PUBREC 5 NotAuthorized "a device may publish only to its own yl/v1/{device}/up/{format}"
    "#]]);
    assert_eq!(talk.stats.rejects(RejectReason::ForeignTopic), 2);
}

#[test]
fn what_is_wrong_is_told_to_3_1_1_on_its_down() {
    let mut talk = Talk::device(Version::V4);
    talk.publish(1, 1, "bad").release().expect(expect![[r#"
        Telemetry: reject Malformed 3 bytes at yl/v1/d1/up/json
        < PubAck(PubAck { pkid: 1 })
    "#]]);
    talk.send(&filters(Version::V4, SUBSCRIBE, 1, &["yl/v1/d1/down"], 1));
    talk.publish(1, 2, "hr,bad").publish(0, 0, "bad").release().expect(expect![[r#"
        down ready: true
        inbound DownReady { device: "d1" }
        < SubAck(SubAck { pkid: 1, return_codes: [Success(AtLeastOnce)] })
        Telemetry: HeartRate, reject Malformed 3 bytes at yl/v1/d1/up/json
        Telemetry: reject Malformed 3 bytes at yl/v1/d1/up/json
        < PubAck(PubAck { pkid: 2 })
        < PUBLISH yl/v1/d1/down qos0 id0 {"detail":"not a word","error":"malformed","items":2,"rejected":1}
        < PUBLISH yl/v1/d1/down qos0 id0 {"detail":"not a word","error":"malformed"}
    "#]]);
}

#[test]
fn refused_telemetry_is_told_to_mqtt_5_and_may_come_again() {
    let mut talk = Talk::device(Version::V5);
    talk.publish(1, 1, "hr").publish(2, 2, "hr").publish(1, 3, "sos");
    talk.settle(Lane::Telemetry, Verdict::Refused).settle(Lane::Alarm, Verdict::Released).expect(expect![[r#"
        Telemetry: HeartRate
        Telemetry: HeartRate
        Alarm: Sos
        < PUBACK 1 QuotaExceeded
        < PUBREC 2 QuotaExceeded
        < PUBACK 3 Success
    "#]]);
    talk.publish(2, 2, "hr").release().expect(expect![[r#"
        Telemetry: HeartRate
        < PUBREC 2 Success
    "#]]);
}

#[test]
fn refused_telemetry_of_3_1_1_stays_unacknowledged_and_the_sos_behind_it_does_not() {
    let mut talk = Talk::device(Version::V4);
    talk.publish(1, 1, "hr").publish(1, 2, "sos").settle(Lane::Telemetry, Verdict::Refused).release();
    talk.expect(expect![[r#"
        Telemetry: HeartRate
        Alarm: Sos
        < PubAck(PubAck { pkid: 2 })
    "#]]);
    assert!(!talk.session.is_owing());
}

#[test]
fn commands_go_down_once_each_and_are_acknowledged() {
    let mut talk = Talk::device(Version::V4);
    talk.send(&filters(Version::V4, SUBSCRIBE, 1, &["yl/v1/d1/down"], 2)).command(1).command(1).command(2);
    talk.send(&frame(0x40, &[0, 1])).command(1).expect(expect![[r#"
        down ready: true
        inbound DownReady { device: "d1" }
        < SubAck(SubAck { pkid: 1, return_codes: [Success(AtLeastOnce)] })
        inbound DownSent { device: "d1", command: d1 }
        < PUBLISH yl/v1/d1/down qos1 id1 {"command":"ring","expires_at":"2026-11-22T04:01:00.000Z","id":"d1"}
        inbound DownSent { device: "d1", command: d2 }
        < PUBLISH yl/v1/d1/down qos1 id2 {"command":"ring","expires_at":"2026-11-22T04:01:00.000Z","id":"d2"}
        inbound DownAcknowledged { device: "d1", command: d1 }
        inbound DownSent { device: "d1", command: d1 }
        < PUBLISH yl/v1/d1/down qos1 id3 {"command":"ring","expires_at":"2026-11-22T04:01:00.000Z","id":"d1"}
    "#]]);
}

#[test]
fn commands_wait_for_room_on_the_way_down() {
    let mut talk = Talk::device(Version::V4);
    talk.config.down_in_flight_max = 2;
    talk.send(&filters(Version::V4, SUBSCRIBE, 1, &["yl/v1/d1/down"], 1)).transcript.clear();
    talk.command(1).command(2).command(3);
    assert_eq!(talk.transcript.matches("DownSent").count(), 2);
    talk.transcript.clear();
    talk.send(&frame(0x40, &[0, 2])).expect(expect![[r#"
        inbound DownAcknowledged { device: "d1", command: d2 }
        inbound DownSent { device: "d1", command: d3 }
        < PUBLISH yl/v1/d1/down qos1 id3 {"command":"ring","expires_at":"2026-11-22T04:01:00.000Z","id":"d3"}
    "#]]);
}

#[test]
fn a_device_hears_its_own_down_and_nothing_else() {
    let asked = ["yl/v1/d1/down", "yl/v1/d2/down", "#", "yl/v1/d1/+", "a#", "$share/g/yl/v1/d1/down", "yl/v1/feed/#"];
    let mut talk = Talk::device(Version::V5);
    talk.send(&filters(Version::V5, SUBSCRIBE, 5, &asked, 1)).expect(expect![[r#"
        down ready: true
        inbound DownReady { device: "d1" }
        < SUBACK 5 [Success(AtLeastOnce), NotAuthorized, WildcardSubscriptionsNotSupported, WildcardSubscriptionsNotSupported, TopicFilterInvalid, SharedSubscriptionsNotSupported, WildcardSubscriptionsNotSupported]
    "#]]);
    talk.send(&filters(Version::V5, UNSUBSCRIBE, 6, &["yl/v1/d1/down", "yl/v1/d1/down"], 0)).command(1).expect(
        expect![[r#"
            down ready: false
            < UNSUBACK 6 [Success, NoSubscriptionExisted]
        "#]],
    );
    let mut talk = Talk::device(Version::V4);
    talk.send(&filters(Version::V4, SUBSCRIBE, 5, &["yl/v1/d2/down", "#"], 1)).expect(expect![[r#"
        < SubAck(SubAck { pkid: 5, return_codes: [Failure, Failure] })
    "#]]);
}

#[test]
fn an_oversized_publish_is_quarantined_skipped_and_acknowledged() {
    for version in [Version::V4, Version::V5] {
        let mut talk = Talk::device(version);
        let payload = vec![b'x'; talk.config.packet_bytes_max];
        let bytes = publish(version, 1, 4, "yl/v1/d1/up/json", &payload);
        let (most, last) = bytes.split_at(bytes.len() - 1);
        talk.send(most);
        assert_eq!(
            talk.transcript, "Telemetry: reject TooLarge 262144 bytes at yl/v1/d1/up/json\n",
            "it is offered before it has all come"
        );
        // Committed before its last byte has come: the acknowledgement waits for that byte.
        talk.transcript.clear();
        talk.release();
        assert_eq!(talk.transcript, "");
        talk.send(last).publish(1, 5, "hr").release();
        let answers: Vec<&str> = talk.transcript.lines().filter(|line| line.starts_with('<')).collect();
        match version {
            Version::V4 => assert_eq!(answers, ["< PubAck(PubAck { pkid: 4 })", "< PubAck(PubAck { pkid: 5 })"]),
            Version::V5 => assert_eq!(
                answers,
                ["< PUBACK 4 PayloadFormatInvalid \"the packet is larger than 262144 bytes\"", "< PUBACK 5 Success"]
            ),
        }
    }
}

#[test]
fn a_subscriber_hears_what_its_filters_and_its_scope_allow() {
    let mut talk = Talk::subscriber(Version::V5);
    let asked = ["yl/v1/feed/luyang/+/+/incidents", "yl/v1/feed/luyang/other/#", "yl/v1/d1/down", "$share/g/#"];
    talk.send(&filters(Version::V5, SUBSCRIBE, 1, &asked, 2)).expect(expect![[r#"
        < SUBACK 1 [Success(AtMostOnce), NotAuthorized, NotAuthorized, SharedSubscriptionsNotSupported]
    "#]]);
    talk.feed("yl/v1/feed/luyang/xinghua/yinxing/incidents")
        .feed("yl/v1/feed/luyang/xinghua/yinxing/cases")
        .feed("yl/v1/feed/luyang/other/yinxing/incidents")
        .expect(expect![[r#"
            < PUBLISH yl/v1/feed/luyang/xinghua/yinxing/incidents qos0 id0 {}
        "#]]);
    talk.send(&filters(Version::V5, UNSUBSCRIBE, 2, &asked[..1], 0))
        .feed("yl/v1/feed/luyang/xinghua/yinxing/incidents")
        .expect(expect![[r#"
            < UNSUBACK 2 [Success]
        "#]]);
}

#[test]
fn a_subscriber_may_not_publish() {
    let mut talk = Talk::subscriber(Version::V5);
    talk.send(&publish(Version::V5, 1, 1, "yl/v1/feed/luyang/xinghua/incidents", b"{}")).expect(expect![[r#"
        < PUBACK 1 NotAuthorized
    "#]]);
    let mut talk = Talk::subscriber(Version::V4);
    talk.send(&publish(Version::V4, 1, 1, "yl/v1/feed/luyang/xinghua/incidents", b"{}")).expect(expect![[r#"
        closed
    "#]]);
}

#[test]
fn pings_are_answered_and_good_byes_heard() {
    let mut talk = Talk::device(Version::V5);
    talk.send(&[0xC0, 0]).send(&[0xE0, 0]).expect(expect![[r#"
        < PingResp(PingResp)
        closed
    "#]]);
    // Nothing is heard after the good-bye.
    talk.publish(1, 1, "sos").expect(expect![[""]]);
}

#[test]
fn wills_and_retain_flags_are_accepted_and_ignored() {
    let mut bytes = BytesMut::new();
    let mut connect = v4::Connect::new("d1");
    connect.set_login("d1", "s1");
    connect.last_will = Some(v4::LastWill::new("yl/v1/d1/gone", "x", rumqttc::QoS::AtLeastOnce, true));
    connect.write(&mut bytes).unwrap();
    let mut retained = publish(Version::V4, 1, 1, "yl/v1/d1/up/json", b"hr");
    retained[0] |= 0x01;
    let mut talk = Talk::new(Version::V4);
    talk.send(&bytes).send(&retained).release().expect(expect![[r#"
        admitted Device("d1")
        < ConnAck(ConnAck { session_present: false, code: Success })
        Telemetry: HeartRate
        < PubAck(PubAck { pkid: 1 })
    "#]]);
}

#[test]
fn what_comes_in_one_read_is_one_parcel_a_lane() {
    let mut talk = Talk::device(Version::V4);
    let mut bytes = Vec::new();
    for id in 1..=3 {
        bytes.extend(publish(Version::V4, 1, id, "yl/v1/d1/up/json", b"hr"));
    }
    bytes.extend(publish(Version::V4, 1, 4, "yl/v1/d1/up/json", b"sos"));
    talk.send(&bytes).release().expect(expect![[r#"
        Alarm: Sos
        Telemetry: HeartRate, HeartRate, HeartRate
        < PubAck(PubAck { pkid: 1 })
        < PubAck(PubAck { pkid: 2 })
        < PubAck(PubAck { pkid: 3 })
        < PubAck(PubAck { pkid: 4 })
    "#]]);
}
