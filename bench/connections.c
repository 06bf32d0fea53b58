// New connections as cheap as they can be, so that what is measured is the way between, not the programs
// at its ends: the server greets with one byte and closes, the client reads that and the end.
//   connections serve PORT [HEADER]            answers until it is killed; with HEADER, once it has read the
//                                              line with the client's address that proxies can send ahead
//   connections load ADDRESS PORT COUNT MANY   COUNT connections from each of two processes, MANY at a time
//                                              (one alone leaves a processor idle); prints how many a second
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PROCESSES = 2, EVENTS = 256, LIMIT_SECONDS = 60 };

static void die(const char *what) {
  perror(what);
  exit(1);
}

static struct sockaddr_in address_of(const char *host, int port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  if (inet_pton(AF_INET, host, &address.sin_addr) != 1) die("address");
  return address;
}

static _Noreturn void serve(int port, int header) {
  int one = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in self = address_of("0.0.0.0", port);
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (bind(listener, (struct sockaddr *)&self, sizeof self) || listen(listener, 4096)) die("listen");
  for (int i = 1; i < PROCESSES; i++) {
    if (fork() != 0) continue;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    break;
  }
  for (;;) {
    int fd = accept4(listener, NULL, NULL, 0);
    if (fd < 0) continue;
    char line[108];
    if (header && recv(fd, line, sizeof line, 0) < 8) perror("recv");
    // The byte and the end in one packet. This end closes first: the clients' ports are free at once.
    if (send(fd, "x", 1, MSG_MORE) != 1) perror("send");
    close(fd);
  }
}

static void begin(int poll, const struct sockaddr_in *to) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  struct epoll_event event = {.events = EPOLLRDHUP, .data.fd = fd};
  if (fd < 0) die("socket");
  if (connect(fd, (const struct sockaddr *)to, sizeof *to) != 0 && errno != EINPROGRESS) die("connect");
  if (epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event) != 0) die("epoll_ctl");
}

static int load(const struct sockaddr_in *to, long wanted, int many) {
  int poll = epoll_create1(0);
  long begun = 0, done = 0;
  for (; begun < many && begun < wanted; begun++) begin(poll, to);
  while (done < wanted) {
    struct epoll_event events[EVENTS];
    int count = epoll_wait(poll, events, EVENTS, LIMIT_SECONDS * 1000);
    if (count == 0) {
      fprintf(stderr, "nothing in %d s after %ld connections\n", LIMIT_SECONDS, done);
      return 1;
    }
    for (int i = 0; i < count; i++) {
      char bytes[2];
      int fd = events[i].data.fd;
      ssize_t got = read(fd, bytes, sizeof bytes);
      if (got != 1) {
        fprintf(stderr, "a connection failed: %s\n", got < 0 ? strerror(errno) : "no greeting");
        return 1;
      }
      close(fd);
      done++;
      if (begun < wanted) begun++, begin(poll, to);
    }
  }
  return 0;
}

int main(int argc, char **argv) {
  if ((argc == 3 || argc == 4) && strcmp(argv[1], "serve") == 0) serve(atoi(argv[2]), argc == 4);
  if (argc != 6 || strcmp(argv[1], "load") != 0) {
    fprintf(stderr, "usage: see the head of connections.c\n");
    return 2;
  }
  struct sockaddr_in to = address_of(argv[2], atoi(argv[3]));
  long wanted = atol(argv[4]);
  struct timespec from, until;
  clock_gettime(CLOCK_MONOTONIC, &from);
  for (int i = 0; i < PROCESSES; i++) {
    pid_t child = fork();
    if (child < 0) die("fork");
    if (child == 0) return load(&to, wanted, atoi(argv[5]));
  }
  for (int i = 0; i < PROCESSES; i++) {
    int status = 0;
    if (wait(&status) < 0 || status != 0) return 1;
  }
  clock_gettime(CLOCK_MONOTONIC, &until);
  double seconds = (double)(until.tv_sec - from.tv_sec) + (double)(until.tv_nsec - from.tv_nsec) / 1e9;
  printf("%.0f\n", (double)(wanted * PROCESSES) / seconds);
  return 0;
}
