/*
 * The reader of the benchmark: a process of its own that measures system calls with nothing
 * around them but two reads of the monotonic clock. node-client.ts does the same, slower.
 *
 *   client read|stat|readlink|readdir|pread|mmap COUNT PATH   COUNT calls, after a tenth as warm-up
 *   client cold 1 PATH..                                      the first open+read+close of each
 *       writes one 32-bit number of nanoseconds per call to stdout
 *   client watch DIR                                          the MOVED_TO of ..data
 *   client await TEXT PATH..                                  each file begins with TEXT
 *       writes `ready`, then lines `NANOSECONDS` of CLOCK_MONOTONIC as it happens
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <err.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static char buffer[1 << 16];
static int opened = -1;
static size_t opened_size;

static uint64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static void do_read(const char *path) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0 || read(fd, buffer, sizeof buffer) < 0) err(1, "%s", path);
  close(fd);
}

static void do_stat(const char *path) {
  struct stat attributes;
  if (stat(path, &attributes) < 0) err(1, "%s", path);
}

static void do_readlink(const char *path) {
  if (readlink(path, buffer, sizeof buffer) < 0) err(1, "%s", path);
}

static void do_readdir(const char *path) {
  DIR *directory = opendir(path);
  if (directory == NULL) err(1, "%s", path);
  while (readdir(directory) != NULL) {
  }
  closedir(directory);
}

static void do_pread(const char *path) {
  if (pread(opened, buffer, sizeof buffer, 0) < 0) err(1, "%s", path);
}

/* Maps, touches the first byte, unmaps. */
static void do_mmap(const char *path) {
  volatile char *bytes =
      mmap(NULL, opened_size, PROT_READ, MAP_PRIVATE, opened, 0);
  if (bytes == MAP_FAILED) err(1, "%s", path);
  (void)bytes[0];
  munmap((void *)bytes, opened_size);
}

static const struct {
  const char *name;
  void (*call)(const char *);
} calls[] = {
    {"read", do_read},       {"stat", do_stat},   {"readlink", do_readlink},
    {"readdir", do_readdir}, {"pread", do_pread}, {"mmap", do_mmap},
    {"cold", do_read},
};

static void measure(void (*call)(const char *), size_t count, char **paths,
                    size_t n) {
  uint32_t *times = calloc(count * n, sizeof *times);
  for (size_t i = 0; i < count * n; i++) {
    uint64_t start = now();
    call(paths[i % n]);
    times[i] = (uint32_t)(now() - start);
  }
  fwrite(times, sizeof *times, count * n, stdout);
  free(times);
}

static void told(void) {
  printf("%llu\n", (unsigned long long)now());
  fflush(stdout);
}

static void watch(const char *directory) {
  int fd = inotify_init1(IN_CLOEXEC);
  if (fd < 0 || inotify_add_watch(fd, directory, IN_MOVED_TO) < 0)
    err(1, "%s", directory);
  puts("ready");
  fflush(stdout);
  for (;;) {
    ssize_t length = read(fd, buffer, sizeof buffer);
    if (length <= 0) err(1, "inotify");
    for (char *at = buffer; at < buffer + length;) {
      struct inotify_event *event = (struct inotify_event *)at;
      if (event->len > 0 && strcmp(event->name, "..data") == 0) told();
      at += sizeof *event + event->len;
    }
  }
}

/* A short sleep between two looks: the two cores are podfs's, not the reader's. */
static void await_text(const char *text, char **paths, size_t n) {
  const struct timespec pause = {.tv_nsec = 100000};
  size_t length = strlen(text);
  puts("ready");
  fflush(stdout);
  for (size_t i = 0; i < n; i++)
    for (;;) {
      int fd = open(paths[i], O_RDONLY | O_CLOEXEC);
      ssize_t got = fd < 0 ? -1 : read(fd, buffer, sizeof buffer);
      if (fd >= 0) close(fd);
      if (got >= (ssize_t)length && memcmp(buffer, text, length) == 0) break;
      nanosleep(&pause, NULL);
    }
  told();
}

int main(int argc, char **argv) {
  if (argc == 3 && strcmp(argv[1], "watch") == 0) watch(argv[2]);
  if (argc < 4) errx(2, "usage: see client.c");
  if (strcmp(argv[1], "await") == 0) {
    await_text(argv[2], argv + 3, (size_t)argc - 3);
    return 0;
  }
  size_t count = strtoul(argv[2], NULL, 10);
  for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
    if (strcmp(argv[1], calls[i].name) != 0) continue;
    if (strcmp(argv[1], "pread") == 0 || strcmp(argv[1], "mmap") == 0) {
      struct stat attributes;
      opened = open(argv[3], O_RDONLY | O_CLOEXEC);
      if (opened < 0 || fstat(opened, &attributes) < 0) err(1, "%s", argv[3]);
      opened_size = (size_t)attributes.st_size;
    }
    if (strcmp(argv[1], "cold") != 0)
      for (size_t warm = 0; warm < count / 10 + 1; warm++)
        calls[i].call(argv[3]);
    measure(calls[i].call, count, argv + 3, (size_t)argc - 3);
    return 0;
  }
  errx(2, "no call %s", argv[1]);
}
