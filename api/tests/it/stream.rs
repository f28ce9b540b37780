//! The feed live: whatever the moment of connecting, nothing is missed and nothing comes twice.

use std::time::Duration;

use api::ApiConfig;
use api::cursor::Cursor;
use model::EventKind;
use reqwest::{Method, Response};
use serde_json::Value;

use crate::house::{Answer, House, text};
use crate::samples::{SHUSHAN, YINXING, raised};

/// One block of a stream.
#[derive(Debug, Default, Clone, PartialEq)]
struct Block {
    id: String,
    event: String,
    data: Value,
}

struct Stream {
    response: Response,
    /// What came and is not read yet; a chunk may end within a character.
    buffer: Vec<u8>,
}

impl Stream {
    async fn open(house: &House, who: &str, query: &str, last_event_id: Option<&str>) -> Stream {
        let mut request = house.request(who, Method::GET, &format!("/api/v1/events/stream{query}"));
        if let Some(id) = last_event_id {
            request = request.header("last-event-id", id);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream; charset=utf-8");
        Stream { response, buffer: Vec::new() }
    }

    /// The next block, `None` at the end.
    async fn block(&mut self) -> Option<Block> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|two| two == b"\n\n") {
                let block = String::from_utf8(self.buffer.drain(..end + 2).take(end).collect()).unwrap();
                let (mut parsed, is_retry) = (Block::default(), block.starts_with("retry:"));
                for line in block.lines() {
                    match line.split_once(": ").unwrap() {
                        ("id", id) => parsed.id = id.to_owned(),
                        ("event", event) => parsed.event = event.to_owned(),
                        ("data", data) => parsed.data = serde_json::from_str(data).unwrap(),
                        ("retry", _) => {}
                        other => panic!("{other:?}"),
                    }
                }
                if is_retry {
                    continue;
                }
                return Some(parsed);
            }
            let chunk = tokio::time::timeout(Duration::from_secs(60), self.response.chunk()).await.unwrap();
            self.buffer.extend_from_slice(&chunk.ok()??);
        }
    }

    /// What the stream says last; nothing but heartbeats before.
    async fn farewell(mut self) -> String {
        let last = loop {
            let block = self.block().await.unwrap();
            if block.event != "heartbeat" {
                break block.event;
            }
        };
        assert_eq!(self.block().await, None);
        last
    }

    /// The next event's number, heartbeats passed over.
    async fn seq(&mut self) -> Option<u64> {
        loop {
            let block = self.block().await?;
            if block.event.is_empty() {
                let seq = block.data["seq"].as_u64().unwrap();
                assert_eq!(Cursor::parse(&block.id), Some(Cursor { epoch: 1, seq }));
                return Some(seq);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_thing_is_a_heartbeat_with_the_time_and_then_one_comes_again() {
    let house = House::with(ApiConfig { heartbeat_millis: 50, ..ApiConfig::default() }).await;
    let mut stream = Stream::open(&house, "desk", "", None).await;
    for _ in 0..3 {
        let block = stream.block().await.unwrap();
        assert_eq!(block.event, "heartbeat");
        assert_eq!(block.data["time"], "2026-11-22T08:00:00.000Z");
        assert_eq!(text(&block.data["cursor"]), block.id);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn replay_and_live_join_without_hole_or_repeat() {
    const EVENTS: u64 = 400;
    let house = House::open().await;
    let engine = std::sync::Arc::clone(&house.engine);
    let writer = tokio::spawn(async move {
        for number in 1..=EVENTS {
            engine.tell(EventKind::IncidentRaised, YINXING, raised(number, "w1", YINXING)).await;
        }
    });
    // Readers come at any moment, hang up after a few events, and go on from the last id.
    let (mut last, mut seen) = (None::<String>, Vec::new());
    while seen.len() < EVENTS as usize {
        let mut stream = Stream::open(&house, "desk", "", last.as_deref()).await;
        for _ in 0..37 {
            if seen.len() == EVENTS as usize {
                break;
            }
            let seq = stream.seq().await.unwrap();
            seen.push(seq);
            last = Some(Cursor { epoch: 1, seq }.to_string());
        }
    }
    writer.await.unwrap();
    assert_eq!(seen, (1..=EVENTS).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_for_the_reader_is_passed_over_and_the_heartbeat_carries_the_cursor_on() {
    let house = House::with(ApiConfig { heartbeat_millis: 100, ..ApiConfig::default() }).await;
    let mut stream = Stream::open(&house, "desk", "?after=latest&types=incident.raised", None).await;
    house.engine.tell(EventKind::IncidentRaised, SHUSHAN, raised(1, "w9", SHUSHAN)).await;
    house.engine.tell(EventKind::IncidentNoted, YINXING, raised(2, "w1", YINXING)).await;
    loop {
        let block = stream.block().await.unwrap();
        assert_eq!(block.event, "heartbeat");
        if Cursor::parse(&block.id).unwrap().seq == 2 {
            break;
        }
    }
    house.engine.tell(EventKind::IncidentRaised, YINXING, raised(3, "w1", YINXING)).await;
    assert_eq!(stream.seq().await, Some(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_comes_first_and_a_revoked_token_ends_it() {
    let house = House::with(ApiConfig { heartbeat_millis: 50, ..ApiConfig::default() }).await;
    let mut stream = Stream::open(&house, "desk", "", None).await;
    assert_eq!(house.engine.looks(), ["t-desk events/stream position,explain,occurrences"]);
    stream.block().await.unwrap();
    house.engine.forget_token("desk");
    assert_eq!(stream.farewell().await, "unauthenticated");
    house.engine.refuse_looks();
    assert_eq!(house.get("elsewhere", "/api/v1/events/stream").await.problem(), "503 unavailable");
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_are_counted_and_their_places_come_back() {
    let house = House::with(ApiConfig { streams_max: 1, heartbeat_millis: 20, ..ApiConfig::default() }).await;
    let mut first = Stream::open(&house, "desk", "", None).await;
    first.block().await.unwrap();
    assert_eq!(house.get("desk", "/api/v1/events/stream").await.problem(), "503 too-many-streams");
    drop(first);
    // The server notices at the latest when it writes the next heartbeat.
    let opened = tokio::time::timeout(Duration::from_secs(60), async {
        loop {
            let response = house.request("desk", Method::GET, "/api/v1/events/stream").send().await.unwrap();
            if response.status() == 200 {
                break;
            }
            tokio::task::yield_now().await;
        }
    });
    opened.await.unwrap();
}

/// Not at the next heartbeat, which is an hour away: with the next event, which they do not hear any more.
#[tokio::test(flavor = "multi_thread")]
async fn who_may_see_less_hears_nothing_more() {
    let house = House::with(ApiConfig { heartbeat_millis: 3_600_000, ..ApiConfig::default() }).await;
    let mut revoked = Stream::open(&house, "desk", "", None).await;
    let mut moved = Stream::open(&house, "district", "", None).await;
    let mut still = Stream::open(&house, "admin", "", None).await;
    house.engine.tell(EventKind::IncidentRaised, YINXING, raised(1, "w1", YINXING)).await;
    for stream in [&mut revoked, &mut moved, &mut still] {
        assert_eq!(stream.seq().await, Some(1));
    }
    house.engine.forget_token("desk");
    house.engine.set_actor("district", crate::house::actor("t-district", model::Role::Admin, SHUSHAN));
    house.engine.tell(EventKind::IncidentRaised, YINXING, raised(2, "w1", YINXING)).await;
    assert_eq!(revoked.farewell().await, "unauthenticated");
    assert_eq!(moved.farewell().await, "changed");
    assert_eq!(still.seq().await, Some(2));
}

/// Everybody hears of everything that is theirs, and of nothing else, in order; a volunteer without what is exact.
#[tokio::test(flavor = "multi_thread")]
async fn each_is_told_what_is_for_them() {
    const EVENTS: u64 = 300;
    let house = House::with(ApiConfig { heartbeat_millis: 20, ..ApiConfig::default() }).await;
    let org = |n: u64| if n.is_multiple_of(3) { SHUSHAN } else { YINXING };
    let kind = |n: u64| if n.is_multiple_of(2) { EventKind::IncidentNoted } else { EventKind::IncidentRaised };
    let mut readers = Vec::new();
    for (who, query, mine) in [
        ("admin", "?after=latest", (|_| true) as fn(u64) -> bool),
        ("admin", "?after=latest&types=incident.raised", |n| n % 2 == 1),
        ("desk", "?after=latest", |n| n % 3 != 0),
        ("desk", "?types=incident.noted,incident.raised", |n| n % 3 != 0),
        ("elsewhere", "?types=incident.noted", |n| n % 6 == 0),
        ("volunteer", "?types=incident.raised", |n| n % 3 != 0 && n % 2 == 1),
        ("doctor", "", |_| false),
    ] {
        let mut stream = Stream::open(&house, who, query, None).await;
        readers.push(tokio::spawn(async move {
            let mut heard = Vec::new();
            loop {
                let block = stream.block().await.unwrap();
                let seq = Cursor::parse(&block.id).unwrap().seq;
                if block.event.is_empty() {
                    let position = &block.data["data"]["position"]["lat"];
                    assert_eq!(position.as_f64() == Some(31.82), who == "volunteer", "{who}: {position}");
                    heard.push(seq);
                } else if seq == EVENTS {
                    break;
                }
            }
            assert_eq!(heard, (1..=EVENTS).filter(|n| mine(*n)).collect::<Vec<_>>(), "{who} {query}");
        }));
    }
    for n in 1..=EVENTS {
        house.engine.tell(kind(n), org(n), raised(n, "w1", org(n))).await;
    }
    for reader in readers {
        reader.await.unwrap();
    }
}

/// A doctor's stream reads from the state event by event, as every stream does that is behind.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_the_feed_has_moved_past_says_its_gap_and_ends() {
    let house = House::open().await;
    house.engine.tell(EventKind::IncidentRaised, YINXING, raised(1, "w1", YINXING)).await;
    let mut stream = Stream::open(&house, "doctor", "", None).await;
    stream.block().await.unwrap();
    house.engine.set_epoch(2);
    house.engine.tell(EventKind::IncidentRaised, YINXING, raised(2, "w1", YINXING)).await;
    let mut last = Block::default();
    while let Some(block) = stream.block().await {
        assert!(block.event == "heartbeat" || block.event == "gap", "{block:?}");
        last = block;
    }
    assert_eq!(last.event, "gap", "{last:?}");
    assert!(text(&last.data["detail"]).contains("snapshots"), "{last:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_cannot_begin_says_why() {
    let house = House::open().await;
    house.engine.tell(EventKind::IncidentRaised, YINXING, raised(1, "w1", YINXING)).await;
    for (query, last, expected) in [
        ("?limit=5", None, "400 bad-parameter"),
        ("?types=nothing", None, "400 bad-parameter"),
        ("?after=xyz", None, "400 bad-cursor"),
        ("", Some("xyz"), "400 bad-cursor"),
        ("", Some("AAAAAgAAAAAAAAAB"), "410 cursor-expired"),
    ] {
        let mut request = house.request("desk", Method::GET, &format!("/api/v1/events/stream{query}"));
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        assert_eq!(Answer::of(request).await.problem(), expected, "{query} {last:?}");
    }
}
