//! The engine stops, or is killed, in the middle of an escalation: the next guardian is called all the same, and
//! what they press counts when it is back.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::api::post_url;
use crate::harness::clients::mosquitto_pub;
use crate::harness::phones::{Manner, Message};
use crate::harness::registry::{BRACELET, DESK, G1, G2, G3, SECRET, household, up};
use crate::harness::server::signal;
use crate::harness::{Feed, House, Phones, Server, Wire, eventually};

const CONFIG: &str = "[watchdog]\nafter_s = 4\n";

fn plan() -> serde_json::Value {
    json!({"next_after_s": 6, "ring_s": 12, "gap_s": 60, "cycles": 3, "lease_s": 600, "fall_window_s": 1})
}

/// An SOS whose first guardian rings, and the subject of its incident.
fn ringing(phones: &Phones, server: &Server) -> (Feed, String) {
    server.import(&household(plan()));
    let mut feed = server.feed();
    let sos = r#"{"type":"sos","id":"w-1"}"#;
    mosquitto_pub(server.mqtt, "mqttv311", BRACELET, SECRET, &up(BRACELET), sos);
    let raised = feed.wait_for("incident.raised");
    phones.expect_call(G1);
    (feed, raised["subject"].as_str().unwrap().to_owned())
}

/// The second guardian is called, in time, by whoever is there.
fn stood_in_for(phones: &Phones) -> Message {
    let silent = Instant::now();
    let second = phones.expect_call(G2);
    assert!(silent.elapsed() < Duration::from_secs(30), "called {:?} after the engine was silent", silent.elapsed());
    second
}

fn is_acknowledged_by_g2(feed: &mut Feed, subject: &str) {
    let acknowledged = feed.wait_for_about("incident.acknowledged", subject);
    assert_eq!(acknowledged["data"]["acknowledged_by"]["person"], "g2");
}

/// No call of the incident waits to be made.
fn calls_no_more(server: &Server, subject: &str) {
    let attempts = server.api().get(&format!("/{subject}/attempts")).body;
    let attempts = attempts["data"].as_array().unwrap_or_else(|| panic!("{attempts}")).clone();
    assert!(attempts.iter().any(|attempt| attempt["channel"] == "voice"), "{attempts:#?}");
    let waits = |a: &&Value| a["channel"] == "voice" && (a["state"] == "pending" || a["state"] == "sending");
    assert_eq!(attempts.iter().filter(waits).count(), 0, "{attempts:#?}");
}

#[test]
fn a_stopped_engine_is_stood_in_for_and_hears_of_it() {
    let phones = Phones::start();
    let house = House::new(&phones, CONFIG);
    let server = house.serve();
    let (mut feed, subject) = ringing(&phones, &server);
    server.signal("STOP");
    let second = stood_in_for(&phones);
    second.says("answered");
    second.press("1");
    let calls = phones.rung().len();
    assert!(calls <= 3, "at most one call doubles: {:?}", phones.rung());
    server.signal("CONT");
    is_acknowledged_by_g2(&mut feed, &subject);
    calls_no_more(&server, &subject);
    // Whom the watchdog called stands in the story like everybody else.
    let attempts = server.api().get(&format!("/{subject}/attempts")).body;
    let is_theirs = |a: &&Value| a["id"] == second.attempt.as_str() && a["state"] == "confirmed";
    assert_eq!(attempts["data"].as_array().unwrap().iter().filter(is_theirs).count(), 1, "{attempts:#}");
    // A stop sends what is still to be sent.
    server.stop();
    assert_eq!(phones.rung().len(), calls, "no call starts after the acknowledgement");
}

#[test]
fn a_key_that_is_pressed_when_the_engine_is_back_counts_although_the_watchdog_had_called() {
    let phones = Phones::start();
    let house = House::new(&phones, CONFIG);
    let server = house.serve();
    let (mut feed, subject) = ringing(&phones, &server);
    server.signal("STOP");
    let second = stood_in_for(&phones);
    server.signal("CONT");
    let epoch = house.data().join("watchdog/epoch");
    eventually("the engine takes the epoch back", || {
        std::fs::read_to_string(&epoch).unwrap().contains("engine").then_some(())
    });
    second.press("1");
    is_acknowledged_by_g2(&mut feed, &subject);
    server.stop();
}

#[test]
fn an_engine_that_dies_as_it_takes_its_turn_back_is_stood_in_for_again() {
    let phones = Phones::start();
    let house = House::new(&phones, CONFIG);
    let server = house.serve();
    ringing(&phones, &server);
    server.signal("STOP");
    let second = stood_in_for(&phones);
    server.signal("CONT");
    let epoch = house.data().join("watchdog/epoch");
    eventually("the engine takes the epoch back", || {
        std::fs::read_to_string(&epoch).unwrap().contains("engine").then_some(())
    });
    server.kill();
    // Its own last deed is not that of another engine, who would have a watchdog too.
    let third = phones.expect_call(G3);
    assert_ne!(second.attempt, third.attempt, "a key pressed on one is not taken for the other's");
}

#[test]
fn a_watchdog_that_could_not_write_that_it_has_the_turn_gives_it_back_all_the_same() {
    let phones = Phones::start();
    let house = House::new(&phones, CONFIG);
    let server = house.serve();
    ringing(&phones, &server);
    // A full disk would do; here a directory is where the file is to be written.
    let in_the_way = house.data().join("watchdog/epoch.new");
    std::fs::create_dir(&in_the_way).unwrap();
    let watchdog = watchdog_of(&server);
    server.kill();
    let second = stood_in_for(&phones);
    std::fs::remove_dir(&in_the_way).unwrap();
    let turn = || std::fs::read_to_string(house.data().join("watchdog/epoch")).unwrap();
    let of_the_dead = turn();
    let _server = house.serve();
    eventually("the next engine to take its turn", || (turn() != of_the_dead).then_some(()));
    // Nobody is on the line any more to whom it would have to listen.
    second.says("no_answer");
    // Of one that nobody has buried yet the command line is empty.
    let is_there = || std::fs::read(format!("/proc/{watchdog}/cmdline")).is_ok_and(|line| !line.is_empty());
    eventually("the watchdog of the dead engine to leave", || (!is_there()).then_some(()));
}

#[test]
fn a_killed_engine_is_stood_in_for_and_the_next_one_hears_of_it() {
    let phones = Phones::start();
    let house = House::new(&phones, CONFIG);
    let server = house.serve();
    let (_, subject) = ringing(&phones, &server);
    server.kill();
    stood_in_for(&phones).press("1");
    let server = house.serve();
    is_acknowledged_by_g2(&mut server.feed(), &subject);
    server.stop();
}

/// How far the first guardian's call is when the engine falls silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// It rings.
    Rings,
    /// A voicemail talks.
    Answered,
    /// They pressed 2, and the second guardian's phone rings.
    Declined,
    /// Nobody said anything, and the second guardian's phone rings too.
    RingsOn,
    /// Everybody was busy, and the first is to be rung again when their phone has rested.
    Waits,
    /// The last phone of the last round rings: the desk is next.
    Last,
    /// The first said that they go, and are not heard of again: until their lease is over nobody is called.
    Held,
}

/// How the engine falls silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Stopped,
    Killed,
    /// The next sync of its journal fails.
    JournalFails,
}

/// From now on a sync of this process goes like this.
fn disturb_syncs(process: u32, how: &str) -> Child {
    let process = process.to_string();
    let mut tracer = Command::new("strace");
    tracer.args(["-f", "-e", "trace=fdatasync", "-e", &format!("inject=fdatasync:{how}"), "-p", &process]);
    let mut tracer = tracer.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    // It says so once it holds every thread.
    let mut said = BufReader::new(tracer.stderr.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    assert!(line.contains("attached"), "strace: {line}");
    std::thread::spawn(move || drop(std::io::copy(&mut said, &mut std::io::sink())));
    tracer
}

/// The disk fails under the journal from now on: the process ends by itself, as it must, over this report.
fn fail_journal(server: &mut Server, report: &[u8]) {
    // That the device is there is a record, too: it is on disk before the disk fails, so that the report is what it ends over.
    let mut device = Wire::login(server.mqtt, BRACELET, SECRET, 5).unwrap();
    device.report(&up(BRACELET), br#"{"type":"alive","id":"here"}"#);
    let mut tracer = disturb_syncs(server.id(), "error=EIO");
    // Its PUBACK never comes.
    // (If the engine had something to write itself, it is gone by now.)
    let _ = device.publish(&up(BRACELET), report, 1);
    let status = server.wait();
    assert_eq!(status.code(), Some(74), "a failed sync ends the process");
    let _ = tracer.kill();
    let _ = tracer.wait();
}

fn falls_silent(stage: Stage, way: Way) {
    let phones = Phones::start();
    let house = House::new(&phones, CONFIG);
    let mut server = house.serve();
    let mut plan = plan();
    match stage {
        Stage::Waits => plan["gap_s"] = json!(10),
        Stage::Last => plan["cycles"] = json!(1),
        Stage::Held => plan["lease_s"] = json!(12),
        Stage::Rings | Stage::Answered | Stage::Declined | Stage::RingsOn => {}
    }
    server.import(&household(plan));
    let mut wire = Wire::login(server.mqtt, BRACELET, SECRET, 5).unwrap();
    wire.report(&up(BRACELET), br#"{"type":"sos","id":"w-1"}"#);
    let first = phones.expect_call(G1);
    let next = match stage {
        Stage::Rings => G2,
        Stage::Answered => {
            first.says("answered");
            G2
        }
        Stage::Declined => {
            first.press("2");
            phones.expect_call(G2);
            G3
        }
        Stage::RingsOn => {
            phones.expect_call(G2);
            G3
        }
        Stage::Waits => {
            first.says("busy");
            [G2, G3].iter().for_each(|phone| phones.expect_call(phone).says("busy"));
            G1
        }
        Stage::Last => {
            first.says("busy");
            phones.expect_call(G2).says("busy");
            phones.expect_call(G3);
            DESK
        }
        Stage::Held => {
            first.press("1");
            G2
        }
    };
    let subject = format!("incidents/{}", first.incident);
    let silent = Instant::now();
    match way {
        Way::Stopped => server.signal("STOP"),
        Way::Killed => server.signal("KILL"),
        Way::JournalFails => fail_journal(&mut server, br#"{"type":"heart_rate","bpm":70,"id":"h"}"#),
    }
    let called = phones.expect_call(next);
    if stage == Stage::Held {
        let (held, called) = (Duration::from_secs(12), called.came.duration_since(first.came));
        assert!(called >= held, "{way:?}: called {called:?} after, while the first was on their way");
    }
    assert!(silent.elapsed() < Duration::from_secs(30), "{stage:?} {way:?}: after {:?}", silent.elapsed());
    called.says("answered");
    called.press("1");
    let rung = phones.rung();
    let people: std::collections::BTreeSet<&String> = rung.iter().collect();
    // Whose phone had rested is rung again because it is their turn.
    let in_turn = usize::from(stage == Stage::Waits);
    assert!(rung.len() - people.len() <= 1 + in_turn, "{stage:?} {way:?}: at most one call doubles: {rung:?}");
    let server = match way {
        Way::Stopped => {
            server.signal("CONT");
            server
        }
        Way::Killed | Way::JournalFails => {
            drop(server);
            house.serve()
        }
    };
    let mut feed = server.feed();
    let who = match next {
        G1 => "g1",
        G2 => "g2",
        G3 => "g3",
        _ => "desk",
    };
    feed.wait_until(&format!("{stage:?} {way:?}: {who} goes"), |event| {
        event["type"] == "incident.acknowledged"
            && event["subject"] == subject.as_str()
            && event["data"]["acknowledged_by"]["person"] == who
    });
    let calls = phones.rung().len();
    server.stop();
    assert_eq!(phones.rung().len(), calls, "{stage:?} {way:?}: no call starts after the acknowledgement");
}

/// One test for each stage and way: they wait for real seconds, and side by side they wait together.
macro_rules! stories {
    ($($name:ident: $stage:ident $way:ident;)*) => {$(
        #[test]
        fn $name() {
            falls_silent(Stage::$stage, Way::$way);
        }
    )*};
}

stories! {
    stopped_while_it_rings: Rings Stopped;
    stopped_while_a_voicemail_talks: Answered Stopped;
    stopped_after_a_no: Declined Stopped;
    stopped_while_two_phones_ring: RingsOn Stopped;
    killed_while_it_rings: Rings Killed;
    killed_while_a_voicemail_talks: Answered Killed;
    killed_after_a_no: Declined Killed;
    killed_while_two_phones_ring: RingsOn Killed;
    a_journal_that_fails_while_it_rings: Rings JournalFails;
    a_journal_that_fails_while_a_voicemail_talks: Answered JournalFails;
    a_journal_that_fails_after_a_no: Declined JournalFails;
    a_journal_that_fails_while_two_phones_ring: RingsOn JournalFails;
    stopped_while_everybody_is_busy: Waits Stopped;
    stopped_before_the_desk_is_called: Last Stopped;
    stopped_while_somebody_is_on_their_way: Held Stopped;
    killed_while_everybody_is_busy: Waits Killed;
    killed_before_the_desk_is_called: Last Killed;
    killed_while_somebody_is_on_their_way: Held Killed;
    a_journal_that_fails_while_everybody_is_busy: Waits JournalFails;
    a_journal_that_fails_before_the_desk_is_called: Last JournalFails;
    a_journal_that_fails_while_somebody_is_on_their_way: Held JournalFails;
}

/// The engine's messages of an SOS hang at the provider when it stops; the watchdog gets all of them through. What it sent
/// the engine does not send again, when it is back and its own sends come to nothing.
#[test]
fn what_the_watchdog_sent_of_the_engines_messages_is_not_sent_again() {
    let phones = Phones::start();
    let house = House::new(&phones, CONFIG);
    let server = house.serve();
    server.import(&household(plan()));
    phones.behave(Manner::Hangs);
    let mut wire = Wire::login(server.mqtt, BRACELET, SECRET, 5).unwrap();
    wire.report(&up(BRACELET), br#"{"type":"sos","id":"w-1"}"#);
    // Three guardians, desk and doctor are texted, one is pushed, one is called.
    eventually("every message hangs", || (phones.hung() == 7).then_some(()));
    server.signal("STOP");
    phones.behave(Manner::Takes);
    let first = phones.expect_call(G1);
    let texts = [G1, G2, G3, DESK].map(|phone| phones.expect_text(phone));
    let epoch = house.data().join("watchdog/epoch");
    server.signal("CONT");
    eventually("the engine takes the epoch back", || {
        std::fs::read_to_string(&epoch).unwrap().contains("engine").then_some(())
    });
    // It knows what was taken, and tells it.
    let mut feed = server.feed();
    eventually("the engine knows what was taken", || {
        feed.catch_up();
        let is_taken = |sent: &Message| {
            feed.seen.iter().any(|e| e["type"] == "attempt.accepted" && e["data"]["id"] == sent.attempt.as_str())
        };
        texts.iter().chain([&first]).all(is_taken).then_some(())
    });
    first.press("1");
    eventually("it is acknowledged", || {
        feed.catch_up();
        feed.seen.iter().any(|e| e["type"] == "incident.acknowledged").then_some(())
    });
    server.stop();
    let mut sent: Vec<(String, String)> = phones.messages().into_iter().map(|m| (m.channel, m.attempt)).collect();
    sent.sort();
    let all = sent.len();
    sent.dedup();
    assert!(all - sent.len() <= 1, "at most one message doubles: {:?}", phones.messages());
}

/// Somebody says to the watchdog that they go, and while it tells the others, over a slow provider, the engine is back: it
/// decides the same messages, and does not send them beside those.
#[test]
fn who_goes_is_told_once_although_the_engine_comes_back_in_that_moment() {
    let phones = Phones::start();
    let house = House::new(&phones, CONFIG);
    let server = house.serve();
    let (mut feed, subject) = ringing(&phones, &server);
    let on_the_way = Arc::new((AtomicUsize::new(0), AtomicBool::new(false)));
    let provider = Arc::clone(&on_the_way);
    phones.by_habit(move |message| {
        if message.text.contains("已接警") {
            provider.0.fetch_add(1, SeqCst);
            let begun = Instant::now();
            while !provider.1.load(SeqCst) && begun.elapsed() < Duration::from_secs(30) {
                std::thread::park_timeout(Duration::from_millis(10));
            }
        }
        None
    });
    server.signal("STOP");
    let second = stood_in_for(&phones);
    second.press("1");
    eventually("the watchdog tells the others", || (on_the_way.0.load(SeqCst) >= 3).then_some(()));
    server.signal("CONT");
    is_acknowledged_by_g2(&mut feed, &subject);
    // Long enough for the engine to send its own, if it did.
    std::thread::park_timeout(Duration::from_secs(1));
    on_the_way.1.store(true, SeqCst);
    eventually("the engine knows what was told", || {
        feed.catch_up();
        let is_told = |e: &&Value| e["type"] == "attempt.cancelled" && e["data"]["purpose"] == "taken";
        (feed.seen.iter().filter(is_told).count() >= 3).then_some(())
    });
    server.stop();
    let mut told: Vec<String> =
        phones.messages().into_iter().filter(|m| m.text.contains("已接警")).map(|m| m.to).collect();
    told.sort();
    let all = told.len();
    told.dedup();
    assert!(all - told.len() <= 1, "at most one doubles: {told:?} of {all}");
}

const LAST_SOS: &[u8] = br#"{"type":"sos","id":"w-9"}"#;

/// After a restart: one SOS, acknowledged by whom the watchdog reached, the device's repeat is one, and nobody is called.
fn has_heard_of_it(server: &Server, phones: &Phones, calls: usize) {
    let mut feed = server.feed();
    let acknowledged = feed.wait_for("incident.acknowledged");
    assert_eq!(
        (&acknowledged["data"]["kind"], &acknowledged["data"]["acknowledged_by"]["person"]),
        (&json!("sos"), &json!("g1"))
    );
    // It had no PUBACK, so it comes again.
    let mut device = Wire::login(server.mqtt, BRACELET, SECRET, 5).unwrap();
    device.report(&up(BRACELET), LAST_SOS);
    let mut feed = server.feed();
    let events = feed.catch_up();
    let raised = events.iter().filter(|e| e["type"] == "incident.raised" && e["data"]["kind"] == "sos").count();
    let recurred = events.iter().filter(|e| e["type"] == "incident.recurred").count();
    assert_eq!((raised, recurred), (1, 0), "the same press is the same press");
    assert_eq!(phones.rung().len(), calls, "no call starts after the acknowledgement: {:?}", phones.rung());
}

#[test]
fn an_sos_that_can_no_longer_be_journaled_is_called_for_by_the_watchdog() {
    let phones = Phones::start();
    // By silence alone nobody would be called in time.
    let house = House::new(&phones, "[watchdog]\nafter_s = 600\n");
    let mut server = house.serve();
    server.import(&household(plan()));
    fail_journal(&mut server, LAST_SOS);
    let first = phones.expect_call(G1);
    assert_eq!(phones.expect_text(G2).incident, first.incident, "all are told");
    first.press("1");
    let calls = phones.rung().len();
    drop(server);
    let server = house.serve();
    has_heard_of_it(&server, &phones, calls);
    server.stop();
    assert_eq!(phones.rung().len(), calls);
}

#[test]
fn an_sos_behind_a_disk_that_hangs_is_called_for_by_the_watchdog() {
    let phones = Phones::start();
    let house = House::new(&phones, CONFIG);
    let server = house.serve();
    server.import(&household(plan()));
    let mut tracer = disturb_syncs(server.id(), "delay_enter=600s");
    let mut device = Wire::login(server.mqtt, BRACELET, SECRET, 5).unwrap();
    device.publish(&up(BRACELET), LAST_SOS, 1).unwrap();
    phones.expect_call(G1).press("1");
    let calls = phones.rung().len();
    // The disk is back.
    signal(tracer.id(), "INT");
    tracer.wait().unwrap();
    has_heard_of_it(&server, &phones, calls);
    server.stop();
    assert_eq!(phones.rung().len(), calls);
}

/// The process of its watchdog.
fn watchdog_of(server: &Server) -> u32 {
    let children = std::fs::read_dir(format!("/proc/{}/task", server.id())).unwrap();
    children
        .filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("children")).ok())
        .find_map(|children| children.split_whitespace().next()?.parse::<u32>().ok())
        .expect("it runs")
}

#[test]
fn a_watchdog_whose_own_disk_hangs_calls_all_the_same_and_tells_when_that_is_back() {
    let phones = Phones::start();
    let house = House::new(&phones, CONFIG);
    let server = house.serve();
    let (mut feed, subject) = ringing(&phones, &server);
    // Neither its epoch nor a line of its log comes to the disk.
    let mut tracer = disturb_syncs(watchdog_of(&server), "delay_enter=600s");
    server.signal("STOP");
    let second = stood_in_for(&phones);
    let key = json!({"attempt": second.attempt, "outcome": "key", "key": "1"});
    let taken = post_url(&second.callback, &key);
    assert!(!taken.is_ok_and(|status| status / 100 == 2), "nobody is told that it is written down");
    let calls = phones.rung().len();
    signal(tracer.id(), "INT");
    tracer.wait().unwrap();
    // Whoever posted posts again until it is taken.
    eventually("the key is taken", || (post_url(&second.callback, &key).ok()? / 100 == 2).then_some(()));
    server.signal("CONT");
    is_acknowledged_by_g2(&mut feed, &subject);
    calls_no_more(&server, &subject);
    server.stop();
    assert_eq!(phones.rung().len(), calls, "no call starts after the key");
}

/// Every file in the directory that engine and watchdog share, whole.
fn left_for_each_other(house: &House) -> Vec<(String, Vec<u8>)> {
    let files = std::fs::read_dir(house.data().join("watchdog")).unwrap().map(|entry| entry.unwrap().path());
    files.map(|path| (path.display().to_string(), std::fs::read(&path).unwrap())).collect()
}

#[test]
fn a_watchdog_without_a_journal_goes_on_with_its_sealed_snapshot() {
    let phones = Phones::start();
    let house = House::new(&phones, CONFIG);
    let server = house.serve();
    let before = std::fs::read(house.data().join("watchdog/snapshot")).unwrap().len();
    let (_, subject) = ringing(&phones, &server);
    eventually("the snapshot holds the SOS", || {
        (std::fs::read(house.data().join("watchdog/snapshot")).ok()?.len() > before + 500).then_some(())
    });
    for gone in ["journal", "checkpoints"] {
        std::fs::rename(house.data().join(gone), house.file(gone)).unwrap();
    }
    server.kill();
    let second = stood_in_for(&phones);
    assert_eq!(format!("incidents/{}", second.incident), subject);
    second.press("1");
    for (path, content) in left_for_each_other(&house) {
        for readable in ["王桂兰", "王芳", "王强", "银杏", &G1[1..], &G2[1..], "1380000"] {
            let shows = content.windows(readable.len()).any(|part| part == readable.as_bytes());
            assert!(!shows, "{path} shows {readable}");
        }
    }
    // The disk is back, and the engine hears of it.
    for back in ["journal", "checkpoints"] {
        std::fs::rename(house.file(back), house.data().join(back)).unwrap();
    }
    let server = house.serve();
    is_acknowledged_by_g2(&mut server.feed(), &subject);
    server.stop();
}

#[test]
fn a_watchdog_that_dies_is_replaced_and_it_shows() {
    let phones = Phones::start();
    let house = House::new(&phones, CONFIG);
    let server = house.serve();
    assert_eq!(server.metric("yinling_watchdog_up", ""), 1.0);
    signal(watchdog_of(&server), "KILL");
    eventually("it is started anew", || {
        (server.metric("yinling_watchdog_restarts_total", "") == 1.0 && server.metric("yinling_watchdog_up", "") == 1.0)
            .then_some(())
    });
    let (_, ready) = server.api().status_and_text_at("/readyz");
    assert!(ready.contains("watchdog"), "{ready}");
    // The new one watches as well.
    let (_, _) = ringing(&phones, &server);
    server.signal("STOP");
    stood_in_for(&phones);
    server.signal("CONT");
    server.stop();
}
