//! Looks: every answer that shows a position or a vital sign is preceded by its audit record.

use std::fmt::Display;

use model::staff::Look;
use model::{Actor, StaffCommand};

use crate::host::Unavailable;
use crate::shared::Shared;

/// What is shown, named as in the answer.
pub(crate) const INCIDENT_FIELDS: &[&str] = &["position", "explain", "occurrences"];
pub(crate) const CASE_FIELDS: &[&str] = &["place", "text", "check_ins"];
pub(crate) const PHOTO_FIELDS: &[&str] = &["photo"];
pub(crate) const ATTEMPT_FIELDS: &[&str] = &["text", "params"];
pub(crate) const TRACK_FIELDS: &[&str] = &["position"];
pub(crate) const VITAL_FIELDS: &[&str] = &["vitals"];
pub(crate) const LATEST_FIELDS: &[&str] = &["position", "vitals"];
pub(crate) const FENCE_FIELDS: &[&str] = &["fences"];
pub(crate) const PREVIEW_FIELDS: &[&str] = &["position", "vitals", "explain"];
pub(crate) const PAYLOAD_FIELDS: &[&str] = &["payload"];

/// One look for one request. It is committed when this returns; only then may the first byte leave.
pub(crate) async fn record(
    shared: &Shared,
    actor: &Actor,
    subject: &str,
    fields: &[&str],
    purpose: Option<&str>,
) -> Result<(), Unavailable> {
    let look = Look {
        subject: subject.into(),
        fields: fields.iter().map(|field| (*field).into()).collect(),
        purpose: purpose.map(Into::into),
    };
    shared.host.command(actor.clone(), None, StaffCommand::Look(look)).await.map(drop)
}

/// The subject of a look at several entities of a kind: `incidents/i1,i2`. `None` when nothing is shown.
pub(crate) fn subject_of<T: Display>(kind: &str, ids: impl IntoIterator<Item = T>) -> Option<String> {
    let ids: Vec<String> = ids.into_iter().map(|id| id.to_string()).collect();
    (!ids.is_empty()).then(|| format!("{kind}/{}", ids.join(",")))
}
