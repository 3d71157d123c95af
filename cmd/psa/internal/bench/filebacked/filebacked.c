/*
 * A yardstick of "psa bench --storage": the file-backed Internal Trusted Storage
 * of Mbed TLS (psa_its_file.c, in its libmbedcrypto), which keeps each asset in a
 * file of the current directory. It does in its own process what the gate has a
 * secure one do.
 *
 *   filebacked CPU DIRECTORY     (-1: not pinned)
 *
 * It is a co-process. A line "fill FROM TO SIZE" on standard input sets the
 * assets FROM..TO-1; "set COUNT SIZE NANOSECONDS", and get, info and remove
 * likewise, perform the operation on assets drawn from 0..COUNT-1 for about that
 * long; each line is answered by one line: the number of samples, then each of
 * them in nanoseconds. What is removed is set again, which does not count. It
 * ends when standard input does. Assets of another size are other assets.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/*
 * The library has these and its package no header for them. Lengths are
 * uint32_t in some versions and size_t in others, which on 64-bit machines are
 * passed alike.
 */
struct info { size_t a, b, c; }; /* as large as any version's */
int32_t psa_its_set(uint64_t uid, size_t length, const void *data, uint32_t flags);
int32_t psa_its_get(uint64_t uid, size_t offset, size_t size, void *data, size_t *length);
int32_t psa_its_get_info(uint64_t uid, struct info *info);
int32_t psa_its_remove(uint64_t uid);

#define MAX_SAMPLES 65536 /* of one line */
#define MAX_SIZE 4096     /* of an asset */

static unsigned char data[MAX_SIZE];
static unsigned sample[MAX_SAMPLES];
static uint64_t state = 88172645463325252u; /* xorshift64, Marsaglia 2003 */

static void check(const char *what, int32_t status)
{
	if (status != 0) {
		fprintf(stderr, "%s: status %d, %s\n", what, (int)status, strerror(errno));
		exit(1);
	}
}

/* 0 is no uid. */
static uint64_t uid_of(uint64_t i, size_t size)
{
	return (uint64_t)size << 32 | (i + 1);
}

static uint64_t draw(uint64_t n)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state % n;
}

static long long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static size_t measure(char operation, uint64_t count, size_t size, long long nanoseconds)
{
	long long end = now() + nanoseconds, before, after;
	struct info info;
	size_t n = 0, length;

	do {
		uint64_t uid = uid_of(draw(count), size);
		int32_t status;

		data[0]++;
		before = now();
		switch (operation) {
		case 's': status = psa_its_set(uid, size, data, 0); break;
		case 'g': status = psa_its_get(uid, 0, size, data, &length); break;
		case 'i': status = psa_its_get_info(uid, &info); break;
		default:  status = psa_its_remove(uid); break;
		}
		after = now();
		check("operation", status);
		if (operation == 'r')
			check("set again", psa_its_set(uid, size, data, 0));
		sample[n++] = (unsigned)(after - before);
	} while (n < MAX_SAMPLES && after < end);
	return n;
}

int main(int argc, char **argv)
{
	char line[128], operation[8];

	if (argc != 3) {
		fprintf(stderr, "usage: filebacked CPU DIRECTORY\n");
		return 2;
	}
	if (atoi(argv[1]) >= 0) {
		cpu_set_t set;

		CPU_ZERO(&set);
		CPU_SET(atoi(argv[1]), &set);
		check("sched_setaffinity", sched_setaffinity(0, sizeof set, &set));
	}
	check(argv[2], chdir(argv[2]));
	while (fgets(line, sizeof line, stdin) != NULL) {
		unsigned long long a, b, c;
		size_t i, n = 0;

		if (sscanf(line, "%7s %llu %llu %llu", operation, &a, &b, &c) != 4 ||
		    (operation[0] == 'f' ? c : b) > MAX_SIZE || (operation[0] != 'f' && a == 0)) {
			fprintf(stderr, "bad line\n");
			return 2;
		}
		if (operation[0] == 'f')
			for (; a < b; a++)
				check("fill", psa_its_set(uid_of(a, (size_t)c), (size_t)c, data, 0));
		else
			n = measure(operation[0], a, (size_t)b, (long long)c);
		printf("%zu", n);
		for (i = 0; i < n; i++)
			printf(" %u", sample[i]);
		putchar('\n');
		if (fflush(stdout) != 0)
			return 1;
	}
	return 0;
}
