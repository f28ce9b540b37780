//! Devices: in and out, up and down.

use std::io::{ErrorKind, Read};
use std::time::Duration;

use broker::{DoorConfig, DoorStats, Lane, listen};
use model::{DeviceId, DownCommand, DownCommandId, DownCommandKind, DownCommandState, Timestamp};
use rumqttc::{AsyncClient, ConnectReturnCode, ConnectionError, Event, MqttOptions, Packet, QoS, v5};

use crate::house::{PATIENCE, open, open_on, until, words};
use crate::wire::Wire;

const UP: &str = "yl/v1/d1/up/json";

fn command(number: u64) -> DownCommand {
    let at = Timestamp::from_millis(1_795_320_000_000);
    DownCommand {
        id: DownCommandId::new(0, number),
        version: 1,
        device: DeviceId::new("d1"),
        kind: DownCommandKind::Locate,
        state: DownCommandState::Queued,
        by: None,
        created_at: at,
        expires_at: at.plus_seconds(600),
        changed_at: at,
    }
}

#[tokio::test]
async fn a_rumqttc_device_publishes_and_is_acknowledged_after_the_commit() {
    let setting = open(DoorConfig::default()).await;
    let mut options = MqttOptions::new("d1", "127.0.0.1", setting.port);
    options.set_credentials("d1", "secret").set_keep_alive(Duration::from_secs(30));
    let (client, mut events) = AsyncClient::new(options, 10);
    for (qos, last) in [(QoS::AtLeastOnce, "PubAck"), (QoS::ExactlyOnce, "PubComp")] {
        client.publish(UP, qos, false, "sos").await.unwrap();
        let releasing = async {
            let (items, receipts) = words(setting.house.parcel(Lane::Alarm).await);
            assert_eq!(items, ["Sos"]);
            receipts.release();
        };
        let acknowledged = async {
            loop {
                let event = events.poll().await.unwrap();
                if let Event::Incoming(packet) = event
                    && format!("{packet:?}").starts_with(last)
                {
                    return;
                }
            }
        };
        tokio::time::timeout(PATIENCE, async { tokio::join!(releasing, acknowledged) }).await.unwrap();
    }
}

#[tokio::test]
async fn a_rumqttc_device_of_mqtt_5_publishes_and_hears_the_reason() {
    let setting = open(DoorConfig::default()).await;
    setting.house.release_everything();
    let mut options = v5::MqttOptions::new("d1", "127.0.0.1", setting.port);
    options.set_credentials("d1", "secret").set_keep_alive(Duration::from_secs(30));
    let (client, mut events) = v5::AsyncClient::new(options, 10);
    client.publish(UP, v5::mqttbytes::QoS::AtLeastOnce, false, "nonsense").await.unwrap();
    let acknowledged = async {
        loop {
            if let v5::Event::Incoming(v5::Incoming::PubAck(puback)) = events.poll().await.unwrap() {
                return puback;
            }
        }
    };
    let puback = tokio::time::timeout(PATIENCE, acknowledged).await.unwrap();
    assert_eq!(puback.reason, v5::mqttbytes::v5::PubAckReason::PayloadFormatInvalid);
    assert_eq!(puback.properties.unwrap().reason_string.as_deref(), Some("not a word"));
}

#[tokio::test]
async fn a_wrong_secret_is_refused_in_words_that_rumqttc_understands() {
    let setting = open(DoorConfig::default()).await;
    let mut options = MqttOptions::new("d1", "127.0.0.1", setting.port);
    options.set_credentials("d1", "wrong");
    let (_client, mut events) = AsyncClient::new(options, 10);
    let refused = events.poll().await.unwrap_err();
    assert!(matches!(refused, ConnectionError::ConnectionRefused(ConnectReturnCode::BadUserNamePassword)), "{refused}");
    let mut options = v5::MqttOptions::new("d1", "127.0.0.1", setting.port);
    options.set_credentials("other", "secret");
    let (_client, mut events) = v5::AsyncClient::new(options, 10);
    let refused = events.poll().await.unwrap_err();
    let not_valid = v5::mqttbytes::v5::ConnectReturnCode::ClientIdentifierNotValid;
    assert!(matches!(refused, v5::ConnectionError::ConnectionRefused(code) if code == not_valid), "{refused}");
    assert_eq!(DoorStats::read(&setting.door.stats().refused_credentials), 1);
    assert_eq!(DoorStats::read(&setting.door.stats().refused_client_id), 1);
}

#[tokio::test]
async fn no_acknowledgement_leaves_before_its_release_and_all_leave_in_order() {
    let setting = open(DoorConfig::default()).await;
    let mut wire = Wire::device(setting.port, 4, "d1").await;
    let mut bytes = Vec::new();
    for (id, payload) in [(1, "hr"), (2, "sos"), (3, "hr")] {
        bytes.extend(wire.publish_bytes(1, id, UP, payload.as_bytes()));
    }
    wire.send(&bytes).await;
    let alarm = setting.house.parcel(Lane::Alarm).await;
    let telemetry = setting.house.parcel(Lane::Telemetry).await;
    assert_eq!((alarm.items.len(), telemetry.items.len()), (1, 2), "one read is one parcel a lane");
    assert!(wire.heard().await.is_empty());
    alarm.receipts.release();
    assert!(wire.heard().await.is_empty());
    telemetry.receipts.release();
    assert_eq!(wire.packet().await.unwrap(), [0x40, 2, 0, 1]);
    assert_eq!(wire.packet().await.unwrap(), [0x40, 2, 0, 2]);
    assert_eq!(wire.packet().await.unwrap(), [0x40, 2, 0, 3]);
}

#[tokio::test]
async fn what_is_released_here_is_written_before_the_connection_has_another_turn() {
    let setting = open(DoorConfig::default()).await;
    let mut wire = Wire::device(setting.port, 4, "d1").await;
    let bytes = [(1, "hr"), (2, "sos")].map(|(id, payload)| wire.publish_bytes(1, id, UP, payload.as_bytes())).concat();
    wire.send(&bytes).await;
    let alarm = setting.house.parcel(Lane::Alarm).await;
    let telemetry = setting.house.parcel(Lane::Telemetry).await;
    // The connection's task lives on this thread, which from here on waits for nothing but the socket.
    let mut socket = wire.stream.into_std().unwrap();
    alarm.receipts.release_here();
    let mut acknowledged = [0; 8];
    assert!(
        socket.read(&mut acknowledged).is_err_and(|error| error.kind() == ErrorKind::WouldBlock),
        "not in its turn"
    );
    telemetry.receipts.release_here();
    socket.set_nonblocking(false).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.read_exact(&mut acknowledged).unwrap();
    assert_eq!(acknowledged, [0x40, 2, 0, 1, 0x40, 2, 0, 2]);
    assert_eq!(DoorStats::read(&setting.door.stats().acknowledged), 2);
}

#[tokio::test]
async fn what_a_full_socket_does_not_take_is_written_when_it_is_read() {
    let listener = listen("127.0.0.1:0".parse().unwrap()).unwrap();
    // What is accepted has the same; the other side has the usual room.
    socket2::SockRef::from(&listener).set_send_buffer_size(4096).unwrap();
    let setting = open_on(listener, DoorConfig { output_bytes_max: 16 << 20, ..DoorConfig::default() }).await;
    let mut wire = Wire::device(setting.port, 4, "d1").await;
    wire.subscribe("yl/v1/d1/down").await;
    let ids = 1..=20_000;
    // Each is answered with a complaint, too.
    let bytes: Vec<u8> = ids.clone().flat_map(|id| wire.publish_bytes(1, id, UP, b"?")).collect();
    wire.send(&bytes).await;
    let mut released = 0;
    while released < ids.len() {
        let parcel = setting.house.parcel(Lane::Telemetry).await;
        released += parcel.items.len();
        parcel.receipts.release_here();
    }
    let written = DoorStats::read(&setting.door.stats().bytes_out);
    let (mut acknowledged, mut complaints, mut heard) = (Vec::new(), 0, 0);
    while complaints < ids.len() {
        let packet = wire.packet().await.unwrap();
        heard += packet.len() as u64;
        match packet[0] {
            0x40 => acknowledged.push(u16::from_be_bytes([packet[2], packet[3]])),
            _ => complaints += 1,
        }
    }
    assert!(written < heard, "all {heard} bytes found room: the socket was never full");
    assert_eq!(acknowledged, ids.collect::<Vec<u16>>());
}

#[tokio::test]
async fn who_has_gone_is_acknowledged_nothing() {
    let setting = open(DoorConfig::default()).await;
    let mut wire = Wire::device(setting.port, 4, "d1").await;
    wire.publish(1, 1, UP, b"hr").await;
    let parcel = setting.house.parcel(Lane::Telemetry).await;
    drop(wire);
    until("it is gone", || setting.door.connections() == 0).await;
    parcel.receipts.release_here();
    assert_eq!(DoorStats::read(&setting.door.stats().acknowledged), 0);
}

#[tokio::test]
async fn a_parcel_that_is_lost_is_never_acknowledged() {
    let setting = open(DoorConfig::default()).await;
    let mut wire = Wire::device(setting.port, 5, "d1").await;
    wire.publish(1, 1, UP, b"hr").await;
    drop(setting.house.parcel(Lane::Telemetry).await);
    wire.publish(1, 2, UP, b"hr").await;
    setting.house.parcel(Lane::Telemetry).await.receipts.release();
    assert_eq!(wire.packet().await.unwrap(), [0x40, 2, 0, 2]);
}

#[tokio::test]
async fn the_newer_session_wins_and_the_house_sees_the_device_stay() {
    let setting = open(DoorConfig::default()).await;
    let mut older = Wire::device(setting.port, 5, "d1").await;
    assert_eq!(setting.house.event().await, r#"Connection { device: "d1", online: true }"#);
    let mut newer = Wire::device(setting.port, 5, "d1").await;
    assert_eq!(older.closed().await, [[0xE0, 2, 0x8E, 0]]);
    assert_eq!(setting.house.event().await, r#"Connection { device: "d1", online: true }"#);
    drop(older);
    until("the older connection is gone", || setting.door.connections() == 1).await;
    assert!(newer.heard().await.is_empty(), "the newer one is alive");
    assert!(setting.door.is_online(&DeviceId::new("d1")));
    newer.send(&[0xE0, 0]).await;
    assert_eq!(setting.house.event().await, r#"Connection { device: "d1", online: false }"#);
    assert!(!setting.door.is_online(&DeviceId::new("d1")));
    assert_eq!(DoorStats::read(&setting.door.stats().taken_over), 1);
}

#[tokio::test]
async fn commands_go_down_and_their_acknowledgement_comes_up() {
    let setting = open(DoorConfig::default()).await;
    assert!(!setting.door.deliver(&command(1)), "nobody is there");
    let mut options = MqttOptions::new("d1", "127.0.0.1", setting.port);
    options.set_credentials("d1", "secret").set_keep_alive(Duration::from_secs(30));
    let (client, mut events) = AsyncClient::new(options, 10);
    client.subscribe("yl/v1/d1/down", QoS::AtLeastOnce).await.unwrap();
    let (heard, mut hearing) = tokio::sync::mpsc::channel(10);
    tokio::spawn(async move {
        while let Ok(event) = events.poll().await {
            if let Event::Incoming(Packet::Publish(publish)) = event {
                let _gone = heard.send(publish).await;
            }
        }
    });
    assert_eq!(setting.house.event().await, r#"Connection { device: "d1", online: true }"#);
    assert_eq!(setting.house.event().await, r#"DownReady { device: "d1" }"#);
    assert!(setting.door.deliver(&command(7)));
    assert_eq!(setting.house.event().await, r#"DownSent { device: "d1", command: d7 }"#);
    assert_eq!(setting.house.event().await, r#"DownAcknowledged { device: "d1", command: d7 }"#);
    let publish = hearing.recv().await.unwrap();
    assert_eq!((publish.topic.as_str(), publish.qos), ("yl/v1/d1/down", QoS::AtLeastOnce));
    assert_eq!(
        String::from_utf8_lossy(&publish.payload),
        r#"{"command":"locate","expires_at":"2026-11-22T04:10:00.000Z","id":"d7"}"#
    );
}

#[tokio::test]
async fn a_changed_registration_ends_the_session() {
    let setting = open(DoorConfig::default()).await;
    let mut wire = Wire::device(setting.port, 5, "d1").await;
    setting.house.set_secret("new");
    setting.door.disconnect(&DeviceId::new("d1"));
    assert_eq!(wire.closed().await, [[0xE0, 2, 0x98, 0]]);
    let mut wire = Wire::open(setting.port).await;
    wire.send_connect(5, "d1", "d1", "secret", 60).await;
    assert_eq!(wire.closed().await, [[0x20, 3, 0, 0x86, 0]]);
}

#[tokio::test]
async fn a_shutdown_waits_for_receipts_on_their_way_and_says_good_bye() {
    for threads in [0, 2] {
        let setting = open(DoorConfig { threads, ..DoorConfig::default() }).await;
        let mut wire = Wire::device(setting.port, 5, "d1").await;
        let mut idle = Wire::device(setting.port, 4, "d2").await;
        let mut stranger = Wire::open(setting.port).await;
        wire.publish(1, 1, UP, b"sos").await;
        let parcel = setting.house.parcel(Lane::Alarm).await;
        let parting = async move {
            assert!(idle.closed().await.is_empty());
            parcel.receipts.release();
            assert_eq!(wire.closed().await, [vec![0x40, 2, 0, 1], vec![0xE0, 2, 0x8B, 0]]);
            assert!(stranger.closed().await.is_empty());
        };
        tokio::join!(setting.door.shutdown(), parting);
        assert_eq!(setting.door.connections(), 0);
        assert!(tokio::net::TcpStream::connect(("127.0.0.1", setting.port)).await.is_err());
    }
}
