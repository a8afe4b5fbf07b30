//! The module's directives by name, for what httpd says of a word that it does not know: without the module it knows
//! none of them, and with the module a misspelt one is still `Invalid command`.

use confine::spelling::nearest;

use crate::described::HOW_TO_LOAD;

/// All of them; a test of the manual compares them with the module's own table.
const NAMES: [&str; 49] = [
    "ConfineContext",
    "ConfineMap",
    "ConfineEnv",
    "ConfineExpr",
    "ConfineUnmatched",
    "ConfineMode",
    "ConfineLearnFolder",
    "ConfineExplain",
    "ConfineOutOfProcess",
    "ConfineAllowCache",
    "ConfinePHPCache",
    "ConfineGate",
    "ConfineWorkers",
    "ConfineEarly",
    "ConfineBackend",
    "ConfineServerContext",
    "ConfineTrustScripts",
    "ConfineCoreDumps",
    "ConfineStatusRows",
    "ConfineUsers",
    "ConfineLandlock",
    "LandlockRead",
    "LandlockWrite",
    "LandlockExecute",
    "LandlockInclude",
    "LandlockIncludeDir",
    "LandlockTrustPaths",
    "LandlockConnect",
    "LandlockBind",
    "LandlockScope",
    "LandlockABI",
    "ConfineFastCGI",
    "Program",
    "Arguments",
    "Environment",
    "Processes",
    "Requests",
    "Idle",
    "Total",
    "Queue",
    "Memory",
    "PrivateIPC",
    "selinuxServerDomain",
    "selinuxDomainMap",
    "selinuxDomainEnv",
    "selinuxDomainVal",
    "selinuxAllowCaches",
    "TOMOYO_TransitionMap",
    "CCS_TransitionMap",
];

/// What httpd said, and what to do where that is about a directive of the module's.
pub fn with_advice(said: &str) -> String {
    match advice(said) {
        Some(advice) => format!("{said}; {advice}"),
        None => said.to_owned(),
    }
}

/// `Invalid command 'X', perhaps misspelled or ...` (httpd: server/config.c).
fn advice(said: &str) -> Option<String> {
    let (_, rest) = said.split_once("Invalid command '")?;
    let (word, _) = rest.split_once('\'')?;
    let name = word.trim_start_matches(['<', '/']).trim_end_matches('>');
    if NAMES.iter().any(|known| known.eq_ignore_ascii_case(name)) {
        return Some(format!("it is mod_confine's, which this configuration does not load: {HOW_TO_LOAD}"));
    }
    nearest(name, NAMES).map(|meant| format!("write {meant} if that was meant"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(word: &str) -> String {
        format!("Invalid command '{word}', perhaps misspelled or defined by a module not included")
    }

    #[test]
    fn what_is_missing_is_told_from_what_is_misspelt() {
        for word in ["ConfineContext", "<ConfineLandlock", "landlockread"] {
            let text = with_advice(&said(word));
            assert!(text.ends_with("(Debian: a2enmod confine)"), "{text}");
        }
        assert!(with_advice(&said("ConfineContxt")).ends_with("; write ConfineContext if that was meant"));
        assert!(with_advice(&said("LandlockReed")).ends_with("; write LandlockRead if that was meant"));
    }

    #[test]
    fn what_is_another_modules_is_left_alone() {
        for text in [said("SSLEngine"), "Cannot find module confin".to_owned()] {
            assert_eq!(with_advice(&text), text);
        }
    }
}
