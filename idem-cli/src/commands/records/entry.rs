//! A record as the commands print it.

use idem_core::RecordView;
use serde::Serialize;

use crate::output::Entry;
use crate::output::time::utc;

#[derive(Serialize)]
pub(super) struct RecordEntry {
    scope: String,
    operation: String,
    /// The digest of the key: the key itself can be a secret.
    digest: String,
    state: &'static str,
    status: u16,
    stored_at: String,
    expires_at: String,
    /// Until when a late retry is refused; `None`: it runs.
    refused_until: Option<String>,
    bytes: u64,
    reference: Option<String>,
}

impl From<&RecordView> for RecordEntry {
    fn from(view: &RecordView) -> Self {
        Self {
            scope: view.name.scope.as_str().to_owned(),
            operation: view.name.operation.as_str().to_owned(),
            digest: view.name.key.digest(),
            state: view.state.as_str(),
            status: view.status,
            stored_at: utc(view.stored_at),
            expires_at: utc(view.expires_at),
            refused_until: view.refused_until.map(utc),
            bytes: view.bytes,
            reference: view.reference.clone(),
        }
    }
}

impl Entry for RecordEntry {
    const HEAD: &'static [&'static str] = &[
        "SCOPE",
        "OPERATION",
        "DIGEST",
        "STATE",
        "STATUS",
        "STORED",
        "EXPIRES",
        "REFUSED UNTIL",
        "BYTES",
        "REFERENCE",
    ];

    fn cells(&self) -> Vec<String> {
        let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        vec![
            self.scope.clone(),
            self.operation.clone(),
            self.digest.clone(),
            self.state.to_owned(),
            self.status.to_string(),
            self.stored_at.clone(),
            self.expires_at.clone(),
            or_none(&self.refused_until),
            self.bytes.to_string(),
            or_none(&self.reference),
        ]
    }
}
