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

#[test]
fn a_server_that_hangs_is_not_waited_for_for_ever() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        socket.read_exact(&mut [0_u8; 14]).unwrap();
        socket.write_all(&[0x20, 2, 0, 0]).unwrap();
        // Takes everything, and says nothing any more.
        while socket.read(&mut [0_u8; 4096]).is_ok_and(|read| read > 0) {}
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let failed = runtime.block_on(load(&options(address), Duration::from_millis(200))).unwrap_err();
    assert!(format!("{failed:#}").contains("acknowledged nothing more"), "{failed:#}");
}
