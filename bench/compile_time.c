/* compile_time: how long the library takes from a script's text to BPF instructions, without the
 * kernel's verifier.
 *
 *   compile_time ROUNDS FILE…      {"file": "…", "bytes": 123456, "best_ms": 41.2,
 * "median_ms": 42.0} for each
 *
 * Time is processor time: the library compiles in one thread, so on an idle machine it is the wall
 * time, and on a busy one it is what the wall time would be on an idle one. Each round is a session
 * of its own: reading BTF and asking the kernel what it has is part of the time.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "awl/awl.h"

enum { MAX_ROUNDS = 101 };

static double now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return ts.tv_sec * 1e3 + ts.tv_nsec / 1e6;
}

static char *read_file(const char *path, size_t *len)
{
	FILE *f = fopen(path, "r");
	char *text = NULL;

	*len = 0;
	if (!f)
		return NULL;
	if (fseek(f, 0, SEEK_END) == 0) {
		*len = ftell(f);
		rewind(f);
		text = calloc(1, *len + 1);
		if (text)
			*len = fread(text, 1, *len, f);
	}
	fclose(f);
	return text;
}

static double compile_once(const char *path, const char *text)
{
	AWL_OPTS(awl_opts, opts, .quiet = 1);
	double start = now_ms();
	struct awl *awl = awl_new(&opts);
	int err = awl_compile(awl, path, text, NULL);
	double ms = now_ms() - start;

	if (err) {
		fprintf(stderr, "compile_time: %.1000s\n", awl_error(awl));
		exit(1);
	}
	awl_free(awl);
	return ms;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void measure(const char *path, int rounds)
{
	double ms[MAX_ROUNDS];
	size_t len;
	char *text = read_file(path, &len);

	if (!text) {
		fprintf(stderr, "compile_time: cannot read %s: %s\n", path, strerror(errno));
		exit(1);
	}
	for (int i = 0; i < rounds; i++)
		ms[i] = compile_once(path, text);
	qsort(ms, rounds, sizeof(*ms), by_value);
	printf("{\"file\": \"%s\", \"bytes\": %zu, \"best_ms\": %.3f, \"median_ms\": %.3f}\n", path,
	       len, ms[0], ms[rounds / 2]);
	fflush(stdout);
	free(text);
}

int main(int argc, char **argv)
{
	int rounds = argc > 2 ? atoi(argv[1]) : 0;

	if (rounds < 1 || rounds > MAX_ROUNDS) {
		fprintf(stderr, "usage: compile_time ROUNDS FILE... (1 to %d rounds)\n",
			MAX_ROUNDS);
		return 2;
	}
	for (int i = 2; i < argc; i++)
		measure(argv[i], rounds);
	return 0;
}
