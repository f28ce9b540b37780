//! The neighbourhood in a box: demo phones, invented elders who live over real MQTT, the demo, the load generator, and
//! towns whose days run in virtual time through the engine's own decisions, judged by an oracle that knows the truth.
//!
//! The demo and the load generator know the engine only from outside (MQTT, REST, the gateway channel). A virtual
//! [`world`] drives `engine::rehearsal`; its [`oracle`] reads the feed's envelopes and its own phones, nothing else.

pub mod cli;
pub mod clock;
pub mod demo;
pub mod dice;
pub mod live;
pub mod load;
pub mod neighbourhood;
pub mod oracle;
pub mod phones;
pub mod scenario;
pub mod town;
pub mod world;
