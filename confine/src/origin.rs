//! Where a rule or a definition was written, so that every message can say it.
//!
//! ```
//! use confine::Origin;
//!
//! assert_eq!(Origin::new("/etc/apache2/users.map", 7).to_string(), "/etc/apache2/users.map:7");
//! ```

use std::{fmt, path::Path, sync::Arc};

use serde::{Deserialize, Serialize};

/// A file and a line (counted from 1). Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Origin {
    /// The file as the administrator named it.
    #[serde(with = "file")]
    pub file: Arc<Path>,
    /// Line in that file, from 1.
    pub line: u32,
}

impl Origin {
    /// An origin at `line` of `file`.
    pub fn new(file: impl AsRef<Path>, line: u32) -> Self {
        Self { file: Arc::from(file.as_ref()), line }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)
    }
}

/// A file's name as JSON. It need not be UTF-8.
mod file {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt, path::Path, sync::Arc};

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::bytes::Bytes;

    pub fn serialize<S: Serializer>(file: &Arc<Path>, serializer: S) -> Result<S::Ok, S::Error> {
        Bytes::from(file.as_os_str().as_bytes()).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<Path>, D::Error> {
        Bytes::deserialize(deserializer).map(|bytes| Arc::from(Path::new(OsStr::from_bytes(&bytes))))
    }
}
