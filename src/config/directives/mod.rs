//! The command table. Each entry reads as its manual does: name, where it is allowed, what it takes.

mod fastcgi;
mod landlock;
mod mod_ssl;
mod rules;
mod selinux;
mod settings;
mod tomoyo;
mod users;

use crate::{
    config::noting::Noting,
    httpd::command_table::{AllowedIn, CommandTable, DirectiveEntry as Entry},
};

/// Server config and virtual host.
const SERVER: AllowedIn = AllowedIn::SERVER;
/// Server config, virtual host and directory sections. It is never .htaccess, because a tenant must not choose its
/// own context.
const ANYWHERE: AllowedIn = AllowedIn::SERVER.or(AllowedIn::SECTION);
/// Where mod_ssl allows its own directives.
const OF_MOD_SSL: AllowedIn = AllowedIn::SERVER.or(AllowedIn::AUTH_CONFIG);

/// The table as the server reads it.
pub static TABLE: CommandTable<{ ALL.len() }> = CommandTable::new::<Noting>(ALL);

/// Every directive there is, one line each.
#[rustfmt::skip]
const ALL: &[Entry] = &[
    Entry::of(c"ConfineContext", rules::context, ANYWHERE, c"CONTEXT [CONTEXT ...] | unconfined: the context of every request here"),
    Entry::of(c"ConfineMap", rules::map, ANYWHERE, c"FILE | dbd:LABEL [ttl=SECONDS] [entries=NUMBER] [rows=values|rules] [EXPRESSION ...]: a map from subjects to contexts, in a file or a database"),
    Entry::of(c"ConfineEnv", rules::env, ANYWHERE, c"[BACKEND:]NAME: the environment variable that holds the context"),
    Entry::of(c"ConfineExpr", rules::expr, ANYWHERE, c"EXPRESSION: a string expression that gives the context"),
    Entry::of(c"ConfineUnmatched", settings::unmatched, ANYWHERE, c"deny|allow: what a request without a matching rule gets"),
    Entry::of(c"ConfineMode", settings::mode, ANYWHERE, c"enforce|report|learn: whether decisions are carried out, only logged, or written down to make rulesets of"),
    Entry::of(c"ConfineLearnFolder", settings::learn_folder, SERVER, c"FOLDER: where ConfineMode learn writes down what requests do"),
    Entry::of(c"ConfineExplain", settings::explain, ANYWHERE, c"on|off: whether each access that a Landlock ruleset refuses is logged, for debugging"),
    Entry::of(c"ConfineOutOfProcess", settings::out_of_process, ANYWHERE, c"deny|warn|allow: content that another process makes"),
    Entry::of(c"ConfineAllowCache", settings::allow_cache, ANYWHERE, c"on|off: whether httpd's cache may hold confined responses"),
    // Core's own directive, which the server gives to both.
    Entry::of(c"SetHandler", settings::set_handler, AllowedIn::FILE_INFO, c"HANDLER: core's; noted, so that a .htaccess file cannot name a page about the server"),
    Entry::of(c"ConfinePHPCache", settings::php_cache, ANYWHERE, c"off|shared: whether PHP in confined requests has the caches and persistent links that all requests share"),
    Entry::of(c"ConfineGate", settings::gate, SERVER, c"process|handler: where a request is taken over"),
    Entry::of(c"ConfineWorkers", settings::workers, SERVER, c"one-time | per-context [max=NUMBER] [idle=SECONDS] [requests=NUMBER]: how long a worker lives"),
    Entry::of(c"ConfineEarly", rules::early, SERVER, c"CONTEXT [CONTEXT ...] | expr=EXPRESSION: the move before the first phase"),
    Entry::of(c"ConfineBackend", settings::backend, SERVER, c"NAME: the LSM of contexts that name none"),
    Entry::of(c"ConfineServerContext", settings::server_context, SERVER, c"CONTEXT [CONTEXT ...]: where the server itself moves at startup"),
    Entry::of(c"ConfineTrustScripts", settings::trust_scripts, SERVER, c"MODULE [MODULE ...]: their scripts are trusted as the server itself is"),
    Entry::of(c"ConfineCoreDumps", settings::core_dumps, SERVER, c"on|off: whether children may leave core dumps, and their memory be read through /proc"),
    Entry::of(c"ConfineStatusRows", settings::status_rows, SERVER, c"NUMBER: for how many pairs of a virtual host and a context requests are counted apart"),
    Entry::of(c"ConfineUsers", users::users, SERVER, c"members-of=GROUP | keep-groups=GROUP[,GROUP ...] | min-uid=NUMBER | min-gid=NUMBER [...]: as which users processes of their own may run"),
    Entry::section(c"<ConfineLandlock", landlock::section, SERVER, c"NAME>: a Landlock ruleset"),
    Entry::of(c"LandlockRead", landlock::read, SERVER, c"[-]PATH [[-]PATH ...]: what may be read"),
    Entry::of(c"LandlockWrite", landlock::write, SERVER, c"[-]PATH [[-]PATH ...]: what may be changed"),
    Entry::of(c"LandlockExecute", landlock::execute, SERVER, c"[-]PATH [[-]PATH ...]: what may be run"),
    Entry::of(c"LandlockInclude", landlock::include, SERVER, c"NAME [NAME ...]: parts that many rulesets share"),
    Entry::of(c"LandlockIncludeDir", landlock::include_dir, SERVER, c"FOLDER: where LandlockInclude looks first"),
    Entry::of(c"LandlockTrustPaths", landlock::trust_paths, SERVER, c"PATH [PATH ...]: where links are followed, whoever made them"),
    Entry::of(c"LandlockConnect", landlock::connect, SERVER, c"PORT [PORT ...] | any | none: TCP ports to connect to"),
    Entry::of(c"LandlockBind", landlock::bind, SERVER, c"PORT [PORT ...] | any | none: TCP ports to listen on"),
    Entry::of(c"LandlockScope", landlock::scope, SERVER, c"signals | abstract-sockets | none: ways out that are closed"),
    Entry::of(c"LandlockABI", landlock::abi, SERVER, c"NUMBER: the oldest kernel ABI that will do"),
    Entry::section(c"</ConfineLandlock>", landlock::stray_end, SERVER, c"ends a ruleset"),
    Entry::section(c"<ConfineFastCGI", fastcgi::section, SERVER, c"NAME>: a program whose processes are started in the context of requests"),
    Entry::of(c"Program", fastcgi::program, SERVER, c"PATH: the program, which speaks FastCGI"),
    Entry::of(c"Arguments", fastcgi::arguments, SERVER, c"WORD [WORD ...]: what stands behind the program's name"),
    Entry::of(c"Environment", fastcgi::environment, SERVER, c"NAME=VALUE [NAME=VALUE ...]: variables of the program's environment"),
    Entry::of(c"Processes", fastcgi::processes, SERVER, c"NUMBER: how many processes one context has at most"),
    Entry::of(c"Requests", fastcgi::requests, SERVER, c"NUMBER: after how many requests a process ends"),
    Entry::of(c"Idle", fastcgi::idle, SERVER, c"SECONDS: after how long without a request the processes of a context end"),
    Entry::of(c"Total", fastcgi::total, SERVER, c"NUMBER: how many processes all contexts have together at most"),
    Entry::of(c"Queue", fastcgi::queue, SERVER, c"NUMBER: how many requests of one context may wait for a process"),
    Entry::of(c"Memory", fastcgi::memory, SERVER, c"SIZE: how much memory of its own a process may have, such as 256M"),
    Entry::of(c"PrivateIPC", fastcgi::private_ipc, SERVER, c"on|off: whether each context has System V IPC and POSIX queues of its own"),
    Entry::section(c"</ConfineFastCGI>", fastcgi::stray_end, SERVER, c"ends a program's section"),
    Entry::of(c"selinuxServerDomain", selinux::server_domain, SERVER, c"DOMAIN: ConfineServerContext, as in mod_selinux"),
    Entry::of(c"selinuxDomainMap", selinux::domain_map, ANYWHERE, c"FILE: ConfineMap, as in mod_selinux"),
    Entry::of(c"selinuxDomainEnv", selinux::domain_env, ANYWHERE, c"NAME: ConfineEnv, as in mod_selinux"),
    Entry::of(c"selinuxDomainVal", selinux::domain_val, ANYWHERE, c"DOMAIN: ConfineContext, as in mod_selinux"),
    Entry::of(c"selinuxAllowCaches", selinux::allow_caches, ANYWHERE, c"on|off: ConfineAllowCache, as in mod_selinux"),
    Entry::of(c"TOMOYO_TransitionMap", tomoyo::transition_map, SERVER, c"FILE: from patterns of file names to domains, as in TOMOYO's module"),
    Entry::of(c"CCS_TransitionMap", tomoyo::transition_map, SERVER, c"FILE: TOMOYO_TransitionMap, as in TOMOYO's module for 1.8"),
    Entry::of_another(c"SSLUserName", mod_ssl::user_name, OF_MOD_SSL, c"mod_ssl's directive: the variable that holds the user's name"),
    Entry::of_another(c"SSLVerifyClient", mod_ssl::verify_client, OF_MOD_SSL, c"mod_ssl's directive: whether clients need certificates"),
    #[cfg(feature = "fault-injection")]
    Entry::of(c"ConfineFault", settings::fault, ANYWHERE, c"panic-in-gate|panic-in-worker|panic-in-move|no-memory-in-worker: for tests"),
];

/// The one word that a directive takes.
fn one<'c>(words: &[&'c str], what: &str) -> Result<&'c str, String> {
    match words {
        [word] => Ok(word),
        _ => Err(format!("takes exactly one {what}, got {}", words.len())),
    }
}

/// The value that a word stands for.
fn choice<T: Copy>(words: &[&str], choices: &[(&str, T)]) -> Result<T, String> {
    let names = || choices.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(" or ");
    let word = one(words, &format!("word ({})", names()))?;
    choices
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(word))
        .map(|(_, value)| *value)
        .ok_or_else(|| format!("{word:?} is not known here; write {}", names()))
}
