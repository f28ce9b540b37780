//! What the crates count by themselves (`metrics::counter!` and its like), for `/metrics`. One recorder for the process,
//! as `metrics` has it.

use std::sync::OnceLock;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

static HANDLE: OnceLock<Option<PrometheusHandle>> = OnceLock::new();

/// Begins to count. Calling it again changes nothing.
pub fn begin() {
    handle();
    describe();
}

/// Everything that was counted, as Prometheus text.
#[must_use]
pub fn render() -> String {
    let text = handle().map(PrometheusHandle::render).unwrap_or_default();
    without_empty_quantiles(&text)
}

/// When nothing happened lately there is no quantile; the exporter says 0, which would read as very fast. Nothing that is
/// measured here takes no time at all.
fn without_empty_quantiles(text: &str) -> String {
    let is_empty = |line: &&str| line.contains("quantile=\"") && line.ends_with(" 0");
    text.lines().filter(|line| !is_empty(line)).flat_map(|line| [line, "\n"]).collect()
}

/// What each of them counts: the parts that count know no exporter.
fn describe() {
    for (name, help) in [
        ("http_requests_total", "Requests, by route and status"),
        ("http_handshakes_failed_total", "TLS handshakes at the API's door that failed"),
        (
            "http_handshakes_turned_away_total",
            "Connections to the API's TLS port that came while too many handshakes were under way",
        ),
        ("api_unauthenticated_total", "Requests without a token or session that holds"),
        ("api_logins_total", "People who tried to sign in"),
        ("api_cross_site_total", "Requests with a cookie that came from another site"),
        ("api_callbacks_refused_total", "Callbacks of gateways that were not taken"),
        ("api_guardian_links_refused_total", "Links of guardians that did not hold"),
        ("api_guardian_codes_total", "Codes that guardians entered"),
        ("channel_sends_total", "Messages handed to providers, by what came of it"),
        ("channel_questions_total", "Questions to providers about what became of a message"),
        ("map_tiles_total", "Map tiles that were asked for"),
        ("tls_reloads_total", "Certificates that were read again"),
        ("yinling_calls_left_to_ring_total", "Calls that could not be hung up when somebody went"),
        ("yinling_watchdog_alarms_unreadable_total", "Alarms in the watchdog's log that could not be read"),
        ("yinling_watchdog_lines_unread_total", "Lines of the watchdog's log that could not be read"),
        ("yinling_webhook_deliveries_total", "Deliveries to webhooks, by what came of it"),
    ] {
        metrics::describe_counter!(name, help);
    }
    metrics::describe_gauge!("yinling_webhook_lag_events", "Events that a webhook has not been told yet");
    metrics::describe_gauge!("yinling_webhook_lag_seconds", "Since when a webhook has not been told, in seconds");
    metrics::describe_histogram!("http_request_seconds", "How long requests took, by route");
    metrics::describe_histogram!("channel_send_seconds", "How long providers took to take a message");
}

/// To be called every few seconds: what was measured is put together, so that it does not pile up.
pub fn tidy() {
    if let Some(handle) = handle() {
        handle.run_upkeep();
    }
}

fn handle() -> Option<&'static PrometheusHandle> {
    let install = || {
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        // Whoever embeds the engine may have a recorder of its own: then these show there.
        metrics::set_global_recorder(recorder).is_ok().then_some(handle)
    };
    HANDLE.get_or_init(install).as_ref()
}

#[cfg(test)]
mod tests {
    use super::without_empty_quantiles;

    #[test]
    fn a_quantile_of_nothing_is_left_out() {
        let text =
            "# TYPE a summary\na{route=\"/x\",quantile=\"0.5\"} 0\na{quantile=\"0.9\"} 0.002\na_sum 0\na_count 0\n";
        assert_eq!(without_empty_quantiles(text), "# TYPE a summary\na{quantile=\"0.9\"} 0.002\na_sum 0\na_count 0\n");
    }
}
