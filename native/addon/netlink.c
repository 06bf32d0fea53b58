// Netlink requests as they come, encoded by src/platform, and their answers.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "steps.h"

enum { PATCH_INTERFACE = 1, PATCH_NAMESPACE };
enum { MAX_PATCHES = 8, NETLINK_BUFFER = 256 * 1024, NETLINK_TIMEOUT_SECONDS = 20 };

// Descriptors of netlink sockets that netlink.c opened itself; the library's is none of them.
enum { MAX_OWN_SOCKETS = 256 };
static int own_sockets[MAX_OWN_SOCKETS];
static pthread_mutex_t own_lock = PTHREAD_MUTEX_INITIALIZER;

static bool exchange_own_socket(int from, int to) {
  bool done = false;
  pthread_mutex_lock(&own_lock);
  for (int i = 0; i < MAX_OWN_SOCKETS && !done; i++) {
    if (own_sockets[i] != from) continue;
    own_sockets[i] = to;
    done = true;
  }
  pthread_mutex_unlock(&own_lock);
  return done;
}

bool is_own_socket(int fd) { return exchange_own_socket(fd, fd); }

void open_no_sockets(struct sockets *sockets) { memset(sockets->fd, -1, sizeof sockets->fd); }

void close_sockets(struct sockets *sockets) {
  for (int i = 0; i < 32; i++) {
    if (sockets->fd[i] < 0) continue;
    exchange_own_socket(sockets->fd[i], 0);
    close(sockets->fd[i]);
  }
}

static int netlink_socket(struct sockets *s, uint32_t protocol) {
  if (protocol >= 32) return -EPROTONOSUPPORT;
  if (s->fd[protocol] >= 0) return s->fd[protocol];
  int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, (int)protocol);
  if (fd < 0) return -errno;
  struct sockaddr_nl address = {.nl_family = AF_NETLINK};
  int one = 1, room = 4 * 1024 * 1024;
  struct timeval limit = {.tv_sec = NETLINK_TIMEOUT_SECONDS};
  setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof one);
  setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &one, sizeof one);
  setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0) {
    int error = errno;
    close(fd);
    return -error;
  }
  exchange_own_socket(0, fd);
  s->fd[protocol] = fd;
  return fd;
}

// The kernel's own words about a refused request (NLMSGERR_ATTR_MSG), if it gave any.
static void extended_error(const struct nlmsghdr *h, char *text, size_t room) {
  text[0] = 0;
  if (!(h->nlmsg_flags & NLM_F_ACK_TLVS)) return;
  const struct nlmsgerr *e = NLMSG_DATA(h);
  size_t skip = sizeof *e;
  if (!(h->nlmsg_flags & NLM_F_CAPPED)) skip += NLMSG_ALIGN(e->msg.nlmsg_len) - sizeof e->msg;
  size_t total = h->nlmsg_len - NLMSG_HDRLEN;
  const uint8_t *at = (const uint8_t *)e;
  while (skip + 4 <= total) {
    const struct nlattr *a = (const struct nlattr *)(at + skip);
    if (a->nla_len < 4 || skip + a->nla_len > total) return;
    if ((a->nla_type & NLA_TYPE_MASK) == NLMSGERR_ATTR_MSG) {
      snprintf(text, room, "%.*s", (int)(a->nla_len - 4), (const char *)(a + 1));
      return;
    }
    skip += NLMSG_ALIGN(a->nla_len);
  }
}

// Reads the answer to one request: messages are collected until an error, an ack or the dump's end.
static void netlink_answer(int fd, uint32_t sequence, struct writer *w) {
  static __thread uint8_t buffer[NETLINK_BUFFER] __attribute__((aligned(8)));
  struct writer messages = {0};
  bool interrupted = false;
  for (;;) {
    ssize_t n = recv(fd, buffer, sizeof buffer, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      result_text(w, errno, "netlink: no answer");
      break;
    }
    size_t left = (size_t)n;
    for (struct nlmsghdr *h = (struct nlmsghdr *)buffer; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) {
      if (h->nlmsg_seq != sequence) continue;
      if (h->nlmsg_flags & NLM_F_DUMP_INTR) interrupted = true;
      if (h->nlmsg_type == NLMSG_ERROR || h->nlmsg_type == NLMSG_DONE) {
        int error = 0;
        char text[256] = "";
        if (h->nlmsg_type == NLMSG_ERROR) {
          error = -((struct nlmsgerr *)NLMSG_DATA(h))->error;
          if (error) extended_error(h, text, sizeof text);
        } else if (h->nlmsg_len >= NLMSG_LENGTH(4)) {
          memcpy(&error, NLMSG_DATA(h), 4);
          error = -error;
        }
        if (!error && interrupted) error = EAGAIN;
        if (error) result_text(w, error, text);
        else if (messages.failed) result_text(w, ENOMEM, "netlink: answer too large");
        else result(w, 0, messages.data, messages.length);
        free(messages.data);
        return;
      }
      uint8_t padding[NLMSG_ALIGNTO] = {0};
      put(&messages, h, h->nlmsg_len);
      put(&messages, padding, NLMSG_ALIGN(h->nlmsg_len) - h->nlmsg_len);
    }
  }
  free(messages.data);
}

// Payload: protocol, number of patches, patches {offset, kind, length, name}, the message. A patch
// writes the index of an interface of this namespace, or a descriptor of another namespace.
void step_netlink(struct reader *r, struct writer *w, struct sockets *sockets, uint32_t sequence) {
  struct {
    uint32_t offset;
    int32_t value;
  } patches[MAX_PATCHES];
  int opened[MAX_PATCHES], open_count = 0, error = 0;
  char path[MAX_PATH];
  uint32_t protocol = take_u32(r), count = take_u32(r);
  if (count > MAX_PATCHES) error = E2BIG;
  for (uint32_t i = 0; i < count && !error; i++) {
    patches[i].offset = take_u32(r);
    uint32_t kind = take_u32(r);
    if (!take_path(r, take_u32(r), path)) error = EINVAL;
    else if (kind == PATCH_INTERFACE) patches[i].value = (int32_t)if_nametoindex(path);
    else {
      patches[i].value = open(path, O_RDONLY | O_CLOEXEC);
      if (patches[i].value >= 0) opened[open_count++] = patches[i].value;
    }
    if (!error && patches[i].value <= 0) error = kind == PATCH_INTERFACE ? ENODEV : ENOENT;
  }
  size_t length = r->left;
  struct nlmsghdr *message = error ? NULL : malloc(length ? length : 1);
  if (error) {
    result_text(w, error, path);
  } else if (!message || length < sizeof *message) {
    result_text(w, EINVAL, "netlink: message too short");
  } else {
    memcpy(message, take(r, length), length);
    for (uint32_t i = 0; i < count; i++) {
      if (patches[i].offset + 4 <= length) memcpy((uint8_t *)message + patches[i].offset, &patches[i].value, 4);
    }
    message->nlmsg_seq = sequence;
    int fd = netlink_socket(sockets, protocol);
    if (fd < 0) result_text(w, -fd, "netlink: socket");
    else if (send(fd, message, length, 0) < 0) result_text(w, errno, "netlink: send");
    else netlink_answer(fd, sequence, w);
  }
  free(message);
  for (int i = 0; i < open_count; i++) close(opened[i]);
}
