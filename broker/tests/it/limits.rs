//! Bad input, too much input, no input.

use std::time::Duration;

use broker::{DoorConfig, DoorStats, Lane};
use tokio::io::AsyncReadExt;

use crate::house::{open, until, words};
use crate::wire::{Wire, frame};

const UP: &str = "yl/v1/d1/up/json";

#[tokio::test]
async fn nonsense_before_the_connect_is_closed_and_counted_and_the_next_is_served() {
    let setting = open(DoorConfig::default()).await;
    let mut pattern = 0x9E37_79B9u32;
    for round in 1..=20u64 {
        let noise: Vec<u8> = (0..200)
            .map(|_| {
                pattern = pattern.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (pattern >> 24) as u8 | 0x80
            })
            .collect();
        let mut wire = Wire::open(setting.port).await;
        wire.send(&noise).await;
        assert!(wire.closed().await.is_empty());
        assert_eq!(DoorStats::read(&setting.door.stats().refused_not_mqtt), round);
    }
    let mut wire = Wire::device(setting.port, 4, "d1").await;
    assert!(wire.heard().await.is_empty());
}

#[tokio::test]
async fn a_connect_that_does_not_come_is_not_waited_for() {
    let setting = open(DoorConfig::default()).await;
    let mut silent = Wire::open(setting.port).await;
    let mut slow = Wire::open(setting.port).await;
    until("both are open", || setting.door.connections() == 2).await;
    tokio::time::pause();
    let began = tokio::time::Instant::now();
    // A byte now and then does not buy more time.
    for byte in [0x10, 0x20, 0x00] {
        slow.send(&[byte]).await;
        assert!(slow.silent_for(Duration::from_secs(3)).await);
    }
    assert!(silent.closed().await.is_empty());
    assert!(slow.closed().await.is_empty());
    assert!(began.elapsed() >= Duration::from_secs(10) && began.elapsed() < Duration::from_secs(12));
    assert_eq!(DoorStats::read(&setting.door.stats().refused_timeout), 2);
}

#[tokio::test]
async fn a_device_is_given_up_after_one_and_a_half_keep_alives() {
    let setting = open(DoorConfig::default()).await;
    let mut wire = Wire::open(setting.port).await;
    wire.connect(5, "d1", "d1", "secret", 10).await;
    tokio::time::pause();
    let began = tokio::time::Instant::now();
    for _ in 0..3 {
        tokio::time::advance(Duration::from_secs(10)).await;
        assert!(wire.heard().await.is_empty(), "it pings in time");
    }
    let last = tokio::time::Instant::now();
    assert_eq!(wire.closed().await, [[0xE0, 2, 0x8D, 0]]);
    let (since_last, in_all) = (last.elapsed(), began.elapsed());
    assert!(since_last >= Duration::from_millis(14_900) && since_last < Duration::from_secs(18), "{since_last:?}");
    assert!(in_all >= Duration::from_secs(44));
}

#[tokio::test]
async fn an_sos_is_found_behind_telemetry_that_waits() {
    let config = DoorConfig { held_bytes_max: 4096, ..DoorConfig::default() };
    let setting = open(config).await;
    setting.house.set_room(1);
    let mut wire = Wire::device(setting.port, 4, "d1").await;
    // The first parcel takes the only place, the second waits, and the sos behind them comes through.
    wire.publish(1, 1, UP, b"hr").await;
    until("the first is in", || DoorStats::read(&setting.door.stats().items) == 1).await;
    wire.publish(1, 2, UP, b"hr").await;
    until("the second waits", || DoorStats::read(&setting.door.stats().telemetry_waits) == 1).await;
    wire.publish(1, 3, UP, b"sos").await;
    let alarm = setting.house.parcel(Lane::Alarm).await;
    alarm.receipts.release();
    assert!(wire.heard().await.is_empty(), "its acknowledgement has its turn after theirs");
    setting.house.set_room(usize::MAX);
    setting.house.parcel(Lane::Telemetry).await.receipts.release();
    setting.house.parcel(Lane::Telemetry).await.receipts.release();
    for id in 1..=3 {
        assert_eq!(wire.packet().await.unwrap(), [0x40, 2, 0, id]);
    }
}

#[tokio::test]
async fn reading_stops_at_a_named_number_of_bytes_and_loses_nothing() {
    let config = DoorConfig { held_bytes_max: 1024, ..DoorConfig::default() };
    let setting = open(config).await;
    setting.house.set_room(0);
    let wire = Wire::device(setting.port, 4, "d1").await;
    // More than every buffer on the way, so that the writer really waits.
    let count = 20_000u16;
    let bytes: Vec<u8> = (1..=count).flat_map(|id| wire.publish_bytes(1, id, UP, b"hr")).collect();
    let total = bytes.len() as u64;
    let (mut reader, mut writer) = wire.stream.into_split();
    let writing = tokio::spawn(async move {
        tokio::io::AsyncWriteExt::write_all(&mut writer, &bytes).await.unwrap();
        writer
    });
    until("telemetry waits", || DoorStats::read(&setting.door.stats().telemetry_waits) > 0).await;
    let read = DoorStats::read(&setting.door.stats().bytes_in);
    assert!(read < total, "it has not read everything: {read} of {total}");
    setting.house.release_everything();
    setting.house.set_room(3);
    let mut acknowledgements = vec![0; usize::from(count) * 4];
    reader.read_exact(&mut acknowledgements).await.unwrap();
    let ids: Vec<u16> = acknowledgements.chunks(4).map(|ack| u16::from_be_bytes([ack[2], ack[3]])).collect();
    assert_eq!(ids, (1..=count).collect::<Vec<u16>>());
    writing.await.unwrap();
}

#[tokio::test]
async fn refused_telemetry_is_told_to_mqtt_5_only_and_reading_goes_on() {
    let setting = open(DoorConfig::default()).await;
    for (level, answer) in [(5, vec![vec![0x40, 3, 0, 1, 0x97]]), (4, vec![])] {
        let mut wire = Wire::device(setting.port, level, "d1").await;
        wire.publish(1, 1, UP, b"hr").await;
        setting.house.parcel(Lane::Telemetry).await.receipts.refuse();
        assert_eq!(wire.heard().await, answer);
        wire.publish(1, 2, UP, b"sos").await;
        setting.house.parcel(Lane::Alarm).await.receipts.release();
        assert_eq!(wire.packet().await.unwrap(), [0x40, 2, 0, 2]);
    }
}

#[tokio::test]
async fn an_oversized_publish_is_rejected_and_the_next_report_served() {
    let setting = open(DoorConfig::default()).await;
    for level in [4, 5] {
        let mut wire = Wire::device(setting.port, level, "d1").await;
        wire.publish(1, 1, UP, &vec![b'{'; 3 * 1024 * 1024]).await;
        let parcel = setting.house.parcel(Lane::Telemetry).await;
        let reject = parcel.items[0].outcome.as_ref().unwrap_err();
        assert_eq!((reject.payload.len(), reject.payload_bytes), (4096, 3 * 1024 * 1024));
        parcel.receipts.release();
        let puback = wire.packet().await.unwrap();
        assert_eq!((puback[0], &puback[2..4]), (0x40, &[0, 1][..]));
        assert_eq!(puback.get(4), if level == 5 { Some(&0x99) } else { None });
        wire.publish(1, 2, UP, b"hr").await;
        let (items, receipts) = words(setting.house.parcel(Lane::Telemetry).await);
        assert_eq!(items, ["HeartRate"]);
        receipts.release();
        assert_eq!(wire.packet().await.unwrap(), [0x40, 2, 0, 2]);
    }
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_cut_in_the_end() {
    let setting = open(DoorConfig::default()).await;
    let mut wire = Wire::device(setting.port, 4, "d1").await;
    // Pings whose answers nobody reads, until every buffer on the way back is full.
    let pings = [0xC0, 0].repeat(32 * 1024);
    tokio::time::pause();
    let began = tokio::time::Instant::now();
    while tokio::io::AsyncWriteExt::write_all(&mut wire.stream, &pings).await.is_ok() {}
    assert!(began.elapsed() >= Duration::from_secs(30));
    until("it is cut", || DoorStats::read(&setting.door.stats().write_stalls) == 1).await;
}

#[tokio::test]
async fn there_is_a_last_connection() {
    let config = DoorConfig { connections_max: 2, ..DoorConfig::default() };
    let setting = open(config).await;
    let mut first = Wire::device(setting.port, 4, "d1").await;
    let second = Wire::device(setting.port, 4, "d2").await;
    let mut third = Wire::open(setting.port).await;
    assert!(third.closed().await.is_empty());
    assert_eq!(DoorStats::read(&setting.door.stats().refused_busy), 1);
    drop(second);
    until("there is room", || setting.door.connections() == 1).await;
    Wire::device(setting.port, 4, "d3").await;
    assert!(first.heard().await.is_empty());
}

#[tokio::test]
async fn every_kind_of_bad_payload_is_offered_and_answered() {
    let setting = open(DoorConfig::default()).await;
    setting.house.release_everything();
    let mut wire = Wire::device(setting.port, 4, "d1").await;
    let nested = "[".repeat(20_000);
    for payload in [&b""[..], b"{", b"\xFF\xFE", b"{\"lat\":NaN}", nested.as_bytes()] {
        wire.publish(1, 9, UP, payload).await;
        assert_eq!(wire.packet().await.unwrap(), [0x40, 2, 0, 9]);
    }
    wire.send(&frame(0x32, &[0, 1, b'x', 0, 9])).await;
    assert_eq!(wire.packet().await.unwrap(), [0x40, 2, 0, 9]);
    assert_eq!(setting.door.stats().rejects(model::RejectReason::ForeignTopic), 1);
}

#[tokio::test]
async fn a_decoder_that_panics_costs_one_connection_and_nothing_else() {
    let setting = open(DoorConfig::default()).await;
    let mut other = Wire::device(setting.port, 4, "d2").await;
    let mut wire = Wire::device(setting.port, 4, "d1").await;
    for _ in 0..2 {
        assert!(setting.house.event().await.ends_with("online: true }"));
    }
    wire.publish(1, 1, UP, b"panic").await;
    assert!(wire.closed().await.is_empty());
    assert_eq!(setting.house.event().await, r#"Connection { device: "d1", online: false }"#);
    until("it is forgotten", || setting.door.connections() == 1).await;
    assert!(other.heard().await.is_empty());
    Wire::device(setting.port, 4, "d1").await;
}
