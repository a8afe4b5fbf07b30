//! A rule that cannot ask its database is an error when the server starts. The error names the line, the fault and
//! the remedy. Whether the database answers is not checked, because it may start later.

use confine_tests::{
    Cell, Gate, Mpm, Refusal,
    tables::{Table, asking},
    tenants::*,
};

/// Reading the configuration does not depend on the MPM or the gate.
const ANY: Cell = Cell { mpm: Mpm::Event, gate: Gate::Process };

const RULE: &str = "ConfineMap dbd:tenant";

/// The refusal of a server whose statement `tenant` has one parameter, with `lines`, where the line `culprit` has
/// to be named.
#[track_caller]
fn refused(lines: &str, culprit: &str) -> Refusal {
    let refusal = asking(ANY, &Table::sqlite(), lines).refused();
    refusal.points_at(culprit);
    refusal
}

#[test]
fn without_mod_dbd() {
    let refusal = leaky_app(ANY).config(RULE).refused();
    refusal
        .points_at(RULE)
        .says(&["ConfineMap: dbd: needs mod_dbd, which is not loaded", "LoadModule dbd_module"]);
}

#[test]
fn a_label_that_nobody_prepared() {
    let line = "ConfineMap dbd:nobody";
    refused(line, line).says(&[
        "no DBDPrepareSQL here prepares a statement called \"nobody\"; there are: tenant; write one, such as \
         DBDPrepareSQL",
    ]);
    // Labels differ by case, as in mod_dbd.
    let line = "ConfineMap dbd:Tenant";
    refused(line, line).says(&["called \"Tenant\"; there are: tenant"]);
}

#[test]
fn a_label_that_is_prepared_elsewhere() {
    let elsewhere =
        "<VirtualHost 127.0.0.1:1>\nDBDPrepareSQL \"SELECT c FROM t WHERE a = %s\" far\n</VirtualHost>";
    let line = "ConfineMap dbd:far";
    refused(&format!("{elsewhere}\n{line}"), line).says(&["called \"far\"; there are: tenant;"]);
    let other = format!("{elsewhere}\n<VirtualHost 127.0.0.1:2>\n{line}\n</VirtualHost>");
    refused(&other, line).says(&["called \"far\""]);
}

#[test]
fn a_label_with_two_statements() {
    let second = "DBDPrepareSQL \"SELECT name FROM tenants\" tenant";
    let lines = format!("{RULE}\n<VirtualHost 127.0.0.1:1>\n{second}\n</VirtualHost>");
    refused(&lines, RULE).says(&[
        "\"tenant\" is the label of two statements, at ",
        " and at ",
        "another label",
    ]);
    let away = "DBDPrepareSQL tenant";
    let lines = format!("{RULE}\n<VirtualHost 127.0.0.1:1>\n{away}\n</VirtualHost>");
    refused(&lines, RULE).says(&["the statement \"tenant\" is taken away at "]);
}

#[test]
fn another_number_of_parameters() {
    let line = "ConfineMap dbd:tenant %{REMOTE_USER} %{SERVER_NAME}";
    refused(line, line).says(&["the statement \"tenant\" at ", "has 1 parameter, and 2 values are given"]);
    let prepare = "DBDPrepareSQL \"SELECT c FROM t WHERE a = %s AND b = %d\" two";
    let line = "ConfineMap dbd:two ttl=5";
    refused(&format!("{prepare}\n{line}"), line)
        .says(&["the statement \"two\" at ", "has 2 parameters, and one value is given, the proven user"]);
    let line = "ConfineMap dbd:two ttl=5 %{REMOTE_USER}";
    refused(&format!("{prepare}\n{line}"), line).says(&["has 2 parameters, and 1 values are given"]);
    let prepare = "DBDPrepareSQL \"SELECT c FROM t WHERE a LIKE '%%s'\" none";
    let line = "ConfineMap dbd:none";
    refused(&format!("{prepare}\n{line}"), line).says(&["has 0 parameters, and one value is given"]);
    let prepare = "DBDPrepareSQL \"SELECT c FROM t WHERE a = %pDb\" binary";
    let line = "ConfineMap dbd:binary";
    refused(&format!("{prepare}\n{line}"), line).says(&["its parameter %pDb is for binary data; write %s"]);
}

#[test]
fn options_that_are_none() {
    for (line, reason) in [
        ("ConfineMap dbd:", "dbd: has nothing behind it"),
        ("ConfineMap dbd:tenant ttl=soon", "it takes a whole number from 0 to 86400"),
        ("ConfineMap dbd:tenant ttl=-1", "it takes a whole number from 0 to 86400"),
        ("ConfineMap dbd:tenant entries=0", "it takes a whole number from 1 to 1000000"),
        ("ConfineMap dbd:tenant tll=5", "\"tll=5\" is no option; there are ttl=, entries= and rows="),
        ("ConfineMap dbd:tenant %{nosuchfunction:x}", "nosuchfunction"),
    ] {
        refused(line, line).says(&[reason]);
    }
}

#[test]
fn a_backend_that_is_not_active() {
    let lines = format!("ConfineBackend selinux\n{RULE}");
    refused(&lines, RULE).says(&["selinux is not active in this kernel"]);
}

/// A statement in a conditional section or a macro counts at its place.
#[test]
fn a_statement_may_stand_wherever_mod_dbd_takes_it() {
    let prepare = "DBDPrepareSQL \"SELECT context FROM ${TABLE} WHERE name = %s\"";
    let lines = format!(
        "Define TABLE tenants
         <IfModule mod_dbd.c>\n<IfDefine TABLE>\n{prepare} inner\n</IfDefine>\n</IfModule>
         <Macro Prepare $label>\n{prepare} $label\n</Macro>
         Use Prepare by_macro
         <VirtualHost 127.0.0.1:@port@>
         {prepare} of_host
         {prepare} inner
         <Location \"/app\">\nConfineMap dbd:of_host\nConfineMap dbd:inner ttl=0\nConfineMap dbd:by_macro\n</Location>
         </VirtualHost>"
    );
    let table = Table::sqlite();
    let server = asking(ANY, &table, &lines).modules(["macro"]).start();
    let response = server.client().get_as("alice", &note_of(&server, "alice"));
    response.expect_content(NOTE_OF_ALICE).expect_context("landlock:alice");
}

/// A file of such a name is still a file.
#[test]
fn a_file_called_dbd() {
    let line = "ConfineMap ./dbd:tenant";
    let server = leaky_app(ANY).file("dbd:tenant", "* landlock:alice\n").config(line).start();
    server.client().get(&note_of(&server, "alice")).expect_content(NOTE_OF_ALICE);
}
