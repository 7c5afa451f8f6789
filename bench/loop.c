/* loop: the program that is traced. It does one thing in a tight loop and tells what one turn cost.
 *
 *   loop [-w] [-t SECONDS | -n CALLS] [-r CALLS_PER_SECOND] [-s LENGTH] MODE
 *
 * getppid is the cheapest system call there is. nop5 and push are functions whose first instruction
 * is the one that a uprobe costs least on: a five-byte no-op (kernels from 6.18 on turn the probe
 * into a call) and a push (emulated, on every kernel). plain begins with neither, so that a probe
 * on its first instruction is single-stepped. deepN is nop5 with N functions above it, for stacks:
 * all have frame pointers and tables to unwind by. udst is the probe bench:turn of usdt/udst.h, and
 * none does nothing. All get the number of the turn and a string of LENGTH bytes as arguments; the
 * system call gets them too, and does not look. With -w the program stops itself before the first
 * turn.
 *
 * Time is taken over chunks of CHUNK calls, each shorter than a slice of the scheduler, and the
 * median of the chunks is told: what other processes do to the machine meanwhile hits some chunks,
 * not most.
 *
 *   $ loop -t 0.3 getppid
 *   {"calls": 3911000, "seconds": 0.3000, "median_ns": 76.6, "p25_ns": 76.3, "min_ns": 75.9}
 */
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "udst.h"

enum { CHUNK = 500, MAX_CHUNKS = 1 << 20, MAX_STRING = 1024 };

typedef uint64_t (*body_fn)(uint64_t turn, const char *text);

uint64_t loop_nop5(uint64_t turn, const char *text);
uint64_t loop_push(uint64_t turn, const char *text);
uint64_t loop_plain(uint64_t turn, const char *text);

#define FUNCTION(name, body)                                                       \
	asm(".text\n.p2align 4\n.globl " name "\n.type " name ", %function\n" name \
	    ":\n.cfi_startproc\n" body "\n.cfi_endproc\n.size " name ", .-" name "\n")
#if defined(__x86_64__)
FUNCTION("loop_nop5", ".byte 0x0f,0x1f,0x44,0x00,0x00\n mov %rdi, %rax\n ret");
FUNCTION("loop_push", "push %rbp\n .cfi_def_cfa_offset 16\n mov %rdi, %rax\n pop %rbp\n"
		      " .cfi_def_cfa_offset 8\n ret");
FUNCTION("loop_plain", "mov %rdi, %rax\n ret");
#elif defined(__aarch64__)
FUNCTION("loop_nop5", "nop\n ret");
FUNCTION("loop_push", "stp x29, x30, [sp, #-16]!\n .cfi_def_cfa_offset 16\n"
		      " .cfi_offset x29, -16\n .cfi_offset x30, -8\n ldp x29, x30, [sp], #16\n"
		      " .cfi_def_cfa_offset 0\n .cfi_restore x29\n .cfi_restore x30\n ret");
FUNCTION("loop_plain", "add x0, x0, #0\n ret");
#else
#error "the functions to trace are not written for this processor"
#endif

static uint64_t loop_getppid(uint64_t turn, const char *text)
{
	return syscall(SYS_getppid, turn & 1023, text);
}

static uint64_t loop_none(uint64_t turn, const char *text)
{
	return turn;
}

/* What is done with the result keeps the call from being a jump. */
static __attribute__((noinline)) uint64_t deeper(unsigned left, uint64_t turn, const char *text)
{
	uint64_t v = left > 1 ? deeper(left - 1, turn, text) : loop_nop5(turn, text);

	__asm__ volatile("" : "+r"(v));
	return v;
}

static uint64_t loop_deep8(uint64_t turn, const char *text)
{
	return deeper(8, turn, text);
}

static uint64_t loop_deep24(uint64_t turn, const char *text)
{
	return deeper(24, turn, text);
}

static udst_probe *turn_probe;

static uint64_t loop_udst(uint64_t turn, const char *text)
{
	UDST_FIRE(turn_probe, turn, (uintptr_t)text);
	return turn;
}

static void udst_start(void)
{
	static const signed char types[] = {UDST_U64, UDST_U64};
	udst_provider *bench;
	int r = udst_provider_create("bench", 0, &bench);

	if (r == 0)
		r = udst_probe_add(bench, "turn", 2, types, &turn_probe);
	if (r == 0)
		r = udst_provider_load(bench);
	if (r < 0) {
		fprintf(stderr, "loop: cannot declare the probe: %s\n", udst_strerror(r));
		exit(1);
	}
}

static const struct mode {
	const char *name;
	body_fn body;
} modes[] = {{"getppid", loop_getppid}, {"nop5", loop_nop5}, {"push", loop_push},
	     {"plain", loop_plain},     {"udst", loop_udst}, {"deep8", loop_deep8},
	     {"deep24", loop_deep24},   {"none", loop_none}};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

static body_fn mode_find(const char *name)
{
	for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++)
		if (!strcmp(modes[i].name, name))
			return modes[i].body;
	fprintf(stderr,
		"loop: no mode '%s'; there are getppid, nop5, push, plain, deep8, deep24, udst and "
		"none\n",
		name);
	exit(2);
}

static int by_value(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;

	return (x > y) - (x < y);
}

static void report(float *chunk, size_t n, uint64_t calls, uint64_t ns)
{
	qsort(chunk, n, sizeof(*chunk), by_value);
	printf("{\"calls\": %llu, \"seconds\": %.4f, \"median_ns\": %.1f, \"p25_ns\": %.1f, "
	       "\"min_ns\": %.1f}\n",
	       (unsigned long long)calls, ns / 1e9, chunk[n / 2], chunk[n / 4], chunk[0]);
}

struct pace {
	uint64_t calls; /* stop after so many; 0: by time */
	uint64_t ns;    /* stop after so long */
	double rate;    /* calls in a second; 0: flat out */
};

/* Waits, awake, until the turn is due: a sleep is too coarse for a million turns a second. */
static void wait_due(const struct pace *pace, uint64_t start, uint64_t turn)
{
	uint64_t due = start + (uint64_t)(turn * 1e9 / pace->rate);

	while (now_ns() < due)
		;
}

static bool is_over(const struct pace *pace, uint64_t start, uint64_t turn, uint64_t now)
{
	return pace->calls ? turn >= pace->calls : now - start >= pace->ns;
}

static void run(body_fn body, const struct pace *pace, const char *text)
{
	float *chunk = malloc(MAX_CHUNKS * sizeof(*chunk));
	uint64_t start = now_ns(), turn = 0, before = start, after = start;
	size_t n = 0;

	while (!is_over(pace, start, turn, after)) {
		uint64_t count = CHUNK;

		if (pace->calls && pace->calls - turn < count)
			count = pace->calls - turn;
		if (pace->rate > 0)
			wait_due(pace, start, turn);
		before = now_ns();
		for (uint64_t i = 0; i < count; i++)
			body(turn++, text);
		after = now_ns();
		chunk[n++ % MAX_CHUNKS] = (float)(after - before) / count;
	}
	report(chunk, n < MAX_CHUNKS ? n : MAX_CHUNKS, turn, after - start);
	free(chunk);
}

int main(int argc, char **argv)
{
	static char text[MAX_STRING];
	struct pace pace = {.ns = 1000000000};
	size_t length = 63;
	bool wait = false;
	body_fn body;
	int opt;

	while ((opt = getopt(argc, argv, "wt:n:r:s:")) != -1) {
		switch (opt) {
		case 'w':
			wait = true;
			break;
		case 't':
			pace.ns = atof(optarg) * 1e9;
			break;
		case 'n':
			pace.calls = strtoull(optarg, NULL, 10);
			break;
		case 'r':
			pace.rate = atof(optarg);
			break;
		case 's':
			length = strtoul(optarg, NULL, 10);
			break;
		default:
			return 2;
		}
	}
	if (optind + 1 != argc || length >= MAX_STRING) {
		fprintf(stderr,
			"usage: loop [-w] [-t SECONDS | -n CALLS] [-r RATE] [-s LENGTH < %d] "
			"MODE\n",
			MAX_STRING);
		return 2;
	}
	for (size_t i = 0; i < length; i++)
		text[i] = 'a' + i % 26;
	body = mode_find(argv[optind]);
	if (body == loop_udst)
		udst_start();
	if (wait)
		raise(SIGSTOP);
	run(body, &pace, text);
	return 0;
}
