//! `__names__ ignore-case`: users match in any case.

use super::*;

const OPTION: &str = "# tenants\n__names__ ignore-case\n";

#[test]
fn without_it_names_are_exact() {
    let map = map("Alice x\n* y\n");
    assert_eq!((line(&map, &user("Alice")), line(&map, &user("alice"))), (Some(1), Some(2)));
    assert!(!map.ignores_case());
}

#[test]
fn with_it_the_lowest_line_of_any_case_wins() {
    let map = map(&format!("{OPTION}Alice x\nALICE y\nuser:bob z\nuser:10.0.0.1 w\n* v\n"));
    for name in ["alice", "ALICE", "Alice", "aLiCe"] {
        assert_eq!(line(&map, &user(name)), Some(3), "{name}");
    }
    assert_eq!(line(&map, &user("BOB")), Some(5));
    assert_eq!(line(&map, &user("carol")), Some(7));
    assert_eq!(map.len(), 5);
    assert!(map.ignores_case());
    assert_eq!(shadows(&format!("{OPTION}Alice x\nALICE y\n")), [(4, 3)]);
}

#[test]
fn long_names_ignore_it_too() {
    for length in [20, 21, 254, 255, 256, 5000] {
        let name = "x".repeat(length);
        let map = map(&format!("{OPTION}{name} x\n"));
        assert_eq!(line(&map, &user(&name.to_ascii_uppercase())), Some(3), "{length}");
        assert_eq!(line(&map, &user(&format!("{name}y"))), None, "{length}");
    }
}

#[test]
fn only_letters_of_ascii_are_the_same() {
    // The Kelvin sign, the long s and the dotted capital I are k, s and i to Unicode's case folding.
    let map = map(&format!("{OPTION}kate x\nsam x\nida x\n\u{e4}rger y\n"));
    for name in ["\u{212a}ate", "\u{17f}am", "\u{130}da", "\u{c4}RGER"] {
        assert_eq!(line(&map, &user(name)), None, "{name}");
    }
    assert_eq!(line(&map, &user("\u{e4}RGER")), Some(6));
}

#[test]
fn the_compiled_form_knows_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let (source, compiled) = (folder.path().join("m"), folder.path().join("c"));
    fs::write(&source, format!("{OPTION}Alice x\n* y\n")).expect("a map");
    fs::write(&compiled, Map::compile(&source, LANDLOCK).expect("a map").bytes()).expect("a file");
    let map = Map::load(&compiled, LANDLOCK).expect("a map");
    assert!(map.ignores_case());
    assert_eq!((line(&map, &user("ALICE")), line(&map, &user("bob"))), (Some(3), Some(4)));
}

#[test]
fn what_is_written_otherwise_is_an_error() {
    let says = "__names__ is followed by ignore-case, and nothing else; leave the line out for names in exactly their case";
    assert_eq!(error("__names__\n* x\n"), format!("t.map:1:10: {says}"));
    assert_eq!(error("__names__ exact\n* x\n"), format!("t.map:1:11: {says}"));
    assert_eq!(error("__names__ ignore-case x\n* x\n"), format!("t.map:1:11: {says}"));
    assert_eq!(
        error("a x\n__names__ ignore-case\n"),
        "t.map:2:1: __names__ stands behind a rule, and would change what that means; move it above the first rule"
    );
    assert_eq!(error(OPTION), "t.map: holds no rule; write at least one, such as: * landlock:NAME");
    assert_eq!(line(&map("user:__names__ x\n"), &user("__names__")), Some(1));
}

#[test]
fn its_layout_keeps_it() {
    let text = format!("{OPTION}alice x\n");
    let laid_out = layout(&text, &Progress::default());
    assert_eq!(laid_out, "# tenants\n__names__ ignore-case\nalice     x\n");
    assert!(text_of(&laid_out).ignores_case() && !text_of("a x\n").ignores_case());
}
