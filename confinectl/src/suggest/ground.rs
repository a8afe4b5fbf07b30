//! What a suggestion stands on beside what was done: whose folders these are, and what shipped files grant.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs,
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::{Path, PathBuf},
};

use confine::{
    dump::{Dump, Server},
    learn::Learned,
    lsm::landlock::{
        Landlock, PathAccess,
        include::{self, Grant},
        is_shared,
    },
};

use super::territory;

/// What is known of the machine and of the configuration.
#[derive(Debug, Default)]
pub struct Ground {
    /// The document roots of the virtual hosts whose requests these are.
    pub roots: Vec<PathBuf>,
    /// The folders of these virtual hosts: the document root, or what it lies in where nobody else's does.
    pub own: Vec<PathBuf>,
    /// The folders of other virtual hosts.
    pub others: Vec<PathBuf>,
    /// The names of the virtual hosts whose requests these are.
    pub hosts: BTreeSet<String>,
    /// The account of the server's children.
    pub user: Option<u32>,
    /// The shipped files, in the order in which they are tried.
    pub includes: Vec<Include>,
    /// The kernel's Landlock ABI.
    pub abi: u32,
}

/// A file for `LandlockInclude`.
#[derive(Debug)]
pub struct Include {
    /// Its name.
    pub name: &'static str,
    /// What it grants, with what the files grant that it includes.
    pub grants: Vec<(PathAccess, PathBuf)>,
}

/// The files that a suggestion may include. `cgi` and `git` are left out: they let all programs of the system run, and an
/// application rarely runs more than a few.
const INCLUDES: [&str; 5] = ["base", "php", "python", "perl", "dav"];

impl Ground {
    /// That of a ruleset whose requests did this. `theirs` are the folders in which those of other rulesets write.
    pub fn of(dump: &Dump, ruleset: &str, learned: &[Learned], theirs: &BTreeSet<PathBuf>) -> Self {
        let context = format!("landlock:{ruleset}");
        let names_it = |contexts: &String| contexts.split(' ').any(|word| word == context);
        let rules = dump.rules.iter().filter(|rule| rule.contexts.as_ref().is_some_and(names_it));
        let of_rules: BTreeSet<usize> = rules.map(|rule| rule.written.server).collect();
        let mut hosts: BTreeSet<_> = learned.iter().map(|learned| learned.host.clone()).collect();
        hosts.remove("");
        let is_own = |number: usize, server: &Server| {
            hosts.contains(&server.name) || (hosts.is_empty() && of_rules.contains(&number))
        };
        let (mut own, mut others) = (BTreeSet::new(), BTreeSet::new());
        for (number, server) in dump.servers.iter().enumerate() {
            let Some(root) = root_of(server) else { continue };
            // The main server's document root is nobody's where virtual hosts have their own.
            if is_own(number, server) {
                own.insert(root);
            } else if number > 0 {
                others.insert(root);
            }
        }
        others.retain(|other| !own.contains(other));
        let mut all: Vec<_> = own.union(&others).cloned().collect();
        all.extend(dump.servers.first().and_then(root_of));
        let areas =
            |roots: &BTreeSet<PathBuf>| roots.iter().map(|root| area_of(root, &all)).collect::<Vec<_>>();
        let (mut own_areas, mut others_areas) = (areas(&own), areas(&others));
        let mine = territory::written(learned);
        let beside = |areas: &[PathBuf], folder: &PathBuf| !areas.iter().any(|area| folder.starts_with(area));
        // A document root of the virtual host alone says better what is its own.
        if own.iter().all(|root| root.starts_with("/usr") || roots_of(dump, root) > 1) {
            let not_mine = theirs.iter().chain(&others_areas).cloned().collect();
            own_areas.extend(territory::areas(&mine, &not_mine));
        }
        let not_theirs = mine.into_iter().chain(own_areas.iter().cloned()).collect();
        let theirs = territory::areas(theirs, &not_theirs);
        others_areas.extend(theirs.into_iter().filter(|folder| beside(&own_areas, folder)));
        let folders = dump.include_folders.iter().map(|bytes| PathBuf::from(OsStr::from_bytes(bytes)));
        Self {
            own: own_areas,
            others: others_areas,
            roots: own.into_iter().collect(),
            hosts,
            user: dump.user.as_ref().map(|user| user.id),
            includes: includes(&folders.collect::<Vec<_>>()),
            abi: Landlock::abi().unwrap_or_default(),
        }
    }

    /// Whether `path` lies in a folder of these virtual hosts.
    pub fn is_own(&self, path: &Path) -> bool {
        self.own.iter().any(|own| path.starts_with(own))
    }

    /// Whether granting `folder` as a whole would grant what is another's, or what many share.
    pub fn is_too_wide(&self, folder: &Path) -> bool {
        is_shared(folder)
            || self.others.iter().any(|other| other.starts_with(folder))
            || self.own.iter().any(|own| own.starts_with(folder) && own != folder)
            || (!self.is_own(folder) && self.others.iter().any(|other| folder.starts_with(other)))
    }

    /// Why somebody has to decide whether this is granted: it is a secret, or another's. `None` where it may be granted.
    pub fn concern(&self, path: &Path) -> Option<&'static str> {
        if is_below(path, &PEOPLE) {
            return Some("the names of the machine's accounts");
        }
        if self.is_own(path) {
            return None;
        }
        if is_below(path, &SECRETS) {
            return Some("keys, passwords or settings of the machine");
        }
        if self.others.iter().any(|other| path.starts_with(other)) {
            return Some("it belongs to another virtual host");
        }
        let process = path.strip_prefix("/proc").ok().and_then(|rest| rest.components().next());
        if process.is_some_and(|name| name.as_os_str().as_bytes().iter().all(u8::is_ascii_digit)) {
            return Some("it tells of a process, and the next request is another");
        }
        if path.starts_with("/home") {
            return Some("it belongs to another account");
        }
        let is_anothers = |m: fs::Metadata| {
            m.is_file() && m.mode() & 0o077 == 0 && m.uid() != 0 && Some(m.uid()) != self.user
        };
        let found = fs::symlink_metadata(path).ok().filter(|_| self.user.is_some());
        found.is_some_and(is_anothers).then_some("it is private to another account")
    }

    /// The names of the shipped files that are there.
    pub fn include(&self, name: &str) -> Option<&Include> {
        self.includes.iter().find(|include| include.name == name)
    }
}

impl Include {
    /// Whether it grants this.
    pub fn covers(&self, access: PathAccess, path: &Path) -> bool {
        self.grants.iter().any(|(granted, folder)| grants(*granted, access) && path.starts_with(folder))
    }

    /// Whether it grants this by a path that is for one purpose, and not by a folder of all libraries.
    pub fn is_meant_for(&self, access: PathAccess, path: &Path) -> bool {
        let general = |folder: &Path| is_shared(folder) || LIBRARIES.iter().any(|of| folder == Path::new(of));
        let meant = self.grants.iter().filter(|(_, folder)| !general(folder));
        meant.into_iter().any(|(granted, folder)| grants(*granted, access) && path.starts_with(folder))
    }
}

/// Whether a directive for `granted` grants what one for `access` would.
pub fn grants(granted: PathAccess, access: PathAccess) -> bool {
    granted == access || (granted == PathAccess::Execute && access == PathAccess::Read)
}

const LIBRARIES: [&str; 3] = ["/usr/lib64", "/usr/local/lib", "/usr/local/lib64"];

/// Names of accounts, which applications ask for and rarely need.
const PEOPLE: [&str; 2] = ["/etc/passwd", "/etc/group"];

const SECRETS: [&str; 14] = [
    "/root",
    "/boot",
    "/etc/shadow",
    "/etc/gshadow",
    "/etc/passwd-",
    "/etc/shadow-",
    "/etc/sudoers",
    "/etc/sudoers.d",
    "/etc/ssh",
    "/etc/ssl/private",
    "/etc/letsencrypt",
    "/etc/apache2",
    "/etc/httpd",
    "/var/log",
];

fn is_below(path: &Path, folders: &[&str]) -> bool {
    folders.iter().any(|folder| path.starts_with(folder))
}

fn root_of(server: &Server) -> Option<PathBuf> {
    let root = PathBuf::from(OsStr::from_bytes(server.document_root.as_ref()?));
    let root = fs::canonicalize(&root).unwrap_or(root);
    (!is_shared(&root)).then_some(root)
}

/// How many virtual hosts have this document root.
fn roots_of(dump: &Dump, root: &Path) -> usize {
    dump.servers.iter().skip(1).filter(|server| root_of(server).is_some_and(|of| of == root)).count()
}

/// The folder of a virtual host: what its document root lies in, where no other's does.
fn area_of(root: &Path, all: &[PathBuf]) -> PathBuf {
    match root.parent() {
        // What packages installed is nobody's own.
        Some(above)
            if !is_shared(above)
                && !above.starts_with("/usr")
                && !all.iter().any(|other| other != root && other.starts_with(above)) =>
        {
            above.to_owned()
        }
        _ => root.to_owned(),
    }
}

fn includes(folders: &[PathBuf]) -> Vec<Include> {
    let include = |name: &'static str| {
        let mut grants = Vec::new();
        gather(name, folders, &mut BTreeSet::new(), &mut grants).then_some(Include { name, grants })
    };
    INCLUDES.into_iter().filter_map(include).collect()
}

/// What the file of this name grants, and those that it includes. Whether it is there.
fn gather(
    name: &str,
    folders: &[PathBuf],
    known: &mut BTreeSet<String>,
    grants: &mut Vec<(PathAccess, PathBuf)>,
) -> bool {
    if !known.insert(name.to_owned()) {
        return true;
    }
    let Ok((_, text)) = include::find(name, folders) else { return false };
    for line in include::parse(&text).unwrap_or_default() {
        match line.grant {
            Grant::Include => {
                for word in &line.words {
                    gather(word, folders, known, grants);
                }
            }
            Grant::Path(access) => {
                let paths =
                    line.words.iter().map(|word| PathBuf::from(word.strip_prefix('-').unwrap_or(word)));
                // What is learned has no links on the way.
                grants.extend(paths.filter_map(|path| Some((access, fs::canonicalize(path).ok()?))));
            }
            Grant::Connect | Grant::Bind => {}
        }
    }
    true
}
