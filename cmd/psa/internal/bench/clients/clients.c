/*
 * The client processes of "psa bench --clients": N of them call
 * psa_framework_version, each for itself, by the gate for C programs
 * (postern.c), which is compiled with this. In turns with that, as a yardstick,
 * the same processes pass messages of the same bytes with a plain server: this
 * program's first process, with a thread for each client, over blocking Unix
 * stream sockets.
 *
 *   clients N TURNS COUNTED SETTLE REQUEST REPLY CLIENT_CPU SERVER_CPU
 *
 * A turn lasts SETTLE and then COUNTED nanoseconds. All clients work all the
 * time, and all count the calls that end in the same COUNTED part: to ask that
 * they also begin there would take one from every client. REQUEST and REPLY are
 * the sizes of the plain server's messages; with 0 there is none. A CPU of -1
 * means not pinned.
 *
 * When all is done, each client gets a line with two numbers: its calls through
 * the gate and those of the plain server.
 */
#define _GNU_SOURCE
#include "psa/client.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_BYTES 256          /* largest message of the plain server */
#define STACK_BYTES (64u << 10) /* of one of its threads */

enum { GATE, PLAIN, KINDS };

static long n_clients, turns, request, reply;
static long long counted, settle;

/* What all processes see. A client writes its own counts, after its last call;
 * begin is written before any client is let go. */
static struct {
	long long begin;
	long calls[][KINDS];
} *shared;

static void die(const char *what)
{
	fprintf(stderr, "clients: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void pin(int cpu)
{
	cpu_set_t set;

	if (cpu < 0)
		return;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof set, &set) != 0)
		die("sched_setaffinity");
}

static long long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

/* receive and transmit return 0 when the other end is gone. */
static int receive(int fd, unsigned char *buffer, long n)
{
	ssize_t r;

	for (; n > 0; n -= r, buffer += r)
		if ((r = read(fd, buffer, (size_t)n)) <= 0)
			return 0;
	return 1;
}

static int transmit(int fd, const unsigned char *buffer, long n)
{
	ssize_t w;

	for (; n > 0; n -= w, buffer += w)
		if ((w = write(fd, buffer, (size_t)n)) <= 0)
			return 0;
	return 1;
}

/* One thread of the plain server. */
static void *serve(void *arg)
{
	unsigned char buffer[MAX_BYTES] = { 0 };
	int fd = (int)(long)arg;

	while (receive(fd, buffer, request) && transmit(fd, buffer, reply))
		;
	return NULL;
}

static void call(int kind, int fd)
{
	static unsigned char buffer[MAX_BYTES];

	errno = 0;
	if (kind == GATE && psa_framework_version() == 0) {
		/* The gate says no more, and keeps errno as it was. */
		fprintf(stderr, "clients: no answer through the gate\n");
		exit(1);
	}
	if (kind == PLAIN && !(transmit(fd, buffer, request) && receive(fd, buffer, reply)))
		die("plain server");
}

/* The whole life of a client process: it says on ready that it is connected,
 * and goes when start ends. */
static void work(long id, int fd, int ready, int start)
{
	int kinds = request > 0 ? KINDS : 1, kind;
	long calls[KINDS] = { 0 };
	char byte = 0;
	long turn;

	for (kind = 0; kind < kinds; kind++)
		call(kind, fd);
	if (write(ready, &byte, 1) != 1)
		die("ready");
	close(ready); /* it ends when each client was ready, or is gone */
	if (read(start, &byte, 1) != 0)
		die("start");
	for (turn = 0; turn < turns * kinds; turn++) {
		long long end = shared->begin + (turn + 1) * (settle + counted);
		long long begin = end - counted, at = now();

		kind = (int)(turn % kinds);
		while (at < end) {
			call(kind, fd);
			at = now();
			calls[kind] += at >= begin && at < end;
		}
	}
	memcpy(shared->calls[id], calls, sizeof calls);
}

/* Starts the threads of the plain server, one for each end of a socket. */
static void start_server(const int *ends)
{
	pthread_attr_t attr;
	pthread_t thread;
	long i;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	for (i = 0; i < n_clients; i++)
		if ((errno = pthread_create(&thread, &attr, serve, (void *)(long)ends[i])) != 0)
			die("pthread_create");
}

int main(int argc, char **argv)
{
	struct rlimit files;
	int ready[2], start[2], *ends, status, failed = 0;
	size_t size;
	long i;

	if (argc != 9) {
		fprintf(stderr, "usage: clients N TURNS COUNTED SETTLE REQUEST REPLY CLIENT_CPU SERVER_CPU\n");
		return 2;
	}
	n_clients = atol(argv[1]);
	turns = atol(argv[2]);
	counted = atoll(argv[3]);
	settle = atoll(argv[4]);
	request = atol(argv[5]);
	reply = atol(argv[6]);
	if (n_clients < 1 || request < 0 || request > MAX_BYTES || reply < 0 || reply > MAX_BYTES) {
		fprintf(stderr, "clients: bad arguments\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN); /* a server that is gone shows in the call */
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max; /* a descriptor for each client */
		setrlimit(RLIMIT_NOFILE, &files);
	}
	size = sizeof *shared + (size_t)n_clients * sizeof shared->calls[0];
	shared = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ends = calloc((size_t)n_clients, sizeof *ends);
	if (shared == MAP_FAILED || ends == NULL)
		die("memory");
	if (pipe(ready) != 0 || pipe(start) != 0)
		die("pipe");

	for (i = 0; i < n_clients; i++) {
		int fd[2] = { -1, -1 };
		pid_t pid;

		if (request > 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, fd) != 0)
			die("socketpair");
		if ((pid = fork()) < 0)
			die("fork");
		if (pid == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL); /* no client outlives this */
			close(ready[0]);
			close(start[1]);
			pin(atoi(argv[7]));
			work(i, fd[1], ready[1], start[0]);
			_exit(0);
		}
		close(fd[1]);
		ends[i] = fd[0];
	}
	pin(atoi(argv[8]));
	if (request > 0)
		start_server(ends);

	close(ready[1]);
	for (i = 0; i < n_clients; i++) {
		char byte;

		if (read(ready[0], &byte, 1) != 1) {
			fprintf(stderr, "clients: not all were ready\n");
			return 1;
		}
	}
	shared->begin = now();
	close(start[1]);
	while (wait(&status) > 0)
		failed |= status;
	if (failed) {
		fprintf(stderr, "clients: not all came to the end\n");
		return 1;
	}
	for (i = 0; i < n_clients; i++)
		printf("%ld %ld\n", shared->calls[i][GATE], shared->calls[i][PLAIN]);
	return fflush(stdout) == 0 ? 0 : 1;
}
