//! A bracelet against a door that breaks connections.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::BytesMut;
use rumqttc::mqttbytes::v4::{ConnAck, ConnectReturnCode, Packet, PubAck, SubAck, SubscribeReasonCode};
use rumqttc::mqttbytes::{Error, QoS};
use simulator::neighbourhood::bracelet::Bracelet;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const WITHIN: Duration = Duration::from_secs(60);
const PACKET_BYTES_MAX: usize = 64 * 1024;

/// Serves one connection: acknowledges the first `acknowledge` reports, takes in `take`, then hangs up.
async fn serve(mut socket: TcpStream, acknowledge: usize, take: usize, seen: Arc<Mutex<Vec<String>>>) {
    let mut buffer = BytesMut::new();
    let mut taken: Vec<String> = Vec::new();
    while taken.len() < take {
        let packet = match Packet::read(&mut buffer, PACKET_BYTES_MAX) {
            Ok(packet) => packet,
            Err(Error::InsufficientBytes(_)) => {
                assert_ne!(socket.read_buf(&mut buffer).await.unwrap(), 0, "the bracelet hung up");
                continue;
            }
            Err(error) => panic!("{error}"),
        };
        let mut answer = BytesMut::new();
        match packet {
            Packet::Connect(connect) => {
                let login = connect.login.unwrap();
                assert_eq!((connect.client_id.as_str(), login.username.as_str()), ("b1", "b1"));
                assert_eq!(login.password, "secret");
                ConnAck::new(ConnectReturnCode::Success, false).write(&mut answer).unwrap();
            }
            Packet::Subscribe(subscribe) => {
                let granted = vec![SubscribeReasonCode::Success(QoS::AtLeastOnce)];
                SubAck::new(subscribe.pkid, granted).write(&mut answer).unwrap();
            }
            Packet::Publish(publish) => {
                assert_eq!(publish.topic, "yl/v1/b1/up/json");
                taken.push(String::from_utf8(publish.payload.to_vec()).unwrap());
                if taken.len() <= acknowledge {
                    PubAck::new(publish.pkid).write(&mut answer).unwrap();
                }
            }
            _ => {}
        }
        socket.write_all(&answer).await.unwrap();
    }
    seen.lock().unwrap().extend(taken);
}

#[tokio::test]
async fn what_was_not_acknowledged_comes_again_on_the_next_connection() {
    let door = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let bracelet = Bracelet::switch_on(door.local_addr().unwrap(), "b1", "secret", None);
    let reports: Vec<String> = (0..150).map(|n| format!(r#"{{"type":"alive","id":"1-{n}"}}"#)).collect();
    for report in &reports {
        bracelet.say(report.clone().into_bytes());
    }
    let seen = Arc::new(Mutex::new(Vec::new()));
    for (acknowledge, take) in [(0, 1), (20, 40), (50, 70)] {
        let (socket, _) = tokio::time::timeout(WITHIN, door.accept()).await.expect("it comes back").unwrap();
        let serving = serve(socket, acknowledge, take, Arc::clone(&seen));
        tokio::time::timeout(WITHIN, serving).await.expect("it resends");
    }
    let early = std::mem::take(&mut *seen.lock().unwrap());
    let (socket, _) = tokio::time::timeout(WITHIN, door.accept()).await.expect("it comes back").unwrap();
    let lasting = tokio::spawn(serve(socket, usize::MAX, usize::MAX, seen));
    let mut standing = bracelet.standing();
    tokio::time::timeout(WITHIN, standing.wait_for(|s| s.waiting == 0)).await.expect("all acknowledged").unwrap();
    assert_eq!(standing.borrow().acknowledged, 150, "each once, whatever was sent twice");
    assert_eq!(
        (early[0].as_str(), early[1].as_str()),
        (reports[0].as_str(), reports[0].as_str()),
        "the first came again"
    );
    lasting.abort();
}
