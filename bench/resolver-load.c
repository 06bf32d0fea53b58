// Asks a DNS server over UDP as fast as it answers, with a window of questions under way: the load of
// bench/resolver.ts. Arguments: seconds, window, number of names. Prints answers a second and losses.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

enum { BATCH = 32, SIZE = 512 };

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

// "service<n>", A for even numbers and AAAA for odd ones.
static size_t question(uint8_t *q, unsigned n) {
  char name[32];
  int length = snprintf(name, sizeof name, "service%u", n);
  memset(q, 0, 12);
  q[0] = (uint8_t)(n >> 8);
  q[1] = (uint8_t)n;
  q[2] = 1;
  q[5] = 1;
  q[12] = (uint8_t)length;
  memcpy(q + 13, name, (size_t)length);
  uint8_t *end = q + 13 + length;
  memcpy(end, n % 2 ? "\0\0\034\0\001" : "\0\0\001\0\001", 5);
  return (size_t)(end + 5 - q);
}

int main(int argc, char **argv) {
  if (argc != 4) return 2;
  double seconds = atof(argv[1]);
  unsigned window = (unsigned)atoi(argv[2]), names = (unsigned)atoi(argv[3]);
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(53)};
  inet_pton(AF_INET, "127.0.0.11", &to.sin_addr);
  struct timeval patience = {.tv_usec = 200000};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  if (connect(fd, (struct sockaddr *)&to, sizeof to) < 0) return 1;
  static uint8_t in[BATCH][SIZE], out[BATCH][SIZE];
  struct iovec iv[BATCH], ov[BATCH];
  struct mmsghdr im[BATCH], om[BATCH];
  unsigned long asked = 0, answered = 0, lost = 0, wrong = 0;
  unsigned due = window;
  double start = now(), end = start + seconds;
  while (now() < end) {
    while (due > 0) {
      unsigned n = due < BATCH ? due : BATCH;
      memset(om, 0, sizeof om);
      for (unsigned i = 0; i < n; i++) {
        ov[i] = (struct iovec){out[i], question(out[i], (unsigned)(asked++ % names))};
        om[i].msg_hdr.msg_iov = &ov[i];
        om[i].msg_hdr.msg_iovlen = 1;
      }
      if (sendmmsg(fd, om, n, 0) < 0) return 1;
      due -= n;
    }
    memset(im, 0, sizeof im);
    for (int i = 0; i < BATCH; i++) {
      iv[i] = (struct iovec){in[i], SIZE};
      im[i].msg_hdr.msg_iov = &iv[i];
      im[i].msg_hdr.msg_iovlen = 1;
    }
    int got = recvmmsg(fd, im, BATCH, MSG_WAITFORONE, NULL);
    if (got <= 0) {
      lost += window;
      due = window;
      continue;
    }
    for (int i = 0; i < got; i++) {
      unsigned n = (unsigned)in[i][0] << 8 | in[i][1];
      uint8_t expected[SIZE];
      size_t length = question(expected, n);
      // The question comes back, with one record behind it.
      if ((in[i][3] & 15) || in[i][7] != 1 || memcmp(in[i] + 12, expected + 12, length - 12)) wrong++;
    }
    answered += (unsigned long)got;
    due = (unsigned)got;
  }
  printf("%.0f answers/s, %lu lost, %lu wrong\n", (double)answered / (now() - start), lost, wrong);
  return 0;
}
