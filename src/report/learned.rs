//! What is written down of a request in learn mode: all that it does, in the file of each of its rulesets.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
};

use confine::{
    field::Field,
    learn::{Deed, LearnFile, Learned},
    watch::{Act, Observer, Remark},
};

use super::log_line::field;
use crate::httpd::{
    log::{Level, ServerLog},
    request::Request,
};

/// The longest request that is written down beside what it did, in bytes.
const LONGEST: usize = 200;

/// One request that is learned from.
pub struct LearnedRequest {
    files: Vec<Arc<LearnFile>>,
    host: String,
    /// Method and path.
    request: String,
    log: ServerLog,
    said: Mutex<HashSet<Remark>>,
}

impl LearnedRequest {
    /// A request whose rulesets have these files.
    pub fn new(r: &Request<'_>, files: Vec<Arc<LearnFile>>) -> Self {
        let name = r.server().name().unwrap_or_default().to_bytes();
        let mut request = format!("{} {}", field(r.method()), field(r.uri()));
        request.truncate(LONGEST);
        Self {
            files,
            host: Field(Some(name)).to_string(),
            request,
            log: ServerLog::of(&r.server()),
            said: Mutex::default(),
        }
    }
}

impl Observer for LearnedRequest {
    fn saw(&self, act: &Act) {
        for deed in Deed::of(act) {
            let learned = Learned { deed, host: self.host.clone(), request: self.request.clone() };
            for file in &self.files {
                if let Err(stopped) = file.note(&learned) {
                    self.log.write(Level::Error, &format!("confine: {stopped}"));
                }
            }
        }
    }

    fn missed(&self, remark: Remark) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = said.insert(remark);
        drop(said);
        if is_new {
            self.log.write(Level::Warning, &format!("confine: learning {}: {remark}", self.request));
        }
    }
}
