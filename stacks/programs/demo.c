// The program in the images of stacks/: one static binary, a role per first argument.
//
//   demo hello PORT [MS]          web server: task name, host, client's address, after MS milliseconds
//   demo requests N THREADS FROM URL…   N requests (0: until SIGTERM) to HOST:PORT… in turn, from the
//                                 addresses FROM (a,b,c or -) in turn; a line for each that failed, a sum
//   demo call HOST PORT           calls http://HOST:PORT once a second, the name resolved each time
//   demo check PORT               exit status 0 when the web server on this machine answers
//   demo store PORT FILE          line store: PUSH v | POP | INCR k | GET k | ALL, kept in FILE
//   demo vote PORT QUEUE          web server: GET /a or /b pushes a vote to the store QUEUE:7000
//   demo count QUEUE DB           moves votes from QUEUE:7000 to the counters of DB:7000
//   demo result PORT DB           web server: shows the counters of DB:7000
//   demo load                     prints the machine's load every ten seconds
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define STORE_PORT 7000
#define LINE 512
#define ENTRIES 4096

static void stop(int signal) { (void)signal; _exit(0); }

static const char *env(const char *name) {
  const char *value = getenv(name);
  return value ? value : "";
}

/* Asks the resolver of the task for an A record: a static binary has no name service of its own. */
static int resolve(const char *name, struct in_addr *out) {
  if (inet_aton(name, out)) return 0;
  unsigned char query[300] = {0x12, 0x34, 1, 0, 0, 1}, answer[1500];
  size_t at = 12;
  for (const char *part = name; *part;) {
    size_t length = strcspn(part, ".");
    if (length == 0 || length > 63 || at + length + 6 > sizeof query) return -1;
    query[at++] = (unsigned char)length;
    memcpy(query + at, part, length);
    at += length;
    part += length + (part[length] == '.');
  }
  query[at + 2] = 1;
  query[at + 4] = 1;
  at += 5;
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  struct timeval limit = {.tv_sec = 2};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons(53)};
  inet_aton("127.0.0.11", &server.sin_addr);
  sendto(fd, query, at, 0, (struct sockaddr *)&server, sizeof server);
  ssize_t got = recv(fd, answer, sizeof answer, 0);
  close(fd);
  if (got < (ssize_t)at || (answer[3] & 15) != 0) return -1;
  for (size_t i = at; i + 12 <= (size_t)got;) {
    while (i < (size_t)got && answer[i] && answer[i] < 192) i += answer[i] + 1u;
    i += answer[i] >= 192 ? 2 : 1;
    size_t length = (size_t)answer[i + 8] << 8 | answer[i + 9];
    if (answer[i + 1] == 1 && length == 4) {
      memcpy(out, answer + i + 10, 4);
      return 0;
    }
    i += 10 + length;
  }
  return -1;
}

static int dial(const char *host, int port) {
  struct sockaddr_in peer = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
  if (resolve(host, &peer.sin_addr) != 0) return -1;
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct timeval limit = {.tv_sec = 3};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  if (connect(fd, (struct sockaddr *)&peer, sizeof peer) == 0) return fd;
  close(fd);
  return -1;
}

/* Sends a line and reads the whole answer. */
static int ask(const char *host, int port, const char *line, char *answer, size_t size) {
  int fd = dial(host, port);
  if (fd < 0) return -1;
  size_t got = 0;
  if (write(fd, line, strlen(line)) == (ssize_t)strlen(line)) {
    ssize_t n;
    while (got + 1 < size && (n = read(fd, answer + got, size - 1 - got)) > 0) got += (size_t)n;
  }
  close(fd);
  answer[got] = 0;
  return got > 0 ? 0 : -1;
}

/* --- servers --- */
typedef void (*handler)(int fd, const char *line, const char *client);
struct connection { int fd; char client[INET_ADDRSTRLEN]; handler handle; };

static void *serve_one(void *argument) {
  struct connection *c = argument;
  char line[LINE];
  ssize_t n = read(c->fd, line, sizeof line - 1);
  if (n > 0) {
    line[n] = 0;
    line[strcspn(line, "\r\n")] = 0;
    c->handle(c->fd, line, c->client);
  }
  shutdown(c->fd, SHUT_WR);
  while (read(c->fd, line, sizeof line) > 0) {}
  close(c->fd);
  free(c);
  return NULL;
}

static int listen_on(int port, handler handle) {
  int one = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  struct sockaddr_in self = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
  if (bind(listener, (struct sockaddr *)&self, sizeof self) || listen(listener, 1024)) {
    perror("listen");
    return 1;
  }
  printf("listening on port %d\n", port);
  fflush(stdout);
  for (;;) {
    struct sockaddr_in peer;
    socklen_t size = sizeof peer;
    int fd = accept4(listener, (struct sockaddr *)&peer, &size, SOCK_CLOEXEC);
    if (fd < 0) continue;
    struct timeval limit = {.tv_sec = 30};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    struct connection *c = malloc(sizeof *c);
    *c = (struct connection){.fd = fd, .handle = handle};
    inet_ntop(AF_INET, &peer.sin_addr, c->client, sizeof c->client);
    pthread_t thread;
    if (pthread_create(&thread, NULL, serve_one, c) == 0) pthread_detach(thread);
    else serve_one(c);
  }
}

static void reply(int fd, const char *text) {
  dprintf(fd, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n%s",
          strlen(text), text);
}

static int delay_ms;

static void hello(int fd, const char *line, const char *client) {
  char text[LINE];
  (void)line;
  if (delay_ms > 0) usleep((useconds_t)delay_ms * 1000);
  snprintf(text, sizeof text, "task %s on %s greets %s\n", env("TASK_NAME"), env("NODE_NAME"), client);
  reply(fd, text);
}

/* --- the store --- */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char queue[ENTRIES][64], keys[64][64];
static long counts[64];
static size_t first, length, known;
static const char *file;

static void save(void) {
  char temporary[LINE];
  snprintf(temporary, sizeof temporary, "%s.new", file);
  FILE *f = fopen(temporary, "w");
  if (!f) return;
  for (size_t i = 0; i < known; i++) fprintf(f, "%s %ld\n", keys[i], counts[i]);
  fclose(f);
  rename(temporary, file);
}

static void load_file(void) {
  FILE *f = fopen(file, "r");
  if (!f) return;
  while (known < 64 && fscanf(f, "%63s %ld", keys[known], &counts[known]) == 2) known++;
  fclose(f);
}

static long *counter(const char *key) {
  for (size_t i = 0; i < known; i++) if (strcmp(keys[i], key) == 0) return &counts[i];
  if (known == 64) return NULL;
  snprintf(keys[known], sizeof keys[0], "%s", key);
  return &counts[known++];
}

static void store(int fd, const char *line, const char *client) {
  char word[8] = "", value[64] = "";
  (void)client;
  sscanf(line, "%7s %63s", word, value);
  pthread_mutex_lock(&lock);
  if (strcmp(word, "PUSH") == 0 && length < ENTRIES) {
    snprintf(queue[(first + length++) % ENTRIES], sizeof queue[0], "%s", value);
    dprintf(fd, "OK\n");
  } else if (strcmp(word, "POP") == 0) {
    if (length == 0) dprintf(fd, "-\n");
    else {
      dprintf(fd, "%s\n", queue[first]);
      first = (first + 1) % ENTRIES;
      length--;
    }
  } else if (strcmp(word, "INCR") == 0) {
    long *count = counter(value);
    if (count) ++*count;
    save();
    dprintf(fd, "%ld\n", count ? *count : 0);
  } else if (strcmp(word, "ALL") == 0) {
    for (size_t i = 0; i < known; i++) dprintf(fd, "%s %ld\n", keys[i], counts[i]);
    dprintf(fd, ".\n");
  } else dprintf(fd, "ERROR\n");
  pthread_mutex_unlock(&lock);
}

static const char *remote;

static void vote(int fd, const char *line, const char *client) {
  char choice[32] = "", command[LINE], answer[LINE];
  (void)client;
  sscanf(line, "GET /%31[a-z]", choice);
  if (!choice[0]) return reply(fd, "vote with GET /a or GET /b\n");
  snprintf(command, sizeof command, "PUSH %s\n", choice);
  reply(fd, ask(remote, STORE_PORT, command, answer, sizeof answer) == 0 ? "counted\n" : "not counted\n");
}

static void result(int fd, const char *line, const char *client) {
  char answer[LINE];
  (void)line, (void)client;
  if (ask(remote, STORE_PORT, "ALL\n", answer, sizeof answer) != 0) snprintf(answer, sizeof answer, "no answer\n");
  reply(fd, answer);
}

static _Noreturn void count(const char *from, const char *to) {
  for (;;) {
    char vote_[LINE], command[LINE], answer[LINE];
    if (ask(from, STORE_PORT, "POP\n", vote_, sizeof vote_) != 0 || vote_[0] == '-') {
      usleep(200000);
      continue;
    }
    snprintf(command, sizeof command, "INCR %.100s", vote_);
    while (ask(to, STORE_PORT, command, answer, sizeof answer) != 0) usleep(200000);
    printf("counted %s", vote_);
    fflush(stdout);
  }
}

static _Noreturn void call(const char *host, int port) {
  for (;;) {
    char answer[2048], request[LINE];
    snprintf(request, sizeof request, "GET / HTTP/1.0\r\nHost: %s\r\n\r\n", host);
    if (ask(host, port, request, answer, sizeof answer) == 0) {
      char *body = strstr(answer, "\r\n\r\n");
      printf("%s", body ? body + 4 : answer);
    } else printf("%s did not answer: %s\n", host, strerror(errno));
    fflush(stdout);
    sleep(1);
  }
}

/* --- a load of requests, each on a connection of its own --- */
#define THREADS_MAX 256
#define SHOWN_MAX 200
#define SLOW_MS 3000
static volatile sig_atomic_t over;
static long wanted, begun, failed, slowest;
static char *sources[64], **targets;
static int source_count, target_count;

static void finish(int signal) { (void)signal; over = 1; }

static long now_ms(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Gives the step that failed, or NULL after a whole answer. */
static const char *request_once(const char *target, const char *source) {
  static const char text[] = "GET / HTTP/1.0\r\n\r\n";
  char host[128], answer[2048];
  int port = 80, one = 1;
  if (sscanf(target, "%127[^:]:%d", host, &port) < 1) return "target";
  struct sockaddr_in peer = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
  if (resolve(host, &peer.sin_addr) != 0) return "name";
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct timeval limit = {.tv_sec = SLOW_MS / 1000};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  struct sockaddr_in self = {.sin_family = AF_INET};
  setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
  const char *step = NULL;
  size_t got = 0;
  ssize_t n = 0;
  if (source && (!inet_aton(source, &self.sin_addr) || bind(fd, (struct sockaddr *)&self, sizeof self))) step = "bind";
  else if (connect(fd, (struct sockaddr *)&peer, sizeof peer)) step = "connect";
  else if (write(fd, text, sizeof text - 1) != sizeof text - 1) step = "write";
  else {
    while (got + 1 < sizeof answer && (n = read(fd, answer + got, sizeof answer - 1 - got)) > 0) got += (size_t)n;
    answer[got] = 0;
    char *length = strstr(answer, "Content-Length: "), *body = strstr(answer, "\r\n\r\n");
    if (n < 0) step = "read";
    else if (!length || !body || strlen(body + 4) != strtoul(length + 16, NULL, 10)) {
      step = "answer";
      errno = 0;
    }
  }
  int error = errno;
  close(fd);
  errno = error;
  return step;
}

static void *send_requests(void *argument) {
  (void)argument;
  while (!over) {
    long number = __atomic_fetch_add(&begun, 1, __ATOMIC_RELAXED);
    if (wanted && number >= wanted) break;
    const char *target = targets[number % target_count];
    const char *source = source_count ? sources[number / target_count % source_count] : NULL;
    long start = now_ms(CLOCK_MONOTONIC);
    errno = 0;
    const char *step = request_once(target, source);
    int error = errno;
    long took = now_ms(CLOCK_MONOTONIC) - start;
    pthread_mutex_lock(&lock);
    if (took > slowest) slowest = took;
    if (step && failed++ < SHOWN_MAX)
      printf("failed %ld %s from %s: %s: %s after %ld ms\n", now_ms(CLOCK_REALTIME), target,
             source ? source : "-", step, strerror(error), took);
    pthread_mutex_unlock(&lock);
  }
  return NULL;
}

static int requests(int argc, char **argv) {
  if (argc < 4) return 2;
  pthread_t threads[THREADS_MAX];
  int count = atoi(argv[1]);
  if (count < 1 || count > THREADS_MAX) return 2;
  wanted = atol(argv[0]);
  for (char *s = strcmp(argv[2], "-") ? strtok(argv[2], ",") : NULL; s && source_count < 64; s = strtok(NULL, ","))
    sources[source_count++] = s;
  targets = argv + 3;
  target_count = argc - 3;
  signal(SIGTERM, finish);
  signal(SIGINT, finish);
  setvbuf(stdout, NULL, _IOLBF, 0);
  long start = now_ms(CLOCK_MONOTONIC);
  for (int i = 0; i < count; i++) pthread_create(&threads[i], NULL, send_requests, NULL);
  for (int i = 0; i < count; i++) pthread_join(threads[i], NULL);
  long sent = wanted && begun > wanted ? wanted : begun;
  printf("{\"requests\":%ld,\"failed\":%ld,\"slowestMs\":%ld,\"milliseconds\":%ld}\n", sent, failed, slowest,
         now_ms(CLOCK_MONOTONIC) - start);
  return 0;
}

static _Noreturn void print_load(void) {
  for (;;) {
    double load[3] = {0};
    if (getloadavg(load, 3) > 0) printf("%s: load %.2f\n", env("NODE_NAME"), load[0]);
    fflush(stdout);
    sleep(10);
  }
}

int main(int argc, char **argv) {
  const char *role = argc > 1 ? argv[1] : "", *a = argc > 2 ? argv[2] : "", *b = argc > 3 ? argv[3] : "";
  signal(SIGTERM, stop);
  signal(SIGINT, stop);
  signal(SIGPIPE, SIG_IGN);
  delay_ms = atoi(b);
  if (strcmp(role, "hello") == 0) return listen_on(atoi(a), hello);
  if (strcmp(role, "requests") == 0) return requests(argc - 2, argv + 2);
  if (strcmp(role, "call") == 0) call(a, atoi(b));
  if (strcmp(role, "load") == 0) print_load();
  if (strcmp(role, "check") == 0) {
    char answer[LINE];
    return ask("127.0.0.1", atoi(a), "GET / HTTP/1.0\r\n\r\n", answer, sizeof answer) == 0 ? 0 : 1;
  }
  if (strcmp(role, "store") == 0) {
    file = b;
    load_file();
    return listen_on(atoi(a), store);
  }
  remote = b;
  if (strcmp(role, "vote") == 0) return listen_on(atoi(a), vote);
  if (strcmp(role, "result") == 0) return listen_on(atoi(a), result);
  if (strcmp(role, "count") == 0) count(a, b);
  fprintf(stderr, "usage: see the head of demo.c\n");
  return 2;
}
