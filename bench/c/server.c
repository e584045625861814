/*
 * What podfs's file server is measured against: a server in C on libfuse 3's low-level API
 * that serves a copy of a directory from memory, with the same time-outs and the same kernel
 * caches. One thread, as podfs has one; more threads would make a single reader wait longer.
 *
 *   server DIRECTORY MOUNTPOINT answer-opens|no-opens
 *
 * Prints the number of opens that it answered when it ends.
 */
#define _GNU_SOURCE
#define FUSE_USE_VERSION 34
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define VALID_SECONDS (365.0 * 86400)

struct node {
  struct stat attributes;
  char *name;
  char *data; /* a file's bytes, a link's target */
  fuse_ino_t parent;
};

/* A node's number is its index; 0 is nobody, 1 is the root (FUSE_ROOT_ID). */
static struct node *nodes;
static size_t node_count = 1;
static int answer_opens;
static unsigned long opens;

static void load(const char *path, const char *name, fuse_ino_t parent) {
  struct stat attributes;
  if (lstat(path, &attributes) < 0) err(1, "%s", path);
  nodes = realloc(nodes, (node_count + 1) * sizeof *nodes);
  fuse_ino_t ino = node_count++;
  struct node *node = &nodes[ino];
  *node = (struct node){attributes, strdup(name), NULL, parent};
  node->attributes.st_ino = ino;
  size_t size = (size_t)attributes.st_size;
  if (S_ISLNK(attributes.st_mode)) {
    node->data = calloc(1, size + 1);
    if (readlink(path, node->data, size) < 0) err(1, "%s", path);
  } else if (S_ISREG(attributes.st_mode)) {
    node->data = calloc(1, size + 1);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || read(fd, node->data, size) != (ssize_t)size)
      err(1, "%s", path);
    close(fd);
  } else if (S_ISDIR(attributes.st_mode)) {
    DIR *directory = opendir(path);
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
      char *child;
      if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
        continue;
      if (asprintf(&child, "%s/%s", path, entry->d_name) < 0) err(1, "memory");
      load(child, entry->d_name, ino);
      free(child);
    }
    closedir(directory);
  }
}

/* As podfs asks for: see `wanted` in src/fuse/server/handlers.ts. */
static void on_init(void *data, struct fuse_conn_info *connection) {
  (void)data;
  connection->want &= ~FUSE_CAP_AUTO_INVAL_DATA;
  connection->want &= ~FUSE_CAP_READDIRPLUS;
  connection->want |= FUSE_CAP_CACHE_SYMLINKS & connection->capable;
}

static void on_lookup(fuse_req_t request, fuse_ino_t parent,
                      const char *name) {
  struct fuse_entry_param entry = {.attr_timeout = VALID_SECONDS,
                                   .entry_timeout = VALID_SECONDS};
  for (size_t ino = 2; ino < node_count; ino++)
    if (nodes[ino].parent == parent && strcmp(nodes[ino].name, name) == 0) {
      entry.ino = ino;
      entry.attr = nodes[ino].attributes;
      break;
    }
  fuse_reply_entry(request, &entry);
}

static void on_getattr(fuse_req_t request, fuse_ino_t ino,
                       struct fuse_file_info *info) {
  (void)info;
  fuse_reply_attr(request, &nodes[ino].attributes, VALID_SECONDS);
}

static void on_readlink(fuse_req_t request, fuse_ino_t ino) {
  fuse_reply_readlink(request, nodes[ino].data);
}

static void on_open(fuse_req_t request, fuse_ino_t ino,
                    struct fuse_file_info *info) {
  (void)ino;
  if (!answer_opens) {
    fuse_reply_err(request, ENOSYS);
    return;
  }
  opens++;
  info->keep_cache = 1;
  info->noflush = 1;
  fuse_reply_open(request, info);
}

static void on_read(fuse_req_t request, fuse_ino_t ino, size_t size,
                    off_t offset, struct fuse_file_info *info) {
  (void)info;
  off_t end = nodes[ino].attributes.st_size;
  if (offset > end) offset = end;
  if ((off_t)size > end - offset) size = (size_t)(end - offset);
  fuse_reply_buf(request, nodes[ino].data + offset, size);
}

static void on_opendir(fuse_req_t request, fuse_ino_t ino,
                       struct fuse_file_info *info) {
  (void)ino;
  (void)info;
  fuse_reply_err(request, ENOSYS);
}

static void on_readdir(fuse_req_t request, fuse_ino_t ino, size_t size,
                       off_t offset, struct fuse_file_info *info) {
  (void)info;
  char *entries = malloc(size);
  size_t used = 0;
  for (size_t child = (size_t)offset + 1; child < node_count; child++) {
    if (nodes[child].parent != ino) continue;
    size_t length =
        fuse_add_direntry(request, entries + used, size - used,
                          nodes[child].name, &nodes[child].attributes,
                          (off_t)child);
    if (length > size - used) break;
    used += length;
  }
  fuse_reply_buf(request, entries, used);
  free(entries);
}

static const struct fuse_lowlevel_ops operations = {
    .init = on_init,         .lookup = on_lookup,   .getattr = on_getattr,
    .readlink = on_readlink, .open = on_open,       .read = on_read,
    .opendir = on_opendir,   .readdir = on_readdir,
};

int main(int argc, char **argv) {
  if (argc != 4) errx(2, "usage: server DIRECTORY MOUNTPOINT answer-opens|no-opens");
  load(argv[1], "", 0);
  answer_opens = strcmp(argv[3], "answer-opens") == 0;
  char *options[] = {argv[0], "-o", "default_permissions,nosuid,nodev,ro"};
  struct fuse_args args = FUSE_ARGS_INIT(3, options);
  struct fuse_session *session =
      fuse_session_new(&args, &operations, sizeof operations, NULL);
  if (session == NULL || fuse_set_signal_handlers(session) < 0 ||
      fuse_session_mount(session, argv[2]) < 0)
    errx(1, "cannot mount at %s", argv[2]);
  puts("ready");
  fflush(stdout);
  fuse_session_loop(session);
  fuse_session_unmount(session);
  printf("opens %lu\n", opens);
  return 0;
}
