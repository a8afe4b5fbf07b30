//! SELinux: to be filled in.

use std::sync::Arc;

use super::{Backend, BackendName, Inactive, Move, PrepareError};

/// The backend.
#[derive(Default)]
pub struct Selinux;

impl Selinux {
    /// Looks at the running kernel.
    pub fn new() -> Self {
        Self
    }
}

impl Backend for Selinux {
    fn name(&self) -> BackendName {
        BackendName::SELINUX
    }

    fn active(&self) -> Result<(), Inactive> {
        Err(Inactive {
            backend: BackendName::SELINUX,
            why: "this build does not offer it yet".to_owned(),
            remedy: "use landlock".to_owned(),
        })
    }

    fn prepare(&self, text: &str) -> Result<Arc<dyn Move>, PrepareError> {
        Err(PrepareError {
            context: format!("selinux:{}", text.escape_debug()),
            why: "this build does not offer SELinux yet".to_owned(),
            errno: None,
            remedy: "use landlock".to_owned(),
        })
    }

    fn check(&self, text: &str) -> Result<(), PrepareError> {
        self.prepare(text).map(|_| ())
    }
}
