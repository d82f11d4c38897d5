// For LD_PRELOAD: writes and syncs of files under $EIO_UNDER fail with EIO while the file $EIO_WHEN exists.
// Everything else is passed on. scripts/torture disk builds and uses it.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

static int broken(int fd) {
  int before = errno;
  const char* under = getenv("EIO_UNDER");
  const char* when = getenv("EIO_WHEN");
  int yes = 0;
  if (under && when && access(when, F_OK) == 0) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n > 0) {
      path[n] = '\0';
      yes = strncmp(path, under, strlen(under)) == 0;
    }
  }
  errno = before;
  return yes;
}

#define PASS_ON(result, name, parameters, arguments)     \
  result name parameters {                               \
    static result(*next) parameters;                     \
    if (!next) *(void**)&next = dlsym(RTLD_NEXT, #name); \
    if (broken(fd)) {                                    \
      errno = EIO;                                       \
      return -1;                                         \
    }                                                    \
    return next arguments;                               \
  }

PASS_ON(int, fsync, (int fd), (fd))
PASS_ON(int, fdatasync, (int fd), (fd))
PASS_ON(ssize_t, pwrite, (int fd, const void* bytes, size_t size, off_t at), (fd, bytes, size, at))
PASS_ON(ssize_t, pwrite64, (int fd, const void* bytes, size_t size, off64_t at), (fd, bytes, size, at))
PASS_ON(ssize_t, pwritev2, (int fd, const struct iovec* parts, int count, off_t at, int flags),
        (fd, parts, count, at, flags))
PASS_ON(ssize_t, pwritev64v2, (int fd, const struct iovec* parts, int count, off64_t at, int flags),
        (fd, parts, count, at, flags))
PASS_ON(int, ftruncate64, (int fd, off64_t size), (fd, size))
