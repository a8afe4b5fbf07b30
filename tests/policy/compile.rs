//! Runs `secilc` and reads what it says about optional blocks.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

/// A policy that has been compiled.
pub struct Compiled {
    folder: TempDir,
    log: String,
}

impl Compiled {
    /// Compiles modules as `semodule` does, and checks bounds and assertions. The error is what `secilc` said.
    pub fn of(files: &[PathBuf]) -> Result<Self, String> {
        let folder = tempfile::tempdir().expect("a directory");
        let output = Command::new("secilc")
            .args([
                "-vv",
                "--mls",
                "true",
                "--multiple-decls",
                "--preserve-tunables",
                "--policyvers",
                "33",
                "--output",
            ])
            .arg(folder.path().join("policy"))
            .arg("--filecontext")
            .arg(folder.path().join("file_contexts"))
            .args(files)
            .output()
            .expect("secilc runs: `scripts/setup test` installs it");
        let mut log = String::from_utf8_lossy(&output.stdout).into_owned();
        log.push_str(&String::from_utf8_lossy(&output.stderr));
        if output.status.success() { Ok(Self { folder, log }) } else { Err(log) }
    }

    /// The policy in the form for the kernel.
    pub fn binary(&self) -> PathBuf {
        self.folder.path().join("policy")
    }

    /// The optional blocks of `file` that were left out, each with the statements that caused it.
    pub fn left_out(&self, file: &Path) -> BTreeMap<String, Vec<String>> {
        let at = format!("{}:", file.display());
        let mut blocks = BTreeMap::<String, Vec<String>>::new();
        let mut reason = "";
        for line in self.log.lines() {
            if line.starts_with("Failed to resolve ") {
                reason = line;
            } else if let Some((name, place)) = line
                .strip_prefix("Disabling optional '")
                .and_then(|rest| rest.split_once("' at "))
                .filter(|(_, place)| place.starts_with(&at))
            {
                let _ = place;
                blocks.entry(name.to_owned()).or_default().push(reason.to_owned());
            }
        }
        blocks
    }
}
