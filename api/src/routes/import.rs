//! `POST /api/v1/import`: the registry, all or nothing; `?dry_run=true` only checks.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use model::{RegistryChange, Role, StaffCommand};
use serde::{Deserialize, Serialize};

use crate::auth::{Caller, only};
use crate::body;
use crate::headers::{CommandHeaders, IdempotencyKey};
use crate::host::RowError;
use crate::params::Params;
use crate::problem::{Code, Fault};
use crate::registry_json::RegistryDocument;
use crate::scope::sees_everything;
use crate::shared::Shared;

/// Who may write the registry.
pub(super) const IMPORTERS: &[Role] = &[Role::Admin, Role::Operator, Role::Integration];

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ImportParams {
    #[serde(default)]
    dry_run: bool,
}

#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Imported {
    dry_run: bool,
    counts: Counts,
    warnings: Vec<RowError>,
}

#[derive(Serialize, utoipa::ToSchema)]
struct Counts {
    orgs: usize,
    people: usize,
    wearers: usize,
    devices: usize,
}

impl Counts {
    fn of(change: &RegistryChange) -> Counts {
        Counts {
            orgs: change.orgs.len(),
            people: change.people.len(),
            wearers: change.wearers.len(),
            devices: change.devices.len(),
        }
    }
}

/// The registry: upsert, all or nothing.
#[utoipa::path(
    post,
    path = "/api/v1/import",
    tag = "registry",
    params(ImportParams, IdempotencyKey),
    request_body(content((RegistryDocument = "application/json"), (String = "text/csv")), description = "The registry as the README describes it, as JSON, or CSV of one noun."),
    responses((status = 200, description = "Written, or checked.", body = Imported)),
)]
pub(crate) async fn import(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    headers: CommandHeaders,
    Params(params): Params<ImportParams>,
    request: Request,
) -> Result<Json<Imported>, Fault> {
    only(&caller.actor, IMPORTERS)?;
    if !sees_everything(&caller.actor) {
        return Err(Fault::new(
            Code::NotAllowed,
            format!(
                "an import may touch the whole tree: it needs a token with scope /, yours is {}",
                caller.actor.scope
            ),
            format!("导入可能涉及整个组织树，需要范围为 / 的令牌；当前范围为 {}", caller.actor.scope),
        ));
    }
    let content_type =
        request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let body = body::read(request, shared.config.import_bytes_max).await?;
    // A large file takes a second to check: not on a thread that serves others.
    let host = Arc::clone(&shared.host);
    let checked = tokio::task::spawn_blocking(move || host.validate_import(&body, &content_type)).await;
    let import = match checked {
        Ok(checked) => checked.map_err(refused)?,
        Err(error) => {
            tracing::error!(%error, "an import's check ended early");
            return Err(Fault::new(Code::Unavailable, "the check was broken off", "校验被中断"));
        }
    };
    let imported = Imported { dry_run: params.dry_run, counts: Counts::of(&import.change), warnings: import.warnings };
    if !params.dry_run {
        let command = StaffCommand::Import(Box::new(import.change));
        shared.decide(&caller.actor, headers.idempotency_key, command).await?;
    }
    Ok(Json(imported))
}

pub(super) fn refused(errors: Vec<RowError>) -> Fault {
    let count = errors.len();
    Fault::new(
        Code::Invalid,
        format!("{count} fault{}; nothing was written", if count == 1 { "" } else { "s" }),
        format!("共 {count} 处错误；未写入任何数据"),
    )
    .with_errors(errors)
}
