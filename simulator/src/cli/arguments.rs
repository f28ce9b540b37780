//! What arguments have in common: addresses by name or number, and figures that a clock can take.

use std::net::{SocketAddr, ToSocketAddrs};

/// The longest that anything lasts, seconds: a year.
pub(super) const SECONDS_MAX: f64 = 366.0 * 86_400.0;
/// Neither slower nor faster than this: beyond it a duration cannot be told.
const SPEED: (f64, f64) = (1e-3, 1e9);

/// `HOST:PORT`, the host by number or by name.
pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let found: Vec<SocketAddr> = text
        .to_socket_addrs()
        .map_err(|error| format!("{error}; what is wanted is HOST:PORT, such as 127.0.0.1:1883 or [::1]:1883"))?
        .collect();
    // Listeners on this machine are IPv4 unless somebody says otherwise.
    let first = found.iter().find(|address| address.is_ipv4()).or(found.first());
    first.copied().ok_or_else(|| "the name has no address".to_owned())
}

/// How many times as fast.
pub(super) fn speed(text: &str) -> Result<f64, String> {
    within(text, SPEED.0, SPEED.1)
}

/// For so long.
pub(super) fn seconds(text: &str) -> Result<f64, String> {
    within(text, 1e-3, SECONDS_MAX)
}

/// So many a second.
pub(super) fn rate(text: &str) -> Result<f64, String> {
    within(text, 1e-3, 1e8)
}

/// Not a number is within nothing.
fn within(text: &str, least: f64, most: f64) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|_| "a number is wanted".to_owned())?;
    if (least..=most).contains(&value) { Ok(value) } else { Err(format!("between {least} and {most:e}")) }
}

/// As a shell takes it: `again:` is there to be pasted.
pub(super) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./:=,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_number_or_a_name() {
        assert_eq!(address("127.0.0.1:1883").map(|address| address.port()), Ok(1883));
        assert_eq!(address("localhost:1883").map(|address| address.ip().is_loopback()), Ok(true));
        assert!(address("127.0.0.1").is_err_and(|why| why.contains("HOST:PORT")));
    }

    #[test]
    fn figures_that_no_clock_takes_are_refused() {
        for text in ["0", "-1", "nan", "inf", "1e300", "1e-300", "soon"] {
            assert!(speed(text).is_err() && seconds(text).is_err() && rate(text).is_err(), "{text}");
        }
        assert_eq!((speed("60"), seconds("0.3"), rate("2e4")), (Ok(60.0), Ok(0.3), Ok(20_000.0)));
    }

    #[test]
    fn words_are_quoted_for_a_shell_only_where_they_must_be() {
        assert_eq!(quoted("/a/my-town.toml"), "/a/my-town.toml");
        assert_eq!(quoted("my town.toml"), "'my town.toml'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }
}
