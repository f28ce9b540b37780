//! What the operator has to put right before anything can serve: certificates, addresses, the data directory. Told all
//! at once, with what to do about each.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::Path;

use model::Clock;
use rustix::fs::{Access, access};
use store::{Disk, RealDisk};

use crate::clock::SystemClock;
use crate::config::Config;
use crate::data_dir::{DataDir, DataDirError};
use crate::tls;

/// Everything that is wrong with what is set up around the configuration. The process ends with exit code 78
/// (`EX_CONFIG`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetupFaults(pub Vec<String>);

impl fmt::Display for SetupFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [one] => f.write_str(one),
            all => {
                write!(f, "{} faults:", all.len())?;
                all.iter().try_for_each(|fault| write!(f, "\n  {fault}"))
            }
        }
    }
}

impl std::error::Error for SetupFaults {}

impl From<String> for SetupFaults {
    fn from(fault: String) -> SetupFaults {
        SetupFaults(vec![fault])
    }
}

/// Both, or what is wrong with either.
///
/// # Errors
/// The faults of both.
pub fn both<A, B>(one: Result<A, SetupFaults>, other: Result<B, SetupFaults>) -> Result<(A, B), SetupFaults> {
    match (one, other) {
        (Ok(one), Ok(other)) => Ok((one, other)),
        (Err(mut one), Err(other)) => {
            one.0.extend(other.0);
            Err(one)
        }
        (Err(faults), Ok(_)) | (Ok(_), Err(faults)) => Err(faults),
    }
}

/// Why nobody can listen at an address, and what to do about it. `key` is where the address was set.
#[must_use]
pub fn cannot_listen(address: SocketAddr, key: &str, error: &io::Error) -> SetupFaults {
    let advice = match error.kind() {
        io::ErrorKind::AddrInUse => "; end the process that listens there (another yinling?), or set another address",
        io::ErrorKind::AddrNotAvailable => "; no network interface of this machine has this address: set another",
        io::ErrorKind::PermissionDenied => {
            "; a port below 1024 needs the capability CAP_NET_BIND_SERVICE: grant it, or set a higher port"
        }
        _ => "",
    };
    format!("listening on {address} ({key}): {error}{advice}").into()
}

/// What can be known to be wrong with what the configuration names, and what is worth saying; nothing is changed.
#[must_use]
pub fn look(config: &Config) -> (Vec<String>, Vec<String>) {
    let (mut faults, mut warnings) = (Vec::new(), Vec::new());
    match config.tls.clone().or_else(|| tls::of_data_dir(&config.data)) {
        Some(settings) => {
            let (fault, warning) = tls::timely(&settings, SystemClock::new(None).now());
            faults.extend(tls::faults(&settings).into_iter().chain(fault));
            warnings.extend(warning);
        }
        None => faults.extend(tls::unasked(config)),
    }
    match DataDir::open(&config.data) {
        // Looking may well come before `init`.
        Err(error @ DataDirError::NotInitialised(_)) => warnings.push(error.to_string()),
        Err(error) => faults.push(error.to_string()),
        Ok(data) => look_into(&data, config.journal.disk_reserve_bytes, &mut faults, &mut warnings),
    }
    (faults, warnings)
}

fn look_into(data: &DataDir, reserve_bytes: u64, faults: &mut Vec<String>, warnings: &mut Vec<String>) {
    if let Err(error) = data.load_secrets() {
        faults.push(error.to_string());
    }
    let folders = [data.root().to_owned(), data.journal(), data.state(), data.checkpoints(), data.exports()];
    // One that is not there yet is made.
    for folder in folders.iter().filter(|folder| folder.exists()) {
        if let Err(error) = access(folder.as_path(), Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK) {
            faults.push(DataDirError::Io { path: folder.clone(), error: error.into() }.to_string());
        }
    }
    warnings.extend(short_of_room(&data.journal(), reserve_bytes));
}

fn short_of_room(journal: &Path, reserve_bytes: u64) -> Option<String> {
    let free = RealDisk.free_bytes(journal).ok()?;
    (free < reserve_bytes).then(|| {
        format!(
            "{}: {} MiB are free, fewer than journal.disk_reserve_bytes ({} MiB): telemetry would be refused, and only \
             alarms taken; make room",
            journal.display(),
            free >> 20,
            reserve_bytes >> 20
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::TlsSettings;

    #[test]
    fn everything_is_told_at_once_and_nothing_is_changed() {
        let dir = tempfile::tempdir().unwrap();
        let (data, _) = DataDir::begin_init(dir.path()).unwrap();
        data.complete_init().unwrap();
        let mut config = Config { data: dir.path().to_owned(), ..Config::default() };
        config.journal.disk_reserve_bytes = 0;
        assert_eq!(look(&config), (Vec::new(), Vec::new()));

        std::fs::remove_file(data.keys().join("pepper")).unwrap();
        let missing = |name: &str| dir.path().join(name);
        config.tls = Some(TlsSettings {
            certificate: missing("a.pem"),
            key: missing("b.pem"),
            client_ca: Some(missing("c.pem")),
            require_client_certificate: false,
        });
        config.journal.disk_reserve_bytes = u64::MAX;
        let (faults, warnings) = look(&config);
        for expected in ["a.pem: no certificate", "b.pem: no private key", "c.pem: no certificate", "pepper"] {
            assert!(faults.iter().any(|fault| fault.contains(expected)), "{expected} is not in {faults:?}");
        }
        assert_eq!(faults.len(), 4, "{faults:?}");
        assert!(warnings[0].contains("telemetry would be refused"), "{warnings:?}");
    }

    #[test]
    fn an_address_that_is_taken_says_what_to_do() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let error = std::net::TcpListener::bind(address).unwrap_err();
        let told = cannot_listen(address, "http.listen", &error).to_string();
        assert!(told.contains("end the process that listens there"), "{told}");
        let told = both::<(), ()>(Err("one".to_owned().into()), Err("two".to_owned().into())).unwrap_err();
        assert_eq!(told.to_string(), "2 faults:\n  one\n  two");
    }
}
