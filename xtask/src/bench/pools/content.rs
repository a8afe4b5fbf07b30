//! The pages, and PHP's settings.

use std::{
    fmt::Write as _,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use confine_tests::ServerBuilder;

/// Files that the page of the CMS includes.
const INCLUDES: usize = 30;

/// The extensions that Debian's packages php-cgi and php-sqlite3 bring. What else a machine has makes each start of PHP
/// dearer, so the costs of starts and memory are measured with these.
const EXTENSIONS: [&str; 21] = [
    "opcache",
    "pdo",
    "calendar",
    "ctype",
    "exif",
    "ffi",
    "fileinfo",
    "ftp",
    "gettext",
    "iconv",
    "pdo_sqlite",
    "phar",
    "posix",
    "readline",
    "shmop",
    "sockets",
    "sqlite3",
    "sysvmsg",
    "sysvsem",
    "sysvshm",
    "tokenizer",
];

/// The folder below the server's in which [`with_settings`] puts PHP's settings.
pub const SETTINGS: &str = "php";

/// Adds settings of PHP that load the extensions above and no others. A machine that keeps them elsewhere than Debian
/// does gets an empty folder, which loads none.
pub fn with_settings(builder: ServerBuilder) -> Result<ServerBuilder, String> {
    let mut builder = builder.file(&format!("{SETTINGS}/00-none.ini"), "");
    let Some(folder) = settings_of_php_cgi() else { return Ok(builder) };
    let told = |error: std::io::Error| format!("{}: {error}", folder.display());
    for entry in fs::read_dir(&folder).map_err(told)? {
        let file = entry.map_err(told)?.file_name();
        // They are called as the order in which they are read and the extension: 20-ctype.ini.
        let name = file.to_string_lossy().into_owned();
        let extension = name.split_once('-').and_then(|(_, rest)| rest.strip_suffix(".ini"));
        if extension.is_some_and(|extension| EXTENSIONS.contains(&extension)) {
            let text = fs::read_to_string(folder.join(&file)).map_err(told)?;
            builder = builder.file(&format!("{SETTINGS}/{name}"), text);
        }
    }
    Ok(builder)
}

/// The folder that Debian's php-cgi reads, of the newest PHP.
fn settings_of_php_cgi() -> Option<PathBuf> {
    let versions =
        fs::read_dir("/etc/php").ok()?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let folder = Path::new("/etc/php").join(versions.max()?).join("cgi/conf.d");
    folder.is_dir().then_some(folder)
}

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
