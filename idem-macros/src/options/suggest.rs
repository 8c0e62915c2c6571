//! "Did you mean": the nearest of the known words.
//!
//! A wrong suggestion is worse than none, so the limit grows with the word: one edit for `ttl`,
//! three for `fingerprint`. `lease` is near no option and gets the list of all of them.

/// The known word that `word` is probably a misspelling of.
///
/// Case does not count: `maxBody` is one edit from `max_body`. Of two that are equally near, the
/// first in the list wins.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_lowercase();
    let measured = known.into_iter().map(|name| (distance(&lower, name), name));
    let (distance, name) = measured.min_by_key(|(distance, _)| *distance)?;
    (distance <= (name.len() / 3).max(1)).then_some(name)
}

/// Names as prose: `` `a`, `b`, `c` ``.
pub(crate) fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let quoted: Vec<_> = names.into_iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}

/// How many characters to insert, drop or replace (Levenshtein).
fn distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.chars().count()).collect();
    for (line, a) in from.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], line + 1);
        for (column, b) in to.chars().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_edits() {
        assert_eq!(distance("ttl", "ttl"), 0);
        assert_eq!(distance("tll", "ttl"), 1);
        assert_eq!(distance("", "ttl"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
    }

    #[test]
    fn only_similar_words_are_suggested() {
        let known = ["scope", "ttl", "max_body", "fingerprint"];
        assert_eq!(nearest("tll", known), Some("ttl"));
        assert_eq!(nearest("maxBody", known), Some("max_body"));
        assert_eq!(nearest("fingerprints", known), Some("fingerprint"));
        assert_eq!(nearest("lease", known), None);
    }
}
