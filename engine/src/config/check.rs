//! From the merged layers to a checked [`Config`].

use std::net::SocketAddr;
use std::path::PathBuf;

use chrono_tz::Tz;
use model::Language;
use serde_json::Value;

use super::casework;
use super::channels;
use super::document::{Faults, Object, below, nearest};
use super::layers::Merged;
use super::{Config, ConfigFault, ConfigFaults, GIBIBYTE, KIBIBYTE, MEBIBYTE, TlsSettings, WatchdogSettings};

/// The most faults that are told in words.
const FAULTS_MAX: usize = 100;
/// 1 TiB, above which a size is a slip of the keyboard.
const SIZE_BYTES_MAX: u64 = 1024 * GIBIBYTE;

pub(super) fn check(merged: &Merged) -> Result<Config, ConfigFaults> {
    let (config, faults) = survey(merged);
    if faults.is_empty() { Ok(config) } else { Err(ConfigFaults(faults)) }
}

/// What is right of it, and what is wrong with it.
pub(super) fn survey(merged: &Merged) -> (Config, Vec<ConfigFault>) {
    let mut faults = Faults::new(FAULTS_MAX);
    let config = walk(&merged.document, &merged.environment, &mut faults);
    let told = faults.into_list().into_iter().map(|fault| {
        let key = fault.pointer.trim_start_matches('/').replace('/', ".");
        ConfigFault { source: merged.source_of(&key), key, detail: fault.detail }
    });
    (config, told.collect())
}

fn walk(document: &Value, environment: &[(String, String)], faults: &mut Faults) -> Config {
    let mut config = Config::default();
    let Some(mut root) = Object::new(document, String::new(), faults) else { return config };
    if let Some(path) = text(&mut root, "data", faults) {
        config.data = PathBuf::from(path);
    }
    config.zone = zone(&mut root, faults).unwrap_or(config.zone);
    let languages = [("zh-CN", Language::ZhCn), ("en", Language::En)];
    config.language = root.word("language", &languages, faults).unwrap_or(config.language);
    if let Some(section) = root.object("http", faults) {
        http(&mut config, section, faults);
    }
    if let Some(section) = root.object("mqtt", faults) {
        mqtt(&mut config, section, faults);
    }
    if let Some(section) = root.object("tls", faults) {
        config.tls = tls(section, faults);
    }
    if let Some(section) = root.object("journal", faults) {
        journal(&mut config, section, faults);
    }
    if let Some(section) = root.object("history", faults) {
        history(&mut config, section, faults);
    }
    if let Some(section) = root.object("api", faults) {
        api(&mut config, section, faults);
    }
    if let Some(section) = root.object("webhooks", faults) {
        webhooks(&mut config, section, faults);
    }
    if let Some(section) = root.object("channels", faults) {
        channels::channels(&mut config, section, environment, faults);
    }
    if let Some(section) = root.object("casework", faults) {
        config.casework = casework::casework(section, faults);
    }
    // Where somebody can be called or texted, somebody is to go on with it; elsewhere there is nothing to go on with.
    let calls =
        [model::Channel::Voice, model::Channel::Sms].iter().any(|channel| config.channels.contains_key(channel));
    config.watchdog = match root.object("watchdog", faults) {
        Some(section) => watchdog(section, environment, faults),
        None => calls.then(WatchdogSettings::default),
    };
    root.finish(faults);
    config
}

fn http(config: &mut Config, mut section: Object<'_>, faults: &mut Faults) {
    let http = &mut config.http;
    http.allow_plaintext = section.boolean("allow_plaintext", faults).unwrap_or_default();
    http.listen = listen(&mut section, http.listen, http.allow_plaintext, faults);
    http.tls_listen = tls_listen(&mut section, 8_443, faults);
    if let Some(url) = url(&mut section, "public_url", faults) {
        http.public_url = Some(url.trim_end_matches('/').to_owned());
    }
    let attribution = text(&mut section, "tiles_attribution", faults).unwrap_or_default().to_owned();
    if let Some(url) = url(&mut section, "tiles_url", faults) {
        if ::channels::tiles::PLACES.iter().all(|place| url.contains(place)) {
            http.tiles = Some(super::TileSettings { url: url.to_owned(), attribution });
        } else {
            let zh = "须含 {z}、{x} 和 {y}，例如 …/{z}/{x}/{y}.png";
            faults.add(section.at("tiles_url"), "must have {z}, {x} and {y} in it, e.g. …/{z}/{x}/{y}.png", zh);
        }
    }
    section.finish(faults);
}

fn mqtt(config: &mut Config, mut section: Object<'_>, faults: &mut Faults) {
    let mqtt = &mut config.mqtt;
    mqtt.allow_plaintext = section.boolean("allow_plaintext", faults).unwrap_or_default();
    mqtt.listen = listen(&mut section, mqtt.listen, mqtt.allow_plaintext, faults);
    mqtt.tls_listen = tls_listen(&mut section, 8_883, faults);
    size(&mut section, "packet_bytes_max", 1_024..=16 * MEBIBYTE, &mut mqtt.packet_bytes_max, faults);
    size(&mut section, "array_items_max", 1..=100_000, &mut mqtt.array_items_max, faults);
    if let Some(receive_maximum) = section.integer("receive_maximum", 1..=65_535, faults) {
        mqtt.receive_maximum = u16::try_from(receive_maximum).unwrap_or(u16::MAX);
    }
    size(&mut section, "connections_max", 1..=10_000_000, &mut mqtt.connections_max, faults);
    size(&mut section, "held_bytes_max", 64 * KIBIBYTE..=GIBIBYTE, &mut mqtt.held_bytes_max, faults);
    seconds(&mut section, "connect_seconds_max", 1..=600, &mut mqtt.connect_seconds_max, faults);
    seconds(&mut section, "keep_alive_seconds_max", 10..=65_535, &mut mqtt.keep_alive_seconds_max, faults);
    section.finish(faults);
}

fn tls(mut section: Object<'_>, faults: &mut Faults) -> Option<TlsSettings> {
    let mut path = |name: &'static str, is_required: bool| match section.has(name) || is_required {
        true => section.required_text(name, faults).map(PathBuf::from),
        false => section.text(name, faults).map(PathBuf::from),
    };
    let (certificate, key, client_ca) = (path("certificate", true), path("key", true), path("client_ca", false));
    let require_client_certificate = section.boolean("require_client_certificate", faults).unwrap_or_default();
    if require_client_certificate && client_ca.is_none() {
        faults.add(
            section.at("require_client_certificate"),
            "without `client_ca` nobody could show a certificate; set it too",
            "未设 `client_ca` 时无人能出示证书，请一并设置",
        );
    }
    section.finish(faults);
    Some(TlsSettings { certificate: certificate?, key: key?, client_ca, require_client_certificate })
}

/// Where to listen with TLS.
fn tls_listen(section: &mut Object<'_>, port: u16, faults: &mut Faults) -> Option<SocketAddr> {
    let address = text(section, "tls_listen", faults)?;
    let parsed = address.parse::<SocketAddr>();
    if parsed.is_err() {
        faults.add(
            section.at("tls_listen"),
            format!("{address:?} is not an address and port, like \"0.0.0.0:{port}\""),
            format!("{address:?} 不是“地址:端口”，应形如 \"0.0.0.0:{port}\""),
        );
    }
    parsed.ok()
}

fn journal(config: &mut Config, mut section: Object<'_>, faults: &mut Faults) {
    let journal = &mut config.journal;
    for (name, range, target) in [
        ("segment_bytes", 4 * MEBIBYTE..=4 * GIBIBYTE, &mut journal.segment_bytes),
        ("retain_bytes", 64 * MEBIBYTE..=SIZE_BYTES_MAX, &mut journal.retain_bytes),
        ("checkpoint_records", 1_000..=100_000_000, &mut journal.checkpoint_records),
        ("disk_reserve_bytes", 0..=SIZE_BYTES_MAX, &mut journal.disk_reserve_bytes),
    ] {
        *target = section.integer(name, range, faults).unwrap_or(*target);
    }
    seconds(&mut section, "retain_days", 1..=3_650, &mut journal.retain_days, faults);
    section.finish(faults);
}

fn history(config: &mut Config, mut section: Object<'_>, faults: &mut Faults) {
    let history = &mut config.history;
    for (name, target) in [
        ("positions_days", &mut history.positions_days),
        ("vitals_days", &mut history.vitals_days),
        ("device_days", &mut history.device_days),
    ] {
        seconds(&mut section, name, 1..=3_650, target, faults);
    }
    if let Some(events) = section.integer("events", 10_000..=1_000_000_000, faults) {
        history.events = events;
    }
    section.finish(faults);
}

fn api(config: &mut Config, mut section: Object<'_>, faults: &mut Faults) {
    let api = &mut config.api;
    size(&mut section, "body_bytes_max", KIBIBYTE..=64 * MEBIBYTE, &mut api.body_bytes_max, faults);
    size(&mut section, "import_bytes_max", KIBIBYTE..=8 * MEBIBYTE, &mut api.import_bytes_max, faults);
    size(&mut section, "streams_max", 1..=1_000_000, &mut api.streams_max, faults);
    section.finish(faults);
}

fn webhooks(config: &mut Config, mut section: Object<'_>, faults: &mut Faults) {
    let at = section.at("allow");
    for (index, block) in section.list("allow", faults).iter().enumerate() {
        match block.as_str().unwrap_or_default().parse() {
            Ok(block) => config.webhooks.allow.push(block),
            Err(detail) => faults.add(below(&at, index), detail, "须为地址块，例如 10.0.0.0/8 或 fd00::/8"),
        }
    }
    section.finish(faults);
}

fn watchdog(
    mut section: Object<'_>,
    environment: &[(String, String)],
    faults: &mut Faults,
) -> Option<WatchdogSettings> {
    let mut settings = WatchdogSettings::default();
    let enabled = section.boolean("enabled", faults).unwrap_or(true);
    if let Some(seconds) = section.integer("after_s", 2..=600, faults) {
        settings.after_seconds = u32::try_from(seconds).unwrap_or(settings.after_seconds);
    }
    settings.listen = listen(&mut section, settings.listen, false, faults);
    settings.public_url = url(&mut section, "public_url", faults).map(|url| url.trim_end_matches('/').to_owned());
    settings.voice = channels::channel(&mut section, "voice", environment, faults);
    section.finish(faults);
    enabled.then_some(settings)
}

pub(super) fn text<'v>(object: &mut Object<'v>, name: &'static str, faults: &mut Faults) -> Option<&'v str> {
    if object.has(name) { object.required_text(name, faults) } else { object.text(name, faults) }
}

pub(super) fn size(
    object: &mut Object<'_>,
    name: &'static str,
    range: std::ops::RangeInclusive<u64>,
    target: &mut usize,
    faults: &mut Faults,
) {
    if let Some(found) = object.integer(name, range, faults) {
        *target = usize::try_from(found).unwrap_or(usize::MAX);
    }
}

fn seconds(
    object: &mut Object<'_>,
    name: &'static str,
    range: std::ops::RangeInclusive<u64>,
    target: &mut u32,
    faults: &mut Faults,
) {
    if let Some(found) = object.integer(name, range, faults) {
        *target = u32::try_from(found).unwrap_or(u32::MAX);
    }
}

fn zone(root: &mut Object<'_>, faults: &mut Faults) -> Option<Tz> {
    let name = text(root, "zone", faults)?;
    if let Ok(zone) = name.parse::<Tz>() {
        return Some(zone);
    }
    let names: Vec<&str> = chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name()).collect();
    let meant = nearest_zone(name, &names).map_or_else(String::new, |near| format!("; did you mean \"{near}\"?"));
    let detail = format!("{name:?} is no zone of the IANA database (they look like \"Asia/Shanghai\"){meant}");
    faults.add(root.at("zone"), detail, format!("{name:?} 不是 IANA 时区名，应形如 \"Asia/Shanghai\""));
    None
}

fn nearest_zone<'n>(name: &str, names: &[&'n str]) -> Option<&'n str> {
    let lowered: Vec<String> = names.iter().map(|name| name.to_lowercase()).collect();
    let known: Vec<&str> = lowered.iter().map(String::as_str).collect();
    let near = nearest(name, &known)?;
    known.iter().position(|known| *known == near).map(|index| names[index])
}

/// Where to listen. Plain text beyond loopback carries names and positions over the wire: it must be asked for.
fn listen(section: &mut Object<'_>, default: SocketAddr, plaintext: bool, faults: &mut Faults) -> SocketAddr {
    let Some(address) = text(section, "listen", faults) else { return default };
    let at = section.at("listen");
    let Ok(parsed) = address.parse::<SocketAddr>() else {
        let detail = format!("{address:?} is not an address and port, like \"127.0.0.1:{}\"", default.port());
        faults.add(at, detail, format!("{address:?} 不是“地址:端口”，应形如 \"127.0.0.1:{}\"", default.port()));
        return default;
    };
    if !parsed.ip().is_loopback() && !plaintext {
        let pointer = section.pointer().trim_start_matches('/');
        let detail = format!(
            "{parsed} can be reached from outside, without encryption; set `tls_listen` instead, listen on \
             127.0.0.1 behind a proxy that does TLS, or set `allow_plaintext = true` under [{pointer}]"
        );
        faults.add(
            at,
            detail,
            format!("{parsed} 可从外部访问且未加密；请改用 `tls_listen`，或监听 127.0.0.1 并由代理提供 TLS，或在 [{pointer}] 下设 `allow_plaintext = true`"),
        );
    }
    parsed
}

pub(super) fn url<'v>(object: &mut Object<'v>, name: &'static str, faults: &mut Faults) -> Option<&'v str> {
    let url = text(object, name, faults)?;
    match fault_of_url(url) {
        None => Some(url),
        Some((detail, detail_zh)) => {
            faults.add(object.at(name), detail, detail_zh);
            None
        }
    }
}

/// A URL that must be there.
pub(super) fn required_url<'v>(object: &mut Object<'v>, name: &'static str, faults: &mut Faults) -> Option<&'v str> {
    if object.has(name) { url(object, name, faults) } else { object.required_text(name, faults) }
}

pub(super) fn fault_of_url(url: &str) -> Option<(&'static str, &'static str)> {
    let Some(host) = host_of(url) else {
        return Some((
            "is not a URL with http:// or https:// and a host",
            "不是以 http:// 或 https:// 开头且含主机名的网址",
        ));
    };
    if host.contains('@') {
        return Some((
            "names a user in the URL; put what authenticates into `secret`",
            "网址中含用户名，请改用 `secret`",
        ));
    }
    if url.contains(|c: char| c.is_whitespace() || c.is_control() || c == '#') {
        return Some(("has a space, a control character or a # in it", "网址中含空格、控制字符或 #"));
    }
    None
}

/// The authority of an http or https URL: host and port.
fn host_of(url: &str) -> Option<&str> {
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"))?;
    let host = rest.split(['/', '?']).next()?;
    (!host.is_empty() && !host.starts_with(':')).then_some(host)
}

pub(super) fn is_loopback(host: &str) -> bool {
    let name = host.strip_prefix("[::1]").map_or_else(|| host.split(':').next().unwrap_or(host), |_| "::1");
    name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}
