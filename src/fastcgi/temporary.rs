//! The temporary folder of each context: for uploads, sessions and lock files, which contexts must not share.

use std::{
    fs::{DirBuilder, Permissions},
    io,
    os::unix::fs::{DirBuilderExt, PermissionsExt, lchown},
    path::PathBuf,
};

use crate::thread::process::Identity;

/// Makes the folder of these contexts, or finds the one that an earlier pool of theirs had. The folder `above` is
/// root's, so nobody else put anything there.
pub fn folder(above: &str, contexts: &str, owner: Identity) -> io::Result<PathBuf> {
    let mut path = PathBuf::from(above);
    path.push(name_of(contexts));
    match DirBuilder::new().mode(0o700).create(&path) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(e),
        _ => {}
    }
    lchown(&path, Some(owner.user), Some(owner.group))?;
    std::fs::set_permissions(&path, Permissions::from_mode(0o700))?;
    Ok(path)
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
