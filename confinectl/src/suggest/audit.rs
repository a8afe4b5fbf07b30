//! Landlock's records of the audit log, as Linux writes them since 6.15 (kernel:
//! Documentation/admin-guide/LSM/landlock.rst; security/landlock/audit.c).
//!
//! A refusal names a domain, what was missing, and the object. The first of a domain is followed by a record of who made
//! the domain. Programs that the server did not start are left out by it.
//!
//! Where no audit daemon runs, the kernel writes its records into its own log (dmesg, the journal), with the type as a
//! number and other words around it. Both forms are read.

use std::{
    collections::{BTreeSet, HashSet},
    ffi::OsStr,
    os::unix::ffi::OsStrExt,
    path::PathBuf,
};

use confine::{
    learn::{Deed, Learned},
    lsm::landlock::FileAccess,
};

/// The records' types: their names, or their numbers where the audit tools are older than the kernel, and in its own log.
const ACCESS: [&str; 3] = ["LANDLOCK_ACCESS", "UNKNOWN[1423]", "1423"];
const DOMAIN: [&str; 3] = ["LANDLOCK_DOMAIN", "UNKNOWN[1424]", "1424"];

/// What the audit daemon puts between the kernel's fields and what it adds to them (auditd.conf(5), log_format).
const ENRICHED: u8 = 0x1d;

/// The programs of the server.
const SERVERS: [&[u8]; 2] = [b"apache2", b"httpd"];

/// What lacked, and the access that asks for it. A folder is named for what is made or removed in it.
const BLOCKERS: [(&str, FileAccess); 17] = [
    ("fs.execute", FileAccess::Execute),
    ("fs.write_file", FileAccess::Write),
    ("fs.read_file", FileAccess::Read),
    ("fs.read_dir", FileAccess::List),
    ("fs.remove_dir", FileAccess::RemoveFolder),
    ("fs.remove_file", FileAccess::RemoveFile),
    ("fs.make_char", FileAccess::MakeCharacterDevice),
    ("fs.make_dir", FileAccess::MakeFolder),
    ("fs.make_reg", FileAccess::MakeFile),
    ("fs.make_sock", FileAccess::MakeSocket),
    ("fs.make_fifo", FileAccess::MakePipe),
    ("fs.make_block", FileAccess::MakeBlockDevice),
    ("fs.make_sym", FileAccess::MakeLink),
    ("fs.refer", FileAccess::Refer),
    ("fs.truncate", FileAccess::Truncate),
    ("fs.ioctl_dev", FileAccess::ControlDevice),
    ("fs.resolve_unix", FileAccess::ConnectSocket),
];

/// What a log says was refused.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Refused {
    /// What directives can grant, each with the record's number in the place of a request.
    pub learned: Vec<Learned>,
    /// The kernel's words for what no directive grants.
    pub other: BTreeSet<String>,
}

/// Reads a log.
pub fn refused(text: &[u8]) -> Refused {
    let records: Vec<Record<'_>> = text.split(|b| *b == b'\n').filter_map(Record::read).collect();
    let is_other = |record: &&Record<'_>| {
        let program = record.bytes("exe").unwrap_or_default();
        let name = program.rsplit(|b| *b == b'/').next().unwrap_or_default();
        DOMAIN.contains(&record.kind) && !name.is_empty() && !SERVERS.contains(&name)
    };
    let others: HashSet<_> =
        records.iter().filter(is_other).filter_map(|record| record.field("domain")).collect();
    let ours = |record: &&Record<'_>| record.field("domain").is_some_and(|domain| !others.contains(domain));
    let mut refused = Refused::default();
    for record in records.iter().filter(|record| ACCESS.contains(&record.kind)).filter(ours) {
        record.sort_into(&mut refused);
    }
    refused
}

/// One line of a log: `type=TYPE msg=audit(TIME:NUMBER): FIELD=VALUE ...`, or `type=NUMBER audit(TIME:NUMBER): ...`
struct Record<'a> {
    kind: &'a str,
    number: &'a str,
    fields: Vec<(&'a str, &'a str)>,
}

impl<'a> Record<'a> {
    fn read(line: &'a [u8]) -> Option<Self> {
        let line = line.split(|b| *b == ENRICHED).next()?;
        let line = std::str::from_utf8(line).ok()?;
        let (kind, rest) = line.split_once("type=")?.1.split_once(' ')?;
        let rest = rest.strip_prefix("msg=").unwrap_or(rest).strip_prefix("audit(")?;
        let (number, rest) = rest.split_once("):")?;
        // A value in quotes may hold blanks, and no quote: the kernel writes such a text as hexadecimal digits.
        let mut fields = Vec::new();
        let mut rest = rest.trim_start();
        while let Some((name, value)) = rest.split_once('=') {
            let end = match value.strip_prefix('"') {
                Some(quoted) => quoted.find('"')? + 2,
                None => value.find(' ').unwrap_or(value.len()),
            };
            fields.push((name, &value[..end]));
            rest = value[end..].trim_start();
        }
        Some(Self { kind, number, fields })
    }

    fn field(&self, name: &str) -> Option<&'a str> {
        self.fields.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }

    /// A text, which stands in quotes or is written as hexadecimal digits.
    fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        let value = self.field(name)?;
        if let Some(quoted) = value.strip_prefix('"') {
            return Some(quoted.trim_end_matches('"').as_bytes().to_vec());
        }
        let digits = value.as_bytes().chunks(2);
        digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
    }

    fn sort_into(&self, refused: &mut Refused) {
        for blocker in self.field("blockers").unwrap_or_default().split(',').filter(|word| !word.is_empty()) {
            match self.deed(blocker) {
                Some(deed) => {
                    let request = format!("audit({})", self.number);
                    refused.learned.push(Learned { deed, host: String::new(), request });
                }
                None => {
                    refused.other.insert(blocker.to_owned());
                }
            }
        }
    }

    fn deed(&self, blocker: &str) -> Option<Deed> {
        let port = |names: [&str; 2]| names.into_iter().find_map(|name| self.field(name)?.parse().ok());
        match blocker {
            "net.connect_tcp" => Some(Deed::Connect(port(["dest", "fport"])?)),
            "net.bind_tcp" => Some(Deed::Bind(port(["src", "lport"])?)),
            "scope.abstract_unix_socket" => {
                // The kernel writes the NUL byte as well by which it knows an abstract name.
                let path = self.bytes("path").unwrap_or_default();
                Some(Deed::Abstract(path.strip_prefix(b"\0").unwrap_or(&path).into()))
            }
            "scope.signal" => Some(Deed::Signal),
            _ => {
                let (_, access) = BLOCKERS.iter().find(|(name, _)| *name == blocker)?;
                let path = PathBuf::from(OsStr::from_bytes(&self.bytes("path")?));
                if !path.is_absolute() {
                    return None;
                }
                // The kernel names the folder, and learn mode what is in it.
                let is_entry = access.is_of_entry();
                let path = if is_entry { path.join("entry") } else { path };
                Some(Deed::file(*access, path, matches!(access, FileAccess::List | FileAccess::Refer)))
            }
        }
    }
}

#[cfg(test)]
mod tests;
