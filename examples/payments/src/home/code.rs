//! The lines of code that do what the page shows.

use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use maud::html;

use crate::layout;

/// A file that the page links to.
struct Source {
    name: &'static str,
    path: &'static str,
    text: &'static str,
}

const SOURCES: [Source; 3] = [
    Source {
        name: "payments.rs",
        path: "examples/payments/src/payments.rs",
        text: include_str!("../payments.rs"),
    },
    Source {
        name: "enforce.rs",
        path: "idem-axum/src/attempt/enforce.rs",
        text: include_str!("../../../../idem-axum/src/attempt/enforce.rs"),
    },
    Source {
        name: "visitor.rs",
        path: "examples/payments/src/home/visitor.rs",
        text: include_str!("visitor.rs"),
    },
];

/// A line that does something, by its beginning.
#[derive(Clone, Copy)]
pub(super) struct Line {
    file: &'static str,
    begins: &'static str,
}

pub(super) const ATTRIBUTE: Line = Line {
    file: "payments.rs",
    begins: "#[idempotent(",
};
pub(super) const HANDLER: Line = Line {
    file: "payments.rs",
    begins: "async fn create(",
};
pub(super) const TRANSACTION: Line = Line {
    file: "payments.rs",
    begins: "mut tx: Tx<Db>,",
};
pub(super) const PAYMENT: Line = Line {
    file: "payments.rs",
    begins: "let payment = sql::insert_payment(",
};
pub(super) const EVENT: Line = Line {
    file: "payments.rs",
    begins: "outbox::write(&mut tx",
};
pub(super) const CLAIM: Line = Line {
    file: "enforce.rs",
    begins: "let claim = match attempt",
};
pub(super) const REPLAY: Line = Line {
    file: "enforce.rs",
    begins: "Ok(Claim::Replay(completion))",
};
pub(super) const IN_FLIGHT: Line = Line {
    file: "enforce.rs",
    begins: "Ok(Claim::InFlight)",
};
pub(super) const REUSED: Line = Line {
    file: "enforce.rs",
    begins: "Ok(Claim::Mismatch)",
};
pub(super) const HANG_UP: Line = Line {
    file: "visitor.rs",
    begins: "async fn hang_up(",
};
pub(super) const KILL: Line = Line {
    file: "visitor.rs",
    begins: "async fn kill_in_the_middle(",
};

impl Line {
    /// Its number, from 1, and its text.
    fn found(self) -> Option<(usize, &'static str)> {
        let source = SOURCES.iter().find(|source| source.name == self.file)?;
        let mut lines = source.text.lines().map(str::trim).enumerate();
        let (index, text) = lines.find(|(_, text)| text.starts_with(self.begins))?;
        Some((index + 1, text))
    }

    pub(super) fn text(self) -> &'static str {
        self.found().map_or(self.begins, |(_, text)| text)
    }

    pub(super) fn number(self) -> usize {
        self.found().map_or(1, |(number, _)| number)
    }

    pub(super) fn address(self) -> String {
        format!("/code/{}#L{}", self.file, self.number())
    }
}

/// Shows a file, with its lines numbered.
pub(super) async fn show(Path(name): Path<String>) -> Response {
    let Some(source) = SOURCES.iter().find(|source| source.name == name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let content = html! {
        h1 { (source.path) }
        ol.source {
            @for (index, line) in source.text.lines().enumerate() {
                @let number = index + 1;
                li id={ "L" (number) } {
                    a href={ "#L" (number) } { (number) }
                    code { (line) }
                }
            }
        }
    };
    layout::page(source.path, "/", &content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_that_the_page_links_to_is_there() {
        for line in [
            ATTRIBUTE,
            HANDLER,
            TRANSACTION,
            PAYMENT,
            EVENT,
            CLAIM,
            REPLAY,
            IN_FLIGHT,
            REUSED,
            HANG_UP,
            KILL,
        ] {
            assert!(line.found().is_some(), "{}: {}", line.file, line.begins);
        }
    }
}
