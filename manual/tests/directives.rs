//! docs/directives.md and the module's own table of directives say the same.

use std::fs;

use confine_manual::{links, workspace};

const PAGE: &str = "docs/directives.md";
const TABLE: &str = "src/config/directives/mod.rs";
/// The rows of httpd's own manual, in its order.
const ROWS: [&str; 7] = ["Syntax", "Default", "Context", "Override", "Status", "Module", "Compatibility"];

fn read(name: &str) -> String {
    fs::read_to_string(workspace().join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// Name, and whether it is allowed in directory sections, of each directive that is the module's own and that a person
/// writes (`</ConfineLandlock>` and what is for tests are none).
fn own_directives(table: &str) -> Vec<(String, bool)> {
    let entry = |line: &str| {
        let (start, rest) = line.trim().split_once("(c\"")?;
        let (name, rest) = rest.split_once('"')?;
        let allowed_in = rest.split(',').nth(2)?.trim();
        let is_own = ["Entry::of", "Entry::section"].contains(&start) && allowed_in != "AllowedIn::FILE_INFO";
        let is_written = !name.starts_with("</") && name != "ConfineFault";
        (is_own && is_written).then(|| {
            assert!(
                ["ANYWHERE", "SERVER"].contains(&allowed_in),
                "{name}: {allowed_in} is not known to this test"
            );
            (name.trim_start_matches('<').to_owned(), allowed_in == "ANYWHERE")
        })
    };
    table.lines().filter_map(entry).collect()
}

/// The tables of the page that describe directives, as their rows: first cell, second cell.
fn described(page: &str) -> Vec<Vec<(String, String)>> {
    let tables = page.split("| | |\n|---|---|\n").skip(1);
    let row = |line: &str| {
        let (name, text) = line.strip_prefix("| ")?.strip_suffix(" |")?.split_once(" | ")?;
        Some((name.to_owned(), text.to_owned()))
    };
    let rows = |table: &str| table.lines().map_while(row).collect::<Vec<_>>();
    tables.map(rows).filter(|rows| rows.first().is_some_and(|(name, _)| name == "Syntax")).collect()
}

/// Whether this table's syntax is about the directive.
fn is_about(rows: &[(String, String)], name: &str) -> bool {
    let syntax = rows.iter().filter(|(row, _)| row == "Syntax").map(|(_, text)| text);
    let mut words = syntax.flat_map(|text| text.split(|c: char| !c.is_alphanumeric() && c != '_'));
    words.any(|word| word == name)
}

#[test]
fn each_directive_has_its_table_with_the_rows_of_httpds_manual() {
    let page = read(PAGE);
    let tables = described(&page);
    for rows in &tables {
        let names: Vec<&str> = rows.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ROWS, "{:?}", rows.first());
    }
    for (name, in_directories) in own_directives(&read(TABLE)) {
        // Directives that one heading names share its table.
        let section = page.split("\n### ").find(|section| {
            let heading = section.lines().next().unwrap_or_default();
            heading.split([',', ' ', '<', '>', '\\']).any(|word| word == name)
        });
        let mut own = section.map(described).unwrap_or_default();
        own.extend(tables.iter().filter(|rows| is_about(rows, &name)).cloned());
        let rows = own.first().unwrap_or_else(|| panic!("{PAGE}: {name} has no table"));
        let cell = |row: &str| rows.iter().find(|(name, _)| name == row).map_or("", |(_, text)| text);
        let in_ruleset = name.starts_with("Landlock") && name != "LandlockIncludeDir";
        assert!(cell("Override").contains("not allowed in `.htaccess`"), "{name}");
        assert!(cell("Module").contains("mod_confine"), "{name}");
        assert_eq!(
            cell("Context").contains("directory"),
            in_directories || name == "selinuxServerDomain",
            "{name}"
        );
        let place = if in_ruleset { "<ConfineLandlock>" } else { "server config" };
        assert!(cell("Context").contains(place), "{name}: {}", cell("Context"));
    }
}

/// The row names the version that brought the directive, and the changelog has that version.
#[test]
fn each_directive_says_since_which_version_it_is_there() {
    let changes = read("CHANGELOG.md");
    let versions: Vec<&str> = changes.lines().filter(|line| line.starts_with("## ")).collect();
    for rows in described(&read(PAGE)) {
        let cell = |row: &str| rows.iter().find(|(name, _)| name == row).map_or("", |(_, text)| text);
        let (since, _) = cell("Compatibility").split_once(" and newer").unwrap_or_else(|| panic!("{rows:?}"));
        let version = since.strip_prefix("mod_confine ").unwrap_or_else(|| panic!("{rows:?}"));
        assert!(
            versions.iter().any(|heading| heading.contains(&format!("{version}."))),
            "{version}: {rows:?}"
        );
    }
}

#[test]
fn the_list_at_the_head_is_complete() {
    let page = read(PAGE);
    let (head, _) = page.split_once("\n## Rules\n").unwrap_or_else(|| panic!("{PAGE}: no section Rules"));
    let anchors = links::anchors(&page);
    let directives = own_directives(&read(TABLE));
    assert!(directives.len() > 30, "{}: {directives:?}", directives.len());
    for (name, _) in directives {
        let plain = head.split_once(&format!("[{name}](#"));
        let link = plain.or_else(|| head.split_once(&format!("[`<{name}>`](#")));
        let (_, rest) = link.unwrap_or_else(|| panic!("{PAGE}: the list at the head lacks {name}"));
        let anchor = rest.split(')').next().unwrap_or_default();
        assert!(anchors.iter().any(|a| a == anchor), "{PAGE}: {name} leads to #{anchor}, which is not there");
    }
}

#[test]
fn the_table_is_read_as_it_is_written() {
    let table = "    Entry::of(c\"A\", rules::a, ANYWHERE, c\"X\"),\n    Entry::of(c\"SetHandler\", s, AllowedIn::FILE_INFO, c\"\"),\n\
         Entry::section(c\"<B\", landlock::b, SERVER, c\"NAME>\"),\n    Entry::section(c\"</B>\", x, SERVER, c\"\"),\n\
         Entry::of_another(c\"SSLUserName\", m, OF_MOD_SSL, c\"\"),\n";
    assert_eq!(own_directives(table), [("A".to_owned(), true), ("B".to_owned(), false)]);
}

/// The command, too, which tells a misspelt one from one that is unknown because the module is not loaded.
#[test]
fn the_command_knows_each_directive() {
    const LIST: &str = "confinectl/src/directives.rs";
    let source = read(LIST);
    let (_, list) = source.split_once("const NAMES").unwrap_or_else(|| panic!("{LIST}: no NAMES"));
    let (list, _) = list.split_once("];").unwrap_or_else(|| panic!("{LIST}: no end of NAMES"));
    let known: Vec<&str> = list.split('"').skip(1).step_by(2).collect();
    let own: Vec<String> = own_directives(&read(TABLE)).into_iter().map(|(name, _)| name).collect();
    assert_eq!(known, own, "{LIST} and {TABLE}");
}

/// mod_confine(8) has a line for each.
#[test]
fn the_manual_page_names_each_directive() {
    const MANUAL_PAGE: &str = "docs/man/mod_confine.8";
    let page = read(MANUAL_PAGE);
    let words: Vec<&str> = page.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
    let directives = own_directives(&read(TABLE));
    assert!(directives.len() > 20, "{directives:?}");
    for (name, _) in directives {
        assert!(words.contains(&name.as_str()), "{MANUAL_PAGE} does not name {name}");
    }
}
