// The fast way of the resolver: a thread reads questions from the tasks' UDP sockets, many at once,
// and answers those that were answered before from a cache of ready messages; all others go to
// JavaScript, which answers them and may put them into the cache. JavaScript empties the cache when
// names change. What a message means is not known here: the bytes behind its number are the key.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <node_api.h>

#include "steps.h"

enum {
  BATCH = 32,
  MAX_MESSAGE = 4096,
  MAX_SLOTS = 65536,
  BUCKETS = 8192,
  // A cache that is full is emptied: it is filled again by what is really asked.
  MAX_ENTRIES = 8192,
  MAX_CACHE_BYTES = 16 * 1024 * 1024,
  MAX_KEY = 300,
  MAX_VARIANTS = 8,
  // Questions on their way to JavaScript; more are dropped, and asked again.
  MAX_WAITING = 1024,
};

struct entry {
  struct entry *next;
  uint32_t slot, turn, variants;
  uint16_t key_length, length[MAX_VARIANTS];
  uint8_t bytes[]; // the key, then the variants
};

struct question {
  uint32_t slot, address, port, length;
  uint8_t bytes[];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct entry *buckets[BUCKETS];
static size_t entries, cache_bytes;
static int *fds; // by slot, −1 = free
static uint32_t slots;
static int poller = -1;
static napi_threadsafe_function ask;

static uint32_t hash_of(uint32_t slot, const uint8_t *key, size_t n) {
  uint32_t hash = 2166136261u ^ slot;
  for (size_t i = 0; i < n; i++) hash = (hash ^ key[i]) * 16777619u;
  return hash % BUCKETS;
}

static struct entry *find(uint32_t slot, const uint8_t *key, size_t n) {
  for (struct entry *e = buckets[hash_of(slot, key, n)]; e; e = e->next)
    if (e->slot == slot && e->key_length == n && memcmp(e->bytes, key, n) == 0) return e;
  return NULL;
}

static void empty_cache(void) {
  for (size_t i = 0; entries && i < BUCKETS; i++) {
    for (struct entry *e = buckets[i], *next; e; e = next) {
      next = e->next;
      free(e);
      entries--;
    }
    buckets[i] = NULL;
  }
  cache_bytes = 0;
}

// Copies the ready answer behind the question's number; 0 = not known.
static size_t ready_answer(uint32_t slot, const uint8_t *question, size_t n, uint8_t *answer) {
  if (n < 12 || n - 2 > MAX_KEY) return 0;
  struct entry *e = find(slot, question + 2, n - 2);
  if (!e) return 0;
  uint32_t variant = e->turn++ % e->variants;
  const uint8_t *at = e->bytes + e->key_length;
  for (uint32_t i = 0; i < variant; i++) at += e->length[i];
  memcpy(answer, question, 2);
  memcpy(answer + 2, at, e->length[variant]);
  return 2u + e->length[variant];
}

static void hand_on(uint32_t slot, const struct sockaddr_in *from, const uint8_t *bytes, size_t n) {
  struct question *q = malloc(sizeof *q + n);
  if (!q) return;
  *q = (struct question){slot, ntohl(from->sin_addr.s_addr), ntohs(from->sin_port), (uint32_t)n};
  memcpy(q->bytes, bytes, n);
  if (napi_call_threadsafe_function(ask, q, napi_tsfn_nonblocking) != napi_ok) free(q);
}

// One batch of one socket; the lock is held.
static void serve(uint32_t slot) {
  static uint8_t questions[BATCH][MAX_MESSAGE], answers[BATCH][MAX_MESSAGE];
  static struct sockaddr_in from[BATCH];
  struct iovec in[BATCH], out[BATCH];
  struct mmsghdr received[BATCH] = {0}, sent[BATCH] = {0};
  for (int i = 0; i < BATCH; i++) {
    in[i] = (struct iovec){questions[i], MAX_MESSAGE};
    received[i].msg_hdr = (struct msghdr){.msg_name = &from[i], .msg_namelen = sizeof from[i], .msg_iov = &in[i], .msg_iovlen = 1};
  }
  int count = recvmmsg(fds[slot], received, BATCH, MSG_DONTWAIT, NULL), ready = 0;
  for (int i = 0; i < count; i++) {
    size_t n = received[i].msg_len;
    if (received[i].msg_hdr.msg_flags & MSG_TRUNC) continue;
    size_t length = ready_answer(slot, questions[i], n, answers[i]);
    if (!length) {
      hand_on(slot, &from[i], questions[i], n);
      continue;
    }
    out[ready] = (struct iovec){answers[i], length};
    sent[ready].msg_hdr = (struct msghdr){.msg_name = &from[i], .msg_namelen = sizeof from[i], .msg_iov = &out[ready], .msg_iovlen = 1};
    ready++;
  }
  // An answer that can't be sent now is lost, as on any network; the ones behind it are not.
  for (int at = 0; at < ready;) {
    int n = sendmmsg(fds[slot], sent + at, (unsigned)(ready - at), MSG_DONTWAIT);
    at += n > 0 ? n : 1;
  }
}

static void *run_thread(void *unused) {
  (void)unused;
  struct epoll_event events[64];
  for (;;) {
    int count = epoll_wait(poller, events, 64, -1);
    if (count < 0 && errno != EINTR) return NULL;
    for (int i = 0; i < count; i++) {
      pthread_mutex_lock(&lock);
      if (fds[events[i].data.u32] >= 0) serve(events[i].data.u32);
      pthread_mutex_unlock(&lock);
    }
  }
}

// On Node's main thread.
static void deliver(napi_env env, napi_value callback, void *context, void *data) {
  (void)context;
  struct question *q = data;
  if (env) {
    napi_value argv[4], undefined;
    napi_create_uint32(env, q->slot, &argv[0]);
    napi_create_uint32(env, q->address, &argv[1]);
    napi_create_uint32(env, q->port, &argv[2]);
    napi_create_buffer_copy(env, q->length, q->bytes, NULL, &argv[3]);
    napi_get_undefined(env, &undefined);
    napi_call_function(env, undefined, callback, 4, argv, NULL);
  }
  free(q);
}

static bool number(napi_env env, napi_value value, uint32_t *n) {
  return napi_get_value_uint32(env, value, n) == napi_ok;
}

static napi_value fail(napi_env env, const char *message) {
  napi_throw_error(env, NULL, message);
  return NULL;
}

// start(callback: (slot, address, port, message) => void)
static napi_value start(napi_env env, napi_callback_info info) {
  size_t argc = 1;
  napi_value argv[1], name;
  napi_get_cb_info(env, info, &argc, argv, NULL, NULL);
  if (argc != 1 || poller >= 0) return fail(env, "answers: already started");
  fds = malloc(MAX_SLOTS * sizeof *fds);
  poller = epoll_create1(EPOLL_CLOEXEC);
  napi_create_string_utf8(env, "answers", NAPI_AUTO_LENGTH, &name);
  if (!fds || poller < 0 ||
      napi_create_threadsafe_function(env, argv[0], NULL, name, MAX_WAITING, 1, NULL, NULL, NULL, deliver, &ask) != napi_ok)
    return fail(env, "answers: can't be started");
  napi_unref_threadsafe_function(env, ask);
  // The thread takes no signals: they are Node's.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_t thread;
  int failed = pthread_create(&thread, NULL, run_thread, NULL);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (failed) return fail(env, "answers: no thread could be started");
  pthread_detach(thread);
  return NULL;
}

// open(fd): slot
static napi_value open_slot(napi_env env, napi_callback_info info) {
  size_t argc = 1;
  napi_value argv[1], result;
  uint32_t fd, slot = 0;
  napi_get_cb_info(env, info, &argc, argv, NULL, NULL);
  if (argc != 1 || poller < 0 || !number(env, argv[0], &fd)) return fail(env, "answers: a descriptor is needed");
  pthread_mutex_lock(&lock);
  while (slot < slots && fds[slot] >= 0) slot++;
  struct epoll_event event = {.events = EPOLLIN, .data.u32 = slot};
  bool opened = slot < MAX_SLOTS && epoll_ctl(poller, EPOLL_CTL_ADD, (int)fd, &event) == 0;
  if (opened) {
    fds[slot] = (int)fd;
    if (slot == slots) slots++;
  }
  pthread_mutex_unlock(&lock);
  if (!opened) return fail(env, "answers: no room for another socket");
  napi_create_uint32(env, slot, &result);
  return result;
}

// close(slot): also its descriptor
static napi_value close_slot(napi_env env, napi_callback_info info) {
  size_t argc = 1;
  napi_value argv[1];
  uint32_t slot;
  napi_get_cb_info(env, info, &argc, argv, NULL, NULL);
  if (argc != 1 || !number(env, argv[0], &slot)) return fail(env, "answers: a slot is needed");
  pthread_mutex_lock(&lock);
  if (slot < slots && fds[slot] >= 0) {
    epoll_ctl(poller, EPOLL_CTL_DEL, fds[slot], NULL);
    close(fds[slot]);
    fds[slot] = -1;
    // The slot's next owner sees other names.
    empty_cache();
  }
  pthread_mutex_unlock(&lock);
  return NULL;
}

// put(slot, question, answers: Buffer[]): what is answered from now on, one after the other
static napi_value put_answers(napi_env env, napi_callback_info info) {
  size_t argc = 3, key_length, total = 0;
  napi_value argv[3];
  uint32_t slot, count = 0;
  uint8_t *question, *bytes[MAX_VARIANTS];
  uint16_t lengths[MAX_VARIANTS] = {0};
  napi_get_cb_info(env, info, &argc, argv, NULL, NULL);
  if (argc != 3 || !number(env, argv[0], &slot) || napi_get_buffer_info(env, argv[1], (void **)&question, &key_length) != napi_ok ||
      napi_get_array_length(env, argv[2], &count) != napi_ok)
    return fail(env, "answers: slot, question and answers are needed");
  if (count == 0 || count > MAX_VARIANTS || key_length < 12 || key_length - 2 > MAX_KEY) return NULL;
  for (uint32_t i = 0; i < count; i++) {
    napi_value one;
    size_t n;
    if (napi_get_element(env, argv[2], i, &one) != napi_ok || napi_get_buffer_info(env, one, (void **)&bytes[i], &n) != napi_ok)
      return fail(env, "answers: an answer must be a Buffer");
    if (n < 12 || n > MAX_MESSAGE) return NULL;
    lengths[i] = (uint16_t)(n - 2);
    total += n - 2;
  }
  key_length -= 2;
  struct entry *e = malloc(sizeof *e + key_length + total);
  if (!e) return NULL;
  *e = (struct entry){.slot = slot, .variants = count, .key_length = (uint16_t)key_length};
  memcpy(e->length, lengths, sizeof lengths);
  memcpy(e->bytes, question + 2, key_length);
  uint8_t *at = e->bytes + key_length;
  for (uint32_t i = 0; i < count; at += lengths[i++]) memcpy(at, bytes[i] + 2, lengths[i]);
  pthread_mutex_lock(&lock);
  if (entries >= MAX_ENTRIES || cache_bytes > MAX_CACHE_BYTES) empty_cache();
  if (find(slot, e->bytes, key_length)) {
    free(e);
  } else {
    uint32_t bucket = hash_of(slot, e->bytes, key_length);
    e->next = buckets[bucket];
    buckets[bucket] = e;
    entries++;
    cache_bytes += sizeof *e + key_length + total;
  }
  pthread_mutex_unlock(&lock);
  return NULL;
}

static napi_value clear(napi_env env, napi_callback_info info) {
  (void)env;
  (void)info;
  pthread_mutex_lock(&lock);
  empty_cache();
  pthread_mutex_unlock(&lock);
  return NULL;
}

// send(slot, address, port, message)
static napi_value send_answer(napi_env env, napi_callback_info info) {
  size_t argc = 4, n;
  napi_value argv[4];
  uint32_t slot, address, port;
  void *bytes;
  napi_get_cb_info(env, info, &argc, argv, NULL, NULL);
  if (argc != 4 || !number(env, argv[0], &slot) || !number(env, argv[1], &address) || !number(env, argv[2], &port) ||
      napi_get_buffer_info(env, argv[3], &bytes, &n) != napi_ok)
    return fail(env, "answers: slot, address, port and message are needed");
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(address)};
  pthread_mutex_lock(&lock);
  if (slot < slots && fds[slot] >= 0) sendto(fds[slot], bytes, n, MSG_DONTWAIT, (struct sockaddr *)&to, sizeof to);
  pthread_mutex_unlock(&lock);
  return NULL;
}

void define_answers(napi_env env, napi_value exports) {
  static const struct {
    const char *name;
    napi_callback call;
  } functions[] = {{"start", start}, {"open", open_slot}, {"close", close_slot}, {"put", put_answers}, {"clear", clear}, {"send", send_answer}};
  napi_value answers, function;
  if (napi_create_object(env, &answers) != napi_ok) return;
  for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
    if (napi_create_function(env, functions[i].name, NAPI_AUTO_LENGTH, functions[i].call, NULL, &function) == napi_ok)
      napi_set_named_property(env, answers, functions[i].name, function);
  }
  napi_set_named_property(env, exports, "answers", answers);
}
