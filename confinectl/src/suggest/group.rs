//! From what was done to the lines of a ruleset.
//!
//! 1. Each deed becomes a need: a path and the directive that would grant it. What somebody has to decide is put aside.
//! 2. What shipped files grant needs no line.
//! 3. What is left is lifted to folders: where entries are made or removed a folder must be granted, files of one purpose
//!    are granted together, and a name that will be another tomorrow is granted by the folder above it. Nothing is lifted
//!    to a folder that many share, or that holds what is another tenant's.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use confine::{
    learn::{Deed, Learned},
    lsm::landlock::{FileAccess, PathAccess, is_shared, whole_folder},
};

use super::{
    existing::Existing,
    ground::{Ground, grants},
    lift::{is_writable_text, lasting, lift_siblings, prune, standing},
};

/// Files of one folder that are granted each by itself.
const FEW_FILES: usize = 3;
/// Folders in one folder that are granted each by itself.
const FEW_FOLDERS: usize = 8;
/// TCP ports of one direction. An application that needs more has random ones, or somebody tries them all.
const MOST_PORTS: usize = 16;

/// The lines of a ruleset.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Suggestion {
    /// The shipped files.
    pub includes: Vec<&'static str>,
    /// `LandlockRead`.
    pub read: BTreeSet<PathBuf>,
    /// `LandlockWrite`.
    pub write: BTreeSet<PathBuf>,
    /// `LandlockExecute`.
    pub execute: BTreeSet<PathBuf>,
    /// `LandlockConnect`.
    pub connect: BTreeSet<u16>,
    /// `LandlockBind`.
    pub bind: BTreeSet<u16>,
    /// What is to be known about a line, by its path.
    pub notes: BTreeMap<PathBuf, &'static str>,
    /// What somebody has to decide.
    pub decisions: BTreeMap<(String, String), Decision>,
    /// What was asked for, as it was asked for: to tell which lines of a ruleset are used.
    pub asked: Vec<(PathAccess, PathBuf)>,
}

/// Something that is not granted, because it may be none of the application's business.
#[derive(Debug, PartialEq, Eq)]
pub struct Decision {
    /// What speaks against it.
    pub why: &'static str,
    /// The first request that did it.
    pub request: String,
}

/// A path, and what must be granted there.
#[derive(Debug)]
struct Need {
    access: PathAccess,
    path: PathBuf,
    /// Whether the path is a folder that must be granted itself.
    is_folder: bool,
    request: String,
}

impl Suggestion {
    /// The paths of a directive.
    pub fn paths(&self, access: PathAccess) -> &BTreeSet<PathBuf> {
        match access {
            PathAccess::Read => &self.read,
            PathAccess::Write => &self.write,
            PathAccess::Execute => &self.execute,
        }
    }

    fn decide(&mut self, directive: &str, argument: String, why: &'static str, request: &str) {
        let decision = Decision { why, request: request.to_owned() };
        self.decisions.entry((directive.to_owned(), argument)).or_insert(decision);
    }

    /// Whether a line grants this.
    fn covers(&self, access: PathAccess, path: &Path) -> bool {
        let all = [PathAccess::Read, PathAccess::Write, PathAccess::Execute];
        let granting = all.into_iter().filter(|granted| grants(*granted, access));
        granting.into_iter().any(|granted| path.ancestors().any(|above| self.paths(granted).contains(above)))
    }
}

/// The lines for what was done, beside those of a ruleset that is there.
pub fn suggest(learned: &[Learned], ground: &Ground, existing: Option<&Existing<'_>>) -> Suggestion {
    let mut suggestion = Suggestion::default();
    let (mut open, mut code) = (Vec::new(), BTreeSet::new());
    for learned in learned {
        if let Some(need) = need(learned, ground, existing, &mut suggestion) {
            code.extend(folder_of_code(&need));
            open.push(need);
        }
    }
    choose_includes(&mut suggestion, ground, &open);
    let there = |need: &Need| existing.is_some_and(|existing| existing.grants(need.access, &need.path));
    open.retain(|need| !there(need) && !is_included(&suggestion.includes, ground, need));
    write(&mut suggestion, ground, &open, &code);
    execute(&mut suggestion, ground, &open);
    read(&mut suggestion, ground, &open);
    limit_ports(&mut suggestion, ground);
    lift_both_scopes(&mut suggestion);
    note(&mut suggestion, learned, &code);
    suggestion
}

/// What must be granted for a deed. What is not a matter of paths goes into the suggestion, and so does what somebody has
/// to decide.
fn need(
    learned: &Learned,
    ground: &Ground,
    existing: Option<&Existing<'_>>,
    suggestion: &mut Suggestion,
) -> Option<Need> {
    let request = &learned.request;
    let (access, path, is_folder) = match &learned.deed {
        Deed::Connect(port) => {
            suggestion.connect.insert(*port);
            return None;
        }
        Deed::Bind(port) => {
            suggestion.bind.insert(*port);
            return None;
        }
        Deed::Abstract(_) => {
            let why = "it connects to an abstract UNIX socket of another process; this line lifts that scope";
            suggestion.decide("LandlockScope", "signals".to_owned(), why, request);
            return None;
        }
        Deed::Signal => {
            let why = "it sends a signal to a process that it did not start; this line lifts that scope";
            suggestion.decide("LandlockScope", "abstract-sockets".to_owned(), why, request);
            return None;
        }
        Deed::Full => return None,
        deed => deed.as_file()?,
    };
    let Some(granted) = access.granted_by() else {
        suggestion.decide("make a device:", shown(path), "no directive grants this", request);
        return None;
    };
    let entry = access.is_of_entry();
    let target = if entry { path.parent()? } else { path };
    suggestion.asked.push((granted, target.to_owned()));
    let is_folder = is_folder || entry;
    if existing.is_some_and(|existing| existing.grants(granted, target)) {
        // Somebody decided that already.
        return Some(Need { access: granted, path: target.to_owned(), is_folder, request: request.clone() });
    }
    if let Some(why) = ground.concern(target).or_else(|| ground.concern(path)) {
        suggestion.decide(granted.directive(), shown(&standing(target)), why, request);
        return None;
    }
    if access == FileAccess::List && ground.is_too_wide(path) {
        let why = "it lists this folder; to grant that is to let it read all that is below";
        suggestion.decide(granted.directive(), shown(path), why, request);
        return None;
    }
    Some(Need { access: granted, path: target.to_owned(), is_folder, request: request.clone() })
}

fn shown(path: &Path) -> String {
    confine::lsm::landlock::quoted_path(path)
}

/// `base` is for everybody, and those of languages for whoever runs scripts in them. Others are chosen where something that
/// they are meant for was asked for.
///
/// That alone would not do for languages: an interpreter in the server's own process opens a library once, and whose request
/// that is may be another one's tomorrow.
fn choose_includes(suggestion: &mut Suggestion, ground: &Ground, needs: &[Need]) {
    let mut chosen: Vec<_> = ground.include("base").map(|base| base.name).into_iter().collect();
    for include in ground.includes.iter().filter(|include| include.name != "base") {
        let meant = |need: &Need| {
            let is_script =
                need.path.extension().is_some_and(|end| scripts_of(include.name).iter().any(|of| end == *of));
            is_script
                || (!is_included(&chosen, ground, need) && include.is_meant_for(need.access, &need.path))
        };
        if needs.iter().any(meant) {
            chosen.push(include.name);
        }
    }
    if chosen.len() > 1 {
        // Each of the others includes it.
        chosen.retain(|name| *name != "base");
    }
    suggestion.includes = chosen;
}

/// How names of scripts end that need this shipped file.
fn scripts_of(include: &str) -> &'static [&'static str] {
    match include {
        "php" => &["php"],
        "perl" => &["pl", "pm"],
        "python" => &["py", "wsgi"],
        _ => &[],
    }
}

fn is_included(includes: &[&str], ground: &Ground, need: &Need) -> bool {
    let mut included = includes.iter().filter_map(|name| ground.include(name));
    included.any(|include| include.covers(need.access, &need.path))
}

/// Folders in which entries are made or removed, and files that are changed where they are.
fn write(suggestion: &mut Suggestion, ground: &Ground, open: &[Need], code: &BTreeSet<PathBuf>) {
    let of_kind = || open.iter().filter(|need| need.access == PathAccess::Write);
    let mut folders: BTreeSet<PathBuf> =
        of_kind().filter(|need| need.is_folder).map(|need| lasting(&standing(&need.path), ground)).collect();
    let mut files: BTreeMap<PathBuf, BTreeSet<PathBuf>> = BTreeMap::new();
    for need in of_kind().filter(|need| !need.is_folder) {
        let path = standing(&need.path);
        if path != need.path {
            // It is gone, so it was made: the folder is granted already, or shall be.
            folders.insert(path);
        } else if let Some(parent) = path.parent() {
            files.entry(parent.to_owned()).or_default().insert(path.clone());
        }
    }
    lift_siblings(&mut folders, ground, FEW_FOLDERS);
    prune(&mut folders);
    for (parent, files) in files {
        if parent.ancestors().any(|above| folders.contains(above)) {
            continue;
        }
        let is_socket = |file: &PathBuf| {
            use std::os::unix::fs::FileTypeExt;
            fs::symlink_metadata(file).is_ok_and(|m| m.file_type().is_socket())
        };
        // A service makes its socket anew when it starts.
        let whole = files.len() > FEW_FILES || files.iter().any(is_socket);
        if whole && !ground.is_too_wide(&parent) && !code.contains(&parent) {
            folders.insert(parent);
        } else {
            folders.extend(files);
        }
    }
    prune(&mut folders);
    suggestion.write = folders;
}

/// Programs, each by itself; those of the application by their folder where there are several.
fn execute(suggestion: &mut Suggestion, ground: &Ground, open: &[Need]) {
    let mut folders: BTreeMap<PathBuf, BTreeSet<PathBuf>> = BTreeMap::new();
    for need in open.iter().filter(|need| need.access == PathAccess::Execute) {
        let path = standing(&need.path);
        match path.parent() {
            Some(parent) if path == need.path => {
                folders.entry(parent.to_owned()).or_default().insert(path.clone());
            }
            _ => {
                let why =
                    "it ran a program that is gone; whoever grants the folder lets it run what it puts there";
                suggestion.decide("LandlockExecute", shown(&path), why, &need.request);
            }
        }
    }
    for (parent, programs) in folders {
        let is_written = suggestion.covers(PathAccess::Write, &parent);
        if programs.len() > FEW_FILES && ground.is_own(&parent) && !ground.is_too_wide(&parent) && !is_written
        {
            suggestion.execute.insert(parent);
        } else {
            suggestion.execute.extend(programs);
        }
    }
    prune(&mut suggestion.execute);
}

/// What is read, by folders.
fn read(suggestion: &mut Suggestion, ground: &Ground, open: &[Need]) {
    let mut folders = BTreeSet::new();
    let mut files: BTreeMap<PathBuf, BTreeSet<PathBuf>> = BTreeMap::new();
    for need in open {
        // What gets from one folder to another must not gain a right by it, so both are read as well.
        if need.access == PathAccess::Write && need.is_folder {
            folders.extend(suggestion.write.iter().filter(|folder| need.path.starts_with(folder)).cloned());
        }
        if need.access != PathAccess::Read {
            continue;
        }
        let path = standing(&need.path);
        let is_gone = path != need.path;
        let of_written = suggestion.write.iter().find(|folder| path.starts_with(folder));
        let of_root = ground.roots.iter().find(|root| path.starts_with(root) && !holds_others(ground, root));
        if let Some(folder) = of_written.or(of_root) {
            folders.insert(folder.clone());
        } else if suggestion.covers(PathAccess::Read, &path) {
        } else if let Some(whole) = whole_folder(&path).filter(|whole| !whole.starts_with("/proc")) {
            folders.insert(whole.to_owned());
        } else if is_gone && ground.is_too_wide(&path) {
            // A line for what is not there grants nothing until it is.
            files.entry(PathBuf::new()).or_default().insert(need.path.clone());
        } else if need.is_folder || is_gone {
            folders.insert(lasting(&path, ground));
        } else if let Some(parent) = path.parent() {
            files.entry(parent.to_owned()).or_default().insert(path.clone());
        }
    }
    for (parent, files) in files {
        let one_purpose = files.len() > 1 || ground.is_own(&parent);
        if one_purpose && parent.is_absolute() && !parent.starts_with("/etc") && !ground.is_too_wide(&parent)
        {
            folders.insert(lasting(&parent, ground));
        } else {
            folders.extend(files.into_iter().filter(|file| is_writable_text(file)));
        }
    }
    lift_siblings(&mut folders, ground, FEW_FOLDERS);
    prune(&mut folders);
    folders.retain(|path| !path.ancestors().any(|above| suggestion.execute.contains(above)));
    suggestion.read = folders;
}

fn holds_others(ground: &Ground, root: &Path) -> bool {
    ground.others.iter().any(|other| other.starts_with(root))
}

fn limit_ports(suggestion: &mut Suggestion, ground: &Ground) {
    let why_many = "so many different ports are tried ports, or random ones; to grant them is to grant any";
    let why_old = "this kernel restricts no TCP (before Linux 6.7), and refuses the line";
    for (directive, bind) in [("LandlockConnect", false), ("LandlockBind", true)] {
        let ports = if bind { &mut suggestion.bind } else { &mut suggestion.connect };
        let why = match (ports.len(), ground.abi) {
            (0, _) => continue,
            (number, _) if number > MOST_PORTS => why_many,
            (_, abi) if abi < 4 => why_old,
            _ => continue,
        };
        let few: Vec<_> = std::mem::take(ports).iter().take(MOST_PORTS).map(u16::to_string).collect();
        suggestion.decide(directive, few.join(" "), why, "");
    }
}

/// A scope that is not named is lifted. Two lines that each lift one would lift none.
fn lift_both_scopes(suggestion: &mut Suggestion) {
    let key = |scope: &str| ("LandlockScope".to_owned(), scope.to_owned());
    let both = [key("signals"), key("abstract-sockets")];
    if both.iter().all(|key| suggestion.decisions.contains_key(key)) {
        let [first, _] = both.map(|key| suggestion.decisions.remove(&key));
        let request = first.map(|decision| decision.request).unwrap_or_default();
        let why = "it signals processes that it did not start, and connects to abstract UNIX sockets of others; this line \
                   lifts both scopes";
        suggestion.decide("LandlockScope", "none".to_owned(), why, &request);
    }
}

/// The folder of a script or a program that runs.
fn folder_of_code(need: &Need) -> Option<PathBuf> {
    const SCRIPTS: [&str; 9] = ["php", "phtml", "inc", "py", "wsgi", "pl", "cgi", "lua", "shtml"];
    let is_script = need.path.extension().is_some_and(|end| SCRIPTS.iter().any(|script| end == *script));
    let runs = need.access == PathAccess::Execute || (need.access == PathAccess::Read && is_script);
    need.path.parent().filter(|_| runs).map(Path::to_owned)
}

/// What is to be known about folders that are written.
fn note(suggestion: &mut Suggestion, learned: &[Learned], code: &BTreeSet<PathBuf>) {
    let mut settings = BTreeSet::new();
    for (access, path, _) in learned.iter().filter_map(|learned| learned.deed.as_file()) {
        if access.granted_by() == Some(PathAccess::Write)
            && path.file_name().is_some_and(|name| name == ".htaccess")
        {
            settings.insert(path);
        }
    }
    for folder in &suggestion.write {
        let text = if settings.iter().any(|path| path.starts_with(folder)) {
            "It writes a .htaccess file, which tells the server what to do with the files beside it."
        } else if code.iter().any(|code| code.starts_with(folder)) || suggestion.execute.contains(folder) {
            "It writes where scripts or programs run from: what gets in there runs at the next request."
        } else if is_shared(folder)
            || ["/var/tmp", "/dev/shm", "/var/lib/php"].iter().any(|of| folder.starts_with(of))
        {
            "All applications of the machine write here: give this one a folder of its own (in PHP: session.save_path, \
             sys_temp_dir and upload_tmp_dir), and grant that."
        } else {
            continue;
        };
        suggestion.notes.insert(folder.clone(), text);
    }
}
