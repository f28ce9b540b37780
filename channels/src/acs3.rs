//! Aliyun's ACS3-HMAC-SHA256: how every request to Aliyun is signed.

use crate::Credential;
use crate::request::{HttpRequest, Seal, hex, hmac_sha256, percent, sha256_hex};

const ALGORITHM: &str = "ACS3-HMAC-SHA256";

/// One action of one of Aliyun's RPC-style services; everything stands in the query, the body is empty.
#[derive(Debug, Clone, Copy)]
pub struct Action<'a> {
    /// `https://dysmsapi.aliyuncs.com`, without a slash at its end.
    pub endpoint: &'a str,
    /// `SendSms`.
    pub name: &'a str,
    /// `2017-05-25`.
    pub version: &'a str,
    /// Names and values, in any order, not encoded.
    pub query: &'a [(String, String)],
}

/// The signed POST.
#[must_use]
pub fn request(action: &Action<'_>, credential: &Credential, seal: &Seal) -> HttpRequest {
    let mut query: Vec<String> =
        action.query.iter().map(|(name, value)| format!("{}={}", percent(name), percent(value))).collect();
    query.sort_unstable();
    let query = query.join("&");
    let host = action.endpoint.split("://").nth(1).unwrap_or(action.endpoint);
    let headers = [
        ("host", host.to_owned()),
        ("x-acs-action", action.name.to_owned()),
        ("x-acs-content-sha256", sha256_hex(b"")),
        ("x-acs-date", date(seal)),
        ("x-acs-signature-nonce", seal.nonce_hex()),
        ("x-acs-version", action.version.to_owned()),
    ];
    let canonical = canonical_request(&query, &headers);
    let to_sign = format!("{ALGORITHM}\n{}", sha256_hex(canonical.as_bytes()));
    let signature = hex(&hmac_sha256(credential.secret(), to_sign.as_bytes()));
    let names = signed_names(&headers);
    let authorization =
        format!("{ALGORITHM} Credential={},SignedHeaders={names},Signature={signature}", credential.id());
    // The client writes `host` itself, from the URL.
    let mut sent: Vec<(&'static str, String)> = headers.into_iter().filter(|(name, _)| *name != "host").collect();
    sent.push(("authorization", authorization));
    HttpRequest { method: "POST", url: format!("{}/?{query}", action.endpoint), headers: sent, body: Vec::new() }
}

/// Names are in lower case and sorted already.
fn canonical_request(query: &str, headers: &[(&'static str, String)]) -> String {
    let lines: String = headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    format!("POST\n/\n{query}\n{lines}\n{}\n{}", signed_names(headers), sha256_hex(b""))
}

fn signed_names(headers: &[(&'static str, String)]) -> String {
    headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";")
}

/// `2023-10-26T10:22:32Z`: RFC 3339 without the fraction.
fn date(seal: &Seal) -> String {
    let text = seal.now.to_string();
    format!("{}Z", text.split(['.', 'Z']).next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use model::Timestamp;

    use super::*;

    /// The example of Aliyun's own description of the signature.
    #[test]
    fn the_published_vector() {
        let nonce = *b"\x31\x56\x85\x32\x99\xf3\x13\xe2\x3d\x16\x73\xdc\x12\xe1\x70\x3d";
        let seal = Seal { now: Timestamp::parse("2023-10-26T10:22:32.900Z").unwrap(), nonce };
        let query = [
            ("RegionId".to_owned(), "cn-shanghai".to_owned()),
            ("ImageId".to_owned(), "win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd".to_owned()),
        ];
        let action = Action {
            endpoint: "https://ecs.cn-shanghai.aliyuncs.com",
            name: "RunInstances",
            version: "2014-05-26",
            query: &query,
        };
        let request = request(&action, &Credential::new("YourAccessKeyId", "YourAccessKeySecret"), &seal);
        assert_eq!(
            request.headers.last().unwrap().1,
            "ACS3-HMAC-SHA256 Credential=YourAccessKeyId,SignedHeaders=host;x-acs-action;x-acs-content-sha256;x-acs-date;\
             x-acs-signature-nonce;x-acs-version,\
             Signature=06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0"
        );
        assert_eq!(
            request.url,
            "https://ecs.cn-shanghai.aliyuncs.com/?ImageId=win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd&RegionId=cn-shanghai"
        );
        let mut headers = vec![("host", "ecs.cn-shanghai.aliyuncs.com".to_owned())];
        headers.extend(request.headers.iter().take(5).cloned());
        let canonical = canonical_request(request.url.split('?').nth(1).unwrap(), &headers);
        assert_eq!(
            sha256_hex(canonical.as_bytes()),
            "7ea06492da5221eba5297e897ce16e55f964061054b7695beedaac1145b1e259"
        );
    }
}
