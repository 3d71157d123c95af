/*
 * The yardstick of "psa bench": two processes that pass messages of a given
 * size to and fro over a blocking Unix stream socket, with nothing in between.
 * What the gate costs more than this is what Postern costs.
 *
 *   pingpong CLIENT_CPU SERVER_CPU     (-1: not pinned)
 *
 * It is a co-process: each line "REQUEST REPLY NANOSECONDS WORK" on standard
 * input asks for one batch of round trips of that many bytes each way, lasting
 * about that long, and is answered by one line: the number of samples, then each
 * round trip in nanoseconds. It ends when standard input does.
 *
 * WORK is how many nanoseconds the server is busy before it replies. What a
 * round trip costs more than the work is not the same for all work: the kernel
 * lets the server run on or preempts it, and its client's core goes to sleep.
 *
 * Every batch has a server of its own, forked with the sizes it needs, so the
 * two ends agree without a protocol that would be measured as well.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_BYTES (2u << 20)  /* largest message; the gate's is below this */
#define MAX_SAMPLES 65536     /* most round trips of one batch */
#define WARM_UP 32            /* first round trips, which fault pages in */

static unsigned char buffer[MAX_BYTES];
static unsigned sample[MAX_SAMPLES];

static void die(const char *what)
{
	fprintf(stderr, "pingpong: %s: %s\n", what, strerror(errno));
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

/* receive reads n bytes; it returns 0 when the other end has closed. */
static int receive(int fd, size_t n)
{
	size_t done = 0;

	while (done < n) {
		ssize_t r = read(fd, buffer + done, n - done);

		if (r == 0)
			return 0;
		if (r < 0 && errno != EINTR)
			die("read");
		if (r > 0)
			done += (size_t)r;
	}
	return 1;
}

static void transmit(int fd, size_t n)
{
	size_t done = 0;

	while (done < n) {
		ssize_t w = write(fd, buffer + done, n - done);

		if (w < 0 && errno != EINTR)
			die("write");
		if (w > 0)
			done += (size_t)w;
	}
}

static size_t batch(int fd, size_t request, size_t reply, long long nanoseconds)
{
	size_t n = 0;
	int i;
	long long end, before, after;

	for (i = 0; i < WARM_UP; i++) {
		transmit(fd, request);
		if (!receive(fd, reply)) {
			errno = EPIPE;
			die("the server ended");
		}
	}
	before = now();
	end = before + nanoseconds;
	do {
		transmit(fd, request);
		if (!receive(fd, reply)) {
			errno = EPIPE;
			die("the server ended");
		}
		after = now();
		sample[n++] = (unsigned)(after - before);
		before = after;
	} while (n < MAX_SAMPLES && after < end);
	return n;
}

int main(int argc, char **argv)
{
	char line[128];

	if (argc != 3) {
		fprintf(stderr, "usage: pingpong CLIENT_CPU SERVER_CPU\n");
		return 2;
	}
	pin(atoi(argv[1]));

	while (fgets(line, sizeof line, stdin) != NULL) {
		unsigned long request, reply;
		long long nanoseconds, work, end;
		size_t i, n;
		int fd[2];
		pid_t server;

		if (sscanf(line, "%lu %lu %lld %lld", &request, &reply, &nanoseconds, &work) != 4 ||
		    request < 1 || request > MAX_BYTES || reply < 1 || reply > MAX_BYTES) {
			fprintf(stderr, "pingpong: bad line\n");
			return 2;
		}
		if (socketpair(AF_UNIX, SOCK_STREAM, 0, fd) != 0)
			die("socketpair");
		server = fork();
		if (server < 0)
			die("fork");
		if (server == 0) {
			close(fd[0]);
			pin(atoi(argv[2]));
			while (receive(fd[1], request)) {
				if (work > 0)
					for (end = now() + work; now() < end;)
						;
				transmit(fd[1], reply);
			}
			_exit(0);
		}
		close(fd[1]);
		n = batch(fd[0], request, reply, nanoseconds);
		close(fd[0]);
		waitpid(server, NULL, 0);

		printf("%zu", n);
		for (i = 0; i < n; i++)
			printf(" %u", sample[i]);
		putchar('\n');
		if (fflush(stdout) != 0)
			die("standard output");
	}
	return 0;
}
