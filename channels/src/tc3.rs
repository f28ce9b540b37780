//! Tencent Cloud's TC3-HMAC-SHA256: how every request to Tencent is signed.

use serde_json::Value;

use crate::Credential;
use crate::request::{HttpRequest, Seal, hex, hmac_sha256, sha256_hex};

const ALGORITHM: &str = "TC3-HMAC-SHA256";
const CONTENT_TYPE: &str = "application/json; charset=utf-8";
const SIGNED: &str = "content-type;host";

/// One action of one of Tencent's services.
#[derive(Debug, Clone, Copy)]
pub struct Action<'a> {
    /// `https://sms.tencentcloudapi.com`, without a slash at its end.
    pub endpoint: &'a str,
    /// `sms`.
    pub service: &'a str,
    /// `SendSms`.
    pub name: &'a str,
    /// `2021-01-11`.
    pub version: &'a str,
    /// `ap-guangzhou`.
    pub region: &'a str,
}

/// The signed POST of a JSON body.
#[must_use]
pub fn request(action: &Action<'_>, body: &Value, credential: &Credential, seal: &Seal) -> HttpRequest {
    let body = body.to_string().into_bytes();
    let seconds = seal.seconds();
    let host = action.endpoint.split("://").nth(1).unwrap_or(action.endpoint);
    let day = day(seal);
    let signature = sign(host, action.service, &body, credential.secret(), seconds, &day);
    let id = credential.id();
    let authorization = format!(
        "{ALGORITHM} Credential={id}/{day}/{}/tc3_request, SignedHeaders={SIGNED}, Signature={signature}",
        action.service
    );
    let headers = vec![
        ("content-type", CONTENT_TYPE.to_owned()),
        ("x-tc-action", action.name.to_owned()),
        ("x-tc-version", action.version.to_owned()),
        ("x-tc-region", action.region.to_owned()),
        ("x-tc-timestamp", seconds.to_string()),
        ("authorization", authorization),
    ];
    HttpRequest { method: "POST", url: format!("{}/", action.endpoint), headers, body }
}

fn sign(host: &str, service: &str, body: &[u8], secret: &[u8], seconds: i64, day: &str) -> String {
    let canonical = format!("POST\n/\n\ncontent-type:{CONTENT_TYPE}\nhost:{host}\n\n{SIGNED}\n{}", sha256_hex(body));
    let scope = format!("{day}/{service}/tc3_request");
    let to_sign = format!("{ALGORITHM}\n{seconds}\n{scope}\n{}", sha256_hex(canonical.as_bytes()));
    let key = hmac_sha256(&[b"TC3", secret].concat(), day.as_bytes());
    let key = hmac_sha256(&key, service.as_bytes());
    let key = hmac_sha256(&key, b"tc3_request");
    hex(&hmac_sha256(&key, to_sign.as_bytes()))
}

/// The day in UTC, `2019-02-25`.
fn day(seal: &Seal) -> String {
    seal.now.to_string().split('T').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use model::Timestamp;

    use super::*;

    /// The example of Tencent's own description of the signature.
    #[test]
    fn the_published_vector() {
        let seal = Seal { now: Timestamp::from_millis(1_551_113_065_000), nonce: [0; 16] };
        let body = br#"{"Limit": 1, "Filters": [{"Values": ["\u672a\u547d\u540d"], "Name": "instance-name"}]}"#;
        assert_eq!(
            sign(
                "cvm.tencentcloudapi.com",
                "cvm",
                body,
                b"Gu5t9xGARNpq86cd98joQYCN3EXAMPLE",
                seal.seconds(),
                &day(&seal)
            ),
            "72e494ea809ad7a8c8f7a4507b9bddcbaa8e581f516e8da2f66e2c5a96525168"
        );
    }
}
