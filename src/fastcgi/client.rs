//! The side of the server's children: which socket leads to the pool of a request's contexts.

use std::{
    collections::HashMap,
    ffi::{CStr, CString},
    io,
    sync::{Arc, OnceLock, PoisonError, RwLock},
    time::Duration,
};

use super::{
    Programs, Running,
    table::{self, InFlight, NoPlace, POOLS, Place},
};
use confine::{lsm::EnterError, pool::HOST};

use crate::thread::{current, messages::Connection, outside, process};

/// How long a message to the manager may be, and its answer.
pub const REQUEST: usize = 4096;
/// See [`REQUEST`].
pub const ANSWER: usize = 1024;
/// How long the manager is waited for, which answers at once.
const PATIENCE: Duration = Duration::from_secs(5);

/// A pool as this child knows it.
pub struct Known {
    /// Its entry in the shared table.
    pub place: Place,
    /// The path of its socket.
    pub socket: CString,
    /// The handler by which mod_proxy finds it. The host's name in it belongs to this pool alone.
    pub handler: CString,
}

/// The pools of each section, by their names.
type Pools = HashMap<usize, HashMap<Box<CStr>, Arc<Known>>>;

static KNOWN: RwLock<Option<Pools>> = RwLock::new(None);
/// This child's number in the shared table.
static CHILD: OnceLock<Option<usize>> = OnceLock::new();

/// child_init: this child has requests in pools from now on.
pub fn child() {
    CHILD.get_or_init(|| table::table()?.enter_child(process::id()));
}

/// Why a request gets no pool.
pub enum Unavailable {
    /// It is refused for now.
    NoPlace(NoPlace),
    /// What the thread itself would be refused.
    NotAllowed(EnterError),
    /// The manager refuses to make it.
    Refused(String),
    /// The manager has no room for it now.
    NoRoom(String),
    /// The manager does not answer.
    NoManager(io::Error),
}

/// A place in the pool of this name (see [`Wanted`]) for one more request. `may_ask` runs before the manager is asked for
/// a pool that this child does not know.
///
/// [`Wanted`]: confine::pool::Wanted
pub fn enter(
    programs: &Programs,
    section: usize,
    name: &CStr,
    mut may_ask: impl FnMut() -> Result<(), EnterError>,
) -> Result<(Arc<Known>, InFlight), Unavailable> {
    let table = table::table().ok_or_else(|| Unavailable::NoManager(io::ErrorKind::NotFound.into()))?;
    let child = CHILD.get().copied().flatten();
    let bound = programs.programs.get(section).map_or(0, |program| program.bound().into());
    // A pool that is known may be gone, because its manager is: it is asked for once more.
    for known in [look_up(section, name), None] {
        let known = match known {
            Some(known) => known,
            None => {
                may_ask().map_err(Unavailable::NotAllowed)?;
                ask(programs, section, name)?
            }
        };
        match table.enter(known.place, child, bound) {
            Ok(in_flight) => return Ok((known, in_flight)),
            Err(NoPlace::Gone) => {}
            Err(no) => return Err(Unavailable::NoPlace(no)),
        }
    }
    Err(Unavailable::NoPlace(NoPlace::Gone))
}

fn look_up(section: usize, name: &CStr) -> Option<Arc<Known>> {
    let known = KNOWN.read().unwrap_or_else(PoisonError::into_inner);
    known.as_ref()?.get(&section)?.get(name).cloned()
}

/// Asks the manager.
fn ask(programs: &Programs, section: usize, name: &CStr) -> Result<Arc<Known>, Unavailable> {
    let Some(running) = programs.running() else {
        return Err(Unavailable::NoManager(io::ErrorKind::NotConnected.into()));
    };
    let message = [format!("{section} ").as_bytes(), name.to_bytes()].concat();
    if message.len() > REQUEST {
        return Err(Unavailable::Refused(
            "the names of its contexts, with the values in their paths, are too long".to_owned(),
        ));
    }
    let answer = match current::is_confined() {
        false => exchange(running, &message),
        // The policy of this thread's context may not let it talk to the manager.
        true => {
            outside::ask(move || match super::programs().as_ref().and_then(|programs| programs.running()) {
                Some(running) => exchange(running, &message),
                None => Err(io::ErrorKind::NotConnected.into()),
            })
            .unwrap_or_else(|| Err(io::ErrorKind::NotConnected.into()))
        }
    };
    let answer = answer.map_err(Unavailable::NoManager)?;
    let known = match answer.split_at_checked(1) {
        Some(("+", pool)) => known(running, pool),
        Some(("-", why)) => return Err(Unavailable::Refused(why.to_owned())),
        Some(("?", why)) => return Err(Unavailable::NoRoom(why.to_owned())),
        _ => None,
    };
    let known = known.ok_or_else(|| Unavailable::NoManager(io::ErrorKind::InvalidData.into()))?;
    let known = Arc::new(known);
    let mut pools = KNOWN.write().unwrap_or_else(PoisonError::into_inner);
    let of_section = pools.get_or_insert_default().entry(section).or_default();
    // Some of them are gone by now, and which ones is found out by asking.
    if of_section.len() >= POOLS {
        of_section.clear();
    }
    of_section.insert(name.into(), Arc::clone(&known));
    Ok(known)
}

fn known(running: &Running, answer: &str) -> Option<Known> {
    let mut words = answer.split(' ');
    let place = Place { index: words.next()?.parse().ok()?, pool: words.next()?.parse().ok()? };
    let name = words.next()?;
    let socket = running.folder.at(name);
    let handler = CString::new(format!("proxy:unix:{socket}|fcgi://{HOST}{}/", place.pool)).ok()?;
    Some(Known { place, socket: CString::new(socket).ok()?, handler })
}

/// Sends a message to the manager, and gives its answer. The connection is closed at once: what runs in another thread
/// of this process could use it by its number.
fn exchange(running: &Running, message: &[u8]) -> io::Result<String> {
    let folder = running.folder();
    let connection = Connection::to(&folder.at(folder.manager()), PATIENCE)?;
    connection.send(message)?;
    let mut room = [0; ANSWER + 1];
    match connection.receive(&mut room)? {
        [] => Err(io::ErrorKind::ConnectionReset.into()),
        answer => Ok(String::from_utf8_lossy(answer).into_owned()),
    }
}
