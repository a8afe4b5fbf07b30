/*
 * A yardstick for `make bench`, never shipped: stock httpd that makes and joins one thread for each request, in
 * which nothing of the request runs. What this costs is what a thread for each request costs at least.
 *
 * BareThread on        the thread ends at once
 * BareThread landlock  it enters a Landlock ruleset first (read everything), as a confined worker does
 * BareThread kept      no thread is made: one that waits is woken, and wakes its maker again
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/landlock.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <httpd.h>
#include <http_config.h>
#include <http_log.h>
#include <http_protocol.h>

#define STACK (256 * 1024)

static int wanted, with_landlock, with_kept, ruleset = -1;

/* Made once for each thread of the server and used again: its pages stay mapped. */
static __thread pthread_attr_t *attributes;

static void *thread_body(void *failed)
{
    if (with_landlock
        && (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || syscall(SYS_landlock_restrict_self, ruleset, 0)))
        *(int *)failed = errno;
    return NULL;
}

static pthread_attr_t *prepared(void)
{
    if (!attributes) {
        void *stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
        attributes = malloc(sizeof *attributes);
        if (stack == MAP_FAILED || !attributes)
            abort();
        pthread_attr_init(attributes);
        pthread_attr_setstack(attributes, stack, STACK);
    }
    return attributes;
}

static void wait_while(_Atomic int *word, int value)
{
    while (atomic_load(word) == value)
        syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

static void set_and_wake(_Atomic int *word, int value)
{
    atomic_store(word, value);
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void *kept_body(void *word)
{
    for (;;) {
        wait_while(word, 0);
        set_and_wake(word, 0);
    }
    return NULL;
}

/* One that waits for each thread of the server; they end with the process. */
static int by_kept_thread(void)
{
    static __thread _Atomic int *word;
    pthread_t thread;

    if (!word) {
        word = calloc(1, sizeof *word);
        if (!word || pthread_create(&thread, NULL, kept_body, (void *)word))
            return HTTP_SERVICE_UNAVAILABLE;
        pthread_detach(thread);
    }
    set_and_wake(word, 1);
    wait_while(word, 1);
    return DECLINED;
}

static int before_the_request(request_rec *r, int lookup)
{
    pthread_t thread;
    int failed = 0;

    if (!wanted || lookup || r->main)
        return DECLINED;
    if (with_kept)
        return by_kept_thread();
    if (pthread_create(&thread, prepared(), thread_body, &failed) || pthread_join(thread, NULL))
        return HTTP_SERVICE_UNAVAILABLE;
    return failed ? HTTP_INTERNAL_SERVER_ERROR : DECLINED;
}

static void make_ruleset(apr_pool_t *pool, server_rec *s)
{
    struct landlock_ruleset_attr handled = { .handled_access_fs = LANDLOCK_ACCESS_FS_READ_FILE
                                                 | LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_WRITE_FILE };
    struct landlock_path_beneath_attr root = { .allowed_access = LANDLOCK_ACCESS_FS_READ_FILE
                                                   | LANDLOCK_ACCESS_FS_READ_DIR };

    if (!with_landlock)
        return;
    ruleset = syscall(SYS_landlock_create_ruleset, &handled, sizeof handled, 0);
    root.parent_fd = open("/", O_PATH | O_CLOEXEC);
    if (ruleset < 0 || syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &root, 0))
        ap_log_error(APLOG_MARK, APLOG_ERR, errno, s, "BareThread: no ruleset");
    close(root.parent_fd);
}

static const char *set(cmd_parms *command, void *config, const char *word)
{
    wanted = 1;
    with_landlock = !strcmp(word, "landlock");
    with_kept = !strcmp(word, "kept");
    return NULL;
}

static const command_rec commands[] = {
    AP_INIT_TAKE1("BareThread", set, NULL, RSRC_CONF, "on, landlock or kept"),
    { NULL },
};

static void register_hooks(apr_pool_t *pool)
{
    ap_hook_quick_handler(before_the_request, NULL, NULL, APR_HOOK_REALLY_FIRST);
    ap_hook_child_init(make_ruleset, NULL, NULL, APR_HOOK_MIDDLE);
}

AP_DECLARE_MODULE(bare_thread) = { STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, commands, register_hooks };
