//! A scenario against a real server, in real time: bracelets over MQTT, the feed over REST, phones behind the gateway
//! channel. The devices, the truth and the oracle are those of the virtual world.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, bail, ensure};
use engine::clock::SystemClock;
use engine::config::{ChannelSettings, Config};
use engine::serve::Running;
use model::{Channel, Clock, Timestamp};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::demo::client::Client;
use crate::neighbourhood::bracelet::Bracelet;
use crate::oracle::{Oracle, Told, Verdict};
use crate::phones::{self, Fault, Phones, RING_MS};
use crate::scenario::{Act, Deed, PhoneHabit, ProviderFault, Scenario};
use crate::town::truth::{Happens, Ms, SECOND};
use crate::town::{Person, Town};
use crate::world::devices::Devices;

/// How often everybody looks at the time, and at the feed.
const TICK: Duration = Duration::from_millis(20);
const FEED_EVERY: Duration = Duration::from_millis(100);
/// How long devices may take to connect.
const CONNECT_WITHIN: Duration = Duration::from_secs(60);
/// How long one look at the feed may take, and how long after the end of the scenario it may stay away: then the server
/// is gone, and there is nothing to judge it by.
const PAGE_WITHIN: Duration = Duration::from_secs(10);
const FEED_WITHIN: Duration = Duration::from_secs(20);
/// How long before the end of an incident somebody stands at the door.
const AT_THE_DOOR: Ms = 5 * SECOND;

/// Where a server is, and who may import.
#[derive(Debug, Clone)]
pub struct Server {
    /// Its API.
    pub http: SocketAddr,
    /// Its MQTT listener.
    pub mqtt: SocketAddr,
    /// An administrator's token.
    pub token: String,
}

/// Against whom, and where the phones are.
#[derive(Debug, Clone)]
pub struct Options {
    /// A server that runs; without one, one is started in a directory that is thrown away.
    pub server: Option<Server>,
    /// Where the phones listen: the server's `[channels.sms] url` and `[channels.voice] url` are
    /// `http://ADDRESS/gateway`.
    pub phones: SocketAddr,
    /// The secret of these channels.
    pub secret: String,
}

/// Runs a scenario in real time. `progress`: seconds so far, and reports sent.
///
/// # Errors
/// When the server is not there or does not take the town, or the scenario needs virtual time.
pub async fn run(
    scenario: &Scenario,
    seed: u64,
    devices: Option<u32>,
    options: &Options,
    progress: impl FnMut(u64, u64),
) -> anyhow::Result<Verdict> {
    refuse_virtual(scenario, options)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new(None));
    // It is now in this town: what depends on the hour follows the server's.
    let scenario = Scenario { start: clock.now(), ..scenario.clone() };
    let town = Town::build(&scenario, seed, devices);
    let phones = Phones::start(phones::Options {
        listen: options.phones,
        secret: options.secret.clone(),
        clock: Arc::clone(&clock),
        ring_ms: RING_MS,
        entries: town.phones(),
        listener: None,
    })
    .await?;
    let mut host = Host::start(options, &phones).await?;
    let client = Client::new(host.server.http, &host.server.token)?;
    client.import(&town.registry()).await?;
    let bracelets = switch_on(&town, host.server.mqtt).await?;
    // The town's time begins now that everybody is there.
    let town = Town { start: clock.now().plus_millis(200), ..town };
    let cursor = newest(&client).await?;
    let oracle = Oracle::new(&town, &scenario);
    let feed = Feed::follow(client.clone(), cursor, Arc::clone(&clock));
    let mut run = Run { scenario: &scenario, town: &town, clock, client, bracelets, phones, oracle, feed };
    let lived = tokio::select! {
        lived = run.live(&mut host, progress) => lived,
        // Who is impatient leaves nothing behind either: an engine of ours is ended, and its directory removed.
        _ = tokio::signal::ctrl_c() => Err(anyhow!("ended from the keyboard, so there is no verdict")),
    };
    run.hear_phones();
    let Run { oracle, bracelets, phones, feed, .. } = run;
    drop(feed);
    // A server that is gone takes no leave of anybody, and waiting for it would be half a second for each.
    if lived.is_ok() {
        for (_, bracelet) in bracelets {
            bracelet.switch_off().await;
        }
    }
    host.end().await?;
    phones.shutdown().await;
    let reports = lived?;
    Ok(oracle.judge(reports))
}

/// What only a virtual house can stage.
fn refuse_virtual(scenario: &Scenario, options: &Options) -> anyhow::Result<()> {
    for act in &scenario.acts {
        let why = match act.deed {
            Deed::DiskNearlyFull { .. } => "a disk is not filled on purpose",
            Deed::WelfareCalls { .. } => "nobody is there who orders the calls",
            Deed::Case { .. } => "nobody is there who goes",
            Deed::SpeakFor { .. } => "its bracelets speak on their own topic only",
            Deed::Restart { .. } if options.server.is_some() => "somebody else's server is not restarted",
            _ => continue,
        };
        bail!("{} needs virtual time (leave --live out): {why}", scenario.name);
    }
    Ok(())
}

/// The server, and what is to be ended with it if it is ours.
struct Host {
    server: Server,
    own: Option<(Option<Running>, Config, TempDir)>,
}

impl Host {
    async fn start(options: &Options, phones: &Phones) -> anyhow::Result<Host> {
        if let Some(server) = &options.server {
            return Ok(Host { server: server.clone(), own: None });
        }
        let directory = tempfile::Builder::new().prefix("yinling-sim-").tempdir()?;
        let data = directory.path().join("data");
        let token = {
            let data = data.clone();
            tokio::task::spawn_blocking(move || engine::init(&data)).await??.token
        };
        let channel = || ChannelSettings::gateway(&phones.gateway_url(), &options.secret);
        let mut config = Config { data, ..Config::default() };
        config.http.listen = SocketAddr::from(([127, 0, 0, 1], 0));
        config.mqtt.listen = SocketAddr::from(([127, 0, 0, 1], 0));
        config.channels = [Channel::Sms, Channel::Voice, Channel::Push].map(|name| (name, channel())).into();
        let running = engine::serve::start(config.clone()).await?;
        let ready = running.ready();
        // After a restart it is where it was.
        (config.http.listen, config.mqtt.listen) = (ready.http, ready.mqtt);
        let server = Server { http: ready.http, mqtt: ready.mqtt, token };
        Ok(Host { server, own: Some((Some(running), config, directory)) })
    }

    async fn restart(&mut self, down: Duration) -> anyhow::Result<()> {
        let Some((running, config, _)) = &mut self.own else { return Ok(()) };
        if let Some(running) = running.take() {
            running.shutdown().await?;
        }
        tokio::time::sleep(down).await;
        *running = Some(engine::serve::start(config.clone()).await.context("the engine did not start again")?);
        Ok(())
    }

    async fn end(self) -> anyhow::Result<()> {
        let Some((running, _, directory)) = self.own else { return Ok(()) };
        if let Some(running) = running {
            running.shutdown().await?;
        }
        directory.close().context("removing the directory")
    }
}

/// A scenario under way.
struct Run<'a> {
    scenario: &'a Scenario,
    town: &'a Town,
    clock: Arc<dyn Clock>,
    client: Client,
    bracelets: BTreeMap<String, Bracelet>,
    phones: Phones,
    oracle: Oracle,
    feed: Feed,
}

/// The public feed, read beside everything else: a server that is slow to answer must not keep bracelets from speaking.
struct Feed {
    pages: mpsc::UnboundedReceiver<Page>,
    task: JoinHandle<()>,
}

/// What one look at the feed gave.
struct Page {
    /// When it was asked for.
    asked: Timestamp,
    /// Its events, or why there are none.
    events: anyhow::Result<Vec<Value>>,
    /// Whether it was the newest one.
    is_last: bool,
}

impl Feed {
    fn follow(client: Client, mut cursor: Option<String>, clock: Arc<dyn Clock>) -> Feed {
        let (told, pages) = mpsc::unbounded_channel();
        let task = tokio::spawn(async move {
            loop {
                let asked = clock.now();
                let looked = tokio::time::timeout(PAGE_WITHIN, client.events(cursor.as_deref())).await;
                let looked = looked.unwrap_or_else(|_| Err(anyhow!("no answer within {} s", PAGE_WITHIN.as_secs())));
                let page = match looked {
                    Ok(page) => {
                        cursor = Some(page.next_cursor);
                        Page { asked, events: Ok(page.data), is_last: !page.has_more }
                    }
                    Err(error) => Page { asked, events: Err(error), is_last: true },
                };
                let is_last = page.is_last;
                if told.send(page).is_err() {
                    return;
                }
                if is_last {
                    tokio::time::sleep(FEED_EVERY).await;
                }
            }
        });
        Feed { pages, task }
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Run<'_> {
    /// From the beginning to the end; how many reports were sent.
    async fn live(&mut self, host: &mut Host, mut progress: impl FnMut(u64, u64)) -> anyhow::Result<u64> {
        let mut devices = Devices::new(self.town);
        let mut arriving = BinaryHeap::new();
        let mut acts: Vec<Act> = self.scenario.acts.clone();
        acts.sort_by(|a, b| b.at_s.total_cmp(&a.at_s));
        let mut doings: BinaryHeap<Reverse<(Ms, String, bool)>> = BinaryHeap::new();
        let mut forged = Vec::new();
        let mut shown = tokio::time::Instant::now();
        loop {
            let now = self.clock.now().millis_since(self.town.start);
            if now >= self.scenario.duration_ms() {
                self.listen_to_the_end(&mut doings).await?;
                self.check_connected(&host.server)?;
                self.check_forged(&forged);
                return Ok(devices.reports());
            }
            arriving.extend(devices.advance(now).into_iter().map(|arrival| Reverse((arrival.at, arrival.parcel))));
            while arriving.peek().is_some_and(|Reverse((at, _))| *at <= now) {
                let Some(Reverse((_, parcel))) = arriving.pop() else { break };
                let elder = &self.town.elders[parcel.elder];
                let device = if parcel.by_cuff { &elder.cuff } else { &elder.bracelet };
                if let Some(bracelet) = self.bracelets.get(&device.id) {
                    bracelet.say(parcel.payload.into_bytes());
                }
            }
            while acts.last().is_some_and(|act| act.at_s * 1000.0 <= now as f64) {
                let Some(act) = acts.pop() else { break };
                if let Deed::Restart { down_s } = act.deed {
                    host.restart(Duration::from_secs_f64(down_s)).await?;
                }
                forged.extend(self.stage(&act, host.server.mqtt));
            }
            self.end_faults(now);
            while doings.peek().is_some_and(|Reverse((at, _, _))| *at <= now) {
                let Some(Reverse((_, incident, resolves))) = doings.pop() else { break };
                self.attend(&incident, resolves).await;
            }
            self.listen(&mut doings)?;
            if shown.elapsed() >= FEED_EVERY {
                shown = tokio::time::Instant::now();
                progress(now.unsigned_abs() / 1000, devices.reports());
            }
            tokio::time::sleep(TICK).await;
        }
    }

    /// What is nobody's truth.
    fn stage(&self, act: &Act, door: SocketAddr) -> Option<Bracelet> {
        match act.deed {
            Deed::Forge => {
                let elder = self.town.elder(&act.who)?;
                let forged = Bracelet::switch_on(door, &elder.bracelet.id, "a guess", None);
                forged.say(br#"{"type":"sos","id":"forged"}"#.to_vec());
                Some(forged)
            }
            Deed::Provider { channel, fault, .. } => {
                let fault = match fault {
                    ProviderFault::Down => Fault::Status(503),
                    ProviderFault::AnswerLost => Fault::AnswerLost,
                    ProviderFault::Refuses => Fault::Status(422),
                };
                self.phones.set_fault(channel, Some(fault));
                None
            }
            _ => None,
        }
    }

    fn end_faults(&self, now: Ms) {
        for act in &self.scenario.acts {
            if let Deed::Provider { channel, for_s, .. } = act.deed {
                let end = ((act.at_s + for_s) * 1000.0) as Ms;
                if (end..end + SECOND).contains(&now) {
                    self.phones.set_fault(channel, None);
                }
            }
        }
    }

    fn check_forged(&mut self, forged: &[Bracelet]) {
        for bracelet in forged {
            let standing = *bracelet.standing().borrow();
            if !standing.refused {
                self.oracle.door(self.scenario.duration_ms(), "forged", "a wrong secret was not refused");
            }
        }
    }

    /// What is new on the feed. A server that restarts does not answer for a while.
    fn listen(&mut self, doings: &mut BinaryHeap<Reverse<(Ms, String, bool)>>) -> anyhow::Result<()> {
        while let Ok(page) = self.feed.pages.try_recv() {
            if let Ok(events) = page.events {
                self.hear(&events, doings)?;
            }
        }
        Ok(())
    }

    /// Everything up to the end of the scenario. Of a server whose feed cannot be read nothing is known: that it missed
    /// something would be a guess.
    async fn listen_to_the_end(&mut self, doings: &mut BinaryHeap<Reverse<(Ms, String, bool)>>) -> anyhow::Result<()> {
        let end = self.town.start.plus_millis(self.scenario.duration_ms());
        let began = tokio::time::Instant::now();
        loop {
            let page = self.feed.pages.recv().await.context("the feed's reader ended")?;
            match page.events {
                Ok(events) => {
                    self.hear(&events, doings)?;
                    if page.is_last && page.asked >= end {
                        return Ok(());
                    }
                }
                Err(why) if began.elapsed() >= FEED_WITHIN => {
                    return Err(why).context("the server's feed cannot be read any more, so there is no verdict");
                }
                Err(_) => {}
            }
        }
    }

    fn hear(&mut self, events: &[Value], doings: &mut BinaryHeap<Reverse<(Ms, String, bool)>>) -> anyhow::Result<()> {
        for envelope in events {
            let time = envelope["time"].as_str().and_then(Timestamp::parse).context("an event without a time")?;
            let at = time.millis_since(self.town.start);
            self.oracle.feed(at, envelope);
            let raised = envelope["type"] == "incident.raised";
            if let (Some(staff), true, Some(id)) = (self.scenario.staff, raised, envelope["data"]["id"].as_str()) {
                let after = Ms::from(staff.resolve_after_s) * SECOND;
                doings.push(Reverse((at + (after - AT_THE_DOOR).max(0), id.to_owned(), false)));
                doings.push(Reverse((at + after, id.to_owned(), true)));
            }
        }
        Ok(())
    }

    /// Whether anybody is still there to whom a bracelet could have spoken.
    fn check_connected(&self, server: &Server) -> anyhow::Result<()> {
        let away = self.bracelets.values().filter(|bracelet| !bracelet.standing().borrow().connected).count();
        ensure!(
            away < self.bracelets.len() || self.bracelets.is_empty(),
            "none of {away} devices has a connection to {} any more, so there is no verdict",
            server.mqtt
        );
        Ok(())
    }

    async fn attend(&self, incident: &str, resolves: bool) {
        let (action, body) = if resolves {
            ("resolve", json!({"disposition": "helped", "note": "seen to"}))
        } else {
            ("arrive", Value::Object(serde_json::Map::new()))
        };
        if let Err(error) = self.client.act(&format!("incidents/{incident}"), action, body).await {
            tracing::warn!(incident, action, %error, "the desk was refused");
        }
    }

    /// What the phones saw, all at once: the oracle asks only at the end.
    fn hear_phones(&mut self) {
        for request in self.phones.requests() {
            let taken = request.status < 300 || request.status == 504;
            let Some(message) = request.message.filter(|_| taken && !request.repeat) else { continue };
            // Whose phone it is, whoever was meant: a desk's own number has no person.
            let is_theirs = |person: &&Person| person.phone == message.to || person.id == message.person;
            let Some(person) = self.town.people.iter().find(is_theirs) else { continue };
            let off = person.habit == PhoneHabit::Off;
            if off || (message.channel == Channel::Voice && person.habit == PhoneHabit::Busy) {
                continue;
            }
            let at = request.at.millis_since(self.town.start);
            let told = Told { at, person: person.id.clone(), channel: message.channel, incident: message.incident };
            self.oracle.told(told);
        }
    }
}

/// Everybody's devices, connected; a cuff only where somebody measures.
async fn switch_on(town: &Town, door: SocketAddr) -> anyhow::Result<BTreeMap<String, Bracelet>> {
    let mut bracelets = BTreeMap::new();
    for elder in &town.elders {
        let measures = elder.truth.moments.iter().any(|moment| matches!(moment.what, Happens::Cuff(_)));
        for device in [Some(&elder.bracelet), measures.then_some(&elder.cuff)].into_iter().flatten() {
            bracelets.insert(device.id.clone(), Bracelet::switch_on(door, &device.id, &device.secret, None));
        }
    }
    let connected = async {
        for (id, bracelet) in &bracelets {
            let mut standing = bracelet.standing();
            let standing = *standing.wait_for(|standing| standing.connected || standing.refused).await?;
            ensure!(!standing.refused, "{id} was refused at the door");
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(CONNECT_WITHIN, connected)
        .await
        .with_context(|| format!("not every device could connect to {door} within {} s", CONNECT_WITHIN.as_secs()))??;
    Ok(bracelets)
}

/// The feed's end: what was before is not ours.
async fn newest(client: &Client) -> anyhow::Result<Option<String>> {
    let mut cursor = None;
    loop {
        let page = client.events(cursor.as_deref()).await?;
        cursor = Some(page.next_cursor);
        if !page.has_more {
            return Ok(cursor);
        }
    }
}
