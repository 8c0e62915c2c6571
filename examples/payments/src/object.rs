//! A JSON object, and no other JSON value.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

/// A value read from an object only; by default serde also accepts an array of the fields.
#[derive(Debug)]
pub(crate) struct Object<T>(pub(crate) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Fields(PhantomData))
    }
}

struct Fields<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Fields<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Object)
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize, Eq, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Point {
        x: i64,
        y: Option<i64>,
    }

    fn read(text: &str) -> Result<Point, String> {
        let read = serde_json::from_str(text).map(|Object(point)| point);
        read.map_err(|error| error.to_string())
    }

    #[test]
    fn a_json_object_deserializes_as_its_inner_type_would() {
        assert_eq!(read(r#"{"x": 1, "y": 2}"#), Ok(Point { x: 1, y: Some(2) }));
        assert_eq!(read(r#"{"y": null, "x": 1}"#), Ok(Point { x: 1, y: None }));
        for (text, error) in [
            (r#"{"y": 1}"#, "missing field `x`"),
            (r#"{"x": 1, "x": 2}"#, "duplicate field `x`"),
            (r#"{"x": 1, "z": 2}"#, "unknown field `z`"),
            (r#"{"x": "1"}"#, "invalid type: string \"1\", expected i64"),
            (r#"{"x": 1} 2"#, "trailing characters"),
        ] {
            let refused = read(text).unwrap_err();
            assert!(refused.starts_with(error), "{refused}");
        }
    }

    #[test]
    fn other_json_values_are_refused() {
        for text in ["[1, 2]", "[[1, 2]]", "[]", "null", "1", "\"x\""] {
            let refused = read(text).unwrap_err();
            assert!(refused.contains("expected an object"), "{refused}");
        }
    }
}
