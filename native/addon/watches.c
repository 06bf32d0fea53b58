// Tells of changes in network namespaces: links, addresses, routes, neighbours, rules, forwarding,
// nftables. One thread waits for the kernel's notifications of all of them, so that they cost Node nothing
// while they are of no interest. A namespace is told of once, and again only after `rearm`: however much
// changes, Node hears of it as often as it looks.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/neighbour.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <node_api.h>

#include "steps.h"

enum { MAX_WATCHES = 4096, RECEIVE_BYTES = 32 * 1024, EVENTS = 64 };
// What the callback is told besides errors, which are positive.
enum { CHANGED = 0, READY = -1 };
enum { ROUTE, NETFILTER, SOCKETS };

struct watch {
  bool used, opened, armed;
  uint32_t generation; // of the slot: what was meant for its last user is dropped
  char *path;          // NULL: where the process is
  int fd[SOCKETS];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct watch watches[MAX_WATCHES]; // under lock, as all that follows
static int epoll_fd = -1, wake_fd = -1, own_namespace = -1;
static napi_threadsafe_function told;

static const int route_groups[] = {RTNLGRP_LINK,        RTNLGRP_NEIGH,       RTNLGRP_IPV4_IFADDR,  RTNLGRP_IPV4_ROUTE,
                                   RTNLGRP_IPV4_RULE,   RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV6_ROUTE,   RTNLGRP_IPV6_RULE,
                                   RTNLGRP_IPV4_NETCONF, RTNLGRP_IPV6_NETCONF};
static const int netfilter_groups[] = {NFNLGRP_NFTABLES};

static void tell(uint32_t slot, int event) {
  uint64_t *news = malloc(sizeof *news * 2);
  if (!news) return;
  news[0] = (uint64_t)watches[slot].generation << 32 | slot;
  news[1] = (uint64_t)(int64_t)event;
  if (napi_call_threadsafe_function(told, news, napi_tsfn_nonblocking) != napi_ok) free(news);
}

static void close_watch(struct watch *w) {
  for (int i = 0; i < SOCKETS; i++) {
    if (w->fd[i] >= 0) close(w->fd[i]);
    w->fd[i] = -1;
  }
  free(w->path);
  w->path = NULL;
  w->used = w->opened = false;
  w->generation++;
}

static int open_socket(uint32_t slot, int which) {
  const int *groups = which == ROUTE ? route_groups : netfilter_groups;
  size_t count = which == ROUTE ? sizeof route_groups / sizeof *route_groups : 1;
  int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, which == ROUTE ? NETLINK_ROUTE : NETLINK_NETFILTER);
  if (fd < 0) return errno;
  watches[slot].fd[which] = fd;
  // Without an address of its own it would pass for the kernel, which is not told what it says itself.
  struct sockaddr_nl own = {.nl_family = AF_NETLINK};
  if (bind(fd, (struct sockaddr *)&own, sizeof own) < 0) return errno;
  for (size_t i = 0; i < count; i++) {
    // A kernel without IPv6 has nothing to tell of it.
    if (setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &groups[i], sizeof *groups) < 0 && which == NETFILTER) return errno;
  }
  struct epoll_event event = {.events = EPOLLIN, .data.u64 = (uint64_t)watches[slot].generation << 32 | slot << 1 | (uint32_t)which};
  return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? errno : 0;
}

// In the thread, which may go from namespace to namespace.
static void open_watch(uint32_t slot) {
  struct watch *w = &watches[slot];
  w->opened = true;
  int error = 0, fd = w->path ? open(w->path, O_RDONLY | O_CLOEXEC) : own_namespace;
  if (fd < 0 || setns(fd, CLONE_NEWNET) < 0) error = errno;
  if (w->path && fd >= 0) close(fd);
  for (int i = 0; i < SOCKETS && !error; i++) error = open_socket(slot, i);
  // A thread holds the namespace that it is in.
  if (w->path) setns(own_namespace, CLONE_NEWNET);
  tell(slot, error ? error : READY);
  if (error) close_watch(w);
}

// Neighbours that the kernel finds and forgets by itself are no change.
static bool is_change(const struct nlmsghdr *h) {
  if (h->nlmsg_type != RTM_NEWNEIGH || h->nlmsg_len < NLMSG_LENGTH(sizeof(struct ndmsg))) return true;
  return ((const struct ndmsg *)NLMSG_DATA(h))->ndm_state & (NUD_PERMANENT | NUD_NOARP | NUD_FAILED);
}

// Reads all that is there.
static bool drain(int fd, bool route) {
  static uint8_t buffer[RECEIVE_BYTES] __attribute__((aligned(8)));
  bool changed = false;
  for (;;) {
    ssize_t n = recv(fd, buffer, sizeof buffer, 0);
    if (n < 0 && errno == EINTR) continue;
    // The kernel had more to tell than there was room for.
    if (n < 0 && errno == ENOBUFS) {
      changed = true;
      continue;
    }
    if (n <= 0) return changed;
    size_t left = (size_t)n;
    for (struct nlmsghdr *h = (struct nlmsghdr *)buffer; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) {
      changed = changed || !route || is_change(h);
    }
  }
}

static void *watch_all(void *data) {
  (void)data;
  struct epoll_event events[EVENTS];
  for (;;) {
    int n = epoll_wait(epoll_fd, events, EVENTS, -1);
    pthread_mutex_lock(&lock);
    for (int i = 0; i < n; i++) {
      uint64_t key = events[i].data.u64;
      if (key == UINT64_MAX) {
        uint64_t count;
        if (read(wake_fd, &count, sizeof count) < 0) continue;
        for (uint32_t slot = 0; slot < MAX_WATCHES; slot++) {
          if (watches[slot].used && !watches[slot].opened) open_watch(slot);
        }
        continue;
      }
      uint32_t slot = ((uint32_t)key) >> 1, which = key & 1;
      struct watch *w = &watches[slot];
      if (!w->used || w->generation != key >> 32 || w->fd[which] < 0) continue;
      if (!drain(w->fd[which], which == ROUTE)) continue;
      if (w->armed) tell(slot, CHANGED);
      w->armed = false;
    }
    pthread_mutex_unlock(&lock);
  }
  return NULL;
}

static napi_value fail(napi_env env, const char *message) {
  napi_throw_error(env, NULL, message);
  return NULL;
}

// On Node's main thread: calls back with the number of the watch and what there is to tell.
static void pass_on(napi_env env, napi_value callback, void *context, void *data) {
  (void)context;
  uint64_t *news = data;
  napi_value undefined, arguments[2];
  if (env) {
    napi_get_undefined(env, &undefined);
    napi_create_double(env, (double)news[0], &arguments[0]);
    napi_create_int32(env, (int32_t)(int64_t)news[1], &arguments[1]);
    napi_call_function(env, undefined, callback, 2, arguments, NULL);
  }
  free(news);
}

// start(told: (watch: number, event: number) => void): once; event is -1 once it is watched, 0 when
// something has changed, else the errno of why it can't be watched
static napi_value start(napi_env env, napi_callback_info info) {
  size_t argc = 1;
  napi_value argv[1], name;
  pthread_t thread;
  napi_get_cb_info(env, info, &argc, argv, NULL, NULL);
  if (epoll_fd >= 0) return fail(env, "watches: started already");
  own_namespace = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
  wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  struct epoll_event event = {.events = EPOLLIN, .data.u64 = UINT64_MAX};
  if (own_namespace < 0 || wake_fd < 0 || epoll_fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, wake_fd, &event) < 0)
    return fail(env, "watches: no descriptors");
  napi_create_string_utf8(env, "tsswarm watches", NAPI_AUTO_LENGTH, &name);
  if (napi_create_threadsafe_function(env, argv[0], NULL, name, 0, 1, NULL, NULL, NULL, pass_on, &told) != napi_ok)
    return fail(env, "watches: a function is needed");
  // They keep no process alive.
  napi_unref_threadsafe_function(env, told);
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int failed = pthread_create(&thread, NULL, watch_all, NULL);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (failed) return fail(env, "watches: no thread could be started");
  pthread_detach(thread);
  return NULL;
}

// open(netns: string | null): number of the watch; what becomes of it is told
static napi_value open_slot(napi_env env, napi_callback_info info) {
  size_t argc = 1, length = 0;
  napi_value argv[1], number;
  napi_valuetype type;
  char *path = NULL;
  napi_get_cb_info(env, info, &argc, argv, NULL, NULL);
  napi_typeof(env, argv[0], &type);
  if (type == napi_string) {
    path = malloc(MAX_PATH);
    if (!path || napi_get_value_string_utf8(env, argv[0], path, MAX_PATH, &length) != napi_ok) {
      free(path);
      return fail(env, "watches: bad namespace path");
    }
  }
  pthread_mutex_lock(&lock);
  uint32_t slot = 0;
  while (slot < MAX_WATCHES && watches[slot].used) slot++;
  double key = -1;
  if (slot < MAX_WATCHES) {
    uint32_t generation = watches[slot].generation;
    watches[slot] = (struct watch){.used = true, .armed = true, .generation = generation, .path = path, .fd = {-1, -1}};
    key = (double)((uint64_t)generation << 32 | slot);
    uint64_t one = 1;
    if (write(wake_fd, &one, sizeof one) < 0) key = -1;
  }
  pthread_mutex_unlock(&lock);
  if (key < 0) {
    free(path);
    return fail(env, "watches: too many");
  }
  napi_create_double(env, key, &number);
  return number;
}

static struct watch *named(napi_env env, napi_callback_info info, uint32_t *slot) {
  size_t argc = 1;
  napi_value argv[1];
  double key = 0;
  napi_get_cb_info(env, info, &argc, argv, NULL, NULL);
  if (argc != 1 || napi_get_value_double(env, argv[0], &key) != napi_ok || key < 0) return NULL;
  uint64_t whole = (uint64_t)key;
  *slot = (uint32_t)whole;
  if (*slot >= MAX_WATCHES) return NULL;
  struct watch *w = &watches[*slot];
  return w->used && w->generation == whole >> 32 ? w : NULL;
}

// rearm(watch): from now on the next change is told; those before are seen by whoever looks now
static napi_value rearm(napi_env env, napi_callback_info info) {
  uint32_t slot;
  pthread_mutex_lock(&lock);
  struct watch *w = named(env, info, &slot);
  if (w) w->armed = true;
  pthread_mutex_unlock(&lock);
  return NULL;
}

// close(watch): at once, so that nothing holds the namespace
static napi_value close_slot(napi_env env, napi_callback_info info) {
  uint32_t slot;
  pthread_mutex_lock(&lock);
  struct watch *w = named(env, info, &slot);
  if (w) close_watch(w);
  pthread_mutex_unlock(&lock);
  return NULL;
}

void define_watches(napi_env env, napi_value exports) {
  static const struct {
    const char *name;
    napi_callback call;
  } functions[] = {{"start", start}, {"open", open_slot}, {"rearm", rearm}, {"close", close_slot}};
  napi_value all, function;
  if (napi_create_object(env, &all) != napi_ok) return;
  for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
    if (napi_create_function(env, functions[i].name, NAPI_AUTO_LENGTH, functions[i].call, NULL, &function) == napi_ok)
      napi_set_named_property(env, all, functions[i].name, function);
  }
  napi_set_named_property(env, exports, "watches", all);
}
