/*
 * An application that tries to get away. The handler `lab-escape` does what its query
 * string says, a word after the other, and answers with the outcome of each:
 *
 *   context          the context this thread is in
 *   tid              this thread's id
 *   back=CONTEXT     move this thread, by file and by lsm_set_self_attr(2). For AppArmor it
 *                    is a command with a + for each blank (changeprofile+apache2)
 *   leader=CONTEXT   write the attr of the process's first thread
 *   read=FILE        open and read        write=FILE   create or append
 *   thread=FILE      a new thread reads   fork=FILE    a new process reads
 *   domain=NAME      move this thread to a TOMOYO domain (+ stands for a blank)
 *   held=NAME        the same, through the server's own descriptor; and ask for the domain there
 *   libselinux       what is_selinux_enabled(3) believes here
 *   log              write a line to the error log
 *   panic            abort(3), for what the server makes of it
 */
#include <httpd.h>
#include <http_config.h>
#include <http_log.h>
#include <http_protocol.h>
#include <apr_strings.h>

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define SYS_LSM_GET_SELF_ATTR 459
#define SYS_LSM_SET_SELF_ATTR 460
#define ATTR_CURRENT 100
#define ID_SELINUX 101
#define ID_APPARMOR 104

struct lsm_context {
    uint64_t id, flags, len, ctx_len;
    char ctx[];
};

static const char *outcome(int error)
{
    return error ? strerrorname_np(error) : "OK";
}

static int put(const char *path, int flags, const char *text)
{
    int error = 0, fd = open(path, flags | O_CLOEXEC, 0644);
    if (fd < 0)
        return errno;
    if (write(fd, text, strlen(text)) < 0)
        error = errno;
    close(fd);
    return error;
}

static int peek(const char *path)
{
    char byte;
    int error, fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno;
    error = read(fd, &byte, 1) < 0 ? errno : 0;
    close(fd);
    return error;
}

/* A security context has no blank, a command of AppArmor has one. */
static int is_command(const char *context)
{
    return strchr(context, ' ') != NULL;
}

/* The file of one thread. */
static const char *attr_of(apr_pool_t *pool, const char *process, const char *context)
{
    return apr_psprintf(pool, "/proc/%s/attr/%scurrent", process, is_command(context) ? "apparmor/" : "");
}

static int set_self(apr_pool_t *pool, const char *context)
{
    size_t text = strlen(context) + 1, size = (sizeof(struct lsm_context) + text + 7) & ~(size_t)7;
    struct lsm_context *attr = apr_pcalloc(pool, size);

    attr->id = is_command(context) ? ID_APPARMOR : ID_SELINUX;
    attr->len = size;
    attr->ctx_len = text;
    memcpy(attr->ctx, context, text);
    return syscall(SYS_LSM_SET_SELF_ATTR, ATTR_CURRENT, attr, size, 0) < 0 ? errno : 0;
}

static const char *own_context(apr_pool_t *pool)
{
    char buffer[512] = "";
    struct lsm_context *attr = (struct lsm_context *)buffer;
    uint32_t size = sizeof buffer;
    const char *answer;
    int fd;

    if (syscall(SYS_LSM_GET_SELF_ATTR, ATTR_CURRENT, attr, &size, 0) > 0)
        return apr_pstrdup(pool, attr->ctx);
    fd = open("/proc/thread-self/attr/current", O_RDONLY | O_CLOEXEC);
    answer = fd < 0 || read(fd, buffer, sizeof buffer - 1) < 0 ? strerrorname_np(errno) : buffer;
    if (fd >= 0)
        close(fd);
    return apr_pstrdup(pool, answer);
}

static void *thread_reads(void *path)
{
    return (void *)(intptr_t)peek(path);
}

static int in_thread(char *path)
{
    pthread_t thread;
    void *result;
    int error = pthread_create(&thread, NULL, thread_reads, path);
    if (error)
        return error;
    pthread_join(thread, &result);
    return (int)(intptr_t)result;
}

static int in_process(const char *path)
{
    int status;
    pid_t child = fork();

    if (child < 0)
        return errno;
    if (child == 0)
        _exit(peek(path));
    if (waitpid(child, &status, 0) < 0)
        return errno;
    return WEXITSTATUS(status);
}

#define TOMOYO "/sys/kernel/security/tomoyo/"

/* The number of a file that this process holds open, or -1. */
static int held(const char *path)
{
    char link[64], target[256];
    int fd;

    for (fd = 0; fd < 256; fd++) {
        ssize_t length;
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        length = readlink(link, target, sizeof target - 1);
        if (length < 0)
            continue;
        target[length] = '\0';
        if (!strcmp(target, path))
            return fd;
    }
    return -1;
}

static int tell(int fd, const char *text)
{
    if (fd < 0)
        return ENOENT;
    return write(fd, text, strlen(text)) < 0 ? errno : 0;
}

/* What code in the worker can do with the descriptors of the server's process. */
static void use_held(request_rec *r, const char *name)
{
    int policy = held(TOMOYO "domain_policy");

    ap_rprintf(r, "held self_domain=%s", outcome(tell(held(TOMOYO "self_domain"), name)));
    ap_rprintf(r, " select=%s", outcome(tell(policy, apr_pstrcat(r->pool, "select domain=", name, "\n", NULL))));
    ap_rprintf(r, " domain=%s", outcome(tell(policy, apr_pstrcat(r->pool, name, "\n", NULL))));
    ap_rprintf(r, " allow=%s\n", outcome(tell(policy, "file read /etc/shadow\n")));
}

static void act(request_rec *r, const char *verb, char *value)
{
    char *blank;
    int error;

    if (!strcmp(verb, "libselinux")) {
        void *library = dlopen("libselinux.so.1", RTLD_NOW);
        int (*enabled)(void) = library ? (int (*)(void))dlsym(library, "is_selinux_enabled") : NULL;
        ap_rprintf(r, "is_selinux_enabled=%d\n", enabled ? enabled() : -1);
        return;
    }
    if (!strcmp(verb, "context")) {
        ap_rprintf(r, "context=%s\n", own_context(r->pool));
        return;
    }
    if (!strcmp(verb, "tid")) {
        ap_rprintf(r, "tid=%ld\n", (long)syscall(SYS_gettid));
        return;
    }
    if (!strcmp(verb, "back")) {
        ap_rprintf(r, "back %s=%s", value,
                   outcome(put(attr_of(r->pool, "thread-self", value), O_WRONLY, value)));
        ap_rprintf(r, " %s\n", outcome(set_self(r->pool, value)));
        return;
    }
    if (!strcmp(verb, "domain") || !strcmp(verb, "held")) {
        for (blank = value; (blank = strchr(blank, '+')); )
            *blank = ' ';
        if (!strcmp(verb, "held"))
            use_held(r, value);
        else
            ap_rprintf(r, "domain %s=%s\n", value, outcome(put(TOMOYO "self_domain", O_WRONLY, value)));
        return;
    }
    if (!strcmp(verb, "leader"))
        error = put(attr_of(r->pool, apr_itoa(r->pool, getpid()), value), O_WRONLY, value);
    else if (!strcmp(verb, "read"))
        error = peek(value);
    else if (!strcmp(verb, "write"))
        error = put(value, O_WRONLY | O_CREAT | O_APPEND, "written\n");
    else if (!strcmp(verb, "thread"))
        error = in_thread(value);
    else if (!strcmp(verb, "fork"))
        error = in_process(value);
    else if (!strcmp(verb, "panic"))
        abort();
    else if (!strcmp(verb, "log")) {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r, "a line from a confined worker");
        error = 0;
    } else
        error = ENOSYS;
    ap_rprintf(r, "%s %s=%s\n", verb, value, outcome(error));
}

static int handler(request_rec *r)
{
    char *words, *word, *last, *value;

    if (!r->handler || strcmp(r->handler, "lab-escape"))
        return DECLINED;
    ap_set_content_type(r, "text/plain");
    words = apr_pstrdup(r->pool, r->args ? r->args : "context");
    for (word = apr_strtok(words, "&", &last); word; word = apr_strtok(NULL, "&", &last)) {
        value = strchr(word, '=');
        if (value)
            *value++ = '\0';
        for (char *blank = value; blank && (blank = strchr(blank, '+'));)
            *blank = ' ';
        act(r, word, value ? value : "");
    }
    return OK;
}

static void hooks(apr_pool_t *pool)
{
    (void)pool;
    ap_hook_handler(handler, NULL, NULL, APR_HOOK_MIDDLE);
}

AP_DECLARE_MODULE(lab_escape) = {
    STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, NULL, hooks, 0
};
