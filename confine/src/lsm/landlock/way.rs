//! Walks to a path of a ruleset, component by component and by descriptors.
//!
//! A ruleset grants what its path leads to. The path may lie in the folder of a tenant. The tenant could put a symbolic
//! link in the place of a component, and so choose what the ruleset grants after the next restart. So a link is
//! followed only if nobody but the administrator can have made it: it belongs to the administrator, and nobody else can
//! change the folder that it is in, nor any folder above.
//!
//! Real folders may belong to anybody. What lies in a tenant's folder is the tenant's own, or somebody with the right
//! to do so moved it there. A folder cannot have a hard link, and a mount needs privileges. A file can have a hard
//! link, which makes it another name of somebody else's content. Such a file is refused where others than the
//! administrator may have made the link.
//!
//! Each step opens one name in the folder that the last step opened. It follows no link, and then it looks at what it
//! has opened. So nothing can be exchanged between the look and the use.

use std::{
    collections::VecDeque,
    ffi::{CString, OsStr, OsString},
    fs::{File, Metadata},
    io,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::{ffi::OsStrExt, fs::MetadataExt},
    },
    path::{Component, Path, PathBuf},
};

use super::kernel;
use crate::lsm::escaped;

/// The most links on one way, as in the kernel (include/linux/namei.h, MAXSYMLINKS).
const MOST_LINKS: usize = 40;
const GROUP_WRITES: u32 = 0o020;
const OTHERS_WRITE: u32 = 0o002;
const STICKY: u32 = 0o1000;

/// Whose links are followed.
#[derive(Clone, Debug)]
pub(in crate::lsm) struct Trust {
    /// The user that started the server. Root is an administrator, too.
    administrator: u32,
    /// `LandlockTrustPaths`: folders in which the links of all users are followed. Each is here as it was written, and
    /// as it leads.
    below: Vec<PathBuf>,
}

impl Trust {
    /// Trusts the links of the user that this process acts as, and all links below these paths. Call it before the
    /// process gives up its privileges.
    pub(in crate::lsm) fn new(below: &[Box<Path>]) -> Self {
        let real = below.iter().filter_map(|path| path.canonicalize().ok());
        let below = below.iter().map(|path| path.to_path_buf()).chain(real).collect();
        Self { administrator: kernel::effective_user(), below }
    }

    fn is_administrator(&self, uid: u32) -> bool {
        uid == 0 || uid == self.administrator
    }

    fn covers(&self, path: &Path) -> bool {
        self.below.iter().any(|below| path.starts_with(below))
    }

    /// Who else can put entries into the folder, or exchange the entries of others. In a sticky folder nobody can
    /// exchange them, which counts if `sticky_counts` is set.
    fn strangers(&self, folder: &Metadata, sticky_counts: bool) -> Option<String> {
        let mode = folder.mode();
        let sticky = sticky_counts && mode & STICKY != 0;
        if !self.is_administrator(folder.uid()) {
            return Some(format!("belongs to the user with id {}", folder.uid()));
        }
        if mode & OTHERS_WRITE != 0 && !sticky {
            return Some("may be written by everybody".to_owned());
        }
        if mode & GROUP_WRITES != 0 && folder.gid() != 0 && !sticky {
            return Some(format!("may be written by the group with id {}", folder.gid()));
        }
        None
    }
}

/// What a path leads to.
#[derive(Debug)]
pub(in crate::lsm) struct Found {
    /// A reference (`O_PATH`).
    pub fd: OwnedFd,
    /// The folder that it is in, if it is a file.
    pub folder: Option<OwnedFd>,
    /// Links that were followed only because `LandlockTrustPaths` says so, each with the reason why somebody else may
    /// have made it.
    pub trusted: Vec<(PathBuf, String)>,
}

/// Why a path leads nowhere.
#[derive(Debug)]
pub(in crate::lsm) enum Astray {
    /// The kernel's answer.
    Refused(io::Error),
    /// A symbolic link or a hard link that somebody else may have made.
    Laid {
        /// What it is: `a symbolic link`, or `a file with another name elsewhere`.
        what: &'static str,
        /// Its path.
        at: PathBuf,
        /// Why somebody else may have made it.
        by: String,
    },
}

impl From<io::Error> for Astray {
    fn from(error: io::Error) -> Self {
        Self::Refused(error)
    }
}

impl Astray {
    /// What is wrong, for a message.
    pub(super) fn why(&self, path: &Path) -> String {
        let path = escaped(&path.to_string_lossy());
        match self {
            Self::Refused(_) => format!("{path} cannot be opened"),
            Self::Laid { what, at, by } => format!(
                "{path} is not followed: {} is {what}, and {by}, who could lead the ruleset anywhere",
                escaped(&at.to_string_lossy())
            ),
        }
    }
}

/// A folder on the way.
struct Step {
    folder: OwnedFd,
    name: OsString,
    /// Why others than the administrator may have made the way to this folder. It names the first folder on the way
    /// that others can change.
    open: Option<String>,
}

struct Walk<'t> {
    trust: &'t Trust,
    steps: Vec<Step>,
    left: VecDeque<OsString>,
    links: usize,
    trusted: Vec<(PathBuf, String)>,
}

/// Walks to `path`, which is absolute.
pub(in crate::lsm) fn walk(path: &Path, trust: &Trust) -> Result<Found, Astray> {
    let root = kernel::open_root()?;
    let mut walk = Walk { trust, steps: Vec::new(), left: names(path), links: 0, trusted: Vec::new() };
    walk.enter(root, OsString::new())?;
    while let Some(name) = walk.left.pop_front() {
        if name == ".." {
            // This leads back to the folder through which the walk came. The root is its own parent.
            walk.steps.truncate((walk.steps.len() - 1).max(1));
            continue;
        }
        if let Some(file) = walk.step(&name)? {
            let folder = walk.steps.pop().map(|step| step.folder);
            return Ok(Found { fd: file, folder, trusted: walk.trusted });
        }
    }
    let Walk { mut steps, trusted, .. } = walk;
    let last = steps.pop().ok_or_else(|| io::Error::from_raw_os_error(libc::ENOENT))?;
    Ok(Found { fd: last.folder, folder: None, trusted })
}

/// The names in a path, with `..`.
fn names(path: &Path) -> VecDeque<OsString> {
    let name = |component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    };
    path.components().filter_map(name).collect()
}

impl Walk<'_> {
    /// The path of the walk so far.
    fn here(&self) -> PathBuf {
        Path::new("/").join(self.steps.iter().skip(1).map(|step| &step.name).collect::<PathBuf>())
    }

    fn top(&self) -> io::Result<BorrowedFd<'_>> {
        let last = self.steps.last().ok_or_else(|| io::Error::from_raw_os_error(libc::ENOENT))?;
        Ok(last.folder.as_fd())
    }

    /// Why others than the administrator may have made the way so far.
    fn open(&self) -> Option<&String> {
        self.steps.last().and_then(|step| step.open.as_ref())
    }

    /// Goes into a folder.
    fn enter(&mut self, folder: OwnedFd, name: OsString) -> io::Result<()> {
        let (folder, metadata) = looked_at(folder)?;
        let open = self.open().cloned().or_else(|| {
            let by = self.trust.strangers(&metadata, true)?;
            Some(format!("{} {by}", escaped(&self.here().join(&name).to_string_lossy())))
        });
        self.steps.push(Step { folder, name, open });
        Ok(())
    }

    /// Goes on by one name. It leads into a folder, along a link, or to a file, which is the end.
    fn step(&mut self, name: &OsStr) -> Result<Option<OwnedFd>, Astray> {
        let c_name = CString::new(name.as_bytes()).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?;
        // The name is opened as a folder first. This starts an automount, and a reference alone does not.
        match kernel::open_folder(self.top()?, &c_name) {
            Ok(folder) => return Ok(self.enter(folder, name.to_owned()).map(|()| None)?),
            Err(error) => match error.raw_os_error() {
                Some(libc::ENOTDIR | libc::ELOOP) => {}
                _ => return Err(error.into()),
            },
        }
        let (entry, metadata) = looked_at(kernel::open_entry(self.top()?, &c_name)?)?;
        if metadata.is_symlink() {
            return self.follow(&c_name, entry, &metadata);
        }
        if metadata.is_dir() || !self.left.is_empty() {
            // It was not a folder a moment ago, or the path goes on behind a file.
            return Err(io::Error::from_raw_os_error(libc::ENOTDIR).into());
        }
        self.second_name(name, &metadata)?;
        Ok(Some(entry))
    }

    /// Goes on where a link leads, if it may be followed.
    fn follow(
        &mut self,
        name: &CString,
        link: OwnedFd,
        metadata: &Metadata,
    ) -> Result<Option<OwnedFd>, Astray> {
        self.links += 1;
        if self.links > MOST_LINKS {
            return Err(io::Error::from_raw_os_error(libc::ELOOP).into());
        }
        let at = self.here().join(OsStr::from_bytes(name.as_bytes()));
        if let Some(by) = self.stranger_of(&at, metadata)? {
            if !self.trust.covers(&at) {
                return Err(Astray::Laid { what: "a symbolic link", at, by });
            }
            self.trusted.push((at, by));
        } else if kernel::is_proc(link.as_fd())? {
            // A link of a process below /proc leads to a file that the process has open, whatever the text of the link
            // says. Nobody can make such a link.
            let (entry, metadata) = looked_at(kernel::open_following(self.top()?, name)?)?;
            if !metadata.is_dir() {
                return if self.left.is_empty() { Ok(Some(entry)) } else { Err(not_a_folder()) };
            }
            return Ok(self.enter(entry, OsStr::from_bytes(name.as_bytes()).to_owned()).map(|()| None)?);
        }
        let target = PathBuf::from(OsString::from(OsStr::from_bytes(&kernel::read_link(link.as_fd())?)));
        if target.is_absolute() {
            self.steps.truncate(1);
        }
        for name in names(&target).into_iter().rev() {
            self.left.push_front(name);
        }
        Ok(None)
    }

    /// Why somebody else than the administrator may have made a link.
    fn stranger_of(&self, at: &Path, link: &Metadata) -> io::Result<Option<String>> {
        if let Some(open) = self.open() {
            return Ok(Some(open.clone()));
        }
        if !self.trust.is_administrator(link.uid()) {
            return Ok(Some(format!("it belongs to the user with id {}", link.uid())));
        }
        // In a sticky folder others cannot exchange the link. But they can have made it, as a hard link to another one.
        let folder = File::from(self.top()?.try_clone_to_owned()?).metadata()?;
        let shown = escaped(&at.parent().unwrap_or(at).to_string_lossy());
        Ok(self.trust.strangers(&folder, false).map(|by| format!("{shown} {by}")))
    }

    /// Refuses a file with several names where others may have made this one.
    fn second_name(&self, name: &OsStr, file: &Metadata) -> Result<(), Astray> {
        match self.open() {
            Some(by) if file.is_file() && file.nlink() > 1 => {
                let at = self.here().join(name);
                if self.trust.covers(&at) {
                    return Ok(());
                }
                Err(Astray::Laid { what: "a file with another name elsewhere", at, by: by.clone() })
            }
            _ => Ok(()),
        }
    }
}

fn not_a_folder() -> Astray {
    io::Error::from_raw_os_error(libc::ENOTDIR).into()
}

fn looked_at(fd: OwnedFd) -> io::Result<(OwnedFd, Metadata)> {
    let file = File::from(fd);
    let metadata = file.metadata()?;
    Ok((file.into(), metadata))
}

#[cfg(test)]
mod tests;
