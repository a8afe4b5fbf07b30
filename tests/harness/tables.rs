//! Rules in a table: an SQLite file or a PostgreSQL server holds each user's contexts.

use crate::{
    Cell, ServerBuilder,
    services::{PostgreSql, Sqlite},
    tenants::{OPTIONAL_LOGIN, leaky_app},
};

/// Each user has the ruleset of the same name.
const ROWS: &str = "
CREATE TABLE tenants (name VARCHAR(64), context VARCHAR(200));
INSERT INTO tenants VALUES ('alice', 'landlock:alice'), ('bob', 'landlock:bob');
";

/// The statement that asks for a user's contexts, called `tenant`.
pub const PREPARE: &str = "DBDPrepareSQL \"SELECT context FROM tenants WHERE name = %s\" tenant";

/// A database with the table `tenants`.
pub enum Table {
    /// In a file.
    Sqlite(Sqlite),
    /// In a server.
    PostgreSql(PostgreSql),
}

impl Table {
    /// A table in a file.
    #[track_caller]
    pub fn sqlite() -> Self {
        Self::Sqlite(Sqlite::new(ROWS))
    }

    /// A table in a server.
    #[track_caller]
    pub fn postgresql() -> Self {
        Self::PostgreSql(PostgreSql::start(&format!("{ROWS}GRANT SELECT ON tenants TO web;")))
    }

    /// The directives that connect mod_dbd with it.
    pub fn directives(&self) -> String {
        match self {
            Self::Sqlite(file) => format!("DBDriver sqlite3\nDBDParams \"{}\"", file.file().display()),
            Self::PostgreSql(server) => format!("DBDriver pgsql\nDBDParams \"{}\"", server.connection()),
        }
    }

    /// Runs statements.
    #[track_caller]
    pub fn sql(&self, statements: &str) -> String {
        match self {
            Self::Sqlite(file) => file.sql(statements),
            Self::PostgreSql(server) => server.sql(statements),
        }
    }

    /// Sets a user's contexts, in SQL (`NULL`, `'landlock:alice'`).
    #[track_caller]
    pub fn set(&self, user: &str, contexts: &str) {
        self.sql(&format!("UPDATE tenants SET context = {contexts} WHERE name = '{user}';"));
    }

    /// Makes the database unreachable.
    pub fn stop(&mut self) {
        match self {
            Self::Sqlite(file) => file.stop(),
            Self::PostgreSql(server) => server.stop(),
        }
    }

    /// Makes the database reachable again.
    #[track_caller]
    pub fn start_again(&mut self) {
        match self {
            Self::Sqlite(file) => file.start_again(),
            Self::PostgreSql(server) => server.start_again(),
        }
    }
}

/// The leaky application, with `rule` for everything and with this database. Users who have a password are asked for
/// it, and everybody else is anonymous.
pub fn asking(cell: Cell, table: &Table, rule: &str) -> ServerBuilder {
    let lines = format!("{OPTIONAL_LOGIN}\n{}\n{PREPARE}\n{rule}", table.directives());
    leaky_app(cell).modules(["dbd"]).config(lines)
}
