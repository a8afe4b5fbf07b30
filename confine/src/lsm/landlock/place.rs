//! The position of a file as a ruleset sees it: the file itself and every folder above it, each by its inode.

use std::{
    ffi::OsStr,
    fs::{self, Metadata},
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::SystemTime,
};

/// An inode. Another file can get the same number later, but not the same birth time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileId {
    device: u64,
    inode: u64,
    /// The time when the file was made, if the file system records it.
    made: Option<SystemTime>,
}

impl FileId {
    /// The inode that `metadata` describes.
    pub fn of(metadata: &Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino(), made: metadata.created().ok() }
    }
}

/// A file or folder, with all folders above it up to the root.
///
/// The kernel finds the rules for a file in a walk from the file to the root, across mounts, and looks at each inode
/// on the way (kernel: security/landlock/fs.c, is_access_to_paths_allowed). A rule belongs to an inode, whatever name
/// leads to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    path: PathBuf,
    /// Whether it is a folder.
    folder: bool,
    /// Whether this is an entry to be made or removed. It then has the inodes of its folder.
    is_entry: bool,
    /// The inodes from the place itself up to the root.
    ids: Vec<FileId>,
}

impl Place {
    /// The place that `path` leads to, along symbolic links, as the calling process sees it.
    pub fn resolve(path: &Path) -> io::Result<Self> {
        Self::at(&path.canonicalize()?)
    }

    /// The place of a path that has no symbolic links, no `.` and no `..`. Each folder is looked up again, so
    /// something that was exchanged since the path was found is another place.
    pub fn at(path: &Path) -> io::Result<Self> {
        let own = fs::symlink_metadata(path)?;
        let mut ids = vec![FileId::of(&own)];
        for above in path.ancestors().skip(1) {
            ids.push(FileId::of(&fs::symlink_metadata(above)?));
        }
        Ok(Self { path: path.to_owned(), folder: own.is_dir(), is_entry: false, ids })
    }

    /// As [`Place::at`], for a file whose own inode is known, because its name may be gone. The folders above it are
    /// looked up, and those that are gone are left out.
    pub fn of_known(path: &Path, own: &Metadata) -> Self {
        let above = path.ancestors().skip(1).filter_map(|above| fs::symlink_metadata(above).ok());
        let ids = [own.clone()].iter().chain(&above.collect::<Vec<_>>()).map(FileId::of).collect();
        Self { path: path.to_owned(), folder: own.is_dir(), is_entry: false, ids }
    }

    /// An entry of this folder that is to be made or removed. The folder's rights decide about it.
    pub fn entry(&self, name: &OsStr) -> Self {
        Self { path: self.path.join(name), folder: false, is_entry: true, ids: self.ids.clone() }
    }

    /// The path that a directive must grant, and whether it is a folder.
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

    /// The inodes from the place itself up to the root.
    pub fn ids(&self) -> &[FileId] {
        &self.ids
    }
}
