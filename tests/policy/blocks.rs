//! Each optional block is used where it should be, and nowhere else. One unknown name silently removes a whole block.

use std::{collections::BTreeSet, fs, path::Path};

use crate::{Kind, compile::Compiled, modules, shipped, small, whole};

/// Every shipped optional block, whether a policy with the reference policy's names uses it, and whether one with
/// Fedora's names does. The reference policy has the old names as aliases.
const BLOCKS: [(&str, &str, bool, bool); 14] = [
    ("mod_confine.cil", "sessions_var_lib", true, false),
    ("mod_confine.cil", "sessions_var_run", false, true),
    ("mod_confine.cil", "resolver_runtime", true, false),
    ("mod_confine.cil", "resolver_var_run", false, true),
    ("mod_confine.cil", "postgresql_server", true, true),
    ("mod_confine.cil", "postgresql_runtime", true, false),
    ("mod_confine.cil", "postgresql_var_run", true, true),
    ("mod_confine.cil", "mysql_server", true, true),
    ("mod_confine.cil", "mysql_runtime", true, false),
    ("mod_confine.cil", "mysql_var_run", true, true),
    ("mod_confine.cil", "mysql_var_lib", false, true),
    ("mod_confine.cil", "runtime_debian", true, false),
    ("mod_confine.cil", "runtime_fedora", false, true),
    ("mod_confine_mcs.cil", "mod_confine_mcs_scripts", true, true),
];

/// The names of the optional blocks in a module's text.
fn optional_blocks(text: &str) -> Vec<String> {
    text.lines()
        .map(|line| line.split(';').next().unwrap_or_default())
        .flat_map(|code| code.split("(optional ").skip(1))
        .map(|rest| rest.split_whitespace().next().unwrap_or_default().to_owned())
        .collect()
}

/// The differences from the table, one line each. `other` is compiled in place of the shipped `mod_confine.cil`.
fn differences(compiled: &Compiled, kind: Kind, other: Option<&Path>) -> Vec<String> {
    let mut lines = Vec::new();
    for (file, block, reference, fedora) in BLOCKS {
        let place = other.filter(|_| file == "mod_confine.cil").map_or_else(|| shipped(file), Path::to_owned);
        let expected = if kind == Kind::Reference { reference } else { fedora };
        let left_out = compiled.left_out(&place);
        let why = left_out.get(block);
        let word = if why.is_some() { "not taken" } else { "taken" };
        println!("{kind:?}: {file}: {block}: {word}");
        if why.is_none() != expected {
            lines.push(format!("{kind:?}: {file}: {block}: {word} {why:?}"));
        }
    }
    lines
}

/// The differences in the small policy of a kind.
fn differences_in_small(kind: Kind, other: Option<&Path>) -> Vec<String> {
    let mut files = [small(kind), modules(true)].concat();
    for file in &mut files {
        if let Some(other) = other.filter(|_| file.ends_with("mod_confine.cil")) {
            *file = other.to_owned();
        }
    }
    let compiled = Compiled::of(&files).unwrap_or_else(|log| panic!("{kind:?}: secilc refuses: {log}"));
    differences(&compiled, kind, other)
}

#[test]
fn every_optional_block_is_in_the_table() {
    for file in ["mod_confine.cil", "mod_confine_mcs.cil", "example.cil"] {
        let listed: Vec<_> = BLOCKS.iter().filter(|row| row.0 == file).map(|row| row.1.to_owned()).collect();
        let written = optional_blocks(&fs::read_to_string(shipped(file)).expect(file));
        assert_eq!(
            written, listed,
            "{file}: the blocks in it, and those of this test's table, in their order"
        );
    }
    for (_, block, reference, fedora) in BLOCKS {
        assert!(
            reference || fedora,
            "{block}: no policy takes it, so nothing shows whether its names are right"
        );
    }
}

#[test]
fn each_optional_block_is_taken_where_it_should_be() {
    for kind in Kind::ALL {
        assert_eq!(differences_in_small(kind, None), Vec::<String>::new());
    }
}

#[test]
fn each_optional_block_is_taken_where_it_should_be_in_whole_policies() {
    for policy in whole::policies() {
        assert_eq!(
            differences(policy.compiled(true), policy.kind, None),
            Vec::<String>::new(),
            "{}",
            policy.name
        );
    }
}

/// The table shows a typing mistake in any name of any block, and names the block.
#[test]
fn a_mistyped_name_in_a_block_is_found() {
    let text = fs::read_to_string(shipped("mod_confine.cil")).expect("mod_confine.cil");
    let folder = tempfile::tempdir().expect("a directory");
    let wrong = folder.path().join("mod_confine.cil");
    let mut tried = 0;
    for (_, block, ..) in BLOCKS.iter().filter(|row| row.0 == "mod_confine.cil") {
        let begin =
            text.find(&format!("(optional {block}\n")).unwrap_or_else(|| panic!("{block} is written"));
        let end = begin + end_of_list(&text[begin..]);
        let names: BTreeSet<&str> = text[begin..end]
            .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .filter(|word| word.ends_with("_t") || *word == "base_ro_file_type")
            .collect();
        assert!(!names.is_empty(), "{block} names a type");
        for name in names {
            let changed = text[begin..end].replace(name, &format!("{name}x"));
            fs::write(&wrong, format!("{}{changed}{}", &text[..begin], &text[end..])).expect("a file");
            let found: Vec<_> =
                Kind::ALL.iter().flat_map(|kind| differences_in_small(*kind, Some(&wrong))).collect();
            assert!(!found.is_empty(), "{block}: {name} mistyped is not found");
            assert!(found.iter().all(|line| line.contains(block)), "{block}: {found:?}");
            tried += 1;
        }
    }
    assert!(tried >= 19, "{tried} names");
}

/// The end of the list with which a text begins.
fn end_of_list(text: &str) -> usize {
    let mut depth = 0;
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' if depth == 1 => return at + 1,
            ')' => depth -= 1,
            _ => {}
        }
    }
    panic!("a list that does not end: {text:.60}");
}
