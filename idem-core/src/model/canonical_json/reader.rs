//! Reads JSON and writes its canonical form in one pass.
//!
//! Members are written in the order of the body, and sorted through a buffer at the end of their
//! object if their names ask for it. This copies an inner object once for each level around it that
//! is not sorted either, which costs less than a tree of values.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::ops::Range;

use super::{number, string};

/// The form of a JSON text, or `None` if it has none.
pub(super) fn read(text: &str) -> Option<Vec<u8>> {
    let mut reader = Reader {
        rest: text,
        form: Vec::with_capacity(text.len()),
        members: Vec::new(),
        sorted: Vec::new(),
    };
    reader.value(DEEPEST)?;
    reader.skip_space();
    reader.rest.is_empty().then_some(reader.form)
}

struct Reader<'t> {
    rest: &'t str,
    form: Vec<u8>,
    /// The members of all objects that are open.
    members: Vec<Member<'t>>,
    /// The buffer in which members are sorted.
    sorted: Vec<u8>,
}

struct Member<'t> {
    name: Cow<'t, str>,
    /// The place of name and value in the form.
    place: Range<usize>,
}

impl<'t> Reader<'t> {
    fn value(&mut self, levels: u8) -> Option<()> {
        self.skip_space();
        match self.rest.as_bytes().first()? {
            b'{' => self.object(levels.checked_sub(1)?),
            b'[' => self.array(levels.checked_sub(1)?),
            b'"' => self.string().map(drop),
            b'-' | b'0'..=b'9' => self.number(),
            _ => self.word(),
        }
    }

    fn object(&mut self, levels: u8) -> Option<()> {
        let (start, first) = (self.form.len(), self.members.len());
        self.take('{')?;
        self.skip_space();
        if self.take('}').is_some() {
            self.form.extend_from_slice(b"{}");
            return Some(());
        }
        let mut before = b'{';
        loop {
            self.form.push(before);
            let place = self.form.len();
            self.skip_space();
            let name = self.string()?;
            self.skip_space();
            self.take(':')?;
            self.form.push(b':');
            self.value(levels)?;
            let place = place..self.form.len();
            self.members.push(Member { name, place });
            self.skip_space();
            if self.take(',').is_none() {
                break;
            }
            before = b',';
        }
        self.take('}')?;
        self.sort(start, first)?;
        self.form.push(b'}');
        Some(())
    }

    /// Sorts the members from `first` on, which the form has from `start` on. `None` if two have one
    /// name.
    fn sort(&mut self, start: usize, first: usize) -> Option<()> {
        let members = self.members.get_mut(first..)?;
        let ascends = |one: &Member<'_>, next: &Member<'_>| one.compare(next) == Ordering::Less;
        if !members.is_sorted_by(ascends) {
            members.sort_unstable_by(Member::compare);
            if !members.is_sorted_by(ascends) {
                return None;
            }
            let mut before = b'{';
            for member in members {
                self.sorted.push(before);
                let text = self.form.get(member.place.clone())?;
                self.sorted.extend_from_slice(text);
                before = b',';
            }
            self.form.truncate(start);
            self.form.append(&mut self.sorted);
        }
        self.members.truncate(first);
        Some(())
    }

    fn array(&mut self, levels: u8) -> Option<()> {
        self.take('[')?;
        self.skip_space();
        if self.take(']').is_some() {
            self.form.extend_from_slice(b"[]");
            return Some(());
        }
        self.form.push(b'[');
        loop {
            self.value(levels)?;
            self.skip_space();
            if self.take(',').is_none() {
                break;
            }
            self.form.push(b',');
        }
        self.take(']')?;
        self.form.push(b']');
        Some(())
    }

    /// Writes a string, and returns what it says.
    fn string(&mut self) -> Option<Cow<'t, str>> {
        let (said, rest) = string::write(self.rest, &mut self.form)?;
        self.rest = rest;
        Some(said)
    }

    fn number(&mut self) -> Option<()> {
        let (number, rest) = number::split(self.rest);
        self.rest = rest;
        number::write(number, &mut self.form)
    }

    fn word(&mut self) -> Option<()> {
        for word in ["null", "true", "false"] {
            if let Some(rest) = self.rest.strip_prefix(word) {
                self.rest = rest;
                self.form.extend_from_slice(word.as_bytes());
                return Some(());
            }
        }
        None
    }

    fn take(&mut self, character: char) -> Option<()> {
        self.rest = self.rest.strip_prefix(character)?;
        Some(())
    }

    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
    }
}

impl Member<'_> {
    /// By the UTF-16 code units of the names: RFC 8785, section 3.2.3.
    fn compare(&self, other: &Self) -> Ordering {
        self.name.encode_utf16().cmp(other.name.encode_utf16())
    }
}

/// As deep as `serde_json` reads.
const DEEPEST: u8 = 127;
