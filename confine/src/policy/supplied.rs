//! Prepares a context that a request supplied.
//!
//! ```
//! use confine::{
//!     BackendName,
//!     backends::Backends,
//!     policy::supplied::{Unusable, prepare},
//!     value::{Given, ValueError},
//! };
//!
//! let backends = Backends::new(Vec::new()).unwrap_or_else(|errors| panic!("{errors:?}"));
//! let exemption = prepare(&Given::whole("unconfined"), BackendName::LANDLOCK, false, &backends);
//! assert!(matches!(exemption, Err(Unusable::Value(ValueError::Unconfined))));
//! ```

use crate::{
    backends::{Backends, Prepared},
    context::BackendName,
    lsm::PrepareError,
    value::{self, Given, ValueError},
};

/// Prepares a context that a request supplied. The server's own context would confine nothing. It is an error under
/// every directive, because a value does not exempt a request.
pub fn prepare(
    given: &Given,
    backend: BackendName,
    named: bool,
    backends: &Backends,
) -> Result<Prepared, Unusable> {
    let given = value::of_backend(given, backend, named)?;
    Ok(backends.prepare_value(backend, &given)?)
}

/// Why a value could not be prepared.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// It is not a context.
    #[error(transparent)]
    Value(#[from] ValueError),
    /// The backend refuses it.
    #[error(transparent)]
    Prepare(#[from] PrepareError),
}
