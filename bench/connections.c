// New connections as cheap as they can be: one byte there and one back on each, so that what is measured
// is the way between, not the programs at its ends.
//   connections serve PORT                     answers until it is killed
//   connections load ADDRESS PORT COUNT MANY   COUNT connections, MANY at a time; prints how many a second
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 256, LIMIT_SECONDS = 60 };

static void die(const char *what) {
  perror(what);
  exit(1);
}

static struct sockaddr_in address_of(const char *host, int port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  if (inet_pton(AF_INET, host, &address.sin_addr) != 1) die("address");
  return address;
}

static void watch(int poll, int fd, uint32_t events) {
  struct epoll_event event = {.events = events, .data.fd = fd};
  if (epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event) != 0) die("epoll_ctl");
}

static _Noreturn void serve(int port) {
  int one = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), poll = epoll_create1(0);
  struct sockaddr_in self = address_of("0.0.0.0", port);
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (bind(listener, (struct sockaddr *)&self, sizeof self) || listen(listener, 4096)) die("listen");
  watch(poll, listener, EPOLLIN);
  for (;;) {
    struct epoll_event events[EVENTS];
    int count = epoll_wait(poll, events, EVENTS, -1);
    for (int i = 0; i < count; i++) {
      int fd = events[i].data.fd;
      if (fd == listener) {
        int accepted = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
        if (accepted >= 0) watch(poll, accepted, EPOLLIN);
        continue;
      }
      char byte;
      ssize_t got = read(fd, &byte, 1);
      if (got < 0 && errno == EAGAIN) continue;
      // This end closes first: the clients' ports can be used again at once.
      if (got == 1 && write(fd, &byte, 1) != 1) perror("write");
      close(fd);
    }
  }
}

static int begin(int poll, const struct sockaddr_in *to) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (fd < 0) die("socket");
  if (connect(fd, (const struct sockaddr *)to, sizeof *to) != 0 && errno != EINPROGRESS) die("connect");
  watch(poll, fd, EPOLLOUT);
  return fd;
}

static int load(const char *host, int port, long wanted, int many) {
  struct sockaddr_in to = address_of(host, port);
  struct timespec from, until;
  int poll = epoll_create1(0);
  long begun = 0, done = 0;
  clock_gettime(CLOCK_MONOTONIC, &from);
  for (; begun < many && begun < wanted; begun++) begin(poll, &to);
  while (done < wanted) {
    struct epoll_event events[EVENTS];
    int count = epoll_wait(poll, events, EVENTS, LIMIT_SECONDS * 1000);
    if (count == 0) {
      fprintf(stderr, "nothing in %d s after %ld connections\n", LIMIT_SECONDS, done);
      return 1;
    }
    for (int i = 0; i < count; i++) {
      int fd = events[i].data.fd, problem = 0;
      socklen_t size = sizeof problem;
      char byte = 'x';
      if (events[i].events & EPOLLOUT) {
        getsockopt(fd, SOL_SOCKET, SO_ERROR, &problem, &size);
        if (problem != 0 || write(fd, &byte, 1) != 1) {
          fprintf(stderr, "a connection failed: %s\n", strerror(problem ? problem : errno));
          return 1;
        }
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        epoll_ctl(poll, EPOLL_CTL_MOD, fd, &event);
        continue;
      }
      if (read(fd, &byte, 1) != 1) {
        fprintf(stderr, "a connection was lost: %s\n", strerror(errno));
        return 1;
      }
      close(fd);
      done++;
      if (begun < wanted) begun++, begin(poll, &to);
    }
  }
  clock_gettime(CLOCK_MONOTONIC, &until);
  double seconds = (double)(until.tv_sec - from.tv_sec) + (double)(until.tv_nsec - from.tv_nsec) / 1e9;
  printf("%.0f\n", (double)wanted / seconds);
  return 0;
}

int main(int argc, char **argv) {
  if (argc == 3 && strcmp(argv[1], "serve") == 0) serve(atoi(argv[2]));
  if (argc == 6 && strcmp(argv[1], "load") == 0) {
    return load(argv[2], atoi(argv[3]), atol(argv[4]), atoi(argv[5]));
  }
  fprintf(stderr, "usage: see the head of connections.c\n");
  return 2;
}
