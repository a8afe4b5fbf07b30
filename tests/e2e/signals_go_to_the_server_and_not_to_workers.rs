//! The server's signals are for its own threads, so a worker blocks them. The programs that it starts do not block
//! them, because otherwise nobody could stop them.

use confine_tests::{Cell, Server, matrix, need_lua, tenants::*};

fn blocked_in_a_worker_and_not_below(cell: Cell) {
    // A handler in the worker itself reports this.
    need_lua();
    let stock = application(cell).stock().start();
    let more = format!("{RUN_PROGRAMS}\nLandlockRead /proc");
    let server = leaky_app_with(cell, &more).config("ConfineContext landlock:alice").start();
    for signal in [libc::SIGTERM, libc::SIGHUP, libc::SIGUSR1, libc::SIGWINCH] {
        let is_blocked = |mask: u64| mask >> (signal - 1) & 1 == 1;
        assert!(is_blocked(mask_of_handler(&server)), "signal {signal} in a worker");
        assert!(!is_blocked(mask_of_program(&server)), "signal {signal} in a program of a worker");
        assert!(!is_blocked(mask_of_program(&stock)), "signal {signal} in a program of the stock server");
    }
}

fn mask_of_handler(server: &Server) -> u64 {
    blocked(&server.client().get(&leaky("read", "/proc/thread-self/status")).text())
}

fn mask_of_program(server: &Server) -> u64 {
    blocked(&server.client().get(&leaky("run", "cat /proc/self/status")).text())
}

/// From proc_pid_status(5).
fn blocked(status: &str) -> u64 {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigBlk:\t"));
    mask.and_then(|mask| u64::from_str_radix(mask, 16).ok()).unwrap_or_else(|| panic!("no mask in {status}"))
}

matrix!(blocked_in_a_worker_and_not_below);
