//! A lock against other processes, for work outside of a transaction.
//!
//! It is an empty file beside the database, named after the record and locked by the operating system,
//! which releases the lock when the process ends for any reason.
//!
//! Among the attempts of one handle the map of running attempts excludes duplicates, so this lock
//! is for other handles and processes. It cannot be a row: a row outlives a crash, and a
//! transaction would block all writers while the handler runs.
//!
//! The file is removed by its holder while it is locked, so the folder does not grow. That makes a
//! race: a process may open the file, and lock it after the holder has removed it. Its lock is then
//! on a file that nobody else will find. So the lock counts only if the path still leads to the
//! same file, else it is tried again. A killed process leaves its file behind, unlocked; the next
//! holder of that name removes it.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use same_file::Handle;
use sqlx::sqlite::SqliteConnection;
use tokio::task::spawn_blocking;

use crate::model::record::RecordName;

/// A process lock that is held. Dropping it releases it.
#[derive(Debug)]
pub struct ProcessLock {
    /// `None` for a database that no other process can open.
    held: Option<(File, PathBuf)>,
}

/// Takes the lock. `None`: another process, or another handle of this process, has it.
///
/// File operations may block, so they run on a thread for blocking work. If the caller is dropped
/// meanwhile, the lock is taken and then dropped with the task's result.
///
/// A database in memory has no file. Only this process can open it, so the lock is granted.
pub(super) async fn take(
    conn: &mut SqliteConnection,
    name: &RecordName,
) -> sqlx::Result<Option<ProcessLock>> {
    let file: Option<String> =
        sqlx::query_scalar("select file from pragma_database_list where name = 'main'")
            .fetch_one(conn)
            .await?;
    // The database is in memory, or a temporary file without a name.
    let Some(file) = file.filter(|file| !file.is_empty()) else {
        return Ok(Some(ProcessLock { held: None }));
    };
    let folder = PathBuf::from(format!("{file}-idem"));
    let id = name.lock_id();
    let taken = spawn_blocking(move || try_lock(&folder, &format!("{id:016x}"))).await;
    let taken = taken.unwrap_or_else(|error| Err(io::Error::other(error)))?;
    Ok(taken.map(|held| ProcessLock { held: Some(held) }))
}

/// Opens, locks and compares, until the locked file is the one in the folder. It never waits: a
/// file that another has locked is `None`.
fn try_lock(folder: &Path, name: &str) -> io::Result<Option<(File, PathBuf)>> {
    fs::create_dir_all(folder)?;
    let path = folder.join(name);
    loop {
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        // The last holder may have removed the file since it was opened here. Then the lock keeps nobody
        // out.
        let is_there = Handle::from_path(&path);
        if is_there.is_ok_and(|there| is_same(&file, &there)) {
            return Ok(Some((file, path)));
        }
    }
}

fn is_same(file: &File, there: &Handle) -> bool {
    let file = file.try_clone().and_then(Handle::from_file);
    file.is_ok_and(|file| file == *there)
}

impl Drop for ProcessLock {
    fn drop(&mut self) {
        if let Some((file, path)) = self.held.take() {
            // Removed while it is locked, so that another process's file is never removed.
            drop(fs::remove_file(path));
            drop(file);
        }
    }
}
