//! The manual, as something that is tested: a guide is read as a person reads it, and what it says is done.
//!
//! A guide is a page below `docs/guides/`. Each of its blocks is a step ([`guide`]), all of them together are a script
//! ([`script`]), and the script runs on a Debian of its own ([`machine`]), in namespaces, so that the guide may install
//! packages, write to `/etc` and use port 80. In the lab the same script runs under kernels that enforce a policy.
//!
//! The site is all pages together, made by mdBook, with every link followed ([`site`]).

pub mod guide;
pub mod html;
pub mod links;
pub mod machine;
pub mod script;
pub mod site;

use std::path::{Path, PathBuf};

/// The repository.
pub fn workspace() -> &'static Path {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own)
}

/// Where built things lie.
pub fn target_folder() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace().join("target"), PathBuf::from)
}
