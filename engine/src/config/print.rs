//! The configuration in force, as TOML that could be written to a file, with the secrets left out.

use channels::directory::name_of;
use model::Language;
use toml::{Table, Value};

use super::Config;

/// What stands for a secret.
pub(super) const REDACTED: &str = "***";

pub(super) fn print(config: &Config) -> String {
    let mut root = Table::new();
    root.insert("data".into(), Value::from(config.data.to_string_lossy().into_owned()));
    root.insert("zone".into(), Value::from(config.zone.name()));
    let language = match config.language {
        Language::ZhCn => "zh-CN",
        Language::En => "en",
    };
    root.insert("language".into(), Value::from(language));
    let mut http = table(&[("listen", Value::from(config.http.listen.to_string()))]);
    if let Some(url) = &config.http.public_url {
        http.insert("public_url".into(), Value::from(url.as_str()));
    }
    if let Some(tiles) = &config.http.tiles {
        // It may hold the provider's key.
        http.insert("tiles_url".into(), Value::from(REDACTED));
        http.insert("tiles_attribution".into(), Value::from(tiles.attribution.as_str()));
    }
    http.insert("allow_plaintext".into(), Value::from(config.http.allow_plaintext));
    if let Some(listen) = config.http.tls_listen {
        http.insert("tls_listen".into(), Value::from(listen.to_string()));
    }
    if let Some(tls) = &config.tls {
        let path = |path: &std::path::Path| Value::from(path.to_string_lossy().into_owned());
        let mut section = table(&[("certificate", path(&tls.certificate)), ("key", path(&tls.key))]);
        if let Some(authority) = &tls.client_ca {
            section.insert("client_ca".into(), path(authority));
            section.insert("require_client_certificate".into(), Value::from(tls.require_client_certificate));
        }
        root.insert("tls".into(), Value::Table(section));
    }
    let mqtt = &config.mqtt;
    let tls_listen = mqtt.tls_listen;
    let mut mqtt = table(&[
        ("listen", Value::from(mqtt.listen.to_string())),
        ("allow_plaintext", Value::from(mqtt.allow_plaintext)),
        ("packet_bytes_max", whole(mqtt.packet_bytes_max)),
        ("array_items_max", whole(mqtt.array_items_max)),
        ("receive_maximum", whole(mqtt.receive_maximum)),
        ("connections_max", whole(mqtt.connections_max)),
        ("held_bytes_max", whole(mqtt.held_bytes_max)),
        ("connect_seconds_max", whole(mqtt.connect_seconds_max)),
        ("keep_alive_seconds_max", whole(mqtt.keep_alive_seconds_max)),
    ]);
    if let Some(listen) = tls_listen {
        mqtt.insert("tls_listen".into(), Value::from(listen.to_string()));
    }
    let journal = &config.journal;
    let journal = table(&[
        ("segment_bytes", whole(journal.segment_bytes)),
        ("retain_days", whole(journal.retain_days)),
        ("retain_bytes", whole(journal.retain_bytes)),
        ("checkpoint_records", whole(journal.checkpoint_records)),
        ("disk_reserve_bytes", whole(journal.disk_reserve_bytes)),
    ]);
    let history = &config.history;
    let history = table(&[
        ("positions_days", whole(history.positions_days)),
        ("vitals_days", whole(history.vitals_days)),
        ("device_days", whole(history.device_days)),
        ("events", whole(history.events)),
    ]);
    let api = &config.api;
    let api = table(&[
        ("body_bytes_max", whole(api.body_bytes_max)),
        ("import_bytes_max", whole(api.import_bytes_max)),
        ("streams_max", whole(api.streams_max)),
    ]);
    let allow = config.webhooks.allow.iter().map(|block| Value::from(block.to_string())).collect();
    let webhooks = table(&[("allow", Value::Array(allow))]);
    let channels = config.channels.iter().map(|(channel, settings)| {
        let mut section = Value::try_from(&settings.written).ok().and_then(|value| value.try_into().ok());
        let section = section.get_or_insert_with(Table::new);
        // Where everything stands under its own name, there is no first one whose kind could be told.
        let has_first = settings.written.is_empty() || settings.written.contains_key("kind");
        if let Some(first) = settings.providers.first().filter(|_| has_first) {
            section.insert("kind".into(), Value::from(first.provider.kind()));
            section.insert("timeout_ms".into(), whole(first.timeout_ms));
            section.insert("concurrency".into(), whole(first.concurrency));
        }
        (name_of(*channel).to_owned(), Value::Table(std::mem::take(section)))
    });
    let channels: Table = channels.collect();
    let casework = super::casework::print(&config.casework);
    let sections = [
        ("http", http),
        ("mqtt", mqtt),
        ("journal", journal),
        ("history", history),
        ("api", api),
        ("webhooks", webhooks),
        ("channels", channels),
        ("casework", casework),
    ];
    for (name, section) in sections {
        root.insert(name.into(), Value::Table(section));
    }
    // A table of strings, integers and booleans always has a TOML form.
    toml::to_string(&root).unwrap_or_default()
}

fn table(members: &[(&str, Value)]) -> Table {
    members.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

fn whole(number: impl TryInto<i64>) -> Value {
    Value::Integer(number.try_into().unwrap_or(i64::MAX))
}
