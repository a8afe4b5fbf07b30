//! Runs the same test under every MPM and with both gates.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
};

use crate::{ServerBuilder, platform};

/// A multi-processing module: how the server uses processes and threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mpm {
    /// Threads, with a listener that watches idle connections.
    Event,
    /// Threads, one per connection.
    Worker,
    /// Processes with one thread each.
    Prefork,
}

impl Mpm {
    /// The name as in `mod_mpm_NAME.so`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Worker => "worker",
            Self::Prefork => "prefork",
        }
    }
}

/// Where the module takes over a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// Before anything else of the request runs. This is the module's default, so the configuration does not name it.
    Process,
    /// Immediately before the content is made.
    Handler,
    /// There, too, with workers that are kept for further requests of their context.
    Kept,
}

impl Gate {
    /// The configuration that chooses it.
    pub(crate) fn directive(self) -> &'static str {
        match self {
            Self::Process => "",
            Self::Handler => "ConfineGate handler\n",
            Self::Kept => "ConfineGate handler\nConfineWorkers per-context\n",
        }
    }
}

/// One cell of the matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    /// The MPM to start.
    pub mpm: Mpm,
    /// The gate to configure.
    pub gate: Gate,
}

impl Cell {
    /// A server of this kind, without any rule.
    pub fn server(self) -> ServerBuilder {
        ServerBuilder::new(self)
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} MPM, {:?} gate", self.mpm, self.gate)
    }
}

/// The panic that ends a test about Lua if mod_lua is left out.
struct NeedsLua;

/// Ends a test about Lua, or about a handler inside the server's process, if mod_lua is left out. The harness itself
/// calls this when a test loads mod_lua, uses one of its directives or writes a script.
pub fn need_lua() {
    if platform::without_lua() {
        resume_unwind(Box::new(NeedsLua));
    }
}

/// Runs a test, unless it is about Lua and Lua is left out.
pub fn run(cell: Cell, behaviour: fn(Cell)) {
    let Err(payload) = catch_unwind(AssertUnwindSafe(|| behaviour(cell))) else { return };
    if !payload.is::<NeedsLua>() {
        resume_unwind(payload);
    }
    println!("not run: needs mod_lua, which CONFINE_WITHOUT_LUA leaves out");
}

/// Makes tests from a function that takes a [`Cell`]. Without a word it makes one for each MPM and each [`Gate`].
/// - `for threaded`, `for prefork` and `for gates` (event) make one for each gate under these MPMs.
/// - `for process_gate` (`for process_gate_threaded`), `for handler_gate` and `for kept` make one for each MPM with
///   this gate.
/// - `once` makes a single test (event, process gate), for behaviour that cannot depend on either. `once on prefork`
///   makes it with this MPM.
#[macro_export]
macro_rules! matrix {
    ($behaviour:ident) => {
        $crate::matrix!(@ $behaviour
            event_process Event Process, event_handler Event Handler, event_kept Event Kept,
            worker_process Worker Process, worker_handler Worker Handler, worker_kept Worker Kept,
            prefork_process Prefork Process, prefork_handler Prefork Handler, prefork_kept Prefork Kept);
    };
    ($behaviour:ident for kept) => {
        $crate::matrix!(@ $behaviour
            event_kept Event Kept, worker_kept Worker Kept, prefork_kept Prefork Kept);
    };
    ($behaviour:ident for process_gate) => {
        $crate::matrix!(@ $behaviour
            event_process Event Process, worker_process Worker Process, prefork_process Prefork Process);
    };
    ($behaviour:ident for process_gate_threaded) => {
        $crate::matrix!(@ $behaviour event_process Event Process, worker_process Worker Process);
    };
    ($behaviour:ident for handler_gate) => {
        $crate::matrix!(@ $behaviour
            event_handler Event Handler, worker_handler Worker Handler, prefork_handler Prefork Handler);
    };
    ($behaviour:ident for threaded) => {
        $crate::matrix!(@ $behaviour
            event_process Event Process, event_handler Event Handler, event_kept Event Kept,
            worker_process Worker Process, worker_handler Worker Handler, worker_kept Worker Kept);
    };
    ($behaviour:ident for prefork) => {
        $crate::matrix!(@ $behaviour
            prefork_process Prefork Process, prefork_handler Prefork Handler, prefork_kept Prefork Kept);
    };
    ($behaviour:ident for gates) => {
        $crate::matrix!(@ $behaviour
            event_process Event Process, event_handler Event Handler, event_kept Event Kept);
    };
    ($behaviour:ident once on prefork) => {
        $crate::matrix!(@ $behaviour prefork_process Prefork Process);
    };
    ($behaviour:ident once) => {
        $crate::matrix!(@ $behaviour event_process Event Process);
    };
    (@ $behaviour:ident $($name:ident $mpm:ident $gate:ident),+) => {
        mod $behaviour {
            $(
                #[test]
                fn $name() {
                    let cell = $crate::Cell { mpm: $crate::Mpm::$mpm, gate: $crate::Gate::$gate };
                    $crate::run(cell, super::$behaviour);
                }
            )+
        }
    };
}
