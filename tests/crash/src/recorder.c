/*
 * Preloaded into a worker, this records what the process does to the files of one directory, and
 * what it says on standard output, in one order: the journal from which a disk that lost power is
 * built again. It can also make that disk full or read-only.
 *
 *   RECORDER_DIRECTORY   the directory, absolute; empty when the process begins
 *   RECORDER_JOURNAL     where the journal goes; no journal without it
 *   RECORDER_SPACE       after so many bytes written the disk is full
 *   RECORDER_READ_ONLY   if set, no file of the directory opens for writing
 *
 * A record is: kind (1 byte), file number (4), offset (8), length (4), all little-endian, then
 * that many bytes. Kinds: C created (bytes: name), W written, T truncated to offset, S synced,
 * D directory synced, U unlinked (name), P said on standard output, X a call that is not modelled
 * (its name). SQLite writes with lseek and write or with pwrite, and with nothing else; one thread
 * only.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { MAX_FD = 256, MAX_FILES = 64, MAX_NAME = 64, UNTRACKED = 0, DIRECTORY = -1 };

static const char *directory;
static size_t directory_len;
static int journal = -1;
static int is_read_only;
static int64_t space = INT64_MAX;
static int file_of_fd[MAX_FD];
static char names[MAX_FILES][MAX_NAME]; /* by file number; empty once unlinked */
static int file_count = 1;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("RECORDER_JOURNAL"), *bytes = getenv("RECORDER_SPACE");
    directory = getenv("RECORDER_DIRECTORY");
    directory_len = directory ? strlen(directory) : 0;
    is_read_only = getenv("RECORDER_READ_ONLY") != NULL;
    if (bytes) space = atoll(bytes);
    if (path) journal = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
}

static void emit(const void *bytes, size_t len) {
    /* A journal with a hole would prove nothing. */
    if (syscall(SYS_write, journal, bytes, len) != (long)len) abort();
}

static void record(char kind, int file, int64_t offset, const void *bytes, size_t len) {
    unsigned char head[17];
    uint32_t number = (uint32_t)file, length = (uint32_t)len;
    if (journal < 0) return;
    head[0] = (unsigned char)kind;
    memcpy(head + 1, &number, 4);
    memcpy(head + 5, &offset, 8);
    memcpy(head + 13, &length, 4);
    emit(head, sizeof head);
    if (len > 0) emit(bytes, len);
}

static int tracked(int fd) { return fd >= 0 && fd < MAX_FD ? file_of_fd[fd] : UNTRACKED; }

static void refuse(int fd, const char *call) {
    if (tracked(fd) != UNTRACKED) record('X', tracked(fd), 0, call, strlen(call));
}

/* The name inside the directory; "" for the directory itself, NULL for what lies elsewhere. */
static const char *inside(const char *path) {
    if (directory_len == 0 || strncmp(path, directory, directory_len) != 0) return NULL;
    if (path[directory_len] == '\0') return "";
    return path[directory_len] == '/' ? path + directory_len + 1 : NULL;
}

static int number_of(const char *name) {
    for (int file = 1; file < file_count; file++)
        if (strcmp(names[file], name) == 0) return file;
    return 0;
}

static void opened(int fd, const char *name, int flags) {
    if (fd >= MAX_FD || file_count >= MAX_FILES || strlen(name) >= MAX_NAME) abort();
    if (*name == '\0') {
        file_of_fd[fd] = DIRECTORY;
        return;
    }
    int file = number_of(name);
    if (file == 0) {
        file = file_count++;
        strcpy(names[file], name);
        record('C', file, 0, name, strlen(name));
    } else if (flags & O_TRUNC) {
        record('T', file, 0, NULL, 0);
    }
    file_of_fd[fd] = file;
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

#define OPEN(name)                                                                                \
    int name(const char *path, int flags, ...) {                                                 \
        va_list list;                                                                            \
        va_start(list, flags);                                                                   \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(list, mode_t) : 0;                  \
        va_end(list);                                                                            \
        const char *file = inside(path);                                                         \
        if (file && is_read_only && (flags & (O_WRONLY | O_RDWR | O_CREAT))) {                   \
            errno = EROFS;                                                                       \
            return -1;                                                                           \
        }                                                                                        \
        int fd = NEXT(name)(path, flags, mode);                                                  \
        if (fd >= 0 && file) opened(fd, file, flags);                                            \
        return fd;                                                                               \
    }
OPEN(open)
OPEN(open64)

int close(int fd) {
    if (tracked(fd) != UNTRACKED) file_of_fd[fd] = UNTRACKED;
    return NEXT(close)(fd);
}

/* How much of `len` still fits; 0 sets errno. */
static size_t fitting(size_t len) {
    if (len > 0 && space <= 0) errno = ENOSPC;
    size_t fits = space <= 0 ? 0 : (int64_t)len > space ? (size_t)space : len;
    space -= space == INT64_MAX ? 0 : (int64_t)fits;
    return fits;
}

ssize_t write(int fd, const void *bytes, size_t len) {
    int file = tracked(fd);
    if (file > 0) {
        int64_t offset = lseek(fd, 0, SEEK_CUR);
        if ((len = fitting(len)) == 0) return -1;
        record('W', file, offset, bytes, len);
    } else if (fd == STDOUT_FILENO) {
        record('P', 0, 0, bytes, len);
    }
    return NEXT(write)(fd, bytes, len);
}

#define PWRITE(name, offset_type)                                                                 \
    ssize_t name(int fd, const void *bytes, size_t len, offset_type offset) {                    \
        int file = tracked(fd);                                                                  \
        if (file > 0) {                                                                          \
            if ((len = fitting(len)) == 0) return -1;                                            \
            record('W', file, offset, bytes, len);                                               \
        }                                                                                        \
        return NEXT(name)(fd, bytes, len, offset);                                               \
    }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

#define TRUNCATE(name, offset_type)                                                               \
    int name(int fd, offset_type len) {                                                          \
        if (tracked(fd) > 0) record('T', tracked(fd), len, NULL, 0);                             \
        return NEXT(name)(fd, len);                                                              \
    }
TRUNCATE(ftruncate, off_t)
TRUNCATE(ftruncate64, off64_t)

/* Recorded once it is done: until then nothing was promised. */
#define SYNC(name)                                                                                \
    int name(int fd) {                                                                           \
        int result = NEXT(name)(fd), file = tracked(fd);                                         \
        if (result == 0 && file != UNTRACKED) record(file > 0 ? 'S' : 'D', file, 0, NULL, 0);    \
        return result;                                                                           \
    }
SYNC(fsync)
SYNC(fdatasync)

int unlink(const char *path) {
    const char *name = inside(path);
    int result = NEXT(unlink)(path), file = name ? number_of(name) : 0;
    if (result == 0 && file > 0) {
        record('U', file, 0, name, strlen(name));
        names[file][0] = '\0';
    }
    return result;
}

int rename(const char *from, const char *to) {
    if (inside(from) || inside(to)) record('X', 0, 0, "rename", 6);
    return NEXT(rename)(from, to);
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    refuse(fd, "writev");
    return NEXT(writev)(fd, parts, count);
}

#define MMAP(name, offset_type)                                                                   \
    void *name(void *at, size_t len, int protection, int flags, int fd, offset_type offset) {    \
        if ((protection & PROT_WRITE) && (flags & MAP_SHARED)) refuse(fd, #name);                \
        return NEXT(name)(at, len, protection, flags, fd, offset);                               \
    }
MMAP(mmap, off_t)
MMAP(mmap64, off64_t)
