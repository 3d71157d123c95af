/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gate for C programs: the five PSA client calls of psa/client.h, carried
 * as frames over the Unix socket that POSTERN_SOCKET names. The layout of the
 * frames is that of package ipc; README.md says how to build and use this.
 *
 * A channel is a connected socket with one call on it at a time. A call takes a
 * channel out of the pool, connects it if it is not, and puts it back. As many
 * are connected as there were threads calling at once; when all are in use, a
 * call waits for one. The mutex guards the pool and is never held across
 * anything that blocks.
 *
 * The secure world is trusted, but every reply is checked before a byte of it
 * is believed, and nothing is ever written outside the caller's vectors: a
 * reply that breaks the rules ends its channel.
 */

//go:build ignore
/* The line above keeps the go tool, whose tests lie beside this file, off it. */

#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif

#include "psa/client.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

/* The name of the environment variable that holds the path of the socket. */
#define SOCKET_VARIABLE "POSTERN_SOCKET"

/* How many calls of one process are under way at once. */
#define MAX_CHANNELS 64u

/* Sizes of the protocol, in bytes. */
#define GREETING_SIZE 16u
#define REQUEST_SIZE  64u
#define REPLY_SIZE    32u
#define MAX_PAYLOAD   1048576u

#define PROTOCOL_VERSION 1u

/* Operations of a request. */
#define OP_FRAMEWORK_VERSION 1u
#define OP_VERSION           2u
#define OP_CONNECT           3u
#define OP_CALL              4u
#define OP_CLOSE             5u

/* Set in a reply to a call that the service never saw. */
#define REPLY_REFUSED 0x01u

#if PSA_MAX_IOVEC != 4
#error "a frame has room for four lengths in each direction"
#endif

static const unsigned char magic[4] = { 'P', 'S', 'T', 'N' };

struct channel {
    int fd;               /* -1 while it is not connected */
    uint32_t max_payload; /* what the secure world said it takes */
    uint32_t seq;         /* of the last request */
};

/*
 * The pool. A channel that is out belongs to one thread, except that fd changes
 * under the mutex alone: a child forked at any moment then finds every socket.
 */
static struct {
    pthread_mutex_t mutex;
    pthread_cond_t returned;    /* a channel came back */
    bool usable;                /* written by gate_init alone */
    struct sockaddr_un address; /* sun_path is empty until it is known */
    struct channel channels[MAX_CHANNELS];
    struct channel *unused[MAX_CHANNELS]; /* a stack: the last used is the
                                             next, and is connected already */
    size_t unused_count;
} gate = { .mutex = PTHREAD_MUTEX_INITIALIZER, .returned = PTHREAD_COND_INITIALIZER };

static pthread_once_t gate_once = PTHREAD_ONCE_INIT;

/* A request: what the caller passed, read once and checked. */
struct request {
    unsigned op;
    psa_handle_t handle;
    uint32_t sid;
    uint32_t version;
    int32_t type;
    size_t n_in;
    size_t n_out;
    struct iovec in[PSA_MAX_IOVEC];
    struct iovec out[PSA_MAX_IOVEC];
    size_t in_total;
    size_t out_total;
};

struct reply {
    int32_t result;
    bool refused; /* the output vectors stay as they were */
    uint32_t out_len[PSA_MAX_IOVEC];
};

/* Little-endian fields of a frame. */

static void put_u16(unsigned char *p, uint32_t v)
{
    p[0] = (unsigned char)(v & 0xffu);
    p[1] = (unsigned char)(v >> 8 & 0xffu);
}

static void put_u32(unsigned char *p, uint32_t v)
{
    put_u16(p, v & 0xffffu);
    put_u16(p + 2, v >> 16);
}

static uint32_t get_u16(const unsigned char *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8;
}

static uint32_t get_u32(const unsigned char *p)
{
    return get_u16(p) | get_u16(p + 2) << 16;
}

static int32_t get_i32(const unsigned char *p)
{
    uint32_t v = get_u32(p);
    int32_t s;

    memcpy(&s, &v, sizeof s); /* int32_t is two's complement by definition */
    return s;
}

/* Sockets. */

/* Drops the first n bytes from a list of iovecs. */
static void iovec_advance(struct iovec *iov, size_t count, size_t n)
{
    for (size_t i = 0; i < count && n > 0; i++) {
        size_t step = n < iov[i].iov_len ? n : iov[i].iov_len;

        if (step > 0) { /* the base of an empty one may be NULL */
            iov[i].iov_base = (unsigned char *)iov[i].iov_base + step;
            iov[i].iov_len -= step;
        }
        n -= step;
    }
}

enum direction { SEND, RECEIVE };

/*
 * Moves at least least bytes of a list of iovecs, and no more than they hold,
 * and returns how many. Fewer than least means that the socket is dead. count
 * is narrow, since msg_iovlen is an int or a size_t, by the C library.
 */
static size_t socket_move(int fd, enum direction direction, struct iovec *iov, uint8_t count,
                          size_t least)
{
    size_t moved = 0;

    while (moved < least) {
        struct msghdr message = { .msg_iov = iov, .msg_iovlen = count };
        ssize_t n = direction == SEND ? sendmsg(fd, &message, MSG_NOSIGNAL)
                                      : recvmsg(fd, &message, 0);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            break;
        }
        moved += (size_t)n;
        iovec_advance(iov, count, (size_t)n);
    }
    return moved;
}

/* The pool. */

static void gate_lock(void)
{
    (void)pthread_mutex_lock(&gate.mutex);
}

static void gate_unlock(void)
{
    (void)pthread_mutex_unlock(&gate.mutex);
}

/* Fills the pool with channels that are not connected. */
static void gate_fill(void)
{
    for (size_t i = 0; i < MAX_CHANNELS; i++) {
        gate.channels[i].fd = -1;
        gate.unused[i] = &gate.channels[i];
    }
    gate.unused_count = MAX_CHANNELS;
}

/*
 * In a forked child, which holds the mutex: the channels are the parent's,
 * whose threads may be in the middle of calls or waiting for the condition. The
 * child gives up its copies of the sockets and starts afresh.
 */
static void gate_forked(void)
{
    for (size_t i = 0; i < MAX_CHANNELS; i++) {
        if (gate.channels[i].fd >= 0) {
            (void)close(gate.channels[i].fd);
        }
    }
    gate_fill();
    (void)pthread_cond_init(&gate.returned, NULL);
    gate_unlock();
}

static void gate_init(void)
{
    gate_fill();
    /* The mutex is held across fork, so that the child does not inherit it
     * locked by a thread that the child does not have. */
    gate.usable = pthread_atfork(gate_lock, gate_unlock, gate_forked) == 0;
}

static struct channel *gate_take(void)
{
    struct channel *ch;

    gate_lock();
    while (gate.unused_count == 0) {
        (void)pthread_cond_wait(&gate.returned, &gate.mutex);
    }
    ch = gate.unused[--gate.unused_count];
    gate_unlock();
    return ch;
}

static void gate_give(struct channel *ch)
{
    gate_lock();
    gate.unused[gate.unused_count++] = ch;
    (void)pthread_cond_signal(&gate.returned);
    gate_unlock();
}

/* Reads the path of the socket from the environment, once it is there. The
 * caller holds the mutex. */
static bool gate_address(void)
{
    const char *path = getenv(SOCKET_VARIABLE);
    size_t n = path != NULL ? strlen(path) : 0;

    if (gate.address.sun_path[0] == '\0' && n > 0 && n < sizeof gate.address.sun_path) {
        gate.address.sun_family = AF_UNIX;
        memcpy(gate.address.sun_path, path, n + 1);
    }
    return gate.address.sun_path[0] != '\0';
}

/* Channels. */

static void channel_close(struct channel *ch)
{
    gate_lock();
    if (ch->fd >= 0) {
        (void)close(ch->fd);
        ch->fd = -1;
    }
    gate_unlock();
}

/*
 * Connects a channel and exchanges greetings. The secure world answers with the
 * version that both know, or the reason why it refuses. After a failure the
 * channel is to be closed.
 */
static psa_status_t channel_open(struct channel *ch)
{
    unsigned char greeting[GREETING_SIZE] = { 0 };
    struct iovec out = { greeting, sizeof greeting }, in = out;
    psa_status_t status;
    int connected;

    gate_lock();
    ch->fd = gate_address() ? socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) : -1;
    gate_unlock();
    if (ch->fd < 0) {
        return PSA_ERROR_COMMUNICATION_FAILURE;
    }
    do {
        connected = connect(ch->fd, (struct sockaddr *)&gate.address, sizeof gate.address);
    } while (connected < 0 && errno == EINTR);

    memcpy(greeting, magic, sizeof magic);
    put_u16(greeting + 4, PROTOCOL_VERSION); /* the lowest that we speak */
    put_u16(greeting + 6, PROTOCOL_VERSION); /* and the highest */
    if (connected < 0 ||
        socket_move(ch->fd, SEND, &out, 1, sizeof greeting) < sizeof greeting ||
        socket_move(ch->fd, RECEIVE, &in, 1, sizeof greeting) < sizeof greeting ||
        memcmp(greeting, magic, sizeof magic) != 0) {
        return PSA_ERROR_COMMUNICATION_FAILURE;
    }
    status = get_i32(greeting + 8);
    if (status < 0) {
        return status;
    }
    if (status != 0 || get_u16(greeting + 4) != PROTOCOL_VERSION || get_u16(greeting + 6) != 0) {
        return PSA_ERROR_COMMUNICATION_FAILURE;
    }
    ch->max_payload = get_u32(greeting + 12);
    return PSA_SUCCESS;
}

static void request_encode(const struct request *rq, uint32_t seq,
                           unsigned char frame[REQUEST_SIZE])
{
    memset(frame, 0, REQUEST_SIZE);
    put_u32(frame, REQUEST_SIZE + (uint32_t)rq->in_total);
    put_u16(frame + 4, rq->op);
    frame[6] = (unsigned char)rq->n_in;
    frame[7] = (unsigned char)rq->n_out;
    put_u32(frame + 8, seq);
    put_u32(frame + 12, (uint32_t)rq->handle);
    put_u32(frame + 16, rq->sid);
    put_u32(frame + 20, rq->version);
    put_u32(frame + 24, (uint32_t)rq->type);
    for (size_t i = 0; i < PSA_MAX_IOVEC; i++) { /* absent ones are empty */
        put_u32(frame + 32 + 4 * i, (uint32_t)rq->in[i].iov_len);
        put_u32(frame + 48 + 4 * i, (uint32_t)rq->out[i].iov_len);
    }
}

/*
 * Decodes the header of a reply and reports whether it answers this request
 * and keeps to its capacities. *payload is how many output bytes follow.
 */
static bool reply_decode(const unsigned char frame[REPLY_SIZE], const struct request *rq,
                         uint32_t seq, struct reply *rp, size_t *payload)
{
    uint32_t flags = frame[7];

    if (get_u16(frame + 4) != rq->op || frame[6] != rq->n_out || get_u32(frame + 8) != seq ||
        (flags & ~REPLY_REFUSED) != 0) {
        return false;
    }
    rp->refused = (flags & REPLY_REFUSED) != 0;
    rp->result = get_i32(frame + 12);
    *payload = 0;
    for (size_t i = 0; i < PSA_MAX_IOVEC; i++) {
        rp->out_len[i] = get_u32(frame + 16 + 4 * i);
        if (rp->out_len[i] > (rp->refused ? 0 : rq->out[i].iov_len)) {
            return false;
        }
        *payload += rp->out_len[i];
    }
    return get_u32(frame) == REPLY_SIZE + *payload;
}

/*
 * Receives the reply to a request, the output bytes straight into the caller's
 * vectors, and reports whether all of it came and is valid. The bytes follow
 * the header back to back by their actual lengths, which the header tells: so
 * only the output of a single vector can be had in the same read.
 */
static bool channel_receive(struct channel *ch, const struct request *rq, struct reply *rp)
{
    unsigned char frame[REPLY_SIZE];
    struct iovec head[2] = { { frame, sizeof frame }, rq->out[0] };
    struct iovec rest[PSA_MAX_IOVEC];
    size_t early, payload;

    early = socket_move(ch->fd, RECEIVE, head, rq->n_out == 1 ? 2 : 1, sizeof frame);
    if (early < sizeof frame || !reply_decode(frame, rq, ch->seq, rp, &payload)) {
        return false;
    }
    early -= sizeof frame;
    if (early > payload) {
        return false; /* more than the reply said: the stream is out of step */
    }
    for (size_t i = 0; i < PSA_MAX_IOVEC; i++) {
        rest[i].iov_base = rq->out[i].iov_base;
        rest[i].iov_len = rp->out_len[i];
    }
    iovec_advance(rest, PSA_MAX_IOVEC, early);
    payload -= early;
    return socket_move(ch->fd, RECEIVE, rest, PSA_MAX_IOVEC, payload) == payload;
}

enum outcome {
    ANSWERED,
    NOT_SENT, /* not a byte of the request left: it may be sent again */
    LOST      /* it may have been acted upon: it must not be */
};

static enum outcome channel_try(struct channel *ch, const struct request *rq, struct reply *rp)
{
    unsigned char frame[REQUEST_SIZE];
    struct iovec iov[1 + PSA_MAX_IOVEC] = { { frame, sizeof frame } };
    size_t total = REQUEST_SIZE + rq->in_total, sent;

    request_encode(rq, ++ch->seq, frame);
    memcpy(iov + 1, rq->in, sizeof rq->in);
    sent = socket_move(ch->fd, SEND, iov, (uint8_t)(1 + rq->n_in), total);
    if (sent < total) {
        return sent == 0 ? NOT_SENT : LOST;
    }
    return channel_receive(ch, rq, rp) ? ANSWERED : LOST;
}

/*
 * Carries one request to the secure world and its reply back. Anything but
 * PSA_SUCCESS is the gate's own answer.
 *
 * A channel may have died since its last call. That shows before a byte of the
 * request is sent, and the channel is connected anew: this is how a client
 * outlives a restart of the secure world. Once any byte was sent, nobody knows
 * whether the service acted, and there is no second try.
 */
static psa_status_t channel_exchange(struct channel *ch, const struct request *rq,
                                     struct reply *rp)
{
    for (;;) {
        bool fresh = ch->fd < 0;
        psa_status_t status = fresh ? channel_open(ch) : PSA_SUCCESS;
        enum outcome outcome;

        if (status != PSA_SUCCESS) {
            channel_close(ch);
            return status;
        }
        if (rq->in_total > ch->max_payload || rq->out_total > ch->max_payload) {
            return PSA_ERROR_INSUFFICIENT_MEMORY;
        }
        outcome = channel_try(ch, rq, rp);
        if (outcome == ANSWERED) {
            return PSA_SUCCESS;
        }
        channel_close(ch);
        if (outcome == LOST || fresh) {
            return PSA_ERROR_COMMUNICATION_FAILURE;
        }
    }
}

/*
 * Makes a call and reports whether the secure world answered it; where it did
 * not, the reply is what the caller gets to see instead. A thread that was
 * cancelled in the middle would keep its channel for ever, and errno belongs to
 * the program.
 */
static bool gate_call(const struct request *rq, struct reply *rp)
{
    int error = errno, cancel, ignored;
    psa_status_t status = PSA_ERROR_INSUFFICIENT_MEMORY;

    (void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
    (void)pthread_once(&gate_once, gate_init);
    if (gate.usable) { /* or else a fork could not be noticed */
        struct channel *ch = gate_take();

        status = channel_exchange(ch, rq, rp);
        gate_give(ch);
    }
    if (status != PSA_SUCCESS) {
        memset(rp, 0, sizeof *rp); /* it may tell of bytes that did not come */
        rp->result = status;
        rp->refused = status != PSA_ERROR_COMMUNICATION_FAILURE;
    }
    (void)pthread_setcancelstate(cancel, &ignored);
    errno = error;
    return status == PSA_SUCCESS;
}

/* The arguments of psa_call. */

/*
 * Reads one vector into a request. Its memory must be able to exist; a length
 * that is merely too large is found by the sum.
 */
static bool vector_read(void *base, size_t len, struct iovec *iov, size_t *total)
{
    if (len > 0 && (base == NULL || len > UINTPTR_MAX - (uintptr_t)base)) {
        return false;
    }
    iov->iov_base = base;
    iov->iov_len = len;
    *total = len > SIZE_MAX - *total ? SIZE_MAX : *total + len;
    return true;
}

/*
 * Reads the arguments of psa_call into a request, each once. It refuses what a
 * frame cannot say; the rest is the secure world's to judge.
 */
static psa_status_t request_read(struct request *rq, const psa_invec *in_vec, size_t in_len,
                                 const psa_outvec *out_vec, size_t out_len)
{
    if (in_len > PSA_MAX_IOVEC || out_len > PSA_MAX_IOVEC || (in_len > 0 && in_vec == NULL) ||
        (out_len > 0 && out_vec == NULL)) {
        return PSA_ERROR_PROGRAMMER_ERROR;
    }
    for (; rq->n_in < in_len; rq->n_in++) {
        const psa_invec *v = &in_vec[rq->n_in];

        /* An iovec has no const; this one is only ever read from. */
        if (!vector_read((void *)(uintptr_t)v->base, v->len, &rq->in[rq->n_in],
                         &rq->in_total)) {
            return PSA_ERROR_PROGRAMMER_ERROR;
        }
    }
    for (; rq->n_out < out_len; rq->n_out++) {
        const psa_outvec *v = &out_vec[rq->n_out];

        if (!vector_read(v->base, v->len, &rq->out[rq->n_out], &rq->out_total)) {
            return PSA_ERROR_PROGRAMMER_ERROR;
        }
    }
    if (rq->in_total > MAX_PAYLOAD || rq->out_total > MAX_PAYLOAD) {
        return PSA_ERROR_INSUFFICIENT_MEMORY;
    }
    return PSA_SUCCESS;
}

/* The five calls. */

uint32_t psa_framework_version(void)
{
    struct request rq = { .op = OP_FRAMEWORK_VERSION };
    struct reply rp;

    return gate_call(&rq, &rp) ? (uint32_t)rp.result : 0;
}

uint32_t psa_version(uint32_t sid)
{
    struct request rq = { .op = OP_VERSION, .sid = sid };
    struct reply rp;

    return gate_call(&rq, &rp) ? (uint32_t)rp.result : PSA_VERSION_NONE;
}

psa_handle_t psa_connect(uint32_t sid, uint32_t version)
{
    struct request rq = { .op = OP_CONNECT, .sid = sid, .version = version };
    struct reply rp;

    (void)gate_call(&rq, &rp);
    return rp.result;
}

psa_status_t psa_call(psa_handle_t handle, int32_t type,
                      const psa_invec *in_vec, size_t in_len,
                      psa_outvec *out_vec, size_t out_len)
{
    struct request rq = { .op = OP_CALL, .handle = handle, .type = type };
    struct reply rp;
    psa_status_t status = request_read(&rq, in_vec, in_len, out_vec, out_len);

    if (status != PSA_SUCCESS) {
        return status;
    }
    (void)gate_call(&rq, &rp);
    for (size_t i = 0; i < out_len && !rp.refused; i++) {
        if (rq.out[i].iov_len > 0) {
            out_vec[i].len = rp.out_len[i];
        }
    }
    return rp.result;
}

void psa_close(psa_handle_t handle)
{
    struct request rq = { .op = OP_CLOSE, .handle = handle };
    struct reply rp;

    /* There is no result to tell a failure by, and none that matters: without
     * the secure world there is no connection either. */
    if (handle != PSA_NULL_HANDLE) {
        (void)gate_call(&rq, &rp);
    }
}
