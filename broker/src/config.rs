//! The door's limits, each with its default.

/// The limits of the door. Every one of them holds per connection unless it says otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DoorConfig {
    /// The largest MQTT packet that is taken in whole, in bytes.
    pub packet_bytes_max: usize,
    /// The largest CONNECT, in bytes: nobody is known yet.
    pub connect_bytes_max: usize,
    /// How long a new connection may take to send its whole CONNECT, in seconds.
    pub connect_seconds_max: u32,
    /// How many QoS 1 and 2 publishes may be unacknowledged (MQTT 5: announced, and enforced with 0x93).
    pub receive_maximum: u16,
    /// The longest keep-alive, in seconds: MQTT 5 clients that ask for more, or for none, are told this one.
    pub keep_alive_seconds_max: u16,
    /// How many bytes of memory telemetry that waits for room may take; until then reading goes on, in search of an
    /// alarm behind it.
    pub held_bytes_max: usize,
    /// How many bytes may wait to be written to a device before nothing more is read from it.
    pub output_bytes_max: usize,
    /// How long a write may make no progress, in seconds, before the connection is cut.
    pub write_stall_seconds_max: u32,
    /// How many bytes of the feed may wait for one subscriber before it is cut.
    pub feed_bytes_max: usize,
    /// How many filters one feed subscriber may have.
    pub feed_filters_max: usize,
    /// How many feed subscribers the door takes in all.
    pub feed_clients_max: usize,
    /// How many connections the door takes in all.
    pub connections_max: usize,
    /// How many down-commands may be on the way to one device unacknowledged, and as many again may queue.
    pub down_in_flight_max: u16,
    /// How long a shutdown waits for receipts that are on their way, in seconds.
    pub drain_seconds_max: u32,
    /// On how many threads of its own the door serves connections; 0: on the runtime of who opens it.
    pub threads: usize,
}

impl Default for DoorConfig {
    fn default() -> Self {
        DoorConfig {
            packet_bytes_max: 256 * 1024,
            connect_bytes_max: 16 * 1024,
            connect_seconds_max: 10,
            receive_maximum: 1024,
            keep_alive_seconds_max: 1200,
            held_bytes_max: 256 * 1024,
            output_bytes_max: 64 * 1024,
            write_stall_seconds_max: 30,
            feed_bytes_max: 1024 * 1024,
            feed_filters_max: 32,
            feed_clients_max: 256,
            connections_max: 65_536,
            down_in_flight_max: 16,
            drain_seconds_max: 2,
            threads: 0,
        }
    }
}
