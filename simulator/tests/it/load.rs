//! The load generator against a broker that acknowledges everything, and one that takes its time.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use model::Timestamp;
use simulator::load::{self, LoadOptions, Pace, Target};

/// A broker of few words: CONNACK, a PUBACK for each PUBLISH (of one length), a PINGRESP for each ping.
pub(crate) fn broker(pause: Duration) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for socket in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || serve(socket, pause));
        }
    });
    address
}

fn serve(mut socket: TcpStream, pause: Duration) -> std::io::Result<()> {
    loop {
        let mut head = [0_u8; 2];
        socket.read_exact(&mut head)?;
        let mut length = usize::from(head[1]);
        if length >= 128 {
            let mut more = [0_u8];
            socket.read_exact(&mut more)?;
            length = length % 128 + 128 * usize::from(more[0]);
        }
        let mut body = vec![0_u8; length];
        socket.read_exact(&mut body)?;
        std::thread::sleep(pause);
        match head[0] & 0xF0 {
            0x10 => socket.write_all(&[0x20, 2, 0, 0])?,
            0x30 => {
                let topic = usize::from(u16::from_be_bytes([body[0], body[1]]));
                socket.write_all(&[0x40, 2, body[2 + topic], body[3 + topic]])?;
            }
            _ => socket.write_all(&[0xD0, 0])?,
        }
    }
}

fn options(address: SocketAddr, pace: Pace) -> LoadOptions {
    LoadOptions {
        address,
        connections: 4,
        duration: Duration::from_millis(600),
        pace,
        target: Target::Broker,
        from: Vec::new(),
        at_once: 2,
        now: Timestamp::from_millis(1_795_305_600_000),
    }
}

#[test]
fn a_window_is_acknowledged_before_the_next_is_written() {
    let report = load::run(&options(broker(Duration::ZERO), Pace::Window(10))).unwrap();
    assert!(report.acknowledged >= 40 && report.acknowledged.is_multiple_of(10), "{}", report.acknowledged);
    assert_eq!(report.latency_us.len(), report.acknowledged / 10);
}

#[test]
fn an_open_loop_counts_from_the_intended_time() {
    // 400 a second are asked for; each connection can have at most 20 a second.
    let report = load::run(&options(broker(Duration::from_millis(50)), Pace::Rate(400.0))).unwrap();
    assert_eq!(report.acknowledged, 240, "everything that was due was sent");
    assert!(report.latency_us.value_at_quantile(0.9) > 500_000, "a slow server cannot hide: {:?}", report.latency_us);
}

#[test]
fn connections_that_stay_come_from_the_addresses_that_were_given() {
    let from = vec![IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2)), IpAddr::V4(Ipv4Addr::new(127, 0, 0, 3))];
    let report = load::run(&LoadOptions { from, ..options(broker(Duration::ZERO), Pace::Idle) }).unwrap();
    assert_eq!(report.acknowledged, 1, "they take turns over their keep-alive");
}

#[test]
fn the_registry_of_the_generators_devices_is_taken() {
    let registry = load::registry(0..3, "a-secret");
    let zone = engine::config::Config::default().zone;
    engine::registry::validate_alone(registry.to_string().as_bytes(), zone).unwrap();
}

/// Hangs up on the first `rude` connections before their CONNACK, then serves.
fn broker_that_hangs_up(rude: usize) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for (number, socket) in listener.incoming().map_while(Result::ok).enumerate() {
            if number >= rude {
                std::thread::spawn(move || serve(socket, Duration::ZERO));
            }
        }
    });
    address
}

#[test]
fn who_is_hung_up_on_before_the_connack_tries_again_and_says_so() {
    let report = load::run(&options(broker_that_hangs_up(3), Pace::Window(1))).unwrap();
    assert_eq!(report.connect_retries, 3);
    assert!(report.acknowledged >= 4, "all four are in: {}", report.acknowledged);
}

#[test]
fn a_server_that_never_lets_anybody_in_is_given_up() {
    let failed = load::run(&LoadOptions { connections: 1, ..options(broker_that_hangs_up(usize::MAX), Pace::Idle) });
    let said = format!("{:#}", failed.unwrap_err());
    assert!(said.contains(&format!("{} tries", load::CONNECT_TRIES_MAX)) && said.contains("no CONNACK"), "{said}");
}

#[test]
fn a_refusal_in_words_is_not_tried_again() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let refused = std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let _ = socket.read(&mut [0_u8; 256]).unwrap();
        socket.write_all(&[0x20, 2, 0, 5]).unwrap();
        // Whoever tried again would wait here.
        listener.set_nonblocking(true).unwrap();
        listener
    });
    let failed = load::run(&LoadOptions { connections: 1, ..options(address, Pace::Idle) }).unwrap_err();
    assert!(format!("{failed:#}").contains("CONNACK code 5"), "{failed:#}");
    assert!(refused.join().unwrap().accept().is_err(), "nobody came a second time");
}
