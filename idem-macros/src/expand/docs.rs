//! The operation's idempotency policy as a paragraph of documentation, for rustdoc and OpenAPI.
//!
//! The reader is a client's author, so it says what a client can rely on, in the options' own
//! words. Only what the attribute itself says is stated: what the handle decides at run time, such
//! as the default ttl, is left out, since a number here would be wrong once the handle changes.
//!
//! ```text
//! #[idempotent(scope = "tenant", ttl = "24h", store = "2xx, 402", in_flight = "wait 5s")]
//!
//! # Idempotency
//!
//! The idempotency key is required; a retry carries the same key.
//! Answers with status 2xx or 402 are kept for 24h and replayed to retries; any other answer
//! leaves nothing behind, and a retry runs again. A retry while the first attempt runs waits for
//! its answer, up to 5s. The same key with another request is refused with 422.
//! ```
//!
//! For an operation whose options are wrong the paragraph describes the defaults; the errors stop
//! the build anyway.

use syn::Attribute;

use crate::options::statuses::StoredStatuses;
use crate::options::{Amount, Options};

/// Documentation to append to what the user wrote.
///
/// `#[utoipa::path]` takes the first line of a handler's documentation as the summary and the rest
/// as the description. Without documentation of the user's, the first sentence becomes the summary.
pub(crate) fn docs(options: &Options, written: &[Attribute]) -> Vec<Attribute> {
    let documented = written.iter().any(|attr| attr.path().is_ident("doc"));
    let (key, rest) = (format!(" {}", key(options)), format!(" {}", rest(options)));
    // Some generators show the summary alone, so it is short and no heading.
    let lines: &[&str] = if documented {
        &["", " # Idempotency", "", &key, &rest]
    } else {
        &[&key, "", &rest]
    };
    lines
        .iter()
        .map(|line| syn::parse_quote!(#[doc = #line]))
        .collect()
}

fn key(options: &Options) -> &'static str {
    if options.key_optional {
        "The idempotency key is optional; a request with a key is safe to retry with the same key."
    } else {
        "The idempotency key is required; a retry carries the same key."
    }
}

fn rest(options: &Options) -> String {
    let time = match &options.ttl {
        Some(ttl) => format!(" for {}", ttl.text.value()),
        None => String::new(),
    };
    let running = match &options.wait {
        Some(Amount { text, .. }) => format!("waits for its answer, up to {}", text.value()),
        None if options.reject => "is refused with 409".to_owned(),
        // The handle decides, and it is not known here.
        None => "is refused with 409, or waits for its answer first".to_owned(),
    };
    format!(
        "Answers with status {} are kept{time} and replayed to retries; \
         any other answer leaves nothing behind, and a retry runs again. \
         A retry while the first attempt runs {running}. \
         The same key with another request is refused with 422.{}",
        statuses(options.store.as_ref()),
        late(options),
    )
}

/// What a retry gets after the ttl. Without the option the handle decides.
fn late(options: &Options) -> String {
    match &options.refuse_late {
        Some(Amount { text, .. }) => format!(
            " A retry that comes later is refused with 422, for {}.",
            text.value()
        ),
        None if options.run_late => " A retry that comes later runs again.".to_owned(),
        None => String::new(),
    }
}

/// The stored statuses as prose: `2xx, 402 or 409`.
fn statuses(store: Option<&StoredStatuses>) -> String {
    let Some(store) = store else {
        return "2xx or 3xx".to_owned();
    };
    let ranges = [(store.success, "2xx"), (store.redirect, "3xx")];
    let ranges = ranges
        .into_iter()
        .filter(|(kept, _)| *kept)
        .map(|(_, range)| range.to_owned());
    let mut names: Vec<_> = ranges
        .chain(store.statuses.iter().map(u16::to_string))
        .collect();
    let last = names.pop().unwrap_or_default();
    if names.is_empty() {
        last
    } else {
        format!("{} or {last}", names.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use quote::ToTokens as _;

    use super::*;
    use crate::errors::Errors;
    use crate::options::parse;

    fn options_of(text: &str) -> Options {
        let mut errors = Errors::default();
        let options = parse(text.parse().unwrap(), &mut errors);
        assert_eq!(errors.texts(), [""; 0]);
        options
    }

    #[test]
    fn the_policy_says_what_a_client_must_know() {
        let options = options_of("scope = global, ttl = \"24h\"");
        assert!(key(&options).starts_with("The idempotency key is required;"));
        let text = rest(&options);
        assert!(text.contains("Answers with status 2xx or 3xx are kept for 24h and replayed"));
        assert!(text.contains("runs is refused with 409, or waits for its answer first."));
    }

    #[test]
    fn the_policy_follows_the_options() {
        let text =
            "scope = global, key = optional, store = \"2xx, 402, 409\", in_flight = \"wait 5s\"";
        let options = options_of(text);
        assert!(key(&options).starts_with("The idempotency key is optional"));
        let text = rest(&options);
        assert!(text.contains("status 2xx, 402 or 409 are kept and replayed"));
        assert!(text.contains("waits for its answer, up to 5s."));
        let refuses = rest(&options_of("scope = global, in_flight = reject"));
        assert!(refuses.contains("A retry while the first attempt runs is refused with 409."));
        let refuses = rest(&options_of("scope = global, late_retries = \"refuse 30d\""));
        assert!(refuses.ends_with(" A retry that comes later is refused with 422, for 30d."));
        let runs = rest(&options_of("scope = global, late_retries = run"));
        assert!(runs.ends_with(" A retry that comes later runs again."));
    }

    #[test]
    fn the_policy_has_a_heading_only_below_other_documentation() {
        let written: Attribute = syn::parse_quote!(#[doc = " Pays."]);
        let options = options_of("scope = global");
        let text = |written: &[Attribute]| {
            let docs = docs(&options, written);
            docs.iter()
                .map(|doc| doc.to_token_stream().to_string())
                .collect::<String>()
        };
        assert!(text(&[written]).contains("# Idempotency"));
        assert!(!text(&[]).contains("# Idempotency"));
    }
}
