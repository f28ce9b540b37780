//! The second step of a guardian: a code to their own phone opens where their elder is and has been, and the fences, for
//! half an hour in one browser. Forms and pages; nothing of it needs JavaScript. Whoever only found the link gets no
//! farther than what it opens anyway.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{LOCATION, SET_COOKIE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::step_up::{Opened, STEP_UP_SECONDS};
use model::{Actor, StaffCommand, StepUp, Wearer};

use super::guardian::Link;
use super::{guardian_elder, guardian_page};
use crate::auth::{Caller, Credential, cookie};
use crate::body;
use crate::params::Segments;
use crate::problem::{Code, Fault};
use crate::shared::Shared;
use crate::token;

/// How many codes are sent in a quarter of an hour to one guardian about one elder.
const CODES_MAX: u32 = 3;
const COOKIE_RANDOM_BYTES: usize = 32;
/// A form with six digits in it.
const FORM_BYTES_MAX: usize = 256;

/// A guardian who has entered the code.
pub(super) struct Guardian {
    pub(super) link: Link,
    pub(super) wearer: Wearer,
    secret_sha256: [u8; 32],
}

impl Guardian {
    /// Who holds the link and entered its code in this browser.
    pub(super) async fn known(shared: &Shared, token: &str, headers: &HeaderMap) -> Result<Guardian, Fault> {
        let link = Link::open(shared, token).await?;
        link.unless_over(shared.host.now())?;
        let refused = || {
            Fault::new(
                Code::PhoneUnproven,
                "this opens with a code: POST /g/{token}/code sends it to your own phone, POST /g/{token}/enter takes it",
                "需先验证手机：请在页面上获取并输入验证码",
            )
        };
        let given = cookie(headers, &cookie_name(&link))?.ok_or_else(refused)?;
        let (secret_sha256, now) = (token::sha256(&given), shared.host.now());
        let known = shared.host.step_ups(&link.actor.person, &link.attempt.wearer);
        if !known.iter().any(|one| one.admits(&secret_sha256, now)) {
            return Err(refused());
        }
        let wanted = link.attempt.wearer.clone();
        let wearer = shared.find(move |view| view.wearer(&wanted)).await?;
        let wearer = wearer.ok_or_else(|| Fault::not_found("the wearer"))?;
        Ok(Guardian { link, wearer, secret_sha256 })
    }

    /// The guardian, who sees whom they care for, wherever that is in the tree now.
    pub(super) fn actor(&self) -> Actor {
        Actor { scope: self.wearer.org.clone(), ..self.link.actor.clone() }
    }

    /// Whether this is what opened the pages in this browser.
    pub(super) fn is_opened_by(&self, opened: &Opened) -> bool {
        opened.secret_sha256 == self.secret_sha256
    }

    pub(super) fn caller(&self) -> Caller {
        Caller { actor: self.actor(), credential: Credential::Session(self.secret_sha256) }
    }
}

/// `GET /g/{token}/elder`: the guardian's pages, or what it takes to open them.
pub(crate) async fn page(
    State(shared): State<Arc<Shared>>,
    Segments(token): Segments<String>,
    headers: HeaderMap,
) -> Response {
    match Guardian::known(&shared, &token, &headers).await {
        Ok(guardian) => match guardian_elder::page(&shared, &token, &guardian).await {
            Ok(page) => page,
            Err(fault) => guardian_page::refused(&token, &guardian.link, &fault, false),
        },
        Err(fault) if fault.code() == Code::PhoneUnproven => asked(&shared, &token, None).await,
        Err(fault) => lost(&shared, &token, fault).await,
    }
}

/// `POST /g/{token}/code`: sends a code to the number that is registered, and to no other.
pub(crate) async fn send(State(shared): State<Arc<Shared>>, Segments(token): Segments<String>) -> Response {
    match sent(&shared, &token).await {
        Ok(()) => (StatusCode::SEE_OTHER, [(LOCATION, format!("/g/{token}/elder"))]).into_response(),
        Err(fault) => asked(&shared, &token, Some(fault)).await,
    }
}

async fn sent(shared: &Shared, token: &str) -> Result<(), Fault> {
    let (link, now) = (Link::open(shared, token).await?, shared.host.now());
    link.unless_over(now)?;
    let what = format!("code {} {}", link.actor.person, link.attempt.wearer);
    shared.logins.count(&what, CODES_MAX, now).map_err(|seconds| {
        Fault::new(
            Code::LimitReached,
            format!("a few codes were sent already; wait {seconds} s"),
            format!("已多次发送验证码，请在 {seconds} 秒后重试"),
        )
        .retry_after(seconds)
    })?;
    shared.decide(&link.actor, None, StaffCommand::SendCode(Box::new(link.attempt))).await.map(drop)
}

/// `POST /g/{token}/enter`: the code; the right one opens the pages in this browser.
pub(crate) async fn enter(
    State(shared): State<Arc<Shared>>,
    Segments(token): Segments<String>,
    request: Request,
) -> Response {
    match entered(&shared, &token, request).await {
        Ok(cookie) => {
            let to = format!("/g/{token}/elder");
            (StatusCode::SEE_OTHER, [(LOCATION, to), (SET_COOKIE, cookie)]).into_response()
        }
        Err(fault) => asked(&shared, &token, Some(fault)).await,
    }
}

/// The cookie that opens the pages.
async fn entered(shared: &Shared, token: &str, request: Request) -> Result<String, Fault> {
    let link = Link::open(shared, token).await?;
    link.unless_over(shared.host.now())?;
    let form = body::read(request, FORM_BYTES_MAX).await?;
    let text = String::from_utf8_lossy(&form);
    let given = text.split('&').find_map(|pair| pair.strip_prefix("code=")).unwrap_or_default();
    let digits: String = given.chars().filter(char::is_ascii_digit).collect();
    let waiting = waiting(shared, &link).ok_or_else(|| {
        Fault::new(Code::LimitReached, "this code holds no more: have another one sent", "验证码已失效，请重新获取")
    })?;
    let mut random = [0; COOKIE_RANDOM_BYTES];
    shared.host.random(&mut random);
    let secret = URL_SAFE_NO_PAD.encode(random);
    let is_right = shared.host.verify_code(waiting.code, &digits);
    let command = StaffCommand::EnterCode { code: waiting.code, is_right, secret_sha256: token::sha256(&secret) };
    metrics::counter!("api_guardian_codes_total", "result" => if is_right { "right" } else { "wrong" }).increment(1);
    shared.decide(&link.actor, None, command).await?;
    let name = cookie_name(&link);
    // Lax: the link is opened from a message, and a step that was taken is not to be taken again for that.
    Ok(format!("{name}={secret}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={STEP_UP_SECONDS}"))
}

/// The code that can be entered now.
fn waiting(shared: &Shared, link: &Link) -> Option<StepUp> {
    let now = shared.host.now();
    let mut known = shared.host.step_ups(&link.actor.person, &link.attempt.wearer);
    known.retain(|one| one.takes_a_code(now));
    known.pop()
}

/// One for each link: a phone may hold those of two elders.
fn cookie_name(link: &Link) -> String {
    format!("__Host-yinling-{}", link.attempt.id)
}

/// The page that asks for a code, or offers to send one.
async fn asked(shared: &Shared, token: &str, fault: Option<Fault>) -> Response {
    let link = match Link::open(shared, token).await {
        Ok(link) => link,
        Err(fault) => return guardian_page::unknown(&fault),
    };
    if let Err(over) = link.unless_over(shared.host.now()) {
        return guardian_page::refused(token, &link, &over, false);
    }
    let person = link.actor.person.clone();
    let phone = match shared.read(move |view| view.person(&person)).await {
        Ok(person) => person.and_then(|person| person.phone),
        Err(fault) => return guardian_page::refused(token, &link, &fault, false),
    };
    let phone = phone.map(|phone| model::Destination(phone).masked());
    guardian_page::code(token, &link, phone.as_deref(), waiting(shared, &link).is_some(), fault.as_ref())
}

async fn lost(shared: &Shared, token: &str, fault: Fault) -> Response {
    match Link::open(shared, token).await {
        Ok(link) => guardian_page::refused(token, &link, &fault, false),
        Err(fault) => guardian_page::unknown(&fault),
    }
}
