//! An SQLite database in a file.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

use super::run;

/// A database in a file that everybody may read.
pub struct Sqlite {
    folder: TempDir,
}

impl Sqlite {
    /// A database that these statements fill.
    #[track_caller]
    pub fn new(statements: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("confine-sqlite-").tempdir();
        let folder = folder.unwrap_or_else(|e| panic!("a temporary folder: {e}"));
        let database = Self { folder };
        database.sql(statements);
        for (path, mode) in [(database.folder.path(), 0o755), (&database.file(), 0o644)] {
            let set = fs::set_permissions(path, fs::Permissions::from_mode(mode));
            set.unwrap_or_else(|e| panic!("chmod {mode:o} {}: {e}", path.display()));
        }
        database
    }

    /// The file.
    pub fn file(&self) -> PathBuf {
        self.folder.path().join("accounts.db")
    }

    /// Runs statements, and returns what they select.
    #[track_caller]
    pub fn sql(&self, statements: &str) -> String {
        let mut command = Command::new("sqlite3");
        // If a reader holds the file, the command waits and does not fail.
        command.args(["-batch", "-bail", "-cmd", ".timeout 10000"]).arg(self.file());
        run(command, statements)
    }

    /// Removes the file. A process that has it open still has it.
    pub fn stop(&mut self) {
        move_file(&self.file(), &self.away());
    }

    /// Puts the file back.
    pub fn start_again(&mut self) {
        move_file(&self.away(), &self.file());
    }

    fn away(&self) -> PathBuf {
        self.folder.path().join("away.db")
    }
}

fn move_file(from: &Path, to: &Path) {
    fs::rename(from, to).unwrap_or_else(|e| panic!("{}: {e}", from.display()));
}
