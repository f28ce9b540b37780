use std::io::{Read, Write};
use std::net::TcpListener;

use super::*;

fn options(address: SocketAddr) -> LoadOptions {
    LoadOptions {
        address,
        connections: 1,
        duration: Duration::from_millis(50),
        pace: Pace::Window(3),
        target: Target::Broker,
        from: Vec::new(),
        at_once: 1,
        now: Timestamp::default(),
    }
}

#[tokio::test]
async fn who_finds_its_port_connected_already_takes_another_one_the_next_time() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let from = vec![IpAddr::from([127, 0, 0, 77])];
    let options = LoadOptions { from, ..options(listener.local_addr().unwrap()) };
    let first = connect(&options, 0, 0).await.ok().expect("a connection");
    assert!(matches!(connect(&options, 0, 0).await, Err(NotIn::Unheard(_))), "the same port to the same server");
    let second = connect(&options, 0, 1).await.ok().expect("another port");
    assert_ne!(first.local_addr().unwrap(), second.local_addr().unwrap());
}

/// A server that lets one device in; what it does then is the test's.
fn server(then: impl FnOnce(std::net::TcpStream) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        socket.read_exact(&mut [0_u8; 14]).unwrap();
        socket.write_all(&[0x20, 2, 0, 0]).unwrap();
        then(socket);
    });
    address
}

#[test]
fn a_server_that_hangs_is_not_waited_for_for_ever() {
    // Takes everything, and says nothing any more.
    let address = server(|mut socket| while socket.read(&mut [0_u8; 4096]).is_ok_and(|read| read > 0) {});
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let report = runtime.block_on(load(&options(address), Duration::from_millis(200))).unwrap();
    let broke = report.broke.as_deref().expect("it hangs");
    assert!(broke.contains("acknowledged nothing more"), "{broke}");
    assert_eq!((report.acknowledged, report.latency_at(0.5)), (0, None), "of nothing there is no latency");
}

#[test]
fn what_was_measured_until_the_server_died_is_not_lost() {
    let address = server(|mut socket| {
        // One window is acknowledged; then it is gone.
        let _ = socket.read(&mut [0_u8; 4096]).unwrap();
        socket.write_all(&[0x40, 2, 0, 1, 0x40, 2, 0, 2, 0x40, 2, 0, 3]).unwrap();
        let _ = socket.read(&mut [0_u8; 4096]).unwrap();
    });
    let options = LoadOptions { duration: Duration::from_secs(60), ..options(address) };
    let report = run(&options).unwrap();
    assert_eq!((report.acknowledged, report.latency_us.len()), (3, 1));
    assert_eq!(report.latency_at(0.5), report.latency_at(1.0), "of one there is one");
    assert!(report.latency_at(0.5).is_some());
    let broke = report.broke.expect("the server is gone");
    assert!(broke.starts_with("given up ") && broke.contains("connection"), "{broke}");
}
