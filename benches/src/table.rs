//! The table's sections, in Markdown.

use std::fmt::Write;

use hdrhistogram::Histogram;

use crate::core::Core;
use crate::crowd::{Crowd, Storm};
use crate::feed::Feed;
use crate::ingest::{Side, Window};
use crate::latency::{Latency, Times};
use crate::restart::Restart;

/// Nanoseconds to milliseconds.
fn at(times: &Histogram<u64>, quantile: f64) -> f64 {
    times.value_at_quantile(quantile) as f64 / 1e6
}

fn kib(bytes: f64) -> String {
    format!("{:.1} KiB", bytes / 1024.0)
}

/// A peer that is not installed has no column.
pub(crate) fn ingest(windows: &[Window], connections: usize) -> String {
    let has_mosquitto = windows.iter().any(|window| !window.mosquitto.rate.is_empty());
    let mosquitto = |column: &'static str| if has_mosquitto { column } else { "" };
    let mut text = format!(
        "| QoS 1, {connections} connections, window | rumqttd, RAM only, M/s |{} Yinling, fdatasynced, M/s | ratio to \
         rumqttd | reach |\n|---:|---:|{}---:|---:|---:|\n",
        mosquitto(" mosquitto, RAM only, M/s |"),
        mosquitto("---:|"),
    );
    let sides = |window: &Window, tell: &dyn Fn(&Side) -> String| {
        let sides = [Some(&window.peer), has_mosquitto.then_some(&window.mosquitto), Some(&window.yinling)];
        sides.into_iter().flatten().map(tell).collect::<Vec<_>>()
    };
    for window in windows {
        let reach = window.target().map_or("–".to_owned(), |target| format!("≥ {target}"));
        let rates = sides(window, &|side| side.rate.told(1e6, 3)).join(" | ");
        let _ = writeln!(text, "| {} | {rates} | **{:.2}** | {reach} |", window.window, window.ratio());
    }
    text.push_str(
        "\n| the same runs | processor time of the server a report, µs | idle · stolen, % | p99 of a window, ms | \
         behind |\n|---:|---|---|---|---:|\n",
    );
    for window in windows {
        let each = |tell: &dyn Fn(&Side) -> String| sides(window, tell).join(" / ");
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | ≤ {} |",
            window.window,
            each(&|side| format!("{:.2}", side.processor_us.median())),
            each(&|side| format!("{:.0} · {:.0}", side.idle.median() * 100.0, side.stolen.median() * 100.0)),
            each(&|side| format!("{:.1}", side.p99_us as f64 / 1000.0)),
            window.lag_max,
        );
    }
    let _ = write!(
        text,
        "\nMedian, lowest and highest run. Several figures stand for rumqttd / {}Yinling. Behind: reports that were durable \
         and not yet in the view when a run ended.",
        mosquitto("mosquitto / ")
    );
    let limited: u32 = windows.iter().map(|window| window.generator_limited).sum();
    if limited > 0 {
        let _ = write!(text, " In {limited} runs the generator was the limit.");
    }
    text
}

pub(crate) fn latency(latency: &Latency) -> String {
    let reach_p50 = 1.5 * at(&latency.disk.all, 0.5) + 0.3;
    let mut text =
        "| | p50 (of the blocks), ms | p99, ms | max, ms | reach | samples |\n|---|---:|---:|---:|---|---:|\n"
            .to_owned();
    let mut row = |name: &str, times: &Times, reach: &str| {
        if times.all.is_empty() {
            return;
        }
        let (p99, max) = (at(&times.all, 0.99), at(&times.all, 1.0));
        let _ = writeln!(
            text,
            "| {name} | {} | {p99:.2} | {max:.2} | {reach} | {} |",
            times.medians.told(1e6, 2),
            times.all.len()
        );
    };
    row("loopback: 128 bytes there and back", &latency.loopback, "–");
    row("the disk: pwrite 4 KiB + fdatasync", &latency.disk, "–");
    row("the same, each after a pause like that between two SOS", &latency.rested_disk, "–");
    row("**SOS → first byte at the provider, idle**", &latency.idle, &format!("p50 ≤ {reach_p50:.2}, p99 ≤ 5"));
    row("SOS → PUBACK, idle", &latency.idle_acknowledged, "–");
    row("the same to mosquitto + node-red, nothing synced, idle", &latency.flow, "–");
    row(
        &format!("**SOS → first byte, {:.3} M reports/s beside it**", latency.background_was.rate / 1e6),
        &latency.loaded,
        "p99 ≤ 10",
    );
    let _ = write!(
        text,
        "\nThe reach of p50 is 1.5 × the disk's + 0.3 ms. Beside it were to be {:.3} M reports/s, open loop, {}; their \
         PUBACKs took p50 {:.1} and p99 {:.1} ms from the intended time, {} left late because of the generator.",
        latency.background / 1e6,
        latency.background_spent,
        latency.background_was.p50_us as f64 / 1000.0,
        latency.background_was.p99_us as f64 / 1000.0,
        latency.background_was.late_sends,
    );
    text
}

pub(crate) fn connections(crowd: &Crowd) -> String {
    let mut text = format!(
        "| {} connections that only stay | bytes each | of half as many | all there after | reach |\n\
         |---|---:|---:|---:|---|\n",
        crowd.connections
    );
    let sides = [("**Yinling**", Some(&crowd.yinling), "≤ 12 KiB"), ("mosquitto", crowd.mosquitto.as_ref(), "–")];
    for (name, stay, reach) in sides {
        let Some(stay) = stay else { continue };
        let (all, half) = (kib(stay.bytes), kib(stay.bytes_of_half));
        let _ = writeln!(text, "| {name} | {all} | {half} | {:.1} s | {reach} |", stay.connected_s);
    }
    if let Some(files) = crowd.files {
        let _ = write!(text, "\nMore do not fit: a process may have {files} open files on this machine.");
    }
    text
}

pub(crate) fn storm(storm: &Storm) -> String {
    let mut text = format!(
        "| {} come back at the same moment | all are in after, s | knocked again | reach |\n|---|---:|---:|---|\n",
        storm.devices
    );
    let _ = writeln!(text, "| **Yinling** | {} | {} | ≤ 10 |", storm.yinling_s.told(1.0, 2), storm.yinling_retries);
    if !storm.mosquitto_s.is_empty() {
        let (took, retries) = (storm.mosquitto_s.told(1.0, 2), storm.mosquitto_retries);
        let _ = writeln!(text, "| mosquitto, everybody let in unasked | {took} | {retries} | – |");
    }
    let _ = write!(
        text,
        "\n{} SOS meanwhile: to the provider p50 {:.1}, p99 {:.1}, max **{:.1} ms** (reach: ≤ 100); to the PUBACK p50 {:.1}, \
         max {:.1} ms.",
        storm.sos.len(),
        at(&storm.sos, 0.5),
        at(&storm.sos, 0.99),
        at(&storm.sos, 1.0),
        at(&storm.sos_acknowledged, 0.5),
        at(&storm.sos_acknowledged, 1.0),
    );
    text
}

pub(crate) fn core(cores: &[Core]) -> String {
    let mut text =
        "| one thread, 2 fences a wearer | decode, ns | decide, ns | encode, ns | decode + decide | reach |\n\
                    |---|---:|---:|---:|---:|---|\n"
            .to_owned();
    for core in cores {
        let _ = writeln!(
            text,
            "| {} wearers, {} reports at a time | {} | {} | {} | **{:.2} M/s** | ≥ 1 M/s |",
            core.wearers,
            core.parcel_reports,
            core.decode.as_nanos(),
            core.decide.as_nanos(),
            core.encode.as_nanos(),
            core.reports_per_second() / 1e6,
        );
    }
    text
}

pub(crate) fn restart(restart: &Restart) -> String {
    let Restart { wearers, records, .. } = restart;
    let (imported, took) = (restart.imported.as_secs_f64(), restart.took.as_secs_f64());
    format!(
        "| | measured | reach |\n|---|---:|---|\n\
         | start after kill -9: {wearers} wearers, {records} records, no checkpoint | **{took:.1} s** | ≤ 15 s |\n\
         | the import of the wearers, with two fences and a device each | {imported:.1} s | – |\n"
    )
}

pub(crate) fn feed(feed: &Feed) -> String {
    let mut text = "| | p50, ms | p99, ms | max, ms | reach |\n|---|---:|---:|---:|---|\n".to_owned();
    let mut row = |name: String, times: &Histogram<u64>, reach: &str| {
        let [p50, p99, max] = [0.5, 0.99, 1.0].map(|quantile| at(times, quantile));
        let _ = writeln!(text, "| {name} | {p50:.1} | {p99:.1} | {max:.1} | {reach} |");
    };
    let (readers, events) = (feed.readers, feed.events);
    row(
        format!("an incident's commit → its line at each of {readers} readers, {:.0} reports/s", feed.background),
        &feed.heard,
        "p99 ≤ 100",
    );
    row(format!("a page of what just happened, {events} events behind it"), &feed.newest, "p99 ≤ 20");
    row("a page of the oldest".to_owned(), &feed.oldest, "p99 ≤ 20");
    text
}

#[cfg(test)]
mod tests {
    use super::{Window, ingest};

    #[test]
    fn a_peer_that_is_not_installed_has_no_column() {
        let mut window = Window { window: 10, ..Window::default() };
        for side in [&mut window.peer, &mut window.yinling] {
            side.rate.add(1e6);
            side.processor_us.add(2.0);
            side.idle.add(0.1);
            side.stolen.add(0.0);
        }
        let alone = ingest(&[window], 64);
        assert!(!alone.contains("mosquitto") && !alone.contains("NaN"), "{alone}");
        assert!(alone.contains("| 10 | 1.000 (1.000–1.000) | 1.000 (1.000–1.000) | **1.00** | ≥ 1.5 |"), "{alone}");
        let mut with = Window { window: 10, ..Window::default() };
        with.mosquitto.rate.add(2e6);
        assert!(ingest(&[with], 64).contains("| mosquitto, RAM only, M/s |"));
    }
}
