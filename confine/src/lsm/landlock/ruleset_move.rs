//! The move under one ruleset.

use std::{
    collections::BTreeSet,
    os::fd::{AsFd, OwnedFd},
    path::Path,
    sync::Arc,
};

use super::{
    FileAccess, Grants, Landlock, Missing, PathAccess, PathRule, PathTemplate, RulesetError, RulesetSpec,
    absent::Absent,
    attempt,
    kernel::{self, Audit},
    quoted_path,
    ruleset::{Blueprint, Faults},
    way::Trust,
};
use crate::{
    context::{BackendName, Context},
    lsm::{Enter, EnterError, Move, NoValues, PreparedMove, Values, escaped, quoted},
    origin::Origin,
    problem::Problem,
};

/// The move under one ruleset.
pub(super) struct RulesetMove {
    pub(super) context: Context,
    /// As it is written.
    spec: RulesetSpec,
    pub(super) ruleset: Ruleset,
    /// The numbers of the expressions in its paths.
    expressions: Box<[usize]>,
}

/// A ruleset, as far as it can be made before a request.
pub(super) enum Ruleset {
    /// It is in the kernel since startup. With it come what it grants, and lines for the log.
    Static(InKernel, Arc<Grants>, Vec<String>),
    /// It is made anew for each request.
    Dynamic(Blueprint),
    /// A path of it did not exist when the configuration was read again.
    Absent(Box<Absent>),
}

impl Ruleset {
    pub(super) fn of(blueprint: Blueprint, origin: &Origin) -> Result<Self, RulesetError> {
        if blueprint.is_dynamic() {
            return Ok(Self::Dynamic(blueprint));
        }
        let ruleset = InKernel { audit: blueprint.audit(), fd: blueprint.build_static(origin)? };
        let grants = blueprint.grants(&NoValues).map_err(|error| RulesetError {
            origin: origin.clone(),
            ruleset: escaped(blueprint.name()),
            problem: error.problem,
        })?;
        Ok(Self::Static(ruleset, Arc::new(grants), blueprint.trusted().to_vec()))
    }

    pub(super) fn ready<'a>(&'a self, values: &dyn Values) -> Result<PreparedMove<'a>, EnterError> {
        match self {
            Self::Static(ruleset, ..) => Ok(PreparedMove::Shared(ruleset)),
            Self::Dynamic(blueprint) => {
                let ruleset = InKernel { audit: blueprint.audit(), fd: blueprint.build(values)? };
                Ok(PreparedMove::Own(Box::new(ruleset)))
            }
            Self::Absent(absent) => absent.back()?.ready(values),
        }
    }

    pub(super) fn grants(&self, values: &dyn Values) -> Result<Arc<Grants>, EnterError> {
        match self {
            Self::Static(_, grants, _) => Ok(Arc::clone(grants)),
            Self::Dynamic(blueprint) => blueprint.grants(values).map(Arc::new),
            Self::Absent(absent) => absent.back()?.grants(values),
        }
    }

    pub(super) fn warnings(&self) -> Vec<String> {
        match self {
            Self::Static(.., warnings) => warnings.clone(),
            Self::Dynamic(blueprint) => blueprint.trusted().to_vec(),
            Self::Absent(absent) => absent.warnings(),
        }
    }
}

impl Move for RulesetMove {
    fn context(&self) -> &Context {
        &self.context
    }

    fn is_constant(&self) -> bool {
        match &self.ruleset {
            Ruleset::Static(..) => true,
            Ruleset::Dynamic(_) => false,
            Ruleset::Absent(absent) => !absent.spec.is_dynamic(),
        }
    }

    fn expressions(&self) -> &[usize] {
        &self.expressions
    }

    fn denials_are_in(&self) -> &'static str {
        "`ConfineExplain on` for this virtual host"
    }

    fn ready<'a>(&'a self, values: &dyn Values) -> Result<PreparedMove<'a>, EnterError> {
        self.ruleset.ready(values)
    }

    fn grants(&self, values: &dyn Values) -> Result<Option<Arc<Grants>>, EnterError> {
        self.ruleset.grants(values).map(Some)
    }

    fn may_execute(&self, program: &Path) -> Result<(), Problem> {
        let Ok(grants) = self.ruleset.grants(&NoValues) else { return Ok(()) };
        match attempt(&grants, FileAccess::Execute, program) {
            Ok(Err(denied)) => {
                let shown = quoted(&program.to_string_lossy());
                Err(Problem::new(format!("it does not let {shown} run"), denied.remedy()))
            }
            _ => Ok(()),
        }
    }

    fn to_execute(&self, program: &Path) -> String {
        let shown = quoted_path(program);
        format!("add LandlockExecute {shown}, and the same for the loader of its libraries (ld-linux)")
    }

    fn anew(&self, folder: Option<&Path>) -> Result<Option<Arc<dyn Move>>, EnterError> {
        let failed = |why: String| {
            EnterError::from(Problem::new(why, "see what has changed since the server's start"))
        };
        let mut spec = self.spec.clone();
        if let Some(folder) = folder {
            let text = folder.to_str().ok_or_else(|| failed("a folder's name is no UTF-8".to_owned()))?;
            let (path, _) = PathTemplate::parse(text, 0).map_err(|e| failed(format!("{text}: {e}")))?;
            for access in [PathAccess::Read, PathAccess::Write] {
                let origin = spec.origin.clone();
                spec.paths.push(PathRule { access, path: path.clone(), optional: false, origin });
            }
        }
        let abi = Landlock::abi().map_err(|e| EnterError::from(e.problem))?;
        let made = make(spec, abi, Missing::Fault).map_err(|errors| {
            let why = errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
            failed(why)
        })?;
        Ok(Some(Arc::new(made)))
    }
}

/// The descriptor of a ruleset, and how it is entered.
pub(super) struct InKernel {
    pub(super) fd: OwnedFd,
    audit: Audit,
}

impl Enter for InKernel {
    fn enter(&self) -> Result<(), EnterError> {
        kernel::set_no_new_privs().map_err(|errno| EnterError {
            problem: Problem {
                why: "the kernel refused to set no_new_privs, without which no ruleset can be entered"
                    .to_owned(),
                errno: Some(errno),
                remedy: "look for a seccomp filter on the server that forbids prctl(2)".to_owned(),
            },
            forbidden: false,
        })?;
        kernel::restrict_self(self.fd.as_fd(), self.audit).map_err(refused)
    }
}

/// Explains the kernel's answer. Kernel: security/landlock/syscalls.c, landlock_restrict_self, and ruleset.c (E2BIG: a
/// thread can be under 16 rulesets).
fn refused(errno: i32) -> EnterError {
    let remedy = match errno {
        libc::E2BIG => "a thread can be under 16 rulesets: start the server under fewer",
        libc::EPERM => "look for a seccomp filter on the server that forbids landlock_restrict_self(2)",
        libc::ENOMEM => "give the machine or the server's control group more memory",
        _ => "see the kernel's log, and report this with its version",
    };
    EnterError {
        problem: Problem {
            why: "the kernel refused to put the thread under the ruleset".to_owned(),
            errno: Some(errno),
            remedy: remedy.to_owned(),
        },
        forbidden: false,
    }
}

/// Makes a ruleset as it is written, for a kernel of the ABI `abi`.
pub(super) fn make(spec: RulesetSpec, abi: u32, missing: Missing) -> Result<RulesetMove, Vec<RulesetError>> {
    if spec.name.is_empty() || spec.name.contains(|c: char| c.is_control() || c.is_whitespace()) {
        return Err(vec![RulesetError {
            origin: spec.origin.clone(),
            ruleset: format!("\"{}\"", escaped(&spec.name)),
            problem: Problem {
                why: "its name is empty, or holds white space or control characters".to_owned(),
                errno: None,
                remedy: "give it a name of one word, as in <ConfineLandlock tenant-a>".to_owned(),
            },
        }]);
    }
    let context = Context { backend: BackendName::LANDLOCK, text: spec.full_name().into() };
    let expressions = merged_expressions(&spec);
    let trust = Trust::new(&spec.trusted);
    let ruleset = match Blueprint::new(&spec, abi, &trust) {
        Ok(blueprint) => Ruleset::of(blueprint, &spec.origin).map_err(|e| vec![e])?,
        Err(Faults { written, paths }) if written.is_empty() && missing == Missing::Refuse => {
            Ruleset::Absent(Box::new(Absent::new(spec.clone(), abi, trust, paths)))
        }
        Err(faults) => return Err(faults.all()),
    };
    Ok(RulesetMove { context, spec, ruleset, expressions })
}

/// The numbers of the expressions that a ruleset asks for. Of paths with the same text only the first is looked up.
fn merged_expressions(spec: &RulesetSpec) -> Box<[usize]> {
    let mut seen = BTreeSet::new();
    let first = spec.paths.iter().filter(|rule| seen.insert(rule.path.as_str()));
    first.flat_map(|rule| rule.path.expressions()).collect()
}
