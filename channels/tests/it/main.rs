//! Providers over real sockets.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test's helpers may panic")]

mod gateway;
mod mail;
mod providers;
mod robots;
mod sample;

/// A Python that has aiosmtpd and apprise: `YINLING_PYTHON`, else the project's virtual environment, else the system's.
fn python() -> std::path::PathBuf {
    let own = std::path::PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.venv/bin/python3"));
    match std::env::var_os("YINLING_PYTHON") {
        Some(python) => python.into(),
        None if own.exists() => own,
        None => "python3".into(),
    }
}
