//! What SELinux asks of a process that moves to its context and then executes a program.
//!
//! The process moves as a thread does, by a dyntransition, and executes the program in the context
//! (`execute_no_trans`). The other way, a context that the kernel sets when the program is executed (`setexeccon`),
//! would need the right to enter the context by this program (`entrypoint`) and, under no_new_privs, `nnp_transition`.
//! And the kernel then forgets that the program ends with its manager (security/selinux/hooks.c,
//! selinux_bprm_committing_creds clears the signal at the parent's death where the context changes).
//!
//! What the server makes for such a process has the server's label, unless something else is asked for. The policy is
//! asked which label the process itself would give it, and the kernel is told to use that.

use std::{
    fs::OpenOptions,
    io::{self, Write},
    path::Path,
};

use super::{ContextMove, SecurityContext, selinuxfs::Selinuxfs};
use crate::{
    lsm::{Made, quoted},
    problem::Problem,
};

/// What executing a file and staying in the context takes. `map` is for the program's own pages.
const TO_EXECUTE: [&str; 5] = ["read", "open", "map", "execute", "execute_no_trans"];

/// Whether a process in the context `there` may execute `program` and stays in its context. What the policy does not
/// tell is no error.
pub(super) fn may_execute(
    selinuxfs: &Selinuxfs,
    there: &SecurityContext,
    program: &Path,
) -> Result<(), Problem> {
    let Ok(Some(file)) = label_of(program) else { return Ok(()) };
    let source = there.to_string();
    let shown = quoted(&program.to_string_lossy());
    if let Ok(after) = selinuxfs.made(&source, &file, "process") {
        if after != source {
            return Err(Problem::new(
                format!("whoever executes {shown} ({file}) there goes on to {after}, and leaves the context"),
                format!(
                    "take the typetransition from {} to {} out of the policy, or give the program's file another type",
                    there.domain,
                    type_of(&after)
                ),
            ));
        }
    }
    let Ok(missing) = missing_to_execute(selinuxfs, &source, &file) else { return Ok(()) };
    if missing.is_empty() {
        return Ok(());
    }
    Err(Problem::new(
        format!("{} may not execute {shown} ({file}) and stay in its context", there.domain),
        format!("add to the policy: {}; {TEMPLATE}", allow(there, &file, &missing)),
    ))
}

/// What is shipped for this.
const TEMPLATE: &str = "mod_confine.pool has all that a program of its own takes";

/// The rules without which the kernel refuses to execute the program.
pub(super) fn to_execute(there: &SecurityContext, program: &Path) -> String {
    let file =
        label_of(program).ok().flatten().unwrap_or_else(|| "the type of the program's file".to_owned());
    format!(
        "see that the policy has {}, and what the loader of its libraries takes; {TEMPLATE}",
        allow(there, &file, &TO_EXECUTE)
    )
}

fn allow(there: &SecurityContext, file: &str, permissions: &[&str]) -> String {
    format!("(allow {} {} (file ({})))", there.domain, type_of(file), permissions.join(" "))
}

fn missing_to_execute(selinuxfs: &Selinuxfs, source: &str, file: &str) -> io::Result<Vec<&'static str>> {
    let decision = selinuxfs.access(source, file, "file")?;
    if decision.permissive {
        return Ok(Vec::new());
    }
    let mut missing = Vec::new();
    for permission in TO_EXECUTE {
        if decision.allowed & selinuxfs.permission("file", permission)? == 0 {
            missing.push(permission);
        }
    }
    Ok(missing)
}

/// The type in a context, or the text as it is.
fn type_of(context: &str) -> String {
    SecurityContext::parse(context).map_or_else(|| context.to_owned(), |parsed| parsed.domain.to_string())
}

/// The label of the file that `path` leads to. `None`: it has none.
fn label_of(path: &Path) -> io::Result<Option<String>> {
    let mut room = vec![0; 4096];
    match rustix::fs::getxattr(path, c"security.selinux", &mut room) {
        Ok(length) => {
            room.truncate(length);
            let text = String::from_utf8(room).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))?;
            Ok(Some(text.trim_end_matches('\0').to_owned()))
        }
        Err(rustix::io::Errno::NODATA | rustix::io::Errno::NOTSUP) => Ok(None),
        Err(e) => Err(e.into()),
    }
}

/// Has the kernel give what the calling thread makes next a label, until this is dropped.
struct NextLabel<'p> {
    attribute: &'p Path,
}

impl<'p> NextLabel<'p> {
    fn set(attribute: &'p Path, label: &str) -> io::Result<Self> {
        write(attribute, label)?;
        Ok(Self { attribute })
    }
}

/// The kernel takes the text of one write.
fn write(attribute: &Path, text: &str) -> io::Result<()> {
    OpenOptions::new().write(true).open(attribute)?.write_all(text.as_bytes())
}

impl Drop for NextLabel<'_> {
    fn drop(&mut self) {
        // A newline is an empty text, which takes the label back (kernel: security/selinux/hooks.c, selinux_lsm_setattr).
        let _ = write(self.attribute, "\n");
    }
}

impl ContextMove {
    /// See [`crate::lsm::Move::made_for`].
    pub(super) fn label_for(&self, what: Made<'_>, make: &mut dyn FnMut()) -> Result<(), Problem> {
        let there = self.target.to_string();
        let (attribute, label, needs) = match what {
            Made::Socket => {
                let rule = format!("(allow {} self (process (setsockcreate)))", self.own.domain);
                ("sockcreate", there.clone(), rule)
            }
            Made::FolderIn(above) => {
                let rule = format!("(allow {} self (process (setfscreate)))", self.own.domain);
                let Some(label) = self.folder_label(&there, above)? else {
                    make();
                    return Ok(());
                };
                ("fscreate", label, rule)
            }
        };
        let attribute = self.files.attributes.join(attribute);
        let next = NextLabel::set(&attribute, &label).map_err(|error| Problem {
            errno: error.raw_os_error(),
            ..Problem::new(
                format!("what is made for {there} cannot get the label {label}"),
                format!("add to the policy: {needs}; mod_confine.cil has it"),
            )
        })?;
        make();
        drop(next);
        Ok(())
    }

    /// The label of a folder that a process in the context makes in `above`. `None`: the file system has no labels.
    fn folder_label(&self, there: &str, above: &Path) -> Result<Option<String>, Problem> {
        let failed = |error: io::Error| Problem {
            errno: error.raw_os_error(),
            ..Problem::new(
                format!(
                    "the policy does not tell which label a folder of {there} in {} has",
                    above.display()
                ),
                format!(
                    "add to the policy: (allow {} security_t (security (compute_create))); mod_confine.cil has it",
                    self.own.domain
                ),
            )
        };
        let Some(parent) = label_of(above).map_err(failed)? else { return Ok(None) };
        let label = self.files.selinuxfs.made(there, &parent, "dir").map_err(failed)?;
        let of_all = |label: &str| SecurityContext::parse(label).map(|parsed| (parsed.domain, parsed.range));
        if of_all(&label) == of_all(&parent) {
            return Err(Problem::new(
                format!("a folder of {there} in {} would be everybody's ({label})", above.display()),
                format!(
                    "add a type for it to the policy, as in (typetransition {} {} dir {}_tmp_t); {TEMPLATE}",
                    self.target.domain,
                    type_of(&parent),
                    self.target.domain.trim_end_matches("_t")
                ),
            ));
        }
        Ok(Some(label))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blog() -> SecurityContext {
        SecurityContext::parse("system_u:system_r:blog.process:s0").expect("a context")
    }

    #[test]
    fn a_rule_names_the_type_of_the_programs_file() {
        let rule = allow(&blog(), "system_u:object_r:bin_t:s0", &["execute", "execute_no_trans"]);
        assert_eq!(rule, "(allow blog.process bin_t (file (execute execute_no_trans)))");
        assert_eq!(type_of("no context"), "no context");
    }

    #[test]
    fn what_cannot_be_asked_is_no_error_and_is_explained_later() {
        let nowhere = Selinuxfs { root: "/nonexistent".into() };
        assert_eq!(may_execute(&nowhere, &blog(), Path::new("/bin/sh")), Ok(()));
        let remedy = to_execute(&blog(), Path::new("/nonexistent"));
        assert!(remedy.contains("(file (read open map execute execute_no_trans)))"), "{remedy}");
    }
}
