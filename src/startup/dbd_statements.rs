//! The statements of `ConfineMap dbd:LABEL`, as mod_dbd's directives prepare them.
//!
//! APR's drivers read as many values as the statement has parameters, whatever number of values they are told. So the
//! number of parameters must be known before the first request. It is read from the configuration.

use std::ffi::CStr;

use confine::policy::{database::Parameters, facts::Statement};

use crate::httpd::{
    config_tree::{self, Line},
    database,
    expression::Expression,
    server::Server,
};

/// The lines `DBDPrepareSQL`. `DBDDriver` cannot be read: the server carries it out while it reads it, and does not
/// keep it in the configuration tree.
pub struct Statements(Vec<Line>);

impl Statements {
    /// Reads them from the configuration.
    pub fn of(main: &Server<'_>) -> Self {
        Self(config_tree::lines(main, c"DBDPrepareSQL"))
    }

    /// The statement of a rule. It runs for the rule's virtual host (`server`), or for all hosts if the rule stands
    /// outside of them.
    pub fn find(
        &self,
        label: &CStr,
        parameters: &Parameters<Expression>,
        server: &Server<'_>,
    ) -> Result<Statement, String> {
        if !database::is_there() {
            const MISSING: &str = "dbd: needs mod_dbd, which is not loaded; add LoadModule dbd_module \
                modules/mod_dbd.so, and DBDDriver and DBDParams for the database";
            return Err(MISSING.to_owned());
        }
        let (line, sql) = self.the_only(label, server)?;
        let statement = Statement { label: label.to_owned(), sql: sql.to_owned() };
        let named = format!("the statement {label:?} at {}", line.origin);
        let has = statement.parameters().map_err(|error| format!("{named} cannot be asked: {error}"))?;
        check_count(&named, has, parameters).map(|()| statement)
    }

    /// The statement of this label that applies to `server`. All lines of the label must agree: mod_dbd shares
    /// connections between virtual hosts, and with a connection also the statements that are prepared on it.
    fn the_only(&self, label: &CStr, server: &Server<'_>) -> Result<(&Line, &CStr), String> {
        let mut found: Option<(&Line, &CStr)> = None;
        let labelled = self.0.iter().filter_map(|line| match &line.words[..] {
            [sql, own] if **own == *label => Some((line, Some(&**sql))),
            // A line with only a label removes an inherited statement.
            [own] if **own == *label => Some((line, None)),
            _ => None,
        });
        for (line, sql) in labelled {
            let at = &line.origin;
            let sql = sql.ok_or_else(|| {
                format!("the statement {label:?} is taken away at {at}; remove that line, or name another statement")
            })?;
            match found {
                Some((first, other)) if other != sql => {
                    return Err(format!(
                        "{label:?} is the label of two statements, at {} and at {at}, and both places may share a \
                         connection; give one of them another label",
                        first.origin
                    ));
                }
                Some((first, _)) if first.counts_for(server) => {}
                _ => found = Some((line, sql)),
            }
        }
        found.filter(|(line, _)| line.counts_for(server)).ok_or_else(|| {
            format!(
                "no DBDPrepareSQL here prepares a statement called {label:?}; {}; write one, such as DBDPrepareSQL \
                 \"SELECT context FROM tenants WHERE name = %s\" {}, outside of <VirtualHost> or in that of this rule",
                self.names(server),
                label.to_string_lossy()
            )
        })
    }

    /// The statements that there are.
    fn names(&self, server: &Server<'_>) -> String {
        let label = |line: &Line| line.words.last().map(|label| label.to_string_lossy().into_owned());
        let names: Vec<_> = self.0.iter().filter(|line| line.counts_for(server)).filter_map(label).collect();
        if names.is_empty() { "there is none".to_owned() } else { format!("there are: {}", names.join(", ")) }
    }
}

/// Whether as many values are given as the statement `named` has parameters.
fn check_count(named: &str, has: usize, parameters: &Parameters<Expression>) -> Result<(), String> {
    let (given, remedy) = match parameters {
        Parameters::User if has == 1 => return Ok(()),
        Parameters::Values(values) if has == values.len() => return Ok(()),
        Parameters::User => (
            "one value is given, the proven user".to_owned(),
            "write %s in it where the user belongs, or an expression for each parameter behind the label",
        ),
        Parameters::Values(values) => (
            format!("{} values are given", values.len()),
            "write one expression for each parameter (in the statement %% stands for a percent sign)",
        ),
    };
    let has = match has {
        1 => "1 parameter".to_owned(),
        n => format!("{n} parameters"),
    };
    Err(format!("{named} has {has}, and {given}; {remedy}"))
}
