//! `kill -9` at random points of an escalation, on the real binary: at a random moment, or when a message reaches its
//! provider and before that answers. No SOS is lost, each is one incident, somebody answers it in the end, and once the
//! provider was told that the key is taken, nobody is called for it any more, however often the engine is killed after.
//!
//! Each round kills once, in the escalation of an SOS of its own. `YINLING_ESCALATION_KILLS` sets the number of rounds
//! (4), `YINLING_SEED` repeats a run's dice. The same at every operation of the disk: `engine/tests/it/killed.rs`.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::api::post_url;
use crate::harness::phones::Message;
use crate::harness::registry::{household, street, up};
use crate::harness::server::signal;
use crate::harness::wire::Said;
use crate::harness::{Dice, House, Phones, Server, Wire};

/// How long a round may take at most, killed and paused as it may be.
const ROUND_MAX: Duration = Duration::from_secs(400);
/// A round that was to be killed over a message that did not come is killed then.
const KILL_BY: Duration = Duration::from_secs(5);
/// The last moment of a kill by time: an undisturbed escalation takes two seconds.
const KILL_MILLIS_MAX: u64 = 3_500;
/// Over which message a kill comes at the latest: an undisturbed escalation has ten.
const KILL_MESSAGE_MAX: u64 = 10;
/// What was handed to its provider before the key was taken may arrive as much later on a busy machine.
const IN_FLIGHT: Duration = Duration::from_secs(2);

/// Kills the engine over a message, before its provider answers.
#[derive(Default)]
struct Trap {
    process: AtomicU32,
    /// Over how many messages from now; 0: none.
    left: AtomicUsize,
    sprung: AtomicBool,
}

impl Trap {
    fn step_on(&self) {
        let before = self.left.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1));
        if before == Ok(1) {
            signal(self.process.load(SeqCst), "KILL");
            self.sprung.store(true, SeqCst);
        }
    }
}

/// What goes on outside, whoever dies.
struct World {
    house: House,
    phones: Phones,
    http: SocketAddr,
    /// Where the door is now.
    door: Mutex<SocketAddr>,
    trap: Arc<Trap>,
    /// Incidents of which the provider was told that the key is taken, and when.
    taken: Mutex<BTreeMap<String, Instant>>,
}

/// Four guardians: the first is busy, the second rings out, the third's voicemail talks, the fourth presses 1.
fn registry(rounds: usize) -> Value {
    let plan = json!({"next_after_s": 1, "ring_s": 2, "gap_s": 1, "cycles": 50, "lease_s": 86_400, "fall_window_s": 1});
    let mut registry = street(rounds, &plan);
    registry["orgs"] = household(plan)["orgs"].clone();
    let fourth = json!({"id": "g4", "role": "guardian", "name": "王勇", "phone": "+8613800000004"});
    registry["people"].as_array_mut().unwrap().push(fourth);
    for wearer in registry["wearers"].as_array_mut().unwrap() {
        wearer["guardians"] = json!(["g1", "g2", "g3", "g4"]);
    }
    registry
}

impl World {
    fn new(rounds: usize) -> (World, Server) {
        let (phones, trap) = (Phones::start(), Arc::new(Trap::default()));
        let stepped_on = Arc::clone(&trap);
        phones.by_habit(move |message| {
            stepped_on.step_on();
            let outcome = match (message.channel.as_str(), message.person.as_str()) {
                ("voice", "g1") => "busy",
                ("voice", "g3") => "answered",
                _ => return None,
            };
            Some(json!({"attempt": message.attempt, "outcome": outcome}))
        });
        let house = House::new(&phones, "[watchdog]\nenabled = false\n");
        let http = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let server = house.serve_at(http);
        server.import(&registry(rounds));
        let door = Mutex::new(server.mqtt);
        (World { house, phones, http, door, trap, taken: Mutex::default() }, server)
    }

    /// As a bracelet does: again and again until it has its PUBACK.
    fn press(&self, device: &str) {
        let secret = format!("secret-{device}");
        let begun = Instant::now();
        while begun.elapsed() < ROUND_MAX {
            let door = *self.door.lock().unwrap();
            if let Ok(Ok(mut wire)) = Wire::try_login(door, device, &secret, 5)
                && wire.publish(&up(device), br#"{"type":"sos","id":"pressed"}"#, 1).is_ok()
                && matches!(wire.read(), Ok(Said::PubAck(_, 0)))
            {
                return;
            }
            std::thread::park_timeout(Duration::from_millis(50));
        }
        panic!("{device} never had its PUBACK");
    }

    /// The fourth guardian presses 1 on whatever rings, until the engine says that it is taken.
    fn answer(&self) {
        for message in self.phones.messages().iter().filter(|m| m.channel == "voice" && m.person == "g4") {
            let is_taken = self.taken.lock().unwrap().contains_key(&message.incident);
            let key = json!({"attempt": message.attempt, "outcome": "key", "key": "1"});
            if !is_taken && post_url(&message.callback, &key).is_ok_and(|status| status / 100 == 2) {
                self.taken.lock().unwrap().insert(message.incident.clone(), Instant::now());
            }
        }
    }

    fn round(&self, server: Server, round: usize, dice: &mut Dice) -> Server {
        let device = format!("dev{round}");
        let by_message = dice.between(0, 1) == 1;
        let after = Duration::from_millis(dice.between(0, KILL_MILLIS_MAX));
        let message = dice.between(1, KILL_MESSAGE_MAX) as usize;
        self.trap.process.store(server.id(), SeqCst);
        self.trap.sprung.store(false, SeqCst);
        self.trap.left.store(if by_message { message } else { 0 }, SeqCst);
        let begun = Instant::now();
        let mut alive = Some(server);
        let mut is_killed = false;
        std::thread::scope(|scope| {
            let pressing = scope.spawn(|| self.press(&device));
            while !(is_killed && pressing.is_finished() && self.taken.lock().unwrap().len() > round) {
                let limit = if by_message { KILL_BY } else { after };
                if !is_killed && (self.trap.sprung.load(SeqCst) || begun.elapsed() >= limit) {
                    self.trap.left.store(0, SeqCst);
                    // It may be dead already: then nobody is killed, and it is waited for.
                    drop(alive.take());
                    let server = self.house.serve_at(self.http);
                    *self.door.lock().unwrap() = server.mqtt;
                    (alive, is_killed) = (Some(server), true);
                }
                self.answer();
                let told = format!("round {round}, {by_message} {message} {after:?}");
                assert!(begun.elapsed() < ROUND_MAX, "{told}: nobody answered; rung: {:?}", self.rung_since(begun));
                std::thread::park_timeout(Duration::from_millis(10));
            }
        });
        alive.expect("it serves")
    }

    fn rung_since(&self, begun: Instant) -> Vec<String> {
        let came = |m: &Message| (m.came >= begun).then(|| format!("{} {} {}", m.channel, m.person, m.incident));
        self.phones.messages().iter().filter_map(came).collect()
    }

    /// Every SOS is one incident, and it is the fourth guardian's.
    fn nothing_is_lost(&self, server: &Server, rounds: usize) {
        let mut feed = server.feed();
        let events = feed.catch_up();
        let of = |kind: &str| -> Vec<Value> { events.iter().filter(|e| e["type"] == kind).cloned().collect() };
        let wearers: Vec<Value> = of("incident.raised").iter().map(|event| event["data"]["wearer"].clone()).collect();
        assert_eq!(json!(wearers), json!((0..rounds).map(|n| format!("w{n}")).collect::<Vec<_>>()));
        assert_eq!(of("incident.recurred").len(), 0, "the same press is the same press");
        let taken = of("incident.acknowledged");
        assert!(taken.len() == rounds && taken.iter().all(|e| e["data"]["acknowledged_by"]["person"] == "g4"));
    }

    /// How many calls arrived although their incident was taken.
    fn nobody_is_called_afterwards(&self) {
        let taken = self.taken.lock().unwrap();
        let is_late =
            |m: &&Message| m.channel == "voice" && taken.get(&m.incident).is_some_and(|at| m.came > *at + IN_FLIGHT);
        let messages = self.phones.messages();
        let late: Vec<&Message> = messages.iter().filter(is_late).collect();
        assert!(late.is_empty(), "called after the key was taken: {late:#?}");
    }
}

#[test]
fn killed_anywhere_in_an_escalation_no_sos_is_lost_and_nobody_is_called_after_the_key() {
    let rounds = std::env::var("YINLING_ESCALATION_KILLS").map_or(4, |text| text.parse().expect("a number of rounds"));
    let mut dice = Dice::thrown("kill -9 in escalations");
    let (world, mut server) = World::new(rounds);
    for round in 0..rounds {
        server = world.round(server, round, &mut dice);
        world.nobody_is_called_afterwards();
        if (round + 1) % 10 == 0 {
            eprintln!("{} of {rounds} rounds", round + 1);
        }
    }
    world.nothing_is_lost(&server, rounds);
    server.stop();
    world.nobody_is_called_afterwards();
    let calls = world.phones.rung().len();
    println!("{rounds} kills, each in another SOS: none lost, {calls} calls, none after its key was taken");
}
