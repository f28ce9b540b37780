//! What a document is checked against: the registry as it stands.

use channels::Reach;
use chrono_tz::Tz;
use model::{Device, DeviceId, Org, OrgPath, PersonId, Wearer, WearerId};
use store::{State, StoreError};

use crate::secrets::Secrets;

/// The registry as it stands, as far as a document may refer to it.
pub trait Known {
    /// An organisation.
    ///
    /// # Errors
    /// When the registry cannot be read; so for the other verbs.
    fn org(&self, path: &OrgPath) -> Result<Option<Org>, Unreadable>;
    /// Whether somebody is on an organisation's duty roster, which makes a desk.
    fn has_roster(&self, path: &OrgPath) -> Result<bool, Unreadable>;
    /// Whether a person is there.
    fn has_person(&self, id: &PersonId) -> Result<bool, Unreadable>;
    /// A wearer.
    fn wearer(&self, id: &WearerId) -> Result<Option<Wearer>, Unreadable>;
    /// A device.
    fn device(&self, id: &DeviceId) -> Result<Option<Device>, Unreadable>;
}

/// The registry cannot be read, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the registry cannot be read: {0}")]
pub struct Unreadable(pub String);

/// What is stored of a device's secret.
type Hash<'c> = Box<dyn Fn(&[u8]) -> [u8; 32] + 'c>;

/// What a document is checked against, and how its secrets are hashed.
pub struct ImportContext<'c> {
    pub(super) known: Box<dyn Known + 'c>,
    pub(super) device_secret_hmac: Hash<'c>,
    pub(super) secrets_required: bool,
    pub(super) zone: Tz,
    /// Whom the configured providers reach; `None`: not known here, and not warned about.
    pub(super) reach: Option<Reach>,
}

impl<'c> ImportContext<'c> {
    /// Against `known`; fences' hours are in `zone`. A new device must bring its secret.
    #[must_use]
    pub fn new(known: impl Known + 'c, device_secret_hmac: impl Fn(&[u8]) -> [u8; 32] + 'c, zone: Tz) -> Self {
        let device_secret_hmac = Box::new(device_secret_hmac);
        ImportContext { known: Box::new(known), device_secret_hmac, secrets_required: true, zone, reach: None }
    }

    /// Against the state of a running engine. It must have projected what the caller was already answered.
    #[must_use]
    pub fn of_state(state: &'c State, secrets: &'c Secrets, zone: Tz) -> Self {
        ImportContext {
            known: Box::new(InState(state)),
            device_secret_hmac: Box::new(|secret| secrets.device_secret_hmac(secret)),
            secrets_required: true,
            zone,
            reach: None,
        }
    }

    /// With warnings about whom no configured provider reaches.
    #[must_use]
    pub fn with_reach(self, reach: Reach) -> Self {
        ImportContext { reach: Some(reach), ..self }
    }

    /// Against nothing, and without secrets: what a replay or an offline check knows.
    #[must_use]
    pub fn alone(zone: Tz) -> ImportContext<'static> {
        let device_secret_hmac = Box::new(|_: &[u8]| [0; 32]);
        ImportContext { known: Box::new(Nothing), device_secret_hmac, secrets_required: false, zone, reach: None }
    }
}

/// A registry in which there is nothing yet.
pub struct Nothing;

impl Known for Nothing {
    fn org(&self, _: &OrgPath) -> Result<Option<Org>, Unreadable> {
        Ok(None)
    }
    fn has_roster(&self, _: &OrgPath) -> Result<bool, Unreadable> {
        Ok(false)
    }
    fn has_person(&self, _: &PersonId) -> Result<bool, Unreadable> {
        Ok(false)
    }
    fn wearer(&self, _: &WearerId) -> Result<Option<Wearer>, Unreadable> {
        Ok(None)
    }
    fn device(&self, _: &DeviceId) -> Result<Option<Device>, Unreadable> {
        Ok(None)
    }
}

struct InState<'s>(&'s State);

fn unreadable(error: StoreError) -> Unreadable {
    Unreadable(error.to_string())
}

impl Known for InState<'_> {
    fn org(&self, path: &OrgPath) -> Result<Option<Org>, Unreadable> {
        self.0.org(path).map_err(unreadable)
    }
    fn has_roster(&self, path: &OrgPath) -> Result<bool, Unreadable> {
        self.0.duty(path).map(|roster| roster.is_some_and(|roster| roster.makes_a_desk())).map_err(unreadable)
    }
    fn has_person(&self, id: &PersonId) -> Result<bool, Unreadable> {
        self.0.person(id).map(|found| found.is_some()).map_err(unreadable)
    }
    fn wearer(&self, id: &WearerId) -> Result<Option<Wearer>, Unreadable> {
        self.0.wearer(id).map_err(unreadable)
    }
    fn device(&self, id: &DeviceId) -> Result<Option<Device>, Unreadable> {
        self.0.device(id).map_err(unreadable)
    }
}
