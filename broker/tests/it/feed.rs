//! Subscribers of the live feed, through rumqttd's router.

use std::time::Duration;

use broker::{DoorConfig, DoorStats};
use bytes::Bytes;
use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS, v5};

use crate::house::{PATIENCE, Setting, open, until};
use crate::wire::Wire;

const HERE: &str = "yl/v1/feed/luyang/xinghua/yinxing/incidents";
const ELSEWHERE: &str = "yl/v1/feed/luyang/other/incidents";

/// A raw subscriber of everything in its scope.
async fn subscriber(setting: &Setting, level: u8, scope: &str) -> Wire {
    let mut wire = Wire::open(setting.port).await;
    wire.connect(level, "console", "token", scope, 60).await;
    wire.subscribe("yl/v1/feed/#").await;
    wire
}

fn payload(packet: &[u8]) -> u64 {
    let text = std::str::from_utf8(&packet[packet.len() - 6..]).unwrap();
    text.parse().unwrap_or_else(|_| panic!("{text}"))
}

fn numbered(number: u64) -> Bytes {
    Bytes::from(format!("{number:06}"))
}

#[tokio::test]
async fn subscribers_hear_what_is_in_scope_and_nothing_else() {
    let setting = open(DoorConfig::default()).await;
    let mut street = subscriber(&setting, 4, "/luyang/xinghua/").await;
    let mut district = subscriber(&setting, 5, "/luyang/").await;
    setting.door.publish_feed(ELSEWHERE, numbered(1));
    setting.door.publish_feed(HERE, numbered(2));
    assert_eq!(payload(&street.packet().await.unwrap()), 2);
    assert_eq!(payload(&district.packet().await.unwrap()), 1);
    assert_eq!(payload(&district.packet().await.unwrap()), 2);
    assert!(setting.door.router_alive());
}

#[tokio::test]
async fn a_rumqttc_subscriber_of_either_version_hears_the_feed() {
    let setting = open(DoorConfig::default()).await;
    let mut options = MqttOptions::new("street-platform", "127.0.0.1", setting.port);
    options.set_credentials("token", "/luyang/xinghua/").set_keep_alive(Duration::from_secs(30));
    let (client, mut events) = AsyncClient::new(options, 10);
    client.subscribe("yl/v1/feed/luyang/xinghua/+/incidents", QoS::AtLeastOnce).await.unwrap();
    let mut options = v5::MqttOptions::new("street-platform-5", "127.0.0.1", setting.port);
    options.set_credentials("token", "/luyang/xinghua/").set_keep_alive(Duration::from_secs(30));
    let (client_5, mut events_5) = v5::AsyncClient::new(options, 10);
    client_5.subscribe("yl/v1/feed/#", v5::mqttbytes::QoS::AtMostOnce).await.unwrap();
    let hear = async {
        loop {
            match events.poll().await.unwrap() {
                Event::Incoming(Packet::SubAck(_)) => setting.door.publish_feed(HERE, numbered(3)),
                Event::Incoming(Packet::Publish(publish)) => return publish.topic,
                _ => {}
            }
        }
    };
    assert_eq!(tokio::time::timeout(PATIENCE, hear).await.unwrap(), HERE);
    let hear_5 = async {
        loop {
            match events_5.poll().await.unwrap() {
                v5::Event::Incoming(v5::Incoming::SubAck(_)) => setting.door.publish_feed(HERE, numbered(4)),
                v5::Event::Incoming(v5::Incoming::Publish(publish)) => return publish.topic,
                _ => {}
            }
        }
    };
    assert_eq!(tokio::time::timeout(PATIENCE, hear_5).await.unwrap(), HERE);
}

#[tokio::test]
async fn a_burst_arrives_whole_and_in_order() {
    let setting = open(DoorConfig::default()).await;
    let mut wire = subscriber(&setting, 4, "/luyang/").await;
    // More than the router hands out before it waits to be asked again.
    for number in 0..2_000 {
        setting.door.publish_feed(HERE, numbered(number));
    }
    for number in 0..2_000 {
        assert_eq!(payload(&wire.packet().await.unwrap()), number);
    }
    assert_eq!(DoorStats::read(&setting.door.stats().feed_dropped), 0);
}

#[tokio::test]
async fn a_slow_subscriber_is_cut_and_holds_nobody_up() {
    let setting = open(DoorConfig::default()).await;
    let slow = subscriber(&setting, 4, "/luyang/").await;
    let mut quick = subscriber(&setting, 5, "/luyang/").await;
    let large = Bytes::from(vec![b'0'; 64 * 1024]);
    let mut sent = 0;
    while DoorStats::read(&setting.door.stats().feed_cut) == 0 {
        assert!(sent < 1_000, "64 MiB and nobody was cut");
        setting.door.publish_feed(HERE, large.clone());
        sent += 1;
        assert!(quick.packet().await.unwrap().len() > large.len());
    }
    until("it is gone", || setting.door.connections() == 1).await;
    drop(slow);
    setting.door.publish_feed(HERE, numbered(5));
    assert_eq!(payload(&quick.packet().await.unwrap()), 5);
}

#[tokio::test]
async fn places_are_given_back() {
    let config = DoorConfig { feed_clients_max: 2, ..DoorConfig::default() };
    let setting = open(config).await;
    for round in 0..10 {
        let mut first = subscriber(&setting, 4, "/luyang/").await;
        let mut second = subscriber(&setting, 4, "/luyang/").await;
        let mut third = Wire::open(setting.port).await;
        third.send_connect(4, "console", "token", "/luyang/", 60).await;
        assert_eq!(third.closed().await, [[0x20, 2, 0, 3]], "as many as there may be");
        setting.door.publish_feed(HERE, numbered(round));
        assert_eq!(payload(&first.packet().await.unwrap()), round);
        assert_eq!(payload(&second.packet().await.unwrap()), round);
        drop((first, second, third));
        until("all are gone", || setting.door.connections() == 0).await;
    }
    assert!(setting.door.router_alive());
}

#[tokio::test]
async fn what_would_kill_the_router_does_not_reach_it() {
    let setting = open(DoorConfig::default()).await;
    let mut wire = subscriber(&setting, 4, "/luyang/").await;
    // A topic that begins outside ASCII panics the router; what is no feed topic has nothing to do there.
    for topic in ["银杏/incidents", "", "a/b", "yl/v1/feed/+/incidents", "yl/v1/feed/a\0/incidents"] {
        setting.door.publish_feed(topic, numbered(1));
    }
    assert_eq!(DoorStats::read(&setting.door.stats().feed_dropped), 5);
    setting.door.publish_feed("yl/v1/feed/luyang/银杏/incidents", numbered(2));
    assert_eq!(payload(&wire.packet().await.unwrap()), 2);
}
