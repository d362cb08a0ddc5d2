/* A disk under the log's files that can fail, and what would be left of them if the power went now.
 *
 * Loaded before the C library, it looks at what a process writes to `log.sqlite` and `log.sqlite-wal` in DISK_DATA. The files
 * there are what the system's cache holds. In DISK_KEPT lie files of the same names that hold what is on the disk for certain: a
 * page gets there by a sync of its file that succeeds. As in Linux, a sync that fails leaves the pages clean: they are read as
 * they were written, and no later sync carries them to the disk unless they are written again; and everybody else who has the file
 * open is told of the failure once.
 *
 * A file `fail-log.sqlite` or `fail-log.sqlite-wal` in DISK_KEPT makes syncs of that file fail while it is there, and is removed
 * by the first that fails when it is empty. One with `fail-next-` in place of `fail-` gets such a name at the next sync, which
 * succeeds. Which pages are dirty is kept in a file too, and so outlives the process.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILES 2
#define PAGE 4096
#define PAGES_MAX (1 << 16)
#define DESCRIPTORS_MAX 4096

static const char *const names[FILES] = {"log.sqlite", "log.sqlite-wal"};
static unsigned char *dirty[FILES];
/* By descriptor: one more than the number of its file when it wrote or synced; and whether it has a failure to be told of. */
static unsigned char known[DESCRIPTORS_MAX], told_later[DESCRIPTORS_MAX];
static pthread_mutex_t guard = PTHREAD_MUTEX_INITIALIZER;

static void *next(const char *name) { return dlsym(RTLD_NEXT, name); }

static void give_up(const char *what) {
    perror(what);
    abort();
}

static const char *setting(const char *name) {
    const char *value = getenv(name);
    if (value == NULL) give_up(name);
    return value;
}

static void kept_path(char *path, const char *before, const char *name, const char *after) {
    snprintf(path, PATH_MAX, "%s/%s%s%s", setting("DISK_KEPT"), before, name, after);
}

static int file_of_path(const char *path) {
    const char *data = setting("DISK_DATA");
    size_t length = strlen(data);
    if (strncmp(path, data, length) != 0 || path[length] != '/') return -1;
    for (int file = 0; file < FILES; file++)
        if (strcmp(path + length + 1, names[file]) == 0) return file;
    return -1;
}

static int file_of(int descriptor) {
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return -1;
    path[length] = 0;
    return file_of_path(path);
}

static unsigned char *dirty_pages(int file) {
    if (dirty[file] == NULL) {
        char path[PATH_MAX];
        kept_path(path, "", names[file], ".dirty");
        int map = open(path, O_RDWR | O_CREAT, 0600);
        if (map < 0 || ftruncate(map, PAGES_MAX) != 0) give_up(path);
        dirty[file] = mmap(NULL, PAGES_MAX, PROT_READ | PROT_WRITE, MAP_SHARED, map, 0);
        if (dirty[file] == MAP_FAILED) give_up(path);
        close(map);
    }
    return dirty[file];
}

static void wrote(int descriptor, off64_t offset, ssize_t length) {
    if (length <= 0) return;
    int file = file_of(descriptor);
    if (file < 0) return;
    pthread_mutex_lock(&guard);
    if (descriptor < DESCRIPTORS_MAX) known[descriptor] = file + 1;
    off64_t last = (offset + length - 1) / PAGE;
    if (last >= PAGES_MAX) give_up("the file is too long for this disk");
    memset(dirty_pages(file) + offset / PAGE, 1, last - offset / PAGE + 1);
    pthread_mutex_unlock(&guard);
}

/* Carries what is dirty to the disk. */
static void keep(int descriptor, int file) {
    ssize_t (*read_at)(int, void *, size_t, off64_t) = next("pread64");
    ssize_t (*write_at)(int, const void *, size_t, off64_t) = next("pwrite64");
    int (*cut)(int, off64_t) = next("ftruncate64");
    char path[PATH_MAX], page[PAGE];
    struct stat status;
    kept_path(path, "", names[file], "");
    int disk = open(path, O_WRONLY | O_CREAT, 0600);
    if (disk < 0 || fstat(descriptor, &status) != 0) give_up(path);
    for (off64_t number = 0; number < PAGES_MAX; number++) {
        if (!dirty_pages(file)[number]) continue;
        dirty_pages(file)[number] = 0;
        ssize_t length = read_at(descriptor, page, PAGE, number * PAGE);
        if (length < 0 || write_at(disk, page, length, number * PAGE) != length) give_up(path);
    }
    if (cut(disk, status.st_size) != 0) give_up(path);
    close(disk);
}

/* Whether this sync is to fail. */
static int fails(int file) {
    char path[PATH_MAX], next_path[PATH_MAX];
    struct stat status;
    kept_path(path, "fail-", names[file], "");
    kept_path(next_path, "fail-next-", names[file], "");
    if (rename(next_path, path) == 0) return 0;
    if (stat(path, &status) != 0) return 0;
    return status.st_size > 0 || unlink(path) == 0;
}

static int sync_file(int descriptor, const char *real) {
    int file = file_of(descriptor);
    if (file < 0) return ((int (*)(int))next(real))(descriptor);
    int failed = 0;
    pthread_mutex_lock(&guard);
    if (descriptor < DESCRIPTORS_MAX) known[descriptor] = file + 1;
    if (fails(file)) {
        memset(dirty_pages(file), 0, PAGES_MAX);
        for (int other = 0; other < DESCRIPTORS_MAX; other++)
            if (other != descriptor && known[other] == file + 1) told_later[other] = 1;
        failed = 1;
    } else {
        keep(descriptor, file);
        if (descriptor < DESCRIPTORS_MAX) {
            failed = told_later[descriptor];
            told_later[descriptor] = 0;
        }
    }
    pthread_mutex_unlock(&guard);
    if (failed) errno = EIO;
    return failed ? -1 : 0;
}

int fsync(int descriptor) { return sync_file(descriptor, "fsync"); }
int fdatasync(int descriptor) { return sync_file(descriptor, "fdatasync"); }

ssize_t write(int descriptor, const void *bytes, size_t length) {
    off64_t offset = lseek64(descriptor, 0, SEEK_CUR);
    ssize_t written = ((ssize_t (*)(int, const void *, size_t))next("write"))(descriptor, bytes, length);
    int outcome = errno;
    if (offset >= 0) wrote(descriptor, offset, written);
    errno = outcome;
    return written;
}

ssize_t pwrite64(int descriptor, const void *bytes, size_t length, off64_t offset) {
    ssize_t (*real)(int, const void *, size_t, off64_t) = next("pwrite64");
    ssize_t written = real(descriptor, bytes, length, offset);
    int outcome = errno;
    wrote(descriptor, offset, written);
    errno = outcome;
    return written;
}

ssize_t pwrite(int descriptor, const void *bytes, size_t length, off_t offset) {
    return pwrite64(descriptor, bytes, length, offset);
}

int close(int descriptor) {
    if (descriptor >= 0 && descriptor < DESCRIPTORS_MAX) known[descriptor] = told_later[descriptor] = 0;
    return ((int (*)(int))next("close"))(descriptor);
}

int unlink(const char *path) {
    int removed = ((int (*)(const char *))next("unlink"))(path);
    int outcome = errno;
    int file = file_of_path(path);
    if (removed == 0 && file >= 0) {
        char kept[PATH_MAX];
        pthread_mutex_lock(&guard);
        kept_path(kept, "", names[file], "");
        ((int (*)(const char *))next("unlink"))(kept);
        memset(dirty_pages(file), 0, PAGES_MAX);
        pthread_mutex_unlock(&guard);
    }
    errno = outcome;
    return removed;
}
