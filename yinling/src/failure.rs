//! From an error to an exit code: 0 well, 74 (`EX_IOERR`) when the disk is full, 78 (`EX_CONFIG`) when the setup is at
//! fault, 1 for everything else. (2 is clap's, for a command line that it cannot read.)

use std::io;
use std::process::ExitCode;

use engine::config::ConfigFaults;
use engine::data_dir::DataDirError;
use engine::setup::SetupFaults;

/// `EX_CONFIG` of sysexits: trying again does not help, somebody must correct the setup.
pub const EXIT_CONFIGURATION: u8 = 78;

/// `EX_IOERR` of sysexits, as when the journal cannot be written: trying again helps once there is room.
const EXIT_DISK_FULL: u8 = 74;

/// Faults that were printed already, one by one.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct SetupFault(pub String);

/// Says what went wrong, on stderr, and gives the exit code.
pub fn exit(error: &anyhow::Error) -> ExitCode {
    if is_closed_pipe(error) {
        // Whoever read our output has seen enough, as `head` does.
        return ExitCode::SUCCESS;
    }
    eprintln!("yinling: {error:#}");
    ExitCode::from(code_of(error))
}

fn code_of(error: &anyhow::Error) -> u8 {
    let setup = error.chain().any(|cause| {
        cause.is::<ConfigFaults>()
            || cause.is::<SetupFault>()
            || cause.is::<SetupFaults>()
            || cause.downcast_ref::<DataDirError>().is_some_and(DataDirError::is_configuration)
    });
    let is_full = || {
        let mut errors = error.chain().filter_map(|cause| match cause.downcast_ref() {
            Some(DataDirError::Io { error, .. }) => Some(error),
            _ => cause.downcast_ref::<io::Error>(),
        });
        errors.any(|error| matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded))
    };
    match setup {
        true => EXIT_CONFIGURATION,
        false if is_full() => EXIT_DISK_FULL,
        false => 1,
    }
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use std::io;

    use anyhow::Context;
    use engine::config::ConfigFaults;
    use engine::data_dir::DataDirError;

    use super::{code_of, is_closed_pipe};

    #[test]
    fn the_setup_is_78_a_full_disk_74_and_the_rest_1() {
        let wrap = |error: anyhow::Error| Err::<(), _>(error).context("serving").unwrap_err();
        assert_eq!(code_of(&wrap(ConfigFaults(Vec::new()).into())), 78);
        assert_eq!(code_of(&wrap(DataDirError::NotInitialised("data".into()).into())), 78);
        assert_eq!(code_of(&wrap(DataDirError::InUse("data".into()).into())), 78);
        assert_eq!(code_of(&wrap(engine::setup::SetupFaults(Vec::new()).into())), 78);
        let read_only = io::Error::from(io::ErrorKind::ReadOnlyFilesystem);
        assert_eq!(code_of(&wrap(DataDirError::Io { path: "data".into(), error: read_only }.into())), 78);
        let disk = DataDirError::Io { path: "data".into(), error: io::Error::from(io::ErrorKind::StorageFull) };
        assert_eq!(code_of(&wrap(disk.into())), 74);
        assert_eq!(code_of(&wrap(io::Error::from(io::ErrorKind::QuotaExceeded).into())), 74);
        assert_eq!(code_of(&wrap(io::Error::from(io::ErrorKind::TimedOut).into())), 1);
        assert_eq!(code_of(&anyhow::anyhow!("something else")), 1);
    }

    #[test]
    fn a_closed_pipe_is_known_below_other_words() {
        let error = Err::<(), _>(io::Error::from(io::ErrorKind::BrokenPipe)).context("writing").unwrap_err();
        assert!(is_closed_pipe(&error));
        assert!(!is_closed_pipe(&anyhow::anyhow!("broken pipe")));
    }
}
