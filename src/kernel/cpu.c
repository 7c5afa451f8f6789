/* Processors and clocks. Processor lists of sysfs look like "0-3,8,10-11". */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "kernel/priv.h"

/* Calls fn for each number of the list; false when it is malformed. */
static bool each_cpu(const char *text, void (*fn)(void *arg, int cpu), void *arg)
{
	while (*text && *text != '\n') {
		char *end;
		long from = strtol(text, &end, 10), to = from;

		if (end == text || from < 0)
			return false;
		if (*end == '-')
			to = strtol(end + 1, &end, 10);
		if (to < from || to > 1 << 16)
			return false;
		for (long i = from; i <= to; i++)
			fn(arg, i);
		text = *end == ',' ? end + 1 : end;
		if (*end && *end != ',' && *end != '\n')
			return false;
	}
	return true;
}

struct cpu_list {
	int *cpus;
	int max, n, highest;
};

static void add_cpu(void *arg, int cpu)
{
	struct cpu_list *l = arg;

	if (l->n < l->max)
		l->cpus[l->n] = cpu;
	l->n++;
	l->highest = MAX(l->highest, cpu);
}

static bool read_list(const char *path, struct cpu_list *l)
{
	struct buf b = BUF_INIT;
	bool ok = buf_read_file(&b, path, 1 << 16) == 0 && each_cpu(buf_cstr(&b), add_cpu, l) &&
		  l->n > 0;

	buf_release(&b);
	return ok;
}

/* Per-CPU maps have a slot for every id up to the highest possible one. */
int cpu_possible(void)
{
	static int cached;
	struct cpu_list l = {0};

	if (cached)
		return cached;
	if (read_list("/sys/devices/system/cpu/possible", &l))
		cached = l.highest + 1;
	else
		cached = MAX(sysconf(_SC_NPROCESSORS_CONF), 1);
	return cached;
}

int cpu_online(int *cpus, int max)
{
	struct cpu_list l = {.cpus = cpus, .max = max};
	long n;

	if (read_list("/sys/devices/system/cpu/online", &l))
		return MIN(l.n, max);
	n = sysconf(_SC_NPROCESSORS_ONLN);
	for (l.n = 0; l.n < n && l.n < max; l.n++)
		cpus[l.n] = l.n;
	return l.n;
}

static int64_t now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* The reading between two others that lie closest together wins: being scheduled out between them
 * would shift every time printed. */
uint64_t clock_offset_boot(void)
{
	int64_t best = INT64_MAX, offset = 0;

	for (int i = 0; i < 10; i++) {
		int64_t a = now(CLOCK_REALTIME), boot = now(CLOCK_BOOTTIME),
			b = now(CLOCK_REALTIME);

		if (b - a >= 0 && b - a < best) {
			best = b - a;
			offset = a + (b - a) / 2 - boot;
		}
	}
	return offset;
}
