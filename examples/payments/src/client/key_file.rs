//! A file for the key of one request, which survives a restart of the client.

use std::fmt;
use std::io;
use std::path::PathBuf;

use reqwest::{Request, header};
use sha2::{Digest, Sha256};
use tokio::task::spawn_blocking;

use super::KeyFileError;
use super::saved_key::{SavedKey, io_error};

/// Where the key of a request is kept until its outcome is known, as an extension of the request.
///
/// The key and the request's digest are on disk before the first byte is sent. The same request finds its key there
/// after a crash; another one is refused. [`Sent::forget_key`](super::Sent::forget_key) removes it. A file `….lock` beside it stays: it keeps two clients apart.
#[derive(Clone)]
pub struct KeyFile {
    path: PathBuf,
    account: String,
}

/// The name of an account can be a secret.
impl fmt::Debug for KeyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KeyFile").field(&self.path).finish()
    }
}

impl KeyFile {
    /// The file at this path; it need not exist.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        let (path, account) = (path.into(), String::new());
        Self { path, account }
    }

    /// Names the account that the request is for; the key means nothing for another one. Only a digest is stored.
    #[must_use]
    pub fn account(mut self, account: impl Into<String>) -> Self {
        self.account = account.into();
        self
    }

    /// Finds the request's key, or makes one and writes it down.
    pub(super) async fn open(&self, request: &Request) -> Result<SavedKey, KeyFileError> {
        let (file, digest) = (self.clone(), self.digest(request));
        let opened = spawn_blocking(move || SavedKey::open(file.path, digest)).await;
        opened.unwrap_or_else(|error| Err(io_error(&self.path, io::Error::other(error))))
    }

    fn digest(&self, request: &Request) -> String {
        let kind = request.headers().get(header::CONTENT_TYPE);
        let parts = [
            self.account.as_bytes(),
            request.method().as_str().as_bytes(),
            request.url().as_str().as_bytes(),
            kind.map_or(&[], |kind| kind.as_bytes()),
            request
                .body()
                .and_then(|body| body.as_bytes())
                .unwrap_or_default(),
        ];
        let mut digest = Sha256::new();
        for part in parts {
            // Else two requests could be cut into the same parts.
            digest.update(part.len().to_le_bytes());
            digest.update(part);
        }
        let bytes = digest.finalize();
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use tempfile::{TempDir, tempdir};

    use super::*;

    fn request(body: &'static str) -> Request {
        let client = reqwest::Client::new();
        let request = client.post("http://localhost/payments").body(body);
        request.build().unwrap()
    }

    fn file_in(folder: &TempDir) -> KeyFile {
        KeyFile::at(folder.path().join("payment.key")).account("acme")
    }

    #[tokio::test]
    async fn the_same_request_finds_its_key_and_a_settled_one_gets_a_new_one() {
        let folder = tempdir().unwrap();
        let file = file_in(&folder);
        let first = file.open(&request("1")).await.unwrap();
        assert!(!first.is_old());
        let key = first.key();
        drop(first);

        let second = file.open(&request("1")).await.unwrap();
        assert!(second.is_old());
        assert_eq!(second.key(), key);
        second.remove().await.unwrap();
        second.remove().await.unwrap();
        drop(second);

        let third = file.open(&request("1")).await.unwrap();
        assert!(!third.is_old());
        assert_ne!(third.key(), key);
    }

    #[tokio::test]
    async fn another_request_or_account_is_refused_and_the_key_stays() {
        let folder = tempdir().unwrap();
        let file = file_in(&folder);
        let key = file.open(&request("1")).await.unwrap().key();
        for (file, body) in [(file.clone(), "2"), (file.clone().account("globex"), "1")] {
            let refused = file.open(&request(body)).await.unwrap_err();
            assert!(
                matches!(refused, KeyFileError::AnotherRequest(_)),
                "{refused}"
            );
        }
        assert_eq!(file.open(&request("1")).await.unwrap().key(), key);
    }

    #[tokio::test]
    async fn a_request_that_must_be_looked_up_is_not_sent_again() {
        let folder = tempdir().unwrap();
        let file = file_in(&folder);
        let saved = file.open(&request("1")).await.unwrap();
        saved
            .hold("500 Internal Server Error".to_owned())
            .await
            .unwrap();
        let refused = file.open(&request("1")).await.unwrap_err();
        assert!(refused.to_string().contains("500 Internal"), "{refused}");
    }

    #[tokio::test]
    async fn two_clients_cannot_use_one_file_at_once() {
        let folder = tempdir().unwrap();
        let file = file_in(&folder);
        let saved = file.open(&request("1")).await.unwrap();
        let refused = file.open(&request("1")).await.unwrap_err();
        assert!(matches!(refused, KeyFileError::InUse(_)), "{refused}");
        drop(saved);
        assert!(file.open(&request("1")).await.is_ok());
    }

    #[tokio::test]
    async fn what_is_no_key_file_is_not_overwritten() {
        let folder = tempdir().unwrap();
        let path = folder.path().join("payment.key");
        for content in ["", "notes", r#"{"key": "1", "request": ""}"#] {
            fs::write(&path, content).unwrap();
            let refused = file_in(&folder).open(&request("1")).await.unwrap_err();
            assert!(
                matches!(refused, KeyFileError::Unreadable { .. }),
                "{refused}"
            );
            assert_eq!(fs::read_to_string(&path).unwrap(), content);
        }
    }

    #[tokio::test]
    async fn only_the_owner_can_read_the_key() {
        let folder = tempdir().unwrap();
        let file = file_in(&folder);
        drop(file.open(&request("1")).await.unwrap());
        let mode = fs::metadata(&file.path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
