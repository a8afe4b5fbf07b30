//! Manual pages: one for the command, and one for each command below it.

use std::io;

use clap::Command;
use clap_mangen::{
    Man,
    roff::{Roff, bold, italic, roman},
};

use super::texts::{self, Text};
use crate::synopsis;

/// How the exit status begins in the description of a command.
const EXIT_STATUS: &str = "Exit status: ";

/// All pages, each with its name below `share`.
pub fn pages(mut definition: Command) -> io::Result<Vec<(String, Vec<u8>)>> {
    // This gives every command the names of the commands above it.
    definition.build();
    let mut pages = Vec::new();
    collect(&definition, &mut pages)?;
    Ok(pages)
}

fn collect(command: &Command, pages: &mut Vec<(String, Vec<u8>)>) -> io::Result<()> {
    pages.push((format!("man/man1/{}.1", name(command)), page(command)?));
    command.get_subcommands().filter(|c| !c.is_hide_set()).try_for_each(|c| collect(c, pages))
}

/// `confinectl-map-fmt`.
fn name(command: &Command) -> &str {
    command.get_display_name().unwrap_or_else(|| command.get_name())
}

fn page(command: &Command) -> io::Result<Vec<u8>> {
    let about = command.get_long_about().or_else(|| command.get_about()).map(ToString::to_string);
    let about = about.unwrap_or_default();
    let (description, statuses) = about.split_once(EXIT_STATUS).unwrap_or((&about, texts::EXIT_STATUS));
    let shown = command.clone().long_about(description.trim().to_owned()).disable_help_subcommand(true);
    let version = env!("CARGO_PKG_VERSION");
    let man = Man::new(shown);
    // There is no date, so a page is always the same. (The crate would leave the empty field out.)
    let mut page =
        format!(".TH {} 1 \"\" \"mod_confine {version}\" \"mod_confine\"\n", name(command)).into_bytes();
    man.render_name_section(&mut page)?;
    synopsis(command).to_writer(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if command.get_subcommands().next().is_some() {
        man.render_subcommands_section(&mut page)?;
    }
    more(command, statuses).to_writer(&mut page)?;
    // Between the values of an option the crate writes a line break after a blank line, which has broken the line
    // already.
    let page = String::from_utf8_lossy(&page).replace("\n.br\n\n.br\n", "\n.sp\n").into_bytes();
    Ok(page)
}

/// The crate's own names no values.
fn synopsis(command: &Command) -> Roff {
    let name = command.get_bin_name().unwrap_or_else(|| command.get_name());
    let mut line = vec![bold(name)];
    for piece in synopsis::pieces(command) {
        let (before, behind) = piece.around();
        line.push(roman(format!(" {before}")));
        line.extend(piece.option.as_deref().map(bold));
        line.extend((piece.option.is_some() && piece.value.is_some()).then(|| roman(" ")));
        line.extend(piece.value.as_deref().map(italic));
        line.push(roman(behind));
    }
    let mut roff = Roff::new();
    roff.control("SH", ["SYNOPSIS"]).text(line);
    roff
}

/// The parts that are not in the definition of the command line.
fn more(command: &Command, statuses: &str) -> Roff {
    let Text { files, examples, see_also } = texts::of(name(command));
    let mut roff = Roff::new();
    roff.control("SH", ["EXIT STATUS"]);
    for (status, meaning) in exit_statuses(statuses) {
        roff.control("TP", []).text([bold(status)]).text([roman(meaning)]);
    }
    roff.control("SH", ["FILES"]);
    for (file, meaning) in files {
        roff.control("TP", []).text([bold(*file)]).text([roman(*meaning)]);
    }
    roff.control("SH", ["EXAMPLES"]);
    for (i, (what, typed)) in examples.iter().enumerate() {
        if i > 0 {
            roff.control("PP", []);
        }
        roff.text([roman(*what)]);
        roff.control("PP", []).control("RS", ["4"]).control("nf", []);
        for line in typed.lines() {
            roff.text([bold(line)]);
        }
        roff.control("fi", []).control("RE", []);
    }
    roff.control("SH", ["SEE ALSO"]);
    let pages: Vec<_> =
        related(command).into_iter().chain(see_also.iter().map(ToString::to_string)).collect();
    roff.text([roman(pages.join(", "))]);
    roff
}

/// Splits `0 all is well, 1 something is to be mended; 2 wrong usage.` into its parts.
fn exit_statuses(text: &str) -> Vec<(&str, &str)> {
    let is_status = |at: &usize| {
        let begins = *at == 0 || text[..*at].ends_with(", ") || text[..*at].ends_with("; ");
        begins && matches!(text.as_bytes().get(*at..*at + 2), Some([b'0'..=b'9', b' ']))
    };
    let starts: Vec<_> = text.char_indices().map(|(at, _)| at).filter(is_status).collect();
    let ends = starts.iter().skip(1).copied().chain([text.len()]);
    let piece = |(start, end): (&usize, usize)| {
        let (status, meaning) = (&text[*start..*start + 1], &text[*start + 2..end]);
        (status, meaning.trim_end().trim_end_matches([',', ';', '.']))
    };
    starts.iter().zip(ends).map(piece).collect()
}

/// The pages of the commands above and below.
fn related(command: &Command) -> Vec<String> {
    let name = name(command);
    let above = name.rmatch_indices('-').map(|(at, _)| &name[..at]).filter(|n| texts::is_page(n));
    let below = command.get_subcommands().filter(|c| !c.is_hide_set()).map(self::name);
    above.chain(below).map(|page| format!("{page}(1)")).collect()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn statuses_are_told_apart_from_numbers_in_their_texts() {
        assert_eq!(
            exit_statuses("0 a rule matches, 1 none does, or 3 of them, the end; 2 wrong usage."),
            [("0", "a rule matches"), ("1", "none does, or 3 of them, the end"), ("2", "wrong usage")]
        );
        assert_eq!(exit_statuses("none"), []);
    }

    /// A command that is added must come with its texts.
    #[test]
    fn every_command_has_a_page_with_all_sections() {
        let pages = pages(crate::Cli::command()).expect("pages");
        assert!(pages.len() >= 9, "{}", pages.len());
        for (name, page) in pages {
            let page = String::from_utf8(page).expect("UTF-8");
            let name = name.trim_start_matches("man/man1/").trim_end_matches(".1");
            assert!(texts::is_page(name), "{name} has no texts in generate/texts.rs");
            for section in
                ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS", "FILES", "EXAMPLES", "SEE ALSO"]
            {
                let heading =
                    if section.contains(' ') { format!("\"{section}\"") } else { section.to_owned() };
                let behind = page.split_once(&format!("\n.SH {heading}\n")).map(|(_, b)| b);
                let behind = behind.unwrap_or_else(|| panic!("{name}: no {section}\n{page}"));
                assert!(!behind.is_empty() && !behind.starts_with(".SH"), "{name}: {section} is empty");
            }
            assert!(!page.contains("Exit status:") && !page.contains("generate"), "{page}");
        }
    }
}
