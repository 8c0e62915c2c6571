//! Properties that hold for every body, compared with a second reader.

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::canonical;
use super::exact::Exact;

/// A JSON value before it is written in one way or another.
#[derive(Clone, Debug)]
enum Json {
    Word(&'static str),
    Number(String),
    Text(String),
    Array(Vec<Self>),
    Object(Vec<(String, Self)>),
}

impl Json {
    /// Writes the value with spaces, escapes and an order of members that `way` decides.
    fn write(&self, way: u8) -> String {
        let space = " ".repeat(usize::from(way & 1));
        match self {
            Self::Word(word) => (*word).to_owned(),
            Self::Number(number) => number.clone(),
            Self::Text(text) => quoted(text, way),
            Self::Array(items) => {
                let items: Vec<_> = items.iter().map(|item| item.write(way)).collect();
                format!("[{space}{}{space}]", items.join(","))
            }
            Self::Object(members) => {
                let member = |(name, value): &(String, Self)| {
                    format!("{}{space}:{}", quoted(name, way), value.write(way))
                };
                let mut members: Vec<_> = members.iter().map(member).collect();
                if way & 2 == 2 {
                    members.reverse();
                }
                format!("{{{}}}", members.join(&format!(",{space}\n")))
            }
        }
    }
}

fn quoted(text: &str, way: u8) -> String {
    if way & 4 == 0 {
        return serde_json::Value::from(text).to_string();
    }
    let escape = |unit| format!("\\u{unit:04X}");
    format!(
        "\"{}\"",
        text.encode_utf16().map(escape).collect::<String>()
    )
}

/// Numbers that a double holds exactly.
fn plain_number() -> impl Strategy<Value = String> {
    prop_oneof![
        (-(1_i64 << 53)..=1 << 53).prop_map(|n| n.to_string()),
        "-?(0|[1-9][0-9]{0,8})\\.[0-9]{1,6}([eE][+-]?[0-9]{1,2})?",
    ]
}

/// Numbers near the limits of doubles and of their text.
fn odd_number() -> impl Strategy<Value = String> {
    prop_oneof![
        "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,25})?([eE][+-]?[0-9]{1,4})?",
        "-?[1-9]\\.[0-9]{12,17}[eE][+-](2[45][0-9]|30[0-9]|32[0-9])",
        "0[eE][+-]?[0-9]{1,13}",
        (
            0_usize..400,
            "[0-9]{1,18}",
            select(&["", "e250", "e-5", "E-250", "e999999999999"][..])
        )
            .prop_map(|(zeros, digits, exponent)| format!(
                "0.{}{digits}{exponent}",
                "0".repeat(zeros)
            )),
        (
            0_usize..400,
            "[1-9][0-9]{0,15}",
            select(&["", ".0", "e-250", "e250"][..])
        )
            .prop_map(|(zeros, digits, exponent)| format!(
                "{digits}{}{exponent}",
                "0".repeat(zeros)
            )),
        (-4_i64..4).prop_map(|near| ((1 << 53) + near).to_string()),
        any::<f64>()
            .prop_filter("JSON has no other numbers", |double| double.is_finite())
            .prop_map(|double| format!("{double:e}")),
    ]
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-c]{0,2}",
        any::<String>(),
        "[\\\\\"u0-9{}\\[\\],:e.-]{0,6}",
    ]
}

/// Values that have a canonical form.
fn plain_json() -> impl Strategy<Value = Json> {
    json(leaf(plain_number()), |value| {
        let members = btree_map(text(), value, 0..5);
        members.prop_map(|members| members.into_iter().collect())
    })
}

/// Values that may have a canonical form.
fn odd_json() -> impl Strategy<Value = Json> {
    let number = || prop_oneof![plain_number(), odd_number()];
    let private = "\\$serde_json::private::(RawValue|Number)";
    // A parser with certain features reads it as the number.
    let taken_for_a_number = (private, number())
        .prop_map(|(name, number)| Json::Object(vec![(name, Json::Text(number))]));
    let leaf = prop_oneof![9 => leaf(number()), 1 => taken_for_a_number];
    json(leaf, |value| vec((text(), value), 0..5))
}

fn leaf(number: impl Strategy<Value = String>) -> impl Strategy<Value = Json> {
    prop_oneof![
        4 => number.prop_map(Json::Number),
        1 => select(&["null", "true", "false"][..]).prop_map(Json::Word),
        1 => text().prop_map(Json::Text),
    ]
}

fn json<M>(
    leaf: impl Strategy<Value = Json> + 'static,
    members: impl Fn(BoxedStrategy<Json>) -> M,
) -> impl Strategy<Value = Json>
where
    M: Strategy<Value = Vec<(String, Json)>> + 'static,
{
    leaf.prop_recursive(4, 24, 5, move |value| {
        prop_oneof![
            vec(value.clone(), 0..5).prop_map(Json::Array),
            members(value).prop_map(Json::Object),
        ]
    })
}

/// A small change of a text: a character removed, inserted or replaced.
#[derive(Clone, Debug)]
struct Edit {
    at: Index,
    leaves_out: bool,
    puts_in: Option<char>,
}

fn edit() -> impl Strategy<Value = Edit> {
    let characters: Vec<char> = "0019e.-+E\"\\,:{}[] au".chars().collect();
    let change = (
        any::<Index>(),
        any::<bool>(),
        proptest::option::of(select(characters)),
    );
    change.prop_map(|(at, leaves_out, puts_in)| Edit {
        at,
        leaves_out,
        puts_in,
    })
}

fn edited(text: &str, edit: &Edit) -> String {
    let mut characters: Vec<char> = text.chars().collect();
    let at = edit.at.index(characters.len() + 1);
    if edit.leaves_out && at < characters.len() {
        characters.remove(at);
    }
    if let Some(new) = edit.puts_in {
        characters.insert(at.min(characters.len()), new);
    }
    characters.into_iter().collect()
}

/// The bytes by which two bodies are compared.
fn form(body: &str) -> Vec<u8> {
    canonical(body.as_bytes()).unwrap_or_else(|| body.into())
}

/// Two bodies that compare as equal have the same bytes or the same exact value.
fn assert_equal_only_if_they_say_the_same(a: &str, b: &str) -> Result<(), TestCaseError> {
    if a != b && form(a) == form(b) {
        let said = Exact::read(a.as_bytes());
        prop_assert!(said.is_some(), "{a} {b}");
        prop_assert_eq!(said, Exact::read(b.as_bytes()), "{} {}", a, b);
    }
    Ok(())
}

proptest! {
    #[test]
    fn a_canonical_form_preserves_the_value_of_the_body(value in odd_json(), way: u8) {
        let body = value.write(way);
        if let Some(form) = canonical(body.as_bytes()) {
            let said = Exact::read(body.as_bytes());
            prop_assert!(said.is_some(), "{body}");
            prop_assert_eq!(said, Exact::read(&form), "{}", body);
            // Nothing is lost the second time either, and nothing changes.
            prop_assert!(canonical(&form).is_none_or(|again| again == form));
        }
    }

    #[test]
    fn plain_json_has_one_form_however_it_is_written(
        value in plain_json(),
        ways: (u8, u8),
    ) {
        let (one, other) = (value.write(ways.0), value.write(ways.1));
        let form = canonical(one.as_bytes());
        prop_assert!(form.is_some(), "{one}");
        prop_assert_eq!(form, canonical(other.as_bytes()));
    }

    #[test]
    fn a_changed_body_compares_equal_only_if_its_value_is_equal(
        value in odd_json(),
        way: u8,
        edits in vec(edit(), 1..3),
    ) {
        let body = value.write(way);
        let changed = edits.iter().fold(body.clone(), |text, edit| edited(&text, edit));
        assert_equal_only_if_they_say_the_same(&body, &changed)?;
    }

    #[test]
    fn two_amounts_compare_equal_only_if_they_are(
        a in prop_oneof![plain_number(), odd_number()],
        b in prop_oneof![plain_number(), odd_number()],
        edit in edit(),
    ) {
        for other in [&b, &edited(&a, &edit)] {
            let [one, other] = [&a, other].map(|amount| format!("{{\"amount\":{amount}}}"));
            assert_equal_only_if_they_say_the_same(&one, &other)?;
        }
    }

    #[test]
    fn two_integers_have_equal_forms_exactly_when_they_are_equal(a: i64, b: i64) {
        let form = |n: i64| form(&format!("{{\"amount\":{n}}}"));
        prop_assert_eq!(a == b, form(a) == form(b));
    }

    #[test]
    fn any_bytes_have_a_faithful_canonical_form_or_none(body: Vec<u8>) {
        if let Some(form) = canonical(&body) {
            prop_assert_eq!(Exact::read(&body), Exact::read(&form));
        }
    }
}
