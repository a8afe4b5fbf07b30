//! The temporary folder of each context: for uploads, sessions and lock files, which contexts must not share.

use std::{
    fs::{DirBuilder, Permissions},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, lchown},
    path::{Path, PathBuf},
};

use confine::lsm::Made;

use super::moves::Way;
use crate::thread::process::Identity;

/// Makes the folder of these contexts, or finds the one that an earlier pool of theirs had. The folder `above` is
/// root's, so nobody else put anything there.
pub fn folder(above: &str, contexts: &str, owner: Identity, way: &Way) -> Result<PathBuf, String> {
    let above = Path::new(above);
    let path = above.join(name_of(contexts));
    way.made(Made::FolderIn(above), || match DirBuilder::new().mode(0o700).create(&path) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => Err(e),
        _ => Ok(()),
    })?;
    let owned = closed(&path).and_then(|()| lchown(&path, Some(owner.user), Some(owner.group)));
    owned.map(|()| path).map_err(|e| e.to_string())
}

/// Closes the folder for everybody but its owner, if it is not. Root owns it meanwhile: policies of LSMs let the server
/// change the modes of its own files alone (CAP_FOWNER).
fn closed(path: &Path) -> io::Result<()> {
    if std::fs::symlink_metadata(path)?.mode() & 0o7777 == 0o700 {
        return Ok(());
    }
    lchown(path, Some(0), Some(0))?;
    std::fs::set_permissions(path, Permissions::from_mode(0o700))
}

/// Whether a folder can have the name of these contexts.
pub fn has_name(contexts: &str) -> Result<(), String> {
    const NAME_MAX: usize = 255;
    match name_of(contexts).len() {
        ..=NAME_MAX => Ok(()),
        long => Err(format!(
            "the pool's temporary folder is called as its contexts and values, and its name would have {long} bytes, more \
             than {NAME_MAX}; write shorter names"
        )),
    }
}

/// A name that no other contexts have, as people can read it.
fn name_of(contexts: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-:@".contains(&byte);
    let mut name = String::with_capacity(contexts.len());
    for byte in contexts.bytes() {
        match plain(byte) {
            true => name.push(char::from(byte)),
            false => name.push_str(&format!("={byte:02x}")),
        }
    }
    name
}
