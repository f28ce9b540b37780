//! Reading what people wrote by hand: a JSON-like document whose every fault is to be told at once.
//!
//! serde stops at the first fault and cannot say which of ten thousand rows it stood in, so configuration and
//! registry are walked by hand: each member is asked for by name, what nobody asked for is unknown, and every
//! fault is written down with its JSON pointer, in English and in Chinese.

use std::fmt::Write;
use std::ops::RangeInclusive;

use serde_json::{Map, Value};

/// How far a misspelt name may be from a known one to be offered as "did you mean", 0–1 (Jaro-Winkler).
const SIMILARITY_MIN: f64 = 0.7;
/// How much of a wrong value is quoted back, in characters.
const QUOTED_CHARS_MAX: usize = 40;

/// What is wrong at one place of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// JSON pointer (RFC 6901) to the place; empty for the document as a whole.
    pub pointer: String,
    /// What is wrong and what to do, in English.
    pub detail: String,
    /// The same in Chinese.
    pub detail_zh: String,
}

/// The faults found so far; beyond the cap they are only counted.
#[derive(Debug)]
pub struct Faults {
    list: Vec<Fault>,
    cap: usize,
    beyond: usize,
}

impl Faults {
    /// Keeps at most `cap` faults in words.
    pub fn new(cap: usize) -> Faults {
        Faults { list: Vec::new(), cap, beyond: 0 }
    }

    /// Writes down a fault.
    pub fn add(&mut self, pointer: impl Into<String>, detail: impl Into<String>, detail_zh: impl Into<String>) {
        if self.list.len() < self.cap {
            self.list.push(Fault { pointer: pointer.into(), detail: detail.into(), detail_zh: detail_zh.into() });
        } else {
            self.beyond += 1;
        }
    }

    /// How many there are, those beyond the cap included.
    pub fn count(&self) -> usize {
        self.list.len() + self.beyond
    }

    /// The faults in the order of finding; a last one says how many more there are.
    pub fn into_list(mut self) -> Vec<Fault> {
        if self.beyond > 0 {
            self.list.push(Fault {
                pointer: String::new(),
                detail: format!("and {} more faults; correct these first", self.beyond),
                detail_zh: format!("另有 {} 处错误，请先改正以上各处", self.beyond),
            });
        }
        self.list
    }
}

/// The known name that is most like a misspelt one, if any is like it at all.
pub fn nearest<'k>(name: &str, known: &[&'k str]) -> Option<&'k str> {
    known
        .iter()
        .map(|candidate| (strsim::jaro_winkler(&name.to_lowercase(), candidate), *candidate))
        .filter(|(similarity, _)| *similarity >= SIMILARITY_MIN)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

/// A value one step below a pointer.
pub fn below(pointer: &str, step: impl std::fmt::Display) -> String {
    let step = step.to_string();
    let escaped = if step.contains(['~', '/']) { step.replace('~', "~0").replace('/', "~1") } else { step };
    format!("{pointer}/{escaped}")
}

/// One object of a document, read member by member. A member that is `null` counts as absent.
pub struct Object<'v> {
    members: &'v Map<String, Value>,
    pointer: String,
    known: Vec<&'static str>,
}

impl<'v> Object<'v> {
    /// The object at `pointer`; anything else there is a fault.
    pub fn new(value: &'v Value, pointer: String, faults: &mut Faults) -> Option<Object<'v>> {
        match value {
            Value::Object(members) => Some(Object { members, pointer, known: Vec::new() }),
            other => {
                wrong_type(faults, pointer, "an object", "对象", other);
                None
            }
        }
    }

    /// Where the object stands.
    pub fn pointer(&self) -> &str {
        &self.pointer
    }

    /// Where a member of it stands.
    pub fn at(&self, name: &str) -> String {
        below(&self.pointer, name)
    }

    /// Whether a member is there; asks for nothing.
    pub fn has(&self, name: &str) -> bool {
        self.members.get(name).is_some_and(|value| !value.is_null())
    }

    /// The raw member.
    pub fn value(&mut self, name: &'static str) -> Option<&'v Value> {
        self.known.push(name);
        self.members.get(name).filter(|value| !value.is_null())
    }

    /// Says that a required member is missing. `None`, so that it can end an expression.
    pub fn missing<T>(&self, name: &'static str, faults: &mut Faults) -> Option<T> {
        let misspelt = self
            .members
            .keys()
            .filter(|key| !self.known.contains(&key.as_str()))
            .find(|key| nearest(key, &[name]).is_some());
        match misspelt {
            Some(_) => {} // the unknown member is told with this name as the nearest: once is enough
            None => faults.add(self.at(name), format!("`{name}` is required"), format!("缺少必填项 `{name}`")),
        }
        None
    }

    /// A text member.
    pub fn text(&mut self, name: &'static str, faults: &mut Faults) -> Option<&'v str> {
        match self.value(name)? {
            Value::String(text) => Some(text),
            other => {
                wrong_type(faults, self.at(name), "a text", "文本", other);
                None
            }
        }
    }

    /// A text member that must be there and not be blank.
    pub fn required_text(&mut self, name: &'static str, faults: &mut Faults) -> Option<&'v str> {
        if !self.has(name) {
            self.known.push(name);
            return self.missing(name, faults);
        }
        let text = self.text(name, faults)?;
        if text.trim().is_empty() {
            faults.add(self.at(name), format!("`{name}` is empty"), format!("`{name}` 不能为空"));
            return None;
        }
        Some(text)
    }

    /// A whole number within a range. Text that is one counts too: environment variables are text.
    pub fn integer(&mut self, name: &'static str, range: RangeInclusive<u64>, faults: &mut Faults) -> Option<u64> {
        let value = self.value(name)?;
        let number = match value {
            Value::Number(number) => number.as_u64().or_else(|| whole(number.as_f64()?)),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        let found = number.filter(|number| range.contains(number));
        if found.is_none() {
            let (low, high) = (range.start(), range.end());
            let quoted = quote(value);
            faults.add(
                self.at(name),
                format!("{quoted} is not a whole number from {low} to {high}"),
                format!("{quoted} 不是 {low} 到 {high} 的整数"),
            );
        }
        found
    }

    /// A finite number within a range.
    pub fn number(&mut self, name: &'static str, range: RangeInclusive<f64>, faults: &mut Faults) -> Option<f64> {
        let value = self.value(name)?;
        let found = value.as_f64().filter(|number| range.contains(number));
        if found.is_none() {
            let (low, high) = (range.start(), range.end());
            let quoted = quote(value);
            faults.add(
                self.at(name),
                format!("{quoted} is not a number from {low} to {high}"),
                format!("{quoted} 不是 {low} 到 {high} 的数值"),
            );
        }
        found
    }

    /// Yes or no. The texts `true` and `false` count too.
    pub fn boolean(&mut self, name: &'static str, faults: &mut Faults) -> Option<bool> {
        match self.value(name)? {
            Value::Bool(yes) => Some(*yes),
            Value::String(text) if text == "true" => Some(true),
            Value::String(text) if text == "false" => Some(false),
            other => {
                wrong_type(faults, self.at(name), "true or false", "true 或 false", other);
                None
            }
        }
    }

    /// A list; absent is empty.
    pub fn list(&mut self, name: &'static str, faults: &mut Faults) -> &'v [Value] {
        match self.value(name) {
            None => &[],
            Some(Value::Array(items)) => items,
            Some(other) => {
                wrong_type(faults, self.at(name), "a list", "列表", other);
                &[]
            }
        }
    }

    /// An object below this one.
    pub fn object(&mut self, name: &'static str, faults: &mut Faults) -> Option<Object<'v>> {
        let pointer = self.at(name);
        Object::new(self.value(name)?, pointer, faults)
    }

    /// Every member, whatever its name, as an object: `groups.NAME`. Asks for all of them.
    pub fn objects(self, faults: &mut Faults) -> Vec<(&'v str, Object<'v>)> {
        let member =
            |(name, value): (&'v String, &'v Value)| Some((name.as_str(), Object::new(value, self.at(name), faults)?));
        self.members.iter().filter(|(_, value)| !value.is_null()).filter_map(member).collect()
    }

    /// One of a fixed set of words.
    pub fn word<T: Copy>(&mut self, name: &'static str, words: &[(&'static str, T)], faults: &mut Faults) -> Option<T> {
        let text = self.text(name, faults)?;
        if let Some((_, found)) = words.iter().find(|(word, _)| *word == text) {
            return Some(*found);
        }
        let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let (meant, meant_zh) = match nearest(text, &names) {
            Some(_) => did_you_mean(text, &names),
            // They are all named already.
            None => Default::default(),
        };
        let all = names.join(", ");
        let quoted = quote(&Value::String(text.to_owned()));
        faults.add(
            self.at(name),
            format!("{quoted} is none of {all}{meant}"),
            format!("{quoted} 不在可选值 {all} 之中{meant_zh}"),
        );
        None
    }

    /// Ends the reading: every member that was not asked for is unknown.
    pub fn finish(self, faults: &mut Faults) {
        for name in self.members.keys().filter(|name| !self.known.contains(&name.as_str())) {
            let (meant, meant_zh) = did_you_mean(name, &self.known);
            let shown = quote(&Value::String(name.clone()));
            faults.add(
                self.at(name),
                format!("{shown} is not known here{meant}"),
                format!("此处没有 {shown} 这一项{meant_zh}"),
            );
        }
    }
}

fn did_you_mean(name: &str, known: &[&str]) -> (String, String) {
    if let Some(near) = nearest(name, known) {
        return (format!("; did you mean `{near}`?"), format!("，是否应为 `{near}`？"));
    }
    let all = known.join(", ");
    (format!("; known are {all}"), format!("，可用的有 {all}"))
}

/// A value as it may be quoted in a message: short.
pub fn quote(value: &Value) -> String {
    let text = match value {
        Value::Array(items) => format!("a list of {}", items.len()),
        Value::Object(_) => "an object".to_owned(),
        plain => plain.to_string(),
    };
    let mut short: String = text.chars().take(QUOTED_CHARS_MAX).collect();
    if short.len() < text.len() {
        let _ = write!(short, "…");
    }
    short
}

/// Says that something else was expected at a place.
pub fn wrong_type(faults: &mut Faults, pointer: String, expected: &str, expected_zh: &str, found: &Value) {
    let quoted = quote(found);
    let quoted_zh = match found {
        Value::Array(items) => format!("含 {} 项的列表", items.len()),
        Value::Object(_) => "对象".to_owned(),
        _ => format!(" {quoted}"),
    };
    faults.add(pointer, format!("expected {expected}, found {quoted}"), format!("应为{expected_zh}，实为{quoted_zh}"));
}

/// 2^53: above it a float no longer holds every whole number.
const WHOLE_FLOAT_MAX: f64 = 9_007_199_254_740_992.0;

fn whole(number: f64) -> Option<u64> {
    // The range check makes the cast exact.
    (number.fract() == 0.0 && (0.0..=WHOLE_FLOAT_MAX).contains(&number)).then_some(number as u64)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Faults, Object, below, nearest};

    #[test]
    fn every_fault_is_told_with_its_place_and_the_nearest_name() {
        let document = json!({"naem": "x", "port": 70_000, "on": "maybe", "kind": "gatway", "zzz": 1});
        let mut faults = Faults::new(10);
        let mut object = Object::new(&document, String::new(), &mut faults).unwrap();
        assert_eq!(object.required_text("name", &mut faults), None);
        assert_eq!(object.integer("port", 0..=65_535, &mut faults), None);
        assert_eq!(object.boolean("on", &mut faults), None);
        assert_eq!(object.word("kind", &[("gateway", 1)], &mut faults), None);
        object.finish(&mut faults);
        let told: Vec<String> = faults.into_list().iter().map(|f| format!("{} {}", f.pointer, f.detail)).collect();
        expect_test::expect![[r#"
            /port 70000 is not a whole number from 0 to 65535
            /on expected true or false, found "maybe"
            /kind "gatway" is none of gateway; did you mean `gateway`?
            /naem "naem" is not known here; did you mean `name`?
            /zzz "zzz" is not known here; known are name, port, on, kind"#]]
        .assert_eq(&told.join("\n"));
    }

    #[test]
    fn faults_beyond_the_cap_are_counted() {
        let mut faults = Faults::new(1);
        faults.add("/a", "x", "x");
        faults.add("/b", "y", "y");
        faults.add("/c", "z", "z");
        assert_eq!(faults.count(), 3);
        let list = faults.into_list();
        assert_eq!(list.len(), 2);
        assert_eq!(list[1].detail, "and 2 more faults; correct these first");
    }

    #[test]
    fn pointers_are_escaped_and_strangers_have_no_neighbour() {
        assert_eq!(below("/a", "b/c~d"), "/a/b~1c~0d");
        assert_eq!(nearest("qqq", &["listen", "public_url"]), None);
        assert_eq!(nearest("LISTN", &["listen", "public_url"]), Some("listen"));
    }
}
