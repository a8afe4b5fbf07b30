//! What a ruleset grants, found out without asking the kernel. The log of report mode and `confinectl explain --path`
//! need this.
//!
//! The kernel has no permissive mode for Landlock, and it answers EACCES without saying why. So its answer is
//! computed here. The computation starts from the inodes that the ruleset's paths led to when the ruleset was made,
//! and it follows the rules of the kernel's own walk.
//!
//! ```
//! use std::path::Path;
//! use confine::lsm::landlock::{FileAccess, Grants, PathAccess, PathRule, PathTemplate, Place, RulesetSpec};
//! use confine::{lsm::NoValues, origin::Origin};
//!
//! # if confine::lsm::landlock::Landlock::abi().is_err() { return Ok(()) }
//! let mut blog = RulesetSpec::new("blog", Origin::new("confine.conf", 1));
//! let (path, _) = PathTemplate::parse("/usr", 0)?;
//! let origin = Origin::new("confine.conf", 2);
//! blog.paths.push(PathRule { access: PathAccess::Read, path, optional: false, origin });
//! let grants = Grants::of(&blog, &NoValues)?;
//!
//! let users = Place::resolve(Path::new("/etc/passwd"))?;
//! assert!(grants.file(&Place::resolve(Path::new("/usr/bin"))?, FileAccess::List).is_ok());
//! let denied = grants.file(&users, FileAccess::Read).unwrap_err();
//! assert_eq!(denied.remedy(), "add LandlockRead \"/etc/passwd\"");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::{collections::HashMap, error::Error, fmt, path::Path};

use ::landlock::{AccessFs, AccessNet, BitFlags, Scope as ScopeFlag};

use super::{
    FileAccess, Landlock, RulesetSpec,
    access::rights_for,
    advice::{Directive, path_to_grant},
    place::{FileId, Place},
    ruleset::Blueprint,
    way::Trust,
};
use crate::lsm::Values;

/// What one ruleset handles and grants. If its paths depend on the request, this is for one request.
#[derive(Clone, Debug)]
pub struct Grants {
    name: Box<str>,
    fs: BitFlags<AccessFs>,
    net: BitFlags<AccessNet>,
    scope: BitFlags<ScopeFlag>,
    paths: HashMap<FileId, BitFlags<AccessFs>>,
    ports: HashMap<u16, BitFlags<AccessNet>>,
}

/// A refusal, and the directive that is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    /// The directive to add to the ruleset. `None` if no directive grants the access.
    pub add: Option<Directive>,
}

impl Denied {
    /// Says in words what to do about it.
    pub fn remedy(&self) -> String {
        match &self.add {
            Some(directive) => format!("add {directive}"),
            None => "no directive grants this".to_owned(),
        }
    }
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.remedy())
    }
}

impl Grants {
    /// The grants of a ruleset as it is written, on the running kernel. The paths are looked up now. `values` gives
    /// the values that the ruleset's expressions have for the request.
    pub fn of(spec: &RulesetSpec, values: &dyn Values) -> Result<Self, Box<dyn Error>> {
        let blueprint = Blueprint::new(spec, Landlock::abi()?, &Trust::new(&spec.trusted))
            .map_err(|faults| faults.all().first().map_or_else(String::new, ToString::to_string))?;
        Ok(blueprint.grants(values)?)
    }

    pub(super) fn new(
        name: &str,
        fs: BitFlags<AccessFs>,
        net: BitFlags<AccessNet>,
        scope: BitFlags<ScopeFlag>,
    ) -> Self {
        Self { name: name.into(), fs, net, scope, paths: HashMap::new(), ports: HashMap::new() }
    }

    pub(super) fn add_path(&mut self, file: FileId, rights: BitFlags<AccessFs>) {
        *self.paths.entry(file).or_default() |= rights;
    }

    pub(super) fn add_port(&mut self, port: u16, rights: BitFlags<AccessNet>) {
        *self.ports.entry(port).or_default() |= rights;
    }

    /// The ruleset's name, as it follows `landlock:` in contexts.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// All rights that the rules grant at `place`, and all rights that the ruleset does not handle.
    fn rights_at(&self, place: &Place) -> BitFlags<AccessFs> {
        let granted = place.ids().iter().filter_map(|id| self.paths.get(id));
        granted.fold(!self.fs, |all, rights| all | *rights)
    }

    /// Whether `access` to a file or folder is granted. To make or remove something needs the right of the folder
    /// that it is in.
    pub fn file(&self, place: &Place, access: FileAccess) -> Result<(), Denied> {
        if self.rights_at(place).contains(access.right()) {
            return Ok(());
        }
        let add = access.granted_by().map(|granted| {
            let (path, is_folder) = place.to_grant();
            Directive::path(granted, &path_to_grant(path, is_folder))
        });
        Err(Denied { add })
    }

    /// Whether something may be linked or renamed from the folder `from` to the folder `to`. The two folders differ.
    /// `moved` is what is linked or renamed. The rights to make and to remove entries are not asked here.
    ///
    /// Both folders need the right. In addition, the move must not give new rights to anything (kernel:
    /// security/landlock/fs.c, current_check_refer_path).
    pub fn refer(&self, from: &Place, to: &Place, moved: &Place) -> Result<(), Denied> {
        self.file(from, FileAccess::Refer)?;
        self.file(to, FileAccess::Refer)?;
        let matters = if moved.is_folder() { self.fs } else { rights_for(&OF_FILES) & self.fs };
        let gained = matters & self.rights_at(to) & !self.rights_at(moved);
        // A right that a rule grants on the file itself moves along with the file.
        let access = gained.iter().next().and_then(FileAccess::of_right);
        match access {
            None => Ok(()),
            Some(access) => {
                Err(Denied { add: access.granted_by().map(|granted| Directive::path(granted, from.path())) })
            }
        }
    }

    /// Whether TCP connections to `port` are granted.
    pub fn connect(&self, port: u16) -> Result<(), Denied> {
        self.port(port, AccessNet::ConnectTcp, "LandlockConnect")
    }

    /// Whether TCP sockets may be bound to `port`.
    pub fn bind(&self, port: u16) -> Result<(), Denied> {
        self.port(port, AccessNet::BindTcp, "LandlockBind")
    }

    fn port(&self, port: u16, right: AccessNet, directive: &'static str) -> Result<(), Denied> {
        let granted = self.ports.get(&port).is_some_and(|granted| granted.contains(right));
        match granted || !self.net.contains(right) {
            true => Ok(()),
            false => Err(Denied { add: Some(Directive::word(directive, port)) }),
        }
    }

    /// Whether the thread may send signals to processes that are not under the ruleset.
    pub fn signal(&self) -> Result<(), Denied> {
        self.scope(ScopeFlag::Signal, ScopeFlag::AbstractUnixSocket, "abstract-sockets")
    }

    /// Whether the thread may connect to abstract UNIX sockets of processes that are not under the ruleset.
    pub fn abstract_socket(&self) -> Result<(), Denied> {
        self.scope(ScopeFlag::AbstractUnixSocket, ScopeFlag::Signal, "signals")
    }

    /// The remedy names the other scope if that one is restricted, because it must stay so.
    fn scope(&self, scope: ScopeFlag, other: ScopeFlag, others_name: &str) -> Result<(), Denied> {
        if !self.scope.contains(scope) {
            return Ok(());
        }
        let stays = if self.scope.contains(other) { others_name } else { "none" };
        Err(Denied { add: Some(Directive::word("LandlockScope", stays)) })
    }

    /// Whether the ruleset restricts this access on the running kernel.
    pub fn handles(&self, access: FileAccess) -> bool {
        self.fs.contains(access.right())
    }

    /// As [`Grants::file`], for a path that is looked up now, along symbolic links.
    pub fn path(&self, path: &Path, access: FileAccess) -> std::io::Result<Result<(), Denied>> {
        Ok(self.file(&Place::resolve(path)?, access))
    }
}

/// The rights that concern a file itself, and not the entries of a folder (kernel: security/landlock/fs.c,
/// ACCESS_FILE).
const OF_FILES: [FileAccess; 6] = [
    FileAccess::Execute,
    FileAccess::Write,
    FileAccess::Read,
    FileAccess::Truncate,
    FileAccess::ControlDevice,
    FileAccess::ConnectSocket,
];

#[cfg(test)]
mod tests;
