// Node addon: work inside other network namespaces. Its function `run(netns, steps)` hands a list
// of steps to a thread of its own; the thread enters the namespace, does them in order and ends.
// Node's own threads never change their namespace. There is no policy here: which links, routes and
// rules there are is decided in TypeScript (src/overlay), which also encodes the messages
// (src/platform/system/native.ts describes the format of steps and results).
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include <node_api.h>

#include "steps.h"

// Kinds of steps; the same numbers as in src/platform/system/native.ts.
enum { STEP_NFT = 1, STEP_NETLINK, STEP_WRITE, STEP_SOCKET, STEP_NEW_NAMESPACE, STEP_UNMOUNT, STEP_SHARE, STEP_DIGEST, STEP_SEND, STEP_CONNECT };

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
  open_no_sockets(&sockets);
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
    else if (kind == STEP_CONNECT) step_connect(&r, &job->answer);
    else if (kind == STEP_DIGEST) step_digest(&r, &job->answer, &sockets, sequence);
    else if (kind == STEP_SEND) step_send(&r, &job->answer);
    else result_text(&job->answer, ENOSYS, "unknown step");
  }
  close_sockets(&sockets);
  if (error && asprintf(&job->error, "network namespace %s: %s", job->netns, strerror(error)) < 0) job->error = NULL;
  else if (all.failed || job->answer.failed) job->error = strdup("steps damaged or out of memory");
  napi_call_threadsafe_function(job->done, job, napi_tsfn_blocking);
  if (lingering >= 0) close_lingering(lingering);
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

// answers.c
void define_answers(napi_env env, napi_value exports);
// watches.c
void define_watches(napi_env env, napi_value exports);

NAPI_MODULE_INIT() {
  napi_value function;
  if (napi_create_function(env, "run", NAPI_AUTO_LENGTH, run, NULL, &function) == napi_ok)
    napi_set_named_property(env, exports, "run", function);
  define_answers(env, exports);
  define_watches(env, exports);
  return exports;
}
