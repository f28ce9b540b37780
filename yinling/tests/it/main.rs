//! The house from outside: the real `yinling` binary, driven by clients that are not ours (mosquitto, paho-mqtt,
//! rumqttc, curl, and a codec of a few lines that owes nothing to the door's) and by phones that the test holds.
//!
//! Every story waits for the event that it is about, with a patience after which it fails and says what it saw.
//! A tool that is missing is a failure, never a skip: `./test.sh` installs them all.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod accounts;
mod arrows;
mod backup;
mod case;
mod command_line;
mod community;
mod contract;
mod crash;
mod down;
mod erasure;
mod feed;
mod guardian;
mod harness;
mod health;
mod history;
mod hostile;
mod import;
mod killed;
mod lanes;
mod matrix;
mod providers;
mod registry;
mod replay;
mod sos;
mod tls;
mod trace;
mod truncation;
mod watchdog;
mod webhooks;
