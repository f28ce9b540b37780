//! The watchdog's own callback address: just enough HTTP for a provider's POST.

use std::sync::Arc;
use std::time::Duration;

use channels::Callback;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::Sender;
use tokio::sync::{Semaphore, oneshot};

use crate::secrets::Secrets;

const HEAD_BYTES_MAX: usize = 8 * 1024;
const BODY_BYTES_MAX: usize = 16 * 1024;
const REQUEST_SECONDS_MAX: u64 = 5;
/// How many may post at the same time; more wait to be accepted.
const CONNECTIONS_MAX: usize = 64;
/// How long to wait when the system has no connection for us.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);
const PATH: &str = "/api/v1/callbacks/";

/// What was posted, and whom to tell once it is on disk. Dropped unanswered: it was not taken.
pub(super) type Posted = (Callback, oneshot::Sender<()>);

/// Takes callbacks until the receiver is gone.
pub(super) async fn listen(listener: TcpListener, secrets: Arc<Secrets>, taken: Sender<Posted>) {
    let turns = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    while let Ok(turn) = Arc::clone(&turns).acquire_owned().await {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_AGAIN).await;
            continue;
        };
        if taken.is_closed() {
            return;
        }
        let (secrets, taken) = (Arc::clone(&secrets), taken.clone());
        tokio::spawn(async move {
            let limit = Duration::from_secs(REQUEST_SECONDS_MAX);
            // Whoever is too slow is cut off.
            let _ = tokio::time::timeout(limit, serve(stream, &secrets, &taken)).await;
            drop(turn);
        });
    }
}

async fn serve(mut stream: TcpStream, secrets: &Secrets, taken: &Sender<Posted>) -> std::io::Result<()> {
    let status = match read(&mut stream, secrets).await? {
        None => {
            tracing::warn!("a post to the watchdog is not believed: no callback of ours");
            "404 Not Found"
        }
        Some(callback) => {
            let (done, is_done) = oneshot::channel();
            let is_taken = taken.send((callback, done)).await.is_ok() && is_done.await.is_ok();
            if is_taken { "204 No Content" } else { "503 Service Unavailable" }
        }
    };
    let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await
}

/// A callback with the right token; `None` for anything else.
async fn read(stream: &mut TcpStream, secrets: &Secrets) -> std::io::Result<Option<Callback>> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at;
        }
        if bytes.len() > HEAD_BYTES_MAX || stream.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = head.lines();
    let mut words = lines.next().unwrap_or_default().split(' ');
    let (method, path) = (words.next(), words.next().unwrap_or_default());
    let lengths = lines.filter_map(|line| line.split_once(':'));
    let length = lengths.filter(|(name, _)| name.eq_ignore_ascii_case("content-length")).map(|(_, value)| value);
    let mut length = length;
    let length = length.next().and_then(|value| value.trim().parse::<usize>().ok()).unwrap_or(0);
    let address = path.strip_prefix(PATH).and_then(|rest| rest.split_once('/'));
    let Some((attempt, token)) = address.filter(|_| method == Some("POST") && length <= BODY_BYTES_MAX) else {
        return Ok(None);
    };
    let body_at = end + 4;
    while bytes.len() < body_at + length {
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
    }
    let Ok(attempt) = attempt.parse() else { return Ok(None) };
    if !secrets.verify_callback(attempt, token) {
        return Ok(None);
    }
    let callback = channels::parse_callback(&bytes[body_at..body_at + length]).ok();
    Ok(callback.filter(|callback| callback.attempt == attempt))
}
