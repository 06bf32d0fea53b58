// The first process of a container that asks for an init (`docker run --init`): starts the program that
// it is told, passes signals on to it, and waits for the children that others left behind. Ends as the
// program ends.
//
//   docker-init -- PROGRAM [ARGUMENT…]
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

// As shells say it.
enum { CANNOT_RUN = 126, NOT_FOUND = 127, USAGE = 2, BY_SIGNAL = 128 };

// What the kernel sends because of this very program's faults, and what job control asks it.
static const int OWN_SIGNALS[] = {SIGFPE, SIGILL,  SIGSEGV, SIGBUS,  SIGABRT,
                                  SIGTRAP, SIGSYS, SIGTTIN, SIGTTOU};

static void fail(const char *what) {
  fprintf(stderr, "docker-init: %s: %s\n", what, strerror(errno));
}

static pid_t start(char **arguments, const sigset_t *mask) {
  pid_t child = fork();
  if (child != 0) return child;
  // A group of its own, so that a terminal's signals come to it and not to this program as well.
  setpgid(0, 0);
  tcsetpgrp(STDIN_FILENO, getpgrp()); // fails where there is no terminal
  signal(SIGTTIN, SIG_DFL);
  signal(SIGTTOU, SIG_DFL);
  sigprocmask(SIG_SETMASK, mask, NULL);
  execvp(arguments[0], arguments);
  int error = errno;
  fail(arguments[0]);
  _exit(error == ENOENT ? NOT_FOUND : CANNOT_RUN);
}

// Takes in all that have ended; true when the program is among them.
static int reap(pid_t child, int *code) {
  int ended = 0, status = 0;
  for (;;) {
    pid_t pid = waitpid(-1, &status, WNOHANG);
    if (pid < 0 && errno == EINTR) continue;
    if (pid <= 0) return ended;
    if (pid != child) continue;
    ended = 1;
    *code = WIFSIGNALED(status) ? BY_SIGNAL + WTERMSIG(status) : WEXITSTATUS(status);
  }
}

int main(int count, char **arguments) {
  int first = count > 1 && strcmp(arguments[1], "--") == 0 ? 2 : 1;
  if (first >= count) {
    fputs("usage: docker-init -- PROGRAM [ARGUMENT...]\n", stderr);
    return USAGE;
  }
  if (getpid() != 1) prctl(PR_SET_CHILD_SUBREAPER, 1);
  sigset_t waited, before;
  sigfillset(&waited);
  for (size_t i = 0; i < sizeof OWN_SIGNALS / sizeof *OWN_SIGNALS; i++) {
    sigdelset(&waited, OWN_SIGNALS[i]);
  }
  sigprocmask(SIG_SETMASK, &waited, &before);
  // Else giving the terminal away would stop this program.
  signal(SIGTTIN, SIG_IGN);
  signal(SIGTTOU, SIG_IGN);
  pid_t child = start(arguments + first, &before);
  if (child < 0) {
    fail("fork");
    return CANNOT_RUN;
  }
  for (int code = 0;;) {
    siginfo_t info;
    int number = sigwaitinfo(&waited, &info);
    if (number < 0) continue; // interrupted, for a debugger perhaps
    if (number != SIGCHLD) kill(child, number); // it may have ended just now
    if (reap(child, &code)) return code;
  }
}
