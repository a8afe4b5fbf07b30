//! Who a name stands for, and whether a process may become that user.

use std::{
    collections::HashMap,
    ffi::CString,
    os::unix::fs::MetadataExt,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use nix::unistd::{Gid, Group, User as Entry, getgrouplist};

use super::privileged::Identity;
use crate::{lsm::quoted, problem::Problem};

/// After this time a user whom a request named is looked up again.
const AGE: Duration = Duration::from_secs(60);
/// The same for a name that was refused: who mends that does not want to wait.
const AGE_OF_REFUSAL: Duration = Duration::from_secs(5);
/// How many names of requests are kept. The names can be anything, so there must be an end.
const MOST_KEPT: usize = 1000;

/// What the configuration says about users (`ConfineUsers`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserSettings {
    /// The group whose members a value of a request may name. Without it no value may name anybody.
    pub members_of: Option<Box<str>>,
    /// Supplementary groups that a process keeps, of those that its user is in.
    pub keep_groups: Vec<Box<str>>,
    /// The least id of a user.
    pub min_uid: u32,
    /// The least id of a group.
    pub min_gid: u32,
    /// The user that the server's children run as.
    pub server: Option<u32>,
    /// Whether the configuration has any processes of their own.
    pub has_processes: bool,
}

impl Default for UserSettings {
    /// As suexec of Debian: nobody below 100.
    fn default() -> Self {
        Self {
            members_of: None,
            keep_groups: Vec::new(),
            min_uid: 100,
            min_gid: 100,
            server: None,
            has_processes: false,
        }
    }
}

/// A user that a process may become.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct User {
    pub identity: Identity,
}

/// Who chose a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ChosenBy {
    /// The configuration or a map.
    Configuration,
    /// A request. More is asked of such a user.
    Request,
}

/// Users that were looked up. The copies of this in children and in other processes do not know of each other.
pub(super) struct Users {
    settings: UserSettings,
    members_of: Option<Gid>,
    keep_groups: Vec<Gid>,
    of_configuration: Mutex<HashMap<Box<str>, Arc<User>>>,
    of_requests: Mutex<HashMap<Box<str>, Answer>>,
}

/// What came of looking a name up, and when.
struct Answer {
    at: Instant,
    found: Result<Arc<User>, Problem>,
}

impl Answer {
    fn is_fresh(&self, now: Instant) -> bool {
        let age = if self.found.is_ok() { AGE } else { AGE_OF_REFUSAL };
        now.duration_since(self.at) < age
    }
}

impl Users {
    /// Looks the groups of the settings up.
    ///
    /// # Errors
    /// All groups that cannot be used.
    pub(super) fn new(settings: UserSettings) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut group =
            |name: &str, least: u32| group(name, least).map_err(|problem| problems.push(problem)).ok();
        let members_of = settings.members_of.as_deref().and_then(|name| group(name, 1));
        let keep_groups =
            settings.keep_groups.iter().filter_map(|name| group(name, settings.min_gid)).collect();
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self::with_groups(settings, members_of, keep_groups))
    }

    /// Users under settings whose groups are these.
    pub(super) fn with_groups(
        settings: UserSettings,
        members_of: Option<Gid>,
        keep_groups: Vec<Gid>,
    ) -> Self {
        let (of_configuration, of_requests) = Default::default();
        Self { settings, members_of, keep_groups, of_configuration, of_requests }
    }

    /// How many names of requests are kept.
    #[cfg(test)]
    pub(super) fn kept(&self) -> usize {
        self.of_requests.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    pub(super) fn settings(&self) -> &UserSettings {
        &self.settings
    }

    /// The names that the group of the settings lists.
    pub(super) fn members(&self) -> Vec<String> {
        let group = self.members_of.and_then(|gid| Group::from_gid(gid).ok().flatten());
        group.map(|group| group.mem).unwrap_or_default()
    }

    /// The user that the configuration names. He is looked up once.
    pub(super) fn of_configuration(&self, name: &str) -> Result<Arc<User>, Problem> {
        let known = |known: &HashMap<_, Arc<User>>| known.get(name).map(Arc::clone);
        if let Some(user) = known(&self.of_configuration.lock().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(user);
        }
        let user = Arc::new(self.look_up(name, ChosenBy::Configuration)?);
        let mut all = self.of_configuration.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Arc::clone(all.entry(name.into()).or_insert(user)))
    }

    /// The user that a request names.
    pub(super) fn of_request(&self, name: &str) -> Result<Arc<User>, Problem> {
        let now = Instant::now();
        let mut kept = self.of_requests.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(answer) = kept.get(name).filter(|answer| answer.is_fresh(now)) {
            return answer.found.clone();
        }
        drop(kept);
        let found = self.look_up(name, ChosenBy::Request).map(Arc::new);
        kept = self.of_requests.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= MOST_KEPT {
            kept.retain(|_, answer| answer.is_fresh(now));
        }
        if kept.len() < MOST_KEPT {
            kept.insert(name.into(), Answer { at: now, found: found.clone() });
        }
        found
    }

    fn look_up(&self, name: &str, by: ChosenBy) -> Result<User, Problem> {
        let entry = Entry::from_name(name).map_err(|errno| {
            let why = format!("the user {} could not be looked up", quoted(name));
            Problem { errno: Some(errno as i32), ..Problem::new(why, SEE_DIRECTORY) }
        })?;
        let entry = entry.ok_or_else(|| {
            Problem::new(
                format!("there is no user {}", quoted(name)),
                format!(
                    "create the user, or write another (getent passwd {} shows who there is)",
                    quoted(name)
                ),
            )
        })?;
        let c_name = CString::new(name).unwrap_or_default();
        let groups = getgrouplist(&c_name, entry.gid).map_err(|errno| {
            let why = format!("the groups of the user {} could not be looked up", quoted(name));
            Problem { errno: Some(errno as i32), ..Problem::new(why, SEE_DIRECTORY) }
        })?;
        let user = self.judge(name, &entry, &groups, by)?;
        if by == ChosenBy::Request {
            home_is_own(name, &entry.dir, user.identity.uid)?;
        }
        Ok(user)
    }

    /// Whether a process may become the user with this entry, who is in these groups.
    pub(super) fn judge(
        &self,
        name: &str,
        entry: &Entry,
        groups: &[Gid],
        by: ChosenBy,
    ) -> Result<User, Problem> {
        let shown = quoted(name);
        let (uid, gid) = (entry.uid.as_raw(), entry.gid.as_raw());
        let UserSettings { min_uid, min_gid, .. } = self.settings;
        let refused = |why: String, remedy: &str| Err(Problem::new(why, remedy));
        // A directory may know a name in other letters, too. Two contexts must not be one user.
        if entry.name != name {
            let why = format!("the user {shown} is called {} by this system", quoted(&entry.name));
            return refused(why, "write the name as the system has it");
        }
        if uid == 0 || gid == 0 {
            let of = if uid == 0 { "the user" } else { "the group of the user" };
            return refused(format!("{of} {shown} is root"), "name a user without root's rights");
        }
        if uid < min_uid {
            let why =
                format!("the user {shown} has the id {uid}, and those below {min_uid} belong to the system");
            return refused(why, "name another user, or lower ConfineUsers min-uid=");
        }
        if gid < min_gid {
            let why = format!(
                "the group of the user {shown} has the id {gid}, and those below {min_gid} belong to the system"
            );
            return refused(why, "give the user a group of its own, or lower ConfineUsers min-gid=");
        }
        if Some(uid) == self.settings.server {
            let why = format!("{shown} is the user that the server runs as, which would separate nothing");
            return refused(why, "name a user of the application's own");
        }
        if by == ChosenBy::Request && !self.members_of.is_some_and(|group| groups.contains(&group)) {
            let Some(group) = self.settings.members_of.as_deref() else {
                let why =
                    format!("no rule names the user {shown} in these contexts, and requests may name nobody");
                return refused(why, "write a rule, or ConfineUsers members-of=GROUP");
            };
            let why =
                format!("the user {shown} is not in the group {group}, whose members a request may name");
            return refused(why, "add the user to that group, if requests are to run as this user");
        }
        let mut kept: Vec<u32> = groups
            .iter()
            .filter(|group| self.keep_groups.contains(group))
            .map(|group| group.as_raw())
            .collect();
        kept.sort_unstable();
        kept.dedup();
        Ok(User { identity: Identity { uid, gid, groups: kept.into() } })
    }
}

/// What to do where the system's directory of users does not answer.
const SEE_DIRECTORY: &str =
    "mend the directory that /etc/nsswitch.conf names; getent passwd and id show what it answers";

/// The group with this name.
fn group(name: &str, least: u32) -> Result<Gid, Problem> {
    let shown = quoted(name);
    let found = Group::from_name(name).map_err(|errno| {
        let why = format!("the group {shown} could not be looked up");
        Problem { errno: Some(errno as i32), ..Problem::new(why, SEE_DIRECTORY) }
    })?;
    match found.map(|group| group.gid) {
        None => {
            Err(Problem::new(format!("there is no group {shown}"), "create it (groupadd), or write another"))
        }
        Some(gid) if gid.as_raw() == 0 => {
            Err(Problem::new(format!("the group {shown} is root's"), "write another"))
        }
        Some(gid) if gid.as_raw() < least => Err(Problem::new(
            format!("the group {shown} has the id {gid}, and those below {least} belong to the system"),
            "write another, or lower min-gid=",
        )),
        Some(gid) => Ok(gid),
    }
}

/// Whether the home of a user is a folder of the user's, which nobody else may write.
pub(super) fn home_is_own(name: &str, home: &Path, uid: u32) -> Result<(), Problem> {
    let (name, shown) = (quoted(name), quoted(&home.to_string_lossy()));
    let refused = |why: String, remedy: String| Err(Problem::new(why, remedy));
    match home.metadata() {
        Err(error) => {
            let problem = Problem::new(
                format!("the home {shown} of the user {name} cannot be looked at"),
                "create it, or correct the user's entry; a request may only name users with a home of their own",
            );
            Err(Problem { errno: error.raw_os_error(), ..problem })
        }
        Ok(folder) if !folder.is_dir() => refused(
            format!("the home {shown} of the user {name} is no folder"),
            "correct the user's entry; a request may only name users with a home of their own".to_owned(),
        ),
        Ok(folder) if folder.uid() != uid => refused(
            format!("the home {shown} of the user {name} belongs to the user with id {}", folder.uid()),
            format!("chown {name} {shown}; a request may only name users with a home of their own"),
        ),
        Ok(folder) if folder.mode() & 0o022 != 0 => refused(
            format!("the home {shown} of the user {name} may be written by others"),
            format!("chmod go-w {shown}"),
        ),
        Ok(_) => Ok(()),
    }
}
