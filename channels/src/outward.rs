//! Posts to addresses that somebody else wrote down: other systems' webhooks.
//!
//! Such an address may name our own machine or something behind it (SSRF). So what counts is where the connection
//! really goes, at every try: a name is resolved here, and addresses that are not public are never connected to unless
//! the operator's configuration allows them. No redirects, no proxy, nothing read of an answer but its status.

use std::error::Error;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use model::Timestamp;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use reqwest::{Client, Url};

use crate::ConfigError;
use crate::wire::{CONNECT_MS_MAX, seconds_of};

/// How long a receiver may take, milliseconds.
pub const ANSWER_MS_MAX: u64 = 15_000;
/// The longest address, bytes.
pub const URL_BYTES_MAX: usize = 2_048;

/// A block of addresses, `10.0.0.0/8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cidr {
    address: IpAddr,
    bits: u8,
}

impl Cidr {
    /// Whether an address lies in it.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(block), IpAddr::V4(address)) => {
                same_prefix(u128::from(block.to_bits()), u128::from(address.to_bits()), self.bits, 32)
            }
            (IpAddr::V6(block), IpAddr::V6(address)) => same_prefix(block.to_bits(), address.to_bits(), self.bits, 128),
            _ => false,
        }
    }
}

fn same_prefix(a: u128, b: u128, bits: u8, width: u32) -> bool {
    let shift = width - u32::from(bits).min(width);
    a.checked_shr(shift).unwrap_or(0) == b.checked_shr(shift).unwrap_or(0)
}

impl FromStr for Cidr {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Cidr, &'static str> {
        const FORM: &str = "must be a block of addresses like 10.0.0.0/8 or fd00::/8";
        let (address, bits) = text.split_once('/').ok_or(FORM)?;
        let (address, bits) = (address.parse::<IpAddr>().map_err(|_| FORM)?, bits.parse::<u8>().map_err(|_| FORM)?);
        let width = if address.is_ipv4() { 32 } else { 128 };
        if bits > width { Err(FORM) } else { Ok(Cidr { address, bits }) }
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

/// What may be connected to.
#[derive(Debug, Clone, Default)]
pub struct Reachable {
    /// What is not public and allowed all the same.
    pub allowed: Vec<Cidr>,
}

impl Reachable {
    /// Whether an address may be connected to; what is said in the clear stays within what the operator allows.
    #[must_use]
    pub fn admits(&self, address: IpAddr, encrypted: bool) -> bool {
        let address = address.to_canonical();
        self.allowed.iter().any(|block| block.contains(address)) || (encrypted && is_public(address))
    }

    /// Whether an address is one that could be posted to. A name is not resolved: where it leads is seen at every try.
    ///
    /// # Errors
    /// What is wrong with it, in English and in Chinese.
    pub fn check(&self, url: &str) -> Result<Url, (String, String)> {
        let wrong = |en: &str, zh: &str| (en.to_owned(), zh.to_owned());
        if url.len() > URL_BYTES_MAX {
            return Err((
                format!("an address has at most {URL_BYTES_MAX} bytes"),
                format!("地址最长 {URL_BYTES_MAX} 字节"),
            ));
        }
        let url = Url::parse(url).map_err(|_| wrong("this is not a URL", "不是有效的网址"))?;
        let encrypted = match url.scheme() {
            "https" => true,
            "http" if !self.allowed.is_empty() => false,
            _ => return Err(wrong("it must begin with https://", "须以 https:// 开头")),
        };
        if !url.username().is_empty() || url.password().is_some() {
            let en = "it must not hold a user name or password: what we send is signed";
            return Err(wrong(en, "不能包含用户名或密码：请求均带签名"));
        }
        let host = url.host_str().ok_or_else(|| wrong("it has no host", "缺少主机名"))?;
        // The parser has made one form of every way to write an address.
        let address = host.trim_matches(['[', ']']).parse::<IpAddr>().ok();
        if address.is_some_and(|address| !self.admits(address, encrypted)) {
            let en = "this address is not public; the operator may allow it in `webhooks.allow`";
            return Err(wrong(en, "该地址不是公网地址；运维可在 `webhooks.allow` 中放行"));
        }
        Ok(url)
    }
}

/// Whether an address is one of the public internet (IANA's special-purpose registries).
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_broadcast()
        || address.is_documentation()
        || a == 0
        || a >= 224
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && (18..20).contains(&b)))
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    let embedded = |high: u16, low: u16| Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low));
    match segments {
        // NAT64 and 6to4 lead to the IPv4 address that they carry.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => is_public_v4(embedded(high, low)),
        [0x2002, high, low, ..] => is_public_v4(embedded(high, low)),
        // Global unicast, less Teredo and the other special blocks of 2001::/23, and documentation.
        [0x2001, second, ..] => second >= 0x200 && second != 0xdb8,
        [0x3fff, second, ..] => second >= 0x1000,
        [first, ..] => (0x2000..0x4000).contains(&first),
    }
}

/// Resolves names, and lets only addresses through that may be connected to.
struct Guarded {
    reachable: Reachable,
    encrypted: bool,
}

/// Nothing that a name resolves to may be connected to.
#[derive(Debug)]
struct Refused;

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name leads to no public address")
    }
}

impl Error for Refused {}

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let (reachable, encrypted) = (self.reachable.clone(), self.encrypted);
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let admitted: Vec<SocketAddr> = found.filter(|found| reachable.admits(found.ip(), encrypted)).collect();
            if admitted.is_empty() {
                return Err(Box::new(Refused) as Box<dyn Error + Send + Sync>);
            }
            Ok(Box::new(admitted.into_iter()) as Addrs)
        })
    }
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Told {
    /// The status; `None`: none came.
    pub status: Option<u16>,
    /// How long the receiver asked us to wait, seconds.
    pub retry_after_seconds: Option<u32>,
    /// What went wrong, in English; empty when something came back.
    pub detail: &'static str,
}

/// Posts to addresses that somebody else wrote down.
#[derive(Debug, Clone)]
pub struct Outward {
    encrypted: Client,
    clear: Client,
    reachable: Reachable,
}

impl Outward {
    /// # Errors
    /// When the client would not start.
    pub fn new(reachable: Reachable) -> Result<Outward, ConfigError> {
        let client = |encrypted: bool| {
            Client::builder()
                .timeout(Duration::from_millis(ANSWER_MS_MAX))
                .connect_timeout(Duration::from_millis(CONNECT_MS_MAX))
                .dns_resolver(Arc::new(Guarded { reachable: reachable.clone(), encrypted }))
                .redirect(Policy::none())
                .no_proxy()
                .referer(false)
                .user_agent("yinling")
                .build()
                .map_err(|error| ConfigError::Client(error.to_string()))
        };
        Ok(Outward { encrypted: client(true)?, clear: client(false)?, reachable })
    }

    /// What may be connected to.
    #[must_use]
    pub fn reachable(&self) -> &Reachable {
        &self.reachable
    }

    /// Posts a JSON body with these headers.
    pub async fn post(&self, url: &str, headers: [(&str, String); 3], body: Vec<u8>, now: Timestamp) -> Told {
        // An address in the URL itself meets no resolver: it is looked at here, at every try too.
        let Ok(url) = self.reachable.check(url) else {
            return Told { detail: "the address may not be connected to", ..Told::default() };
        };
        let client = if url.scheme() == "https" { &self.encrypted } else { &self.clear };
        let mut request = client.post(url).header("content-type", "application/json").body(body);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        match request.send().await {
            Ok(response) => {
                let asked = response.headers().get("retry-after").and_then(|value| value.to_str().ok());
                Told {
                    status: Some(response.status().as_u16()),
                    retry_after_seconds: asked.and_then(|text| seconds_of(text).or_else(|| until(text, now))),
                    detail: "",
                }
            }
            Err(error) => Told { detail: wrong(&error), ..Told::default() },
        }
    }
}

/// A `retry-after` that is a date, in seconds from now.
fn until(text: &str, now: Timestamp) -> Option<u32> {
    let date = chrono::DateTime::parse_from_rfc2822(text).ok()?;
    u32::try_from((date.timestamp_millis() - now.millis()).max(0) / 1000).ok()
}

fn wrong(error: &reqwest::Error) -> &'static str {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(inner) = cause {
        if inner.is::<Refused>() {
            return "the name leads to no address that may be connected to";
        }
        cause = inner.source();
    }
    if error.is_timeout() {
        "no answer in time"
    } else if error.is_connect() {
        "cannot connect"
    } else {
        "the connection broke before an answer came"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reachable(allowed: &[&str]) -> Reachable {
        Reachable { allowed: allowed.iter().map(|block| block.parse().unwrap()).collect() }
    }

    #[test]
    fn only_public_addresses_unless_allowed() {
        let nobody = reachable(&[]);
        for refused in [
            "https://127.0.0.1/",
            "https://127.1/",
            "https://0x7f000001/",
            "https://2130706433/",
            "https://0/",
            "https://10.1.2.3/",
            "https://172.16.0.1/",
            "https://192.168.1.1/",
            "https://169.254.169.254/latest/meta-data/",
            "https://100.64.0.1/",
            "https://198.18.0.1/",
            "https://224.0.0.1/",
            "https://255.255.255.255/",
            "https://[::1]/",
            "https://[::]/",
            "https://[::ffff:127.0.0.1]/",
            "https://[::ffff:a00:1]/",
            "https://[::127.0.0.1]/",
            "https://[64:ff9b::7f00:1]/",
            "https://[2002:7f00:1::]/",
            "https://[2001:0:1::]/",
            "https://[2001:db8::1]/",
            "https://[fe80::1]/",
            "https://[fc00::1]/",
            "https://[ff02::1]/",
            "http://example.org/",
            "ftp://example.org/",
            "file:///etc/passwd",
            "gopher://example.org/",
            "https://user:pass@example.org/",
            "https://user@example.org/",
            "//example.org/",
            "not a url",
            "",
        ] {
            assert!(nobody.check(refused).is_err(), "{refused}");
        }
        for fine in ["https://example.org/hook", "https://93.184.216.34/", "https://[2606:4700::1111]/"] {
            assert!(nobody.check(fine).is_ok(), "{fine}");
        }
        let some = reachable(&["10.0.0.0/8", "127.0.0.1/32"]);
        assert!(some.check("http://10.1.2.3/").is_ok() && some.check("http://127.0.0.1:80/").is_ok());
        assert!(some.check("http://127.0.0.2/").is_err() && some.check("https://192.168.0.1/").is_err());
        assert!(some.check("http://93.184.216.34/").is_err(), "in the clear, only where it is allowed");
    }

    #[test]
    fn blocks_are_read_and_compared_by_their_bits() {
        let block: Cidr = "192.168.4.0/22".parse().unwrap();
        for (address, expected) in [("192.168.4.0", true), ("192.168.7.255", true), ("192.168.8.0", false)] {
            assert_eq!(block.contains(address.parse().unwrap()), expected, "{address}");
        }
        assert!("0.0.0.0/0".parse::<Cidr>().unwrap().contains("1.2.3.4".parse().unwrap()));
        assert!("fd00::/8".parse::<Cidr>().unwrap().contains("fd12::1".parse().unwrap()));
        for wrong in ["10.0.0.0", "10.0.0.0/33", "fd00::/129", "x/8", "10.0.0.0/"] {
            assert!(wrong.parse::<Cidr>().is_err(), "{wrong}");
        }
    }

    #[tokio::test]
    async fn a_name_that_leads_home_is_not_connected_to() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let headers = || [("webhook-id", "a".to_owned()), ("webhook-timestamp", "1".to_owned()), ("x", "y".to_owned())];
        // Allowed is a block that localhost is not in: the URL passes, the address does not.
        let outward = Outward::new(reachable(&["10.0.0.0/8"])).unwrap();
        for scheme in ["http", "https"] {
            let url = format!("{scheme}://localhost:{port}/");
            let told = outward.post(&url, headers(), b"{}".to_vec(), Timestamp::EPOCH).await;
            assert_eq!(told.detail, "the name leads to no address that may be connected to", "{scheme}");
        }
        let nobody_came = tokio::time::timeout(Duration::from_millis(50), listener.accept()).await;
        assert!(nobody_came.is_err(), "somebody connected");
    }

    #[test]
    fn a_date_to_come_back_at_is_read() {
        let now = Timestamp::parse("2026-11-22T08:00:00Z").unwrap();
        assert_eq!(until("Sun, 22 Nov 2026 08:02:00 GMT", now), Some(120));
        assert_eq!(until("Sun, 22 Nov 2026 07:00:00 GMT", now), Some(0));
        assert_eq!(until("soon", now), None);
    }
}
