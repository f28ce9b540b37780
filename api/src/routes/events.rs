//! `GET /api/v1/events`: the feed by polling, and what the live stream shares with it.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use model::{Actor, Entity, Event, EventHead, EventKind};
use serde::{Deserialize, Serialize, Serializer};
use store::State as View;

use crate::auth::Caller;
use crate::cursor::Cursor;
use crate::page::checked_limit;
use crate::params::{Params, bad_parameter, shortened, time_of};
use crate::problem::{Code, Fault};
use crate::recent::Audience;
use crate::scope::{sees_event, sees_own_elders_only};
use crate::shared::Shared;
use crate::{exact, look};

/// Where a consumer that fell out of the feed finds everything as it stands.
pub const SNAPSHOTS: &[&str] =
    &["/api/v1/incidents", "/api/v1/cases", "/api/v1/wearers", "/api/v1/devices", "/api/v1/people", "/api/v1/orgs"];

#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct EventParams {
    /// A cursor, or `latest`.
    pub(crate) after: Option<String>,
    /// RFC 3339.
    pub(crate) since: Option<String>,
    /// How many at most.
    #[param(minimum = 1, maximum = 500)]
    pub(crate) limit: Option<usize>,
    /// `incident.*,case.filed`.
    pub(crate) types: Option<String>,
}

#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct EventList {
    #[schema(value_type = Vec<crate::openapi::Envelope>)]
    data: Page,
    /// Never null: whoever stores it cannot skip anything.
    next_cursor: String,
    has_more: bool,
}

/// Events that are printed as they are, without a tree of values in between: a page of 500 is a megabyte.
struct Page {
    epoch: u32,
    events: Vec<Event>,
}

impl Serialize for Page {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.events.iter().map(|event| event.enveloped(self.epoch)))
    }
}

/// The feed, ascending in commit order.
#[utoipa::path(
    get,
    path = "/api/v1/events",
    tag = "feed",
    params(EventParams),
    responses((status = 200, description = "As asked.", body = EventList)),
)]
pub(crate) async fn poll(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Params(params): Params<EventParams>,
) -> Result<Json<EventList>, Fault> {
    let limit = checked_limit(params.limit)?;
    let filter = Filter::new(caller.actor.clone(), params.types.as_deref())?;
    let after = start(&shared, params.after.as_deref(), params.since.as_deref()).await?;
    let page = shared
        .read(move |state| {
            state.events(after.seq, limit, &|head| filter.may_pass(head), &|event| filter.passes(state, event))
        })
        .await?;
    if let Some(subject) = shown_incidents(&page.events) {
        look::record(&shared, &caller.actor, &subject, look::INCIDENT_FIELDS, None).await?;
    }
    Ok(Json(EventList {
        data: Page {
            epoch: after.epoch,
            events: page.events.into_iter().map(|it| exact::event(it, &caller.actor)).collect(),
        },
        next_cursor: Cursor { epoch: after.epoch, seq: page.through.max(after.seq) }.to_string(),
        has_more: page.has_more,
    }))
}

/// What a caller gets of the feed: what they may see, of the types that they asked for.
#[derive(Clone)]
pub(crate) struct Filter {
    pub(crate) actor: Actor,
    pub(crate) audience: Audience,
}

impl Filter {
    pub(crate) fn new(actor: Actor, types: Option<&str>) -> Result<Filter, Fault> {
        let audience = Audience::new(actor.scope.clone(), types.map(kinds_of).transpose()?);
        Ok(Filter { actor, audience })
    }

    /// Whether it takes the state to say who is meant: for who sees single elders, whose that is.
    pub(crate) fn asks_the_state(&self) -> bool {
        sees_own_elders_only(self.actor.role)
    }

    /// Whether an event may pass, by its kind and place: what does not need not be read.
    pub(crate) fn may_pass(&self, head: &EventHead) -> bool {
        self.audience.hears(head.kind, head.org.as_ref())
    }

    /// Whether one of those passes.
    pub(crate) fn passes(&self, view: &View, event: &Event) -> bool {
        sees_event(view, &self.actor, event)
    }

    /// Whether an event is told to its reader as it is, not only in part.
    pub(crate) fn is_shown_whole(&self) -> bool {
        exact::is_for(&self.actor)
    }

    /// An event as its reader may see it.
    pub(crate) fn shown(&self, event: Event) -> Event {
        exact::event(event, &self.actor)
    }
}

/// `incident.*` and `case.filed`, separated by commas. A name that fits nothing is refused: it would be a filter that
/// silently drops everything.
pub(super) fn kinds_of(types: &str) -> Result<Vec<EventKind>, Fault> {
    let mut kinds = Vec::new();
    for pattern in types.split(',').map(str::trim) {
        let before = kinds.len();
        kinds.extend(EventKind::ALL.iter().filter(|kind| match pattern.strip_suffix('*') {
            Some(prefix) => kind.name().starts_with(prefix),
            None => kind.name() == pattern,
        }));
        if kinds.len() == before {
            let pattern = shortened(pattern);
            return Err(bad_parameter(
                format!("types: no event is called {pattern:?}; take e.g. incident.*,case.filed"),
                format!("types：没有名为 {pattern:?} 的事件类型，可用例如 incident.*,case.filed"),
            ));
        }
    }
    Ok(kinds)
}

/// Where reading begins: after a cursor, after what is there now (`latest`), at a time, or at the oldest event.
pub(crate) async fn start(shared: &Shared, after: Option<&str>, since: Option<&str>) -> Result<Cursor, Fault> {
    let epoch = shared.host.epoch();
    match (after, since) {
        (Some(_), Some(_)) => {
            Err(bad_parameter("either `after` or `since`, not both", "`after` 与 `since` 只能使用其一"))
        }
        (Some("latest"), None) => shared.newest_cursor().await,
        (Some(text), None) => {
            let cursor = Cursor::parse(text).ok_or_else(|| {
                Fault::new(
                    Code::BadCursor,
                    "`after` takes a `next_cursor` as it was given, or `latest`",
                    "`after` 须为返回过的 `next_cursor`，或 `latest`",
                )
            })?;
            still_there(shared, cursor).await
        }
        (None, Some(since)) => {
            let since = time_of("since", Some(since))?.unwrap_or_default();
            let seq = shared.read(move |state| state.event_after_time(since)).await?;
            Ok(Cursor { epoch, seq })
        }
        (None, None) => {
            let seq = shared.read(|state| state.oldest_event()).await?.map_or(0, |oldest| oldest.saturating_sub(1));
            Ok(Cursor { epoch, seq })
        }
    }
}

/// The cursor itself if everything after it is still in the feed; 410 otherwise.
pub(crate) async fn still_there(shared: &Shared, cursor: Cursor) -> Result<Cursor, Fault> {
    let (oldest, newest) = shared.read(|state| Ok((state.oldest_event()?, state.newest_event()?))).await?;
    let is_there = match (oldest, newest) {
        (Some(oldest), Some(newest)) => cursor.seq.saturating_add(1) >= oldest && cursor.seq <= newest,
        _ => cursor.seq == 0,
    };
    if cursor.epoch == shared.host.epoch() && is_there { Ok(cursor) } else { Err(expired()) }
}

pub(crate) fn expired() -> Fault {
    Fault::new(
        Code::CursorExpired,
        "the feed has been restored or no longer reaches back so far: read the snapshots, then go on from their \
         `as_of_cursor`",
        "事件流已恢复重建或已不含该位置：请读取快照接口，并从其 `as_of_cursor` 继续",
    )
    .with_snapshots(SNAPSHOTS)
}

/// The subject of the look at these events: the incidents whose positions and readings they show.
pub(crate) fn shown_incidents(events: &[Event]) -> Option<String> {
    let mut ids: Vec<_> = events
        .iter()
        .filter_map(|event| match &event.entity {
            Entity::Incident(incident) => Some(incident.id),
            Entity::Attempt(attempt) => attempt.incident,
            Entity::Case(case) => case.incident.filter(|_| case.place.is_some()),
            Entity::DownCommand(_)
            | Entity::Device(_)
            | Entity::Registry(_)
            | Entity::Task(_)
            | Entity::Campaign(_)
            | Entity::CampaignCall(_)
            | Entity::Patrol(_)
            | Entity::Duty(_)
            | Entity::Erasure(_) => None,
        })
        .collect();
    ids.sort_unstable();
    ids.dedup();
    look::subject_of("events/incidents", ids)
}
