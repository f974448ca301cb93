/* The service at the end of every measurement: reads uploads, throws them away, and counts.
 *
 * One thread, epoll, any number of connections. Content is discarded inside the kernel (recv with
 * MSG_TRUNC), so that it costs no copy. Takes Content-Length and chunked bodies, keeps connections
 * alive, and answers each complete upload with 200 and a small JSON object; an upload that ends
 * early or is framed wrongly is counted as such and never answered with 200.
 *
 * Usage: service KEPT_FILE      prints {"port": N} and serves 127.0.0.1 until it is terminated.
 *   GET /account  what arrived since the last /begin
 *   GET /begin    starts a new account
 *   GET /keep     the same, and keeps the next upload (header, then decoded body) in KEPT_FILE
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BUFFER_BYTES (64 * 1024)
#define DISCARD_BYTES (8 * 1024 * 1024)

enum state { HEADER, CONTENT, CHUNK_SIZE, CHUNK_DATA, CHUNK_END, TRAILER };

struct connection {
    int socket;
    enum state state;
    long long remaining; /* bytes of the body (CONTENT) or of the chunk (CHUNK_DATA) still to come */
    long long received;  /* decoded bytes of the body so far */
    double first_byte;   /* when the first byte of the body was here; 0 before that */
    int kept;            /* file that gets this upload; -1: discarded */
    bool close_after;
    size_t buffered;
    char buffer[BUFFER_BYTES];
};

static struct {
    long long uploads, bytes, incomplete, malformed;
    double first_byte, last_first_byte, end;
} account;

static const char *kept_path;
static bool keep_next;

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static double cpu_seconds(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

/* Answers are far smaller than an empty socket buffer: a short send means that the peer is gone. */
static bool answer(struct connection *c, int status, const char *reason, const char *json) {
    char message[1024];
    int length = snprintf(message, sizeof message,
                          "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n%s\r\n%s",
                          status, reason, strlen(json), c->close_after ? "Connection: close\r\n" : "", json);
    return send(c->socket, message, (size_t)length, MSG_NOSIGNAL) == length;
}

static bool refuse(struct connection *c) {
    account.malformed++;
    c->close_after = true;
    answer(c, 400, "Bad Request", "{\"error\": \"malformed request\"}");
    return false;
}

/* The value of a header field within the header block, or NULL. */
static const char *field(const char *header, const char *name) {
    size_t length = strlen(name);
    for (const char *line = strstr(header, "\r\n"); line; line = strstr(line, "\r\n")) {
        line += 2;
        if (strncasecmp(line, name, length) == 0 && line[length] == ':') {
            line += length + 1;
            while (*line == ' ' || *line == '\t') line++;
            return line;
        }
    }
    return NULL;
}

static void note_body(struct connection *c, long long bytes) {
    if (c->received == 0 && bytes > 0) {
        c->first_byte = now();
        if (account.first_byte == 0) account.first_byte = c->first_byte;
        account.last_first_byte = c->first_byte;
    }
    c->received += bytes;
    c->remaining -= bytes;
}

static void keep(struct connection *c, const char *bytes, size_t length) {
    while (c->kept >= 0 && length > 0) {
        ssize_t written = write(c->kept, bytes, length);
        if (written < 0) {
            perror("service: cannot keep the upload");
            exit(1);
        }
        bytes += written;
        length -= (size_t)written;
    }
}

static bool finish_upload(struct connection *c) {
    char json[128];
    account.uploads++;
    account.bytes += c->received;
    account.end = now();
    if (c->kept >= 0) close(c->kept);
    c->kept = -1;
    c->state = HEADER;
    snprintf(json, sizeof json, "{\"bytes\": %lld}", c->received);
    return answer(c, 200, "OK", json) && !c->close_after;
}

static bool control(struct connection *c, const char *target) {
    char json[512];
    if (strncmp(target, "/begin ", 7) == 0 || strncmp(target, "/keep ", 6) == 0) {
        memset(&account, 0, sizeof account);
        keep_next = target[1] == 'k';
    } else if (strncmp(target, "/account ", 9) != 0) {
        return refuse(c);
    }
    snprintf(json, sizeof json,
             "{\"uploads\": %lld, \"bytes\": %lld, \"incomplete\": %lld, \"malformed\": %lld, "
             "\"first_byte\": %.9f, \"last_first_byte\": %.9f, \"end\": %.9f, \"cpu_s\": %.6f}",
             account.uploads, account.bytes, account.incomplete, account.malformed, account.first_byte,
             account.last_first_byte, account.end, cpu_seconds());
    return answer(c, 200, "OK", json) && !c->close_after;
}

/* Called with a complete header block of `length` bytes at the start of the buffer. */
static bool begin_request(struct connection *c, size_t length) {
    char header[BUFFER_BYTES + 1];
    memcpy(header, c->buffer, length);
    header[length] = 0;

    char *line_end = strstr(header, "\r\n");
    const char *connection = field(header, "Connection");
    c->close_after = (connection && strncasecmp(connection, "close", 5) == 0) ||
                     (line_end - header >= 8 && strncmp(line_end - 8, "HTTP/1.0", 8) == 0);
    if (strncmp(header, "GET ", 4) == 0) return control(c, header + 4);

    const char *content_length = field(header, "Content-Length");
    const char *transfer_encoding = field(header, "Transfer-Encoding");
    if (strncmp(header, "POST ", 5) != 0 && strncmp(header, "PUT ", 4) != 0) return refuse(c);
    if ((content_length == NULL) == (transfer_encoding == NULL)) return refuse(c);
    if (transfer_encoding && strncasecmp(transfer_encoding, "chunked\r\n", 9) != 0) return refuse(c);

    c->received = 0;
    c->first_byte = 0;
    c->remaining = content_length ? atoll(content_length) : 0;
    c->state = content_length ? CONTENT : CHUNK_SIZE;
    if (keep_next) {
        keep_next = false;
        c->kept = open(kept_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        keep(c, header, length);
    }
    const char *expect = field(header, "Expect");
    if (expect && strncasecmp(expect, "100-continue", 12) == 0) {
        static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
        if (send(c->socket, go_on, sizeof go_on - 1, MSG_NOSIGNAL) < 0) return false;
    }
    return true;
}

/* Works through what is buffered. False: the connection is to be closed. */
static bool consume(struct connection *c) {
    size_t at = 0;
    bool open = true;
    while (open) {
        size_t left = c->buffered - at;
        char *here = c->buffer + at;
        if (c->state == CONTENT && c->remaining == 0) {
            open = finish_upload(c);
        } else if (left == 0) {
            break;
        } else if (c->state == HEADER) {
            char *end = memmem(here, left, "\r\n\r\n", 4);
            if (!end) break;
            memmove(c->buffer, here, left); /* begin_request looks at the start of the buffer */
            c->buffered = left;
            at = (size_t)(end - here) + 4;
            open = begin_request(c, at);
        } else if (c->state == CONTENT || c->state == CHUNK_DATA) {
            size_t take = (long long)left < c->remaining ? left : (size_t)c->remaining;
            keep(c, here, take);
            note_body(c, (long long)take);
            at += take;
            if (c->state == CHUNK_DATA && c->remaining == 0) c->state = CHUNK_END;
        } else {
            char *end = memmem(here, left, "\r\n", 2);
            if (!end) break;
            at += (size_t)(end - here) + 2;
            if (c->state == CHUNK_END) {
                if (end != here) open = refuse(c);
                c->state = CHUNK_SIZE;
            } else if (c->state == CHUNK_SIZE) {
                char *digits_end;
                c->remaining = strtoll(here, &digits_end, 16);
                if (digits_end == here || c->remaining < 0) open = refuse(c);
                c->state = c->remaining > 0 ? CHUNK_DATA : TRAILER;
            } else if (end == here) { /* the empty line that ends the trailer */
                open = finish_upload(c);
            }
        }
    }
    memmove(c->buffer, c->buffer + at, c->buffered - at);
    c->buffered -= at;
    if (open && c->buffered == sizeof c->buffer) return refuse(c); /* a line or header without end */
    return open;
}

/* One read of what has arrived. False: the connection is to be closed. */
static bool take(struct connection *c) {
    bool in_data = c->state == CONTENT || c->state == CHUNK_DATA;
    ssize_t count;
    if (in_data && c->kept < 0) { /* consume() leaves nothing buffered in these states */
        size_t most = c->remaining < DISCARD_BYTES ? (size_t)c->remaining : DISCARD_BYTES;
        count = recv(c->socket, NULL, most, MSG_TRUNC);
        if (count > 0) {
            note_body(c, count);
            if (c->state == CHUNK_DATA && c->remaining == 0) c->state = CHUNK_END;
        }
    } else {
        count = recv(c->socket, c->buffer + c->buffered, sizeof c->buffer - c->buffered, 0);
        if (count > 0) c->buffered += (size_t)count;
    }
    if (count < 0) return errno == EAGAIN || errno == EINTR;
    if (count == 0) return false;
    return consume(c);
}

static void drop(struct connection *c) {
    if (c->state != HEADER) account.incomplete++;
    if (c->kept >= 0) close(c->kept);
    close(c->socket);
    free(c);
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: service KEPT_FILE\n");
        return 2;
    }
    kept_path = argv[1];
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&address, length) < 0 || listen(listener, 1024) < 0 ||
        getsockname(listener, (struct sockaddr *)&address, &length) < 0) {
        perror("service: cannot listen");
        return 1;
    }
    printf("{\"port\": %d}\n", ntohs(address.sin_port));
    fflush(stdout);

    int poller = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL}, events[256];
    epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int ready = epoll_wait(poller, events, 256, -1);
        for (int i = 0; i < ready; i++) {
            struct connection *c = events[i].data.ptr;
            if (c) {
                if (!take(c)) drop(c);
                continue;
            }
            int client = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
            if (client < 0) continue;
            setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
            c = calloc(1, sizeof *c);
            if (!c) return 1;
            c->socket = client;
            c->kept = -1;
            event.events = EPOLLIN;
            event.data.ptr = c;
            epoll_ctl(poller, EPOLL_CTL_ADD, client, &event);
        }
    }
}
