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
    buffer: String,
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
        Stream { response, buffer: String::new() }
    }

    /// The next block, `None` at the end.
    async fn block(&mut self) -> Option<Block> {
        loop {
            if let Some((block, rest)) = self.buffer.split_once("\n\n") {
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
                self.buffer = rest.to_owned();
                if is_retry {
                    continue;
                }
                return Some(parsed);
            }
            let chunk = tokio::time::timeout(Duration::from_secs(60), self.response.chunk()).await.unwrap();
            self.buffer.push_str(std::str::from_utf8(&chunk.ok()??).unwrap());
        }
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
    let last = loop {
        let block = stream.block().await.unwrap();
        if block.event != "heartbeat" {
            break block;
        }
    };
    assert_eq!(last.event, "unauthenticated");
    assert_eq!(stream.block().await, None);
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

/// A volunteer's stream reads from the state event by event, as every stream does that is behind.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_the_feed_has_moved_past_says_its_gap_and_ends() {
    let house = House::open().await;
    house.engine.tell(EventKind::IncidentRaised, YINXING, raised(1, "w1", YINXING)).await;
    let mut stream = Stream::open(&house, "volunteer", "", None).await;
    assert_eq!(stream.seq().await, Some(1));
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
