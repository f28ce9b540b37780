//! Problem documents (RFC 9457), with a code, a title in two languages and the trace id.

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use compact_str::CompactString;
use model::{Language, PersonId, Problem, ProblemCode};
use serde::Serialize;
use utoipa::ToSchema;

use crate::host::{RowError, Unavailable};

/// How many single faults a document lists.
const ERRORS_SHOWN_MAX: usize = 1_000;
/// After how many seconds a caller may try again when the engine takes nothing in.
const RETRY_AFTER_SECONDS: u32 = 5;

tokio::task_local! {
    /// The trace id of the request that this task serves.
    pub(crate) static TRACE: String;
}

macro_rules! codes {
    ($($variant:ident = $status:literal $name:literal, $title:literal, $title_zh:literal;)*) => {
        /// The class of a problem.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Code { $($variant),* }
        impl Code {
            pub(crate) fn status(self) -> StatusCode {
                let status: u16 = match self { $(Code::$variant => $status),* };
                StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST)
            }
            fn name(self) -> &'static str {
                match self { $(Code::$variant => $name),* }
            }
            fn titles(self) -> (&'static str, &'static str) {
                match self { $(Code::$variant => ($title, $title_zh)),* }
            }
        }
    };
}

codes! {
    BadCursor = 400 "bad-cursor", "Not a cursor of this feed", "游标无效";
    BadHeader = 400 "bad-header", "A header cannot be read", "请求头无效";
    BadParameter = 400 "bad-parameter", "A query parameter cannot be read", "查询参数无效";
    BadBody = 400 "bad-body", "The body could not be read", "请求体读取失败";
    MalformedJson = 400 "malformed-json", "The body is not JSON", "请求体不是有效的 JSON";
    Unauthenticated = 401 "unauthenticated", "Who are you?", "未通过身份验证";
    WrongPassword = 401 "wrong-password", "Wrong account or password", "账号或密码错误";
    CrossSite = 403 "cross-site", "Not from one of our own pages", "请求并非来自本站页面";
    NoConsent = 403 "no-consent", "The consent to this was taken back", "已撤回知情同意";
    BehindGlass = 403 "behind-glass", "A reason is needed to see where somebody is", "查看位置须说明事由";
    PhoneUnproven = 403 "code-needed", "A code to your own phone opens this", "需先验证手机";
    NotAllowed = 403 "not-allowed", "Not in your role", "当前角色无此权限";
    NotFound = 404 "not-found", "Not there, or not visible to you", "不存在或无权查看";
    NoSuchPath = 404 "no-such-path", "There is nothing at this address", "此地址不存在";
    MethodNotAllowed = 405 "method-not-allowed", "This address does not take this method", "此地址不支持该方法";
    Timeout = 503 "timeout", "It took too long", "处理超时";
    IllegalInState = 409 "illegal-in-state", "Not possible in this state", "当前状态不允许此操作";
    ErasureNotOffered = 409 "erasure-not-offered", "This is not erased", "此项不可清除";
    KeyReused = 409 "key-reused", "This idempotency key belongs to another request", "幂等键已用于其他请求";
    LinkExpired = 410 "link-expired", "This link is over", "链接已过期";
    CursorExpired = 410 "cursor-expired", "The feed does not reach back so far", "游标已过期";
    Stale = 412 "stale", "You saw an older version", "版本已过期";
    TooLarge = 413 "too-large", "The body is too large", "请求体过大";
    Invalid = 422 "invalid", "The request cannot be carried out as it is", "请求内容有误";
    VersionRequired = 428 "version-required", "If-Match is required here", "此处需要 If-Match";
    LimitReached = 429 "limit-reached", "A limit is reached", "已达上限";
    Unavailable = 503 "unavailable", "The engine takes nothing in at the moment", "系统暂时无法受理";
    StateUnavailable = 503 "state-unavailable", "The state cannot be read at the moment", "状态数据暂时无法读取";
    TooManyStreams = 503 "too-many-streams", "Too many live streams", "实时连接过多";
}

/// A refusal, on its way to being a problem document. Boxed: it is rare, and every result carries its size.
#[derive(Debug)]
pub(crate) struct Fault(Box<Particulars>);

#[derive(Debug)]
struct Particulars {
    code: Code,
    detail: String,
    detail_zh: String,
    errors: Vec<RowError>,
    allowed_actions: Vec<CompactString>,
    holder: Option<PersonId>,
    version: Option<u32>,
    snapshots: Vec<&'static str>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Fault {
    /// A fault with its two sentences.
    pub(crate) fn new(code: Code, detail: impl Into<String>, detail_zh: impl Into<String>) -> Fault {
        let mut fault = Particulars {
            code,
            detail: detail.into(),
            detail_zh: detail_zh.into(),
            errors: Vec::new(),
            allowed_actions: Vec::new(),
            holder: None,
            version: None,
            snapshots: Vec::new(),
            headers: Vec::new(),
        };
        if code == Code::Unauthenticated {
            fault.headers.push((WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"yinling\"")));
        }
        if code.status() == StatusCode::SERVICE_UNAVAILABLE {
            fault.headers.push((RETRY_AFTER, HeaderValue::from(RETRY_AFTER_SECONDS)));
        }
        Fault(Box::new(fault))
    }

    /// Something that is not there, or not for this caller: the two look the same.
    pub(crate) fn not_found(what: &str) -> Fault {
        Fault::from(Problem::not_found(what))
    }

    /// One fault of the request's body.
    pub(crate) fn invalid(pointer: &str, detail: impl Into<String>, detail_zh: impl Into<String>) -> Fault {
        let (detail, detail_zh) = (detail.into(), detail_zh.into());
        let error = RowError { pointer: pointer.to_owned(), detail: detail.clone(), detail_zh: detail_zh.clone() };
        Fault::new(Code::Invalid, detail, detail_zh).with_errors(vec![error])
    }

    pub(crate) fn code(&self) -> Code {
        self.0.code
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.0.code.status()
    }

    /// The sentence.
    pub(crate) fn detail(&self, lang: Language) -> &str {
        if lang == Language::ZhCn { &self.0.detail_zh } else { &self.0.detail }
    }

    pub(crate) fn with_errors(mut self, errors: Vec<RowError>) -> Fault {
        self.0.errors = errors;
        self
    }

    /// After how many seconds it is worth another try.
    pub(crate) fn retry_after(mut self, seconds: u32) -> Fault {
        self.0.headers.push((RETRY_AFTER, HeaderValue::from(seconds)));
        self
    }

    pub(crate) fn with_snapshots(mut self, urls: &[&'static str]) -> Fault {
        self.0.snapshots = urls.to_vec();
        self
    }
}

impl From<Problem> for Fault {
    fn from(problem: Problem) -> Fault {
        let code = match problem.code {
            ProblemCode::NotFound => Code::NotFound,
            ProblemCode::IllegalInState => Code::IllegalInState,
            ProblemCode::NotAllowed => Code::NotAllowed,
            ProblemCode::Stale => Code::Stale,
            ProblemCode::VersionRequired => Code::VersionRequired,
            ProblemCode::Invalid => Code::Invalid,
            ProblemCode::KeyReused => Code::KeyReused,
            ProblemCode::LimitReached => Code::LimitReached,
        };
        let errors = problem.errors.into_iter().map(|fault| RowError {
            pointer: fault.pointer.into(),
            detail: fault.detail,
            detail_zh: fault.detail_zh,
        });
        let mut fault = Fault::new(code, problem.detail, problem.detail_zh).with_errors(errors.collect());
        fault.0.allowed_actions = problem.allowed_actions;
        fault.0.holder = problem.holder;
        fault.0.version = problem.version;
        fault
    }
}

impl From<Unavailable> for Fault {
    fn from(_: Unavailable) -> Fault {
        Fault::new(
            Code::Unavailable,
            "the engine is stopping, or its journal cannot be written; whether this took effect is not known: \
             repeat it with the same Idempotency-Key",
            "系统正在停止或日志无法写入，操作是否生效未知：请使用相同的 Idempotency-Key 重试",
        )
    }
}

/// For logs and tests: code, pointers and sentence.
impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0.code.name())?;
        for error in &self.0.errors {
            write!(f, " {}", error.pointer)?;
        }
        write!(f, ": {}", self.0.detail)
    }
}

/// A problem document (RFC 9457).
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct Document<'a> {
    #[schema(examples("urn:yinling:problem:not-found"))]
    r#type: String,
    title: &'a str,
    title_zh: &'a str,
    status: u16,
    /// The class; names do not change.
    code: &'a str,
    detail: &'a str,
    detail_zh: &'a str,
    trace_id: String,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    #[schema(value_type = Vec<RowError>, required = false)]
    errors: &'a [RowError],
    /// How many there are, when not all are listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    errors_total: Option<usize>,
    /// For 409: what would be possible now.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<String>>)]
    allowed_actions: Option<&'a [CompactString]>,
    /// For 409: who holds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    holder: Option<&'a PersonId>,
    /// For 412: the present version.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u32>,
    /// For 410: where everything is to be read as it stands.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    #[schema(value_type = Vec<String>, required = false)]
    snapshots: &'a [&'static str],
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let fault = *self.0;
        let (title, title_zh) = fault.code.titles();
        let shown = fault.errors.len().min(ERRORS_SHOWN_MAX);
        let document = Document {
            r#type: format!("urn:yinling:problem:{}", fault.code.name()),
            title,
            title_zh,
            status: fault.code.status().as_u16(),
            code: fault.code.name(),
            detail: &fault.detail,
            detail_zh: &fault.detail_zh,
            trace_id: TRACE.try_with(Clone::clone).unwrap_or_default(),
            errors: &fault.errors[..shown],
            errors_total: (shown < fault.errors.len()).then_some(fault.errors.len()),
            allowed_actions: (fault.code == Code::IllegalInState).then_some(&fault.allowed_actions),
            holder: fault.holder.as_ref(),
            version: fault.version,
            snapshots: &fault.snapshots,
        };
        // A struct of strings and numbers: the conversion cannot fail.
        let body = serde_json::to_vec(&document).unwrap_or_default();
        let mut response = (fault.code.status(), body).into_response();
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        for (name, value) in fault.headers {
            response.headers_mut().insert(name, value);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engines_refusals_keep_their_names_and_statuses() {
        for code in [
            ProblemCode::NotFound,
            ProblemCode::IllegalInState,
            ProblemCode::NotAllowed,
            ProblemCode::Stale,
            ProblemCode::VersionRequired,
            ProblemCode::Invalid,
            ProblemCode::KeyReused,
            ProblemCode::LimitReached,
        ] {
            let fault = Fault::from(Problem::new(code, "so", "如此"));
            assert_eq!(fault.code().status().as_u16(), code.status());
            assert_eq!(fault.code().name(), code.name());
        }
    }

    #[test]
    fn a_document_lists_only_so_many_faults_and_says_how_many_there_are() {
        let error = RowError { pointer: "/a".to_owned(), detail: "no".to_owned(), detail_zh: "否".to_owned() };
        let fault = Fault::invalid("/a", "no", "否").with_errors(vec![error; ERRORS_SHOWN_MAX + 1]);
        let response = fault.into_response();
        assert_eq!(response.status(), StatusCode::UNPROCESSABLE_ENTITY);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let body = runtime.block_on(axum::body::to_bytes(response.into_body(), 1 << 20)).unwrap();
        let document: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(document["errors"].as_array().unwrap().len(), ERRORS_SHOWN_MAX);
        assert_eq!(document["errors_total"], ERRORS_SHOWN_MAX + 1);
    }
}
