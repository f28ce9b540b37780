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

use crate::config::{Config, TlsSettings};

/// How often the files are looked at.
const LOOKED_AT_SECONDS: u64 = 5;
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
    /// The files as they were when these were made.
    files: Vec<Option<Seen>>,
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

    /// Reads the files again; when they cannot be used, what was read before goes on.
    pub fn reload(&self) {
        match read(&self.settings) {
            Ok(both) => {
                *self.now.write() = both;
                metrics::counter!("tls_reloads_total", "result" => "done").increment(1);
                tracing::info!("the TLS certificate was read again; new connections get it");
            }
            Err(error) => {
                // Noted as seen: it is told once, and read again when it changes again.
                self.now.write().files = seen(&self.settings);
                metrics::counter!("tls_reloads_total", "result" => "failed").increment(1);
                tracing::error!("the TLS certificate cannot be used and the one before goes on: {error:#}");
            }
        }
    }

    /// Reads the files again when one of them changed, and on SIGHUP.
    ///
    /// # Errors
    /// When the signal cannot be listened to.
    pub fn watch(self: &Arc<Self>) -> anyhow::Result<tokio::task::JoinHandle<()>> {
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
                if is_asked || tls.now.read().files != seen(&tls.settings) {
                    let tls = Arc::clone(&tls);
                    // Files may be slow; what is served must not be.
                    let _ = tokio::task::spawn_blocking(move || tls.reload()).await;
                }
            }
        }))
    }
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
    Ok(Both { http: Arc::new(http), mqtt: Arc::new(mqtt), files })
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
        tls.reload();
        assert!(Arc::ptr_eq(&first, &(tls.http())()), "the one before goes on");
        fs::copy(&foreign.certificate, &certificate).unwrap();
        fs::copy(&foreign.key, &settings.key).unwrap();
        tls.reload();
        assert!(!Arc::ptr_eq(&first, &(tls.http())()));
    }
}
