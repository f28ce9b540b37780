//! The provider's end of the latency runs: a gateway on plain threads that notes when the first byte of each request
//! arrives, before anything is parsed.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::time::Instant;

use serde_json::Value;

/// A request at the gateway.
#[derive(Debug)]
pub(crate) struct Arrival {
    /// When its first byte was there.
    pub(crate) at: Instant,
    /// For which incident.
    pub(crate) incident: String,
}

/// Listens; every request is told to the receiver.
pub(crate) fn start() -> anyhow::Result<(SocketAddr, mpsc::Receiver<Arrival>)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let (arrivals, told) = mpsc::channel();
    std::thread::spawn(move || {
        // And so are those that it starts.
        scheduling::be_prompt();
        for socket in listener.incoming().map_while(Result::ok) {
            let arrivals = arrivals.clone();
            std::thread::spawn(move || {
                let _ = serve(socket, &arrivals); // the engine may hang up whenever it likes
            });
        }
    });
    Ok((address, told))
}

fn serve(mut socket: TcpStream, arrivals: &mpsc::Sender<Arrival>) -> std::io::Result<()> {
    socket.set_nodelay(true)?;
    let (mut buffer, mut chunk) = (Vec::new(), [0_u8; 16 * 1024]);
    let mut first_byte = None;
    loop {
        let read = socket.read(&mut chunk)?;
        let now = Instant::now();
        if read == 0 {
            return Ok(());
        }
        let at = *first_byte.get_or_insert(now);
        buffer.extend_from_slice(&chunk[..read]);
        let Some((head, length)) = request_length(&buffer) else { continue };
        if buffer.len() < length {
            continue;
        }
        let body: Value = serde_json::from_slice(&buffer[head..length]).unwrap_or_default();
        let incident = body["incident"].as_str().unwrap_or_default().to_owned();
        let _ = arrivals.send(Arrival { at, incident }); // nobody listens any more at the end
        socket.write_all(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n")?;
        buffer.drain(..length);
        first_byte = (!buffer.is_empty()).then_some(now);
    }
}

/// The lengths of head and whole request, once the head is there.
fn request_length(bytes: &[u8]) -> Option<(usize, usize)> {
    let head = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&bytes[..head]).to_ascii_lowercase();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    Some((head, head + length.unwrap_or(0)))
}
