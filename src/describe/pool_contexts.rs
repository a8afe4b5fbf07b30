//! Whether the contexts of rules let pools of processes be: the program of a handler, beside the rules that give its
//! requests their contexts. Looked at are contexts that are known at startup, of fixed rules and of maps.

use std::{
    collections::{HashMap, HashSet},
    ffi::OsStr,
    iter,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use confine::{
    Origin,
    backends::{Moves, Prepared},
    context::{BackendName, Context},
    lsm::Move,
    policy::decide::{Rule, Source},
};

use crate::{
    config::{
        MapProgram, Mode, ServerConfig, Standing, WatchedMap, Written, WrittenPoolHandler, WrittenRule,
        WrittenSource,
        fastcgi::{HANDLER, Program},
    },
    httpd::{
        expression::Expression,
        server::{Server, ServerId},
    },
};

/// Something that stands in the way of the requests of one handler.
struct Obstacle {
    /// Whether the server must not start with it.
    is_fault: bool,
    /// What, beginning with file and line.
    text: String,
}

/// What is said of an obstacle that is not certain.
const ELSEWHERE: &str =
    "if another section gives these requests another rule or handler, this does not matter";

/// What is said of a rule that is not the first to be asked.
const BEHIND: &str = "this counts for requests that no rule before it matches";

/// How many lines of a map are told of one by one.
const MOST_TOLD: usize = 5;

/// A handler, and a rule that can give its requests their contexts.
struct Meeting<'w> {
    handler: &'w WrittenPoolHandler,
    program: &'w Program,
    rule: &'w WrittenRule,
    /// The rule's number.
    number: usize,
    /// Whether no other rule is asked before it.
    is_first: bool,
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

/// A server, and the sections in it that stand around something.
type Section<'w> = (ServerId, &'w [(String, Origin)]);

/// The rules, by where they stand. There can be thousands of virtual hosts and sections.
struct Rules<'w> {
    main: ServerId,
    written: &'w Written,
    /// The numbers of each section's rules, in their order.
    of_section: HashMap<Section<'w>, Vec<usize>>,
    /// The sections of each server that have rules.
    of_server: HashMap<ServerId, Vec<&'w Standing>>,
}

impl<'w> Rules<'w> {
    fn new(main: &Server<'_>, written: &'w Written) -> Self {
        let mut rules =
            Self { main: main.id(), written, of_section: HashMap::new(), of_server: HashMap::new() };
        for (number, WrittenRule { standing, .. }) in written.rules.iter().enumerate() {
            let section = rules.of_section.entry((standing.server, &standing.sections)).or_default();
            if section.is_empty() {
                rules.of_server.entry(standing.server).or_default().push(standing);
            }
            section.push(number);
        }
        rules
    }

    /// The rules that a request in this section can be decided by, in their order: all up to the first that matches
    /// every request. An inner section comes before an outer one, and a virtual host before the main server.
    fn asked_at(&self, place: &Standing, early: Option<usize>) -> Vec<usize> {
        let outer = (place.server != self.main).then_some(self.main);
        let mut asked = Vec::new();
        for depth in (0..=place.sections.len()).rev() {
            for server in iter::once(place.server).chain(outer) {
                let section = self.of_section.get(&(server, &place.sections[..depth]));
                asked.extend(section.into_iter().flatten().filter(|number| early != Some(**number)));
            }
        }
        let decides = |number: &usize| {
            let source = &self.written.rules[*number].source;
            matches!(source, WrittenSource::Constant(_) | WrittenSource::Transitions(_))
        };
        if let Some(last) = asked.iter().position(decides) {
            asked.truncate(last + 1);
        }
        asked
    }

    /// Where the handler meets rules: in its own section, and in those that it reaches into.
    fn places(&self, handler: &Standing) -> Vec<Standing> {
        let has_its_own =
            |standing: &Standing| self.written.pool_handlers.iter().any(|other| other.standing == *standing);
        let inner = self.of_server.get(&handler.server).into_iter().flatten();
        let inner = inner.filter(|standing| handler.reaches_into(standing) && !has_its_own(standing));
        iter::once(handler).chain(inner.copied()).cloned().collect()
    }
}

/// Each handler, in each server that has it, with the rules that it meets. Those come first of which it is certain.
fn meetings<'w>(main: &Server<'_>, written: &'w Written) -> Vec<Meeting<'w>> {
    let rules = Rules::new(main, written);
    let mut found = Vec::new();
    for handler in &written.pool_handlers {
        let Some(program) = written.programs.iter().find(|program| *program.name == *handler.name) else {
            continue;
        };
        let hosts = main.with_hosts().into_iter();
        for host in hosts.filter(|host| [host.id(), main.id()].contains(&handler.standing.server)) {
            for place in rules.places(&Standing { server: host.id(), ..handler.standing.clone() }) {
                found.extend(meetings_at(&rules, (handler, program), &host, &place));
            }
        }
    }
    found.sort_by_key(|meeting| !meeting.is_certain());
    found
}

fn meetings_at<'w>(
    rules: &Rules<'w>,
    (handler, program): (&'w WrittenPoolHandler, &'w Program),
    host: &Server<'_>,
    place: &Standing,
) -> Vec<Meeting<'w>> {
    let written = rules.written;
    let early = ServerConfig::of(host).and_then(|server| server.early);
    let mode = place.nearest(written.modes.iter().map(|(standing, mode)| (standing, *mode)), rules.main);
    let is_reported = matches!(mode, Some(Mode::Report | Mode::Learn));
    let reported = is_reported.then_some(REPORTED);
    let behind_early = early.is_some().then_some(BEHIND_EARLY);
    let no_users: Vec<_> = [reported, behind_early].into_iter().flatten().collect();
    let meeting = |(position, number): (usize, usize)| Meeting {
        handler,
        program,
        rule: &written.rules[number],
        number,
        is_first: position == 0,
        no_users: no_users.clone(),
        is_reported,
    };
    rules.asked_at(place, early).into_iter().enumerate().map(meeting).collect()
}

const REPORTED: &str = "it names a user, and under ConfineMode report or learn the program would run as the server's own; \
                        write ConfineMode enforce here";

/// What is said where a pool runs all the same, in no context.
const NOT_YET: &str = "; requests are refused for it once ConfineMode enforce holds here";

const BEHIND_EARLY: &str = "it names a user, and ConfineEarly comes before every rule of this host, though uid: must be the \
                            first context of a process; write the rules of this host without ConfineEarly";

/// What stops the server, where the rule has fixed contexts.
pub fn faults_of_handlers(main: &Server<'_>, written: &Written, rules: &[Rule<Expression>]) -> Vec<String> {
    let certain = |meeting: &Meeting<'_>| meeting.is_certain() && meeting.is_first;
    let all = of_handlers(main, written, rules, certain).into_iter();
    all.filter(|obstacle| obstacle.is_fault).map(|obstacle| obstacle.text).collect()
}

/// What else stands in the way there.
pub fn notes_of_handlers(main: &Server<'_>, written: &Written, rules: &[Rule<Expression>]) -> Vec<String> {
    let all = of_handlers(main, written, rules, |_| true).into_iter();
    all.filter(|obstacle| !obstacle.is_fault).map(|obstacle| obstacle.text).collect()
}

/// Of the meetings that are `wanted`.
fn of_handlers(
    main: &Server<'_>,
    written: &Written,
    rules: &[Rule<Expression>],
    wanted: fn(&Meeting<'_>) -> bool,
) -> Vec<Obstacle> {
    let mut found = Vec::new();
    // The server's own handler meets the same rule in each virtual host.
    let mut answers: HashMap<(usize, &str), Option<String>> = HashMap::new();
    let mut told = HashSet::new();
    for meeting in meetings(main, written).iter().filter(|meeting| wanted(meeting)) {
        let Source::Constant(Prepared::Moves(moves)) = &rules[meeting.number].source else { continue };
        let Meeting { handler, rule, program, .. } = meeting;
        let at = format!(
            "{}: SetHandler {HANDLER}{}: {} at {}",
            handler.origin, handler.name, rule.directive, rule.origin
        );
        let mut add = |why: &str, is_counted: bool| {
            let is_fault = meeting.is_certain() && meeting.is_first && is_counted;
            let not_yet = if is_counted { "" } else { NOT_YET };
            let text = format!("{at}: {why}{not_yet}{}", but(meeting.is_certain(), meeting.is_first));
            if told.insert(text.clone()) {
                found.push(Obstacle { is_fault, text });
            }
        };
        if moves.for_processes.is_some() {
            meeting.no_users.iter().for_each(|why| add(why, true));
        }
        let not_executable = answers.entry((meeting.number, &program.name)).or_insert_with(|| {
            let file = file_of(program);
            moves_of_threads(moves).find_map(|step| not_executable(&file, program.is_php(), step))
        });
        if let Some(why) = not_executable {
            add(why, !meeting.is_reported);
        }
    }
    found
}

/// What makes an obstacle less than certain.
fn but(is_certain: bool, is_first: bool) -> String {
    let elsewhere = (!is_certain).then_some(ELSEWHERE);
    let behind = (!is_first).then_some(BEHIND);
    behind.into_iter().chain(elsewhere).map(|remark| format!("; {remark}")).collect()
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
        // Which lines no rule before the map matches, only requests tell: it is said of no map.
        let but = but(program.is_certain, true);
        texts.push(format!("{path}:{line}: {why} ({}){but}", program.place));
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
