//! The SELinux modules in `conf/selinux`, compiled with the policies that they are for: small ones with the
//! names of the reference policy and of Fedora's, and whole ones where this machine has them.
//!
//! A policy that was built elsewhere is tried as well with `CONFINE_SELINUX_POLICY=FOLDER`, a folder of
//! modules (`NAME.pp`, `NAME.pp.bz2`, `NAME.cil`, or a store's `NAME/cil`).

mod blocks;
mod compile;
mod decisions;
mod names;
mod whole;

use std::path::{Path, PathBuf};

/// Whose names a policy uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Reference,
    Fedora,
}

impl Kind {
    const ALL: [Self; 2] = [Self::Reference, Self::Fedora];

    /// The small policy's own part.
    fn file(self) -> PathBuf {
        here(match self {
            Self::Reference => "reference.cil",
            Self::Fedora => "fedora.cil",
        })
    }
}

/// A file beside this one.
fn here(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("policy").join(name)
}

/// What the project ships.
fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../conf/selinux").join(name)
}

/// The modules that a server of many tenants installs. The form in which tenants keep the server's type
/// (`mod_confine_mcs.cil`) changes more, and is a module of its own.
fn modules(with_mcs: bool) -> Vec<PathBuf> {
    let mut files = vec![shipped("mod_confine.cil"), shipped("example.cil"), here("tenants.cil")];
    if with_mcs {
        files.push(shipped("mod_confine_mcs.cil"));
    }
    files
}

/// The small policy of a kind.
fn small(kind: Kind) -> Vec<PathBuf> {
    vec![here("base.cil"), kind.file()]
}
