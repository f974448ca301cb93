/* The client of every measurement: sends multipart uploads and waits for their answers.
 *
 * One thread, epoll. The content lies in memory and is repeated until `--size` is reached. It goes out
 * with sendmsg, or with sendfile if that is asked for: on loopback sendfile costs three times the CPU
 * time, here and for whoever receives, because the data then lies in single pages. The multipart head
 * and tail are written here, and Content-Length is always sent. Every connection sends one upload after
 * another and is kept alive as long as the server lets it.
 *
 * Usage: client --port N --path PATH --content FILE --size BYTES [--connections N] [--uploads N | --seconds S]
 *               [--sendfile]
 * Prints one JSON object; times are CLOCK_MONOTONIC in seconds, `latencies_us` one number per upload.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define BOUNDARY "benchmark-8aQ2vZ7mK1xR4tLw9sD3nB6y"
#define SMALL_BYTES (64 * 1024)
#define ANSWER_BYTES (64 * 1024)

struct connection {
    int socket;
    long long sent; /* bytes of the request that the kernel has taken */
    double began;
    bool chunked, until_close, close_after;
    int status;
    size_t answer_needed; /* header and body; 0 while the header is not complete */
    size_t buffered;
    char answer[ANSWER_BYTES + 1];
};

static int port, connections = 1;
static long long size, uploads_wanted = 1;
static double seconds;
static const char *path = "/";

static bool use_sendfile;
static int content_file;
static char *content;
static long long content_bytes;
static char head[2048];
static size_t head_bytes, tail_bytes;
static char tail[] = "\r\n--" BOUNDARY "--\r\n";
static long long request_bytes;

static int poller;
static long long begun, answered, failed;
static double first_byte, end, deadline;
static unsigned *latencies_us;
static size_t latencies_room;
static long long statuses[600];
static char first_failure[240];

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void stop(const char *what) {
    fprintf(stderr, "client: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* The first failure is reported in words; only characters that need no escaping in JSON. */
static void note_failure(const char *words) {
    failed++;
    if (first_failure[0]) return;
    snprintf(first_failure, sizeof first_failure, "%s", words);
    for (char *c = first_failure; *c; c++)
        if (*c < ' ' || *c > '~' || *c == '"' || *c == '\\') *c = ' ';
}

static bool more_to_do(void) { return seconds > 0 ? now() < deadline : begun < uploads_wanted; }

static void begin_upload(struct connection *c) {
    c->sent = 0;
    c->buffered = c->answer_needed = 0;
    c->status = 0;
    c->chunked = c->until_close = c->close_after = false;
    begun++;
    c->began = now();
    if (first_byte == 0) first_byte = c->began;
}

static void watch(struct connection *c, int operation, unsigned events) {
    struct epoll_event event = {.events = events, .data.ptr = c};
    if (epoll_ctl(poller, operation, c->socket, &event) < 0) stop("epoll_ctl");
}

static void open_connection(struct connection *c) {
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((unsigned short)port)};
    int one = 1;
    c->socket = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->socket < 0) stop("socket");
    if (connect(c->socket, (struct sockaddr *)&address, sizeof address) < 0) stop("connect");
    fcntl(c->socket, F_SETFL, O_NONBLOCK);
    setsockopt(c->socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    watch(c, EPOLL_CTL_ADD, EPOLLIN | EPOLLOUT);
}

/* Hands the kernel what it takes. False: the connection broke. */
static bool send_some(struct connection *c) {
    long long content_start = (long long)head_bytes, content_stop = content_start + size;
    while (c->sent < request_bytes) {
        long long at = c->sent, from = at > content_start ? at : content_start, offset = 0, take = 0;
        ssize_t count;
        if (from < content_stop) { /* up to the end of this lap through the content */
            long long left = content_stop - from;
            offset = (from - content_start) % content_bytes;
            take = left < content_bytes - offset ? left : content_bytes - offset;
        }
        if (use_sendfile && at >= content_start && take > 0) {
            off_t position = offset;
            count = sendfile(c->socket, content_file, &position, (size_t)take);
        } else {
            struct iovec pieces[3];
            struct msghdr message = {.msg_iov = pieces, .msg_iovlen = 0};
            if (at < content_start)
                pieces[message.msg_iovlen++] = (struct iovec){head + at, (size_t)(content_start - at)};
            if (!use_sendfile && take > 0)
                pieces[message.msg_iovlen++] = (struct iovec){content + offset, (size_t)take};
            if (at >= content_stop || (!use_sendfile && from + take == content_stop)) {
                long long done = at > content_stop ? at - content_stop : 0;
                pieces[message.msg_iovlen++] = (struct iovec){tail + done, tail_bytes - (size_t)done};
            }
            count = sendmsg(c->socket, &message, MSG_NOSIGNAL);
        }
        if (count < 0) return errno == EAGAIN || errno == EINTR;
        c->sent += count;
    }
    watch(c, EPOLL_CTL_MOD, EPOLLIN);
    return true;
}

/* Looks at what is there of the answer; true when it is complete. */
static bool answer_complete(struct connection *c) {
    c->answer[c->buffered] = 0;
    while (c->answer_needed == 0) {
        char *blank = strstr(c->answer, "\r\n\r\n");
        if (!blank) return false;
        size_t header_bytes = (size_t)(blank - c->answer) + 4;
        c->status = atoi(c->answer + 9);
        if (c->status >= 100 && c->status < 200) { /* an interim answer: the final one follows */
            memmove(c->answer, c->answer + header_bytes, c->buffered + 1 - header_bytes);
            c->buffered -= header_bytes;
            continue;
        }
        *blank = 0;
        char *length = strcasestr(c->answer, "\r\nContent-Length:");
        c->chunked = strcasestr(c->answer, "\r\nTransfer-Encoding: chunked") != NULL;
        c->close_after = strcasestr(c->answer, "\r\nConnection: close") || !strncmp(c->answer, "HTTP/1.0", 8);
        c->until_close = !length && !c->chunked;
        *blank = '\r';
        c->answer_needed = header_bytes + (length ? strtoul(length + 17, NULL, 10) : 0);
    }
    if (c->until_close) return false;
    if (c->chunked) return c->buffered >= 7 && memcmp(c->answer + c->buffered - 7, "\r\n0\r\n\r\n", 7) == 0;
    return c->buffered >= c->answer_needed;
}

static void note_answer(struct connection *c) {
    end = now();
    if (c->status < 0 || c->status > 599) c->status = 0;
    statuses[c->status]++;
    if ((size_t)answered == latencies_room) {
        latencies_room = latencies_room ? latencies_room * 2 : 1024;
        latencies_us = realloc(latencies_us, latencies_room * sizeof *latencies_us);
        if (!latencies_us) stop("realloc");
    }
    latencies_us[answered++] = (unsigned)((end - c->began) * 1e6);
    if (c->status != 200) note_failure(c->answer);
}

/* After the answer, or after a failure: the next upload, or the end of this connection. */
static bool go_on(struct connection *c, bool reusable) {
    if (more_to_do()) {
        if (reusable) {
            watch(c, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
        } else {
            close(c->socket);
            open_connection(c);
        }
        begin_upload(c);
        return true;
    }
    close(c->socket);
    return false;
}

/* True while the connection has something to do. */
static bool step(struct connection *c, unsigned events) {
    bool broken = (events & EPOLLOUT) && !send_some(c);
    while ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) || broken) {
        ssize_t count = recv(c->socket, c->answer + c->buffered, ANSWER_BYTES - c->buffered, 0);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0 && errno == EAGAIN && !broken) return true;
        if (count <= 0) { /* an answer without length ends here; anything else was cut off */
            if (count == 0 && c->until_close) note_answer(c);
            else note_failure("the connection was closed before the answer was complete");
            return go_on(c, false);
        }
        c->buffered += (size_t)count;
        if (answer_complete(c)) {
            note_answer(c);
            return go_on(c, !c->close_after && c->sent == request_bytes);
        }
        if (c->buffered == ANSWER_BYTES) {
            note_failure("the answer is larger than the client takes");
            return go_on(c, false);
        }
    }
    return true;
}

/* The content is read into memory once, so that no disk is read during the measurement. */
static void load_content(const char *name) {
    struct stat status;
    int file = open(name, O_RDONLY | O_CLOEXEC);
    if (file < 0 || fstat(file, &status) < 0 || status.st_size == 0) stop("cannot read the content");
    content_bytes = status.st_size;
    content_file = memfd_create("content", MFD_CLOEXEC);
    if (content_file < 0 || ftruncate(content_file, content_bytes) < 0) stop("memfd_create");
    content = mmap(NULL, (size_t)content_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, content_file, 0);
    if (content == MAP_FAILED) stop("mmap");
    for (long long got = 0; got < content_bytes;) {
        ssize_t count = read(file, content + got, (size_t)(content_bytes - got));
        if (count <= 0) stop("cannot read the content");
        got += count;
    }
    close(file);
}

static void write_head(void) {
    static const char part[] =
        "--" BOUNDARY "\r\n"
        "Content-Disposition: form-data; name=\"file\"; filename=\"content.bin\"\r\n"
        "Content-Type: application/octet-stream\r\n\r\n";
    tail_bytes = sizeof tail - 1;
    head_bytes = (size_t)snprintf(
        head, sizeof head,
        "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nAccept: */*\r\n"
        "Content-Type: multipart/form-data; boundary=" BOUNDARY "\r\nContent-Length: %lld\r\n\r\n%s",
        path, port, (long long)(sizeof part - 1) + size + (long long)tail_bytes, part);
    if (head_bytes >= sizeof head) stop("the path is too long");
    request_bytes = (long long)(head_bytes + tail_bytes) + size;
}

static void report(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("{\"begun\": %lld, \"answered\": %lld, \"failed\": %lld, \"first_byte\": %.9f, \"end\": %.9f, ",
           begun, answered, failed, first_byte, end);
    printf("\"cpu_s\": %.6f, \"first_failure\": \"%s\", \"statuses\": {",
           (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
               (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6,
           first_failure);
    const char *comma = "";
    for (int status = 0; status < 600; status++) {
        if (statuses[status] == 0) continue;
        printf("%s\"%d\": %lld", comma, status, statuses[status]);
        comma = ", ";
    }
    printf("}, \"latencies_us\": [");
    for (long long i = 0; i < answered; i++) printf("%s%u", i ? ", " : "", latencies_us[i]);
    printf("]}\n");
}

int main(int argc, char **argv) {
    static const struct option options[] = {
        {"port", required_argument, NULL, 'p'},    {"path", required_argument, NULL, 'a'},
        {"content", required_argument, NULL, 'c'}, {"size", required_argument, NULL, 's'},
        {"connections", required_argument, NULL, 'n'}, {"uploads", required_argument, NULL, 'u'},
        {"seconds", required_argument, NULL, 't'},     {"sendfile", no_argument, NULL, 'f'}, {NULL, 0, NULL, 0}};
    const char *content_name = NULL;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (option == 'p') port = atoi(optarg);
        else if (option == 'a') path = optarg;
        else if (option == 'c') content_name = optarg;
        else if (option == 's') size = atoll(optarg);
        else if (option == 'n') connections = atoi(optarg);
        else if (option == 'u') uploads_wanted = atoll(optarg);
        else if (option == 't') seconds = atof(optarg);
        else if (option == 'f') use_sendfile = true;
        else return 2;
    }
    if (!port || !content_name || size < 0 || connections < 1 || optind != argc) {
        fprintf(stderr, "usage: client --port N --path PATH --content FILE --size BYTES "
                        "[--connections N] [--uploads N | --seconds S] [--sendfile]\n");
        return 2;
    }
    if (size <= SMALL_BYTES) use_sendfile = false; /* three calls in place of one */
    load_content(content_name);
    write_head();
    poller = epoll_create1(EPOLL_CLOEXEC);
    if (seconds <= 0 && uploads_wanted < connections) connections = (int)uploads_wanted;
    struct connection *all = calloc((size_t)connections, sizeof *all);
    if (!all) stop("calloc");
    for (int i = 0; i < connections; i++) open_connection(&all[i]);
    deadline = now() + seconds;
    for (int i = 0; i < connections; i++) begin_upload(&all[i]);

    int active = connections;
    struct epoll_event events[256];
    while (active > 0) {
        int ready = epoll_wait(poller, events, 256, -1);
        for (int i = 0; i < ready; i++)
            if (!step(events[i].data.ptr, events[i].events)) active--;
    }
    report();
    return 0;
}
