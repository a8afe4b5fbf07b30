//! Compiles the SELinux modules in `conf/selinux` with the policies that they are for: small policies with the names
//! of the reference policy and of Fedora's policy, and whole ones if this machine has them.
//!
//! `CONFINE_SELINUX_POLICY=FOLDER` adds a policy that was built elsewhere. The folder holds its modules (`NAME.pp`,
//! `NAME.pp.bz2`, `NAME.cil`, or `NAME/cil` from a store).

mod blocks;
mod compile;
mod decisions;
mod names;
mod whole;

use std::path::{Path, PathBuf};

/// The policy whose names are used.
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

/// A file that the project ships.
fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../conf/selinux").join(name)
}

/// The modules that a server with many tenants installs. The form in which tenants keep the server's type
/// (`mod_confine_mcs.cil`) changes more, so it is a module of its own.
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
