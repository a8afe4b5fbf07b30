//! What the rulesets of a request would answer its application, for `confinectl explain --access`.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt, path::Path};

use confine::{
    dump::{Attempt, Attempted, Object, Question},
    lsm::landlock::{Denied, FileAccess, Grants, attempt},
    policy::decide::MovesOf,
};

use crate::{httpd::request::Request, request::scope::Scope, subject::PathValues};

/// The accesses to ask about: those that the question names, and, if the kernel is to be asked, whether the request's
/// own file can be read. Without this one the answer `accepted` would be only half of the truth.
pub fn attempts(r: &Request<'_>, question: &Question) -> Vec<Attempt> {
    let own = r.filename().map(|name| name.to_bytes()).filter(|_| question.kernel);
    let is_there = |name: &&[u8]| Path::new(OsStr::from_bytes(name)).exists();
    let own = own.filter(is_there).map(|name| Attempt {
        access: FileAccess::Read.word().to_owned(),
        object: Object::Path(name.into()),
    });
    question.attempts.iter().cloned().chain(own).collect()
}

/// The answer of each ruleset among `moves`.
pub fn judge(
    r: &mut Request<'_>,
    scope: Scope<'_>,
    moves: &MovesOf<'_>,
    attempts: &[Attempt],
) -> Vec<Attempted> {
    let mut answers = Vec::new();
    for step in &moves.steps {
        let values = PathValues::of(r, &scope.policy.path_expressions);
        let context = step.context().to_string();
        // If a ruleset cannot be made for the request, this is a refusal. Another part of the answer tells it.
        let Ok(Some(grants)) = step.grants(&values) else { continue };
        answers.extend(attempts.iter().map(|attempt| {
            let refused = match of(&grants, attempt) {
                Ok(Ok(())) => None,
                Ok(Err(denied)) => Some(denied.remedy()),
                Err(why) => Some(why),
            };
            Attempted { context: context.clone(), attempt: attempt.clone(), refused }
        }));
    }
    answers
}

fn of(grants: &Grants, asked: &Attempt) -> Result<Result<(), Denied>, String> {
    match &asked.object {
        Object::Port(port) => Ok(grants.connect(*port)),
        Object::AbstractSocket => Ok(grants.abstract_socket()),
        Object::Path(path) => {
            let access = FileAccess::ALL.into_iter().find(|access| access.word() == asked.access);
            let access = access.ok_or_else(|| format!("{} is no access", asked.access))?;
            attempt(grants, access, Path::new(OsStr::from_bytes(path)))
        }
    }
}
