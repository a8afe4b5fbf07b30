//! A directive that cannot be carried out is an error when the server starts, and when its configuration is checked.
//! The error names the line, the fault and the remedy.

use confine_tests::{Cell, Gate, Mpm, Refusal, tenants::*};

/// Reading the configuration does not depend on the MPM or the gate.
const ANY: Cell = Cell { mpm: Mpm::Event, gate: Gate::Process };

/// The refusal of `lines`, where the line that contains `culprit` has to be named.
#[track_caller]
fn refused(lines: &str, culprit: &str) -> Refusal {
    let refusal = leaky_app(ANY).config(lines).refused();
    refusal.points_at(culprit);
    refusal
}

#[test]
fn an_unknown_ruleset() {
    let line = "ConfineContext landlock:nobody";
    refused(line, line).says(&[
        "landlock:nobody: there is no ruleset of this name",
        "<ConfineLandlock nobody>",
        "alice, bob",
    ]);
}

#[test]
fn a_backend_that_is_not_active() {
    let line = "ConfineContext selinux:httpd_dog_t:s0";
    refused(line, line).says(&["selinux", "not active in this kernel"]);
}

/// Without a question to the kernel nobody would notice these: a domain of SELinux, and a variable that nobody sets.
#[test]
fn a_backend_that_is_misspelt() {
    for line in [
        "ConfineContext landlok:alice",
        "ConfineEarly landlok:alice",
        "ConfineEnv landlok:TENANT",
        "ConfineExpr \"landlok:%{REMOTE_USER}\"",
        "ConfineExpr \"expr=land-lock:%{REMOTE_USER}\"",
    ] {
        refused(line, line).says(&["there is no backend called \"land", "write landlock: if that was meant"]);
    }
    let line = "ConfineContext Unconfined";
    refused(line, line).says(&["write unconfined if that was meant"]);
}

#[test]
fn tomoyo_where_it_is_not_active() {
    let line = "ConfineContext tomoyo://dog";
    refused(line, line).says(&["tomoyo", "not active in this kernel"]);
    for directive in ["TOMOYO_TransitionMap", "CCS_TransitionMap"] {
        let line = format!("{directive} table.conf");
        let refusal = leaky_app(ANY).config(&line).file("table.conf", "/srv/\\* //dog\n").refused();
        refusal.points_at(&line);
        refusal.says(&["/table.conf:1: ", "tomoyo is not active in this kernel"]);
    }
}

#[test]
fn a_table_of_tomoyos_module_with_a_bad_pattern() {
    let line = "TOMOYO_TransitionMap table.conf";
    let refusal = leaky_app(ANY).config(line).file("table.conf", "# x\nsrv/\\* //dog\n").refused();
    refusal.points_at(line);
    refusal.says(&["/table.conf:2: srv/", ": a pattern begins with /"]);
    let missing = leaky_app(ANY).config(line).refused();
    missing.says(&["/table.conf: cannot be read: No such file or directory"]);
}

#[test]
fn a_backend_of_a_later_version() {
    let line = "ConfineContext smack:dog";
    refused(line, line).says(&[
        "smack",
        "which this version does not offer",
        "selinux, apparmor, tomoyo, landlock",
    ]);
}

#[test]
fn a_bare_word_is_for_selinux_unless_said_otherwise() {
    let rule = "ConfineContext httpd_dog_t:s0";
    let refusal = application(ANY).config(rule).refused();
    refusal.points_at(rule).says(&["selinux is not active in this kernel"]);
    for rule in ["ConfineEnv TENANT", "ConfineExpr \"%{REMOTE_USER}\""] {
        let refusal = application(ANY).config(rule).refused();
        refusal.points_at(rule).says(&["selinux", "not active in this kernel", "ConfineBackend"]);
    }
}

#[test]
fn unconfined_beside_a_context() {
    let line = "ConfineContext landlock:alice unconfined";
    refused(line, line).says(&["unconfined must stand alone"]);
}

#[test]
fn a_context_twice_in_one_list() {
    let line = "ConfineContext landlock:alice landlock:alice";
    refused(line, line).says(&["is in the list twice"]);
}

/// A ruleset with one line in it.
fn ruleset(line: &str) -> String {
    format!("<ConfineLandlock tenant>\n{line}\n</ConfineLandlock>")
}

#[test]
fn a_path_that_does_not_exist() {
    let line = "LandlockRead /nonexistent/www";
    refused(&ruleset(line), line).says(&[
        "ruleset tenant: /nonexistent/www cannot be opened (ENOENT)",
        "create it, or correct the path",
    ]);
}

#[test]
fn a_fixed_part_that_does_not_exist_before_an_expression() {
    let line = "LandlockRead /nonexistent/%{REMOTE_USER}/data";
    refused(&ruleset(line), line).says(&["/nonexistent", "(ENOENT)"]);
}

#[test]
fn a_path_that_is_no_absolute_path() {
    for (line, reason) in [
        ("LandlockRead www/app", "is not absolute; begin it with /"),
        ("LandlockRead /srv/../etc", "holds the component \"..\""),
        ("LandlockRead /srv/%{REMOTE_USER", "has no closing brace"),
        ("LandlockRead /srv/%{}/data", "holds the empty expression %{}"),
        ("LandlockRead", "takes at least one path"),
    ] {
        refused(&ruleset(line), line).says(&[reason]);
    }
}

#[test]
fn an_expression_that_is_none() {
    let line = "LandlockRead /srv/%{nosuchfunction:x}/data";
    refused(&ruleset(line), line).says(&["nosuchfunction"]);
    let line = "ConfineExpr \"%{REMOTE_USER\"";
    refused(line, line).says(&["is not a string expression"]);
}

#[test]
fn a_right_that_the_kernel_lacks() {
    let newest = "LandlockABI 9";
    let refusal = leaky_app(ANY).config(ruleset(newest)).refused();
    refusal.points_at("<ConfineLandlock tenant>").says(&[
        "ruleset tenant: ",
        "asks for Landlock ABI 9, and this kernel has ABI",
        "boot Linux",
    ]);
}

#[test]
fn words_that_are_not_known() {
    for (line, right) in [
        ("ConfineUnmatched maybe", "deny or allow"),
        ("ConfineMode off", "enforce or report"),
        ("ConfineGate early", "process or handler"),
        ("ConfineOutOfProcess never", "deny or warn or allow"),
        ("ConfineAllowCache maybe", "on or off"),
        ("ConfineBackend smack", "selinux, apparmor, tomoyo, landlock"),
        ("ConfineGate process handler", "process or handler"),
        ("ConfineContext", "such as landlock:NAME"),
        ("ConfineMap one.map two.map", "exactly one file"),
        ("ConfineEnv", "exactly one name of an environment variable"),
        ("ConfineServerContext", "at least one context"),
    ] {
        refused(line, line).says(&[right]);
    }
    for (line, right) in [
        ("LandlockConnect 99999", "TCP ports (0 to 65535), \"none\" or \"any\""),
        ("LandlockConnect 80 any", "\"any\" stands alone"),
        ("LandlockBind http", "TCP ports (0 to 65535), \"none\" or \"any\""),
        ("LandlockScope everything", "\"signals\", \"abstract-sockets\" or \"none\""),
        ("LandlockABI many", "write a number, such as 2 (Linux 5.19)"),
    ] {
        refused(&ruleset(line), line).says(&[right]);
    }
}

#[test]
fn directives_in_the_wrong_place() {
    for line in [
        "ConfineGate handler",
        "ConfineBackend landlock",
        "ConfineServerContext landlock:alice",
        "LandlockRead /usr",
    ] {
        let name = line.split(' ').next().unwrap_or(line);
        let lines = format!("<Directory \"@root@/www\">\n{line}\n</Directory>");
        leaky_app(ANY).config(&lines).refused().says(&[name, "not allowed"]);
    }
    let line = "LandlockWrite /tmp";
    refused(line, line).says(&["LandlockWrite", "stands outside of a section <ConfineLandlock NAME>"]);
    refused(
        "<Location \"/\">\n<ConfineLandlock inner>\n</ConfineLandlock>\n</Location>",
        "<ConfineLandlock inner>",
    )
    .says(&["not allowed"]);
    refused(&ruleset("<ConfineLandlock nested>\n</ConfineLandlock>"), "<ConfineLandlock nested>")
        .says(&["has no meaning here"]);
}

#[test]
fn a_rule_inside_a_ruleset() {
    let line = "ConfineContext landlock:alice";
    refused(&ruleset(line), line).says(&["ConfineContext"]);
    let line = "ServerAdmin nobody@localhost";
    refused(&ruleset(line), line).says(&["ServerAdmin"]);
}

#[test]
fn sections_that_are_not_closed_or_not_opened() {
    refused("<ConfineLandlock tenant>\nLandlockRead /usr", "<ConfineLandlock tenant>")
        .says(&["<ConfineLandlock> was not closed"]);
    refused("</ConfineLandlock>", "</ConfineLandlock>").says(&["</ConfineLandlock>"]);
}

#[test]
fn names_of_rulesets() {
    refused("<ConfineLandlock alice>\n</ConfineLandlock>", "<ConfineLandlock alice>")
        .says(&["alice", "already"]);
    refused("<ConfineLandlock a/b>\n</ConfineLandlock>", "<ConfineLandlock a/b>")
        .says(&["is no name of a ruleset"]);
    refused("<ConfineLandlock>\n</ConfineLandlock>", "<ConfineLandlock>").says(&["name"]);
}

#[test]
fn directives_of_mod_selinux_without_selinux() {
    for line in
        ["selinuxServerDomain *:s0-s0:c0.c1023", "selinuxDomainVal *:s0:c1", "selinuxDomainEnv TENANT"]
    {
        refused(line, line).says(&["selinux", "not active in this kernel"]);
    }
}

#[test]
fn a_server_context_twice_or_in_a_virtual_host() {
    let first = "ConfineServerContext landlock:alice";
    refused(&format!("{first}\nConfineServerContext landlock:bob"), "ConfineServerContext landlock:bob")
        .says(&["already", "one context"]);
    refused(&format!("<VirtualHost *>\n{first}\n</VirtualHost>"), first).says(&["ConfineServerContext"]);
}

/// All that is wrong is said at once, so that it can be mended at once.
#[test]
fn every_fault_is_named() {
    let refusal = refused(
        "ConfineContext landlock:nobody\nConfineContext landlock:nowhere\nConfineMap missing.map",
        "ConfineContext landlock:nobody",
    );
    refusal.points_at("ConfineContext landlock:nowhere").points_at("ConfineMap missing.map");
}
