/* Makes the Nth call that changes files below a folder fail, or kills the process there. Preloaded by write_points.py.
   The process arms it by `fault_arm` (through ctypes) and asks `fault_count` how many such calls there were. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum { OFF, COUNT, FAIL_ONE, FAIL_ALL, KILL_BEFORE, KILL_AFTER };

static char root[4096];
static size_t root_length;
static atomic_int mode;
static atomic_long calls;
static long wanted;
static int number;

void fault_arm(const char *folder, int how, long nth, int error) {
    atomic_store(&mode, OFF);
    strncpy(root, folder, sizeof root - 1);
    root_length = strlen(root);
    wanted = nth;
    number = error;
    atomic_store(&calls, 0);
    atomic_store(&mode, how);
}

long fault_count(void) { return atomic_load(&calls); }

static int below(const char *path) {
    return path && !strncmp(path, root, root_length) && (path[root_length] == '/' || !path[root_length]);
}

static int below_at(int folder, const char *path) {
    char link[64], name[4096];
    if (path && path[0] == '/') return below(path);
    if (folder == AT_FDCWD) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
    ssize_t length = readlink(link, name, sizeof name - 1);
    if (length < 0) return 0;
    name[length] = 0;
    return below(name);
}

/* 0: go on. 1: fail with errno set. 2: go on, then die. */
static int meets(int here) {
    int how = atomic_load(&mode);
    if (how == OFF || !here) return 0;
    long call = atomic_fetch_add(&calls, 1) + 1;
    if (how == KILL_BEFORE && call == wanted) kill(getpid(), SIGKILL);
    if (how == KILL_AFTER && call == wanted) return 2;
    if ((how == FAIL_ONE && call == wanted) || (how == FAIL_ALL && call >= wanted)) {
        errno = number;
        return 1;
    }
    return 0;
}

static int fd_below(int fd) { return atomic_load(&mode) != OFF && below_at(fd, ""); }

#define REAL(name) static __typeof__(name) *real; if (!real) *(void **)&real = dlsym(RTLD_NEXT, #name)
#define RUN(here, failed, call) \
    int faced = meets(here); \
    if (faced == 1) return failed; \
    __typeof__(call) result = call; \
    if (faced == 2) kill(getpid(), SIGKILL); \
    return result

#define WRITES(flags) ((flags) & (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC))
#define OPENER(name) \
    int name(const char *path, int flags, ...) { \
        REAL(name); \
        va_list rest; va_start(rest, flags); mode_t bits = (flags & O_CREAT) ? va_arg(rest, mode_t) : 0; va_end(rest); \
        RUN(WRITES(flags) && below(path), -1, real(path, flags, bits)); \
    }
OPENER(open)
OPENER(open64)
#define OPENER_AT(name) \
    int name(int folder, const char *path, int flags, ...) { \
        REAL(name); \
        va_list rest; va_start(rest, flags); mode_t bits = (flags & O_CREAT) ? va_arg(rest, mode_t) : 0; va_end(rest); \
        RUN(WRITES(flags) && below_at(folder, path), -1, real(folder, path, flags, bits)); \
    }
OPENER_AT(openat)
OPENER_AT(openat64)

#define ON_FD(type, name, parameters, arguments) \
    type name parameters { \
        REAL(name); \
        RUN(fd_below(fd), -1, real arguments); \
    }
ON_FD(ssize_t, write, (int fd, const void *data, size_t size), (fd, data, size))
ON_FD(ssize_t, writev, (int fd, const struct iovec *parts, int count), (fd, parts, count))
ON_FD(ssize_t, pwrite, (int fd, const void *data, size_t size, off_t place), (fd, data, size, place))
ON_FD(ssize_t, pwrite64, (int fd, const void *data, size_t size, off64_t place), (fd, data, size, place))
ON_FD(int, fsync, (int fd), (fd))
ON_FD(int, fdatasync, (int fd), (fd))
ON_FD(int, ftruncate, (int fd, off_t size), (fd, size))
ON_FD(int, ftruncate64, (int fd, off64_t size), (fd, size))

#define ON_PATH(name, parameters, arguments) \
    int name parameters { \
        REAL(name); \
        RUN(below(path), -1, real arguments); \
    }
ON_PATH(unlink, (const char *path), (path))
ON_PATH(rmdir, (const char *path), (path))
ON_PATH(mkdir, (const char *path, mode_t bits), (path, bits))
ON_PATH(rename, (const char *path, const char *to), (path, to))
ON_PATH(link, (const char *path, const char *to), (path, to))
ON_PATH(truncate, (const char *path, off_t size), (path, size))

#define ON_PATH_AT(name, parameters, arguments) \
    int name parameters { \
        REAL(name); \
        RUN(below_at(folder, path), -1, real arguments); \
    }
ON_PATH_AT(unlinkat, (int folder, const char *path, int flags), (folder, path, flags))
ON_PATH_AT(mkdirat, (int folder, const char *path, mode_t bits), (folder, path, bits))
ON_PATH_AT(renameat, (int folder, const char *path, int other, const char *to), (folder, path, other, to))
ON_PATH_AT(renameat2, (int folder, const char *path, int other, const char *to, unsigned flags),
           (folder, path, other, to, flags))
ON_PATH_AT(linkat, (int folder, const char *path, int other, const char *to, int flags),
           (folder, path, other, to, flags))
