//! The table, in Markdown.

use std::fmt::Write;
use std::path::Path;

use anyhow::Context;
use hdrhistogram::Histogram;

use crate::core::Core;
use crate::crowd::Crowd;
use crate::ingest::Window;
use crate::latency::Latency;
use crate::restart::Restart;

const BEGIN: &str =
    "<!-- table: begin (written by `cargo run --release -p benches -- --write docs/performance.md`) -->";
const BEGIN_PREFIX: &str = "<!-- table: begin";
const END: &str = "<!-- table: end -->";

/// Everything that was measured.
pub(crate) struct Table {
    machine: String,
    pub(crate) core: Vec<Core>,
    pub(crate) ingest: Vec<Window>,
    pub(crate) latency: Option<Latency>,
    /// mosquitto with a node-red flow: publish to provider, nanoseconds.
    pub(crate) flow: Option<Histogram<u64>>,
    pub(crate) crowd: Option<Crowd>,
    pub(crate) restart: Option<Restart>,
    pub(crate) fences: Vec<String>,
}

impl Table {
    pub(crate) fn new(machine: String) -> Table {
        Table {
            machine,
            core: Vec::new(),
            ingest: Vec::new(),
            latency: None,
            flow: None,
            crowd: None,
            restart: None,
            fences: Vec::new(),
        }
    }

    /// The highest median ingest rate.
    pub(crate) fn peak(&self) -> Option<f64> {
        self.ingest.iter().map(|window| window.yinling.median()).max_by(f64::total_cmp)
    }

    pub(crate) fn render(&self) -> String {
        let mut text = format!("Machine: {}; servers and generator share the cores.\n", self.machine);
        if !self.core.is_empty() {
            render_core(&mut text, &self.core);
        }
        if !self.ingest.is_empty() {
            self.render_ingest(&mut text);
        }
        if let Some(latency) = &self.latency {
            render_latency(&mut text, latency, self.flow.as_ref());
        }
        if self.crowd.is_some() || self.restart.is_some() {
            self.render_crowd(&mut text);
        }
        if !self.fences.is_empty() {
            let _ = write!(
                text,
                "\nFences (`cargo bench -p benches --bench fences`):\n\n```\n{}\n```\n",
                self.fences.join("\n")
            );
        }
        text
    }

    fn render_ingest(&self, text: &mut String) {
        text.push_str(
            "\n| durable ingest, QoS 1, 64 connections | rumqttd, RAM only, msg/s | mosquitto, RAM only, msg/s | \
             yinling, fdatasynced, msg/s | ratio to rumqttd | reach | p99 of a window: rumqttd · yinling | \
             projection behind, reports |\n|---|---|---|---|---|---|---|---|\n",
        );
        for window in &self.ingest {
            let reach = window.target().map_or("–".to_owned(), |target| format!("≥ {target}"));
            let ms = |us: u64| format!("{:.1} ms", us as f64 / 1000.0);
            let _ = writeln!(
                text,
                "| window {} | {} | {} | {} | **{:.2}** | {reach} | {} · {} | ≤ {} |",
                window.window,
                window.peer,
                window.mosquitto,
                window.yinling,
                window.ratio(),
                ms(window.peer_p99_us),
                ms(window.yinling_p99_us),
                window.lag_max,
            );
        }
    }

    fn render_crowd(&self, text: &mut String) {
        text.push_str("\n| many at once | measured | beside it | reach |\n|---|---|---|---|\n");
        if let Some(crowd) = &self.crowd {
            let kib = |bytes: f64| format!("{:.1} KiB", bytes / 1024.0);
            let _ = writeln!(
                text,
                "| {} connections that stay{} | **{}** each, connected in {:.1} s | mosquitto {} each | ≤ 12 KiB |",
                crowd.connections,
                crowd.files.map_or(String::new(), |most| format!(" (a process has {most} open files here)")),
                kib(crowd.yinling_bytes),
                crowd.connected_s,
                crowd.mosquitto_bytes.map_or("–".to_owned(), kib),
            );
            let ms = |quantile| crowd.storm_sos.value_at_quantile(quantile) as f64 / 1e6;
            let _ = writeln!(
                text,
                "| {} come back at once | **{:.1} s**; {} SOS meanwhile p50 {:.1} ms, max {:.1} ms | – | ≤ 10 s, ≤ 100 ms |",
                crowd.storm,
                crowd.storm_s,
                crowd.storm_sos.len(),
                ms(0.5),
                ms(1.0)
            );
        }
        if let Some(restart) = &self.restart {
            let Restart { wearers, records, .. } = restart;
            let (imported, took) = (restart.imported.as_secs_f64(), restart.took.as_secs_f64());
            let _ = writeln!(
                text,
                "| start after kill -9: {wearers} wearers, {records} records | **{took:.1} s** | – | ≤ 15 s |\n\
                 | their import, {wearers} wearers with two fences and a device each | {imported:.1} s | – | – |"
            );
        }
    }
}

fn render_core(text: &mut String, cores: &[Core]) {
    text.push_str(
        "\n| rule core, one thread, 2 fences a wearer | decode | decide | encode | decode + decide | reach |\n|---|---|---|---|---|---|\n",
    );
    for core in cores {
        let _ = writeln!(
            text,
            "| {} wearers, {} reports at a time | {} ns | {} ns | {} ns | **{:.2} M/s** | ≥ 1 M/s |",
            core.wearers,
            core.parcel_reports,
            core.decode.as_nanos(),
            core.decide.as_nanos(),
            core.encode.as_nanos(),
            core.reports_per_second() / 1e6,
        );
    }
}

fn render_latency(text: &mut String, latency: &Latency, flow: Option<&Histogram<u64>>) {
    let at = |times: &Histogram<u64>, quantile| times.value_at_quantile(quantile) as f64 / 1e6;
    let reach_p50 = 1.5 * at(&latency.disk, 0.5) + 0.3;
    text.push_str("\n| latency | p50 | p99 | max | reach | samples |\n|---|---|---|---|---|---|\n");
    let mut row = |name: &str, times: &Histogram<u64>, reach: &str| {
        let [p50, p99, max] = [0.5, 0.99, 1.0].map(|quantile| format!("{:.3} ms", at(times, quantile)));
        let _ = writeln!(text, "| {name} | {p50} | {p99} | {max} | {reach} | {} |", times.len());
    };
    row("loopback: 128 bytes there and back", &latency.loopback, "–");
    row("the disk: pwrite 4 KiB + fdatasync", &latency.disk, "–");
    row(
        "SOS publish → first byte at the provider, idle",
        &latency.idle,
        &format!("p50 ≤ {reach_p50:.3} ms (1.5 × disk + 0.3), p99 ≤ 5 ms"),
    );
    row("SOS publish → PUBACK, idle", &latency.idle_acknowledged, "–");
    row(
        &format!("SOS publish → first byte, {:.3} M reports/s beside it", latency.background_was.rate / 1e6),
        &latency.loaded,
        "p99 ≤ 10 ms",
    );
    if let Some(flow) = flow {
        row("mosquitto + node-red flow, nothing synced, idle", flow, "–");
    }
    let _ = writeln!(
        text,
        "\nThe background was meant to be {:.3} M reports/s (half of the highest ingest rate), open loop; its own PUBACKs \
         took p50 {:.1} ms, p99 {:.1} ms from the intended time; {} reports left late because of the generator.",
        latency.background / 1e6,
        latency.background_was.p50_us as f64 / 1000.0,
        latency.background_was.p99_us as f64 / 1000.0,
        latency.background_was.late_sends,
    );
}

/// Replaces the table in a page; the rest of the page stays.
pub(crate) fn write_into(path: &Path, table: &str) -> anyhow::Result<()> {
    let page = std::fs::read_to_string(path)?;
    std::fs::write(path, replaced(&page, table)?)?;
    Ok(())
}

fn replaced(page: &str, table: &str) -> anyhow::Result<String> {
    let (before, rest) = page.split_once(BEGIN_PREFIX).context("the page has no line that begins the table")?;
    let (_, after) = rest.split_once(END).context("the page has no line that ends the table")?;
    Ok(format!("{before}{BEGIN}\n\n{table}\n{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_table_is_replaced() {
        let page = format!("before\n{BEGIN}\nold\n{END}\nafter\n");
        let once = replaced(&page, "| new |").unwrap();
        assert_eq!(once, format!("before\n{BEGIN}\n\n| new |\n{END}\nafter\n"));
        assert_eq!(replaced(&once, "| new |").unwrap(), once);
        assert!(replaced("no table here", "").is_err());
    }
}
