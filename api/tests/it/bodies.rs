//! Whatever is sent, the answer is a clear document: never a 5xx, never silence.

use std::io::{Read, Write};

use api::{ApiConfig, Check, Health};
use model::EventKind;
use proptest::prelude::*;
use reqwest::Method;

use crate::house::{Answer, House};
use crate::samples::{YINXING, raised};

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_are_not_what_is_asked_for() {
    let house = House::furnished().await;
    house.engine.tell(EventKind::IncidentRaised, YINXING, raised(1, "w1", YINXING)).await;
    let deep = format!("{{\"note\":{}", "[".repeat(20_000));
    let deeper = "[".repeat(20_000);
    let note = format!("{{\"note\":\"{}\"}}", "x".repeat(2_001));
    for (path, body, expected) in [
        ("incidents/i1/actions/note", "{", "400 malformed-json"),
        ("incidents/i1/actions/note", "{} {}", "400 malformed-json"),
        ("incidents/i1/actions/note", "note=hello", "400 malformed-json"),
        ("incidents/i1/actions/note", deep.as_str(), "422 invalid /note"),
        ("incidents/i1/actions/note", deeper.as_str(), "400 malformed-json"),
        ("incidents/i1/actions/note", "[]", "422 invalid"),
        ("incidents/i1/actions/note", "null", "422 invalid"),
        ("incidents/i1/actions/note", "7", "422 invalid"),
        ("incidents/i1/actions/note", r#"{"note":7}"#, "422 invalid /note"),
        ("incidents/i1/actions/note", r#"{"nope":1}"#, "422 invalid /nope"),
        ("incidents/i1/actions/note", r#"{"note":"a","note":"b"}"#, "422 invalid /note"),
        ("incidents/i1/actions/note", note.as_str(), "422 invalid /note"),
        ("incidents/i1/actions/note", r#"{"note":"a\u0000b"}"#, "422 invalid /note"),
        ("incidents/i1/actions/acknowledge", r#"{"on_behalf_of":"a b"}"#, "422 invalid /on_behalf_of"),
        ("incidents/i1/actions/explode", "{}", "404 no-such-path"),
        ("incidents/i1/actions/recur", "{}", "404 no-such-path"),
        ("incidents/i7/actions/note", "{}", "404 not-found"),
        ("incidents/c1/actions/note", "{}", "404 not-found"),
        ("incidents/%ff/actions/note", "{}", "404 no-such-path"),
        ("devices/b1/commands", "{}", "422 invalid"),
        ("devices/b1/commands", r#"{"kind":"explode"}"#, "422 invalid /kind"),
        ("devices/b1/commands", r#"{"kind":{"locate":{}}}"#, "422 invalid /kind/locate"),
        ("devices/b1/commands", r#"{"kind":"set_interval"}"#, "422 invalid /seconds"),
        ("devices/b1/commands", r#"{"kind":"set_interval","seconds":9}"#, "422 invalid /seconds"),
        ("devices/b1/commands", r#"{"kind":"set_interval","seconds":86401}"#, "422 invalid /seconds"),
        ("devices/b1/commands", r#"{"kind":"set_interval","seconds":-1}"#, "422 invalid /seconds"),
        ("devices/b1/commands", r#"{"kind":"set_interval","seconds":1e99}"#, "422 invalid /seconds"),
        ("devices/b1/commands", r#"{"kind":"locate","seconds":60}"#, "422 invalid /seconds"),
        ("devices/b1/commands", r#"{"kind":"ring","text":"x"}"#, "422 invalid /text"),
        ("devices/b1/commands", r#"{"kind":"ring","settings":{}}"#, "422 invalid /settings"),
        ("devices/b1/commands", r#"{"kind":"configuration"}"#, "422 invalid /settings"),
        ("devices/b1/commands", r#"{"kind":"configuration","settings":{"a/b":1}}"#, "422 invalid /settings/a~1b"),
        ("devices/b1/commands", r#"{"kind":"configuration","settings":{"":"1"}}"#, "422 invalid /settings/"),
        ("devices/b1/commands", r#"{"kind":"ring","time_to_live_seconds":0}"#, "422 invalid /time_to_live_seconds"),
        ("devices/nobody/commands", r#"{"kind":"ring"}"#, "404 not-found"),
        ("tokens", r#"{"label":"x"}"#, "422 invalid"),
        ("tokens", r#"{"label":" ","role":"desk"}"#, "422 invalid /label"),
        ("tokens", r#"{"label":"x","role":"king"}"#, "422 invalid /role"),
        ("tokens", r#"{"label":"x","role":"desk","scope":"luyang"}"#, "422 invalid /scope"),
        ("tokens", r#"{"label":"x","role":"desk","scope":"/a//b/"}"#, "422 invalid /scope"),
    ] {
        let answer = house.post("admin", &format!("/api/v1/{path}"), body).await;
        assert_eq!(answer.problem(), expected, "{path} {:.60}: {}", body, answer.text);
    }
    assert!(house.engine.asked().is_empty(), "nothing of this reached the engine");
    // Not UTF-8 at all.
    let request = house.request("admin", Method::POST, "/api/v1/incidents/i1/actions/note").body(vec![0xff, 0xfe, 0]);
    assert_eq!(Answer::of(request).await.problem(), "400 malformed-json");
    // The next good one is served.
    assert!(house.post("admin", "/api/v1/incidents/i1/actions/note", "").await.status.is_success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_too_large_is_read_to_its_end_and_refused_in_words() {
    let house = House::furnished().await;
    let ten_megabytes = format!("{{\"label\":\"{}\"}}", "x".repeat(10 * 1024 * 1024));
    let answer = house.post("admin", "/api/v1/tokens", &ten_megabytes).await;
    assert_eq!(answer.problem(), "413 too-large");
    assert!(answer.json()["detail"].as_str().unwrap().contains("65536"));
    let house = House::with(ApiConfig { import_bytes_max: 1_000, ..ApiConfig::default() }).await;
    assert_eq!(house.post("admin", "/api/v1/import", &"x".repeat(1_001)).await.problem(), "413 too-large");
    assert_eq!(
        house.post("admin", "/api/v1/import", &"x".repeat(1_000)).await.problem(),
        "422 invalid /wearers/3/org /devices/0/secret"
    );
}

/// A sender that writes all of its body before it reads, as many do.
fn send_whole(address: &str, head: &str, body_bytes: usize) -> String {
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    let head = format!("{head}\r\nhost: x\r\nconnection: close\r\ncontent-length: {body_bytes}\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&vec![b'x'; body_bytes]).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_refused_before_their_body_was_read_gets_to_hear_why() {
    let house = House::open().await;
    for (head, status) in [
        ("POST /api/v1/import HTTP/1.1", 401),
        ("POST /api/v1/import HTTP/1.1\r\nauthorization: Bearer desk", 403),
        ("POST /api/v1/callbacks/a1/wrong HTTP/1.1", 404),
        ("POST /api/v1/tokens HTTP/1.1\r\nauthorization: Bearer admin", 413),
        ("POST /nowhere HTTP/1.1", 404),
        ("PUT /healthz HTTP/1.1", 405),
    ] {
        let address = house.url("").trim_start_matches("http://").to_owned();
        let answer = tokio::task::spawn_blocking(move || send_whole(&address, head, 20 * 1024 * 1024)).await.unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{head}: {answer}");
        assert!(answer.contains("application/problem+json"), "{head}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_says_once_for_which_host_it_is() {
    let house = House::open().await;
    let address = house.url("").trim_start_matches("http://").to_owned();
    for (head, status) in [
        ("GET /healthz HTTP/1.1", 400),
        ("GET /healthz HTTP/1.1\r\nhost: a\r\nhost: a", 400),
        ("GET /healthz HTTP/1.1\r\nhost: a b", 400),
        ("GET /healthz HTTP/1.1\r\nhost: root@a", 400),
        ("GET /healthz HTTP/1.1\r\nhost: http://a/", 400),
        ("GET http://a/healthz HTTP/1.1", 400),
        ("GET /healthz HTTP/1.1\r\nhost: a", 200),
        ("GET /healthz HTTP/1.1\r\nhost: [::1]:8080", 200),
        ("GET /healthz HTTP/1.1\r\nhost:", 200),
        ("GET /healthz HTTP/1.0", 200),
    ] {
        let address = address.clone();
        let ask = move || {
            let mut stream = std::net::TcpStream::connect(address).unwrap();
            stream.write_all(format!("{head}\r\nconnection: close\r\n\r\n").as_bytes()).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            answer
        };
        let answer = tokio::task::spawn_blocking(ask).await.unwrap();
        assert!(answer.contains(&format!(" {status} ")), "{head}: {answer}");
        assert_eq!(status == 400, answer.contains("application/problem+json"), "{head}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_and_methods_that_are_not_there() {
    let house = House::open().await;
    for (method, path, expected) in [
        (Method::GET, "/nowhere", "404 no-such-path"),
        (Method::GET, "/api/v1", "404 no-such-path"),
        (Method::GET, "/api/v1/incidents/", "404 no-such-path"),
        (Method::POST, "/api/v1/incidents", "405 method-not-allowed"),
        (Method::DELETE, "/api/v1/events", "405 method-not-allowed"),
        (Method::GET, "/api/v1/import", "405 method-not-allowed"),
        (Method::PUT, "/", "405 method-not-allowed"),
        (Method::OPTIONS, "/api/v1/cases", "405 method-not-allowed"),
    ] {
        let answer = Answer::of(house.request("admin", method.clone(), path)).await;
        assert_eq!(answer.problem(), expected, "{method} {path}");
        assert_eq!(answer.status == 405, !answer.header("allow").is_empty(), "{method} {path}");
    }
    for (path, status) in [("/nowhere", 404), ("/api/v1/import", 405), ("/api/v1/events", 200), ("/", 200)] {
        let answer = Answer::of(house.request("admin", Method::HEAD, path)).await;
        assert_eq!(answer.status, status, "{path}");
        assert_eq!(answer.text, "");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_say_who_they_are() {
    let house = House::furnished().await;
    let paths = [
        "events",
        "events/stream",
        "incidents",
        "incidents/i1",
        "incidents/i1/attempts",
        "attempts/a1",
        "cases",
        "cases/c1",
        "commands/d1",
        "devices",
        "devices/b1",
        "devices/b1/commands",
        "wearers",
        "wearers/w1",
        "wearers/w1/latest",
        "wearers/w1/track",
        "wearers/w1/vitals?kind=heart_rate",
        "wearers/w1/fences",
        "people",
        "people/g1",
        "orgs",
        "tokens",
        "quarantine",
    ];
    for path in paths {
        for bearer in ["", "nobody", "yl_x_y"] {
            let answer = house.get(bearer, &format!("/api/v1/{path}")).await;
            assert_eq!(answer.problem(), "401 unauthenticated", "{path}");
            assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"yinling\"");
        }
    }
    for header in ["", "Bearer", "Bearer ", "Basic YTpi", "bearer  "] {
        let request = house.request("", Method::GET, "/api/v1/events").header("authorization", header);
        assert_eq!(Answer::of(request).await.problem(), "401 unauthenticated", "{header:?}");
    }
    for path in [
        "import",
        "tokens",
        "incidents/i1/actions/note",
        "cases/c1/actions/note",
        "devices/b1/commands",
        "wearers/w1/preview",
        "wearers/w1/observations",
    ] {
        assert_eq!(house.post("", &format!("/api/v1/{path}"), "{}").await.problem(), "401 unauthenticated", "{path}");
    }
    let request = house.request("", Method::GET, "/api/v1/events").header("authorization", "bearer desk");
    assert_eq!(Answer::of(request).await.status, 200, "the scheme's case does not matter");
}

#[tokio::test(flavor = "multi_thread")]
async fn health_tells_the_truth_and_needs_no_token() {
    let house = House::open().await;
    assert_eq!(house.get("", "/healthz").await.json()["status"], "ok");
    assert_eq!(house.get("", "/readyz").await.json()["checks"][0]["reason"], "writable");
    assert!(house.get("", "/metrics").await.text.contains("yinling_up 1"));
    assert!(house.get("", "/").await.text.contains("银铃"));
    let check = |name, ok, reason: &str| Check::new(name, ok, reason.to_owned());
    house.engine.set_health(Health {
        live: vec![check("loop", true, "turned 3 ms ago")],
        ready: vec![check("journal", true, "writable"), check("sms", false, "cannot connect")],
    });
    assert_eq!(house.get("", "/healthz").await.status, 200);
    let ready = house.get("", "/readyz").await;
    assert_eq!(ready.status, 503);
    assert_eq!(ready.json()["failing"], serde_json::json!(["sms"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_id_is_taken_over_when_it_is_one() {
    let house = House::open().await;
    let trace = "0af7651916cd43dd8448eb211c80319c";
    for (header, is_taken) in [
        (format!("00-{trace}-b7ad6b7169203331-01"), true),
        ("00-00000000000000000000000000000000-b7ad6b7169203331-01".to_owned(), false),
        ("nonsense".to_owned(), false),
    ] {
        let request = house.request("", Method::GET, "/nowhere").header("traceparent", &header);
        let answer = Answer::of(request).await;
        answer.problem();
        assert_eq!(answer.header("trace-id") == trace, is_taken, "{header}");
        assert_eq!(answer.header("trace-id").len(), 32);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_kept_out_of_caches() {
    let house = House::furnished().await;
    for path in ["/api/v1/wearers", "/nowhere", "/healthz"] {
        let answer = house.get("admin", path).await;
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// Any JSON-like bytes to any command: an answer below 500.
    #[test]
    fn no_body_makes_it_fall_over(
        body in proptest::collection::vec(prop_oneof![
            Just(b"{".to_vec()), Just(b"}".to_vec()), Just(b"[".to_vec()), Just(b"]".to_vec()), Just(b",".to_vec()),
            Just(b":".to_vec()), Just(br#""note""#.to_vec()), Just(br#""kind""#.to_vec()), Just(br#""ring""#.to_vec()),
            Just(b"1e400".to_vec()), Just(b"-0".to_vec()), Just(b"null".to_vec()), Just(br#""\ud800""#.to_vec()),
            proptest::collection::vec(any::<u8>(), 0..6),
        ], 0..12),
        route in 0usize..5,
    ) {
        let body: Vec<u8> = body.concat();
        let path = [
            "/api/v1/incidents/i1/actions/note", "/api/v1/cases/c1/actions/close", "/api/v1/devices/b1/commands",
            "/api/v1/tokens", "/api/v1/callbacks/a1/c4llback",
        ][route];
        let status = RUNNING.with(|(runtime, house)| {
            runtime.block_on(async {
                Answer::of(house.request("admin", Method::POST, path).body(body.clone())).await.status
            })
        });
        prop_assert!(status.as_u16() < 500, "{status} for {path} {:?}", String::from_utf8_lossy(&body));
    }

    /// Any path below the API: an answer below 500.
    #[test]
    fn no_path_makes_it_fall_over(path in "(/[a-z0-9%A-F_.~-]{0,12}){1,5}(\\?[a-z=&%0-9+.*]{0,24})?") {
        let status = RUNNING.with(|(runtime, house)| {
            runtime.block_on(async { Answer::of(house.request("admin", Method::GET, &format!("/api/v1{path}"))).await.status })
        });
        prop_assert!(status.as_u16() < 500, "{status} for {path}");
    }
}

thread_local! {
    /// One house for all cases of a property.
    static RUNNING: (tokio::runtime::Runtime, House) = {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let house = runtime.block_on(async {
            let house = House::furnished().await;
            house.engine.tell(EventKind::IncidentRaised, YINXING, raised(1, "w1", YINXING)).await;
            house
        });
        (runtime, house)
    };
}
