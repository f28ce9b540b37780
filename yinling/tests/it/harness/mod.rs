//! Verbs for the stories: a house that is served, fed, called from, killed and opened again.

pub mod api;
pub mod clients;
pub mod feed;
pub mod phones;
pub mod registry;
pub mod server;
pub mod wire;

use std::process::Command;
use std::time::{Duration, Instant};

use model::Timestamp;

pub use api::{Api, Reply};
pub use feed::Feed;
pub use phones::Phones;
pub use server::{House, Server};
pub use wire::Wire;

/// How long a story waits for an event before it fails. Generous: it bounds failure, not success.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Asks until there is an answer. For what can only be polled; whatever announces itself is waited for instead.
pub fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} in vain for {what}");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

/// A generator whose seed a failing run has printed: splitmix64.
pub struct Dice(u64);

impl Dice {
    /// Takes the seed from `YINLING_SEED`, else from the operating system's hasher keys, and prints it.
    pub fn thrown(for_what: &str) -> Dice {
        use std::hash::{BuildHasher, RandomState};
        let seed = std::env::var("YINLING_SEED").ok().map_or_else(
            || RandomState::new().hash_one(for_what),
            |text| text.parse().expect("YINLING_SEED is a number"),
        );
        println!("{for_what}: YINLING_SEED={seed}");
        Dice(seed)
    }

    /// The next 64 bits.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.next() % (high - low + 1)
    }
}

/// The present instant, by a program whose business it is: only the engine's clock may read it (clippy.toml).
pub fn now() -> Timestamp {
    let output = Command::new("date").arg("+%s%3N").output().unwrap();
    Timestamp::from_millis(String::from_utf8(output.stdout).unwrap().trim().parse().unwrap())
}
