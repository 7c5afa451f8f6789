/* What random programs live in, the same for the interpreter of the IR and that of BPF: memory with
 * made-up addresses, two small hash maps, one map of globals, and a few helpers.
 *
 *   0x10000000   context, 168 bytes
 *   0x20000000   values of the hash maps: 2 maps x 8 elements x 16 bytes
 *   0x30000000   globals, 64 bytes (map 2)
 *   0x40000000   stacks: 16 frames of 512 bytes, the frame pointer of frame n is at (n + 1) * 512
 */
#ifndef AWL_TEST_IR_WORLD_H
#define AWL_TEST_IR_WORLD_H

#include "ir/ir.h"

enum {
	WORLD_CTX = 0x10000000,
	WORLD_VALUES = 0x20000000,
	WORLD_GLOBALS = 0x30000000,
	WORLD_STACK = 0x40000000,
	WORLD_FRAMES = 16,
	WORLD_MAP = 0x50000000, /* plus index: the "address" of a map */
};

struct world {
	uint8_t ctx[168], values[2][8][16], globals[64], stack[WORLD_FRAMES * 512];
	uint64_t keys[2][8];
	bool used[2][8];
	uint64_t calls;    /* hash of what was asked of helpers with effects */
	const char *fault; /* set by an access outside of memory */
};

void world_init(struct world *w, uint64_t seed);
uint64_t world_load(struct world *w, uint64_t addr, unsigned bytes);
void world_store(struct world *w, uint64_t addr, unsigned bytes, uint64_t v);
uint64_t world_atomic(struct world *w, int32_t op, uint64_t addr, unsigned bytes, uint64_t v);
uint64_t world_cmpxchg(struct world *w, uint64_t addr, unsigned bytes, uint64_t expect, uint64_t v);
uint64_t world_helper(struct world *w, int helper, const uint64_t *args);
uint64_t world_hash(const struct world *w); /* of all but the stack */

uint64_t vm_run(const struct ir_code *code, struct world *w);
uint64_t interp_run(struct ir_module *m, struct world *w);

/* A random module; `loadable`: the verifier should accept it. */
struct ir_module *random_module(struct arena *a, uint64_t seed);

#endif
