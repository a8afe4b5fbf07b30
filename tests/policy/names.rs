//! The small policies use no name that the whole ones do not have.

use std::{collections::HashSet, fs};

use crate::{Kind, here, small, whole};

/// The statements that declare a name that our modules may use.
const STATEMENTS: [&str; 4] = ["type", "typeattribute", "typealias", "boolean"];

fn declared(text: &str) -> HashSet<(String, String)> {
    text.lines()
        .filter_map(|line| {
            let mut words = line.trim_start().strip_prefix('(')?.split([' ', ')']);
            let statement = words.next().filter(|word| STATEMENTS.contains(word))?;
            Some((statement.to_owned(), words.next()?.to_owned()))
        })
        .collect()
}

/// Names that only the small policies have.
const OWN: [&str; 3] = ["of_the_kernel", "all_types", "others"];

#[test]
fn the_names_of_the_small_policies_are_those_of_the_whole_ones() {
    for policy in whole::policies() {
        let mut has = HashSet::new();
        for file in &policy.files {
            // A tunable becomes a boolean in the policy (secilc --preserve-tunables).
            has.extend(declared(&fs::read_to_string(file).expect("CIL").replace("(tunable ", "(boolean ")));
        }
        let mut checked = 0;
        for file in small(policy.kind) {
            for (statement, name) in declared(&fs::read_to_string(file).expect("CIL")) {
                if OWN.contains(&name.as_str()) {
                    continue;
                }
                assert!(
                    has.contains(&(statement.clone(), name.clone())),
                    "{}: no ({statement} {name})",
                    policy.name
                );
                checked += 1;
            }
        }
        assert!(checked > 40, "{checked} names");
    }
}

/// The modules recognize a policy by these names.
#[test]
fn what_tells_the_policies_apart_is_in_one_of_them_alone() {
    for policy in whole::policies() {
        for (statement, name, kind) in [
            ("type", "httpd_runtime_t", Kind::Reference),
            ("typeattribute", "base_ro_file_type", Kind::Fedora),
        ] {
            let has = policy.files.iter().any(|file| {
                let text = fs::read_to_string(file).expect("CIL");
                text.contains(&format!("({statement} {name})"))
                    || text.contains(&format!("(typealias {name})"))
            });
            assert_eq!(has, policy.kind == kind, "{}: {name}", policy.name);
        }
    }
    // The small policies are like them.
    for (kind, other) in
        [("reference.cil", "(typeattribute base_ro_file_type)"), ("fedora.cil", "(type httpd_runtime_t)")]
    {
        assert!(!fs::read_to_string(here(kind)).expect(kind).contains(other), "{kind}");
    }
}
