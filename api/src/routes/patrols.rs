//! Patrols: rounds on the uncovered, on those who live alone, or on who is named. The visits are cases.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use model::case::{PatrolOrder, PatrolWho, Question, QuestionKind};
use model::{Entity, Patrol, PatrolId, Reply, StaffCommand, WearerId};
use serde::Deserialize;
use store::Page;

use super::case_bodies::checked_org;
use super::commands::entity_answer;
use super::incidents::{after_id, checked_id, checked_text};
use super::tasks::STAFF;
use crate::auth::{Caller, only};
use crate::body::Json;
use crate::headers::CommandHeaders;
use crate::page::{Listing, Paging, checked_limit, respond};
use crate::params::{Params, Segments, counted};
use crate::problem::Fault;
use crate::scope::visible_to;
use crate::shared::{Shared, tagged};

/// The longest name, in bytes.
const NAME_BYTES_MAX: usize = 100;
/// The most people named in one order; casework visits no more than this.
const WEARERS_MAX: usize = 500;
/// The most questions of a form, and choices of a question.
const QUESTIONS_MAX: usize = 50;
const CHOICES_MAX: usize = 20;
/// The longest question, and choice, in bytes.
const LABEL_BYTES_MAX: usize = 200;
const CHOICE_BYTES_MAX: usize = 100;

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PatrolBody {
    name: String,
    org: String,
    who: PatrolWho,
    #[serde(default)]
    wearers: Vec<String>,
    #[serde(default)]
    form: Vec<QuestionBody>,
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct QuestionBody {
    id: String,
    label: String,
    kind: QuestionKind,
    #[serde(default)]
    choices: Vec<String>,
    #[serde(default)]
    required: bool,
}

impl PatrolBody {
    fn order(self) -> Result<PatrolOrder, Fault> {
        checked_text("/name", Some(&self.name), NAME_BYTES_MAX)?;
        if self.name.trim().is_empty() {
            return Err(Fault::invalid("/name", "say what it is called", "请填写名称"));
        }
        let is_listed = self.who == PatrolWho::Listed;
        if is_listed == self.wearers.is_empty() || self.wearers.len() > WEARERS_MAX {
            let detail = format!("1 to {WEARERS_MAX} with `who: listed`, else none");
            return Err(Fault::invalid(
                "/wearers",
                detail,
                format!("who 为 listed 时须列出 1 至 {WEARERS_MAX} 人，否则不填"),
            ));
        }
        let mut wearers = Vec::new();
        for (place, id) in self.wearers.iter().enumerate() {
            checked_id(&format!("/wearers/{place}"), Some(id))?;
            wearers.push(WearerId::new(id));
        }
        if self.form.len() > QUESTIONS_MAX {
            let detail = format!("at most {QUESTIONS_MAX} questions");
            return Err(Fault::invalid("/form", detail, format!("最多 {QUESTIONS_MAX} 个问题")));
        }
        let mut ids = BTreeSet::new();
        let mut form = Vec::new();
        for (place, question) in self.form.into_iter().enumerate() {
            if !ids.insert(question.id.clone()) {
                return Err(Fault::invalid(&format!("/form/{place}/id"), "stands twice", "问题标识重复"));
            }
            form.push(question.checked(&format!("/form/{place}"))?);
        }
        let org = checked_org("/org", &self.org)?;
        Ok(PatrolOrder { name: self.name.trim().to_owned(), org, who: self.who, wearers, form })
    }
}

impl QuestionBody {
    fn checked(self, at: &str) -> Result<Question, Fault> {
        checked_id(&format!("{at}/id"), Some(&self.id))?;
        checked_text(&format!("{at}/label"), Some(&self.label), LABEL_BYTES_MAX)?;
        if self.label.trim().is_empty() {
            return Err(Fault::invalid(&format!("{at}/label"), "ask something", "请填写问题"));
        }
        let is_choice = self.kind == QuestionKind::Choice;
        if is_choice != (2..=CHOICES_MAX).contains(&self.choices.len()) || (!is_choice && !self.choices.is_empty()) {
            let detail = format!("a choice has 2 to {CHOICES_MAX}, every other kind none");
            let detail_zh = format!("选择题须有 2 至 {CHOICES_MAX} 个选项，其他题型不填");
            return Err(Fault::invalid(&format!("{at}/choices"), detail, detail_zh));
        }
        for (place, choice) in self.choices.iter().enumerate() {
            checked_text(&format!("{at}/choices/{place}"), Some(choice), CHOICE_BYTES_MAX)?;
        }
        let choices = self.choices.iter().map(|choice| choice.trim().to_owned()).collect();
        let label = self.label.trim().to_owned();
        Ok(Question { id: self.id.into(), label, kind: self.kind, choices, required: self.required })
    }
}

/// Begins a patrol.
#[utoipa::path(
    post,
    path = "/api/v1/patrols",
    tag = "cases",
    params(
        ("Idempotency-Key" = Option<String>, Header, description = "The same key gives the same answer."),
    ),
    request_body(content = PatrolBody, description = "Whom the patrol visits, and what it asks."),
    responses((status = 200, description = "As committed.", body = Patrol), (status = 201, description = "New, as committed.", body = Patrol)),
)]
pub(crate) async fn start(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    headers: CommandHeaders,
    Json(body): Json<PatrolBody>,
) -> Result<Response, Fault> {
    let command = StaffCommand::StartPatrol(Box::new(body.order()?));
    match shared.decide(&caller.actor, headers.idempotency_key, command).await? {
        Reply::Done(Some(Entity::Patrol(patrol))) => {
            Ok((StatusCode::CREATED, tagged(&*patrol, patrol.version)).into_response())
        }
        other => Ok(entity_answer(other)),
    }
}

/// Patrols.
#[utoipa::path(
    get,
    path = "/api/v1/patrols",
    tag = "cases",
    params(
        ("after" = Option<String>, Query, description = "The key that the last page ended with."),
        ("limit" = Option<u16>, Query, description = "How many at most, 1 to 500."),
    ),
    responses((status = 200, description = "As asked.", body = Listing<Patrol>)),
)]
pub(crate) async fn list(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Params(paging): Params<Paging>,
) -> Result<Response, Fault> {
    only(&caller.actor, STAFF)?;
    let limit = checked_limit(paging.limit)?;
    let after = after_id::<PatrolId>(paging.after.as_deref())?;
    let as_of = shared.newest_cursor().await?;
    let listing = shared
        .read(move |view| {
            view.patrols(Page { after, limit }, &|patrol| visible_to(&caller.actor, Some(&patrol.order.org)))
        })
        .await?;
    let next = listing.next(|number| PatrolId::from_raw(number).to_string());
    Ok(respond("/api/v1/patrols", &[], limit, listing.items, next, as_of))
}

/// One patrol.
#[utoipa::path(
    get,
    path = "/api/v1/patrols/{id}",
    tag = "cases",
    params(
        ("id" = String, Path, description = "Patrol."),
    ),
    responses((status = 200, description = "As asked.", body = Patrol)),
)]
pub(crate) async fn one(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Segments(id): Segments<String>,
) -> Result<Response, Fault> {
    only(&caller.actor, STAFF)?;
    let wanted = counted::<PatrolId>(&id, "patrol")?;
    let patrol = shared
        .find(move |view| view.patrol(wanted))
        .await?
        .filter(|patrol| visible_to(&caller.actor, Some(&patrol.order.org)))
        .ok_or_else(|| Fault::not_found(&format!("patrol {wanted}")))?;
    Ok(tagged(&patrol, patrol.version))
}
