//! The watchdog: a second process that calls on when the engine is silent.
//!
//! `serve` starts it and sends it a beat a second, as long as its loop goes round and its journal takes what it
//! decides. Without a beat for `after_seconds` the watchdog raises the *epoch*, a number in `DIR/watchdog/epoch`, reads
//! checkpoint and journal as they are on disk (readers need no lock), and runs the same escalation for SOS and falls
//! with providers and a callback address of its own. Every message that the engine sends looks at the epoch first
//! ([`Gate`]): an engine that comes back sends nothing until it has read what the watchdog did. What was in flight at
//! that moment may double, once: what the watchdog handed over of the engine's own attempts is in its log, too. Calling comes
//! before writing: a log that cannot be written ([`scribe`]) holds up nobody's call.
//!
//! Where checkpoint and journal cannot be read, or not soon enough, it goes on with a sealed [`snapshot`] of what is open.
//! An engine whose journal fails ends; the SOS and falls that it could not write down any more ([`Unsaved`]) it hands over
//! as its last words, and the watchdog calls for them at once.

mod beats;
mod callbacks;
mod gate;
mod ground;
mod keeper;
mod leash;
mod scribe;
mod seal;
pub mod snapshot;
mod stand_in;
mod unsaved;

pub use beats::Beats;
pub use gate::{Gate, Lives};
pub use ground::{Deed, Epoch, Ground, Holder};
pub use keeper::run;
pub use leash::{LastWords, Leash, Line, Watch, is_worth_keeping, lives};
pub use seal::Seal;
pub use snapshot::{SnapshotWriter, Watched};
pub use unsaved::{Alarm, Ticket, Unsaved};

/// As what a message of the watchdog's own is sealed.
const STOOD_IN: &str = "stood in";
