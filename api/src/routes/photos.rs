//! Photos of cases: taken without what says where they were taken, kept beside the journal, shown to who sees the case.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use model::case::{CaseRequest, Photo};
use model::{Case, CaseAction, StaffCommand, Timestamp};
use sha2::{Digest, Sha256};

use super::cases::{self, visible};
use crate::auth::Caller;
use crate::headers::CommandHeaders;
use crate::params::Segments;
use crate::photo::{PHOTO_BYTES_MAX, Unfit, clean};
use crate::problem::{Code, Fault};
use crate::scope::sees_about;
use crate::shared::Shared;
use crate::{body, look};

/// How long a browser may keep a photo, in seconds: it never changes, but who may see it does.
const CACHE: HeaderValue = HeaderValue::from_static("private, max-age=300");
/// An image and nothing else, whatever it says it is.
const POLICY: HeaderValue = HeaderValue::from_static("default-src 'none'; sandbox");

/// Adds a photo; where it was taken is taken out of it.
#[utoipa::path(
    post,
    path = "/api/v1/cases/{id}/photos",
    tag = "cases",
    params(
        ("id" = String, Path, description = "Case."),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key gives the same answer."),
        ("If-Match" = Option<String>, Header, description = "The entity's `ETag`."),
    ),
    request_body(content = crate::openapi::Binary, description = "A JPEG or PNG.", content_type = "image/jpeg"),
    responses((status = 200, description = "As committed.", body = Case), (status = 201, description = "New, as committed.", body = Case)),
)]
pub(crate) async fn add(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Segments(id): Segments<String>,
    headers: CommandHeaders,
    request: Request,
) -> Result<Response, Fault> {
    let case = visible(&shared, &caller.actor, &id).await?;
    let bytes = body::read(request, PHOTO_BYTES_MAX).await?;
    let cleaned =
        tokio::task::spawn_blocking(move || clean(&bytes).map(|(media, bytes)| (media, hash_of(&bytes), bytes)));
    let unavailable = |_| Fault::new(Code::Unavailable, "the photo could not be looked at", "照片处理中断");
    let (media, hash, bytes) = cleaned.await.map_err(unavailable)?.map_err(unfit)?;
    // Who and when are the engine's to say: a repeat with the same Idempotency-Key is the same request.
    let by = caller.actor.person.clone();
    let photo = Photo { hash: hash.as_str().into(), bytes: bytes.len() as u32, media, by, at: Timestamp::EPOCH };
    shared.host.keep_photo(&hash, bytes).await?;
    let request = CaseRequest { photo: Some(photo), ..CaseRequest::new(CaseAction::Photo) };
    let command = StaffCommand::Case { id: case.id, if_match: None, request: Box::new(request) };
    let reply = shared.decide(&caller.actor, headers.idempotency_key, command).await?;
    let mut response = (StatusCode::CREATED, cases::answer(&caller.actor, reply)?).into_response();
    if let Ok(location) = HeaderValue::from_str(&format!("/api/v1/photos/{hash}")) {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

/// One photo.
#[utoipa::path(
    get,
    path = "/api/v1/photos/{hash}",
    tag = "cases",
    params(
        ("hash" = String, Path, description = "Its SHA-256."),
    ),
    responses((status = 200, description = "The image.", content((crate::openapi::Binary = "image/jpeg"), (crate::openapi::Binary = "image/png")))),
)]
pub(crate) async fn one(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Segments(hash): Segments<String>,
) -> Result<Response, Fault> {
    let not_there = || Fault::not_found("the photo");
    let is_hash = hash.len() == 64 && hash.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if !is_hash {
        return Err(not_there());
    }
    let (wanted, actor) = (hash.clone(), caller.actor.clone());
    let find = move |view: &store::State| {
        let cases = view.cases_of_photo(&wanted)?;
        let case = cases.into_iter().find(|case| sees_about(view, &actor, Some(&case.org), case.wearer.as_ref()));
        Ok(case.and_then(|case| case.photos.into_iter().find(|photo| photo.hash == wanted.as_str())))
    };
    let photo = shared.find(find).await?.ok_or_else(not_there)?;
    look::record(&shared, &caller.actor, &format!("photos/{hash}"), look::PHOTO_FIELDS, None).await?;
    let bytes = shared.host.photo(&hash).await?.filter(|bytes| hash_of(bytes) == hash).ok_or_else(|| {
        tracing::error!(hash, "a photo is not there any more, or is damaged: restore it from a backup");
        Fault::new(Code::StateUnavailable, "the photo is damaged or gone", "照片已损坏或丢失")
    })?;
    let mut response = bytes.into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(photo.media.name()));
    headers.insert(CACHE_CONTROL, CACHE);
    headers.insert(CONTENT_SECURITY_POLICY, POLICY);
    Ok(response)
}

fn hash_of(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unfit(unfit: Unfit) -> Fault {
    match unfit {
        Unfit::Unknown => Fault::invalid("", "a photo is JPEG, PNG or WebP", "照片须为 JPEG、PNG 或 WebP 格式"),
        Unfit::Broken(media) => Fault::invalid(
            "",
            format!("it begins as {} and breaks off, or is damaged", media.name()),
            format!("{} 文件不完整或已损坏", media.name()),
        ),
    }
}
