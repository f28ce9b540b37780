//! Where things lie below the data directory.

use std::path::{Path, PathBuf};

/// A data directory: `journal/`, `state/`, `exports/` and `checkpoints/` below one root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataDir {
    root: PathBuf,
}

impl DataDir {
    /// The data directory at `root`; nothing is made yet.
    #[must_use]
    pub fn new(root: &Path) -> DataDir {
        DataDir { root: root.to_owned() }
    }

    /// The directory itself.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The journal's segments and its lock.
    #[must_use]
    pub fn journal(&self) -> PathBuf {
        self.root.join("journal")
    }

    /// sled's files.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.root.join("state")
    }

    /// Verified exports.
    #[must_use]
    pub fn exports(&self) -> PathBuf {
        self.root.join("exports")
    }

    /// Photos of cases.
    #[must_use]
    pub fn photos(&self) -> PathBuf {
        self.root.join("photos")
    }

    /// Checkpoints of the engine's hot state.
    #[must_use]
    pub fn checkpoints(&self) -> PathBuf {
        self.root.join("checkpoints")
    }
}
