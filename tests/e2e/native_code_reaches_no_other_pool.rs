//! A tenant that brings native code, of the same user, tries what the kernel lets it try: against the other tenant's
//! pool and against the server.

use std::fs;

use confine_tests::{Cell, Server, ServerBuilder, matrix, pools::*, tenants::Expectations};

/// PHP's FFI calls the C library as native code does. The script says what worked, and nothing of what did not.
const NATIVE: &str = r#"
$c = FFI::cdef('
    long syscall(long, ...); int kill(int, int); int sigqueue(int, int, void *); long ptrace(int, int, void *, void *);
    long process_vm_readv(int, void *, unsigned long, void *, unsigned long, unsigned long);
    int prlimit(int, int, const unsigned long *, unsigned long *); int setpriority(int, int, int);
    int sched_setaffinity(int, size_t, const void *);
    int socket(int, int, int); int connect(int, const char *, unsigned); int close(int); int fcntl(int, int, ...);
    long send(int, const char *, size_t, int); long recv(int, char *, size_t, int);
    int getsockopt(int, int, int, int *, unsigned *); int bind(int, const char *, unsigned);
    typedef struct { void *base; unsigned long length; } part;
');
function did(string $what, $result) { if ($result >= 0) echo "DID $what\n"; }
"#;

const PROCESSES: &str = r#"
foreach (explode(',', $_GET['processes']) as $pid) {
    $pid = (int) $pid;
    did("kill $pid", $c->kill($pid, 0));
    did("sigqueue $pid", $c->sigqueue($pid, 0, null));
    did("attach to $pid", $c->ptrace(16, $pid, null, null));
    did("seize $pid", $c->ptrace(0x4206, $pid, null, null));
    $fd = $c->syscall(434, $pid, 0);
    if ($fd >= 0) {
        did("signal $pid by its descriptor", $c->syscall(424, $fd, 0, null, 0));
        for ($theirs = 0; $theirs < 20; $theirs++) did("take descriptor $theirs of $pid", $c->syscall(438, $fd, $theirs, 0));
    }
    $room = $c->new('char[64]'); $here = $c->new('part'); $there = $c->new('part');
    $here->base = FFI::addr($room); $here->length = 64;
    $there->base = FFI::cast('void *', 0x400000); $there->length = 64;
    did("look into $pid", $c->process_vm_readv($pid, FFI::addr($here), 1, FFI::addr($there), 1, 0));
    $limit = $c->new('unsigned long[2]'); $limit[0] = $limit[1] = 1000000;
    did("renice $pid", $c->setpriority(0, $pid, 0));
    $all = $c->new('unsigned long[16]'); foreach (range(0, 15) as $i) $all[$i] = -1;
    did("move $pid", $c->sched_setaffinity($pid, 128, $all));
    did("limit $pid", $c->prlimit($pid, 0, $limit, null));
    did("see limits of $pid", $c->prlimit($pid, 0, null, $limit));
    foreach (explode(',', $_GET['files']) as $file)
        foreach (['r', 'r+'] as $mode) if (@fopen("/proc/$pid/$file", $mode)) echo "DID open /proc/$pid/$file\n";
}
// Its own process is its own, so the words above mean what they say.
echo $c->kill(getmypid(), 0) === 0 ? 'all was tried' : 'nothing works';
"#;

/// Every socket that the kernel lists, and every path that could lead to a pool's.
const SOCKETS: &str = r#"
$netlink = $c->socket(16, 3, 4);
$ask = pack('VvvVV', 40, 20, 0x301, 1, 0) . pack('CCvVVVVV', 1, 0, 0, 0xffffffff, 0, 7, 0, 0);
$c->send($netlink, $ask, strlen($ask), 0);
$names = []; $room = $c->new('char[65536]');
for ($more = true; $more && ($length = $c->recv($netlink, $room, 65536, 0)) > 0;) {
    $said = FFI::string($room, $length);
    while (strlen($said) >= 16) {
        $head = unpack('Vlength/vtype', $said);
        if ($head['type'] !== 20) { $more = false; break; }
        for ($rest = substr($said, 32, $head['length'] - 32); strlen($rest) >= 4;) {
            $one = unpack('vlength/vtype', $rest);
            if ($one['type'] === 0) $names[substr($rest, 4, $one['length'] - 4)] = true;
            $rest = substr($rest, ($one['length'] + 3) & ~3);
        }
        $said = substr($said, ($head['length'] + 3) & ~3);
    }
}
$names = array_map(strval(...), array_keys($names));
$own = array_filter($names, fn($name) => preg_match('~^/proc/self/fd/\d+/new~', $name));
echo $own ? "listed\n" : "no pool is listed\n";
foreach (explode(',', $_GET['more']) as $path) {
    array_push($names, $path, "\0$path", "\0" . basename($path), basename($path));
    $own[] = $path; $own[] = "\0$path"; $own[] = "\0" . basename($path);
}
foreach (explode(',', $_GET['processes']) as $pid)
    for ($fd = 0; $fd < 40; $fd++) foreach (explode(',', $_GET['more']) as $path) {
        $names[] = $own[] = "/proc/$pid/fd/$fd/" . basename($path); $names[] = $own[] = "/proc/self/fd/$fd/" . basename($path);
    }
foreach (array_unique($names) as $name) {
    $shown = str_replace("\0", '@', $name);
    $address = pack('v', 1) . $name . ($name !== '' && $name[0] === "\0" ? '' : "\0");
    if (strlen($address) > 110) continue;
    foreach ([1, 2, 5] as $kind) {
        $socket = $c->socket(1, $kind, 0);
        if ($c->connect($socket, $address, strlen($address)) >= 0 && in_array($name, $own)) echo "DID connect to $shown\n";
        $c->close($socket);
        // In its place, before it is there or after it is gone.
        $socket = $c->socket(1, $kind, 0);
        if (in_array($name, $own) && $name[0] === '/') did("listen at $shown", $c->bind($socket, $address, strlen($address)));
        $c->close($socket);
    }
}
echo 'all was tried';
"#;

/// What the process has open.
const DESCRIPTORS: &str = r#"
for ($fd = 0; $fd < 4096; $fd++) {
    if ($c->fcntl($fd, 1) < 0) continue;
    $size = $c->new('unsigned'); $size->cdata = 4; $domain = $c->new('int'); $listens = $c->new('int');
    $is = readlink("/proc/self/fd/$fd") ?: '?';
    if ($c->getsockopt($fd, 1, 39, FFI::addr($domain), FFI::addr($size)) === 0) {
        $c->getsockopt($fd, 1, 30, FFI::addr($listens), FFI::addr($size));
        $is = ($listens->cdata ? 'listening' : 'connected') . ' of family ' . $domain->cdata;
    }
    echo "$fd $is\n";
}
"#;

fn server(cell: Cell, script: &str) -> ServerBuilder {
    let who = php("echo $_SERVER['CONFINE_CONTEXT'];");
    two_pools(cell, "Processes 1\nArguments -d ffi.enable=1")
        .file("www/alice/who.php", &who)
        .file("www/bob/who.php", who)
        .file("www/alice/try.php", php(&format!("{NATIVE}{script}")))
        // A ruleset that is too wide opens no way either.
        .config("<ConfineLandlock wide>\nLandlockExecute /\nLandlockWrite /\n</ConfineLandlock>")
        .alias("/wide", "www/alice")
        .location("/wide", "ConfineContext landlock:wide")
}

#[track_caller]
fn both_run(server: &Server) {
    for tenant in ["alice", "bob"] {
        server.client().get(&format!("/{tenant}/who.php")).expect_content(&format!("landlock:{tenant}"));
    }
}

/// Bob's pool, the server, its children and the manager.
fn others(server: &Server) -> String {
    let bobs = server.processes_of("php-cgi").into_iter().filter(|(_, at)| at.ends_with("landlock:bob"));
    let mut processes: Vec<String> = bobs.map(|(pid, _)| pid.to_string()).collect();
    assert!(!processes.is_empty(), "bob's pool has no process");
    let list = format!("/proc/{0}/task/{0}/children", server.pid());
    let children = fs::read_to_string(&list).unwrap_or_else(|e| panic!("{list}: {e}"));
    processes.extend(children.split_whitespace().map(str::to_owned));
    processes.push(server.pid().to_string());
    processes.join(",")
}

#[track_caller]
fn tried_in_vain(server: &Server, query: &str, begins: &str) {
    // The wide ruleset grants all of /proc but what is as good as another process's memory.
    let files = ["mem,environ,maps,fd,task,root,cwd,stack,oom_score_adj,clear_refs", "mem,environ,maps"];
    for (place, files) in ["alice", "wide"].into_iter().zip(files) {
        let query = format!("{query}&files={files}");
        let text = server.client().get(&format!("/{place}/try.php?{query}")).expect_status(200).text();
        assert_eq!(text, format!("{begins}all was tried"), "{place}");
    }
    both_run(server);
}

fn by_what_processes_can_do_to_each_other(cell: Cell) {
    if !can_have_pools() {
        return;
    }
    let server = server(cell, PROCESSES).start();
    both_run(&server);
    tried_in_vain(&server, &format!("processes={}", others(&server)), "");
}

matrix!(by_what_processes_can_do_to_each_other once);

fn by_every_socket_that_the_kernel_lists(cell: Cell) {
    if !can_have_pools() {
        return;
    }
    let server = server(cell, SOCKETS).start();
    both_run(&server);
    let above = server.path("run/confine-fastcgi");
    let folder = fs::read_dir(&above).unwrap_or_else(|e| panic!("{}: {e}", above.display())).flatten().next();
    let folder = folder.unwrap_or_else(|| panic!("no folder of sockets")).path();
    let entries = fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    // More than any tenant knows: the very names.
    let names: Vec<_> = entries.flatten().map(|entry| entry.path().display().to_string()).collect();
    assert!(names.len() >= 3, "{names:?}");
    let query = format!("processes={}&more={},{}/new", others(&server), names.join(","), folder.display());
    tried_in_vain(&server, &query, "listed\n");
}

matrix!(by_every_socket_that_the_kernel_lists once);

fn by_what_a_program_inherits(cell: Cell) {
    if !can_have_pools() {
        return;
    }
    let server = server(cell, DESCRIPTORS).start();
    both_run(&server);
    let text = server.client().get("/wide/try.php").expect_status(200).text();
    let open: Vec<&str> = text.lines().collect();
    assert_eq!(open[0], "0 listening of family 1", "{open:?}");
    for (line, number) in open[1..3].iter().zip(["1 pipe:[", "2 pipe:["]) {
        assert!(line.starts_with(number), "{open:?}");
    }
    // The request's own connection, PHP's lock of OPcache, and the script.
    let own = |line: &&str| {
        let is = line.split_once(' ').map_or("", |(_, is)| is);
        is == "connected of family 1"
            || is.contains("/confine-tmp/landlock:wide/")
            || is.ends_with("/try.php")
            || is.contains(".ZendSem.")
    };
    let others: Vec<_> = open[3..].iter().filter(|line| !own(line)).collect();
    assert!(others.is_empty(), "{others:?} in {open:?}");
    assert_eq!(open.iter().filter(|line| line.contains("connected")).count(), 1, "{open:?}");
}

matrix!(by_what_a_program_inherits once);
