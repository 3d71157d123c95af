/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The C program of the tests: it makes the calls that it reads from standard
 * input, one line each, and answers each with a line. Numbers are as in C.
 *
 *   framework                    the framework version
 *   version SID                  the service's version
 *   connect SID VERSION          the handle, or the status
 *   close HANDLE
 *   call HANDLE TYPE [VECTOR]... the status, and each output vector as
 *                                [LEN DATA REST]: DATA in hex, or its checksum
 *                                when it is long, or nothing where nothing was
 *                                written; REST is "clean" if no byte outside
 *                                of LEN changed
 *     i HEX    an input vector          z LEN   one of LEN bytes 0, 1, ... 250, 0
 *     o CAP    an output vector         O CAP   one that claims CAP but has 20
 *     I LEN    an input at NULL         N CAP   an output at NULL
 *     W LEN    an input that wraps around the end of memory
 *   vectors TYPE NIN NOUT        a call with counts alone, and a few real vectors
 *   start CALL..., join          a call on another thread, and its answer
 *   child CALL...                the same on a forked child, which then ends
 *   use HANDLE                   threads and forks call another echo service, that
 *                                of a real secure world
 *   threads N COUNT MAX          N threads echo COUNT blocks of up to MAX bytes
 *   cancel                       cancels the thread of start
 *   storm                        interrupts the process 2000 times a second
 *   fork HANDLE                  what a child sees, and its parent afterwards
 *   forks N THREADS              children of a process whose threads are calling
 *   cloexec                      how many sockets are open, and if all close
 */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */
#define _XOPEN_SOURCE 700

#include "psa/client.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

/* The service of the happy path: type 0 gives its inputs back, type 7 the
 * process that the other side takes the caller for. That of a real secure world
 * is plain: it gives back its first input alone, and has no type 7. */
#define TYPE_ECHO    0
#define TYPE_WHO     7

static psa_handle_t echo_handle = 0x40000100;
static bool echo_is_plain;

#define LINE_SIZE    65536
#define LYING_SIZE   20u
#define GUARD_SIZE   64u
#define GUARD_BYTE   0xEEu
#define ERRNO_MARK   4242

static void die(const char *what)
{
    fprintf(stderr, "client_test: %s\n", what);
    exit(3);
}

static void *allocate(size_t n)
{
    void *p = malloc(n > 0 ? n : 1);

    if (p == NULL) {
        die("out of memory");
    }
    return p;
}

/* Answers. */

struct text {
    char data[LINE_SIZE];
    size_t len;
};

static void say(struct text *t, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    int n = vsnprintf(t->data + t->len, sizeof t->data - t->len, format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= sizeof t->data - t->len) {
        die("answer too long");
    }
    t->len += (size_t)n;
}

/* FNV-1a */
static uint32_t checksum(const unsigned char *p, size_t n)
{
    uint32_t h = 2166136261u;

    for (size_t i = 0; i < n; i++) {
        h = (h ^ p[i]) * 16777619u;
    }
    return h;
}

static void say_vector(struct text *t, const psa_outvec *v, const unsigned char *mem, size_t size)
{
    size_t len = v->len < size ? v->len : 0, guards = 0;
    bool clean = true;

    while (guards < size && mem[guards] == GUARD_BYTE) {
        guards++;
    }
    if (guards == size) {
        len = 0; /* there is no data to show */
    }

    say(t, " [%zu ", v->len);
    if (len > 64) {
        say(t, "%08" PRIx32, checksum(mem, len));
    }
    for (size_t i = 0; i < len && len <= 64; i++) {
        say(t, "%02x", mem[i]);
    }
    for (size_t i = len; i < size; i++) {
        clean = clean && mem[i] == GUARD_BYTE;
    }
    say(t, "%s%s]", len > 0 ? " " : "", clean ? "clean" : "changed");
}

/* Calls. */

static size_t parse_hex(const char *s, unsigned char *out)
{
    size_t n = 0;

    for (; s[0] != '\0' && s[1] != '\0'; s += 2) {
        unsigned v;

        if (sscanf(s, "%2x", &v) != 1) {
            die("not hex");
        }
        out[n++] = (unsigned char)v;
    }
    return n;
}

static void do_call(char *line, struct text *t)
{
    psa_invec in[PSA_MAX_IOVEC];
    psa_outvec out[PSA_MAX_IOVEC];
    void *in_memory[PSA_MAX_IOVEC] = { NULL };
    unsigned char *memory[PSA_MAX_IOVEC] = { NULL };
    size_t size[PSA_MAX_IOVEC] = { 0 }, n_in = 0, n_out = 0;
    char *save = NULL, *word = strtok_r(line, " ", &save);
    psa_handle_t handle = (psa_handle_t)strtol(word, NULL, 0);
    int32_t type;

    word = strtok_r(NULL, " ", &save);
    type = (int32_t)strtol(word, NULL, 0);
    while ((word = strtok_r(NULL, " ", &save)) != NULL) {
        size_t n = strchr("zoOINW", word[0]) != NULL ? (size_t)strtoull(word + 1, NULL, 0) : 0;
        unsigned char *p = NULL;

        if (n_in + n_out == PSA_MAX_IOVEC) {
            die("too many vectors");
        }
        switch (word[0]) {
        case 'i':
        case 'z':
            p = allocate(word[0] == 'i' ? strlen(word) : n);
            if (word[0] == 'i') {
                n = parse_hex(word + 1, p);
            }
            for (size_t i = 0; word[0] == 'z' && i < n; i++) {
                p[i] = (unsigned char)(i % 251);
            }
            in_memory[n_in] = p;
            in[n_in++] = (psa_invec){ p, n };
            break;
        case 'I':
            in[n_in++] = (psa_invec){ NULL, n };
            break;
        case 'W':
            in[n_in++] = (psa_invec){ (const void *)(UINTPTR_MAX - 7), n };
            break;
        case 'o':
        case 'O':
            size[n_out] = (word[0] == 'o' ? n : LYING_SIZE) + GUARD_SIZE;
            p = allocate(size[n_out]);
            memset(p, GUARD_BYTE, size[n_out]);
            memory[n_out] = p;
            out[n_out++] = (psa_outvec){ p, n };
            break;
        case 'N':
            out[n_out++] = (psa_outvec){ NULL, n };
            break;
        default:
            die("no such vector");
        }
    }

    errno = ERRNO_MARK;
    psa_status_t status = psa_call(handle, type, n_in > 0 ? in : NULL, n_in,
                                   n_out > 0 ? out : NULL, n_out);
    say(t, "%" PRId32 "%s", status, errno == ERRNO_MARK ? "" : " errno");
    for (size_t i = 0; i < n_out; i++) {
        say_vector(t, &out[i], memory[i], size[i]);
        free(memory[i]);
    }
    for (size_t i = 0; i < n_in; i++) {
        free(in_memory[i]);
    }
}

/* A call whose counts may lie; what is there are four vectors of each kind, and
 * with a count of -1, one that comes without any vectors. */
static void do_vectors(int32_t type, long n_in, long n_out, struct text *t)
{
    unsigned char b[4] = { 1, 2, 3, 4 };
    psa_invec in[4] = { { b, 1 }, { b, 1 }, { b, 1 }, { b, 1 } };
    psa_outvec out[4] = { { b, 1 }, { b, 1 }, { b, 1 }, { b, 1 } };
    psa_status_t status = psa_call(echo_handle, type, n_in < 0 ? NULL : in,
                                   n_in < 0 ? 1 : (size_t)n_in, n_out < 0 ? NULL : out,
                                   n_out < 0 ? 1 : (size_t)n_out);

    say(t, "%" PRId32, status);
    for (size_t i = 0; i < 4; i++) {
        if (out[i].len != 1 && status < 0) {
            say(t, " changed");
        }
    }
}

/* Sends a block to the echo service, from the first half of memory of twice max
 * bytes, and gets it back in the second half: in two vectors each way, unless
 * the service is plain. */
static bool echo(psa_handle_t handle, uint32_t seed, unsigned char *memory, size_t max)
{
    size_t n = 8 + seed * 2654435761u % (max - 8);
    size_t cut = echo_is_plain ? n : n / 3, out_cut = echo_is_plain ? n : n / 2;
    size_t count = echo_is_plain ? 1 : 2;
    unsigned char *a = memory, *b = memory + max;
    psa_invec in[] = { { a, cut }, { a + cut, n - cut } };
    psa_outvec out[] = { { b, out_cut }, { b + out_cut, n - out_cut } };

    for (size_t i = 0; i < n; i++) {
        a[i] = (unsigned char)(seed >> (i % 4 * 8) ^ i);
    }
    psa_status_t status = psa_call(handle, TYPE_ECHO, in, count, out, count);

    return status == PSA_SUCCESS && out[0].len + out[1].len == n && memcmp(a, b, n) == 0;
}

static bool am_i_known(psa_handle_t handle)
{
    uint32_t pid = 0;
    psa_outvec out[] = { { &pid, sizeof pid } };

    return echo_is_plain || (psa_call(handle, TYPE_WHO, NULL, 0, out, 1) == PSA_SUCCESS &&
                             out[0].len == sizeof pid && pid == (uint32_t)getpid());
}

/* Threads. */

struct job {
    pthread_t thread;
    uint32_t number;
    uint32_t count;
    size_t max;
    bool ok;
};

static atomic_bool stop;

static void *echo_thread(void *arg)
{
    struct job *job = arg;
    unsigned char *memory = allocate(2 * job->max);

    job->ok = true;
    for (uint32_t i = 0; job->ok && (job->count == 0 || i < job->count) && !atomic_load(&stop); i++) {
        job->ok = echo(echo_handle, job->number << 16 ^ i, memory, job->max) && am_i_known(echo_handle);
    }
    free(memory);
    return NULL;
}

static struct job *start_threads(size_t n, uint32_t count, size_t max)
{
    struct job *jobs = allocate(n * sizeof *jobs);

    atomic_store(&stop, false);
    for (size_t i = 0; i < n; i++) {
        jobs[i] = (struct job){ .number = (uint32_t)i, .count = count, .max = max };
        if (pthread_create(&jobs[i].thread, NULL, echo_thread, &jobs[i]) != 0) {
            die("no thread");
        }
    }
    return jobs;
}

/* The storm's signals are for the threads: this one would take them all. */
static bool join_threads(struct job *jobs, size_t n)
{
    bool ok = true;
    sigset_t alarm;

    sigemptyset(&alarm);
    sigaddset(&alarm, SIGALRM);
    pthread_sigmask(SIG_BLOCK, &alarm, NULL);
    for (size_t i = 0; i < n; i++) {
        pthread_join(jobs[i].thread, NULL);
        ok = ok && jobs[i].ok;
    }
    pthread_sigmask(SIG_UNBLOCK, &alarm, NULL);
    free(jobs);
    return ok;
}

static pthread_t background;
static char background_line[LINE_SIZE];
static struct text background_text;

static void *call_thread(void *arg)
{
    (void)arg;
    background_text.len = 0;
    do_call(background_line, &background_text);
    return NULL;
}

/* Processes. */

static int child_status(pid_t pid)
{
    int status;

    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR) {
            die("waitpid");
        }
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
}

/* Counts the sockets that are open, and those that an exec would not close. */
static int count_sockets(int *kept)
{
    int sockets = 0;

    *kept = 0;
    for (int fd = 3; fd < 1024; fd++) {
        struct stat st;

        if (fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode)) {
            sockets++;
            *kept += (fcntl(fd, F_GETFD) & FD_CLOEXEC) == 0;
        }
    }
    return sockets;
}

/* What a child uses: the allocator of a sanitizer may be locked for ever in it. */
#define CHILD_MAX 20000u
static unsigned char child_memory[2 * CHILD_MAX];

/* _exit, since a child of threads must not run what exit would. */
static void do_fork(psa_handle_t handle, struct text *t)
{
    pid_t pid = fork();

    if (pid == 0) {
        uint32_t pid_seen = 0;
        psa_outvec out[] = { { &pid_seen, sizeof pid_seen } };

        if (psa_call(handle, TYPE_WHO, NULL, 0, out, 1) != PSA_ERROR_PROGRAMMER_ERROR) {
            _exit(10);
        }
        psa_close(handle); /* the parent's: must not reach it */
        if (!am_i_known(echo_handle) || !echo(echo_handle, 1, child_memory, CHILD_MAX)) {
            _exit(11);
        }
        psa_handle_t own = psa_connect(0x1000, 1);
        if (!PSA_HANDLE_IS_VALID(own) || own == handle || !am_i_known(own)) {
            _exit(12);
        }
        int kept;
        _exit(count_sockets(&kept) == 1 ? 0 : 13); /* none of the parent's */
    }
    say(t, "child %d parent %d", child_status(pid), am_i_known(handle) && echo(handle, 2, child_memory, CHILD_MAX));
}

/* A call whose answer comes back in memory that both processes have. */
static void do_child(char *line, struct text *t)
{
    struct text *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE,
                               MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (shared == MAP_FAILED) {
        die("no shared memory");
    }
    pid_t pid = fork();

    if (pid == 0) {
        do_call(line, shared);
        _exit(0);
    }
    if (child_status(pid) != 0) {
        die("the child failed");
    }
    say(t, "%s", shared->data);
    munmap(shared, sizeof *shared);
}

static void do_forks(int n, size_t threads, struct text *t)
{
    struct job *jobs = start_threads(threads, 0, CHILD_MAX);
    int bad = 0;

    for (int i = 0; i < n; i++) {
        pid_t pid = fork();

        if (pid == 0) {
            bool ok = am_i_known(echo_handle) &&
                      echo(echo_handle, (uint32_t)i, child_memory, CHILD_MAX);
            int kept;

            ok = ok && count_sockets(&kept) == 1;

            _exit(ok ? 0 : 10);
        }
        bad += child_status(pid) != 0;
    }
    atomic_store(&stop, true);
    say(t, "bad %d threads %d", bad, join_threads(jobs, threads));
}

static void on_alarm(int signal)
{
    (void)signal;
}

/* Without SA_RESTART, so that the blocking calls see every one. */
static void do_storm(struct text *t)
{
    struct sigaction action = { .sa_handler = on_alarm };
    struct itimerval interval = { { 0, 500 }, { 0, 500 } };

    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &interval, NULL);
    say(t, "ok");
}

static bool is(const char *line, const char *word, char **rest)
{
    size_t n = strlen(word);

    if (strncmp(line, word, n) != 0 || (line[n] != ' ' && line[n] != '\0')) {
        return false;
    }
    *rest = (char *)(uintptr_t)(line + n + (line[n] == ' '));
    return true;
}

static void serve(char *line, struct text *t)
{
    char *a;
    unsigned n, count, max;
    long x, y, z;

    if (is(line, "framework", &a)) {
        say(t, "0x%04" PRIx32, psa_framework_version());
    } else if (is(line, "version", &a)) {
        say(t, "%" PRIu32, psa_version((uint32_t)strtoul(a, NULL, 0)));
    } else if (is(line, "connect", &a) && sscanf(a, "%li %li", &x, &y) == 2) {
        say(t, "%" PRId32, psa_connect((uint32_t)x, (uint32_t)y));
    } else if (is(line, "close", &a)) {
        psa_close((psa_handle_t)strtol(a, NULL, 0));
        say(t, "ok");
    } else if (is(line, "call", &a)) {
        do_call(a, t);
    } else if (is(line, "vectors", &a) && sscanf(a, "%li %li %li", &x, &y, &z) == 3) {
        do_vectors((int32_t)x, y, z, t);
    } else if (is(line, "start", &a)) {
        strcpy(background_line, a);
        say(t, "%s", pthread_create(&background, NULL, call_thread, NULL) == 0 ? "ok" : "no");
    } else if (is(line, "join", &a)) {
        pthread_join(background, NULL);
        say(t, "%s", background_text.data);
    } else if (is(line, "cancel", &a)) {
        pthread_cancel(background);
        say(t, "ok");
    } else if (is(line, "child", &a) && is(a, "call", &a)) {
        do_child(a, t);
    } else if (is(line, "use", &a)) {
        echo_handle = (psa_handle_t)strtol(a, NULL, 0);
        echo_is_plain = true;
        say(t, "ok");
    } else if (is(line, "threads", &a) && sscanf(a, "%u %u %u", &n, &count, &max) == 3) {
        say(t, "%s", join_threads(start_threads(n, count, max), n) ? "ok" : "bad");
    } else if (is(line, "storm", &a)) {
        do_storm(t);
    } else if (is(line, "fork", &a)) {
        do_fork((psa_handle_t)strtol(a, NULL, 0), t);
    } else if (is(line, "forks", &a) && sscanf(a, "%u %u", &n, &count) == 2) {
        do_forks((int)n, count, t);
    } else if (is(line, "cloexec", &a)) {
        int kept, sockets = count_sockets(&kept);

        say(t, "sockets %d kept %d", sockets, kept);
    } else {
        die("no such command");
    }
}

int main(void)
{
    static char line[LINE_SIZE];
    static struct text t;

    for (;;) {
        size_t n = 0;
        char c;

        /* read, not fgets: a child must find nothing in a buffer, and an
         * interrupt is no end of the input */
        for (;;) {
            ssize_t got = read(STDIN_FILENO, &c, 1);

            if (got < 0 && errno == EINTR) {
                continue;
            }
            if (got <= 0) {
                return 0;
            }
            if (c == '\n') {
                break;
            }
            if (n == sizeof line - 1) {
                die("line too long");
            }
            line[n++] = c;
        }
        line[n] = '\0';
        t.len = 0;
        t.data[0] = '\0';
        serve(line, &t);
        say(&t, "\n");
        for (size_t done = 0; done < t.len;) {
            ssize_t put = write(STDOUT_FILENO, t.data + done, t.len - done);

            if (put < 0 && errno != EINTR) {
                return 3;
            }
            done += put > 0 ? (size_t)put : 0;
        }
    }
}
