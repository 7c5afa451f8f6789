/* bpf_load: loads one hand-written program with libbpf, runs it until SIGINT, and tells what it
 * counted.
 *
 *   bpf_load [-u BINARY:FUNCTION] [-p PID] OBJECT.bpf.o PROGRAM
 *
 * Says "attached" on standard error when it is. Records of the ring `events` are printed as text on
 * standard output, as the tracer prints them, looked for every millisecond. At the end, on standard
 * error:
 *
 *   {"counted": 3911000, "printed": 0, "lost": 0}
 *
 * counted is the sum over the maps `counts` and `hist` and over all CPUs.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_KEY = 16, MAX_CPUS = 512 };

struct line {
	uint32_t pid;
	char comm[16];
	char text[64];
};

static volatile sig_atomic_t stopped;
static uint64_t printed;

static void stop(int sig)
{
	stopped = 1;
}

static void die(const char *what, const char *on)
{
	fprintf(stderr, "bpf_load: %s %s: %s\n", what, on, strerror(errno));
	exit(1);
}

static int quiet(enum libbpf_print_level level, const char *format, va_list args)
{
	return level == LIBBPF_WARN ? vfprintf(stderr, format, args) : 0;
}

static int print_line(void *ctx, void *data, size_t size)
{
	const struct line *line = data;

	printf("%u %s %s\n", line->pid, line->comm, line->text);
	printed++;
	return 0;
}

/* `target_pid` is all there is in .rodata. */
static void set_target(struct bpf_object *obj, uint32_t pid)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, obj)
	{
		if (!strstr(bpf_map__name(map), ".rodata"))
			continue;
		if (bpf_map__set_initial_value(map, &pid, sizeof(pid)))
			die("cannot set the process to trace in", bpf_map__name(map));
	}
}

/* `lost` is all there is in .bss, which is mapped. */
static uint64_t read_lost(struct bpf_object *obj)
{
	struct bpf_map *map;
	uint64_t value = 0;
	const void *data;
	size_t size;

	bpf_object__for_each_map(map, obj)
	{
		if (!strstr(bpf_map__name(map), ".bss"))
			continue;
		data = bpf_map__initial_value(map, &size);
		if (data && size >= sizeof(value))
			memcpy(&value, data, sizeof(value));
	}
	return value;
}

static uint64_t sum_map(struct bpf_object *obj, const char *name)
{
	static uint64_t values[MAX_CPUS];
	struct bpf_map *map = bpf_object__find_map_by_name(obj, name);
	char key[MAX_KEY], next[MAX_KEY];
	uint64_t sum = 0;
	void *at = NULL;
	int fd;

	if (!map)
		return 0;
	fd = bpf_map__fd(map);
	while (bpf_map_get_next_key(fd, at, next) == 0) {
		memcpy(key, next, sizeof(key));
		at = key;
		if (bpf_map_lookup_elem(fd, key, values))
			continue;
		for (int cpu = 0; cpu < libbpf_num_possible_cpus(); cpu++)
			sum += values[cpu];
	}
	return sum;
}

static struct bpf_object *load(const char *path, const char *prog, uint32_t pid)
{
	struct bpf_object *obj = bpf_object__open_file(path, NULL);
	struct bpf_program *p;

	if (!obj)
		die("cannot open", path);
	bpf_object__for_each_program(p, obj)
		bpf_program__set_autoload(p, !strcmp(bpf_program__name(p), prog));
	set_target(obj, pid);
	if (bpf_object__load(obj))
		die("cannot load", path);
	return obj;
}

static struct bpf_link *attach(struct bpf_object *obj, const char *name, char *place)
{
	struct bpf_program *prog = bpf_object__find_program_by_name(obj, name);
	LIBBPF_OPTS(bpf_uprobe_opts, opts);
	char *colon = place ? strchr(place, ':') : NULL;
	struct bpf_link *link;

	if (!prog)
		die("no program", name);
	if (colon) {
		*colon = 0;
		opts.func_name = colon + 1;
		link = bpf_program__attach_uprobe_opts(prog, -1, place, 0, &opts);
	} else {
		link = bpf_program__attach(prog);
	}
	if (!link)
		die("cannot attach", name);
	return link;
}

static void run(struct bpf_object *obj)
{
	struct bpf_map *events = bpf_object__find_map_by_name(obj, "events");
	struct ring_buffer *ring = events ? ring_buffer__new(bpf_map__fd(events), print_line, NULL,
							     NULL)
					  : NULL;

	while (!stopped) {
		if (!ring)
			pause();
		else if (ring_buffer__consume(ring) >= 0)
			usleep(1000);
	}
	if (ring)
		ring_buffer__consume(ring);
	ring_buffer__free(ring);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	uint32_t pid = 0;
	char *place = NULL;
	struct bpf_object *obj;
	struct bpf_link *link;
	int opt;

	while ((opt = getopt(argc, argv, "u:p:")) != -1) {
		if (opt == 'u')
			place = optarg;
		else if (opt == 'p')
			pid = strtoul(optarg, NULL, 10);
		else
			return 2;
	}
	if (optind + 2 != argc) {
		fprintf(stderr, "usage: bpf_load [-u BINARY:FUNCTION] [-p PID] OBJECT PROGRAM\n");
		return 2;
	}
	libbpf_set_print(quiet);
	signal(SIGINT, stop);
	obj = load(argv[optind], argv[optind + 1], pid);
	link = attach(obj, argv[optind + 1], place);
	fprintf(stderr, "attached\n");
	run(obj);
	bpf_link__destroy(link);
	fprintf(stderr, "{\"counted\": %llu, \"printed\": %llu, \"lost\": %llu}\n",
		(unsigned long long)(sum_map(obj, "counts") + sum_map(obj, "hist")),
		(unsigned long long)printed, (unsigned long long)read_lost(obj));
	bpf_object__close(obj);
	return 0;
}
