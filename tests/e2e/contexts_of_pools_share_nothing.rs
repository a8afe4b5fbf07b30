//! What lives in an application's processes stays with their context: what the other context's processes look for,
//! with the same code and the same user, is not there. Each test also shows that it is there in the context's own.

use std::{
    fs::{self, Permissions},
    io::{self, Read},
    os::unix::{fs::PermissionsExt, net::UnixListener},
    process::{self, Command},
    sync::mpsc,
    thread,
    time::Duration,
};

use confine_tests::{Cell, Server, ServerBuilder, matrix, pools::*, tenants::Expectations};

/// A pool of PHP for each tenant, with one process that serves requests, where both tenants have the same script.
fn both_run(cell: Cell, code: &str) -> ServerBuilder {
    two_pools(cell, "Processes 1\nArguments -d ffi.enable=1 -d opcache.file_update_protection=0")
        .file("www/alice/it.php", php(code))
        .file("www/bob/it.php", php(code))
}

/// What alice's script answers to `query`, and then bob's.
#[track_caller]
fn answers(server: &Server, query: &str, alice: &str, bob: &str) {
    server.client().get(&format!("/alice/it.php?{query}")).expect_content(alice);
    server.client().get(&format!("/bob/it.php?{query}")).expect_content(bob);
}

fn compiled_scripts(cell: Cell) {
    if !can_have_pools() {
        return;
    }
    let code = "$file = $_SERVER['DOCUMENT_ROOT'] . '/alice/config.php';
        switch ($_GET['do']) {
        case 'include': echo (@include $file) ?: 'closed'; break;
        case 'list':
            $all = array_keys(opcache_get_status()['scripts']);
            echo count(array_filter($all, fn($script) => str_contains($script, 'config.php'))), ' ',
                 count(array_filter($all, fn($script) => str_contains($script, 'it.php'))); break;
        case 'is': echo opcache_is_script_cached($file) ? 'cached' : 'not'; break;
        case 'drop': echo opcache_invalidate($file, true) ? 'dropped' : 'nothing', opcache_reset() ? '' : ' no reset'; break;
        }";
    let server = both_run(cell, code)
        .file("www/alice/config.php", format!("<?php return \"{SECRET_OF_ALICE}\";"))
        .start();
    answers(&server, "do=include", SECRET_OF_ALICE, "closed");
    answers(&server, "do=list", "1 1", "0 1");
    answers(&server, "do=is", "cached", "not");
    // Bob's commands reach his own cache.
    let _ = server.client().get("/bob/it.php?do=drop").expect_status(200);
    answers(&server, "do=is", "cached", "not");
    let _ = server.client().get("/alice/it.php?do=drop").expect_status(200);
    server.client().get("/alice/it.php?do=is").expect_content("not");
}

matrix!(compiled_scripts once);

fn persistent_connections(cell: Cell) {
    if !can_have_pools() {
        return;
    }
    let code =
        "$socket = pfsockopen('unix://' . dirname($_SERVER['DOCUMENT_ROOT']) . '/data/service.sock', -1);
        fwrite($socket, $_SERVER['CONFINE_CONTEXT'] . \"\\n\"); fflush($socket); echo 'wrote';";
    let server = both_run(cell, code).start();
    let path = server.path("data/service.sock");
    let listener = UnixListener::bind(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    fs::set_permissions(&path, Permissions::from_mode(0o777)).unwrap_or_else(|e| panic!("chmod: {e}"));
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        for (number, connection) in listener.incoming().flatten().enumerate() {
            let tell = tell.clone();
            thread::spawn(move || {
                let (mut connection, mut room) = (connection, [0; 1000]);
                while let Ok(length @ 1..) = connection.read(&mut room) {
                    let said = String::from_utf8_lossy(&room[..length]).into_owned();
                    let _ = tell.send((number, said));
                }
            });
        }
    });
    let next = || told.recv_timeout(Duration::from_secs(10)).expect("words on a connection");
    for (tenant, connection) in [("alice", 0), ("alice", 0), ("bob", 1), ("alice", 0), ("bob", 1)] {
        server.client().get(&format!("/{tenant}/it.php")).expect_content("wrote");
        assert_eq!(next(), (connection, format!("landlock:{tenant}\n")));
    }
}

matrix!(persistent_connections once);

fn persistent_databases(cell: Cell) {
    if !can_have_pools() {
        return;
    }
    let code = "$file = dirname($_SERVER['DOCUMENT_ROOT']) . '/data/alice/notes.db';
        try {
            $db = new PDO(\"sqlite:$file\", options: [PDO::ATTR_PERSISTENT => true]);
            if ($_GET['do'] === 'write') {
                // A table of the connection's own shows whether it is the same one.
                $db->exec(\"CREATE TEMP TABLE IF NOT EXISTS note (text); INSERT INTO note VALUES ('alice''s secret')\");
                $db->exec('CREATE TABLE IF NOT EXISTS there (it)');
            }
            echo $db->query('SELECT text FROM temp.note')->fetchColumn();
        } catch (PDOException $e) { echo 'closed'; }";
    let server = both_run(cell, code).start();
    server.client().get("/alice/it.php?do=write").expect_content(SECRET_OF_ALICE);
    answers(&server, "do=read", SECRET_OF_ALICE, "closed");
}

matrix!(persistent_databases once);

fn what_apcu_keeps(cell: Cell) {
    if !can_have_pools() {
        return;
    }
    let code = "if ($_GET['do'] === 'store') apcu_store('note', $_SERVER['CONFINE_CONTEXT']);
        if ($_GET['do'] === 'clear') apcu_clear_cache();
        echo apcu_fetch('note') ?: 'nothing', ' ', count(apcu_cache_info()['cache_list']);";
    let server = both_run(cell, code).start();
    server.client().get("/alice/it.php?do=store").expect_content("landlock:alice 1");
    answers(&server, "do=fetch", "landlock:alice 1", "nothing 0");
    server.client().get("/bob/it.php?do=clear").expect_content("nothing 0");
    answers(&server, "do=fetch", "landlock:alice 1", "nothing 0");
}

matrix!(what_apcu_keeps once);

/// By key, and by number as native code would guess it. Queues of POSIX are files to Landlock, which refuses them.
const IPC: &str = r#"
$c = FFI::cdef('int shmget(int, size_t, int); char *shmat(int, const void *, int); int semget(int, int, int);
    int msgget(int, int); int mq_open(const char *, int, ...); int mq_unlink(const char *);');
const KEY = @key@;
switch ($_GET['do']) {
case 'make':
    $memory = shmop_open(KEY, 'c', 0666, 100); shmop_write($memory, $_SERVER['CONFINE_CONTEXT'], 0);
    sem_get(KEY); msg_send(msg_get_queue(KEY, 0666), 1, 'alice');
    echo 'made'; break;
case 'look':
    $found = [];
    if ($memory = @shmop_open(KEY, 'a', 0, 0)) $found[] = rtrim(shmop_read($memory, 0, 20), "\0");
    if ($c->semget(KEY, 1, 0) >= 0) $found[] = 'semaphore';
    if ($c->msgget(KEY, 0) >= 0) $found[] = 'queue';
    if ($c->mq_open('/confine-@key@', 0102, 0666, null) >= 0) { $found[] = 'posix'; $c->mq_unlink('/confine-@key@'); }
    $guessed = 0;
    for ($id = 0; $id < 200; $id++) {
        $at = $c->shmat($id, null, 010000);
        if (FFI::cast('long', $at)->cdata !== -1 && $at[0] === 'l') $guessed++;
    }
    echo implode(' ', $found), ' ', $guessed; break;
}
"#;

/// A key that this run of the tests alone uses. What the machine itself has under it is removed in the end, also when the
/// test fails: it would stay there until the next boot, where later runs meet it.
struct OwnKey(u32);

/// The kernel's table of each kind of object, and the option by which `ipcrm` removes one.
const KINDS: [(&str, &str); 3] = [("shm", "--shmem-key"), ("sem", "--semaphore-key"), ("msg", "--queue-key")];

impl OwnKey {
    fn new(cell: Cell) -> Self {
        // Process ids have 22 bits at most. The key is never 0, under which nothing is shared.
        Self(process::id() << 8 | (cell.mpm as u32) << 4 | cell.gate as u32)
    }

    /// The kinds of objects that the machine itself has under this key.
    fn on_the_machine(&self) -> io::Result<Vec<(&'static str, &'static str)>> {
        let mut found = Vec::new();
        for kind in KINDS {
            let table = fs::read_to_string(format!("/proc/sysvipc/{}", kind.0))?;
            if table.lines().any(|line| line.split_whitespace().next() == Some(&self.0.to_string())) {
                found.push(kind);
            }
        }
        Ok(found)
    }
}

impl Drop for OwnKey {
    fn drop(&mut self) {
        for (kind, option) in self.on_the_machine().unwrap_or_default() {
            let removed = Command::new("ipcrm").args([option, &self.0.to_string()]).status();
            if !removed.is_ok_and(|status| status.success()) {
                eprintln!("{kind} with the key {} stays on this machine: ipcrm {option} {0}", self.0);
            }
        }
    }
}

fn system_v_ipc(cell: Cell) {
    if !can_have_pools() {
        return;
    }
    let key = OwnKey::new(cell);
    let server = both_run(cell, &IPC.replace("@key@", &key.0.to_string())).start();
    server.client().get("/alice/it.php?do=make").expect_content("made");
    answers(&server, "do=look", "landlock:alice semaphore queue 1", " 0");
    // They are in the pool's own namespace, and end with it: the machine has none of them.
    assert_eq!(key.on_the_machine().expect("the kernel's tables"), []);
}

matrix!(system_v_ipc once);

fn environment_umask_and_folder(cell: Cell) {
    if !can_have_pools() {
        return;
    }
    // The C library's own environment: PHP's putenv() is taken back when a request ends.
    let code = "$c = FFI::cdef('int setenv(const char *, const char *, int); char *getenv(const char *);
            unsigned umask(unsigned); int chdir(const char *); char *getcwd(char *, size_t);');
        if ($_GET['do'] === 'change') { $c->setenv('NOTE', 'alice', 1); putenv('PUT=alice'); $c->umask(0); $c->chdir('/usr'); }
        $note = $c->getenv('NOTE'); $umask = $c->umask(022); $c->umask($umask);
        echo $note === null ? 'none' : FFI::string($note), ' ', getenv('PUT') ?: 'none', ' ', decoct($umask);";
    let server = both_run(cell, code).start();
    server.client().get("/bob/it.php?do=look").expect_content("none none 22");
    server.client().get("/alice/it.php?do=change").expect_content("alice alice 0");
    answers(&server, "do=look", "alice none 0", "none none 22");
}

matrix!(environment_umask_and_folder once);

/// Extension or not: what native code leaves in a process's memory.
fn what_native_code_leaves(cell: Cell) {
    if !can_have_pools() {
        return;
    }
    let code = "$c = FFI::cdef('char *optarg; int optind;');
        if ($_GET['do'] === 'leave') $c->optind = 4711;
        echo $c->optind === 4711 ? 'alice was here' : 'clean';";
    let server = both_run(cell, code).start();
    server.client().get("/bob/it.php?do=look").expect_content("clean");
    server.client().get("/alice/it.php?do=leave").expect_content("alice was here");
    answers(&server, "do=look", "alice was here", "clean");
}

matrix!(what_native_code_leaves once);
