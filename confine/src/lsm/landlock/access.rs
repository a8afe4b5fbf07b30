//! The kinds of access to files, with their words in logs and the directives that grant them.

use ::landlock::{AccessFs, BitFlags};

use super::PathAccess;

/// One kind of access to a file or a folder that a ruleset can refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FileAccess {
    /// Open a file to read it.
    Read,
    /// List a folder.
    List,
    /// Run a program.
    Execute,
    /// Open a file to write to it.
    Write,
    /// Make a file shorter.
    Truncate,
    /// Control a device that is open (ABI 5).
    ControlDevice,
    /// Connect to the socket of a socket file (ABI 9).
    ConnectSocket,
    /// Make a file in a folder.
    MakeFile,
    /// Make a folder in a folder.
    MakeFolder,
    /// Make a symbolic link in a folder.
    MakeLink,
    /// Make a socket in a folder.
    MakeSocket,
    /// Make a named pipe in a folder.
    MakePipe,
    /// Make a character device in a folder. No directive grants it.
    MakeCharacterDevice,
    /// Make a block device in a folder. No directive grants it.
    MakeBlockDevice,
    /// Remove something that is no folder from a folder.
    RemoveFile,
    /// Remove a folder from a folder.
    RemoveFolder,
    /// Link or rename something from one folder to another. Both folders need it (ABI 2).
    Refer,
}

impl FileAccess {
    /// All kinds.
    pub const ALL: [Self; 17] = [
        Self::Read,
        Self::List,
        Self::Execute,
        Self::Write,
        Self::Truncate,
        Self::ControlDevice,
        Self::ConnectSocket,
        Self::MakeFile,
        Self::MakeFolder,
        Self::MakeLink,
        Self::MakeSocket,
        Self::MakePipe,
        Self::MakeCharacterDevice,
        Self::MakeBlockDevice,
        Self::RemoveFile,
        Self::RemoveFolder,
        Self::Refer,
    ];

    /// The right of the kernel.
    pub(super) fn right(self) -> AccessFs {
        match self {
            Self::Read => AccessFs::ReadFile,
            Self::List => AccessFs::ReadDir,
            Self::Execute => AccessFs::Execute,
            Self::Write => AccessFs::WriteFile,
            Self::Truncate => AccessFs::Truncate,
            Self::ControlDevice => AccessFs::IoctlDev,
            Self::ConnectSocket => AccessFs::ResolveUnix,
            Self::MakeFile => AccessFs::MakeReg,
            Self::MakeFolder => AccessFs::MakeDir,
            Self::MakeLink => AccessFs::MakeSym,
            Self::MakeSocket => AccessFs::MakeSock,
            Self::MakePipe => AccessFs::MakeFifo,
            Self::MakeCharacterDevice => AccessFs::MakeChar,
            Self::MakeBlockDevice => AccessFs::MakeBlock,
            Self::RemoveFile => AccessFs::RemoveFile,
            Self::RemoveFolder => AccessFs::RemoveDir,
            Self::Refer => AccessFs::Refer,
        }
    }

    /// The kind of access that a right allows. `None` for a right that this build does not know.
    pub(super) fn of_right(right: AccessFs) -> Option<Self> {
        Self::ALL.into_iter().find(|access| access.right() == right)
    }

    /// Its word in logs.
    pub fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::List => "list",
            Self::Execute => "execute",
            Self::Write => "write",
            Self::Truncate => "truncate",
            Self::ControlDevice => "ioctl",
            Self::ConnectSocket => "connect",
            Self::MakeFile => "make-file",
            Self::MakeFolder => "make-folder",
            Self::MakeLink => "make-link",
            Self::MakeSocket => "make-socket",
            Self::MakePipe => "make-pipe",
            Self::MakeCharacterDevice | Self::MakeBlockDevice => "make-device",
            Self::RemoveFile => "remove",
            Self::RemoveFolder => "remove-folder",
            Self::Refer => "move-or-link",
        }
    }

    /// Whether it is done to the folder in which something is made or removed.
    pub fn is_of_entry(self) -> bool {
        matches!(
            self,
            Self::MakeFile
                | Self::MakeFolder
                | Self::MakeLink
                | Self::MakeSocket
                | Self::MakePipe
                | Self::MakeCharacterDevice
                | Self::MakeBlockDevice
                | Self::RemoveFile
                | Self::RemoveFolder
        )
    }

    /// The directive that grants it, if one does.
    pub fn granted_by(self) -> Option<PathAccess> {
        match self {
            Self::Read | Self::List => Some(PathAccess::Read),
            Self::Execute => Some(PathAccess::Execute),
            Self::MakeCharacterDevice | Self::MakeBlockDevice => None,
            _ => Some(PathAccess::Write),
        }
    }
}

impl PathAccess {
    /// The directive's name.
    pub fn directive(self) -> &'static str {
        match self {
            Self::Read => "LandlockRead",
            Self::Write => "LandlockWrite",
            Self::Execute => "LandlockExecute",
        }
    }
}

/// The rights of the kernel for all of `accesses`.
pub(super) fn rights_for(accesses: &[FileAccess]) -> BitFlags<AccessFs> {
    accesses.iter().fold(BitFlags::EMPTY, |all, access| all | access.right())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_right_that_a_ruleset_handles_has_a_word_and_a_directive() {
        for right in BitFlags::<AccessFs>::all() {
            let access = FileAccess::of_right(right).unwrap_or_else(|| panic!("{right:?}"));
            assert!(!access.word().is_empty());
            let granted = access.granted_by().map_or(BitFlags::EMPTY, super::super::ruleset::rights);
            let device = matches!(right, AccessFs::MakeChar | AccessFs::MakeBlock);
            assert_eq!(granted.contains(right), !device, "{right:?}");
        }
    }
}
