//! The pages.

use std::{fmt::Write as _, os::unix::fs::PermissionsExt, process::Command};

use confine_tests::ServerBuilder;

/// Files that the page of the CMS includes.
const INCLUDES: usize = 30;

/// Adds the page of a small CMS: classes in thirty files, and a list from a database.
pub fn with_cms(builder: ServerBuilder) -> Result<ServerBuilder, String> {
    let mut index = String::from("<?php\n");
    let mut builder = builder;
    for number in 0..INCLUDES {
        let mut class = format!("<?php\nclass Part{number} {{\n");
        for method in 0..40 {
            // Writing to a String cannot fail.
            let _ = writeln!(
                class,
                "    public function method{method}(array $row, string $suffix = 'x'): string {{\n        if \
                 (count($row) > {method} && isset($row['title'])) {{ return strtoupper($row['title']) . $suffix; }}\n\
                 \x20       return htmlspecialchars(implode(',', $row)) . '{number}-{method}';\n    }}"
            );
        }
        class.push_str("}\n");
        builder = builder.file(&format!("www/cms/part{number}.php"), class);
        let _ = writeln!(index, "require __DIR__ . '/part{number}.php';");
    }
    index.push_str(
        "$db = new PDO('sqlite:' . __DIR__ . '/cms.db');\n$out = '';\n\
         foreach ($db->query('SELECT id, title, body FROM post ORDER BY id DESC LIMIT 10') as $row) {\n    \
         $part = new ('Part' . ($row['id'] % 30));\n    $out .= $part->method1($row) . $part->method2($row, 'y');\n}\n\
         echo \"<html><body>$out</body></html>\";\n",
    );
    let builder = builder.file("www/cms/index.php", index);
    let database = builder.path("www/cms/cms.db");
    let rows = "CREATE TABLE post (id INTEGER PRIMARY KEY, title TEXT, body TEXT); WITH RECURSIVE n(i) AS (SELECT 1 \
                UNION ALL SELECT i + 1 FROM n WHERE i < 500) INSERT INTO post SELECT i, 'Title ' || i, \
                hex(zeroblob(200)) FROM n;";
    let made = Command::new("sqlite3").arg(&database).arg(rows).status();
    let made =
        made.map_err(|error| format!("sqlite3: {error}; install it (Debian: sqlite3, Fedora: sqlite)"))?;
    if !made.success() {
        return Err(format!("sqlite3 made no {}", database.display()));
    }
    let readable = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(&database, readable)
        .map_err(|error| format!("{}: {error}", database.display()))?;
    Ok(builder)
}
