//! Bodies of the fuzz targets for security contexts.

use super::text::{SecurityContext, Written};

/// Reads `text` as an administrator writes a context, and as the kernel prints one.
pub(crate) fn text(text: &str) {
    if let Some(context) = SecurityContext::parse(text) {
        assert_eq!(context.to_string(), text);
    }
    for own in ["system_u:system_r:httpd_t:s0", "system_u:system_r:httpd_t"] {
        let own = SecurityContext::parse(own).expect("a context");
        match Written::parse(text).and_then(|w| w.complete(&own)) {
            Ok(whole) => {
                let shown = whole.to_string();
                assert!(shown.bytes().all(|b| b.is_ascii_graphic() && b != b'*'), "{shown}");
                assert_eq!(SecurityContext::parse(&shown).as_ref(), Some(&whole));
                // A whole context means itself, whatever the server's own context is.
                let again = Written::parse(&shown).and_then(|w| w.complete(&own));
                assert_eq!(again.as_ref(), Ok(&whole), "{shown}");
            }
            Err(error) => {
                crate::fuzz_log::fit_for_a_log(&error.why);
                crate::fuzz_log::fit_for_a_log(&error.remedy);
            }
        }
    }
}
