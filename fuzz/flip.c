/* Bytes of real programs flipped at random: whatever a damaged file says, reading it ends.
 *
 *   flip COUNT SEED FILE…
 *
 * Each of COUNT rounds takes a file, changes 1 to 16 of its bytes (half of the rounds in the first
 * 4 KiB or in the last 8 KiB, where headers are), and asks for everything that awl asks: functions,
 * by name and address, USDT probes, places of probes, build id, debug information of some functions
 * with their types. It does so in this process, without the reader that stands between such files
 * and awl, so that a crash is one. A round that takes longer than two seconds of processor time or
 * more than 256 MB fails. Prints "rounds N, opened N, slowest N ms, memory N MB" at the end. Each
 * file has a copy in memory that is damaged and mended; one that was changed by anything else is
 * found at the end. Files of more than 4 MiB are refused: a round reads the whole file.
 *
 * A failure names file, seed and round; `flip 1 SEED+ROUND FILE` repeats it. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "ask.h"

enum { MAX_BYTES = 4 << 20, MAX_MS = 2000, MAX_MB = 256, MAX_FLIPS = 16, ASKED = 40 };

static struct {
	const char *path;
	uint64_t seed;
} now;

static uint64_t rng;

static uint64_t next(uint64_t below)
{
	uint64_t z = rng += 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return (z ^ (z >> 31)) % below;
}

static _Noreturn void fail(const char *why)
{
	fprintf(stderr, "flip: %s; repeat: flip 1 %llu %s\n", why, (unsigned long long)now.seed,
		now.path);
	_exit(1);
}

static void on_signal(int s)
{
	char text[512];
	int n = snprintf(text, sizeof(text), "flip: signal %d; repeat: flip 1 %llu %s\n", s,
			 (unsigned long long)now.seed, now.path);

	if (write(STDERR_FILENO, text, (size_t)n) < 0)
		_exit(3);
	_exit(2);
}

static uint64_t cpu_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void ask_types(struct dwarf *d, struct arena *a, dwarf_ref ref, int depth)
{
	const struct dwarf_member *m;
	const struct dwarf_value *v;
	struct dwarf_type t;
	size_t n;

	if (depth > 6 || !dwarf_type_get(d, ref, &t))
		return;
	n = dwarf_members(d, ref, a, &m);
	for (size_t i = 0; i < n && i < 8; i++)
		ask_types(d, a, m[i].type, depth + 1);
	dwarf_values(d, ref, a, &v);
	if (t.to)
		ask_types(d, a, t.to, depth + 1);
}

static void ask_dwarf(struct dwarf *d, uint16_t machine, uint64_t addr)
{
	struct arena *a = arena_new();
	struct abi_place places[256];
	struct dwarf_func f;

	if (dwarf_func_at(d, addr, NULL, a, &f, NULL) == 0) {
		ask_types(d, a, f.ret, 0);
		for (size_t i = 0; i < f.nparams && i < 8; i++)
			ask_types(d, a, f.params[i].type, 0);
		if (f.nparams <= ARRAY_SIZE(places))
			abi_params(d, machine, &f, places);
	}
	arena_free(a);
}

static void ask_elf(struct elf *f, struct dwarf *d)
{
	struct arena *a = arena_new();
	const struct elf_func *funcs;
	const struct usdt_site *sites;
	struct placement place;
	const char *const *inlined;
	struct elf_func fn;
	uint64_t addr, size;
	uint8_t id[64];
	size_t n;

	elf_func_find(f, STR("main"), &fn);
	elf_sym_find(f, STR("environ"), &addr, &size);
	elf_is_go(f);
	elf_build_id(f, id, sizeof(id));
	elf_usdt(f, &sites, &n, NULL);
	if (elf_funcs(f, &funcs, &n, NULL) == 0) {
		for (size_t i = 0; i < n && i < ASKED; i++) {
			const struct elf_func *one = &funcs[next(n)];

			elf_place(f, one->offset, one->size, false, &place);
			elf_func_at(f, one->offset + 1, &fn);
			elf_inlined_at(f, one->offset + next(256), &inlined);
			elf_demangle(a, one->name);
			if (d && i < 4)
				ask_dwarf(d, elf_machine(f), one->addr);
		}
	}
	if (d)
		ask_copies(d);
	arena_free(a);
}

static uint64_t place_of(uint64_t size)
{
	switch (next(4)) {
	case 0:
		return next(MIN(size, 4096));
	case 1:
		return size - 1 - next(MIN(size, 8192));
	default:
		return next(size);
	}
}

struct subject {
	const char *path;
	uint8_t *whole;
	size_t size;
	int fd; /* the copy */
};

static void put_byte(const struct subject *s, uint64_t at, uint8_t byte)
{
	if (pwrite(s->fd, &byte, 1, (off_t)at) != 1)
		fail("the copy cannot be written");
}

static size_t damage(const struct subject *s, uint64_t places[MAX_FLIPS])
{
	size_t n = 1 + next(MAX_FLIPS);

	for (size_t i = 0; i < n; i++) {
		uint64_t at = places[i] = place_of(s->size);

		put_byte(s, at,
			 next(3) ? (uint8_t)(s->whole[at] ^ (1u << next(8))) : (uint8_t)next(256));
	}
	return n;
}

static bool one_round(const struct subject *s)
{
	uint64_t places[MAX_FLIPS], began = cpu_ms();
	size_t flips = damage(s, places);
	char name[64];
	struct dwarf *d;
	struct elf *f;

	snprintf(name, sizeof(name), "/proc/self/fd/%d", s->fd);
	f = elf_open(name, NULL);
	d = dwarf_open(name, NULL);
	if (f)
		ask_elf(f, d);
	dwarf_close(d);
	elf_close(f);
	if (cpu_ms() - began > MAX_MS)
		fail("it takes more than two seconds");
	for (size_t i = 0; i < flips; i++)
		put_byte(s, places[i], s->whole[places[i]]);
	return f != NULL;
}

static uint8_t *read_whole(const char *path, size_t *size)
{
	int fd = open(path, O_RDONLY);
	struct stat st;
	uint8_t *p;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size < 64 ||
	    st.st_size > MAX_BYTES) {
		fprintf(stderr, "flip: %s is no file of 64 bytes to 4 MiB\n", path);
		exit(1);
	}
	*size = (size_t)st.st_size;
	p = malloc(*size);
	if (!p || read(fd, p, *size) != (ssize_t)*size)
		exit(1);
	close(fd);
	return p;
}

static void subject_open(struct subject *s, const char *path)
{
	s->path = path;
	s->whole = read_whole(path, &s->size);
	s->fd = memfd_create("flip", 0);
	if (s->fd < 0 || write(s->fd, s->whole, s->size) != (ssize_t)s->size) {
		fprintf(stderr, "flip: no memory for a copy of %s\n", path);
		exit(1);
	}
}

static void subject_close(struct subject *s)
{
	uint8_t *now_there = malloc(s->size);

	now.path = s->path;
	if (!now_there || pread(s->fd, now_there, s->size, 0) != (ssize_t)s->size ||
	    memcmp(now_there, s->whole, s->size) != 0)
		fail("something has written to the file");
	free(now_there);
	free(s->whole);
	close(s->fd);
}

static long memory_mb(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return u.ru_maxrss >> 10;
}

static void catch_signals(void)
{
	static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGXCPU};

	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		signal(signals[i], on_signal);
}

#ifdef __SANITIZE_ADDRESS__
const char *__asan_default_options(void);
const char *__lsan_default_suppressions(void);

/* Less memory that was freed is kept back: what a file takes is measured. */
const char *__asan_default_options(void)
{
	return "quarantine_size_mb=16";
}

/* libelf forgets texts of sections that are damaged twice over. */
const char *__lsan_default_suppressions(void)
{
	return "leak:libelf.so\n";
}
#endif

static void run(struct subject *v, size_t n, uint64_t count, uint64_t seed)
{
	uint64_t opened = 0, slowest = 0;
	long base = memory_mb();

	for (uint64_t i = 0; i < count; i++) {
		const struct subject *s = &v[(seed + i) % n];
		uint64_t began = cpu_ms();

		now.path = s->path;
		now.seed = rng = seed + i;
		opened += one_round(s);
		slowest = MAX(slowest, cpu_ms() - began);
		if (memory_mb() - base > MAX_MB)
			fail("it takes more than 256 MB");
	}
	printf("rounds %llu, opened %llu, slowest %llu ms, memory %ld MB\n",
	       (unsigned long long)count, (unsigned long long)opened, (unsigned long long)slowest,
	       memory_mb() - base);
}

int main(int argc, char **argv)
{
	uint64_t count = argc > 3 ? strtoull(argv[1], NULL, 10) : 0;
	size_t n = argc > 3 ? (size_t)argc - 3 : 0;
	struct subject *v = calloc(n + 1, sizeof(*v));

	if (!count || !v) {
		fprintf(stderr, "usage: flip COUNT SEED FILE…\n");
		free(v);
		return 1;
	}
	for (size_t i = 0; i < n; i++)
		subject_open(&v[i], argv[3 + i]);
	catch_signals();
	elf_without_readers();
	run(v, n, count, strtoull(argv[2], NULL, 10));
	for (size_t i = 0; i < n; i++)
		subject_close(&v[i]);
	free(v);
	return 0;
}
