//! How the house is: `/healthz`, `/readyz` and `/metrics`, from what the parts say of themselves.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock, Weak};

use api::{Check, Health};
use broker::{Door, DoorStats};
use channels::Channels;
use model::{Channel, Clock};
use store::{Journal, Progress};

use crate::checkpoint::Written;
use crate::clock::SystemClock;
use crate::inbox::Inbox;
use crate::outbox::Outbox;
use crate::pulse::Pulse;
use crate::release::Release;
use crate::tls::Tls;
use crate::watchdog::Watch;

/// The loop counts as stuck when it did not go round for so long, in milliseconds.
const STUCK_MS: i64 = 5_000;
/// Timers count as late when they are overdue by so much, in milliseconds.
const TIMERS_LATE_MS: i64 = 2_000;
/// The journal counts as stuck when decided records wait for so long for their sync, in milliseconds.
const SYNC_LATE_MS: i64 = 3_000;

/// The parts, as far as their health goes.
pub struct Vitals {
    /// The time.
    pub clock: Arc<SystemClock>,
    /// The loop.
    pub pulse: Arc<Pulse>,
    /// What waits for it.
    pub inbox: Arc<Inbox>,
    /// What waits to be sent.
    pub outbox: Arc<Outbox>,
    /// The journal.
    /// Not kept alive from here: closing it waits for the last holder.
    pub journal: Weak<Journal<Release>>,
    /// How far facts and telemetry are projected.
    pub facts: Arc<Progress>,
    /// Whether the view refuses what the follower projects.
    pub follower_failed: Arc<AtomicBool>,
    /// Whether the journal ended with an error.
    pub journal_failed: Arc<AtomicBool>,
    /// The providers.
    pub channels: Arc<Channels>,
    /// The door, once it is open.
    pub door: Arc<OnceLock<Door>>,
    /// Checkpoints.
    pub written: Arc<Written>,
    /// What housekeeping saw.
    pub seen: Arc<Seen>,
    /// How the watchdog is.
    pub watch: Arc<Watch>,
}

/// What housekeeping sees from time to time.
#[derive(Debug, Default)]
pub struct Seen {
    /// Free bytes on the journal's disk.
    pub free_bytes: AtomicU64,
    /// Fewer than the reserve: telemetry is refused.
    pub disk_low: Arc<AtomicBool>,
    /// Records of telemetry that are durable and not projected.
    pub telemetry_lag: AtomicU64,
    /// The lag is over its limit: telemetry waits.
    pub telemetry_held: Arc<AtomicBool>,
    /// Open incidents that have no next step, or one that is overdue, as the auditor sees it.
    pub neglected: AtomicU64,
    /// Open incidents, and those of them to which nobody goes.
    pub open_incidents: AtomicU64,
    /// See `open_incidents`.
    pub untaken_incidents: AtomicU64,
    /// Wearers without any desk up the tree.
    pub wearers_without_desk: AtomicU64,
    /// Since when (milliseconds since 1970) decided records wait for their sync; 0: none do.
    pub sync_waits_since: AtomicU64,
    /// The last record that was there at the start: until its facts are projected, reads are of yesterday.
    pub recovered_seq: AtomicU64,
    /// Damaged places that the journal's recovery met.
    pub damage: AtomicU64,
    /// The certificate of both doors, if they have one.
    pub tls: OnceLock<Arc<Tls>>,
    /// Whether the last export or truncation failed.
    pub upkeep_failed: AtomicBool,
}

impl Vitals {
    /// What must be so for the process to be worth keeping, and for it to do its work.
    pub fn health(&self) -> Health {
        let now = self.clock.now();
        let quiet_ms = now.millis_since(self.pulse.beat_at());
        let turns = check("loop", quiet_ms <= STUCK_MS, || format!("the main loop went round {quiet_ms} ms ago"));
        let journal_failed = self.journal_failed.load(Relaxed);
        let waits_since = self.seen.sync_waits_since.load(Relaxed) as i64;
        let waits_ms = if waits_since == 0 { 0 } else { now.millis() - waits_since };
        let journal = check("journal", !journal_failed && waits_ms <= SYNC_LATE_MS, || match journal_failed {
            true => "writing failed; nothing is acknowledged any more; see the log, mend the disk, restart".to_owned(),
            false => format!("the oldest decision has waited {waits_ms} ms for its fdatasync"),
        });
        let overdue = self.pulse.overdue_ms(now);
        let timers = check("timers", overdue <= TIMERS_LATE_MS, || format!("the next timer is {overdue} ms overdue"));
        let free = self.seen.free_bytes.load(Relaxed);
        let disk = check("disk", !self.seen.disk_low.load(Relaxed), || {
            format!("{} MiB free; below the reserve telemetry is refused, alarms are still taken", free >> 20)
        });
        let lag = self.seen.telemetry_lag.load(Relaxed);
        let has_caught_up = self.facts.get() >= self.seen.recovered_seq.load(Relaxed);
        let projection_failed = self.follower_failed.load(Relaxed);
        let state_ok = has_caught_up && !projection_failed && !self.seen.telemetry_held.load(Relaxed);
        let state = check("state", state_ok, || match projection_failed {
            true => format!(
                "the projection of the journal failed, see the log: what is shown stands still, {lag} records are missing \
                 in it, alarms go on; if the disk is full, make room: it goes on by itself within two minutes, or \
                 restart the engine"
            ),
            false => format!("{lag} records are not projected yet; it catches up by itself"),
        });
        let router = check("feed", self.door.get().is_none_or(Door::router_alive), || {
            "the MQTT feed's router is silent".to_owned()
        });
        let offset = self.clock.offset_alarm();
        let clock = check("clock", offset.is_none(), || {
            format!("the wall clock is {} ms away from ours, which is slewed in; check NTP", offset.unwrap_or(0))
        });
        let uncovered = self.seen.wearers_without_desk.load(Relaxed);
        let desk = check("desk", uncovered == 0, || {
            format!(
                "{uncovered} wearers have no human desk anywhere up the tree, neither phone nor people nor a duty roster: \
                 when all their contacts fail, only operators are called, if there are any; give an organisation above \
                 them a desk"
            )
        });
        let neglected = self.seen.neglected.load(Relaxed);
        let audit = check("audit", neglected == 0, || {
            format!("{neglected} open incidents have no next step or an overdue one: call by hand, then restart")
        });
        let upkeep_ok = !self.seen.upkeep_failed.load(Relaxed) && !self.written.failed.load(Relaxed);
        let upkeep = check("upkeep", upkeep_ok, || {
            "the last checkpoint, export or truncation failed; the journal grows until one succeeds; see the log"
                .to_owned()
        });
        let damage = self.seen.damage.load(Relaxed);
        let damage = check("damage", damage == 0, || format!("{damage} damaged places in the journal; see the log"));
        let watched = !self.watch.wanted.load(Relaxed) || self.watch.up.load(Relaxed);
        let watchdog = check("watchdog", watched, || {
            "the watchdog's process died and is started anew; until then nobody calls on if this engine stops"
                .to_owned()
        });
        let unread = check("watchdog_log", !self.watch.unread.load(Relaxed), || {
            "lines of the watchdog's log could not be read and lie in DIR/watchdog/unread.ndjson: an alarm or an answer may \
             be among them; look at those days' incidents, mend or remove the file, restart"
                .to_owned()
        });
        let tls = self.seen.tls.get().map(|tls| {
            let condition = tls.condition(now);
            match (condition.fault, condition.warning) {
                (Some(fault), _) => Check::new("tls", false, fault),
                (None, Some(warning)) => Check::warning("tls", &warning),
                (None, None) => Check::new("tls", true, String::new()),
            }
        });
        let providers = self.channels.configured().map(|shell| {
            let known = shell.reachability();
            Check::new("provider", known.ok, format!("{}: {}", known.name, known.reason()))
        });
        let can_call =
            [Channel::Sms, Channel::Voice].iter().any(|channel| self.channels.carriers(*channel).count() > 0);
        let calling = match can_call {
            true => check("calling", true, String::new),
            false => Check::warning(
                "calling",
                "nobody can be called: no provider is configured for sms or voice; set [channels.sms] and [channels.voice]",
            ),
        };
        let ready = [
            journal,
            turns.clone(),
            timers,
            disk,
            state,
            router,
            clock,
            desk,
            calling,
            audit,
            upkeep,
            damage,
            watchdog,
            unread,
        ];
        Health { live: vec![turns], ready: ready.into_iter().chain(tls).chain(providers).collect() }
    }

    /// Everything that is counted, as Prometheus text.
    pub fn metrics(&self) -> String {
        let mut text = Metrics::default();
        for (name, help, value) in self.pulse.counters() {
            text.put(name, "counter", help, value);
        }
        let (alarm, telemetry) = self.inbox.depth();
        text.put("yinling_inbox_alarms", "gauge", "Work that waits in the alarm lane", alarm as u64);
        text.put("yinling_inbox_reports", "gauge", "Reports that wait in the telemetry lane", telemetry as u64);
        text.put(
            "yinling_outbox_attempts",
            "gauge",
            "Attempts that wait for a dispatcher",
            self.outbox.waiting() as u64,
        );
        text.put(
            "yinling_timer_late_ms_max",
            "gauge",
            "The latest that a timer ever fired",
            self.pulse.late_ms_max() as u64,
        );
        if let Some(journal) = self.journal.upgrade() {
            let stats = journal.stats();
            text.put("yinling_journal_durable_seq", "counter", "The last durable record", journal.durable_seq());
            text.put("yinling_journal_bytes", "gauge", "Size of the journal's segments", stats.bytes);
            text.put("yinling_journal_segments", "gauge", "Segments of the journal", stats.segments as u64);
            text.put("yinling_journal_sync_micros", "gauge", "Duration of the last fdatasync", stats.last_sync_micros);
        }
        text.put("yinling_facts_seq", "counter", "The last record whose facts are projected", self.facts.get());
        text.put(
            "yinling_telemetry_lag_records",
            "gauge",
            "Records not projected yet",
            self.seen.telemetry_lag.load(Relaxed),
        );
        text.put("yinling_disk_free_bytes", "gauge", "Free on the journal's disk", self.seen.free_bytes.load(Relaxed));
        text.put(
            "yinling_checkpoint_seq",
            "counter",
            "What the newest checkpoint covers",
            self.written.seq.load(Relaxed),
        );
        if let Some(tls) = self.seen.tls.get() {
            let until = tls.condition(self.clock.now()).until.millis().div_euclid(1_000).unsigned_abs();
            text.put(
                "yinling_tls_not_after_seconds",
                "gauge",
                "When the certificate ends, in seconds since 1970",
                until,
            );
        }
        let open = self.seen.open_incidents.load(Relaxed);
        text.put("yinling_open_incidents", "gauge", "Incidents that are not over", open);
        let untaken = self.seen.untaken_incidents.load(Relaxed);
        text.put("yinling_untaken_incidents", "gauge", "Open incidents to which nobody goes yet", untaken);
        text.put(
            "yinling_wearers_without_desk",
            "gauge",
            "Wearers without any desk up the tree",
            self.seen.wearers_without_desk.load(Relaxed),
        );
        if self.watch.wanted.load(Relaxed) {
            let up = u64::from(self.watch.up.load(Relaxed));
            text.put("yinling_watchdog_up", "gauge", "Whether the watchdog's process runs", up);
            let restarts = self.watch.restarts.load(Relaxed);
            text.put("yinling_watchdog_restarts_total", "counter", "Watchdogs that died and were replaced", restarts);
        }
        if let Some(door) = self.door.get() {
            text.put("yinling_door_connections", "gauge", "Open MQTT connections", door.connections() as u64);
            door_counters(&mut text, door.stats());
        }
        text.head("yinling_provider_reachable", "gauge", "Whether a provider answers: 1 or 0");
        for shell in self.channels.configured() {
            let known = shell.reachability();
            let labels = format!("provider=\"{}\"", known.name);
            text.put_labelled("yinling_provider_reachable", &labels, u64::from(known.ok));
        }
        text.put(
            "yinling_callbacks_taken_total",
            "counter",
            "Posts of providers that were read",
            self.channels.heard(),
        );
        text.head("yinling_callbacks_refused_total", "counter", "What providers posted and is not believed");
        for ((_, provider, reason), count) in self.channels.refusals() {
            let labels = format!("provider=\"{provider}\",reason=\"{}\"", reason.name());
            text.put_labelled("yinling_callbacks_refused_total", &labels, count);
        }
        text.0 + &crate::counted::render()
    }
}

fn door_counters(text: &mut Metrics, stats: &DoorStats) {
    let refused = [
        ("not_mqtt", &stats.refused_not_mqtt),
        ("timeout", &stats.refused_timeout),
        ("protocol", &stats.refused_protocol),
        ("client_id", &stats.refused_client_id),
        ("credentials", &stats.refused_credentials),
        ("not_authorised", &stats.refused_not_authorised),
        ("busy", &stats.refused_busy),
        ("tls", &stats.refused_tls),
    ];
    text.head("yinling_door_refused_total", "counter", "Connections that were not let in");
    for (reason, counter) in refused {
        text.put_labelled("yinling_door_refused_total", &format!("reason=\"{reason}\""), DoorStats::read(counter));
    }
    text.head("yinling_door_rejected_total", "counter", "Reports that could not be read; they lie in the quarantine");
    for reason in broker::REJECT_REASONS {
        let name = serde_json::to_value(reason).unwrap_or_default();
        let labels = format!("reason=\"{}\"", name.as_str().unwrap_or("other"));
        text.put_labelled("yinling_door_rejected_total", &labels, stats.rejects(reason));
    }
    let others = [
        ("yinling_door_accepted_total", "Connections accepted", &stats.accepted),
        ("yinling_door_admitted_total", "Sessions begun", &stats.admitted),
        ("yinling_door_taken_over_total", "Sessions that gave way to a newer one", &stats.taken_over),
        ("yinling_door_protocol_errors_total", "Sessions ended over a protocol error", &stats.protocol_errors),
        ("yinling_door_keep_alive_timeouts_total", "Sessions that fell silent", &stats.keep_alive_timeouts),
        ("yinling_door_write_stalls_total", "Connections cut because they did not read", &stats.write_stalls),
        ("yinling_door_published_total", "PUBLISH packets of devices", &stats.published),
        ("yinling_door_items_total", "Reports and rejects handed in", &stats.items),
        ("yinling_door_acknowledged_total", "PUBACK and PUBREC sent", &stats.acknowledged),
        ("yinling_door_telemetry_waits_total", "Times that a connection waited for room", &stats.telemetry_waits),
        ("yinling_door_bytes_in_total", "Bytes read", &stats.bytes_in),
        ("yinling_door_bytes_out_total", "Bytes written", &stats.bytes_out),
        ("yinling_door_down_sent_total", "Commands written to devices", &stats.down_sent),
        ("yinling_door_down_acknowledged_total", "Commands that devices acknowledged", &stats.down_acknowledged),
        ("yinling_feed_published_total", "Events published to the MQTT feed", &stats.feed_published),
        ("yinling_feed_dropped_total", "Events the feed's router could not take", &stats.feed_dropped),
        ("yinling_feed_delivered_total", "Events written to subscribers", &stats.feed_delivered),
        ("yinling_feed_cut_total", "Subscribers cut because they did not read", &stats.feed_cut),
    ];
    for (name, help, counter) in others {
        text.put(name, "counter", help, DoorStats::read(counter));
    }
}

fn check(name: &'static str, ok: bool, reason: impl FnOnce() -> String) -> Check {
    Check::new(name, ok, if ok { "ok".to_owned() } else { reason() })
}

#[derive(Default)]
struct Metrics(String);

impl Metrics {
    fn put(&mut self, name: &str, kind: &str, help: &str, value: u64) {
        // Writing into a string cannot fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}");
    }

    fn head(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn put_labelled(&mut self, name: &str, labels: &str, value: u64) {
        let _ = match labels {
            "" => writeln!(self.0, "{name} {value}"),
            _ => writeln!(self.0, "{name}{{{labels}}} {value}"),
        };
    }
}
