//! Where the sockets of pools lie, and who can get there.

use std::{
    ffi::CStr,
    fs::{self, DirBuilder, File, OpenOptions, Permissions},
    io,
    os::{
        fd::AsRawFd,
        unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, chown},
    },
    path::{Path, PathBuf},
};

use crate::{
    httpd::{config_tree, hosts, server::Server},
    thread::{
        messages::Listener,
        process::{self, Identity},
    },
};

/// The folder of one configuration's sockets.
pub struct Folder {
    /// What the kernel calls it.
    path: PathBuf,
    /// The name of the manager's own socket in it.
    manager: String,
    /// What reaches it. It is closed when a program is executed.
    opened: File,
}

impl Folder {
    /// Makes it, below `above`, which only root can pass. The children's group may pass it, and not list it.
    fn make(above: &Path, group: u32) -> io::Result<Self> {
        let path = above.join(format!("{}.{}", process::id(), &unguessable_name()?[..8]));
        DirBuilder::new().mode(0o700).create(&path)?;
        let opened =
            OpenOptions::new().read(true).custom_flags(libc::O_PATH | libc::O_DIRECTORY).open(&path)?;
        // While the group is root's own: otherwise the kernel asks for CAP_FSETID.
        fs::set_permissions(&path, Permissions::from_mode(0o710))?;
        chown(&path, Some(0), Some(group))?;
        let path = fs::read_link(format!("/proc/self/fd/{}", opened.as_raw_fd()))?;
        Ok(Self { path, manager: unguessable_name()?, opened })
    }

    /// The name of the manager's own socket.
    pub fn manager(&self) -> &str {
        &self.manager
    }

    /// A socket with this name in the folder, for the group of the server's children. It is bound to another name
    /// first: the kernel's lists of sockets show that one, whatever the file is called later.
    pub fn listen(
        &self,
        name: &str,
        group: u32,
        bind: impl FnOnce(&str) -> io::Result<Listener>,
    ) -> io::Result<Listener> {
        let (first, last) = (self.at("new"), self.at(name));
        let _ = fs::remove_file(&first);
        let listener = bind(&first)?;
        fs::set_permissions(&first, Permissions::from_mode(0o660))?;
        chown(&first, Some(0), Some(group))?;
        fs::rename(&first, &last)?;
        Ok(listener)
    }

    /// The path by which the server and its children get to what has this name in it. /proc/self lets a process
    /// through to its own descriptors though its memory is closed (fs/proc/fd.c, proc_fd_permission).
    pub fn at(&self, name: &str) -> String {
        format!("/proc/self/fd/{}/{name}", self.opened.as_raw_fd())
    }

    /// The descriptor's number.
    pub fn descriptor(&self) -> i32 {
        self.opened.as_raw_fd()
    }

    /// Whether this path leads into the folder, by whatever name or link. What cannot be opened leads nowhere.
    pub fn holds(&self, path: &Path) -> bool {
        let Ok(opened) = OpenOptions::new().read(true).custom_flags(libc::O_PATH).open(path) else {
            return false;
        };
        fs::read_link(format!("/proc/self/fd/{}", opened.as_raw_fd()))
            .map_or(true, |there| there.starts_with(&self.path))
    }

    /// Takes one socket away.
    pub fn remove_socket(&self, name: &str) {
        let _ = fs::remove_file(self.at(name));
    }

    /// Takes it away, with all that is in it.
    pub fn remove(&self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Makes what pools need in the file system: the folder of the sockets, the folder above the temporary ones, and as
/// whom programs run.
pub fn prepare(main: &Server<'_>) -> Result<(Folder, String, Identity), String> {
    let user = hosts::child_user().ok_or("the server has no User; write User and Group")?;
    let identity = Identity { user: user.id, group: hosts::child_group() };
    let below = |name: &CStr| {
        config_tree::below_runtime_folder(main, name).ok_or("the server has no DefaultRuntimeDir".to_owned())
    };
    let above = below(c"confine-fastcgi")?;
    let named = |path: &Path, e: io::Error| format!("{}: {e}", path.display());
    roots_own(&above, 0o700).map_err(|e| named(&above, e))?;
    remove_old(&above);
    let temporary = below(c"confine-tmp")?;
    roots_own(&temporary, 0o711).map_err(|e| named(&temporary, e))?;
    let folder = Folder::make(&above, identity.group).map_err(|e| named(&above, e))?;
    Ok((folder, temporary.to_string_lossy().into_owned(), identity))
}

/// A name that nobody can guess.
pub fn unguessable_name() -> io::Result<String> {
    Ok(process::unguessable()?.map(|byte| format!("{byte:02x}")).concat())
}

/// Makes a folder that belongs to root, or sees that the one that is there does.
fn roots_own(path: &Path, mode: u32) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => {}
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
        Err(e) => return Err(e),
    }
    let found = fs::symlink_metadata(path)?;
    if !found.is_dir() || found.uid() != 0 {
        return Err(io::Error::other(
            "it is no folder of root's; remove it, or set another DefaultRuntimeDir",
        ));
    }
    fs::set_permissions(path, Permissions::from_mode(mode))
}

/// Takes folders of servers away that were killed.
fn remove_old(above: &Path) {
    for entry in fs::read_dir(above).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let process = name.to_str().and_then(|name| name.split_once('.')).map(|(process, _)| process);
        if process.is_some_and(|process| !Path::new("/proc").join(process).exists()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
