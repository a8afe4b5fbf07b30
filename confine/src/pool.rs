//! Pools of processes: which one a request needs, as the server's children name it to the process that starts programs,
//! and the names of hosts by which mod_proxy knows pools.
//!
//! A pool has contexts, and the values of the expressions in the paths of their rulesets. Requests with other values have
//! another pool.
//!
//! ```
//! use confine::pool::Wanted;
//!
//! let name = Wanted::name(c"landlock:home", &[(0, b"alice".to_vec())]);
//! let wanted = Wanted::parse(name.to_str()?).ok_or("no name")?;
//! assert_eq!(wanted.shown(), "landlock:home(alice)");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod lines;
pub mod starts;

use std::{
    ffi::{CStr, CString},
    fmt::Write as _,
};

use crate::lsm::Values;

/// The name of the pool without contexts, for requests whose moves are only reported.
pub const UNCONFINED: &CStr = c"unconfined";

/// What the names of hosts begin with that stand for pools. The pool's number follows.
pub const HOST: &str = "confine-pool-";

/// Stands before each value. No context holds a control character.
const SEPARATOR: char = '\t';

/// What tells the pools of one program apart.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wanted {
    /// The contexts, as `CONFINE_CONTEXT` names them.
    pub contexts: String,
    /// The number and the value of each expression.
    values: Vec<(usize, Vec<u8>)>,
}

impl Wanted {
    /// The name of a pool: `CONTEXTS`, and for each expression a separator and `NUMBER=VALUE` in hexadecimal digits.
    pub fn name(contexts: &CStr, values: &[(usize, Vec<u8>)]) -> CString {
        let mut name = contexts.to_bytes().to_vec();
        for (number, value) in values {
            let mut text = format!("{SEPARATOR}{number}=");
            // Writing to a String cannot fail.
            for byte in value {
                let _ = write!(text, "{byte:02x}");
            }
            name.extend_from_slice(text.as_bytes());
        }
        CString::new(name).unwrap_or_default()
    }

    /// The name of the pool that is in the contexts of `early` and then in those of `own`, with the values of both.
    pub fn further(early: &CStr, own: &CStr) -> CString {
        let parts = |name: &CStr| {
            let name = name.to_bytes().to_vec();
            let end = name.iter().position(|byte| *byte == SEPARATOR as u8).unwrap_or(name.len());
            let values = name[end..].to_vec();
            (name[..end].to_vec(), values)
        };
        let ((first, of_first), (then, of_then)) = (parts(early), parts(own));
        CString::new([first, b" ".to_vec(), then, of_first, of_then].concat()).unwrap_or_default()
    }

    /// Reads what [`Wanted::name`] wrote.
    pub fn parse(name: &str) -> Option<Self> {
        let mut parts = name.split(SEPARATOR);
        let contexts = parts.next()?.to_owned();
        let value = |part: &str| {
            let (number, digits) = part.split_once('=')?;
            Some((number.parse().ok()?, bytes(digits)?))
        };
        Some(Self { contexts, values: parts.map(value).collect::<Option<_>>()? })
    }

    /// Whether its processes are in no context (report mode).
    pub fn is_unconfined(&self) -> bool {
        self.contexts.as_bytes() == UNCONFINED.to_bytes()
    }

    /// For people, and for the name of a folder: no two pools of a program are shown alike. The values stand in
    /// brackets, `landlock:home(alice)`; where all are the same, as where several paths hold the user's name, once.
    pub fn shown(&self) -> String {
        if self.values.is_empty() {
            return self.contexts.clone();
        }
        let mut values: Vec<_> = self.values.iter().map(|(_, value)| plain(value)).collect();
        // The contexts say how many there are.
        if values.iter().all(|value| *value == values[0]) {
            values.truncate(1);
        }
        format!("{}({})", self.contexts, values.join(","))
    }
}

/// The server's children evaluated the expressions, with all that a thread's move asks of them.
impl Values for Wanted {
    fn value(&self, index: usize) -> Result<Vec<u8>, String> {
        let found = self.values.iter().find(|(number, _)| *number == index);
        found.map(|(_, value)| value.clone()).ok_or_else(|| format!("no value for expression {index}"))
    }
}

/// A value as one word.
fn plain(value: &[u8]) -> String {
    let mut word = String::with_capacity(value.len());
    for byte in value {
        if byte.is_ascii_alphanumeric() || b"._-@+".contains(byte) {
            word.push(char::from(*byte));
        } else {
            let _ = write!(word, "%{byte:02X}");
        }
    }
    word
}

/// Bytes from their hexadecimal digits.
fn bytes(digits: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).map(|digit| digit as u8);
    let byte = |pair: &[u8]| match pair {
        [high, low] => Some(digit(high)? * 16 + digit(low)?),
        _ => None,
    };
    digits.as_bytes().chunks(2).map(byte).collect()
}

/// Whether a worker of mod_proxy with this name would take requests for a pool's host. In a name, `$1` stands for any
/// text.
pub fn takes_a_pools_host(worker: &str) -> bool {
    let worker = worker.trim_end_matches('>').to_ascii_lowercase();
    let url = worker.rsplit_once('|').map_or(worker.as_str(), |(_, url)| url);
    let Some(rest) = url.strip_prefix("fcgi://") else { return false };
    let host = rest.split('/').next().unwrap_or_default();
    let before = host.split('$').next().unwrap_or_default();
    host.starts_with(HOST) || (before.len() < host.len() && HOST.starts_with(before))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_reads_back_and_values_tell_pools_apart() {
        let values = vec![(3, b"al,ice".to_vec()), (7, vec![0xff, b'\t', b'='])];
        let name = Wanted::name(c"uid:www landlock:home", &values);
        let wanted = Wanted::parse(name.to_str().expect("text")).expect("a name");
        assert_eq!(wanted.contexts, "uid:www landlock:home");
        assert_eq!((wanted.value(3), wanted.value(7)), (Ok(values[0].1.clone()), Ok(values[1].1.clone())));
        assert!(wanted.value(0).is_err());
        assert_eq!(wanted.shown(), "uid:www landlock:home(al%2Cice,%FF%09%3D)");
        let same = Wanted::parse("landlock:home\t3=61\t4=61").expect("a name");
        assert_eq!(same.shown(), "landlock:home(a)");
        let plain = Wanted::parse("landlock:home").expect("a name");
        assert_eq!((plain.shown(), plain.is_unconfined()), ("landlock:home".to_owned(), false));
        assert_ne!(plain, Wanted::parse("landlock:home\t0=").expect("an empty value"));
        let both = Wanted::further(c"landlock:home\t3=61", c"landlock:app\t4=62");
        assert_eq!(both.as_c_str(), c"landlock:home landlock:app\t3=61\t4=62");
        assert_eq!(Wanted::further(c"landlock:a", c"landlock:b").as_c_str(), c"landlock:a landlock:b");
        for bad in ["landlock:x\t1", "landlock:x\t1=f", "landlock:x\tone=ff", "landlock:x\t1=+f"] {
            assert_eq!(Wanted::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn workers_of_other_hosts_do_not_match() {
        for worker in [
            "fcgi://confine-pool-7/",
            "unix:/run/php.sock|fcgi://confine-pool-7",
            "fcgi://$1",
            "FCGI://con$1/app",
            "unix:/x|fcgi://confine-pool-7>",
        ] {
            assert!(takes_a_pools_host(worker), "{worker}");
        }
        for worker in [
            "fcgi://localhost/$1",
            "fcgi://php$1",
            "http://confine-pool-7",
            "unix:/run/php.sock|fcgi://localhost/",
            "/app",
        ] {
            assert!(!takes_a_pools_host(worker), "{worker}");
        }
    }
}
