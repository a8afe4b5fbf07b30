//! What the ABI of a kernel can do for a ruleset, and what is said if it cannot do enough.

use ::landlock::{ABI, Access, AccessNet, BitFlags, Scope as ScopeFlag};

use super::{
    ruleset::RulesetError,
    spec::{Ports, RulesetSpec, Scope},
};
use crate::{lsm::escaped, problem::Problem};

/// The Linux versions that brought the ABIs, from ABI 1 on. This build knows the rights of these ABIs and of no later
/// one.
const LINUX_OF_ABI: [&str; 9] = ["5.13", "5.19", "6.2", "6.7", "6.10", "6.12", "6.15", "7.0", "7.1"];
/// The first ABI with rights for TCP.
const ABI_TCP: u32 = 4;
/// The first ABI with scopes.
const ABI_SCOPE: u32 = 6;

/// Checks that the kernel and this build know `spec.min_abi`.
pub(super) fn check_abi(spec: &RulesetSpec, abi: u32) -> Result<(), RulesetError> {
    let newest = LINUX_OF_ABI.len() as u32;
    let error = |why, remedy| {
        Err(RulesetError {
            origin: spec.origin.clone(),
            ruleset: escaped(&spec.full_name()),
            problem: Problem { why, errno: None, remedy },
        })
    };
    match spec.min_abi {
        n if n == 0 || n > newest => error(
            format!("LandlockABI {n} is not an ABI that this build knows"),
            format!("write a number from 1 to {newest}"),
        ),
        n if n > abi => error(
            format!("it asks for Landlock ABI {n}, and this kernel has ABI {abi}"),
            format!(
                "boot Linux {} or newer, or write LandlockABI {abi} to accept that this kernel \
                 restricts less",
                linux_of(n)
            ),
        ),
        _ => Ok(()),
    }
}

/// What the configuration asks for in plain words, but this kernel cannot do.
pub(super) fn unsupported(spec: &RulesetSpec, abi: u32) -> Vec<RulesetError> {
    let listed = |ports: &Ports| matches!(ports, Ports::Listed(_));
    let asked = [
        ("LandlockConnect", "any", ABI_TCP, listed(&spec.connect)),
        ("LandlockBind", "any", ABI_TCP, listed(&spec.bind)),
        ("LandlockScope signals", "none", ABI_SCOPE, spec.scope.signals == Scope::Restricted),
        (
            "LandlockScope abstract-sockets",
            "none",
            ABI_SCOPE,
            spec.scope.abstract_sockets == Scope::Restricted,
        ),
    ];
    asked
        .into_iter()
        .filter(|(_, _, needs, is_asked)| *is_asked && *needs > abi)
        .map(|(directive, lift, needs, _)| RulesetError {
            origin: spec.origin.clone(),
            ruleset: escaped(&spec.full_name()),
            problem: Problem {
                why: format!("{directive} needs Landlock ABI {needs}, and this kernel has ABI {abi}"),
                errno: None,
                remedy: format!(
                    "boot Linux {} or newer, or write {} {lift} to do without the restriction",
                    linux_of(needs),
                    directive.split(' ').next().unwrap_or(directive),
                ),
            },
        })
        .collect()
}

fn linux_of(abi: u32) -> &'static str {
    (abi as usize).checked_sub(1).and_then(|i| LINUX_OF_ABI.get(i)).copied().unwrap_or("of a later release")
}

/// The rights for TCP that the ruleset handles on a kernel of the ABI `known`.
pub(super) fn handled_net(spec: &RulesetSpec, known: ABI) -> BitFlags<AccessNet> {
    let mut net = AccessNet::from_all(known);
    if spec.connect == Ports::Any {
        net.remove(AccessNet::ConnectTcp);
    }
    if spec.bind == Ports::Any {
        net.remove(AccessNet::BindTcp);
    }
    net
}

/// The scopes that the ruleset handles on a kernel of the ABI `known`.
pub(super) fn handled_scope(spec: &RulesetSpec, known: ABI) -> BitFlags<ScopeFlag> {
    let mut scope = ScopeFlag::from_all(known);
    if spec.scope.signals == Scope::Lifted {
        scope.remove(ScopeFlag::Signal);
    }
    if spec.scope.abstract_sockets == Scope::Lifted {
        scope.remove(ScopeFlag::AbstractUnixSocket);
    }
    scope
}
