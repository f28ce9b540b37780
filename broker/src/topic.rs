//! Topics and filters: who may say what where, and who may hear it.

use model::{DeviceId, OrgPath};

/// Where devices and the feed live.
pub(crate) const ROOT: &str = "yl/v1/";
/// What every feed topic begins with.
pub(crate) const FEED_PREFIX: &str = "yl/v1/feed/";
/// The one filter that the router knows.
pub(crate) const FEED_FILTER: &str = "yl/v1/feed/#";
/// What feed topics end with.
const FEED_KINDS: [&str; 2] = ["incidents", "cases"];

/// `yl/v1/{device}/up/`, to which the format is added.
pub(crate) fn up_prefix(device: &DeviceId) -> String {
    format!("{ROOT}{device}/up/")
}

/// `yl/v1/{device}/down`.
pub(crate) fn down(device: &DeviceId) -> String {
    format!("{ROOT}{device}/down")
}

/// The format in a topic that begins with the device's own prefix: one level of letters, digits, `-`, `_` and `.`.
#[inline]
pub(crate) fn format<'a>(topic: &'a [u8], up_prefix: &[u8]) -> Option<&'a str> {
    let format = topic.strip_prefix(up_prefix)?;
    if format == b"json" {
        return Some("json");
    }
    let plain = !format.is_empty()
        && format.len() <= 64
        && format.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    if plain { std::str::from_utf8(format).ok() } else { None }
}

/// A topic name as the protocol allows it: UTF-8, not empty, without NUL and wildcards.
pub(crate) fn name(topic: &[u8]) -> Option<&str> {
    let topic = std::str::from_utf8(topic).ok()?;
    (!topic.is_empty() && !topic.contains(['\0', '+', '#'])).then_some(topic)
}

/// Whether a filter is well-formed: wildcards fill a whole level, `#` only the last one.
pub(crate) fn is_filter(filter: &str) -> bool {
    let mut levels = filter.split('/').peekable();
    if filter.is_empty() || filter.contains('\0') {
        return false;
    }
    while let Some(level) = levels.next() {
        match level {
            "+" => {}
            "#" if levels.peek().is_none() => {}
            _ if level.contains(['+', '#']) => return false,
            _ => {}
        }
    }
    true
}

/// Whether a filter has a wildcard.
pub(crate) fn is_wildcard(filter: &str) -> bool {
    filter.contains(['+', '#'])
}

/// Whether a well-formed filter takes a topic in.
pub(crate) fn matches(filter: &str, topic: &str) -> bool {
    let mut topic = topic.split('/');
    for level in filter.split('/') {
        match (level, topic.next()) {
            ("#", _) => return true,
            ("+", Some(_)) => {}
            (level, Some(there)) if level == there => {}
            _ => return false,
        }
    }
    topic.next().is_none()
}

/// Whether a topic is one of the feed's and lies within a scope; a scope of `/` or nothing is everything.
pub(crate) fn in_scope(topic: &str, scope: &OrgPath) -> bool {
    let Some((path, kind)) = topic.strip_prefix(FEED_PREFIX).and_then(|rest| rest.rsplit_once('/')) else {
        return false;
    };
    let scope = scope.topic();
    FEED_KINDS.contains(&kind)
        && (scope.is_empty()
            || path.strip_prefix(scope).is_some_and(|below| below.is_empty() || below.starts_with('/')))
}

/// Whether a well-formed filter can take in anything of the feed within a scope.
pub(crate) fn may_overlap(filter: &str, scope: &OrgPath) -> bool {
    let prefix = format!("{FEED_PREFIX}{}", scope.topic());
    let mut levels = filter.split('/');
    for there in prefix.trim_end_matches('/').split('/') {
        match levels.next() {
            Some("#") => return true,
            Some("+") => {}
            Some(level) if level == there => {}
            _ => return false,
        }
    }
    levels.next().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_well_formed_or_not() {
        for (filter, good) in [
            ("yl/v1/feed/#", true),
            ("#", true),
            ("+", true),
            ("+/+/feed/+/incidents", true),
            ("/", true),
            ("", false),
            ("a#", false),
            ("a/#/b", false),
            ("a+/b", false),
            ("a/\0", false),
        ] {
            assert_eq!(is_filter(filter), good, "{filter:?}");
        }
    }

    #[test]
    fn filters_match_as_the_protocol_says() {
        for (filter, topic, yes) in [
            ("a/#", "a", true),
            ("a/#", "a/b/c", true),
            ("a/+", "a", false),
            ("a/+", "a/b", true),
            ("a/+", "a/b/c", false),
            ("+/b", "银杏/b", true),
            ("a/b", "a/b", true),
            ("a/b", "a/b/", false),
            ("#", "银杏", true),
        ] {
            assert_eq!(matches(filter, topic), yes, "{filter} {topic}");
        }
    }

    #[test]
    fn a_scope_holds_what_lies_below_it() {
        let street = OrgPath::new("/luyang/xinghua/");
        for (topic, yes) in [
            ("yl/v1/feed/luyang/xinghua/incidents", true),
            ("yl/v1/feed/luyang/xinghua/yinxing/cases", true),
            ("yl/v1/feed/luyang/xinghua2/incidents", false),
            ("yl/v1/feed/luyang/incidents", false),
            ("yl/v1/feed/luyang/xinghua/other", false),
            ("yl/v1/feed/canary", false),
            ("yl/v1/d1/up/json", false),
        ] {
            assert_eq!(in_scope(topic, &street), yes, "{topic}");
        }
        assert!(in_scope("yl/v1/feed/luyang/cases", &OrgPath::new("/")));
    }

    #[test]
    fn a_filter_is_refused_when_it_can_match_nothing_in_scope() {
        let street = OrgPath::new("/luyang/xinghua/");
        for (filter, yes) in [
            ("yl/v1/feed/#", true),
            ("#", true),
            ("yl/v1/feed/luyang/xinghua/incidents", true),
            ("yl/v1/feed/luyang/xinghua/#", true),
            ("yl/v1/feed/+/+/+/cases", true),
            ("yl/v1/feed/luyang/xinghua", false),
            ("yl/v1/feed/luyang/other/incidents", false),
            ("yl/v1/d1/up/json", false),
            ("yl/v1/feed/luyang/+", false),
        ] {
            assert_eq!(may_overlap(filter, &street), yes, "{filter}");
        }
    }

    #[test]
    fn a_format_is_one_plain_level() {
        let prefix = up_prefix(&DeviceId::new("d1"));
        for (topic, format_is) in [
            ("yl/v1/d1/up/json", Some("json")),
            ("yl/v1/d1/up/", None),
            ("yl/v1/d1/up/a/b", None),
            ("yl/v1/d1/up/+", None),
            ("yl/v1/d2/up/json", None),
        ] {
            assert_eq!(format(topic.as_bytes(), prefix.as_bytes()), format_is, "{topic}");
        }
    }
}
