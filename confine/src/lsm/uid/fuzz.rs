//! The body of a fuzz target for names of users.

use super::Uid;
use crate::lsm::Backend;

/// Reads `text` as the name of a user. No name has room for a second one, a path or a field of passwd(5).
pub(crate) fn text(text: &str) {
    match Uid::check_form(text) {
        Ok(()) => {
            let shown = Uid::default().prepare(text).map(|user| user.context().to_string());
            assert_eq!(shown.ok(), Some(format!("uid:{text}")));
            assert!(!text.contains([':', '/', ',', ' ', '\n', '\0']) && text.parse::<u64>().is_err());
        }
        Err(error) => crate::fuzz_log::one_line(&error.to_string()),
    }
}
