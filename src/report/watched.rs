//! The log lines about a watched request: each access that its rulesets refuse, once.
//!
//! The grammar is the common one. The kind of access and its object are in the place of the request's method and
//! path, which are at the end:
//!
//! `confine: would deny read /etc/passwd user=U addr=A vhost=V rule=FILE:LINE context=C: add LandlockRead
//! "/etc/passwd" (GET /x)`

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
};

use confine::{
    field::{Field, Reason, Words},
    lsm::landlock::Grants,
    watch::{Act, Observer, Remark},
};

use super::{
    Event, Grounds,
    log_line::{Place, field},
};
use crate::httpd::{
    log::{Level, ServerLog},
    request::Request,
};

/// The most lines about one request. Further lines would not help anybody.
const MOST_LINES: usize = 500;

/// One watched request.
pub struct WatchedRequest {
    event: Event,
    /// The method and the path.
    request: String,
    /// `user=U addr=A vhost=V rule=FILE:LINE`
    fields: String,
    rulesets: Vec<Arc<Grants>>,
    log: ServerLog,
    said: Mutex<Said>,
}

#[derive(Default)]
struct Said {
    denied: HashSet<(Vec<u8>, String)>,
    remarks: HashSet<Remark>,
    is_full: bool,
}

impl WatchedRequest {
    /// A request under these rulesets.
    pub fn new(r: &Request<'_>, event: Event, grounds: &Grounds<'_>, rulesets: Vec<Arc<Grants>>) -> Self {
        let addr = r.client().map_or_else(|| "-".to_owned(), |addr| addr.to_canonical().to_string());
        let rule = grounds.rule.map_or_else(|| "-".to_owned(), |rule| Place(rule).to_string());
        let (user, vhost) = (field(grounds.user), field(r.server().name()));
        Self {
            event,
            request: format!("{} {}", field(r.method()), field(r.uri())),
            fields: format!("user={user} addr={addr} vhost={vhost} rule={rule}"),
            rulesets,
            log: ServerLog::of(&r.server()),
            said: Mutex::default(),
        }
    }

    fn say(&self, event: Event, what: &str, ruleset: &str, reason: &str) {
        let context = format!("landlock:{ruleset}");
        let (fields, context, reason) = (&self.fields, Words(Some(&context)), Reason(reason));
        self.log
            .write(Level::Warning, &format!("confine: {event} {what} {fields} context={context}: {reason}"));
    }

    fn first_ruleset(&self) -> &str {
        self.rulesets.first().map_or("-", |ruleset| ruleset.name())
    }

    /// Whether this must be logged: it is new, and the request does not have too many lines yet.
    fn is_new(&self, object: &[u8], remedy: &str) -> bool {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.denied.len() < MOST_LINES {
            return said.denied.insert((object.to_vec(), remedy.to_owned()));
        }
        let was_full = std::mem::replace(&mut said.is_full, true);
        drop(said);
        if !was_full {
            let reason =
                format!("more than {MOST_LINES} accesses are refused; the others are not in this log");
            self.say(Event::Warned, &self.request, self.first_ruleset(), &reason);
        }
        false
    }
}

impl Observer for WatchedRequest {
    fn saw(&self, act: &Act) {
        for ruleset in &self.rulesets {
            let Err(denied) = act.asked_of(ruleset) else { continue };
            let (object, remedy) = (act.object(), denied.remedy());
            if self.is_new(&object, &format!("{} {remedy}", ruleset.name())) {
                let what = format!("{} {}", act.word(), Field(Some(&object)));
                self.say(self.event, &what, ruleset.name(), &format!("{remedy} ({})", self.request));
            }
        }
    }

    fn missed(&self, remark: Remark) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = said.remarks.insert(remark);
        drop(said);
        if is_new {
            self.say(Event::Warned, &self.request, self.first_ruleset(), &remark.to_string());
        }
    }
}
