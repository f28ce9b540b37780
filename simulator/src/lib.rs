//! The neighbourhood in a box: demo phones, invented elders who live over real MQTT, the demo, and the load
//! generator. It knows the engine only from outside (MQTT, REST, the gateway channel).

pub mod clock;
pub mod demo;
pub mod dice;
pub mod load;
pub mod neighbourhood;
pub mod phones;
