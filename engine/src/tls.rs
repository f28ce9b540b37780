//! Certificates for both doors: read, checked, replaced while everybody stays connected, and made for a first try.
//!
//! A new certificate is taken when one of the files changes, or on SIGHUP; whoever is connected keeps the one that the
//! connection began with. Files that cannot be used change nothing and are told in the log and in the metrics.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use parking_lot::RwLock;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use model::{Clock, Timestamp};

use crate::clock::SystemClock;
use crate::config::{Config, TlsSettings};

/// How often the files are looked at.
const LOOKED_AT_SECONDS: u64 = 5;
/// So long before its end a certificate is spoken of: whoever renews it by hand needs the days, and what renews it by itself
/// has done so by then (ACME clients do with a third of the time left).
pub const ENDS_SOON_SECONDS: i64 = 14 * 86_400;
/// The folder of a data directory in which `init --self-signed` leaves a certificate.
pub const FOLDER: &str = "tls";
const CERTIFICATE_FILE: &str = "certificate.pem";
const KEY_FILE: &str = "key.pem";

/// The settings of both doors, as they are now.
#[derive(Debug)]
pub struct Tls {
    settings: TlsSettings,
    now: RwLock<Both>,
}

#[derive(Debug, Clone)]
struct Both {
    http: Arc<ServerConfig>,
    mqtt: Arc<ServerConfig>,
    /// From when and until when the server's own certificate holds, as far as it says.
    holds: Holds,
    /// The files as they were when these were made.
    files: Vec<Option<Seen>>,
    /// What is wrong with the files that came since, which are not used.
    refused: Option<String>,
    /// When they will hold, if that is why.
    again_at: Option<Timestamp>,
}

/// From when and until when a certificate holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holds {
    /// From then on.
    pub from: Timestamp,
    /// Until then.
    pub until: Timestamp,
}

impl Holds {
    /// Of the first one, which is the server's own: whoever connects looks for a way past an old one behind it.
    fn of(certificates: &[CertificateDer<'_>]) -> Holds {
        let own = certificates.first().and_then(|certificate| broker::validity(certificate));
        let (from, until) = own.unwrap_or((Timestamp::EPOCH, Timestamp::LATEST));
        Holds { from, until }
    }

    /// Why nobody accepts it now.
    fn fault(self, now: Timestamp) -> Option<String> {
        if now > self.until {
            return Some(format!(
                "the certificate ended at {}: every device and browser refuses it; renew it",
                self.until
            ));
        }
        (now < self.from).then(|| format!("the certificate holds from {} on only; is the clock right?", self.from))
    }

    /// That it ends soon.
    fn warning(self, now: Timestamp) -> Option<String> {
        let ends_soon = self.until.millis_since(now) < ENDS_SOON_SECONDS * 1_000;
        ends_soon.then(|| format!("the certificate ends at {}; renew it before that", self.until))
    }
}

/// How the certificate is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// Until when it holds.
    pub until: Timestamp,
    /// What is wrong.
    pub fault: Option<String>,
    /// What is worth saying.
    pub warning: Option<String>,
}

/// By what a change of a file is noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    inode: u64,
    size: u64,
    changed: (i64, i64),
}

impl Tls {
    /// Reads what the settings name.
    ///
    /// # Errors
    /// A file that cannot be read, holds no certificate or key, or a key that does not belong to the certificate.
    pub fn load(settings: &TlsSettings) -> anyhow::Result<Arc<Tls>> {
        let both = read(settings)?;
        Ok(Arc::new(Tls { settings: settings.clone(), now: RwLock::new(both) }))
    }

    /// For the API.
    #[must_use]
    pub fn http(self: &Arc<Self>) -> api::TlsSource {
        let tls = Arc::clone(self);
        Arc::new(move || Arc::clone(&tls.now.read().http))
    }

    /// For the devices' door.
    #[must_use]
    pub fn mqtt(self: &Arc<Self>) -> broker::TlsSource {
        let tls = Arc::clone(self);
        Arc::new(move || Arc::clone(&tls.now.read().mqtt))
    }

    /// How the certificate is that new connections get.
    #[must_use]
    pub fn condition(&self, now: Timestamp) -> Condition {
        let both = self.now.read();
        let refused = both.refused.as_ref().map(|why| format!("new files are not used: {why}"));
        Condition {
            until: both.holds.until,
            fault: both.holds.fault(now),
            warning: refused.or(both.holds.warning(now)),
        }
    }

    /// Reads the files again; when they cannot be used, what was read before goes on. So it does when the new certificate
    /// does not hold now and the one before does: a device that is turned away cannot call for help.
    pub fn reload(&self, now: Timestamp) {
        let holds = self.now.read().holds;
        let read = read(&self.settings);
        let again_at = read.as_ref().ok().map(|both| both.holds.from).filter(|from| *from > now);
        let read = read.and_then(|both| match both.holds.fault(now) {
            Some(fault) if holds.fault(now).is_none() => {
                Err(anyhow!("{}: {fault}", self.settings.certificate.display()))
            }
            _ => Ok(both),
        });
        match read {
            Ok(both) => {
                *self.now.write() = both;
                metrics::counter!("tls_reloads_total", "result" => "done").increment(1);
                tracing::info!("the TLS certificate was read again; new connections get it");
            }
            Err(error) => {
                // Noted as seen: it is told once, and read again when it changes again, or when it holds.
                let mut now = self.now.write();
                now.files = seen(&self.settings);
                now.refused = Some(format!("{error:#}"));
                now.again_at = again_at;
                drop(now);
                metrics::counter!("tls_reloads_total", "result" => "failed").increment(1);
                tracing::error!("the TLS certificate cannot be used and the one before goes on: {error:#}");
            }
        }
    }

    /// Whether the files changed, or what was refused because it did not hold yet holds by now.
    fn wants_reading(&self, now: Timestamp) -> bool {
        let both = self.now.read();
        both.files != seen(&self.settings) || both.again_at.is_some_and(|at| now >= at)
    }

    /// Reads the files again when one of them changed, and on SIGHUP.
    ///
    /// # Errors
    /// When the signal cannot be listened to.
    pub fn watch(self: &Arc<Self>, clock: Arc<SystemClock>) -> anyhow::Result<tokio::task::JoinHandle<()>> {
        use tokio::signal::unix::{SignalKind, signal};
        let mut asked = signal(SignalKind::hangup()).context("listening to SIGHUP")?;
        let tls = Arc::clone(self);
        let mut every = tokio::time::interval(Duration::from_secs(LOOKED_AT_SECONDS));
        Ok(tokio::spawn(async move {
            loop {
                let is_asked = tokio::select! {
                    _ = asked.recv() => true,
                    _ = every.tick() => false,
                };
                let now = clock.now();
                if is_asked || tls.wants_reading(now) {
                    let tls = Arc::clone(&tls);
                    // Files may be slow; what is served must not be.
                    let _ = tokio::task::spawn_blocking(move || tls.reload(now)).await;
                }
            }
        }))
    }
}

/// What time says against the certificate that the settings name: a fault, and what is worth saying. Nothing of one that
/// cannot be used anyhow.
#[must_use]
pub fn timely(settings: &TlsSettings, now: Timestamp) -> (Option<String>, Option<String>) {
    let Ok(certificates) = certificates(&settings.certificate) else { return (None, None) };
    let holds = Holds::of(&certificates);
    let told = |what: String| format!("[tls] {}: {what}", settings.certificate.display());
    let fault = holds.fault(now).map(told);
    let warning = holds.warning(now).filter(|_| fault.is_none()).map(told);
    (fault, warning)
}

/// Everything that is wrong with what the settings name: each file by itself, and that they belong together.
#[must_use]
pub fn faults(settings: &TlsSettings) -> Vec<String> {
    let Err(first) = read(settings) else { return Vec::new() };
    let told = [
        certificates(&settings.certificate).err(),
        private_key(&settings.key).err(),
        settings.client_ca.as_ref().and_then(|path| authorities(path).err()),
    ];
    let mut told: Vec<String> = told.into_iter().flatten().map(|error| format!("[tls] {error:#}")).collect();
    if told.is_empty() {
        told.push(format!("[tls] {first:#}"));
    }
    told
}

/// TLS is asked for by an address, but there is no certificate.
#[must_use]
pub fn unasked(config: &Config) -> Option<String> {
    (config.http.tls_listen.is_some() || config.mqtt.tls_listen.is_some()).then(|| {
        "tls_listen is set, but there is no certificate: set [tls], or run `yinling init --self-signed`".to_owned()
    })
}

fn files(settings: &TlsSettings) -> impl Iterator<Item = &PathBuf> {
    [Some(&settings.certificate), Some(&settings.key), settings.client_ca.as_ref()].into_iter().flatten()
}

fn seen(settings: &TlsSettings) -> Vec<Option<Seen>> {
    let look = |path: &PathBuf| {
        let found = fs::metadata(path).ok()?;
        Some(Seen { inode: found.ino(), size: found.size(), changed: (found.mtime(), found.mtime_nsec()) })
    };
    files(settings).map(look).collect()
}

fn read(settings: &TlsSettings) -> anyhow::Result<Both> {
    // Before the files: a change while they are read is seen next time.
    let files = seen(settings);
    let http = server(settings, false, &[b"http/1.1"])?;
    let mqtt = server(settings, true, &[])?;
    let holds = Holds::of(&certificates(&settings.certificate)?);
    Ok(Both { http: Arc::new(http), mqtt: Arc::new(mqtt), holds, files, refused: None, again_at: None })
}

/// TLS 1.2 and 1.3, nothing before. Only devices bring certificates of their own.
fn server(settings: &TlsSettings, devices: bool, protocols: &[&[u8]]) -> anyhow::Result<ServerConfig> {
    let certificates = certificates(&settings.certificate)?;
    let key = private_key(&settings.key)?;
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
    let builder = match settings.client_ca.as_ref().filter(|_| devices) {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(authorities(path)?), provider);
            let verifier =
                if settings.require_client_certificate { verifier } else { verifier.allow_unauthenticated() };
            builder.with_client_cert_verifier(verifier.build().with_context(|| path.display().to_string())?)
        }
    };
    let mut config = builder.with_single_cert(certificates, key).with_context(|| {
        format!("{} and {} do not belong together", settings.certificate.display(), settings.key.display())
    })?;
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    Ok(config)
}

fn private_key(path: &Path) -> anyhow::Result<PrivateKeyDer<'static>> {
    PrivateKeyDer::from_pem_file(path)
        .map_err(|error| anyhow!("{}: no private key can be read ({error})", path.display()))
}

fn authorities(path: &Path) -> anyhow::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).with_context(|| path.display().to_string())?;
    }
    Ok(roots)
}

fn certificates(path: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let read = read.map_err(|error| anyhow!("{}: no certificate can be read ({error})", path.display()))?;
    anyhow::ensure!(!read.is_empty(), "{} holds no certificate (PEM, the server's own first)", path.display());
    Ok(read)
}

/// The certificate that `init --self-signed` left in a data directory, if it did.
#[must_use]
pub fn of_data_dir(data: &Path) -> Option<TlsSettings> {
    let (certificate, key) = (data.join(FOLDER).join(CERTIFICATE_FILE), data.join(FOLDER).join(KEY_FILE));
    let is_there = certificate.is_file() && key.is_file();
    is_there.then_some(TlsSettings { certificate, key, client_ca: None, require_client_certificate: false })
}

/// Makes a certificate that is its own authority, for `localhost`, this machine's loopback addresses and `names`, in a
/// data directory; returns where it is. For a first try: clients are told to trust this one file.
///
/// # Errors
/// When it cannot be made or written, or is there already.
pub fn make_self_signed(data: &Path, names: &[String]) -> anyhow::Result<PathBuf> {
    let folder = data.join(FOLDER);
    fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    let mut all = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    all.extend(names.iter().cloned());
    let mut params = rcgen::CertificateParams::new(all).context("a name for the certificate")?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(rcgen::DnType::CommonName, "yinling self-signed");
    params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    let key = rcgen::KeyPair::generate().context("making a key")?;
    let certificate = params.self_signed(&key).context("making a certificate")?;
    write_new(&folder.join(KEY_FILE), &key.serialize_pem(), 0o600)?;
    let path = folder.join(CERTIFICATE_FILE);
    write_new(&path, &certificate.pem(), 0o644)?;
    Ok(path)
}

fn write_new(path: &Path, text: &str, mode: u32) -> anyhow::Result<()> {
    let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    let written = file.and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()));
    written.with_context(|| format!("writing {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_used_is_told_by_its_file_and_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let certificate = make_self_signed(dir.path(), &["yinling.example".to_owned()]).unwrap();
        assert!(make_self_signed(dir.path(), &[]).is_err(), "it is never overwritten");
        let settings = of_data_dir(dir.path()).unwrap();
        let tls = Tls::load(&settings).unwrap();
        let first = (tls.http())();
        let now = Timestamp::parse("2026-11-22T08:00:00Z").unwrap();
        assert_eq!(tls.condition(now).fault, None);
        assert_eq!(first.alpn_protocols, [b"http/1.1"]);

        let other = tempfile::tempdir().unwrap();
        make_self_signed(other.path(), &[]).unwrap();
        let told = |settings: &TlsSettings| format!("{:#}", Tls::load(settings).unwrap_err());
        let foreign = of_data_dir(other.path()).unwrap();
        let mixed = TlsSettings { key: foreign.key.clone(), ..settings.clone() };
        assert!(told(&mixed).contains("do not belong together"), "{}", told(&mixed));
        let missing = TlsSettings { key: dir.path().join("no.pem"), ..settings.clone() };
        assert!(told(&missing).contains("no.pem: no private key can be read"), "{}", told(&missing));
        let neither = TlsSettings { certificate: dir.path().join("no.pem"), ..missing.clone() };
        assert_eq!(faults(&neither).len(), 2, "{:?}", faults(&neither));
        assert_eq!((faults(&settings).len(), faults(&mixed).len()), (0, 1));
        let swapped = TlsSettings { certificate: settings.key.clone(), ..settings.clone() };
        assert!(told(&swapped).contains("no certificate"), "{}", told(&swapped));

        fs::write(&certificate, "nonsense").unwrap();
        tls.reload(now);
        assert!(Arc::ptr_eq(&first, &(tls.http())()), "the one before goes on");
        fs::copy(&foreign.certificate, &certificate).unwrap();
        fs::copy(&foreign.key, &settings.key).unwrap();
        tls.reload(now);
        assert!(!Arc::ptr_eq(&first, &(tls.http())()));
        assert_eq!(tls.condition(now).fault, None, "what was refused is over");
    }

    #[test]
    fn a_certificate_that_does_not_hold_now_replaces_none_that_does() {
        let dir = tempfile::tempdir().unwrap();
        let certificate = make_self_signed(dir.path(), &[]).unwrap();
        let settings = of_data_dir(dir.path()).unwrap();
        let tls = Tls::load(&settings).unwrap();
        let first = (tls.http())();
        let now = Timestamp::parse("2026-11-22T08:00:00Z").unwrap();
        let from_to = |from: i32, to: (i32, u8, u8)| {
            let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
            (params.not_before, params.not_after) =
                (rcgen::date_time_ymd(from, 1, 1), rcgen::date_time_ymd(to.0, to.1, to.2));
            let key = rcgen::KeyPair::generate().unwrap();
            fs::write(&settings.key, key.serialize_pem()).unwrap();
            fs::write(&certificate, params.self_signed(&key).unwrap().pem()).unwrap();
        };
        from_to(2019, (2020, 1, 2));
        tls.reload(now);
        assert!(Arc::ptr_eq(&first, &(tls.http())()), "the one before goes on");
        assert_eq!(tls.condition(now).fault, None);
        let warning = tls.condition(now).warning.unwrap();
        assert!(warning.contains("new files are not used") && warning.contains("ended at 2020-01-02"), "{warning}");
        assert!(timely(&settings, now).0.unwrap().contains("certificate.pem: the certificate ended"));
        from_to(2027, (2028, 1, 2));
        tls.reload(now);
        assert!(tls.condition(now).warning.unwrap().contains("holds from 2027-01-01"), "{:?}", tls.condition(now));
        assert!(!tls.wants_reading(now));
        assert!(tls.wants_reading(Timestamp::parse("2027-01-01T00:00:00Z").unwrap()), "by itself, once it holds");
        from_to(2025, (2026, 12, 1));
        tls.reload(now);
        assert!(!Arc::ptr_eq(&first, &(tls.http())()));
        let condition = tls.condition(now);
        assert_eq!((condition.fault, condition.until), (None, Timestamp::parse("2026-12-01T00:00:00Z").unwrap()));
        assert!(condition.warning.unwrap().contains("ends at 2026-12-01"));
        // One that has ended goes on only as long as nothing else is there.
        from_to(2019, (2020, 1, 2));
        tls.reload(Timestamp::parse("2026-12-02T00:00:00Z").unwrap());
        assert_eq!(tls.condition(now).until, Timestamp::parse("2020-01-02T00:00:00Z").unwrap());
        assert!(tls.condition(now).fault.unwrap().contains("ended at 2020-01-02T00:00:00.000Z"));
        assert_eq!(timely(&of_data_dir(dir.path()).unwrap(), now).1, None);
    }
}
