//! Each option is read, and each mistake in one has its cure.

use super::{Amount, Fingerprint, Options, Scope};
use crate::errors::Errors;

fn parse(text: &str) -> (Options, Vec<String>) {
    let mut errors = Errors::default();
    let options = super::parse(text.parse().unwrap(), &mut errors);
    (options, errors.texts())
}

#[test]
fn every_option_is_read() {
    let (options, errors) = parse(
        "scope = \"tenant\", ttl = \"24h\", operation = \"payments.create\", key = optional, \
         fingerprint = path::to_fn, fingerprint_headers = [\"X-Currency\"], max_body = \"64KiB\", \
         max_response = \"1MiB\", store = \"2xx, 402\", in_flight = \"wait 5s\", \
         timeout = \"30s\", isolation = serializable, expect = retries, \
         late_retries = \"refuse 30d\", state = App<u8, u8>, plain = f_plain,",
    );
    assert_eq!(errors, [""; 0]);
    assert!(matches!(options.scope, Scope::Named(name) if name.value() == "tenant"));
    let value = |amount: Option<Amount>| amount.map(|amount| amount.value);
    assert_eq!(value(options.ttl), Some(86_400_000));
    assert_eq!(value(options.max_body), Some(65_536));
    assert_eq!(value(options.max_response), Some(1_048_576));
    assert_eq!(value(options.wait), Some(5_000));
    assert_eq!(value(options.timeout), Some(30_000));
    assert_eq!(value(options.refuse_late), Some(2_592_000_000));
    assert_eq!(options.fingerprint_headers, ["x-currency"]);
    assert!(matches!(options.fingerprint, Fingerprint::With(_)));
    assert!(options.key_optional && options.serializable.is_some() && options.expects_retries);
    assert!(options.operation.is_some() && options.state.is_some() && options.plain.is_some());
    assert_eq!(options.store.map(|store| store.statuses), Some(vec![402]));
}

#[test]
fn scopes_are_names_types_or_global() {
    assert!(matches!(parse("scope = \"global\"").0.scope, Scope::Global));
    assert!(matches!(parse("scope = global").0.scope, Scope::Global));
    assert!(matches!(
        parse("scope = auth::Tenant").0.scope,
        Scope::Type(_)
    ));
    assert!(matches!(
        parse("scope = Of<A, B>, ttl = \"1h\"").0.scope,
        Scope::Type(_)
    ));
    assert!(matches!(parse("scope = (A, B)").0.scope, Scope::Type(_)));
}

#[test]
fn words_may_be_quoted() {
    for text in ["key = \"optional\"", "key = optional"] {
        assert!(
            parse(&format!("scope = global, {text}")).0.key_optional,
            "{text}"
        );
    }
    for text in ["fingerprint = json", "fingerprint = \"json\""] {
        let options = parse(&format!("scope = global, {text}")).0;
        assert!(matches!(options.fingerprint, Fingerprint::Json), "{text}");
    }
    for text in ["in_flight = reject", "in_flight = \"reject\""] {
        assert!(parse(&format!("scope = global, {text}")).0.reject, "{text}");
    }
    for text in ["late_retries = run", "late_retries = \"run\""] {
        let options = parse(&format!("scope = global, {text}")).0;
        assert!(options.run_late && options.refuse_late.is_none(), "{text}");
    }
}

#[test]
fn all_option_errors_are_reported_at_once() {
    let (_, errors) =
        parse("tll = \"24h\", ttl = 24, key = optionl, store \"2xx\", max_body = \"1\"");
    assert_eq!(errors.len(), 6, "{errors:#?}");
    assert_eq!(errors[5], super::parse::NO_SCOPE);
}

#[test]
fn each_option_mistake_is_reported_with_its_fix() {
    for (text, cure) in [
        ("", "`scope` is missing: whose keys are these?"),
        ("tll = \"24h\"", "unknown option `tll`; did you mean `ttl`?"),
        (
            "lease = \"30s\"",
            "unknown option `lease`; the options are `scope`, `ttl`",
        ),
        ("ttl", "`ttl` has no value: write `ttl = \"24h\"`"),
        ("ttl = ", "`ttl` has no value"),
        ("ttl(\"24h\")", "`ttl` has no value"),
        ("ttl = \"1h\", ttl = \"2h\"", "`ttl` is given twice"),
        ("ttl = 24h", "write it in quotes: \"24h\""),
        ("ttl = 24", "expected a text in quotes, such as \"24h\""),
        (
            "ttl = \"0s\"",
            "out of bounds: at least \"1s\", at most \"3650d\"",
        ),
        ("timeout = \"5ms\"", "at least \"10ms\", at most \"1h\""),
        (
            "in_flight = \"wait 11m\"",
            "at least \"1ms\", at most \"10m\"",
        ),
        ("in_flight = \"wait\"", "how long? write \"wait 5s\""),
        ("in_flight = wait", "how long? write \"wait 5s\""),
        (
            "in_flight = \"block\"",
            "neither \"reject\" nor \"wait 5s\"",
        ),
        (
            "late_retries = \"refuse\"",
            "how long? write \"refuse 30d\"",
        ),
        (
            "late_retries = \"refuse 3651d\"",
            "at least \"1s\", at most \"3650d\"",
        ),
        (
            "late_retries = \"reject 30d\"",
            "neither \"run\" nor \"refuse 30d\"",
        ),
        (
            "in_flight = \"wait 5s\", timeout = \"5s\"",
            "shorter than the `timeout`",
        ),
        (
            "key = optionl",
            "`optionl` is not one of `required`, `optional`; did you mean `optional`?",
        ),
        ("fingerprint = \"jsn\"", "did you mean `json`?"),
        (
            "fingerprint_headers = \"x\"",
            "expected a list of header names",
        ),
        (
            "fingerprint_headers = [\"x y\"]",
            "\"x y\" is not the name of a header",
        ),
        (
            "fingerprint_headers = [\"x\", \"X\"]",
            "\"x\" is in the list twice",
        ),
        ("max_body = \"2GiB\"", "at least \"1B\", at most \"1GiB\""),
        ("max_response = 65536", "such as \"64KiB\""),
        ("operation = \"\"", "1 to 255 bytes"),
        ("operation = \"a\\0b\"", "no control characters"),
        ("operation = \"inbox:a\"", "consumers' names"),
        ("store = \"2xx, 4xx\"", "name each status"),
        ("scope = \"a b\"", "a word such as \"tenant\""),
        (
            "scope = \"Of<A>\"",
            "stands without quotes: `scope = Of<A>`",
        ),
        (
            "scope = \"a\" ttl = \"1h\"",
            "expected `,` between two options",
        ),
        ("\"24h\"", "expected an option such as"),
    ] {
        let errors = parse(text).1;
        assert!(
            errors.iter().any(|error| error.contains(cure)),
            "{text}: {errors:#?}"
        );
    }
}
