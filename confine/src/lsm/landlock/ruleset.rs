//! From what the administrator wrote to a ruleset in the kernel.

use std::{
    collections::HashMap,
    error::Error,
    ffi::CString,
    fs::File,
    io,
    os::fd::{AsFd, OwnedFd},
};

use ::landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, NetPort, PathBeneath, Ruleset,
    RulesetAttr, RulesetCreatedAttr, Scope as ScopeFlag, make_bitflags,
};

use super::{
    abi::{check_abi, handled_net, handled_scope, unsupported},
    grants::Grants,
    kernel::{self, Audit},
    place::FileId,
    spec::{PathAccess, PathRule, Ports, RulesetSpec},
    template::PathTemplate,
    way::{Astray, Trust, walk},
};
use crate::{
    lsm::{EnterError, Values, escaped},
    origin::Origin,
    problem::Problem,
};

/// A fault of a ruleset, and how to mend it. It is an error of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{origin}: ruleset {ruleset}: {problem}")]
pub struct RulesetError {
    /// The line that has the fault.
    pub origin: Origin,
    /// The ruleset's name, escaped.
    pub ruleset: String,
    /// What is wrong with it.
    pub problem: Problem,
}

/// All that a ruleset needs and that does not depend on a request. It is checked and opened, so that the ruleset can be
/// made in the kernel.
pub(super) struct Blueprint {
    name: Box<str>,
    fs: BitFlags<AccessFs>,
    net: BitFlags<AccessNet>,
    scope: BitFlags<ScopeFlag>,
    fixed: Vec<FixedPath>,
    dynamic: Vec<DynamicPath>,
    ports: Vec<(u16, BitFlags<AccessNet>)>,
    trusted: Vec<String>,
    audit: Audit,
}

/// A path without expressions, which was opened at startup.
struct FixedPath {
    fd: OwnedFd,
    id: FileId,
    rights: BitFlags<AccessFs>,
}

/// A path with expressions. A request looks up only what is below `prefix`.
struct DynamicPath {
    path: PathTemplate,
    optional: bool,
    prefix: OwnedFd,
    on_directory: BitFlags<AccessFs>,
    on_file: BitFlags<AccessFs>,
}

/// The faults of a ruleset.
#[derive(Debug, Default)]
pub(super) struct Faults {
    /// What no kernel can do, or not this one. It stays a fault until the configuration is changed.
    pub written: Vec<RulesetError>,
    /// Paths that do not exist or cannot be opened.
    pub paths: Vec<RulesetError>,
}

impl Faults {
    /// All faults.
    pub(super) fn all(self) -> Vec<RulesetError> {
        [self.written, self.paths].concat()
    }
}

impl Blueprint {
    /// Checks `spec` for a kernel of the ABI `abi`, and opens its paths.
    ///
    /// # Errors
    /// All faults, and not only the first.
    pub(super) fn new(spec: &RulesetSpec, abi: u32, trust: &Trust) -> Result<Self, Faults> {
        check_abi(spec, abi).map_err(|e| Faults { written: vec![e], ..Faults::default() })?;
        let mut faults = Faults { written: unsupported(spec, abi), ..Faults::default() };

        let known = ABI::from(i32::try_from(abi).unwrap_or(i32::MAX));
        let fs = AccessFs::from_all(known);
        let net = handled_net(spec, known);
        let mut blueprint = Self {
            name: spec.full_name().into(),
            fs,
            net,
            scope: handled_scope(spec, known),
            fixed: Vec::new(),
            dynamic: Vec::new(),
            ports: ports(spec, net),
            trusted: Vec::new(),
            audit: Audit::of_abi(abi),
        };
        for path in merged_paths(spec) {
            if let Err(astray) = blueprint.open(&path, trust, known) {
                faults.paths.push(path_error(spec, &path, &astray));
            }
        }
        if faults.written.is_empty() && faults.paths.is_empty() { Ok(blueprint) } else { Err(faults) }
    }

    fn open(&mut self, merged: &Merged<'_>, trust: &Trust, known: ABI) -> Result<(), Astray> {
        let Merged { path, access, optional, .. } = merged;
        let on_directory = access.iter().fold(BitFlags::EMPTY, |all, a| all | rights(*a)) & self.fs;
        let on_file = on_directory & AccessFs::from_file(known);
        let found = match walk(path.prefix(), trust) {
            Err(Astray::Refused(e)) if *optional && is_absent(e.raw_os_error()) => return Ok(()),
            found => found?,
        };
        let links = found.trusted.into_iter().map(|(at, by)| {
            format!(
                "ruleset {}: {} is a symbolic link, and {by}; it is followed because of LandlockTrustPaths, and whoever \
                 may lay it chooses what the ruleset grants",
                escaped(&self.name),
                escaped(&at.to_string_lossy())
            )
        });
        self.trusted.extend(links);
        let found = FixedPath::of(found.fd, on_directory, on_file)?;
        if !path.is_dynamic() {
            self.fixed.push(found);
        } else if is_folder(&found.fd)? {
            let (path, optional, prefix) = ((*path).clone(), *optional, found.fd);
            self.dynamic.push(DynamicPath { path, optional, prefix, on_directory, on_file });
        } else {
            return Err(io::Error::from_raw_os_error(libc::ENOTDIR).into());
        }
        Ok(())
    }

    /// The ruleset's name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// What the kernel is to write down of threads under the ruleset.
    pub(super) fn audit(&self) -> Audit {
        self.audit
    }

    /// Links that were followed because the configuration says so. The log has a line for each.
    pub(super) fn trusted(&self) -> &[String] {
        &self.trusted
    }

    /// Whether each request needs a ruleset of its own.
    pub(super) fn is_dynamic(&self) -> bool {
        !self.dynamic.is_empty()
    }

    /// Makes a ruleset without dynamic paths, at startup.
    pub(super) fn build_static(&self, origin: &Origin) -> Result<OwnedFd, RulesetError> {
        self.make(&[]).map_err(|e| RulesetError {
            origin: origin.clone(),
            ruleset: escaped(&self.name),
            problem: Problem {
                why: format!("it could not be made in the kernel: {e}"),
                errno: errno_of(&*e),
                remedy: remedy_for_making(errno_of(&*e)),
            },
        })
    }

    /// Makes the ruleset in the kernel. Its descriptor is close-on-exec (kernel: security/landlock/syscalls.c,
    /// landlock_create_ruleset).
    ///
    /// This takes one system call for the ABI and one for the ruleset, two for each fixed path, one for each port, and
    /// four for each dynamic path (look up, stat twice, add). Most of the time goes into the kernel's own work on the
    /// ruleset.
    pub(super) fn build(&self, values: &dyn Values) -> Result<OwnedFd, EnterError> {
        self.make(&self.look_up(values)?).map_err(|e| EnterError {
            problem: Problem {
                why: format!("ruleset {} could not be made in the kernel: {e}", escaped(&self.name)),
                errno: errno_of(&*e),
                remedy: remedy_for_making(errno_of(&*e)),
            },
            forbidden: false,
        })
    }

    /// What the ruleset handles and grants. The kernel is not asked.
    pub(super) fn grants(&self, values: &dyn Values) -> Result<Grants, EnterError> {
        let mut grants = Grants::new(&self.name, self.fs, self.net, self.scope);
        for FixedPath { id, rights, .. } in self.fixed.iter().chain(&self.look_up(values)?) {
            grants.add_path(*id, *rights);
        }
        for (port, rights) in &self.ports {
            grants.add_port(*port, *rights);
        }
        Ok(grants)
    }

    /// The paths that depend on the request.
    fn look_up(&self, values: &dyn Values) -> Result<Vec<FixedPath>, EnterError> {
        let mut looked_up = Vec::with_capacity(self.dynamic.len());
        for path in &self.dynamic {
            looked_up.extend(path.look_up(values)?);
        }
        Ok(looked_up)
    }

    fn make(&self, looked_up: &[FixedPath]) -> Result<OwnedFd, Box<dyn Error>> {
        // When the kernel lacks a right or a scope, this is an error. The right is never left out.
        let mut ruleset =
            Ruleset::default().set_compatibility(CompatLevel::HardRequirement).handle_access(self.fs)?;
        if !self.net.is_empty() {
            ruleset = ruleset.handle_access(self.net)?;
        }
        if !self.scope.is_empty() {
            ruleset = ruleset.scope(self.scope)?;
        }
        let mut ruleset = ruleset.create()?;
        for FixedPath { fd, rights, .. } in self.fixed.iter().chain(looked_up) {
            ruleset = ruleset.add_rule(PathBeneath::new(fd.as_fd(), *rights))?;
        }
        for (port, rights) in &self.ports {
            ruleset = ruleset.add_rule(NetPort::new(*port, *rights))?;
        }
        Option::<OwnedFd>::from(ruleset).ok_or_else(|| "the kernel gave no descriptor".into())
    }
}

impl FixedPath {
    /// A path with the rights for the kind of file that `fd` is. The kernel refuses rights of directories on a file
    /// with EINVAL (security/landlock/fs.c, landlock_append_fs_rule).
    fn of(fd: OwnedFd, on_directory: BitFlags<AccessFs>, on_file: BitFlags<AccessFs>) -> io::Result<Self> {
        let file = File::from(fd);
        let metadata = file.metadata()?;
        let rights = if metadata.is_dir() { on_directory } else { on_file };
        Ok(Self { fd: file.into(), id: FileId::of(&metadata), rights })
    }
}

impl DynamicPath {
    /// Finds the path with the values of this request. `None` says that the path does not exist and that the
    /// configuration allows this.
    ///
    /// A tenant may write in its own directory, which is below the prefix. It can put a symbolic link there. If the
    /// link were followed, the tenant could choose what the next request's ruleset grants. So no link below the prefix
    /// is followed. The prefix itself was walked at startup, and only along links of the administrator ([`walk`]).
    fn look_up(&self, values: &dyn Values) -> Result<Option<FixedPath>, EnterError> {
        let rest = self.path.render(values)?;
        // The template holds no NUL, and a value with a NUL is refused.
        let rest = CString::new(rest).map_err(|e| self.refused(&e.into_vec(), libc::EINVAL))?;
        let found = kernel::open_beneath(self.prefix.as_fd(), &rest)
            .and_then(|fd| FixedPath::of(fd, self.on_directory, self.on_file));
        match found {
            Err(e) if self.optional && is_absent(e.raw_os_error()) => Ok(None),
            Err(e) => Err(self.refused(rest.as_bytes(), e.raw_os_error().unwrap_or(libc::EIO))),
            Ok(found) => Ok(Some(found)),
        }
    }

    fn refused(&self, rest: &[u8], errno: i32) -> EnterError {
        let written = escaped(self.path.as_str());
        let path = format!("{}{}", escaped(&self.path.prefix().to_string_lossy()), rest.escape_ascii());
        let remedy = match errno {
            libc::ENOENT => format!("create it, or correct {written} in the ruleset"),
            libc::ELOOP => "below the first expression no symbolic link is followed, because it could \
                            lead out of the tenant's directory: put a directory or a bind mount in its \
                            place"
                .to_owned(),
            libc::ENOTDIR => format!("make every parent a directory, or correct {written}"),
            libc::EACCES => "give the server's user search permission (x) on every parent".to_owned(),
            libc::ENAMETOOLONG => "let the value be shorter".to_owned(),
            _ => remedy_for_making(Some(errno)),
        };
        EnterError {
            problem: Problem {
                why: format!("path {written}: {path} cannot be opened"),
                errno: Some(errno),
                remedy,
            },
            forbidden: false,
        }
    }
}

/// The rights that a directive grants. No directive grants the making of device nodes.
pub(super) fn rights(access: PathAccess) -> BitFlags<AccessFs> {
    match access {
        PathAccess::Read => make_bitflags!(AccessFs::{ReadFile | ReadDir}),
        PathAccess::Execute => make_bitflags!(AccessFs::{Execute | ReadFile | ReadDir}),
        // Who connects to a socket file needs permission to write to it (kernel: net/unix/af_unix.c, unix_find_bsd). So
        // `LandlockWrite` grants the right of ABI 9 to connect.
        PathAccess::Write => make_bitflags!(AccessFs::{
            WriteFile | Truncate | IoctlDev | ResolveUnix
            | MakeReg | MakeDir | MakeSym | MakeSock | MakeFifo
            | RemoveFile | RemoveDir | Refer
        }),
    }
}

/// Whether the kernel says with this errno that nothing of this name exists.
fn is_absent(errno: Option<i32>) -> bool {
    matches!(errno, Some(libc::ENOENT | libc::ENOTDIR))
}

fn is_folder(fd: &OwnedFd) -> io::Result<bool> {
    Ok(File::from(fd.try_clone()?).metadata()?.is_dir())
}

/// A path with all that its directives grant.
struct Merged<'s> {
    path: &'s PathTemplate,
    access: Vec<PathAccess>,
    /// Whether all its directives say that it may be absent.
    optional: bool,
    /// The first of its directives.
    origin: &'s Origin,
}

/// The paths of `spec` in their order, each of them once. Several directives on one path add up.
fn merged_paths(spec: &RulesetSpec) -> Vec<Merged<'_>> {
    let mut merged: Vec<Merged<'_>> = Vec::new();
    let mut places = HashMap::new();
    for PathRule { access, path, optional, origin } in &spec.paths {
        // Paths with the same text have the same expressions, though with other numbers.
        let place = *places.entry(path.as_str()).or_insert_with(|| {
            merged.push(Merged { path, access: Vec::new(), optional: true, origin });
            merged.len() - 1
        });
        merged[place].access.push(*access);
        merged[place].optional &= optional;
    }
    merged
}

/// The ports with their rights. Only the rights in `handled` can be granted.
fn ports(spec: &RulesetSpec, handled: BitFlags<AccessNet>) -> Vec<(u16, BitFlags<AccessNet>)> {
    [(&spec.connect, AccessNet::ConnectTcp), (&spec.bind, AccessNet::BindTcp)]
        .into_iter()
        .filter(|(_, right)| handled.contains(*right))
        .flat_map(|(ports, right)| match ports {
            Ports::Listed(listed) => listed.iter().map(|p| (*p, right.into())).collect(),
            Ports::Unset | Ports::Any => Vec::new(),
        })
        .collect()
}

fn path_error(spec: &RulesetSpec, merged: &Merged<'_>, astray: &Astray) -> RulesetError {
    let Merged { path, origin, .. } = merged;
    let why = match astray {
        Astray::Refused(_) if path.is_dynamic() => format!(
            "{}, the fixed part of {}, cannot be opened as a directory",
            escaped(&path.prefix().to_string_lossy()),
            escaped(path.as_str())
        ),
        _ => astray.why(path.prefix()),
    };
    let errno = match astray {
        Astray::Refused(e) => e.raw_os_error(),
        Astray::Laid { .. } => None,
    };
    let remedy = match (astray, errno) {
        (Astray::Laid { at, .. }, _) => format!(
            "put what it leads to in its place, or let root alone own it and every folder above; if whoever may write \
             there is trusted with what the ruleset grants, write LandlockTrustPaths {}",
            escaped(&at.parent().unwrap_or(at).to_string_lossy())
        ),
        (_, Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM)) => remedy_for_making(errno),
        (_, Some(libc::EACCES)) => "let the user that starts the server reach it".to_owned(),
        _ => format!("create it, or correct the path; write -{} if it may be absent", escaped(path.as_str())),
    };
    RulesetError {
        origin: (*origin).clone(),
        ruleset: escaped(&spec.full_name()),
        problem: Problem { why, errno, remedy },
    }
}

/// What to do when the kernel has no room for the ruleset, or refuses it.
fn remedy_for_making(errno: Option<i32>) -> String {
    match errno {
        Some(libc::EMFILE) => "raise the server's limit of open files (LimitNOFILE=, ulimit -n)",
        Some(libc::ENFILE) => "raise the system's limit of open files (sysctl fs.file-max)",
        Some(libc::ENOMEM) => "give the machine or the server's control group more memory",
        Some(libc::E2BIG) => "write fewer paths or ports",
        _ => "see the kernel's log, and report this with its version",
    }
    .to_owned()
}

/// The errno in an error of the `landlock` crate.
fn errno_of(error: &(dyn Error + 'static)) -> Option<i32> {
    let mut next = Some(error);
    while let Some(e) = next {
        if let Some(io) = e.downcast_ref::<io::Error>() {
            return io.raw_os_error();
        }
        next = e.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_refuses_keeps_its_errno() {
        // A socket is no place in a file hierarchy (security/landlock/syscalls.c, get_path_from_fd).
        let (socket, _) = std::os::unix::net::UnixStream::pair().unwrap();
        let rights = AccessFs::ReadFile.into();
        let blueprint = Blueprint {
            name: "r".into(),
            fs: AccessFs::ReadFile.into(),
            net: BitFlags::EMPTY,
            scope: BitFlags::EMPTY,
            fixed: vec![FixedPath::of(socket.into(), rights, rights).unwrap()],
            dynamic: Vec::new(),
            ports: Vec::new(),
            trusted: Vec::new(),
            audit: Audit::of_abi(0),
        };
        let error = blueprint.build_static(&Origin::new("confine.conf", 4)).unwrap_err();
        assert_eq!(error.problem.errno, Some(libc::EBADFD), "this test needs Landlock: {error}");
        assert!(
            error.to_string().starts_with("confine.conf:4: ruleset r: it could not be made in the kernel: "),
            "{error}"
        );
    }

    #[test]
    fn running_out_of_something_says_of_what() {
        for (errno, remedy) in [
            (libc::EMFILE, "raise the server's limit of open files (LimitNOFILE=, ulimit -n)"),
            (libc::ENFILE, "raise the system's limit of open files (sysctl fs.file-max)"),
            (libc::ENOMEM, "give the machine or the server's control group more memory"),
            (libc::E2BIG, "write fewer paths or ports"),
            (libc::EIO, "see the kernel's log, and report this with its version"),
        ] {
            assert_eq!(remedy_for_making(Some(errno)), remedy);
        }
    }
}
