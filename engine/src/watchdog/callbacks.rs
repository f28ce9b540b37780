//! The watchdog's own callback address: just enough HTTP for what a gateway, a person's tap, or a provider posts.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use channels::Callback;
use channels::directory::name_of;
use model::Channel;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::Sender;
use tokio::sync::{Semaphore, oneshot};

use crate::host::POSTING;
use crate::secrets::Secrets;

const HEAD_BYTES_MAX: usize = 8 * 1024;
const BODY_BYTES_MAX: usize = 16 * 1024;
const REQUEST_SECONDS_MAX: u64 = 5;
/// How many may post at the same time; more wait to be accepted.
const CONNECTIONS_MAX: usize = 64;
/// How long to wait when the system has no connection for us.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);
const CALLBACKS: &str = "/api/v1/callbacks/";
const PROVIDERS: &str = "/api/v1/providers/";
/// The header in which Twilio signs.
const SIGNATURE: &str = "x-twilio-signature";

/// What was posted to an address of ours. Whether a provider's is believed is for whoever knows what was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Told {
    /// About one attempt, by the gateway's contract.
    Callback(Callback),
    /// In a provider's own words.
    Provider {
        channel: Channel,
        /// Path and query as they were asked for: what is signed begins with our base and ends with these.
        path_and_query: String,
        signature: Option<String>,
        from: Option<IpAddr>,
        body: Vec<u8>,
    },
}

/// What a post that was taken is answered with: content type and body.
pub(super) type Answer = (&'static str, String);
/// What was posted, and whom to answer once it is on disk. Dropped unanswered: it was not taken; `None`: not believed.
pub(super) type Posted = (Told, oneshot::Sender<Option<Answer>>);

/// Takes callbacks until the receiver is gone.
pub(super) async fn listen(listener: TcpListener, secrets: Arc<Secrets>, taken: Sender<Posted>) {
    let turns = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    while let Ok(turn) = Arc::clone(&turns).acquire_owned().await {
        let Ok((stream, peer)) = listener.accept().await else {
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
            let _ = tokio::time::timeout(limit, serve(stream, peer.ip(), &secrets, &taken)).await;
            drop(turn);
        });
    }
}

async fn serve(mut stream: TcpStream, peer: IpAddr, secrets: &Secrets, taken: &Sender<Posted>) -> std::io::Result<()> {
    let (status, (content_type, body)) = match read(&mut stream).await?.and_then(|post| post.told(peer, secrets)) {
        None => {
            tracing::warn!("a post to the watchdog is not believed: no callback of ours");
            ("404 Not Found", Answer::default())
        }
        Some(told) => {
            let (done, is_done) = oneshot::channel();
            let sent = taken.send((told, done)).await;
            match is_done.await {
                Ok(Some(answer)) if sent.is_ok() => ("200 OK", answer),
                Ok(None) => ("403 Forbidden", Answer::default()),
                _ => ("503 Service Unavailable", Answer::default()),
            }
        }
    };
    let length = body.len();
    let kind = if content_type.is_empty() { String::new() } else { format!("content-type: {content_type}\r\n") };
    let answer = format!("HTTP/1.1 {status}\r\n{kind}content-length: {length}\r\nconnection: close\r\n\r\n{body}");
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await
}

/// A POST as it came.
struct Post {
    path: String,
    signature: Option<String>,
    body: Vec<u8>,
}

/// The next request, if it is a POST within the limits.
async fn read(stream: &mut TcpStream) -> std::io::Result<Option<Post>> {
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
    let (method, path) = (words.next(), words.next().unwrap_or_default().to_owned());
    let headers: Vec<(&str, &str)> = lines.filter_map(|line| line.split_once(':')).collect();
    let header = |name: &str| {
        let found = headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.trim())
    };
    let length = header("content-length").and_then(|value| value.parse::<usize>().ok()).unwrap_or(0);
    if method != Some("POST") || length > BODY_BYTES_MAX {
        return Ok(None);
    }
    let signature = header(SIGNATURE).map(str::to_owned);
    let body_at = end + 4;
    while bytes.len() < body_at + length {
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
    }
    let body = bytes[body_at..body_at + length].to_vec();
    Ok(Some(Post { path, signature, body }))
}

impl Post {
    /// What it tells, if its address bears the right token.
    fn told(self, peer: IpAddr, secrets: &Secrets) -> Option<Told> {
        if let Some((attempt, token)) = self.path.strip_prefix(CALLBACKS).and_then(|rest| rest.split_once('/')) {
            let attempt = attempt.parse().ok().filter(|attempt| secrets.verify_callback(*attempt, token))?;
            let callback = channels::parse_callback(&self.body).ok();
            return callback.filter(|callback| callback.attempt == attempt).map(Told::Callback);
        }
        let (name, rest) = self.path.strip_prefix(PROVIDERS)?.split_once('/')?;
        let channel = POSTING.into_iter().find(|channel| name_of(*channel) == name)?;
        let token = rest.split(['?', '/']).next()?;
        let known = secrets.verify_provider(name, token);
        let Post { path, signature, body } = self;
        known.then_some(Told::Provider { channel, path_and_query: path, signature, from: Some(peer), body })
    }
}

#[cfg(test)]
mod tests {
    use model::{AttemptId, AttemptOutcome};

    use super::*;

    #[test]
    fn only_our_own_addresses_are_heard() {
        let secrets = Secrets::from_keys(&[1; 32], &[2; 32]);
        let attempt = AttemptId::new(0, 7);
        let told = |path: String, body: &str| {
            let post = Post { path, signature: None, body: body.as_bytes().to_vec() };
            post.told(IpAddr::from([203, 0, 113, 7]), &secrets)
        };
        let key = r#"{"attempt":"a7","outcome":"key","key":"1"}"#;
        let right = format!("{CALLBACKS}{attempt}/{}", secrets.callback_token(attempt));
        let Some(Told::Callback(callback)) = told(right.clone(), key) else { panic!("{right}") };
        assert_eq!((callback.attempt, callback.outcome), (attempt, AttemptOutcome::Key));
        assert_eq!(told(format!("{CALLBACKS}{attempt}/x"), key), None);
        assert_eq!(told(right, r#"{"attempt":"a8","outcome":"key","key":"1"}"#), None);
        let voice = format!("{PROVIDERS}voice/{}?attempt=a7", secrets.provider_token("voice"));
        let Some(Told::Provider { channel, path_and_query, .. }) = told(voice.clone(), "[]") else { panic!("{voice}") };
        assert_eq!((channel, path_and_query), (Channel::Voice, voice));
        assert_eq!(told(format!("{PROVIDERS}sms/{}", secrets.provider_token("voice")), "[]"), None);
        assert_eq!(told(format!("{PROVIDERS}robot/{}", secrets.provider_token("robot")), "[]"), None);
    }
}
