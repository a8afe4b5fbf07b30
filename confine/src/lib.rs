//! Chooses a security context for a request, and moves the calling thread into it for good.
//!
//! This library is the part of mod_confine, an Apache httpd module, that knows no web server. The module and the command
//! `confinectl` are built on it. A context belongs to a Linux security module: an SELinux context, a TOMOYO domain, an
//! AppArmor profile, or a Landlock ruleset.
//!
//! Data goes one way:
//! 1. A [`Subject`] has the facts of a request: the proven user, the client's address, the virtual host, the file.
//! 2. Rules give it a [`Context`]. They are in [maps](map) and in the [rules of a configuration](policy::decide), and
//!    the first rule that matches decides.
//! 3. A [backend](lsm::Backend) has made a [move](lsm::Move) of each context before the first request.
//! 4. [`enter`](lsm::Enter::enter) moves the calling thread. No function leads back.
//!
//! ```
//! use std::{error::Error, fs, path::Path, thread};
//!
//! use confine::{
//!     BackendName, ContextList, Origin, Subject,
//!     backends::{Backends, Prepared, SameContext},
//!     lsm::{Enter, NoValues, landlock::{PathAccess, PathRule, PathTemplate, RulesetSpec}},
//!     map::Map,
//! };
//!
//! # if confine::lsm::landlock::Landlock::abi().is_ok_and(|abi| abi >= 3) {
//! // A Landlock ruleset that grants reading below /usr, and a map that gives it to alice.
//! let origin = Origin::new("confine.conf", 1);
//! let (path, _) = PathTemplate::parse("/usr", 0)?;
//! let mut blog = RulesetSpec::new("blog", origin.clone());
//! blog.paths.push(PathRule { access: PathAccess::Read, path, optional: false, origin });
//! let backends = Backends::new(vec![blog]).map_err(|errors| errors[0].to_string())?;
//! let map = Map::parse(Path::new("users.map"), b"alice blog\n", BackendName::LANDLOCK)?;
//!
//! // What the map gives to a request of alice's.
//! let alice = Subject { user: Some(b"alice"), ..Subject::default() };
//! let hit = map.lookup(&alice).ok_or("no rule matches")?;
//! let words = map.list_text(hit.list).ok_or("no contexts")?.split(' ');
//! let contexts = ContextList::parse(words, BackendName::LANDLOCK)?;
//! let prepared = backends.prepare(&contexts, SameContext::Refused)?;
//! let Prepared::Moves(moves) = prepared else { return Err("the request is exempt".into()) };
//!
//! // A thread of its own moves. From then on the kernel refuses it everything else.
//! let served = thread::spawn(move || {
//!     for step in &moves.steps {
//!         step.ready(&NoValues)?.enter()?;
//!     }
//!     let (usr, passwd) = (fs::read_dir("/usr"), fs::read("/etc/passwd"));
//!     Ok::<_, confine::lsm::EnterError>((usr.is_ok(), passwd.is_ok()))
//! });
//! assert_eq!(served.join().expect("no panic")?, (true, false));
//! assert!(fs::read("/etc/passwd").is_ok(), "this thread has not moved");
//! # }
//! # Ok::<(), Box<dyn Error>>(())
//! ```
//!
//! The modules form layers. Each imports only modules below it:
//!
//! ```text
//! learn         what was watched, kept in files until it becomes a ruleset
//! watch         what a thread does while nothing confines it
//! policy        the rules of a configuration, and the decision for one request
//! map           files of rules: syntax, tables, copies
//! backends      all backends of this build, and the contexts that they have prepared
//! lsm           one backend for each security module
//! value         contexts that a request supplies
//! dump, status  what the module tells: to confinectl, and on its status page
//! neighbours    what a process can no longer do to others of its user
//! hints, php    texts about applications that several programs use
//! pool          names of pools of processes
//! context, subject, origin, problem, field, bytes, resting, spelling, tally, bpf
//! ```

#[macro_use]
mod backend_list;

pub mod backends;
mod bpf;
pub mod bytes;
pub mod context;
pub mod dump;
pub mod field;
#[doc(hidden)]
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;
#[cfg(any(test, feature = "fuzzing"))]
mod fuzz_log;
pub mod hints;
pub mod learn;
pub mod lsm;
pub mod map;
pub mod neighbours;
pub mod origin;
pub mod php;
pub mod php_cgi;
pub mod policy;
pub mod pool;
pub mod problem;
pub mod resting;
pub mod spelling;
pub mod status;
pub mod subject;
pub mod tally;
pub mod value;
pub mod watch;

pub use context::{BackendName, Context, ContextList};
pub use origin::Origin;
pub use subject::Subject;
