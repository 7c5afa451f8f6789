/* An interpreter of BPF bytecode for tests. Memory, maps and helpers are its user's (struct
 * bpf_env); addresses mean what the user's functions take them for.
 *
 *   frames    512 bytes each, from `stack` upwards: r10 of the first is stack + 512
 *   may_goto  never leaves
 *
 * Example: see tests/random/emulate.c, where addresses are those of this process. */
#ifndef AWL_TESTS_BPF_H
#define AWL_TESTS_BPF_H

#include "ir/ir.h"

#define BPF_FRAMES 16

struct bpf_vm;

struct bpf_env {
	void *w; /* given to all of these */
	uint64_t (*load)(void *w, uint64_t addr, unsigned bytes);
	void (*store)(void *w, uint64_t addr, unsigned bytes, uint64_t v);
	uint64_t (*map)(void *w, uint32_t map);
	uint64_t (*map_value)(void *w, uint32_t map, uint32_t off);
	uint64_t (*helper)(void *w, struct bpf_vm *m, int helper, const uint64_t *args);
	uint64_t ctx, stack;
	uint64_t limit;     /* of instructions */
	const char **fault; /* why it stopped, set by the functions too; NULL inside: it did not */
};

uint64_t bpf_run(const struct ir_code *code, const struct bpf_env *env);
/* For helpers: calls the function at the address `fn` of the program. */
uint64_t bpf_callback(struct bpf_vm *m, uint64_t fn, const uint64_t args[4]);

#endif
