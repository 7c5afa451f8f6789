/* What a user probe costs beside its program: measured once on the machine at hand.
 *
 * The trap is the larger part of a hit and none of what the kernel counts for the program. It
 * differs by an order of magnitude between machines: a single step is 1 us on bare metal and 15 us
 * where the debug exception goes through a hypervisor. So three functions of one instruction and a
 * return are put into a file in memory, called, probed by an empty program, and called again:
 *
 *   0    nopl 0(%rax,%rax)   TRAP_CALL      the kernel may make a call of it
 *   16   push %rbp           TRAP_COMPUTED  the kernel computes it
 *   32   mov %rsp,%rax       TRAP_STEPPED   executed in a copy, by a single step
 *
 * Where that is not possible (other machines, no rights, an old kernel) typical values are taken,
 * and kernel_trap_measured() says so. */
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kernel/priv.h"

enum { ATTACH_UPROBE_MULTI = 48, SPACING = 16, CALLS = 100, TRIES = 5, MFD_EXECUTABLE = 0x10 };

static const uint32_t typical[TRAP_COUNT] = {
	[TRAP_CALL] = 200, [TRAP_COMPUTED] = 450, [TRAP_STEPPED] = 1000};

#if defined(__x86_64__)
static const uint8_t code[TRAP_COUNT][SPACING] = {
	[TRAP_CALL] = {0x0f, 0x1f, 0x44, 0x00, 0x00, 0xc3},
	[TRAP_COMPUTED] = {0x55, 0x5d, 0xc3},
	[TRAP_STEPPED] = {0x48, 0x89, 0xe0, 0xc3},
};

/* The quickest of some tries: what else runs makes them slower only. */
static uint64_t time_calls(void (*fn)(void))
{
	uint64_t best = UINT64_MAX;

	for (int t = 0; t < TRIES; t++) {
		uint64_t start = clock_ns(CLOCK_MONOTONIC);

		for (int i = 0; i < CALLS; i++)
			fn();
		best = MIN(best, clock_ns(CLOCK_MONOTONIC) - start);
	}
	return best / CALLS;
}

static void time_all(const uint8_t *at, uint64_t out[TRAP_COUNT])
{
	for (int i = 0; i < TRAP_COUNT; i++)
		out[i] = time_calls((void (*)(void))(uintptr_t)(at + (size_t)i * SPACING));
}

static int code_file(void)
{
	int fd = memfd_create("awl-probe-cost", MFD_CLOEXEC | MFD_EXECUTABLE);

	if (fd < 0) /* a kernel before the flag */
		fd = memfd_create("awl-probe-cost", MFD_CLOEXEC);
	if (fd >= 0 && write(fd, code, sizeof(code)) == sizeof(code))
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

static int attach_empty(int prog, int file)
{
	static const uint64_t offsets[TRAP_COUNT] = {0, SPACING, 2 * SPACING};
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	return bpf_uprobe_multi_open(
		prog,
		&(struct uprobe_multi){
			.path = path, .offsets = offsets, .count = TRAP_COUNT, .pid = getpid()},
		NULL);
}

static int load_empty(void)
{
	const struct bpf_insn insns[] = {{.code = BPF_ALU64 | BPF_MOV | BPF_K},
					 {.code = BPF_JMP | BPF_EXIT}};

	return bpf_prog_load_raw(&(struct prog_load){.name = "awl_cost",
						     .type = BPF_PROG_TYPE_KPROBE,
						     .expected_attach_type = ATTACH_UPROBE_MULTI,
						     .insns = insns,
						     .ninsns = ARRAY_SIZE(insns)});
}

static bool measure_code(const uint8_t *at, int file, uint32_t out[TRAP_COUNT])
{
	uint64_t without[TRAP_COUNT], with[TRAP_COUNT];
	int prog = load_empty(), link = prog < 0 ? -1 : attach_empty(prog, file);

	if (link >= 0) {
		time_all(at, with);
		close(link);
		time_all(at, without);
		for (int i = 0; i < TRAP_COUNT; i++)
			out[i] = with[i] > without[i] ? (uint32_t)(with[i] - without[i]) : 1;
	}
	if (prog >= 0)
		close(prog);
	return link >= 0;
}

static bool measure(uint32_t out[TRAP_COUNT])
{
	int file = code_file();
	void *at = file < 0 ? MAP_FAILED
			    : mmap(NULL, sizeof(code), PROT_READ | PROT_EXEC, MAP_PRIVATE, file, 0);
	bool ok = at != MAP_FAILED && measure_code(at, file, out);

	if (at != MAP_FAILED)
		munmap(at, sizeof(code));
	if (file >= 0)
		close(file);
	return ok;
}
#else
static bool measure(uint32_t out[TRAP_COUNT])
{
	(void)out;
	return false;
}
#endif

static void learn(struct kernel *k)
{
	if (k->trap_tried)
		return;
	k->trap_tried = true;
	memcpy(k->trap_ns, typical, sizeof(typical));
	k->trap_measured = kernel_has(k, FEATURE_UPROBE_MULTI) && measure(k->trap_ns);
}

uint32_t kernel_trap_ns(struct kernel *k, enum trap kind)
{
	learn(k);
	return k->trap_ns[kind];
}

bool kernel_trap_measured(struct kernel *k)
{
	learn(k);
	return k->trap_measured;
}
