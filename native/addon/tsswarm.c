// Node addon: work inside other network namespaces. One function, `run(netns, steps)`, hands a list
// of steps to a thread of its own; the thread enters the namespace, does them in order and ends.
// Node's own threads never change their namespace. There is no policy here: which links, routes and
// rules there are is decided in TypeScript (src/overlay), which also encodes the messages
// (src/platform/native.ts describes the format of steps and results).
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <node_api.h>

// Kinds of steps; the same numbers as in src/platform/native.ts.
enum { STEP_NFT = 1, STEP_NETLINK, STEP_WRITE, STEP_SOCKET, STEP_NEW_NAMESPACE, STEP_UNMOUNT, STEP_SHARE };
enum { PATCH_INTERFACE = 1, PATCH_NAMESPACE };
enum { MAX_PATCHES = 8, MAX_PATH = 4096, NETLINK_BUFFER = 256 * 1024, MAX_REPLY = 256 * 1024 * 1024 };
enum { NETLINK_TIMEOUT_SECONDS = 20 };

// ---------------------------------------------------------------- bytes in and out

struct reader {
  const uint8_t *at;
  size_t left;
  bool failed;
};

static const uint8_t *take(struct reader *r, size_t n) {
  if (r->failed || n > r->left) {
    r->failed = true;
    return NULL;
  }
  const uint8_t *p = r->at;
  r->at += n;
  r->left -= n;
  return p;
}

static uint32_t take_u32(struct reader *r) {
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

static void put(struct writer *w, const void *data, size_t n) {
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
static void result(struct writer *w, int32_t error, const void *data, size_t n) {
  uint32_t length = (uint32_t)n;
  put(w, &error, 4);
  put(w, &length, 4);
  put(w, data, n);
}

static void result_text(struct writer *w, int error, const char *text) {
  result(w, error, text, strlen(text));
}

// A path argument as a C string; false when it does not fit or is empty.
static bool take_path(struct reader *r, size_t n, char *path) {
  const uint8_t *p = n && n < MAX_PATH ? take(r, n) : NULL;
  if (!p) return false;
  memcpy(path, p, n);
  path[n] = 0;
  return true;
}

// ---------------------------------------------------------------- nftables

// Descriptors of netlink sockets that this file opened itself; the library's is none of them.
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

static bool is_own_socket(int fd) { return exchange_own_socket(fd, fd); }

typedef struct nft_ctx nft_ctx;
static struct {
  nft_ctx *(*create)(uint32_t);
  void (*destroy)(nft_ctx *);
  int (*buffer_output)(nft_ctx *);
  int (*buffer_error)(nft_ctx *);
  const char *(*output)(nft_ctx *);
  const char *(*error)(nft_ctx *);
  int (*run)(nft_ctx *, const char *);
  void (*set_flags)(nft_ctx *, unsigned);
} nft;
static const char *nft_missing = "not loaded";
static pthread_once_t nft_once = PTHREAD_ONCE_INIT;
// The library keeps some state of its parser in static variables: one transaction at a time.
static pthread_mutex_t nft_lock = PTHREAD_MUTEX_INITIALIZER;
enum { NFT_STATELESS = 1 << 1 };

// When a transaction, this one or one shortly before, removed something, the kernel keeps whoever
// closes the socket waiting for a grace period (10 ms and more), although the change is in effect. So the socket is duplicated,
// the library closes its own at once, and the thread closes the duplicate when its answer is out and
// the kernel has had its time.
enum { MAX_DESCRIPTOR = 65536, LINGER_MS = 60 };
static uint8_t duplicates[MAX_DESCRIPTOR]; // under nft_lock: those that must not be duplicated again

static int duplicate_nft_socket(void) {
  DIR *directory = opendir("/proc/self/fd");
  if (!directory) return -1;
  int found = -1;
  struct dirent *entry;
  while (found < 0 && (entry = readdir(directory))) {
    int fd = atoi(entry->d_name), domain = 0, protocol = 0;
    socklen_t length = sizeof domain;
    if (fd <= 2 || fd >= MAX_DESCRIPTOR || duplicates[fd]) continue;
    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &length) < 0 || domain != AF_NETLINK) continue;
    length = sizeof protocol;
    if (getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &length) < 0) continue;
    if (protocol == NETLINK_NETFILTER && !is_own_socket(fd)) found = fcntl(fd, F_DUPFD_CLOEXEC, 3);
  }
  closedir(directory);
  if (found >= MAX_DESCRIPTOR) {
    close(found);
    return -1;
  }
  if (found >= 0) duplicates[found] = 1;
  return found;
}

static void close_duplicate(int fd) {
  struct timespec linger = {.tv_nsec = LINGER_MS * 1000000L};
  nanosleep(&linger, NULL);
  pthread_mutex_lock(&nft_lock);
  duplicates[fd] = 0;
  pthread_mutex_unlock(&nft_lock);
  close(fd);
}

static void load_nft(void) {
  void *library = dlopen("libnftables.so.1", RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    nft_missing = "libnftables.so.1 is not installed (package libnftables1)";
    return;
  }
  *(void **)&nft.create = dlsym(library, "nft_ctx_new");
  *(void **)&nft.destroy = dlsym(library, "nft_ctx_free");
  *(void **)&nft.buffer_output = dlsym(library, "nft_ctx_buffer_output");
  *(void **)&nft.buffer_error = dlsym(library, "nft_ctx_buffer_error");
  *(void **)&nft.output = dlsym(library, "nft_ctx_get_output_buffer");
  *(void **)&nft.error = dlsym(library, "nft_ctx_get_error_buffer");
  *(void **)&nft.run = dlsym(library, "nft_run_cmd_from_buffer");
  *(void **)&nft.set_flags = dlsym(library, "nft_ctx_output_set_flags");
  bool complete = nft.create && nft.destroy && nft.buffer_output && nft.buffer_error && nft.output &&
                  nft.error && nft.run && nft.set_flags;
  nft_missing = complete ? NULL : "libnftables.so.1 lacks functions (1.0 or later is needed)";
}

static void step_nft(struct reader *r, struct writer *w, int *lingering) {
  char *commands = malloc(r->left + 1);
  if (!commands) return result_text(w, ENOMEM, "out of memory");
  size_t n = r->left;
  memcpy(commands, take(r, n), n);
  commands[n] = 0;
  pthread_once(&nft_once, load_nft);
  if (nft_missing) {
    result_text(w, ENOSYS, nft_missing);
  } else {
    pthread_mutex_lock(&nft_lock);
    nft_ctx *ctx = nft.create(0);
    if (!ctx) {
      result_text(w, ENOMEM, "nftables: no context");
    } else {
      nft.buffer_output(ctx);
      nft.buffer_error(ctx);
      nft.set_flags(ctx, NFT_STATELESS);
      int failed = nft.run(ctx, commands);
      const char *text = failed ? nft.error(ctx) : nft.output(ctx);
      result_text(w, failed ? EINVAL : 0, text ? text : "");
      if (strncmp(commands, "list ", 5) != 0 && *lingering < 0) *lingering = duplicate_nft_socket();
      nft.destroy(ctx);
    }
    pthread_mutex_unlock(&nft_lock);
  }
  free(commands);
}

// ---------------------------------------------------------------- netlink

struct sockets {
  int fd[32]; // by netlink protocol, −1 = not open
};

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
static void step_netlink(struct reader *r, struct writer *w, struct sockets *sockets, uint32_t sequence) {
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

// ---------------------------------------------------------------- files, sockets, namespaces

static void step_write(struct reader *r, struct writer *w) {
  char path[MAX_PATH];
  if (!take_path(r, take_u32(r), path)) return result_text(w, EINVAL, "path");
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return result_text(w, errno, path);
  ssize_t n = write(fd, r->at, r->left);
  int error = n < 0 ? errno : 0;
  close(fd);
  result_text(w, error, error ? path : "");
}

// Payload: family (4 or 6), 1 = TCP, flags, port, 16 bytes of address. Result: descriptor and port.
enum { SOCKET_REUSE = 1, SOCKET_FREEBIND = 2, SOCKET_LISTEN = 4 };

static void step_socket(struct reader *r, struct writer *w) {
  uint32_t family = take_u32(r), tcp = take_u32(r), flags = take_u32(r), port = take_u32(r);
  const uint8_t *address = take(r, 16);
  if (!address || port > 65535) return result_text(w, EINVAL, "socket");
  int type = (tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC | SOCK_NONBLOCK, one = 1;
  int fd = socket(family == 6 ? AF_INET6 : AF_INET, type, 0);
  if (fd < 0) return result_text(w, errno, "socket");
  struct sockaddr_storage local = {0};
  socklen_t length = sizeof local;
  if (family == 6) {
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&local;
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons((uint16_t)port);
    memcpy(&in6->sin6_addr, address, 16);
    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
    length = sizeof *in6;
  } else {
    struct sockaddr_in *in4 = (struct sockaddr_in *)&local;
    in4->sin_family = AF_INET;
    in4->sin_port = htons((uint16_t)port);
    memcpy(&in4->sin_addr, address, 4);
    length = sizeof *in4;
  }
  if (flags & SOCKET_REUSE) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (flags & SOCKET_FREEBIND) setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &one, sizeof one);
  if (bind(fd, (struct sockaddr *)&local, length) < 0 || ((flags & SOCKET_LISTEN) && listen(fd, 511) < 0)) {
    int error = errno;
    close(fd);
    return result_text(w, error, "bind");
  }
  length = sizeof local;
  getsockname(fd, (struct sockaddr *)&local, &length);
  uint16_t bound = family == 6 ? ((struct sockaddr_in6 *)&local)->sin6_port : ((struct sockaddr_in *)&local)->sin_port;
  int32_t answer[2] = {fd, ntohs(bound)};
  result(w, 0, answer, sizeof answer);
}

// Makes a namespace and binds it to `path`; the steps that follow run inside it.
static void step_new_namespace(struct reader *r, struct writer *w) {
  char path[MAX_PATH];
  if (!take_path(r, r->left, path)) return result_text(w, EINVAL, "path");
  int fd = open(path, O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);
  if (fd < 0) return result_text(w, errno, path);
  close(fd);
  int error = 0;
  if (unshare(CLONE_NEWNET) < 0) error = errno;
  else if (mount("/proc/thread-self/ns/net", path, "none", MS_BIND, NULL) < 0) error = errno;
  if (error) unlink(path);
  result_text(w, error, error ? path : "");
}

static void step_unmount(struct reader *r, struct writer *w) {
  char path[MAX_PATH];
  if (!take_path(r, r->left, path)) return result_text(w, EINVAL, "path");
  int error = 0;
  while (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) == 0) continue;
  if (errno != EINVAL && errno != ENOENT) error = errno;
  struct stat s;
  if (!error && lstat(path, &s) == 0 && S_ISREG(s.st_mode) && unlink(path) < 0) error = errno;
  result_text(w, error, error ? path : "");
}

// Makes a directory a shared mount, so that an unmount below it reaches copies of the mount table.
static void step_share(struct reader *r, struct writer *w) {
  char path[MAX_PATH];
  if (!take_path(r, r->left, path)) return result_text(w, EINVAL, "path");
  int error = 0;
  if (mount("", path, "none", MS_SHARED, NULL) < 0) {
    if (errno != EINVAL) error = errno;
    else if (mount(path, path, "none", MS_BIND, NULL) < 0) error = errno;
    else if (mount("", path, "none", MS_SHARED, NULL) < 0) error = errno;
  }
  result_text(w, error, error ? path : "");
}

// ---------------------------------------------------------------- jobs

struct job {
  char *netns; // NULL: where the process is
  uint8_t *steps;
  size_t length;
  struct writer answer;
  char *error;
  napi_deferred deferred;
  napi_threadsafe_function done;
};

static void *run_job(void *data) {
  struct job *job = data;
  int error = 0;
  if (job->netns) {
    int fd = open(job->netns, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || setns(fd, CLONE_NEWNET) < 0) error = errno;
    if (fd >= 0) close(fd);
  }
  struct sockets sockets;
  memset(sockets.fd, -1, sizeof sockets.fd);
  int lingering = -1;
  struct reader all = {job->steps, job->length, false};
  for (uint32_t sequence = 1; !error && all.left; sequence++) {
    uint32_t kind = take_u32(&all), length = take_u32(&all);
    const uint8_t *payload = take(&all, length);
    if (!payload) break;
    struct reader r = {payload, length, false};
    if (kind == STEP_NFT) step_nft(&r, &job->answer, &lingering);
    else if (kind == STEP_NETLINK) step_netlink(&r, &job->answer, &sockets, sequence);
    else if (kind == STEP_WRITE) step_write(&r, &job->answer);
    else if (kind == STEP_SOCKET) step_socket(&r, &job->answer);
    else if (kind == STEP_NEW_NAMESPACE) step_new_namespace(&r, &job->answer);
    else if (kind == STEP_UNMOUNT) step_unmount(&r, &job->answer);
    else if (kind == STEP_SHARE) step_share(&r, &job->answer);
    else result_text(&job->answer, ENOSYS, "unknown step");
  }
  for (int i = 0; i < 32; i++) {
    if (sockets.fd[i] < 0) continue;
    exchange_own_socket(sockets.fd[i], 0);
    close(sockets.fd[i]);
  }
  if (error && asprintf(&job->error, "network namespace %s: %s", job->netns, strerror(error)) < 0) job->error = NULL;
  else if (all.failed || job->answer.failed) job->error = strdup("steps damaged or out of memory");
  napi_call_threadsafe_function(job->done, job, napi_tsfn_blocking);
  if (lingering >= 0) close_duplicate(lingering);
  return NULL;
}

static void free_job(struct job *job) {
  free(job->netns);
  free(job->steps);
  free(job->answer.data);
  free(job->error);
  free(job);
}

// On Node's main thread: settles the promise.
static void finish_job(napi_env env, napi_value callback, void *context, void *data) {
  (void)callback;
  (void)context;
  struct job *job = data;
  if (env) {
    napi_value value, message;
    if (job->error) {
      napi_create_string_utf8(env, job->error, NAPI_AUTO_LENGTH, &message);
      napi_create_error(env, NULL, message, &value);
      napi_reject_deferred(env, job->deferred, value);
    } else {
      napi_create_buffer_copy(env, job->answer.length, job->answer.length ? job->answer.data : (void *)"", NULL, &value);
      napi_resolve_deferred(env, job->deferred, value);
    }
  }
  napi_release_threadsafe_function(job->done, napi_tsfn_release);
  free_job(job);
}

static napi_value fail(napi_env env, struct job *job, const char *message) {
  if (job) free_job(job);
  napi_throw_error(env, NULL, message);
  return NULL;
}

// run(netns: string | null, steps: Buffer): Promise<Buffer>
static napi_value run(napi_env env, napi_callback_info info) {
  size_t argc = 2, length = 0;
  napi_value argv[2], name, promise;
  napi_valuetype type;
  void *bytes = NULL;
  struct job *job = calloc(1, sizeof *job);
  if (!job) return fail(env, NULL, "out of memory");
  if (napi_get_cb_info(env, info, &argc, argv, NULL, NULL) != napi_ok || argc != 2)
    return fail(env, job, "run: two arguments are needed");
  napi_typeof(env, argv[0], &type);
  if (type == napi_string) {
    job->netns = malloc(MAX_PATH);
    if (!job->netns || napi_get_value_string_utf8(env, argv[0], job->netns, MAX_PATH, &length) != napi_ok)
      return fail(env, job, "run: bad namespace path");
  }
  if (napi_get_buffer_info(env, argv[1], &bytes, &job->length) != napi_ok) return fail(env, job, "run: steps must be a Buffer");
  job->steps = malloc(job->length ? job->length : 1);
  if (!job->steps) return fail(env, job, "out of memory");
  if (job->length) memcpy(job->steps, bytes, job->length);
  napi_create_string_utf8(env, "tsswarm", NAPI_AUTO_LENGTH, &name);
  if (napi_create_promise(env, &job->deferred, &promise) != napi_ok ||
      napi_create_threadsafe_function(env, NULL, NULL, name, 0, 1, NULL, NULL, NULL, finish_job, &job->done) != napi_ok)
    return fail(env, job, "run: no promise");
  // The thread takes no signals: they are Node's.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_t thread;
  int failed = pthread_create(&thread, &attributes, run_job, job);
  pthread_attr_destroy(&attributes);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (failed) {
    job->error = strdup("no thread could be started");
    napi_call_threadsafe_function(job->done, job, napi_tsfn_nonblocking);
  }
  return promise;
}

NAPI_MODULE_INIT() {
  napi_value function;
  if (napi_create_function(env, "run", NAPI_AUTO_LENGTH, run, NULL, &function) == napi_ok)
    napi_set_named_property(env, exports, "run", function);
  return exports;
}
