//! A server to compare with: stock httpd with a module of a few lines that makes and joins a thread for each request.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

/// Builds the module into `folder`.
pub fn build(folder: &Path) -> Result<PathBuf, String> {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/src/bench/mod_bare_thread.c");
    let module = folder.join("mod_bare_thread.so");
    let mut cc = Command::new(env::var_os("CC").unwrap_or_else(|| "cc".into()));
    cc.args(["-O2", "-Wall", "-shared", "-fPIC", "-pthread"]);
    cc.args(apxs("EXTRA_CPPFLAGS")?.split_whitespace());
    for folder in ["INCLUDEDIR", "APR_INCLUDEDIR", "APU_INCLUDEDIR"] {
        cc.arg(format!("-I{}", apxs(folder)?));
    }
    let output = cc.arg("-o").arg(&module).arg(source).output().map_err(|e| format!("cc: {e}"))?;
    if output.status.success() {
        Ok(module)
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

/// The answer of apxs about the installed httpd.
fn apxs(what: &str) -> Result<String, String> {
    let named = env::var("APXS").ok();
    let names = named.iter().map(String::as_str).chain(["apxs2", "apxs"]);
    let output = names.filter_map(|name| Command::new(name).args(["-q", what]).output().ok()).next();
    let output =
        output.ok_or("no apxs; install httpd's headers (Debian: apache2-dev, Fedora: httpd-devel)")?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
