// What the parts of the addon share: reading steps, writing results, and the steps themselves.
#ifndef TSSWARM_STEPS_H
#define TSSWARM_STEPS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_PATH = 4096, MAX_REPLY = 256 * 1024 * 1024 };

struct reader {
  const uint8_t *at;
  size_t left;
  bool failed;
};

static inline const uint8_t *take(struct reader *r, size_t n) {
  if (r->failed || n > r->left) {
    r->failed = true;
    return NULL;
  }
  const uint8_t *p = r->at;
  r->at += n;
  r->left -= n;
  return p;
}

static inline uint32_t take_u32(struct reader *r) {
  uint32_t v = 0;
  const uint8_t *p = take(r, 4);
  if (p) memcpy(&v, p, 4);
  return v;
}

struct writer {
  uint8_t *data;
  size_t length, room;
  bool failed;
};

static inline void put(struct writer *w, const void *data, size_t n) {
  if (w->failed) return;
  if (w->length + n > w->room) {
    size_t room = w->room ? w->room : 1024;
    while (room < w->length + n) room *= 2;
    uint8_t *grown = room > MAX_REPLY ? NULL : realloc(w->data, room);
    if (!grown) {
      w->failed = true;
      return;
    }
    w->data = grown;
    w->room = room;
  }
  if (n) memcpy(w->data + w->length, data, n);
  w->length += n;
}

// One result: errno (0 = done), length, bytes (an error text, a listing, a dump, a descriptor).
static inline void result(struct writer *w, int32_t error, const void *data, size_t n) {
  uint32_t length = (uint32_t)n;
  put(w, &error, 4);
  put(w, &length, 4);
  put(w, data, n);
}

static inline void result_text(struct writer *w, int error, const char *text) {
  result(w, error, text, strlen(text));
}

// A path argument as a C string; false when it does not fit or is empty.
static inline bool take_path(struct reader *r, size_t n, char *path) {
  const uint8_t *p = n && n < MAX_PATH ? take(r, n) : NULL;
  if (!p) return false;
  memcpy(path, p, n);
  path[n] = 0;
  return true;
}

// Netlink sockets of one job.
struct sockets {
  int fd[32]; // by netlink protocol, −1 = not open
};

// nftables.c: one transaction or listing; `lingering` gets a socket to be closed by close_lingering
// once the result is out, −1 = none.
void step_nft(struct reader *r, struct writer *w, int *lingering);
void close_lingering(int fd);

// netlink.c
void open_no_sockets(struct sockets *sockets);
void close_sockets(struct sockets *sockets);
void step_netlink(struct reader *r, struct writer *w, struct sockets *sockets, uint32_t sequence);
bool is_own_socket(int fd);

// digest.c
void step_digest(struct reader *r, struct writer *w, struct sockets *sockets, uint32_t sequence);

// namespace.c
void step_write(struct reader *r, struct writer *w);
void step_socket(struct reader *r, struct writer *w);
void step_send(struct reader *r, struct writer *w);
void step_connect(struct reader *r, struct writer *w);
void step_new_namespace(struct reader *r, struct writer *w);
void step_unmount(struct reader *r, struct writer *w);
void step_share(struct reader *r, struct writer *w);

#endif
