/*
 * An application that reaches for what is not a file of its own: descriptors by their numbers, as Perl's
 * `open $file, '+>>&', 7` does, other processes, memory. The handler `lab-reach` does what its query string says,
 * a word after the other, and answers with the outcome of each:
 *
 *   numbers          each descriptor that the process holds open: what it is, and what can be done with it
 *   logs             the same with every file that is open for appending: a line, to write over its first bytes, to
 *                    empty it
 *   client=TEXT      TEXT to every connection but the own
 *   list=FOLDER      the names in it
 *   touch=FILE       open for writing, nothing else
 *   mem=FILE         read the own memory through a file below /proc, and write it; `thread` is /proc/TID/mem
 *   own=FILE         read /proc/TID/FILE
 *   signal=PROCESS   a signal that does nothing
 *   trace=PROCESS    read another process's memory
 *   unix=PATH        connect to a socket, @ for one without a file
 *   shm=KEY          shared memory of System V, made or found
 *   key=NAME         a key in the user's ring, made;  search=NAME  found
 *   execmem          memory that is writable and executable
 */
#include <httpd.h>
#include <http_config.h>
#include <http_core.h>
#include <http_protocol.h>
#include <apr_portable.h>
#include <apr_strings.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#define KEY_SPEC_USER_SESSION_KEYRING -5
#define KEYCTL_SEARCH 10

static const char *outcome(long result)
{
    return result < 0 ? strerrorname_np(errno) : "OK";
}

static const char *kind_of(int fd, mode_t mode)
{
    int listens = 0;
    socklen_t size = sizeof listens;

    if (S_ISREG(mode))
        return "file";
    if (S_ISFIFO(mode))
        return "pipe";
    if (!mode && getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) < 0)
        return "unknown";
    if (mode && !S_ISSOCK(mode))
        return "other";
    getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size);
    return listens ? "listener" : "socket";
}

/* Nothing is changed by this: no byte is read or written, but the kernel asks its security modules all the same. */
static void tell_number(request_rec *r, int fd)
{
    struct stat about;
    int copy, flags;

    copy = dup(fd);
    if (copy < 0)
        return;
    flags = fcntl(copy, F_GETFL);
    if (fstat(fd, &about) < 0) /* TOMOYO asks the policy before it tells */
        about.st_mode = 0;
    ap_rprintf(r, "%d %s %s%s", fd, kind_of(copy, about.st_mode),
               (flags & O_ACCMODE) == O_RDONLY ? "r" : (flags & O_ACCMODE) == O_WRONLY ? "w" : "rw",
               flags & O_APPEND ? "a" : "");
    if ((flags & O_ACCMODE) != O_WRONLY)
        ap_rprintf(r, " read=%s", outcome(read(copy, "", 0)));
    if ((flags & O_ACCMODE) != O_RDONLY)
        ap_rprintf(r, " write=%s", outcome(write(copy, "", 0)));
    if (flags & O_APPEND) {
        ap_rprintf(r, " unappend=%s", outcome(fcntl(copy, F_SETFL, flags & ~O_APPEND)));
        fcntl(copy, F_SETFL, flags);
    }
    if (!strcmp(kind_of(copy, about.st_mode), "listener")) {
        fcntl(copy, F_SETFL, flags | O_NONBLOCK);
        ap_rprintf(r, " accept=%s", outcome(accept(copy, NULL, NULL)));
        fcntl(copy, F_SETFL, flags);
    }
    ap_rputs("\n", r);
    close(copy);
}

static void tell_log(request_rec *r, int fd)
{
    int copy, flags = fcntl(fd, F_GETFL);

    if (flags < 0 || !(flags & O_APPEND))
        return;
    copy = dup(fd);
    ap_rprintf(r, "%d log write=%s", fd, outcome(write(copy, "BY NUMBER\n", 10)));
    if (fcntl(copy, F_SETFL, flags & ~O_APPEND) < 0)
        ap_rprintf(r, " over=%s", outcome(-1));
    else
        ap_rprintf(r, " over=%s", outcome(pwrite(copy, "OVER", 4, 0)));
    fcntl(copy, F_SETFL, flags);
    ap_rprintf(r, " empty=%s\n", outcome(ftruncate(copy, 0)));
    close(copy);
}

static void tell_clients(request_rec *r, const char *text)
{
    apr_os_sock_t own = -1;
    struct sockaddr_storage peer;
    socklen_t size;
    int fd;

    apr_os_sock_get(&own, ap_get_conn_socket(r->connection));
    for (fd = 3; fd < 256; fd++) {
        size = sizeof peer;
        if (fd == own || getpeername(fd, (struct sockaddr *)&peer, &size) < 0 || peer.ss_family == AF_UNIX)
            continue;
        ap_rprintf(r, "%d client write=%s\n", fd, outcome(write(fd, text, strlen(text))));
    }
}

static long list(request_rec *r, const char *path)
{
    DIR *folder = opendir(path);
    struct dirent *entry;

    if (!folder)
        return -1;
    while ((entry = readdir(folder)))
        ap_rprintf(r, "  %s\n", entry->d_name);
    closedir(folder);
    return 0;
}

/* The variable is found by its address. */
static void tell_memory(request_rec *r, const char *path)
{
    volatile char secret = 's';
    char seen = 0;
    int fd;

    if (!strcmp(path, "thread"))
        path = apr_psprintf(r->pool, "/proc/%ld/mem", (long)syscall(SYS_gettid));
    fd = open(path, O_RDONLY | O_CLOEXEC);
    ap_rprintf(r, "mem %s=%s", path, outcome(fd < 0 ? -1 : pread(fd, &seen, 1, (off_t)(uintptr_t)&secret)));
    if (fd >= 0)
        close(fd);
    fd = open(path, O_RDWR | O_CLOEXEC);
    ap_rprintf(r, " write=%s\n", outcome(fd < 0 ? -1 : pwrite(fd, "w", 1, (off_t)(uintptr_t)&secret)));
    if (fd >= 0)
        close(fd);
}

static long touch(const char *path)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    return fd < 0 ? -1 : close(fd);
}

static long own_file(apr_pool_t *pool, const char *name)
{
    char seen;
    int fd = open(apr_psprintf(pool, "/proc/%ld/%s", (long)syscall(SYS_gettid), name), O_RDONLY | O_CLOEXEC);
    long result = fd < 0 ? -1 : read(fd, &seen, 1);

    if (fd >= 0)
        close(fd);
    return result;
}

static long trace(pid_t process)
{
    char seen;
    struct iovec here = {&seen, 1}, there = {(void *)&tell_memory, 1};
    return process_vm_readv(process, &here, 1, &there, 1, 0);
}

static long unix_socket(const char *path)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    size_t length = strlen(path);
    long result;

    if (fd < 0)
        return -1;
    strncpy(name.sun_path, path, sizeof name.sun_path - 1);
    if (*path == '@')
        name.sun_path[0] = '\0';
    result = connect(fd, (struct sockaddr *)&name, offsetof(struct sockaddr_un, sun_path) + length + (*path != '@'));
    close(fd);
    return result;
}

static long shared_memory(key_t key)
{
    int id = shmget(key, 4096, IPC_CREAT | 0666);
    void *memory = id < 0 ? (void *)-1 : shmat(id, NULL, 0);

    if (memory == (void *)-1)
        return -1;
    return shmdt(memory);
}

static long writable_code(void)
{
    void *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? -1 : munmap(memory, 4096);
}

static long act(request_rec *r, const char *verb, const char *value)
{
    if (!strcmp(verb, "list"))
        return list(r, value);
    if (!strcmp(verb, "touch"))
        return touch(value);
    if (!strcmp(verb, "own"))
        return own_file(r->pool, value);
    if (!strcmp(verb, "signal"))
        return kill(atoi(value), SIGURG);
    if (!strcmp(verb, "trace"))
        return trace(atoi(value));
    if (!strcmp(verb, "unix"))
        return unix_socket(value);
    if (!strcmp(verb, "shm"))
        return shared_memory(atoi(value));
    if (!strcmp(verb, "key"))
        return syscall(SYS_add_key, "user", value, "secret", 6, KEY_SPEC_USER_SESSION_KEYRING);
    if (!strcmp(verb, "search"))
        return syscall(SYS_keyctl, KEYCTL_SEARCH, KEY_SPEC_USER_SESSION_KEYRING, "user", value, 0);
    if (!strcmp(verb, "execmem"))
        return writable_code();
    errno = ENOSYS;
    return -1;
}

static int handler(request_rec *r)
{
    char *word, *last, *value;
    int fd;

    if (!r->handler || strcmp(r->handler, "lab-reach"))
        return DECLINED;
    ap_set_content_type(r, "text/plain");
    for (word = apr_strtok(apr_pstrdup(r->pool, r->args ? r->args : "numbers"), "&", &last); word;
         word = apr_strtok(NULL, "&", &last)) {
        value = strchr(word, '=');
        if (value)
            *value++ = '\0';
        if (!strcmp(word, "numbers"))
            for (fd = 3; fd < 256; fd++)
                tell_number(r, fd);
        else if (!strcmp(word, "logs"))
            for (fd = 2; fd < 256; fd++)
                tell_log(r, fd);
        else if (!strcmp(word, "client"))
            tell_clients(r, value);
        else if (!strcmp(word, "mem"))
            tell_memory(r, value);
        else
            ap_rprintf(r, "%s %s=%s\n", word, value ? value : "", outcome(act(r, word, value ? value : "")));
    }
    return OK;
}

static void hooks(apr_pool_t *pool)
{
    (void)pool;
    ap_hook_handler(handler, NULL, NULL, APR_HOOK_MIDDLE);
}

AP_DECLARE_MODULE(lab_reach) = {
    STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, NULL, hooks, 0
};
