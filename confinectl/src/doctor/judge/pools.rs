//! Findings about the programs that have processes of their own.

use super::super::{Diagnosis, Level, facts::Config, pools::PoolProgram};

const AREA: &str = "pools";

/// Interpreters in the server's process, beside which there are no pools.
const IN_PROCESS: [&str; 9] = [
    "php_module",
    "php5_module",
    "php7_module",
    "perl_module",
    "python_module",
    "ruby_module",
    "tcl_module",
    "wsgi_module",
    "passenger_module",
];

pub fn pools(d: &mut Diagnosis, config: &Config) {
    if config.pools.is_empty() {
        return;
    }
    for name in ["proxy", "proxy_fcgi"] {
        if !config.has(&format!("{name}_module")) {
            d.mend(
                Level::Error,
                AREA,
                format!("<ConfineFastCGI> needs mod_{name}, which is not loaded"),
                format!("add LoadModule {name}_module modules/mod_{name}.so (Debian: a2enmod {name})"),
            );
        }
    }
    for module in IN_PROCESS.iter().filter(|module| config.has(module)) {
        d.mend(
            Level::Error,
            AREA,
            format!(
                "{module} is loaded: scripts in the server's own processes could find the way to every pool"
            ),
            "take it out, and serve its scripts by a program of <ConfineFastCGI>",
        );
    }
    config.pools.iter().for_each(|program| of_program(d, program));
}

fn of_program(d: &mut Diagnosis, program: &PoolProgram) {
    let PoolProgram { section, file, link, trusted, php, total } = program;
    let shown = file.display();
    match trusted {
        Ok(()) => {
            let link =
                link.as_ref().map_or_else(String::new, |real| format!(", a link to {}", real.display()));
            d.ok(
                AREA,
                format!("{section}: {shown}{link}; only root can change it; at most {total} processes"),
            );
        }
        Err(problem) if file.exists() => d.mend(
            Level::Warning,
            AREA,
            format!("{section}: {}: whoever can change it runs code in every pool", problem.why),
            &problem.remedy,
        ),
        Err(problem) => d.mend(Level::Error, AREA, format!("{section}: {}", problem.why), &problem.remedy),
    }
    let Some(settings) = php else { return };
    let Some(settings) = d.seen(AREA, "the settings of PHP's program", settings) else { return };
    for (text, remedy) in settings.hints() {
        let level = if text.starts_with("opcache.file_cache") { Level::Warning } else { Level::Note };
        d.mend(level, AREA, format!("{section}: {text}"), remedy);
    }
}
