/* Memory, maps and helpers for random programs. */
#include <linux/bpf.h>
#include "../../interp/bpf.h"
#include "world.h"

static uint64_t mix(uint64_t h, uint64_t v)
{
	h = (h ^ v) * 0xff51afd7ed558ccdu;
	return h ^ h >> 33;
}

void world_init(struct world *w, uint64_t seed)
{
	memset(w, 0, sizeof(*w));
	memset(w->stack, 0xa5, sizeof(w->stack));
	for (unsigned k = 0; k < sizeof(w->ctx) / 8; k++) {
		uint64_t v = mix(seed + 1, k + 1);
		if (k % 3 == 0)
			v &= 0xff;
		memcpy(w->ctx + 8 * k, &v, 8);
	}
}

static uint8_t *at(struct world *w, uint64_t addr, unsigned bytes)
{
	static uint8_t nowhere[8];
	struct {
		uint64_t base;
		uint8_t *mem;
		size_t size;
	} regions[] = {{WORLD_CTX, w->ctx, sizeof(w->ctx)},
		       {WORLD_VALUES, &w->values[0][0][0], sizeof(w->values)},
		       {WORLD_GLOBALS, w->globals, sizeof(w->globals)},
		       {WORLD_STACK, w->stack, sizeof(w->stack)}};

	for (unsigned k = 0; k < ARRAY_SIZE(regions); k++)
		if (addr >= regions[k].base && addr + bytes <= regions[k].base + regions[k].size)
			return regions[k].mem + (addr - regions[k].base);
	w->fault = "access outside of memory";
	return nowhere;
}

uint64_t world_load(struct world *w, uint64_t addr, unsigned bytes)
{
	uint64_t v = 0;

	memcpy(&v, at(w, addr, bytes), bytes);
	return v;
}

void world_store(struct world *w, uint64_t addr, unsigned bytes, uint64_t v)
{
	memcpy(at(w, addr, bytes), &v, bytes);
}

uint64_t world_atomic(struct world *w, int32_t op, uint64_t addr, unsigned bytes, uint64_t v)
{
	uint64_t old = world_load(w, addr, bytes), now = 0;

	switch (op & ~BPF_FETCH) {
	case BPF_ADD:
		now = old + v;
		break;
	case BPF_AND:
		now = old & v;
		break;
	case BPF_OR:
		now = old | v;
		break;
	case BPF_XOR:
		now = old ^ v;
		break;
	default:
		now = v;
	}
	world_store(w, addr, bytes, now);
	return old;
}

uint64_t world_cmpxchg(struct world *w, uint64_t addr, unsigned bytes, uint64_t expect, uint64_t v)
{
	uint64_t old = world_load(w, addr, bytes);

	if (bytes == 4)
		expect = (uint32_t)expect;
	if (old == expect)
		world_store(w, addr, bytes, v);
	return old;
}

static int element(struct world *w, unsigned map, uint64_t key)
{
	for (int k = 0; k < 8; k++)
		if (w->used[map][k] && w->keys[map][k] == key)
			return k;
	return -1;
}

static uint64_t update(struct world *w, unsigned map, uint64_t key, uint64_t value, uint64_t flags)
{
	int k = element(w, map, key);

	w->calls = mix(mix(w->calls, key), flags + map);
	if (k >= 0 && flags == BPF_NOEXIST)
		return (uint64_t)-17;
	for (int n = 0; k < 0 && n < 8; n++)
		if (!w->used[map][n])
			k = n;
	if (k < 0)
		return (uint64_t)-7;
	w->used[map][k] = true;
	w->keys[map][k] = key;
	for (unsigned n = 0; n < 16; n += 8) {
		uint64_t v = world_load(w, value + n, 8);
		memcpy(&w->values[map][k][n], &v, 8);
	}
	return 0;
}

uint64_t world_helper(struct world *w, int helper, const uint64_t *args)
{
	unsigned map = (unsigned)(args[0] - WORLD_MAP) & 1;
	uint64_t key;
	int k;

	switch (helper) {
	case BPF_FUNC_get_current_pid_tgid:
		return 0x4d200004d3;
	case BPF_FUNC_ktime_get_ns:
		return 123456789012345;
	case BPF_FUNC_get_current_comm:
		for (unsigned n = 0; n < args[1]; n++)
			world_store(w, args[0] + n, 1, n < 5 ? 'a' + n : 0);
		return 0;
	case BPF_FUNC_map_lookup_elem:
		k = element(w, map, world_load(w, args[1], 8));
		return k < 0 ? 0 : WORLD_VALUES + map * 128 + (unsigned)k * 16;
	case BPF_FUNC_map_update_elem:
		return update(w, map, world_load(w, args[1], 8), args[2], args[3]);
	case BPF_FUNC_map_delete_elem:
		key = world_load(w, args[1], 8);
		w->calls = mix(w->calls, key);
		k = element(w, map, key);
		if (k >= 0)
			w->used[map][k] = false;
		return k < 0 ? (uint64_t)-2 : 0;
	default:
		w->fault = "unknown helper";
		return 0;
	}
}

uint64_t world_hash(const struct world *w)
{
	uint64_t h = w->calls;

	for (size_t k = 0; k < offsetof(struct world, stack); k++)
		h = mix(h, ((const uint8_t *)w)[k]);
	for (unsigned m = 0; m < 2; m++)
		for (unsigned k = 0; k < 8; k++)
			h = mix(h, w->used[m][k] ? w->keys[m][k] + 1 : 0);
	return h;
}

/* ---- for the interpreter of BPF -------------------------------------------------------------- */

static uint64_t vm_load(void *w, uint64_t addr, unsigned bytes)
{
	return world_load(w, addr, bytes);
}

static void vm_store(void *w, uint64_t addr, unsigned bytes, uint64_t v)
{
	world_store(w, addr, bytes, v);
}

static uint64_t vm_map(void *w, uint32_t map)
{
	return WORLD_MAP + map;
}

static uint64_t vm_map_value(void *w, uint32_t map, uint32_t off)
{
	return WORLD_GLOBALS + off;
}

static uint64_t vm_helper(void *w, struct bpf_vm *m, int helper, const uint64_t *args)
{
	return world_helper(w, helper, args);
}

uint64_t vm_run(const struct ir_code *code, struct world *w)
{
	struct bpf_env env = {w,         vm_load,   vm_store,    vm_map,  vm_map_value,
			      vm_helper, WORLD_CTX, WORLD_STACK, 1000000, &w->fault};

	return bpf_run(code, &env);
}
