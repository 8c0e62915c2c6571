//! Detects where an answer of MySQL ends.

use super::packet::{FULL, HEADER};

/// The part of an answer that is still to come.
#[derive(Debug, Eq, PartialEq)]
pub(in super::super) enum Answer {
    /// The outcome of the login, perhaps after more requests of the server.
    Login,
    /// The number of a prepared statement of this text, then definitions.
    Preparation(String),
    /// An outcome or a result set; a text of many statements has one for each.
    Result,
    /// This many definitions, including the packet that ends them; then rows, or nothing.
    Definitions { left: u64, then_rows: bool },
    /// Rows, and the packet that ends them.
    Rows,
}

impl Answer {
    /// Whether this message is the last one. `has_eof`: a packet ends definitions.
    pub(super) fn ends(&mut self, message: &[u8], has_eof: bool) -> bool {
        let mut body = message.get(HEADER..).unwrap_or_default();
        let Some(&kind) = body.first() else {
            return false;
        };
        match self {
            // In the place of any other message; no row begins with this byte.
            _ if kind == ERROR => true,
            Self::Login => kind == OK,
            Self::Preparation(_) => {
                let definitions = |count: u16| match count {
                    0 => 0,
                    count => u64::from(count) + u64::from(has_eof),
                };
                let [columns, parameters] = [5, 7].map(|start| definitions(short(body, start)));
                self.defines(columns + parameters, false)
            }
            Self::Result if kind == OK || is_end(message, has_eof) => self.concludes(body, has_eof),
            Self::Result => {
                let columns = length_encoded(&mut body).unwrap_or_default();
                self.defines(columns + u64::from(has_eof), true)
            }
            Self::Definitions { left, then_rows } => {
                let (left, then_rows) = (*left - 1, *then_rows);
                self.defines(left, then_rows)
            }
            Self::Rows if is_end(message, has_eof) => self.concludes(body, has_eof),
            Self::Rows => false,
        }
    }

    fn defines(&mut self, left: u64, then_rows: bool) -> bool {
        *self = match left {
            0 if !then_rows => return true,
            0 => Self::Rows,
            left => Self::Definitions { left, then_rows },
        };
        false
    }

    /// Whether this outcome is the last; it says whether another statement's outcome follows.
    fn concludes(&mut self, body: &[u8], has_eof: bool) -> bool {
        let status = match body.first() {
            Some(&END) if has_eof => short(body, 3),
            _ => status_of_ok(body).unwrap_or_default(),
        };
        *self = Self::Result;
        status & MORE_RESULTS_EXIST == 0
    }
}

/// The number of a prepared statement, from the first message of the answer.
pub(super) fn prepared(message: &[u8]) -> Option<u32> {
    match message.get(HEADER..HEADER + 5)? {
        [OK, number @ ..] => Some(u32::from_le_bytes(number.try_into().ok()?)),
        _ => None,
    }
}

/// A row starts with the same byte if its first value is so long that it needs a second packet.
fn is_end(message: &[u8], has_eof: bool) -> bool {
    let longest = if has_eof { 8 } else { FULL - 1 };
    message.get(HEADER) == Some(&END) && message.len() <= HEADER + longest
}

/// The status follows the number of rows and the last id.
fn status_of_ok(body: &[u8]) -> Option<u16> {
    let mut rest = body.get(1..)?;
    length_encoded(&mut rest)?;
    length_encoded(&mut rest)?;
    Some(short(rest, 0))
}

fn length_encoded(rest: &mut &[u8]) -> Option<u64> {
    let (&first, behind) = rest.split_first()?;
    let size = match first {
        0xfc => 2,
        0xfd => 3,
        0xfe => 8,
        small => {
            *rest = behind;
            return Some(u64::from(small));
        }
    };
    let (bytes, behind) = behind.split_at_checked(size)?;
    *rest = behind;
    let lowest_last = bytes.iter().rev();
    Some(lowest_last.fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

/// Two bytes, little-endian.
fn short(body: &[u8], start: usize) -> u16 {
    let bytes = body.get(start..start + 2).unwrap_or_default();
    u16::from_le_bytes(bytes.try_into().unwrap_or_default())
}

const OK: u8 = 0x00;
const END: u8 = 0xfe;
const ERROR: u8 = 0xff;

const MORE_RESULTS_EXIST: u16 = 0x0008;

#[cfg(test)]
mod tests {
    use super::*;

    const NO_ROWS: &[u8] = &[OK, 0, 0, 2, 0, 0, 0];
    const NO_ROWS_AND_MORE: &[u8] = &[OK, 0xfc, 1, 1, 0xfd, 1, 2, 3, 0x0a, 0, 0, 0];
    const LAST: &[u8] = &[END, 0, 0, 2, 0, 0, 0];
    const LAST_AND_MORE: &[u8] = &[END, 0, 0, 0x0a, 0, 0, 0];
    const EOF: &[u8] = &[END, 0, 0, 2, 0];
    const EOF_AND_MORE: &[u8] = &[END, 0, 0, 0x0a, 0];
    const FAILED: &[u8] = &[ERROR, 0x15, 4];
    const COLUMN: &[u8] = b"\x03def";

    #[test]
    fn an_outcome_ends_a_result_unless_more_follow() {
        for has_eof in [false, true] {
            ends_with_the_last(Answer::Result, &[NO_ROWS], has_eof);
            ends_with_the_last(Answer::Result, &[FAILED], has_eof);
            ends_with_the_last(Answer::Result, &[NO_ROWS_AND_MORE, NO_ROWS], has_eof);
            ends_with_the_last(Answer::Result, &[NO_ROWS_AND_MORE, FAILED], has_eof);
        }
    }

    #[test]
    fn a_result_set_ends_after_its_rows() {
        let (text, binary): (&[u8], &[u8]) = (b"\x01a\x01b", &[OK, 0, 1, 1]);
        for row in [text, binary] {
            let set = [&[2], COLUMN, COLUMN, row, row];
            ends_with_the_last(Answer::Result, &[&set[..], &[LAST]].concat(), false);
            ends_with_the_last(Answer::Result, &[&set[..], &[FAILED]].concat(), false);
            let rest = [LAST_AND_MORE, &[1], COLUMN, LAST_AND_MORE, NO_ROWS];
            ends_with_the_last(Answer::Result, &[&set[..], &rest].concat(), false);
        }
        let sets = [&[1], COLUMN, EOF, text, EOF_AND_MORE];
        ends_with_the_last(Answer::Result, &[&sets[..], &[NO_ROWS]].concat(), true);
        ends_with_the_last(Answer::Result, &[&[1], COLUMN, EOF, EOF], true);
    }

    #[test]
    fn a_long_row_is_not_mistaken_for_the_end() {
        let mut long = vec![0; FULL];
        long[0] = END;
        ends_with_the_last(Answer::Result, &[&[1], COLUMN, &long, LAST], false);
        let values = [END, 0, 0, 0, 1, 0, 0, 0, 0];
        ends_with_the_last(Answer::Result, &[&[1], COLUMN, EOF, &values, EOF], true);
    }

    #[test]
    fn a_prepare_answer_ends_after_its_definitions() {
        let prepares = |columns, parameters| [OK, 7, 0, 0, 1, columns, 0, parameters, 0, 0, 0, 0];
        let preparation = || Answer::Preparation(String::new());
        for has_eof in [false, true] {
            ends_with_the_last(preparation(), &[&prepares(0, 0)], has_eof);
            ends_with_the_last(preparation(), &[FAILED], has_eof);
        }
        let both = prepares(1, 2);
        ends_with_the_last(preparation(), &[&both, COLUMN, COLUMN, COLUMN], false);
        let eofs = [&both, COLUMN, COLUMN, EOF, COLUMN, EOF];
        ends_with_the_last(preparation(), &eofs, true);
        assert_eq!(prepared(&message(&both)), Some(0x01_00_00_07));
        assert_eq!(prepared(&message(FAILED)), None);
    }

    #[test]
    fn a_login_ends_with_its_outcome() {
        let (switch, key): (&[u8], &[u8]) = (b"\xfecaching_sha2_password", b"\x01key");
        ends_with_the_last(Answer::Login, &[switch, key, NO_ROWS], false);
        ends_with_the_last(Answer::Login, &[switch, FAILED], false);
    }

    fn ends_with_the_last(mut answer: Answer, bodies: &[&[u8]], has_eof: bool) {
        for (index, body) in bodies.iter().enumerate() {
            let ends = answer.ends(&message(body), has_eof);
            assert_eq!(ends, index + 1 == bodies.len(), "{index}: {answer:?}");
        }
    }

    fn message(body: &[u8]) -> Vec<u8> {
        [&[0; HEADER], body].concat()
    }
}
