/*
 * tsswarm-logger: the program that containerd starts beside a container to keep its output
 * (log URI "binary:///path/tsswarm-logger?file=...&max-size=...&max-file=...").
 *
 * The shim hands over the container's stdout on descriptor 3, stderr on 4, and a pipe on 5 that is
 * closed to say "ready". Arguments are keys and values, each an argument of its own:
 *
 *   file      file to write, in Docker's json-file format, one JSON object a line
 *   max-size  bytes after which the file is rotated, 0 = never (default 10485760)
 *   max-file  number of files kept, this one included (default 3); older ones are file.1, file.2 ...
 *   mode      "json" (default), or "capture": the first `limit` raw bytes of both streams together
 *   limit     bytes kept in mode "capture" (default 4096)
 *
 * It never ends while a pipe is open: the container would block or get SIGPIPE. When the file can't
 * be written (disk full), lines are dropped and counted, and the count is logged once writing works
 * again. Nothing here allocates memory after the start.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    STDOUT_PIPE = 3,
    STDERR_PIPE = 4,
    READY_PIPE = 5,
    /* Longest piece of a line in one record, as in Docker; what is longer is split. */
    MAX_LINE = 16 * 1024,
    READ_SIZE = 64 * 1024,
    /* A record at its largest: every byte escaped as \u00XX, and the fields around it. */
    MAX_RECORD = MAX_LINE * 6 + 256,
    OUT_SIZE = 256 * 1024,
    MAX_PATH = 4096,
    MAX_FILES = 1000,
};

struct stream {
    int fd;
    const char *name;
    size_t length;
    char line[MAX_LINE];
};

struct log {
    const char *path;
    long long max_size;
    int max_files;
    int fd;
    long long size;
    unsigned long long dropped;
    int last_error;
    /* Encoded records that are not written yet, and how many they are. */
    size_t length;
    unsigned long long records;
    char out[OUT_SIZE];
};

static struct stream streams[2] = {{STDOUT_PIPE, "stdout", 0, {0}},
                                   {STDERR_PIPE, "stderr", 0, {0}}};
static struct log target;
static char input[READ_SIZE];

static int open_log(struct log *log) {
    if (log->fd >= 0) return 0;
    log->fd = open(log->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    if (log->fd < 0) return -1;
    struct stat info;
    log->size = fstat(log->fd, &info) == 0 ? (long long)info.st_size : 0;
    return 0;
}

/* file.1 -> file.2, file -> file.1, and so on; the oldest is overwritten. */
static void rotate(struct log *log) {
    char from[MAX_PATH], to[MAX_PATH];
    if (log->max_files <= 1) {
        if (ftruncate(log->fd, 0) == 0) log->size = 0;
        return;
    }
    for (int i = log->max_files - 1; i >= 1; i--) {
        if (i == 1)
            snprintf(from, sizeof from, "%s", log->path);
        else
            snprintf(from, sizeof from, "%s.%d", log->path, i - 1);
        snprintf(to, sizeof to, "%s.%d", log->path, i);
        rename(from, to);
    }
    close(log->fd);
    log->fd = -1;
}

/* Writes all or nothing: half a record would spoil the next one. */
static int write_whole(struct log *log, const char *data, size_t length) {
    size_t done = 0;
    while (done < length) {
        ssize_t n = write(log->fd, data + done, length - done);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) {
            int reason = n < 0 ? errno : ENOSPC;
            if (done > 0 && ftruncate(log->fd, log->size) != 0) log->size += (long long)done;
            errno = reason;
            return -1;
        }
        done += (size_t)n;
    }
    log->size += (long long)length;
    return 0;
}

static size_t timestamp(char *text, size_t size) {
    struct timespec now;
    struct tm utc;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    size_t n = strftime(text, size, "%Y-%m-%dT%H:%M:%S", &utc);
    /* Always nine digits, so that times compare as text. */
    return n + (size_t)snprintf(text + n, size - n, ".%09ldZ", now.tv_nsec);
}

/* Length of the valid UTF-8 sequence at `text`, 0 when there is none. */
static size_t utf8_length(const unsigned char *text, size_t left) {
    unsigned char c = text[0];
    if (c < 0x80) return 1;
    size_t need = c >= 0xf0 && c <= 0xf4 ? 4 : c >= 0xe0 && c < 0xf0 ? 3 : c >= 0xc2 && c < 0xe0 ? 2 : 0;
    if (need == 0 || need > left) return 0;
    for (size_t i = 1; i < need; i++)
        if ((text[i] & 0xc0) != 0x80) return 0;
    /* Overlong forms, surrogates and what lies beyond U+10FFFF. */
    if (c == 0xe0 && text[1] < 0xa0) return 0;
    if (c == 0xed && text[1] > 0x9f) return 0;
    if (c == 0xf0 && text[1] < 0x90) return 0;
    if (c == 0xf4 && text[1] > 0x8f) return 0;
    return need;
}

static size_t escape(char *out, const char *line, size_t length) {
    const unsigned char *text = (const unsigned char *)line;
    size_t n = 0;
    for (size_t i = 0; i < length;) {
        unsigned char c = text[i];
        if (c == '"' || c == '\\') {
            out[n++] = '\\';
            out[n++] = (char)c;
            i++;
        } else if (c < 0x20 || c == 0x7f) {
            const char *s = c == '\n' ? "\\n" : c == '\r' ? "\\r" : c == '\t' ? "\\t" : NULL;
            if (s != NULL) {
                memcpy(out + n, s, 2);
                n += 2;
            } else {
                n += (size_t)sprintf(out + n, "\\u%04x", c);
            }
            i++;
        } else {
            size_t k = utf8_length(text + i, length - i);
            if (k == 0) {
                memcpy(out + n, "\\ufffd", 6);
                n += 6;
                i++;
            } else {
                memcpy(out + n, text + i, k);
                n += k;
                i += k;
            }
        }
    }
    return n;
}

static size_t encode(char *out, const char *stream, const char *line, size_t length, int newline) {
    size_t n = (size_t)sprintf(out, "{\"log\":\"");
    n += escape(out + n, line, length);
    n += (size_t)sprintf(out + n, "%s\",\"stream\":\"%s\",\"time\":\"", newline ? "\\n" : "", stream);
    n += timestamp(out + n, 64);
    n += (size_t)sprintf(out + n, "\"}\n");
    return n;
}

static void flush_log(struct log *log) {
    if (log->length == 0) return;
    if (open_log(log) == 0 && log->max_size > 0 && log->size > 0 &&
        log->size + (long long)log->length > log->max_size)
        rotate(log);
    int failed = open_log(log) != 0;
    if (!failed && log->dropped > 0) {
        char text[256], record[2048];
        int n = snprintf(text, sizeof text, "tsswarm-logger: %llu lines were dropped: %s",
                         log->dropped, strerror(log->last_error));
        size_t length = encode(record, "stderr", text, (size_t)n, 1);
        failed = write_whole(log, record, length) != 0;
        if (!failed) log->dropped = 0;
    }
    if (!failed) failed = write_whole(log, log->out, log->length) != 0;
    if (failed) {
        log->last_error = errno;
        log->dropped += log->records;
    }
    log->length = 0;
    log->records = 0;
}

static void add_record(struct log *log, struct stream *stream, size_t length, int newline) {
    /* Rotation happens between flushes, so a flush must not be much larger than a small file. */
    if (log->length + MAX_RECORD > OUT_SIZE ||
        (log->max_size > 0 && (long long)log->length >= log->max_size / 2))
        flush_log(log);
    log->length += encode(log->out + log->length, stream->name, stream->line, length, newline);
    log->records++;
}

/* Where to cut a line that is too long: not inside a character. */
static size_t cut_point(const char *line, size_t length) {
    for (size_t back = 1; back <= 4 && back < length; back++) {
        unsigned char c = (unsigned char)line[length - back];
        if ((c & 0xc0) == 0x80) continue;
        size_t need = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 1;
        return need > back ? length - back : length;
    }
    return length;
}

static void consume(struct log *log, struct stream *stream, const char *data, size_t length) {
    while (length > 0) {
        size_t room = MAX_LINE - stream->length;
        size_t take = length < room ? length : room;
        /* One byte more than there is room for: a full line may end right here. */
        const char *end = memchr(data, '\n', length < room + 1 ? length : room + 1);
        if (end != NULL) take = (size_t)(end - data);
        memcpy(stream->line + stream->length, data, take);
        stream->length += take;
        data += take;
        length -= take;
        if (end != NULL) {
            add_record(log, stream, stream->length, 1);
            stream->length = 0;
            data++;
            length--;
        } else if (stream->length == MAX_LINE) {
            size_t cut = cut_point(stream->line, MAX_LINE);
            add_record(log, stream, cut, 0);
            memmove(stream->line, stream->line + cut, MAX_LINE - cut);
            stream->length = MAX_LINE - cut;
        }
    }
}

static void end_stream(struct log *log, struct stream *stream) {
    if (stream->length > 0) add_record(log, stream, stream->length, 1);
    stream->length = 0;
    close(stream->fd);
    stream->fd = -1;
}

/* Mode capture: keeps the beginning, swallows the rest so that the writer never blocks. */
static void capture(struct log *log, long long limit, const char *data, size_t length) {
    long long room = limit - log->size;
    if (room <= 0 || open_log(log) != 0) return;
    size_t take = (long long)length < room ? length : (size_t)room;
    if (write_whole(log, data, take) != 0) log->dropped++;
}

static void protect_from_oom_killer(void) {
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd < 0) return;
    /* Not allowed in some sandboxes; then the score stays what it is. */
    if (write(fd, "-999", 4) < 0) errno = 0;
    close(fd);
}

int main(int argc, char **argv) {
    int capturing = 0;
    long long limit = 4096;
    target = (struct log){.path = NULL, .max_size = 10 * 1024 * 1024, .max_files = 3, .fd = -1};
    for (int i = 1; i + 1 < argc; i += 2) {
        const char *key = argv[i], *value = argv[i + 1];
        if (strcmp(key, "file") == 0) target.path = value;
        else if (strcmp(key, "max-size") == 0) target.max_size = atoll(value);
        else if (strcmp(key, "max-file") == 0) target.max_files = atoi(value);
        else if (strcmp(key, "mode") == 0) capturing = strcmp(value, "capture") == 0;
        else if (strcmp(key, "limit") == 0) limit = atoll(value);
    }
    if (target.path == NULL || strlen(target.path) > MAX_PATH - 16) {
        fprintf(stderr, "tsswarm-logger: the argument \"file\" is missing or too long\n");
        return 2;
    }
    if (target.max_files > MAX_FILES) target.max_files = MAX_FILES;
    /* The shim sends SIGTERM at the end; what is still in the pipes comes first. */
    const int ignored[] = {SIGTERM, SIGINT, SIGHUP, SIGPIPE, SIGQUIT};
    for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++) signal(ignored[i], SIG_IGN);
    protect_from_oom_killer();
    open_log(&target);
    close(READY_PIPE);

    while (streams[0].fd >= 0 || streams[1].fd >= 0) {
        struct pollfd polls[2];
        for (int i = 0; i < 2; i++)
            polls[i] = (struct pollfd){.fd = streams[i].fd, .events = POLLIN, .revents = 0};
        if (poll(polls, 2, -1) < 0) continue;
        for (int i = 0; i < 2; i++) {
            if (streams[i].fd < 0 || polls[i].revents == 0) continue;
            ssize_t n = read(streams[i].fd, input, sizeof input);
            if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
            if (n <= 0) end_stream(&target, &streams[i]);
            else if (capturing) capture(&target, limit, input, (size_t)n);
            else consume(&target, &streams[i], input, (size_t)n);
        }
        flush_log(&target);
    }
    return 0;
}
