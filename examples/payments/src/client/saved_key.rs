//! A key on disk.

use std::fmt;
use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;
use tokio::task::spawn_blocking;
use uuid::Uuid;

use super::KeyFileError;

/// A key on disk, which no other client uses meanwhile.
pub(super) struct SavedKey {
    path: PathBuf,
    content: Content,
    is_old: bool,
    /// Ends with the value, and with the process.
    _lock: File,
}

#[derive(Deserialize, Serialize)]
struct Content {
    #[serde(with = "as_text")]
    key: Uuid,
    /// The digest of the request.
    request: String,
    /// The answer after which a program must not go on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    must_look_up: Option<String>,
}

/// A key can be a secret.
impl fmt::Debug for SavedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SavedKey").field(&self.path).finish()
    }
}

impl SavedKey {
    /// Finds the key of the request with this digest, or makes one and writes it down.
    pub(super) fn open(path: PathBuf, request: String) -> Result<Self, KeyFileError> {
        let lock = lock(&path)?;
        let (content, is_old) = match fs::read(&path) {
            Ok(bytes) => (read(&path, &bytes, &request)?, true),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let (key, must_look_up) = (Uuid::new_v4(), None);
                let content = Content {
                    key,
                    request,
                    must_look_up,
                };
                write(&path, &content).map_err(|error| io_error(&path, error))?;
                (content, false)
            }
            Err(error) => return Err(io_error(&path, error)),
        };
        Ok(Self {
            path,
            content,
            is_old,
            _lock: lock,
        })
    }

    pub(super) fn key(&self) -> Uuid {
        self.content.key
    }

    /// Whether an earlier run left it behind.
    pub(super) fn is_old(&self) -> bool {
        self.is_old
    }

    /// Removes the file, if it is still there: what became of the request is known.
    pub(super) async fn remove(&self) -> Result<(), KeyFileError> {
        let path = self.path.clone();
        let removed = on_disk(move || match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => sync_folder_of(&path),
        });
        removed.await.map_err(|error| io_error(&self.path, error))
    }

    /// Keeps later runs from sending the request again.
    pub(super) async fn hold(mut self, answer: String) -> Result<(), KeyFileError> {
        self.content.must_look_up = Some(answer);
        let path = self.path.clone();
        let written = on_disk(move || write(&self.path, &self.content)).await;
        written.map_err(|error| io_error(&path, error))
    }
}

fn read(path: &Path, bytes: &[u8], request: &str) -> Result<Content, KeyFileError> {
    let path = path.to_owned();
    let content: Content = match serde_json::from_slice(bytes) {
        Ok(content) => content,
        Err(error) => return Err(KeyFileError::Unreadable { path, error }),
    };
    if content.request != request {
        return Err(KeyFileError::AnotherRequest(path));
    }
    match content.must_look_up {
        Some(answer) => Err(KeyFileError::MustLookUp { path, answer }),
        None => Ok(content),
    }
}

/// Keeps the file from other clients. Not the file itself is locked: it is replaced and removed.
fn lock(path: &Path) -> Result<File, KeyFileError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let options = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(name);
    let file = options.map_err(|error| io_error(path, error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(KeyFileError::InUse(path.to_owned())),
        Err(TryLockError::Error(error)) => Err(io_error(path, error)),
    }
}

/// Writes the whole file or nothing, also when the power fails. Only the owner can read it.
fn write(path: &Path, content: &Content) -> io::Result<()> {
    let mut file = NamedTempFile::new_in(folder_of(path))?;
    file.write_all(&serde_json::to_vec(content)?)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    sync_folder_of(path)
}

fn sync_folder_of(path: &Path) -> io::Result<()> {
    File::open(folder_of(path))?.sync_all()
}

fn folder_of(path: &Path) -> &Path {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or_else(|| Path::new("."))
}

async fn on_disk(work: impl FnOnce() -> io::Result<()> + Send + 'static) -> io::Result<()> {
    spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(io::Error::other(error)))
}

pub(super) fn io_error(path: &Path, error: io::Error) -> KeyFileError {
    let path = path.to_owned();
    KeyFileError::Io { path, error }
}

/// A UUID in its usual form.
mod as_text {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};
    use uuid::Uuid;

    pub(super) fn serialize<S: Serializer>(key: &Uuid, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(key)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Uuid, D::Error> {
        let text = String::deserialize(from)?;
        Uuid::try_parse(&text).map_err(Error::custom)
    }
}
