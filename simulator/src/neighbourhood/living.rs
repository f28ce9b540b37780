//! Everybody's life at once: the devices on the air, and one task that lets time pass for all of them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use model::{Clock, Timestamp};
use tokio::task::JoinHandle;

use super::Neighbourhood;
use super::bracelet::{Bracelet, DownListener};
use super::life::{Life, Said};

/// What is told about every report as it is sent: the wearer's id, and the report.
pub type SaidListener = Box<dyn Fn(&str, &Said) + Send + Sync>;

/// A neighbourhood that lives. Dropping it switches every device off.
pub struct Living {
    devices: Arc<BTreeMap<String, Bracelet>>,
    task: Option<JoinHandle<()>>,
}

impl Living {
    /// Switches every device on; nobody moves yet.
    #[must_use]
    pub fn switch_on(neighbourhood: &Neighbourhood, door: SocketAddr, down: Option<DownListener>) -> Living {
        let devices = neighbourhood.devices().map(|(_, device)| {
            (device.id.clone(), Bracelet::switch_on(door, &device.id, &device.secret, down.clone()))
        });
        Living { devices: Arc::new(devices.collect()), task: None }
    }

    /// How many devices are connected, refused, and there at all.
    #[must_use]
    pub fn connected(&self) -> (usize, usize, usize) {
        let standings: Vec<_> = self.devices.values().map(|device| *device.standing().borrow()).collect();
        let count = |is: fn(&super::bracelet::Standing) -> bool| standings.iter().filter(|s| is(s)).count();
        (count(|s| s.connected), count(|s| s.refused), standings.len())
    }

    /// How many reports were acknowledged, and how many wait for it.
    #[must_use]
    pub fn acknowledged(&self) -> (u64, usize) {
        self.devices
            .values()
            .map(|device| *device.standing().borrow())
            .fold((0, 0), |(done, waiting), standing| (done + standing.acknowledged, waiting + standing.waiting))
    }

    /// Lets time pass from `start`: everybody begins to live, and the plots run.
    pub fn begin(
        &mut self,
        neighbourhood: &Neighbourhood,
        clock: Arc<dyn Clock>,
        start: Timestamp,
        said: Option<SaidListener>,
    ) {
        let lives = neighbourhood.elders.iter().map(|elder| Life::new(elder, neighbourhood.seed, start)).collect();
        let task = tokio::spawn(live(lives, Arc::clone(&self.devices), clock, said));
        if let Some(before) = self.task.replace(task) {
            before.abort();
        }
    }

    /// Stops time and switches every device off.
    pub async fn end(mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
            let _ = task.await;
        }
        let devices = std::mem::take(&mut self.devices);
        if let Some(devices) = Arc::into_inner(devices) {
            let mut leaving: Vec<_> = devices.into_values().map(|device| tokio::spawn(device.switch_off())).collect();
            for task in leaving.drain(..) {
                let _ = task.await;
            }
        }
    }
}

impl Drop for Living {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

async fn live(
    mut lives: Vec<Life>,
    devices: Arc<BTreeMap<String, Bracelet>>,
    clock: Arc<dyn Clock>,
    listener: Option<SaidListener>,
) {
    while let Some(due) = lives.iter().filter_map(Life::next_due).min() {
        let wait = due.millis_since(clock.now()).max(0);
        tokio::time::sleep(Duration::from_millis(wait.unsigned_abs())).await;
        let now = clock.now().max(due);
        for life in &mut lives {
            for said in life.advance(now) {
                let elder = life.elder();
                let device =
                    if said.by_cuff { elder.cuff.as_ref().unwrap_or(&elder.bracelet) } else { &elder.bracelet };
                if let Some(bracelet) = devices.get(&device.id) {
                    bracelet.say(said.report.to_string().into_bytes());
                }
                if let Some(listener) = &listener {
                    listener(&elder.id, &said);
                }
            }
        }
    }
}
