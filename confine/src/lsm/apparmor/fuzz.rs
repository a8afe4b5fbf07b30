//! Bodies of the fuzz targets for profiles.

use super::text::{How, Label, Written};

/// Reads `text` as an administrator writes a context, and as the kernel prints a label.
pub(crate) fn text(text: &str) {
    let label = Label::parse(text.as_bytes());
    let _ = (label.is_unconfined(), label.complains(), label.names());
    match Written::parse(text) {
        Ok(written) => {
            let shown = written.to_string();
            assert_eq!(Written::parse(&shown), Ok(written));
            // The label that the kernel prints says that a thread that moved there is there.
            let printed = match written.how {
                How::Change => format!("{} (enforce)", written.name),
                How::Stack => format!("apache2//&{} (enforce)", written.name),
            };
            assert!(Label::parse(printed.as_bytes()).is_of(written), "{printed}");
            assert!(!written.name.contains('&') && !written.name.starts_with(':'));
        }
        Err(error) => {
            crate::fuzz_log::fit_for_a_log(&error.why);
            crate::fuzz_log::fit_for_a_log(&error.remedy);
        }
    }
}
