// Network namespaces bound to files, sockets and sysctls inside them.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "steps.h"

void step_write(struct reader *r, struct writer *w) {
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

void step_socket(struct reader *r, struct writer *w) {
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

// Tries a TCP connection: the result's error is what became of it. Payload: family, port, milliseconds,
// 16 bytes of address.
void step_connect(struct reader *r, struct writer *w) {
  uint32_t family = take_u32(r), port = take_u32(r), limit = take_u32(r);
  const uint8_t *address = take(r, 16);
  if (!address || port > 65535) return result_text(w, EINVAL, "connect");
  int fd = socket(family == 6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return result_text(w, errno, "socket");
  struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
  struct sockaddr_in in4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  memcpy(&in6.sin6_addr, address, 16);
  memcpy(&in4.sin_addr, address, 4);
  int error = 0, done = family == 6 ? connect(fd, (struct sockaddr *)&in6, sizeof in6) : connect(fd, (struct sockaddr *)&in4, sizeof in4);
  if (done < 0) error = errno;
  if (error == EINPROGRESS) {
    struct pollfd ready = {.fd = fd, .events = POLLOUT};
    socklen_t length = sizeof error;
    if (poll(&ready, 1, (int)limit) != 1) error = ETIMEDOUT;
    else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0) error = errno;
  }
  close(fd);
  result_text(w, error, error ? strerror(error) : "");
}

// Payload: family (4 or 6), mark, 16 bytes of address, the packet with its IP header.
void step_send(struct reader *r, struct writer *w) {
  uint32_t family = take_u32(r), mark = take_u32(r);
  const uint8_t *address = take(r, 16);
  if (!address) return result_text(w, EINVAL, "send");
  int fd = socket(family == 6 ? AF_INET6 : AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
  if (fd < 0) return result_text(w, errno, "socket");
  struct sockaddr_in6 to6 = {.sin6_family = AF_INET6};
  struct sockaddr_in to4 = {.sin_family = AF_INET};
  memcpy(&to6.sin6_addr, address, 16);
  memcpy(&to4.sin_addr, address, 4);
  struct sockaddr *to = family == 6 ? (struct sockaddr *)&to6 : (struct sockaddr *)&to4;
  socklen_t length = family == 6 ? sizeof to6 : sizeof to4;
  int error = setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof mark) < 0 ||
                      sendto(fd, r->at, r->left, MSG_DONTWAIT, to, length) < 0
                  ? errno
                  : 0;
  close(fd);
  result_text(w, error, error ? "send" : "");
}

// Makes a namespace and binds it to `path`; the steps that follow run inside it.
void step_new_namespace(struct reader *r, struct writer *w) {
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

void step_unmount(struct reader *r, struct writer *w) {
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
void step_share(struct reader *r, struct writer *w) {
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
