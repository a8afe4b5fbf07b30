//! Looks at the programs that have processes of their own (`<ConfineFastCGI>`).

use std::path::{Path, PathBuf};

use confine::{lsm::uid::Uid, php_cgi, problem::Problem};

use super::facts::{Seen, Unseen};

/// A section, and its program.
#[derive(Clone, Debug)]
pub struct PoolProgram {
    /// The name of the section.
    pub section: String,
    /// The program's file.
    pub file: PathBuf,
    /// Where that leads to, if it is a link.
    pub link: Option<PathBuf>,
    /// Whether it is a program that only root can change.
    pub trusted: Result<(), Problem>,
    /// The settings of PHP's own program.
    pub php: Option<Seen<php_cgi::Settings>>,
    /// How many processes all its contexts have together at most.
    pub total: u64,
}

/// `Total`, where it is not set.
const TOTAL: u64 = 200;

/// The programs of these directives, each a name and the rest of the line.
pub fn look(directives: &[(String, String)]) -> Vec<PoolProgram> {
    let mut found: Vec<PoolProgram> = Vec::new();
    let mut section = None;
    for (name, rest) in directives {
        let value = rest.trim_matches('"');
        match name.to_ascii_lowercase().as_str() {
            "<confinefastcgi" => section = Some(rest.trim_end_matches('>').trim_matches('"').to_owned()),
            "program" => {
                let Some(section) = &section else { continue };
                found.push(program(section, Path::new(value)));
            }
            "total" => {
                let last = found.last_mut().filter(|last| Some(&last.section) == section.as_ref());
                last.into_iter().for_each(|last| last.total = value.parse().unwrap_or(last.total));
            }
            other if other.starts_with('<') => section = None,
            _ => {}
        }
    }
    found
}

fn program(section: &str, file: &Path) -> PoolProgram {
    let real = file.canonicalize().ok().filter(|real| real != file);
    let is_php = file.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"php"));
    let settings = |files: &[PathBuf]| {
        php_cgi::read(files).map_err(|(file, error)| {
            Unseen::file(&file.display().to_string(), &error, "see whether the package of PHP is whole")
        })
    };
    PoolProgram {
        section: section.to_owned(),
        link: real,
        trusted: Uid::trusts(file),
        php: is_php.then(|| settings(&php_cgi::files(file))),
        file: file.to_owned(),
        total: TOTAL,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_by_their_sections() {
        let line = |name: &str, rest: &str| (name.to_owned(), rest.to_owned());
        let directives = [
            line("Program", "/outside"),
            line("<ConfineFastCGI", "php>"),
            line("Program", "/usr/bin/php-cgi"),
            line("Total", "50"),
            line("<ConfineFastCGI", "perl>"),
            line("Program", "\"/no/such app\""),
            line("<Directory", "\"/srv\">"),
            line("Total", "9"),
        ];
        let found = look(&directives);
        let told: Vec<_> =
            found.iter().map(|it| (it.section.as_str(), it.file.display().to_string(), it.total)).collect();
        let expected =
            [("php", "/usr/bin/php-cgi".to_owned(), 50), ("perl", "/no/such app".to_owned(), TOTAL)];
        assert_eq!(told, expected);
        assert!(found[0].php.is_some() && found[1].php.is_none());
        let problem = found[1].trusted.clone().expect_err("no program").to_string();
        assert!(problem.contains("cannot be opened"), "{problem}");
    }
}
