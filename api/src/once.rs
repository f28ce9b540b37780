//! JSON in which a member that stands twice is noticed: most readers take the last silently, some the first, and what
//! two of them make of one document must not differ.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// Reads a document; beside it come the JSON pointers of the members that stand there again.
///
/// # Errors
/// When it is not JSON.
pub fn read(body: &[u8]) -> serde_json::Result<(Value, Vec<String>)> {
    let mut twice = Vec::new();
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let value = Once { twice: &mut twice }.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok((value, twice))
}

/// Reads one value. The pointers that it adds begin at the value.
struct Once<'t> {
    twice: &'t mut Vec<String>,
}

impl Once<'_> {
    /// A value one step below, with its pointers brought up to here.
    fn below<T>(&mut self, step: impl fmt::Display, read: impl FnOnce(Once<'_>) -> T) -> T {
        let before = self.twice.len();
        let found = read(Once { twice: self.twice });
        if self.twice.len() > before {
            let step = step.to_string().replace('~', "~0").replace('/', "~1");
            self.twice[before..].iter_mut().for_each(|pointer| pointer.insert_str(0, &format!("/{step}")));
        }
        found
    }
}

impl<'de> DeserializeSeed<'de> for Once<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Once<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = self.below(list.len(), |once| items.next_element_seed(once))? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let value = self.below(&name, |once| members.next_value_seed(once))?;
            if map.contains_key(&name) {
                self.below(&name, |once| once.twice.push(String::new()));
            }
            map.insert(name, value);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn what_stands_twice_is_named_by_its_place_and_all_else_is_read_as_ever() {
        let text = r#"{"a":[1,{"b/c":{"d":1.5,"d":null}}],"e":true,"a":-2,"f":"x","a":[]}"#;
        let (value, twice) = read(text.as_bytes()).unwrap();
        assert_eq!(twice, ["/a/1/b~1c/d", "/a", "/a"]);
        assert_eq!(value, serde_json::from_str::<serde_json::Value>(text).unwrap());
        assert_eq!(read(br#"[{"a":1},{"a":1}]"#).unwrap().1, [""; 0]);
        assert!(read(b"{} {}").is_err());
        assert!(read("[".repeat(10_000).as_bytes()).is_err(), "the stack holds");
    }
}
