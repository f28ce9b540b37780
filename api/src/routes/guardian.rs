//! A guardian's link: what happened to their elder, and what they can say to it, without an account.
//!
//! The link is a capability: it names the attempt that carried it and proves that we sent it. What it opens is that
//! attempt's guardian × elder × incident, for a day. Looking changes nothing, because scanners of messages follow links;
//! whoever goes presses a button, which is a POST.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse, Response};
use model::attempt::CalleeRole;
use model::{
    Actor, Attempt, AttemptId, AttemptOutcome, AttemptState, Incident, IncidentAction, Language, Org, OrgPath, Person,
    PersonId, Position, Priority, Role, StaffCommand, Timestamp, Wearer, WearerId,
};
use serde::Serialize;
use store::{State as View, StoreError};
use utoipa::ToSchema;

use super::audit::{LookJson, looks_at};
use super::guardian_clock::Clock;
use super::guardian_page;
use crate::host::Callback;
use crate::look;
use crate::params::Segments;
use crate::problem::{Code, Fault};
use crate::shared::Shared;

/// How long a link opens anything.
const LINK_SECONDS: u32 = 24 * 3600;
/// In the query of the page to which a link that was sent again leads back.
const SENT: &str = "sent";
/// How often a link may be asked for again in a quarter of an hour.
const RESENDS_MAX: u32 = 3;
/// The longest token that is looked at, in bytes.
const TOKEN_BYTES_MAX: usize = 64;
/// What somebody is told to look after when the wearer's organisation has no desk: as far up as this.
const ORG_LEVELS_MAX: usize = 16;

/// What a link opens, and what the page shows of it.
#[derive(Serialize, ToSchema)]
pub(crate) struct GuardianView {
    /// Until when.
    pub(crate) expires_at: Timestamp,
    /// The guardian.
    pub(crate) you: Named<PersonId>,
    /// The elder.
    pub(crate) wearer: Named<WearerId>,
    pub(crate) incident: IncidentView,
    pub(crate) community: Community,
    /// Who looked at the elder's data, newest first.
    pub(crate) looks: Vec<LookJson>,
    /// What the guardian may do now, by name.
    pub(crate) actions: Vec<&'static str>,
    #[serde(skip)]
    pub(crate) lang: Language,
    /// What the page draws around the position.
    #[serde(skip)]
    pub(crate) fences: Vec<model::Fence>,
    /// Whether the guardian has said that they cannot go.
    #[serde(skip)]
    pub(crate) is_declined: bool,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Named<I> {
    pub(crate) id: I,
    pub(crate) name: String,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct IncidentView {
    id: model::IncidentId,
    kind: model::IncidentKind,
    priority: Priority,
    pub(crate) state: model::IncidentState,
    pub(crate) raised_at: Timestamp,
    pub(crate) explain: String,
    pub(crate) explain_en: String,
    /// Only while it is open.
    pub(crate) position: Option<Position>,
    pub(crate) acknowledged_by: Option<Taken>,
    /// Whether the guardian is the one who goes.
    pub(crate) is_yours: bool,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Taken {
    pub(crate) name: String,
    pub(crate) at: Timestamp,
    pub(crate) until: Timestamp,
}

/// Who else can be called.
#[derive(Serialize, ToSchema)]
pub(crate) struct Community {
    pub(crate) name: String,
    pub(crate) phone: Option<String>,
}

/// A link that we sent, before its age is looked at.
pub(crate) struct Link {
    pub(crate) attempt: Attempt,
    pub(crate) actor: Actor,
    pub(crate) expires_at: Timestamp,
    pub(crate) community: Community,
}

impl Link {
    /// The link behind a token; whether it is over is [`is_over`](Link::is_over).
    pub(crate) async fn open(shared: &Shared, token: &str) -> Result<Link, Fault> {
        let unknown = || {
            metrics::counter!("api_guardian_links_refused_total").increment(1);
            Fault::new(Code::NotFound, "This link is not known", "这个链接打不开")
        };
        let (id, mac) = token.split_once('-').filter(|_| token.len() <= TOKEN_BYTES_MAX).ok_or_else(unknown)?;
        let id: AttemptId = id.parse().map_err(|_| unknown())?;
        if !shared.host.verify_link(id, mac) {
            return Err(unknown());
        }
        let attempt = shared.find(move |view| view.attempt(id)).await?;
        let is_guardian = |attempt: &Attempt| attempt.callee.role == CalleeRole::Guardian && attempt.incident.is_some();
        let attempt = attempt.filter(is_guardian).ok_or_else(unknown)?;
        // Who is a guardian no more sees and does nothing any more, whatever they were sent.
        let (wearer, person) = (attempt.wearer.clone(), attempt.callee.person.clone());
        let wearer = shared.read(move |view| view.wearer(&wearer)).await?;
        let wearer = wearer.filter(|wearer| wearer.guardians.contains(&person)).ok_or_else(unknown)?;
        // Where the elder lives now: they may have moved since the message went out.
        let org = wearer.org.clone();
        let community = shared.read(move |view| community(view, &org)).await?;
        let actor = Actor { person: attempt.callee.person.clone(), role: Role::Guardian, scope: wearer.org };
        let expires_at = attempt.created_at.plus_seconds(LINK_SECONDS);
        Ok(Link { attempt, actor, expires_at, community })
    }

    pub(crate) fn is_over(&self, now: Timestamp) -> bool {
        now >= self.expires_at
    }

    /// Nothing, while the link holds.
    pub(crate) fn unless_over(&self, now: Timestamp) -> Result<(), Fault> {
        if self.is_over(now) { Err(self.expired()) } else { Ok(()) }
    }

    /// The refusal of a link that is over.
    fn expired(&self) -> Fault {
        let phone = self.community.phone.as_deref().unwrap_or("-");
        Fault::new(
            Code::LinkExpired,
            format!("this link held for a day; call {} {phone}, or ask for another", self.community.name),
            format!("链接已过期（有效期一天）；请致电{} {phone}，或重新获取链接", self.community.name),
        )
    }

    /// What it opens now. The look is committed before this returns.
    async fn view(&self, shared: &Shared) -> Result<GuardianView, Fault> {
        self.unless_over(shared.host.now())?;
        let gone = || Fault::not_found("the incident");
        let (id, person) = (self.attempt.incident.ok_or_else(gone)?, self.actor.person.clone());
        let found = shared.read(move |view| seen(view, id, &person)).await?;
        let Seen { incident, wearer, you, taken, looks, has_declined } = found.ok_or_else(gone)?;
        let subject = format!("incidents/{}", incident.id);
        look::record(shared, &self.actor, &subject, look::INCIDENT_FIELDS, Some("guardian link")).await?;
        let is_yours = incident.acknowledged_by.as_ref().is_some_and(|taken| taken.person == self.actor.person);
        let mut actions: Vec<&'static str> = ACTIONS
            .iter()
            .filter(|action| IncidentAction::allowed(incident.state, Role::Guardian).contains(action))
            .filter(|action| is_yours || **action == IncidentAction::Acknowledge)
            .map(|action| action.name())
            .collect();
        let is_asked = incident.state.is_open() && !is_yours && incident.state != model::IncidentState::OnSite;
        // Who said that they are going, or there, can take it back.
        let is_there = incident.on_site_by.as_ref() == Some(&self.actor.person);
        let may_take_back = (is_yours && incident.state == model::IncidentState::Acknowledged) || is_there;
        if may_take_back || (is_asked && !has_declined) {
            actions.push("cannot");
        }
        Ok(GuardianView {
            expires_at: self.expires_at,
            lang: you.as_ref().map_or(self.attempt.lang, |you| you.lang),
            you: Named { id: self.actor.person.clone(), name: you.map_or_else(String::new, |you| you.name) },
            wearer: Named { id: wearer.id, name: wearer.name },
            fences: wearer.fences,
            is_declined: is_asked && has_declined,
            incident: IncidentView {
                id: incident.id,
                kind: incident.kind,
                priority: incident.priority,
                state: incident.state,
                raised_at: incident.raised_at,
                position: incident.position.filter(|_| incident.state.is_open()),
                explain: incident.explain,
                explain_en: incident.explain_en,
                acknowledged_by: taken,
                is_yours,
            },
            community: Community { name: self.community.name.clone(), phone: self.community.phone.clone() },
            looks,
            actions,
        })
    }
}

/// What a guardian may do to an incident by a link, beside saying that they cannot.
const ACTIONS: &[IncidentAction] = &[IncidentAction::Acknowledge, IncidentAction::Extend, IncidentAction::Arrive];

struct Seen {
    incident: Incident,
    wearer: Wearer,
    you: Option<Person>,
    taken: Option<Taken>,
    looks: Vec<LookJson>,
    has_declined: bool,
}

fn seen(view: &View, id: model::IncidentId, person: &PersonId) -> Result<Option<Seen>, StoreError> {
    let Some(incident) = view.incident(id)? else { return Ok(None) };
    let Some(wearer) = view.wearer(&incident.wearer)? else { return Ok(None) };
    let taken = match &incident.acknowledged_by {
        None => None,
        Some(taken) => {
            let name = view.person(&taken.person)?.map_or_else(|| taken.person.to_string(), |person| person.name);
            Some(Taken { name, at: taken.at, until: taken.until })
        }
    };
    let looks = looks_at(view, &wearer.id, person)?;
    // Whoever does not take a call has not said that they cannot go.
    let said_no = |attempt: &Attempt| {
        attempt.state == AttemptState::Declined && attempt.outcome != Some(AttemptOutcome::Declined)
    };
    let declined = |attempt: &Attempt| attempt.callee.person == *person && said_no(attempt);
    let has_declined = view.attempts_of(id)?.iter().any(declined);
    let you = view.person(person)?;
    Ok(Some(Seen { incident, wearer, you, taken, looks, has_declined }))
}

/// The organisation, and the phone of the nearest desk up the tree.
fn community(view: &View, path: &OrgPath) -> Result<Community, StoreError> {
    let own: Option<Org> = view.org(path)?;
    let name = own.as_ref().map_or_else(String::new, |org| org.name.clone());
    let (mut at, mut levels) = (Some(path.clone()), 0);
    while let Some(path) = at.filter(|_| levels < ORG_LEVELS_MAX) {
        let phone = view.org(&path)?.and_then(|org| org.desk).and_then(|desk| desk.phone);
        if let Some(phone) = phone {
            return Ok(Community { name, phone: Some(phone.to_string()) });
        }
        (at, levels) = (path.parent(), levels + 1);
    }
    Ok(Community { name, phone: None })
}

/// What a guardian's link shows.
#[utoipa::path(
    get,
    path = "/api/v1/guardian/{token}",
    tag = "guardian",
    security(()),
    params(
        ("token" = String, Path, description = "The link's."),
    ),
    responses((status = 200, description = "As asked.", body = GuardianView)),
)]
pub(crate) async fn json(
    State(shared): State<Arc<Shared>>,
    Segments(token): Segments<String>,
) -> Result<Answer<GuardianView>, Fault> {
    Ok(Answer(Link::open(&shared, &token).await?.view(&shared).await?))
}

/// `GET /g/{token}`: the same as a page; with `?sent` after a link was sent again.
pub(crate) async fn page(
    State(shared): State<Arc<Shared>>,
    Segments(token): Segments<String>,
    RawQuery(query): RawQuery,
) -> Response {
    shown(&shared, &token, None, query.as_deref() == Some(SENT)).await
}

/// `POST /g/{token}/{action}`: what a button says; back to the page.
pub(crate) async fn act(
    State(shared): State<Arc<Shared>>,
    Segments((token, action)): Segments<(String, String)>,
) -> Response {
    match carry_out(&shared, &token, &action).await {
        Ok(()) => {
            let back = if action == "resend" { format!("/g/{token}?{SENT}") } else { format!("/g/{token}") };
            (StatusCode::SEE_OTHER, [(LOCATION, back)]).into_response()
        }
        Err(fault) => shown(&shared, &token, Some(fault), false).await,
    }
}

async fn carry_out(shared: &Shared, token: &str, action: &str) -> Result<(), Fault> {
    let link = Link::open(shared, token).await?;
    if action == "resend" {
        return resend(shared, link).await;
    }
    link.unless_over(shared.host.now())?;
    if action == "cannot" {
        let callback =
            Callback { attempt: link.attempt.id, outcome: AttemptOutcome::Key, key: Some("2".into()), text: None };
        let committed = shared.host.callback(callback).await?;
        return shared.seen(committed).await.map(drop);
    }
    let wanted = ACTIONS.iter().copied().find(|wanted| wanted.name() == action);
    let (Some(action), Some(id)) = (wanted, link.attempt.incident) else {
        return Err(Fault::new(Code::NoSuchPath, "there is no such button", "没有此操作"));
    };
    let command =
        StaffCommand::Incident { id, action, if_match: None, note: None, disposition: None, on_behalf_of: None };
    shared.decide(&link.actor, None, command).await.map(drop)
}

/// Sends the message again, with a link that holds from now on, to the number that is registered and to no other.
async fn resend(shared: &Shared, link: Link) -> Result<(), Fault> {
    let now = shared.host.now();
    let who = format!("link {:?} {}", link.attempt.incident, link.actor.person);
    shared.logins.count(&who, RESENDS_MAX, now).map_err(|seconds| {
        Fault::new(
            Code::LimitReached,
            format!("it was sent again a few times already; wait {seconds} s"),
            format!("已多次重新发送，请在 {seconds} 秒后重试"),
        )
        .retry_after(seconds)
    })?;
    shared.decide(&link.actor, None, StaffCommand::SendLink(Box::new(link.attempt))).await.map(drop)
}

/// The page, with what went wrong on top.
async fn shown(shared: &Shared, token: &str, fault: Option<Fault>, is_sent: bool) -> Response {
    let link = match Link::open(shared, token).await {
        Ok(link) => link,
        Err(fault) => return guardian_page::unknown(&fault),
    };
    match link.view(shared).await {
        Ok(view) => guardian_page::whole(token, &view, fault.as_ref(), Clock::of(shared)),
        Err(refusal) => {
            let refusal = fault.unwrap_or(refusal);
            guardian_page::refused(token, &link, &refusal, is_sent)
        }
    }
}
