//! The policies as a page for people.

use std::fmt::Write as _;
use std::time::Duration;

use crate::policies::operation::{KeyRule, OperationPolicy};
use crate::policies::published::Policies;

impl Policies {
    /// The policies as an HTML page, in English.
    ///
    /// The page needs no other file, and no script. All texts are escaped.
    pub fn to_html(&self, title: &str) -> String {
        page(self, title)
    }
}

/// How a key is sent, what a retry gets, and a table of the operations.
fn page(policies: &Policies, title: &str) -> String {
    let (title, key) = (escaped(title), &policies.key);
    let header = escaped(&key.header);
    let quotes = match key.quoted_only {
        true => "It is sent in double quotes.",
        false => "It may be sent in double quotes: with and without them it is the same key.",
    };
    let rows: String = policies.operations.iter().map(row).collect();
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n\
         <h2 id=\"key\">The key</h2>\n\
         <p>A client makes one key for each request, such as a UUID, and sends it in the header \
         <code>{header}</code>, with every retry of that request too. It has {min} to {max} visible \
         ASCII characters. {quotes} A key belongs to one owner (“scope” below) and to one \
         operation.</p>\n\
         <h2 id=\"answers\">What a client gets</h2>\n<ul>\n\
         <li>A retry of a request whose response is stored gets that response again, with the header \
         <code>{replayed}: true</code>. Nothing is carried out a second time.</li>\n\
         <li>While the first request runs, a retry gets 409 with <code>Retry-After</code>, at once or \
         after the time to wait.</li>\n\
         <li>The same key with another request gets 422. “Compared” says what must be the same.</li>\n\
         <li>A missing or malformed key gets 400.</li>\n\
         <li>When the stored response has expired, the key is a new one and a retry is carried out, \
         unless “then refused for” has a time: until it is over a retry gets 422. Do not retry for longer \
         than the response is stored.</li>\n\
         <li>A response that is not stored leaves the key free, and a retry is carried out.</li>\n\
         </ul>\n\
         <p>Refusals are problem documents (RFC 9457); their <code>type</code> begins with \
         <code>{base}</code>.</p>\n\
         <h2 id=\"operations\">Operations</h2>\n\
         <div class=\"wide\" role=\"region\" aria-labelledby=\"operations\" tabindex=\"0\">\n\
         <table>\n<thead><tr>{heads}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table>\n</div>\n\
         </main>\n</body>\n</html>\n",
        min = key.min_length,
        max = key.max_length,
        replayed = escaped(&policies.replayed_header),
        base = escaped(&policies.problem_base),
        heads = heads(),
    )
}

fn heads() -> String {
    let heads = [
        "Operation",
        "Key",
        "Scope",
        "Expires after",
        "Then refused for",
        "Compared",
        "Stored statuses",
        "Waits while the first runs",
        "Time limit",
    ];
    let cells = heads.map(|head| format!("<th scope=\"col\">{head}</th>"));
    cells.concat()
}

fn row(operation: &OperationPolicy) -> String {
    let key = match operation.key {
        KeyRule::Required => "required",
        KeyRule::Optional => "optional",
    };
    let wait = match operation.in_flight_wait {
        Duration::ZERO => "no".to_owned(),
        limit => format!("up to {}", words(limit)),
    };
    let cells = [
        key.to_owned(),
        operation.scope.to_owned(),
        words(operation.ttl),
        match operation.refused_after_ttl {
            Duration::ZERO => "no time".to_owned(),
            time => words(time),
        },
        operation.compared.join(", "),
        operation.stored.join(", "),
        wait,
        words(operation.timeout),
    ];
    let mut row = format!(
        "<tr><th scope=\"row\"><code>{}</code></th>",
        escaped(&operation.title())
    );
    for cell in cells {
        // A `String` takes whatever is written.
        let _written = write!(row, "<td>{}</td>", escaped(&cell));
    }
    row + "</tr>\n"
}

/// A time in its largest whole unit: `24 hours`, `90 minutes`.
fn words(time: Duration) -> String {
    let seconds = time.as_secs();
    if time.subsec_nanos() != 0 {
        return format!("{} seconds", time.as_secs_f64());
    }
    let units = [
        (86_400, "days"),
        (3_600, "hours"),
        (60, "minutes"),
        (1, "seconds"),
    ];
    // "24 hours" is what people say.
    let fitting = units
        .iter()
        .find(|(unit, _)| seconds.is_multiple_of(*unit) && seconds >= 2 * unit);
    match fitting {
        Some((unit, name)) => format!("{} {name}", seconds / unit),
        None => format!("{seconds} second"),
    }
}

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

const STYLE: &str = "body{font:1rem/1.5 system-ui,sans-serif;color:#1a1a1a;background:#fff;\
    margin:0 auto;max-width:70rem;padding:1rem}.wide{overflow-x:auto}table{border-collapse:collapse}\
    th,td{border:1px solid #767676;padding:.4rem .6rem;text-align:left;vertical-align:top}\
    thead th{background:#f0f0f0}tbody th{font-weight:normal}";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_in_their_largest_whole_unit() {
        let texts = [
            (86_400, "24 hours"),
            (172_800, "2 days"),
            (5_400, "90 minutes"),
            (61, "61 seconds"),
            (1, "1 second"),
        ];
        for (seconds, text) in texts {
            assert_eq!(words(Duration::from_secs(seconds)), text);
        }
        assert_eq!(words(Duration::from_millis(1_500)), "1.5 seconds");
    }

    #[test]
    fn markup_in_a_text_is_escaped() {
        assert_eq!(
            escaped("<a href='\"&\"'>"),
            "&lt;a href=&#39;&quot;&amp;&quot;&#39;&gt;"
        );
    }
}
