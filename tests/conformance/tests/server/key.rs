//! Reads the key of a request.

use axum::http::HeaderMap;
use axum::response::Response;

use super::fault::Fault;
use super::problem;

pub fn read(headers: &HeaderMap, fault: Option<Fault>) -> Result<String, Box<Response>> {
    let lines: Vec<_> = headers.get_all("idempotency-key").iter().collect();
    let line = match lines[..] {
        [] => return Err(Box::new(problem(400, "key-missing", None))),
        [line] => line,
        [line, ..] if fault == Some(Fault::TakesTheFirstOfTwo) => line,
        _ => return Err(Box::new(problem(400, "key-invalid", None))),
    };
    let line = line.to_str().unwrap_or_default();
    if fault == Some(Fault::TakesAnyKey) {
        return Ok(line.to_owned());
    }
    let name = match fault {
        Some(Fault::EchoesKeys) => format!("{line} is invalid"),
        _ => "key-invalid".to_owned(),
    };
    let name = name.replace(['"', '\\'], "");
    let invalid = || Box::new(problem(400, &name, None));
    let key = match line.strip_prefix('"') {
        Some(_) if fault == Some(Fault::RefusesStrings) => return Err(invalid()),
        Some(rest) => quoted(rest).ok_or_else(invalid)?,
        None if line.contains(['"', ',', ' ']) => return Err(invalid()),
        None => line.to_owned(),
    };
    match (key.len(), fault) {
        (1.., Some(Fault::CutsKeys)) => Ok(key.chars().take(250).collect()),
        (1..=255, _) => Ok(key),
        _ => Err(invalid()),
    }
}

/// The String after its first quote; parameters behind it are ignored.
fn quoted(text: &str) -> Option<String> {
    let mut key = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => {
                let rest = chars.as_str();
                return (rest.is_empty() || rest.starts_with(';')).then_some(key);
            }
            '\\' => key.push(chars.next().filter(|c| matches!(c, '"' | '\\'))?),
            c => key.push(c),
        }
    }
    None
}
