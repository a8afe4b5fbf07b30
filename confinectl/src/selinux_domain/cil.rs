//! The names, paths and text of a CIL module. This does not look at the system.

mod file_path;
mod name;

use std::fmt;

pub(super) use file_path::FilePath;
pub(super) use name::{Name, SHIPPED_FILES};

/// Words that turn a line of file contexts into a template for home directories. User, role and range are replaced in
/// such a line (libsemanage: semanage_store.c, semanage_split_fc, looks at the whole line).
const PLACEHOLDERS: &[&str] = &["ROLE", "USER"];

/// A template of mod_confine's policy to inherit from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Profile {
    /// Plain files, WebDAV, applications in mod_lua or mod_perl
    Static,
    /// As static, and what an interpreter such as mod_php needs
    Scripting,
    /// As scripting, and PostgreSQL or MySQL
    DatabaseClient,
}

impl Profile {
    /// The name on the command line.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Static => "static",
            Self::Scripting => "scripting",
            Self::DatabaseClient => "database-client",
        }
    }

    fn block(self) -> &'static str {
        match self {
            Self::Static => "mod_confine.static",
            Self::Scripting => "mod_confine.scripting",
            Self::DatabaseClient => "mod_confine.database_client",
        }
    }
}

/// What an application may do with a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
}

/// A file context of the module.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry<'a> {
    pub(super) path: &'a FilePath,
    pub(super) access: Access,
    /// Whether it includes everything below the path.
    pub(super) tree: bool,
}

/// The module. It displays as its text.
pub(super) struct Module<'a> {
    pub(super) name: &'a Name,
    pub(super) profile: Profile,
    /// The entries in the order of their paths, so that a folder comes before its content.
    pub(super) entries: &'a [Entry<'a>],
    /// The name of the module's file, without `.cil`.
    pub(super) file_name: &'a str,
}

impl Module<'_> {
    /// The command that labels the files. It descends into folders, so each folder is named once.
    pub(super) fn restorecon(&self) -> String {
        let mut command = "restorecon -R".to_owned();
        for entry in self.entries.iter().filter(|e| !self.is_inside_another(e)) {
            command.push(' ');
            command.push_str(&shell_word(&entry.path.to_string()));
        }
        command
    }

    /// A rule for the domain.
    pub(super) fn directive(&self) -> String {
        format!("ConfineContext selinux:{}.process:s0", self.name)
    }

    /// The command that writes this module.
    fn command(&self) -> String {
        let mut command =
            format!("confinectl selinux-domain {} --profile {}", self.name, self.profile.as_str());
        for entry in self.entries {
            command.push_str(match entry.access {
                Access::Read => " --read ",
                Access::Write => " --write ",
            });
            command.push_str(&shell_word(&entry.path.to_string()));
        }
        command
    }

    fn is_inside_another(&self, entry: &Entry<'_>) -> bool {
        let path = entry.path.as_path();
        self.entries.iter().any(|e| e.tree && e.path != entry.path && path.starts_with(e.path.as_path()))
    }
}

impl fmt::Display for Module<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, file_name, .. } = self;
        writeln!(f, "; The domain {name}.process for requests that mod_confine confines. Written by")?;
        writeln!(f, ";   {}", self.command())?;
        writeln!(f, ";")?;
        writeln!(f, ";   semodule -i mod_confine.cil {file_name}.cil")?;
        writeln!(f, ";   {}", self.restorecon())?;
        writeln!(f, ";")?;
        writeln!(f, "; A rule for it:  {}", self.directive())?;
        writeln!(f)?;
        write!(f, "(block {name} (blockinherit {})", self.profile.block())?;
        // If several entries match, libselinux takes the last one (label_file.c, lookup_all), in the order of
        // libsepol (cil/src/cil_post.c, cil_post_filecon_compare): an entry with a shorter part before its first
        // wildcard comes earlier, and entries without a wildcard come last.
        if self.entries.iter().any(|e| self.is_inside_another(e)) {
            write!(f, "\n    ; of two that match, the one with the longer path counts, in whatever order")?;
        }
        for Entry { path, access, tree } in self.entries {
            let label = match access {
                Access::Read => "readable_files",
                Access::Write => "writable_files",
            };
            write!(f, "\n    (filecon \"{}\" any {label})", path.pattern(*tree))?;
        }
        writeln!(f, ")")
    }
}

/// A word for a shell, in quotes if it needs them.
pub(super) fn shell_word(text: &str) -> String {
    if text.bytes().all(|b| b.is_ascii_alphanumeric() || b"/._-+:@%,=".contains(&b)) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests;
