// nftables by its own library, loaded when it is first needed.
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <pthread.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "steps.h"

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

void close_lingering(int fd) {
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

void step_nft(struct reader *r, struct writer *w, int *lingering) {
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
      if (*lingering < 0) *lingering = duplicate_nft_socket();
      nft.destroy(ctx);
    }
    pthread_mutex_unlock(&nft_lock);
  }
  free(commands);
}
