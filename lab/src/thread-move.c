/*
 * Moves ONE thread of a process to another SELinux context and says what it can do then.
 * What the kernel promises, shown without httpd and without the module.
 *
 *   thread-move [-p|-l] [-s] [-b CONTEXT] [-h FILE] CONTEXT [FILE...]
 *     -p  write /proc/thread-self/attr/current (default)   -l  lsm_set_self_attr(2)
 *     -s  the process has no other thread                  -b  afterwards, try to move to CONTEXT
 *     -h  open FILE before the move, read it after         -o  write the main thread's attr instead
 *
 * The moved thread has lost the right to write to stdout, so its words wait in a buffer
 * until one that stayed behind prints them.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define SYS_LSM_GET_SELF_ATTR 459
#define SYS_LSM_SET_SELF_ATTR 460
#define ATTR_CURRENT 100
#define ID_SELINUX 101

struct lsm_context {
    uint64_t id, flags, len, ctx_len;
    char ctx[];
};

static const char *target, *back, *held;
static char **files;
static int use_syscall, alone, wrong_thread, held_fd = -1;
static struct {
    size_t length;
    char text[16384];
} *said;

static void tell(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    said->length += vsnprintf(said->text + said->length, sizeof said->text - said->length, format, arguments);
    va_end(arguments);
}

static const char *outcome(int error)
{
    return error ? strerrorname_np(error) : "OK";
}

static int move_by_file(const char *path, const char *context)
{
    int error = 0, fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return errno;
    if (write(fd, context, strlen(context)) < 0)
        error = errno;
    close(fd);
    return error;
}

static int move_by_syscall(const char *context)
{
    size_t text = strlen(context) + 1, size = (sizeof(struct lsm_context) + text + 7) & ~(size_t)7;
    struct lsm_context *attr = calloc(1, size);
    int error;

    attr->id = ID_SELINUX;
    attr->len = size;
    attr->ctx_len = text;
    memcpy(attr->ctx, context, text);
    error = syscall(SYS_LSM_SET_SELF_ATTR, ATTR_CURRENT, attr, size, 0) < 0 ? errno : 0;
    free(attr);
    return error;
}

static int move_to(const char *context)
{
    if (use_syscall)
        return move_by_syscall(context);
    /* From a thread that is not the leader, /proc/self is another thread's. */
    return move_by_file(wrong_thread ? "/proc/self/attr/current" : "/proc/thread-self/attr/current", context);
}

static int read_some(int fd)
{
    char byte;
    return read(fd, &byte, 1) < 0 ? errno : 0;
}

static int read_file(const char *path)
{
    int error, fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno;
    error = read_some(fd);
    close(fd);
    return error;
}

/* A thread with fewer categories than its process may not look into /proc/PID; where
 * the kernel has the system call, that needs no path. */
static void tell_context(const char *who)
{
    char buffer[512] = "";
    struct lsm_context *attr = (struct lsm_context *)buffer;
    uint32_t size = sizeof buffer;
    int fd;

    if (syscall(SYS_LSM_GET_SELF_ATTR, ATTR_CURRENT, attr, &size, 0) > 0) {
        tell("%s=%s\n", who, attr->ctx);
        return;
    }
    fd = open("/proc/thread-self/attr/current", O_RDONLY | O_CLOEXEC);
    if (fd < 0 || read(fd, buffer, sizeof buffer - 1) < 0)
        tell("%s=%s\n", who, strerrorname_np(errno));
    else
        tell("%s=%s\n", who, buffer);
    if (fd >= 0)
        close(fd);
}

static void tell_files(const char *who)
{
    for (char **file = files; *file; file++)
        tell("%s %s=%s\n", who, *file, outcome(read_file(*file)));
}

static void *child_thread(void *unused)
{
    tell_context("child");
    tell_files("child-read");
    return unused;
}

static void *moving_thread(void *unused)
{
    pthread_t child;

    tell("move=%s\n", outcome(move_to(target)));
    tell_context("thread");
    tell_files("read");
    if (held)
        tell("held %s=%s\n", held, outcome(read_some(held_fd)));
    if (back)
        tell("back=%s\n", outcome(move_to(back)));
    if (!alone && pthread_create(&child, NULL, child_thread, NULL) == 0)
        pthread_join(child, NULL);
    return unused;
}

int main(int argc, char **argv)
{
    pthread_t thread;
    int option;

    while ((option = getopt(argc, argv, "plsob:h:")) != -1) {
        switch (option) {
        case 'p': use_syscall = 0; break;
        case 'l': use_syscall = 1; break;
        case 's': alone = 1; break;
        case 'o': wrong_thread = 1; break;
        case 'b': back = optarg; break;
        case 'h': held = optarg; break;
        default: return 2;
        }
    }
    if (optind >= argc)
        return 2;
    target = argv[optind];
    files = argv + optind + 1;
    if (held)
        held_fd = open(held, O_RDONLY | O_CLOEXEC);

    said = mmap(NULL, sizeof *said, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (said == MAP_FAILED)
        return 1;
    tell_context("before");
    if (alone) {
        if (fork() == 0) {
            moving_thread(NULL);
            _exit(0);
        }
        wait(NULL);
    } else if (pthread_create(&thread, NULL, moving_thread, NULL) == 0) {
        pthread_join(thread, NULL);
        tell_context("main");
    }
    fputs(said->text, stdout);
    return 0;
}
