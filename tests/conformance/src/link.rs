//! The header `Link` (RFC 8288, section 3).

use http::HeaderMap;

/// The target of the first link with this relation.
pub(crate) fn target(headers: &HeaderMap, relation: &str) -> Option<String> {
    let lines = headers.get_all("link").iter();
    let mut lines = lines.filter_map(|line| line.to_str().ok());
    lines.find_map(|line| target_in(line, relation))
}

/// Links are separated by commas, which may also be in their targets and parameters.
fn target_in(mut line: &str, relation: &str) -> Option<String> {
    loop {
        line = line.trim_start_matches([' ', '\t', ',']);
        let (target, parameters) = line.strip_prefix('<')?.split_once('>')?;
        let (relations, rest) = relations(parameters)?;
        let mut relations = relations.split_ascii_whitespace();
        if relations.any(|one| one.eq_ignore_ascii_case(relation)) {
            return Some(target.to_owned());
        }
        line = rest;
    }
}

/// The value of the parameter `rel`, of which the first counts, and what follows the link's parameters.
fn relations(mut text: &str) -> Option<(String, &str)> {
    let mut found = None;
    loop {
        text = text.trim_start_matches(SPACE);
        let Some(parameter) = text.strip_prefix(';') else {
            let is_end = text.is_empty() || text.starts_with(',');
            return is_end.then(|| (found.unwrap_or_default(), text));
        };
        let (name, rest) = token(parameter.trim_start_matches(SPACE));
        let rest = rest.trim_start_matches(SPACE);
        let (value, rest) = match rest.strip_prefix('=') {
            Some(value) => parameter_value(value.trim_start_matches(SPACE))?,
            None => (String::new(), rest),
        };
        if name.eq_ignore_ascii_case("rel") {
            found.get_or_insert(value);
        }
        text = rest;
    }
}

/// A token, or a String in quotes.
fn parameter_value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let (value, rest) = token(text);
        return Some((value.to_owned(), rest));
    };
    let mut value = String::new();
    let mut chars = quoted.chars();
    loop {
        match chars.next()? {
            '"' => return Some((value, chars.as_str())),
            '\\' => value.push(chars.next()?),
            c => value.push(c),
        }
    }
}

fn token(text: &str) -> (&str, &str) {
    let end = text.find([' ', '\t', ';', ',', '=']).unwrap_or(text.len());
    text.split_at(end)
}

const SPACE: [char; 2] = [' ', '\t'];

#[cfg(test)]
mod tests {
    use super::target_in;

    #[test]
    fn a_link_is_found_by_its_relation_and_by_nothing_else() {
        for (line, expected) in [
            ("</a>; rel=\"describedby\"", Some("/a")),
            ("</a>;rel=describedby", Some("/a")),
            ("</a> ; REL = DescribedBy ; type=\"text/html\"", Some("/a")),
            ("</a>; rel=\"help describedby\"", Some("/a")),
            ("</a>; rel=help, </b>; rel=describedby", Some("/b")),
            ("</a>; rel=help,</b,c>;rel=describedby", Some("/b,c")),
            ("</a>; title=\"x, <y>; \\\"\"; rel=describedby", Some("/a")),
            (", </a>; crossorigin; rel=describedby,", Some("/a")),
            // The first `rel` counts, and a relation is a whole word.
            ("</a>; rel=help; rel=describedby", None),
            ("</a>; rel=notdescribedby", None),
            ("</a>; rev=describedby", None),
            ("</a>; title=\"rel=describedby\"", None),
            ("</rel=describedby>", None),
            ("/a; rel=describedby", None),
            ("</a; rel=describedby", None),
            ("</a> rel=describedby", None),
            ("</a>; rel=\"describedby", None),
            ("", None),
        ] {
            let found = target_in(line, "describedby");
            assert_eq!(found.as_deref(), expected, "{line}");
        }
    }
}
