//! JSON of which each line can be shown by a terminal as it is.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::Formatter;

use super::text::is_visible;

/// Prints an object and a line's end.
pub(crate) fn print(object: &impl Serialize) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(&line(object)?)?;
    stdout.flush()
}

fn line(object: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    object.serialize(&mut Serializer::with_formatter(&mut line, VisibleJson))?;
    line.push(b'\n');
    Ok(line)
}

/// Compact JSON in which each character that cannot be seen is escaped, beyond those that JSON demands.
struct VisibleJson;

impl Formatter for VisibleJson {
    fn write_string_fragment<W>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()>
    where
        W: ?Sized + Write,
    {
        for c in fragment.chars() {
            let mut units = [0; 2];
            match is_visible(c) {
                true => write!(writer, "{c}")?,
                false => {
                    for unit in c.encode_utf16(&mut units) {
                        write!(writer, "\\u{unit:04x}")?;
                    }
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_no_control_character_and_reads_as_the_same_text() {
        let text = "Köln \u{1b}[2J \u{9b}31m \u{7f} \u{202e} \u{e0001} \\ \" \n end";
        let line = String::from_utf8(line(&[text]).unwrap()).unwrap();
        let (line, end) = line.split_at(line.len() - 1);
        assert_eq!(end, "\n");
        assert!(line.chars().all(is_visible), "{line}");
        assert!(line.contains("Köln"), "{line}");
        let read: Vec<String> = serde_json::from_str(line).unwrap();
        assert_eq!(read, [text]);
    }
}
