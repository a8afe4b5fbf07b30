//! Whether a ruleset lets an application do something with a path, as the application would do it: a file is made where
//! there is none, and a program comes with its interpreter.

use std::{
    ffi::OsString,
    fs::File,
    io::{self, Read},
    os::unix::{ffi::OsStringExt, fs::FileExt},
    path::{Path, PathBuf},
};

use super::{Denied, FileAccess, Grants, Place};
use crate::lsm::escaped;

/// How many interpreters the kernel looks up for one program (fs/exec.c, exec_binprm: five rounds, the first of which is
/// the program).
const MOST_INTERPRETERS: usize = 4;

/// Asks `grants` about `access` to `path`, which is looked up now, along symbolic links. The kernel is not asked.
///
/// # Errors
/// The path cannot be looked up. The text says which and why.
pub fn attempt(grants: &Grants, access: FileAccess, path: &Path) -> Result<Result<(), Denied>, String> {
    if !path.is_absolute() {
        return Err(format!("{} is not absolute; begin it with /", shown(path)));
    }
    if concerns_folder(access) {
        let folder = path.parent().ok_or_else(|| "the root is in no folder".to_owned())?;
        return Ok(grants.file(&resolve(folder)?, access));
    }
    match (access, Place::resolve(path)) {
        (FileAccess::Execute, Ok(_)) => execute(grants, path),
        (FileAccess::Read, Ok(place)) if place.is_folder() => Ok(grants.file(&place, FileAccess::List)),
        (_, Ok(place)) => Ok(grants.file(&place, access)),
        (FileAccess::Write, Err(error)) if error.kind() == io::ErrorKind::NotFound => {
            let folder = path.parent().ok_or_else(|| unresolved(path, &error))?;
            let folder = resolve(folder)?;
            // The file will have what its folder has.
            Ok(grants.file(&folder, FileAccess::MakeFile).and_then(|()| grants.file(&folder, access)))
        }
        (_, Err(error)) => Err(unresolved(path, &error)),
    }
}

/// What is made or removed is asked of the folder that it is in.
fn concerns_folder(access: FileAccess) -> bool {
    use FileAccess as A;
    match access {
        A::MakeFile | A::MakeFolder | A::MakeLink | A::MakeSocket | A::MakePipe => true,
        A::MakeCharacterDevice | A::MakeBlockDevice | A::RemoveFile | A::RemoveFolder | A::Refer => true,
        A::Read | A::List | A::Execute | A::Write | A::Truncate | A::ControlDevice | A::ConnectSocket => {
            false
        }
    }
}

/// A program and each interpreter that the kernel opens for it have to be granted.
fn execute(grants: &Grants, program: &Path) -> Result<Result<(), Denied>, String> {
    let mut next = Some(program.to_owned());
    for _ in 0..=MOST_INTERPRETERS {
        let Some(path) = next.take() else { break };
        if let Err(denied) = grants.file(&resolve(&path)?, FileAccess::Execute) {
            return Ok(Err(denied));
        }
        next = interpreter(&path).map_err(|error| unresolved(&path, &error))?;
    }
    Ok(Ok(()))
}

/// The interpreter that a program names: that of a script (`#!`), or the loader of a dynamically linked program. Only the
/// parts of the file that say so are read: this is asked before each start of a pool's program.
fn interpreter(program: &Path) -> io::Result<Option<PathBuf>> {
    let mut file = File::open(program)?;
    let mut start = Vec::new();
    (&mut file).take(LOOKED_AT).read_to_end(&mut start)?;
    let path = match start.strip_prefix(b"#!") {
        Some(rest) => {
            let line = rest.split(|b| *b == b'\n').next().unwrap_or_default();
            let mut words = line.split(|b| b.is_ascii_whitespace());
            words.find(|word| !word.is_empty()).map(<[u8]>::to_vec)
        }
        None => loader(|at, length| {
            let mut bytes = vec![0; length];
            file.read_exact_at(&mut bytes, at).ok().map(|()| bytes)
        }),
    };
    Ok(path.map(|path| PathBuf::from(OsString::from_vec(path))))
}

/// How much of a file the kernel looks at to see what it is (include/uapi/linux/binfmts.h, BINPRM_BUF_SIZE).
const LOOKED_AT: u64 = 256;

/// What stands in the segment PT_INTERP of an ELF file of this machine's byte order (elf(5)). `read` gives so many bytes
/// of the file from a place on, where it has them.
fn loader(read: impl Fn(u64, usize) -> Option<Vec<u8>>) -> Option<Vec<u8>> {
    const PT_INTERP: u64 = 3;
    /// The kernel takes no longer name (fs/binfmt_elf.c).
    const PATH_MAX: usize = 4096;
    let is_64 = match read(0, 5)?.strip_prefix(b"\x7fELF")?.first()? {
        1 => false,
        2 => true,
        _ => return None,
    };
    let number = |at: u64, size: usize| -> Option<u64> {
        let mut wide = [0; 8];
        let place = if cfg!(target_endian = "little") { 0 } else { 8 - size };
        wide[place..place + size].copy_from_slice(&read(at, size)?);
        Some(u64::from_ne_bytes(wide))
    };
    let word = if is_64 { 8 } else { 4 };
    let (table, size, count) = match is_64 {
        true => (number(32, 8)?, number(54, 2)?, number(56, 2)?),
        false => (number(28, 4)?, number(42, 2)?, number(44, 2)?),
    };
    for header in 0..count {
        let at = table.checked_add(header.checked_mul(size)?)?;
        if number(at, 4)? != PT_INTERP {
            continue;
        }
        let (offset, length) = if is_64 { (8, 32) } else { (4, 16) };
        let start = number(at.checked_add(offset)?, word)?;
        let length = usize::try_from(number(at.checked_add(length)?, word)?).ok()?;
        let name = read(start, Some(length).filter(|length| *length <= PATH_MAX)?)?;
        return name.split(|b| *b == 0).next().map(<[u8]>::to_vec);
    }
    None
}

fn resolve(path: &Path) -> Result<Place, String> {
    Place::resolve(path).map_err(|error| unresolved(path, &error))
}

fn unresolved(path: &Path, error: &io::Error) -> String {
    format!("{} cannot be looked up: {error}", shown(path))
}

fn shown(path: &Path) -> String {
    escaped(&path.to_string_lossy())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn loader_in(bytes: &[u8]) -> Option<Vec<u8>> {
        loader(|at, length| {
            let at = usize::try_from(at).ok()?;
            bytes.get(at..at.checked_add(length)?).map(<[u8]>::to_vec)
        })
    }

    #[test]
    fn interpreters_are_those_that_the_kernel_opens() {
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("script");
        fs::write(&script, "#! /usr/bin/env perl\nprint 1\n").unwrap();
        assert_eq!(interpreter(&script).unwrap(), Some("/usr/bin/env".into()));
        fs::write(&script, "no program\n").unwrap();
        assert_eq!(interpreter(&script).unwrap(), None);
        let loader = interpreter(Path::new("/bin/sh")).unwrap().expect("sh is linked dynamically");
        assert!(loader.to_string_lossy().contains("ld-") && loader.exists(), "{}", loader.display());
    }

    #[test]
    fn damaged_programs_have_no_interpreter() {
        let sh = fs::read("/bin/sh").unwrap();
        for length in 0..256 {
            assert!(loader_in(&sh[..length.min(sh.len())]).is_none_or(|l| !l.is_empty()));
        }
        assert_eq!(loader_in(b"\x7fELF\x02"), None);
    }
}
