//! Whether the contexts of rules let pools of processes be: the program of a handler, beside the rule that gives its
//! requests their contexts. Looked at are contexts that are known at startup, of fixed rules and of maps.

use std::{
    collections::HashMap,
    ffi::OsStr,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use confine::{
    backends::{Moves, Prepared},
    context::{BackendName, Context},
    lsm::Move,
    policy::decide::{Rule, Source},
};

use crate::{
    config::{
        MapProgram, Mode, ServerConfig, Standing, WatchedMap, Written, WrittenPoolHandler, WrittenRule,
        fastcgi::{HANDLER, Program},
    },
    httpd::{expression::Expression, server::Server},
};

/// Something that stands in the way of the requests of one handler.
pub struct Obstacle {
    /// Whether the server must not start with it.
    pub is_fault: bool,
    /// What, beginning with file and line.
    pub text: String,
}

/// What is said of an obstacle that is not certain.
const ELSEWHERE: &str = "if another section gives these requests another rule, this does not matter";

/// How many lines of a map are told of one by one.
const MOST_TOLD: usize = 5;

/// A handler, and the rule that is nearest to it.
struct Meeting<'w> {
    handler: &'w WrittenPoolHandler,
    program: &'w Program,
    rule: &'w WrittenRule,
    /// The rule's number.
    number: usize,
    /// Why no context there may name a user.
    no_users: Vec<&'static str>,
    /// Whether requests are only reported there.
    is_reported: bool,
}

impl Meeting<'_> {
    /// Whether handler and rule stand in one section, so that nothing else decides. Other sections can overlap with
    /// theirs, and give the requests another rule.
    fn is_certain(&self) -> bool {
        self.handler.standing == self.rule.standing && !self.rule.standing.sections.is_empty()
    }
}

/// Each handler, in each server that has it, with the rule that is nearest to it.
fn meetings<'w>(main: &Server<'_>, written: &'w Written) -> Vec<Meeting<'w>> {
    let mut found = Vec::new();
    for handler in &written.pool_handlers {
        let Some(program) = written.programs.iter().find(|program| *program.name == *handler.name) else {
            continue;
        };
        let hosts = main.with_hosts().into_iter();
        for host in hosts.filter(|host| [host.id(), main.id()].contains(&handler.standing.server)) {
            found.extend(meeting(main, written, (handler, program), &host));
        }
    }
    found
}

fn meeting<'w>(
    main: &Server<'_>,
    written: &'w Written,
    (handler, program): (&'w WrittenPoolHandler, &'w Program),
    host: &Server<'_>,
) -> Option<Meeting<'w>> {
    let early = ServerConfig::of(host).and_then(|server| server.early);
    let place = Standing { server: host.id(), ..handler.standing.clone() };
    let all = written.rules.iter().enumerate().map(|(number, rule)| (&rule.standing, number));
    let number = place.nearest(all.filter(|(_, number)| early != Some(*number)), main.id())?;
    let mode = place.nearest(written.modes.iter().map(|(standing, mode)| (standing, *mode)), main.id());
    let is_reported = matches!(mode, Some(Mode::Report | Mode::Learn));
    let reported = is_reported.then_some(REPORTED);
    let behind_early = early.is_some().then_some(BEHIND_EARLY);
    let no_users = [reported, behind_early].into_iter().flatten().collect();
    Some(Meeting { handler, program, rule: &written.rules[number], number, no_users, is_reported })
}

const REPORTED: &str = "it names a user, and under ConfineMode report or learn the program would run as the server's own; \
                        write ConfineMode enforce here";

/// What is said where a pool runs all the same, in no context.
const NOT_YET: &str = "; requests are refused for it once ConfineMode enforce holds here";

const BEHIND_EARLY: &str = "it names a user, and ConfineEarly comes before every rule of this host, though uid: must be the \
                            first context of a process; write the rules of this host without ConfineEarly";

/// What stands in the way where the rule has fixed contexts.
pub fn of_handlers(main: &Server<'_>, written: &Written, rules: &[Rule<Expression>]) -> Vec<Obstacle> {
    let of_meeting = |meeting: &Meeting<'_>| {
        let Source::Constant(Prepared::Moves(moves)) = &rules[meeting.number].source else {
            return Vec::new();
        };
        let Meeting { handler, rule, program, .. } = meeting;
        let file = file_of(program);
        let not_executable =
            moves_of_threads(moves).find_map(|step| not_executable(&file, program.is_php(), step));
        let at = format!(
            "{}: SetHandler {HANDLER}{}: {} at {}",
            handler.origin, handler.name, rule.directive, rule.origin
        );
        let mut found = Vec::new();
        let mut add = |why: &str, is_counted: bool| {
            let (is_certain, is_fault) = (meeting.is_certain(), meeting.is_certain() && is_counted);
            let elsewhere = if is_certain { String::new() } else { format!("; {ELSEWHERE}") };
            let not_yet = if is_counted { "" } else { NOT_YET };
            found.push(Obstacle { is_fault, text: format!("{at}: {why}{not_yet}{elsewhere}") });
        };
        if moves.for_processes.is_some() {
            meeting.no_users.iter().for_each(|why| add(why, true));
        }
        if let Some(why) = not_executable {
            add(&why, !meeting.is_reported);
        }
        found
    };
    meetings(main, written).iter().flat_map(of_meeting).collect()
}

/// Notes with each map which programs have pools in its contexts.
pub fn note_programs(
    main: &Server<'_>,
    written: &Written,
    rules: &[Rule<Expression>],
    maps: &mut [WatchedMap],
) {
    for meeting in meetings(main, written) {
        let Source::Map(map) = &rules[meeting.number].source else { continue };
        let Some(watched) = maps.iter_mut().find(|watched| Arc::ptr_eq(&watched.map, map)) else { continue };
        let file = file_of(meeting.program);
        // The server's own handler meets the same map in each virtual host.
        if watched.programs.iter().any(|known| known.file == file) {
            continue;
        }
        let Meeting { handler, rule, .. } = &meeting;
        watched.programs.push(MapProgram {
            place: format!(
                "SetHandler {HANDLER}{} at {}, {} at {}",
                handler.name, handler.origin, rule.directive, rule.origin
            ),
            is_php: meeting.program.is_php(),
            is_certain: meeting.is_certain(),
            no_users: meeting.no_users.clone(),
            file,
        });
    }
}

/// What stands in the way where the rule is a map: lines whose contexts do not let a program run. It is no fault, since
/// such a line may be meant for requests that no pool serves.
pub fn of_map(watched: &WatchedMap) -> Vec<String> {
    watched.programs.iter().flat_map(|program| of_program(watched, program)).collect()
}

fn of_program(watched: &WatchedMap, program: &MapProgram) -> Vec<String> {
    let map = watched.map.current();
    let path = watched.map.path().display();
    // Many lists can share contexts.
    let mut asked: HashMap<Context, Option<String>> = HashMap::new();
    let mut may_execute = |step: &dyn Move| {
        if let Some(known) = asked.get(step.context()) {
            return known.clone();
        }
        let found = not_executable(&program.file, program.is_php, step);
        asked.insert(step.context().clone(), found.clone());
        found
    };
    let mut texts = Vec::new();
    let mut more = 0;
    for (number, contexts) in map.first_lists(&watched.backends) {
        let Prepared::Moves(moves) = &*contexts else { continue };
        let user = program.no_users.first().filter(|_| moves.for_processes.is_some());
        let user = user.map(|why| (*why).to_owned());
        let Some(why) = user.or_else(|| moves_of_threads(moves).find_map(&mut may_execute)) else { continue };
        if texts.len() == MOST_TOLD {
            more += 1;
            continue;
        }
        let line = map.map().list(number).map_or(0, |list| list.first_line);
        let elsewhere = if program.is_certain { String::new() } else { format!("; {ELSEWHERE}") };
        texts.push(format!("{path}:{line}: {why} ({}){elsewhere}", program.place));
    }
    if more > 0 {
        texts.push(format!("{path}: {more} more lists of contexts are as those above ({})", program.place));
    }
    texts
}

/// The moves that threads make, too. Who may execute a file of the system's as a user is told elsewhere.
fn moves_of_threads(moves: &Moves) -> impl Iterator<Item = &dyn Move> {
    moves.steps.iter().filter(|step| !step.is_for_processes()).map(|step| &**step)
}

/// Why a context does not let the program run, as far as its policy says so.
fn not_executable(file: &Path, is_php: bool, step: &dyn Move) -> Option<String> {
    let problem = step.may_execute(file).err()?;
    let is_ruleset = step.context().backend == BackendName::LANDLOCK;
    let part = if is_ruleset && is_php { "write LandlockInclude php-cgi, or " } else { "" };
    Some(format!("{}: {}; {part}{}", step.context(), problem.why, problem.remedy))
}

fn file_of(program: &Program) -> PathBuf {
    Path::new(OsStr::from_bytes(program.file.to_bytes())).to_owned()
}
