//! Loopback itself: what one message there and back costs with nothing around it.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Instant;

use hdrhistogram::Histogram;

/// One message, in bytes: a report and its topic.
const MESSAGE_BYTES: usize = 128;
/// How many go there and back.
const MESSAGES: u64 = 20_000;

/// Times there and back over TCP on 127.0.0.1 between two threads. Nanoseconds.
pub(crate) fn time_round_trips() -> anyhow::Result<Histogram<u64>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut near = TcpStream::connect(listener.local_addr()?)?;
    let (mut far, _) = listener.accept()?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    let echo = std::thread::spawn(move || {
        let mut message = [0_u8; MESSAGE_BYTES];
        while far.read_exact(&mut message).and_then(|()| far.write_all(&message)).is_ok() {}
    });
    let mut times = Histogram::new_with_bounds(1, 10_000_000_000, 3)?;
    let mut message = [0x5a_u8; MESSAGE_BYTES];
    for _ in 0..MESSAGES {
        let begun = Instant::now();
        near.write_all(&message)?;
        near.read_exact(&mut message)?;
        times.saturating_record(u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX));
    }
    drop(near);
    let _ = echo.join(); // it ends when nobody writes any more
    Ok(times)
}
