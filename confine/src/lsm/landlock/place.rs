//! Where a file lies, as a ruleset sees it: the file itself and every folder above it, each by its inode.

use std::{
    ffi::OsStr,
    fs::{self, Metadata},
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::SystemTime,
};

/// An inode. Its number alone may come back for another file; the time of its making does not come back with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileId {
    device: u64,
    inode: u64,
    /// Where the file system keeps it.
    made: Option<SystemTime>,
}

impl FileId {
    /// That of a file that was looked at.
    pub fn of(metadata: &Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino(), made: metadata.created().ok() }
    }
}

/// A file or folder, with what lies above it up to the root.
///
/// The kernel finds the rules for a file by walking from it to the root and looks at each inode on the way, across
/// mounts (kernel: security/landlock/fs.c, is_access_to_paths_allowed). A rule is an inode's, whatever name leads to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    path: PathBuf,
    /// Whether it is a folder.
    folder: bool,
    /// Whether it stands for an entry of a folder, whose rights it has.
    is_entry: bool,
    /// From the place itself up to the root.
    ids: Vec<FileId>,
}

impl Place {
    /// The place that `path` leads to, along symbolic links, as the calling process sees it.
    pub fn resolve(path: &Path) -> io::Result<Self> {
        Self::at(&path.canonicalize()?)
    }

    /// The place of a path without symbolic links, without `.` and `..`. It is looked at anew, folder by folder: what
    /// was exchanged since the path was found is another place.
    pub fn at(path: &Path) -> io::Result<Self> {
        let own = fs::symlink_metadata(path)?;
        let mut ids = vec![FileId::of(&own)];
        for above in path.ancestors().skip(1) {
            ids.push(FileId::of(&fs::symlink_metadata(above)?));
        }
        Ok(Self { path: path.to_owned(), folder: own.is_dir(), is_entry: false, ids })
    }

    /// The same for a file whose own inode is known, though its name may be gone: the folders above it are looked at, and
    /// those that are gone are left out.
    pub fn of_known(path: &Path, own: &Metadata) -> Self {
        let above = path.ancestors().skip(1).filter_map(|above| fs::symlink_metadata(above).ok());
        let ids = [own.clone()].iter().chain(&above.collect::<Vec<_>>()).map(FileId::of).collect();
        Self { path: path.to_owned(), folder: own.is_dir(), is_entry: false, ids }
    }

    /// An entry of this folder that is to be made or removed. What may be done to it is the folder's to say.
    pub fn entry(&self, name: &OsStr) -> Self {
        Self { path: self.path.join(name), folder: false, is_entry: true, ids: self.ids.clone() }
    }

    /// The path that a directive is to grant, and whether it is a folder's.
    pub(super) fn to_grant(&self) -> (&Path, bool) {
        match self.path.parent() {
            Some(folder) if self.is_entry => (folder, true),
            _ => (&self.path, self.folder),
        }
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it is a folder.
    pub fn is_folder(&self) -> bool {
        self.folder
    }

    /// From the place itself up to the root.
    pub fn ids(&self) -> &[FileId] {
        &self.ids
    }
}
