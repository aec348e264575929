// A file system that refuses: loaded by LD_PRELOAD, it fails chosen calls on the files below one folder.
//
//   FAULT_ROOT   the folder, absolute
//   FAULT_CALL   open, link, rename, fsync, write, ftruncate, mkdir or unlink; anything else fails nothing
//   FAULT_ERRNO  the error number; 0 makes a write take half of the bytes that it is given
//   FAULT_AT     which call of that kind fails, from 1
//   FAULT_TIMES  how many fail from there on; 1 by default, 0 for all
//   FAULT_LOG    a file that gets a line `CALL NUMBER` for every call below the folder, with ` failed` where that was
//                so; where the variable comes to name another file, calls are counted from 1 again
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum kind { kOpen, kLink, kRename, kFsync, kWrite, kFtruncate, kMkdir, kUnlink, kKinds };
static const char* const names[kKinds] = {"open", "link", "rename", "fsync", "write", "ftruncate", "mkdir", "unlink"};
static atomic_long counts[kKinds];

static void count_anew_for_another_log(void) {
  static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  static char last[PATH_MAX];
  const char* log = getenv("FAULT_LOG");
  if (!log) return;
  pthread_mutex_lock(&mutex);
  if (strcmp(last, log) != 0) {
    snprintf(last, sizeof last, "%s", log);
    for (int i = 0; i < kKinds; i++) atomic_store(&counts[i], 0);
  }
  pthread_mutex_unlock(&mutex);
}

static long number(const char* name, long otherwise) {
  const char* text = getenv(name);
  return text ? atol(text) : otherwise;
}

static int below_root(const char* path) {
  const char* root = getenv("FAULT_ROOT");
  return root && path && strncmp(path, root, strlen(root)) == 0;
}

static int descriptor_below_root(int descriptor) {
  char link[64], path[PATH_MAX];
  snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
  const ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return 0;
  path[length] = 0;
  return below_root(path);
}

// System calls of its own, because those of the C library are the ones below.
static void record(enum kind kind, long count, int failed) {
  const char* path = getenv("FAULT_LOG");
  if (!path) return;
  char line[64];
  const int length = snprintf(line, sizeof line, "%s %ld%s\n", names[kind], count, failed ? " failed" : "");
  const long log = syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (log < 0) return;
  syscall(SYS_write, log, line, length);
  syscall(SYS_close, log);
}

// Whether this call, which is on a file below the folder, is one that fails.
static int chosen(enum kind kind) {
  count_anew_for_another_log();
  const long count = atomic_fetch_add(&counts[kind], 1) + 1;
  const char* call = getenv("FAULT_CALL");
  const long at = number("FAULT_AT", 1), times = number("FAULT_TIMES", 1);
  const int fails = call && strcmp(call, names[kind]) == 0 && count >= at && (times == 0 || count < at + times);
  record(kind, count, fails);
  return fails;
}

#define REAL(name)                  \
  static __typeof__(&(name)) real;  \
  if (!real) *(void**)&real = dlsym(RTLD_NEXT, #name)

#define REFUSE(kind, here)                \
  if ((here) && chosen(kind)) {           \
    errno = (int)number("FAULT_ERRNO", 5); \
    return -1;                            \
  }

#define OPEN(name)                                     \
  int name(const char* path, int flags, ...) {         \
    REAL(name);                              \
    va_list rest;                                      \
    va_start(rest, flags);                             \
    const mode_t mode = va_arg(rest, mode_t);          \
    va_end(rest);                                      \
    REFUSE(kOpen, below_root(path))                    \
    return real(path, flags, mode);                    \
  }

#define PATH_CALL(name, kind, parameters, arguments, path) \
  int name parameters {                                    \
    REAL(name);                              \
    REFUSE(kind, below_root(path))                         \
    return real arguments;                                 \
  }

#define DESCRIPTOR_CALL(name, kind, parameters, arguments) \
  int name parameters {                                    \
    REAL(name);                              \
    REFUSE(kind, descriptor_below_root(descriptor))        \
    return real arguments;                                 \
  }

// A short write is no error: the caller has to come back with the rest.
#define WRITE(name, parameters, arguments, half)                          \
  ssize_t name parameters {                                               \
    REAL(name);                              \
    if (descriptor_below_root(descriptor) && chosen(kWrite)) {            \
      errno = (int)number("FAULT_ERRNO", 5);                              \
      if (errno != 0) return -1;                                          \
      half;                                                               \
    }                                                                     \
    return real arguments;                                                \
  }

OPEN(open)
OPEN(open64)
PATH_CALL(link, kLink, (const char* from, const char* to), (from, to), to)
PATH_CALL(rename, kRename, (const char* from, const char* to), (from, to), to)
PATH_CALL(mkdir, kMkdir, (const char* path, mode_t mode), (path, mode), path)
PATH_CALL(unlink, kUnlink, (const char* path), (path), path)
DESCRIPTOR_CALL(fsync, kFsync, (int descriptor), (descriptor))
DESCRIPTOR_CALL(fdatasync, kFsync, (int descriptor), (descriptor))
DESCRIPTOR_CALL(ftruncate, kFtruncate, (int descriptor, off_t size), (descriptor, size))
DESCRIPTOR_CALL(ftruncate64, kFtruncate, (int descriptor, off_t size), (descriptor, size))
WRITE(write, (int descriptor, const void* bytes, size_t size), (descriptor, bytes, size), size = (size + 1) / 2)
WRITE(pwrite, (int descriptor, const void* bytes, size_t size, off_t at), (descriptor, bytes, size, at),
      size = (size + 1) / 2)
WRITE(pwrite64, (int descriptor, const void* bytes, size_t size, off_t at), (descriptor, bytes, size, at),
      size = (size + 1) / 2)
WRITE(writev, (int descriptor, const struct iovec* pieces, int count), (descriptor, pieces, count),
      count = count > 1 ? count / 2 : count)
WRITE(pwritev64, (int descriptor, const struct iovec* pieces, int count, off_t at), (descriptor, pieces, count, at),
      count = count > 1 ? count / 2 : count)
