//! How many files and sockets this process may hold. Each device's connection is one of them; when the last is taken,
//! the journal could not open its next segment either, and that ends the process. So the door stops before.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What is kept for everything but devices: the journal, the state, the API's connections, calls to providers.
const KEPT_FOR_THE_HOUSE: u64 = 1_024;

/// Raises what a shell or a service manager gives at first to the most that it allows; returns how many there are now
/// (`None`: no limit).
pub fn raise() -> Option<u64> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    match setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        Ok(()) => maximum,
        Err(_) => current,
    }
}

/// How many devices the door lets in at most, of those that the configuration asks for.
pub(crate) fn connections_max(wanted: usize, limit: Option<u64>) -> usize {
    let Some(limit) = limit else { return wanted };
    // With very few, half of them: somebody who presses is to come through the door at all.
    let for_devices = limit.saturating_sub(KEPT_FOR_THE_HOUSE).max(limit / 2);
    usize::try_from(for_devices).map_or(wanted, |most| most.min(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_door_leaves_files_for_the_journal() {
        assert_eq!(connections_max(65_536, None), 65_536);
        assert_eq!(connections_max(65_536, Some(1_000_000)), 65_536);
        assert_eq!(connections_max(65_536, Some(20_000)), 18_976);
        assert_eq!(connections_max(65_536, Some(1_024)), 512);
    }

    #[test]
    fn what_is_allowed_is_taken() {
        let limit = raise();
        assert_eq!(getrlimit(Resource::Nofile).current, limit);
        assert_eq!(getrlimit(Resource::Nofile).maximum, limit);
    }
}
