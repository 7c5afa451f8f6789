/* bare_attach: the floor of start-up. Makes a map, loads `@[comm] = count()` on
 * raw_syscalls:sys_enter and attaches it with four bare bpf(2) calls, and nothing else: no object
 * file, no library, no options.
 *
 * It writes "attached" to standard error, waits for SIGINT, and leaves. What a tracer takes longer
 * than this is its own: reading the script, compiling, asking the kernel what it has, setting up
 * its output.
 */
#include <errno.h>
#include <linux/bpf.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define INSN(c, d, s, o, i) \
	((struct bpf_insn){.code = c, .dst_reg = d, .src_reg = s, .off = o, .imm = i})
#define MOV(d, s)          INSN(BPF_ALU64 | BPF_MOV | BPF_X, d, s, 0, 0)
#define MOV_IMM(d, i)      INSN(BPF_ALU64 | BPF_MOV | BPF_K, d, 0, 0, i)
#define ADD_IMM(d, i)      INSN(BPF_ALU64 | BPF_ADD | BPF_K, d, 0, 0, i)
#define CALL(id)           INSN(BPF_JMP | BPF_CALL, 0, 0, 0, id)
#define MAP(d, fd)         INSN(BPF_LD | BPF_DW | BPF_IMM, d, BPF_PSEUDO_MAP_FD, 0, fd), INSN(0, 0, 0, 0, 0)
#define JEQ_IMM(d, i, o)   INSN(BPF_JMP | BPF_JEQ | BPF_K, d, 0, o, i)
#define ATOMIC_ADD(d, s)   INSN(BPF_STX | BPF_DW | BPF_ATOMIC, d, s, 0, BPF_ADD)
#define STORE_IMM(d, o, i) INSN(BPF_ST | BPF_DW | BPF_MEM, d, 0, o, i)
#define EXIT()             INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)

enum { KEY = -16, VALUE = -24 };

static int bpf(int cmd, union bpf_attr *attr)
{
	return syscall(SYS_bpf, cmd, attr, sizeof(*attr));
}

static int map_create(void)
{
	union bpf_attr attr = {.map_type = BPF_MAP_TYPE_HASH,
			       .key_size = 16,
			       .value_size = 8,
			       .max_entries = 4096,
			       .map_flags = BPF_F_NO_PREALLOC};

	return bpf(BPF_MAP_CREATE, &attr);
}

static int prog_load(int map)
{
	struct bpf_insn insns[] = {
		MOV(BPF_REG_1, BPF_REG_10),
		ADD_IMM(BPF_REG_1, KEY),
		MOV_IMM(BPF_REG_2, 16),
		CALL(BPF_FUNC_get_current_comm),
		MAP(BPF_REG_1, map),
		MOV(BPF_REG_2, BPF_REG_10),
		ADD_IMM(BPF_REG_2, KEY),
		CALL(BPF_FUNC_map_lookup_elem),
		JEQ_IMM(BPF_REG_0, 0, 4),
		MOV_IMM(BPF_REG_1, 1),
		ATOMIC_ADD(BPF_REG_0, BPF_REG_1),
		MOV_IMM(BPF_REG_0, 0),
		EXIT(),
		/* The first of its name; one that another CPU entered meanwhile is counted again,
		   not lost. */
		STORE_IMM(BPF_REG_10, VALUE, 1),
		MAP(BPF_REG_1, map),
		MOV(BPF_REG_2, BPF_REG_10),
		ADD_IMM(BPF_REG_2, KEY),
		MOV(BPF_REG_3, BPF_REG_10),
		ADD_IMM(BPF_REG_3, VALUE),
		MOV_IMM(BPF_REG_4, BPF_NOEXIST),
		CALL(BPF_FUNC_map_update_elem),
		JEQ_IMM(BPF_REG_0, 0, 8),
		MAP(BPF_REG_1, map),
		MOV(BPF_REG_2, BPF_REG_10),
		ADD_IMM(BPF_REG_2, KEY),
		CALL(BPF_FUNC_map_lookup_elem),
		JEQ_IMM(BPF_REG_0, 0, 2),
		MOV_IMM(BPF_REG_1, 1),
		ATOMIC_ADD(BPF_REG_0, BPF_REG_1),
		MOV_IMM(BPF_REG_0, 0),
		EXIT(),
	};
	union bpf_attr attr = {.prog_type = BPF_PROG_TYPE_RAW_TRACEPOINT,
			       .insns = (uintptr_t)insns,
			       .insn_cnt = sizeof(insns) / sizeof(*insns),
			       .license = (uintptr_t) "GPL"};

	return bpf(BPF_PROG_LOAD, &attr);
}

static int attach(int prog)
{
	union bpf_attr attr = {
		.raw_tracepoint = {.name = (uintptr_t) "sys_enter", .prog_fd = (uint32_t)prog}};

	return bpf(BPF_RAW_TRACEPOINT_OPEN, &attr);
}

static void stop(int sig)
{
}

static int fail(const char *what)
{
	fprintf(stderr, "bare_attach: %s: %s\n", what, strerror(errno));
	return 1;
}

int main(void)
{
	int map, prog;

	signal(SIGINT, stop);
	map = map_create();
	if (map < 0)
		return fail("cannot create a map");
	prog = prog_load(map);
	if (prog < 0)
		return fail("cannot load the program");
	if (attach(prog) < 0)
		return fail("cannot attach to sys_enter");
	if (write(2, "attached\n", 9) != 9)
		return 1;
	pause();
	return 0;
}
