/* struct pt_regs of the architectures: where arguments, results and registers sit, as byte offsets.
 *
 * Sources: arch/x86/include/uapi/asm/ptrace.h and the System V ABI;
 * arch/arm64/include/uapi/asm/ptrace.h and the AAPCS64. The context of kprobe-type programs
 * (uprobes, kprobes) is this struct itself. */
#include "kernel/kernel.h"

struct reg_name {
	const char *name;
	int offset;
};

#if defined(__x86_64__)

static const int func_args[] = {112, 104, 96, 88, 72, 64};    /* di si dx cx r8 r9 */
static const int syscall_args[] = {112, 104, 96, 56, 72, 64}; /* di si dx r10 r8 r9 */
enum { RETVAL = 80, SP = 152 };

static const struct reg_name names[] = {
	{"r15", 0},  {"r14", 8},  {"r13", 16},    {"r12", 24},       {"bp", 32},       {"bx", 40},
	{"r11", 48}, {"r10", 56}, {"r9", 64},     {"r8", 72},        {"ax", 80},       {"cx", 88},
	{"dx", 96},  {"si", 104}, {"di", 112},    {"orig_rax", 120}, {"orig_ax", 120}, {"ip", 128},
	{"pc", 128}, {"cs", 136}, {"flags", 144}, {"sp", 152},       {"ss", 160},
};

#elif defined(__aarch64__)

static const int func_args[] = {0, 8, 16, 24, 32, 40, 48, 56};
static const int syscall_args[] = {0, 8, 16, 24, 32, 40};
enum { RETVAL = 0, SP = 248 };

static const struct reg_name names[] = {
	{"r0", 0},    {"r1", 8},    {"r2", 16},   {"r3", 24},      {"r4", 32},   {"r5", 40},
	{"r6", 48},   {"r7", 56},   {"r8", 64},   {"r9", 72},      {"r10", 80},  {"r11", 88},
	{"r12", 96},  {"r13", 104}, {"r14", 112}, {"r15", 120},    {"r16", 128}, {"r17", 136},
	{"r18", 144}, {"r19", 152}, {"r20", 160}, {"r21", 168},    {"r22", 176}, {"r23", 184},
	{"r24", 192}, {"r25", 200}, {"r26", 208}, {"r27", 216},    {"r28", 224}, {"r29", 232},
	{"r30", 240}, {"sp", 248},  {"pc", 256},  {"pstate", 264},
};

#else
#error "no pt_regs layout for this architecture"
#endif

int regs_arg(unsigned n)
{
	return n < ARRAY_SIZE(func_args) ? func_args[n] : -1;
}

int regs_syscall_arg(unsigned n)
{
	return n < ARRAY_SIZE(syscall_args) ? syscall_args[n] : -1;
}

int regs_retval(void)
{
	return RETVAL;
}

int regs_sp(void)
{
	return SP;
}

int regs_named(struct str name)
{
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (str_is(name, names[i].name))
			return names[i].offset;
	}
	return -1;
}

const char *regs_name(unsigned i)
{
	return i < ARRAY_SIZE(names) ? names[i].name : NULL;
}
