/* Five programs, as the generator would build them:
 *
 *   @[comm] = count()
 *   /pid == 1234/ { @ = hist(arg2) }
 *   openat: printf("%d %s %s", pid, comm, str(filename))
 *   @start[tid] = nsecs
 *   latency: /@start[tid]/ { @ = hist(nsecs - @start[tid]); delete(@start[tid]) }
 *
 * Budgets are what clang -O2 makes of the same job in C; print_open also stores a type and counts
 * what it loses, six slots that the C program does not have.
 */
#include "programs.h"

#define CALL     IR_CALL
#define LOST_MAP 1

static struct ir start(struct arena *a, const char *name)
{
	struct ir_module *m = ir_module_new(a, name);

	return ir_begin(ir_fn_new(m, "main", IR_ENTRY, 1, 1));
}

static struct ir_module *finish(struct ir *b)
{
	ir_ret(b, ir_const(b, 0));
	return b->m;
}

static ir_val pid(struct ir *b)
{
	return ir_bini(b, IR_LSHR, IR_CALL0(b, BPF_FUNC_get_current_pid_tgid), 32);
}

static ir_val tid(struct ir *b)
{
	return ir_zext(b, IR_CALL0(b, BPF_FUNC_get_current_pid_tgid), 4);
}

/* A pointer to the value at `key`, made with a zero value when absent, of a map with 8-byte values.
 */
static ir_val lookup_or_insert(struct ir *b, uint32_t map, ir_val key)
{
	struct ir_block *hit = ir_block_new(b, "hit"), *miss = ir_block_new(b, "miss");
	struct ir_block *hit2 = ir_block_new(b, "hit2"), *lost = ir_block_new(b, "lost");
	struct ir_block *join = ir_block_new(b, "join");
	ir_cell c = ir_cell_new(b, "value", true);
	ir_val p = CALL(b, BPF_FUNC_map_lookup_elem, ir_map(b, map), key);

	ir_br(b, p, hit, miss, IR_LIKELY_YES);
	ir_at(b, hit);
	ir_set(b, c, ir_nonnull(b, p));
	ir_jmp(b, join);
	ir_at(b, miss);
	uint32_t mark = ir_stack_mark(b);
	ir_val zero = ir_object(b, 8, 8);
	ir_store(b, 8, zero, 0, ir_const(b, 0));
	CALL(b, BPF_FUNC_map_update_elem, ir_map(b, map), key, zero, ir_const(b, BPF_NOEXIST));
	ir_stack_release(b, mark);
	ir_val q = CALL(b, BPF_FUNC_map_lookup_elem, ir_map(b, map), key);
	ir_br(b, q, hit2, lost, IR_LIKELY_YES);
	ir_at(b, hit2);
	ir_set(b, c, ir_nonnull(b, q));
	ir_jmp(b, join);
	ir_at(b, lost);
	ir_set(b, c, ir_mapval(b, LOST_MAP, 0));
	ir_jmp(b, join);
	ir_at(b, join);
	return ir_get(b, c);
}

static struct ir_module *count_by_comm(struct arena *a)
{
	struct ir b = start(a, "count_by_comm");
	ir_val key = ir_object(&b, 16, 8);

	CALL(&b, BPF_FUNC_get_current_comm, key, ir_const(&b, 16));
	ir_val v = lookup_or_insert(&b, 0, key);
	ir_atomic(&b, IR_ATOMIC_ADD, 8, v, 0, ir_const(&b, 1), false);
	return finish(&b);
}

/* Bucket of a value: 0 for 0, else 1 + floor(log2 v), without branches. */
static ir_val log2_bucket(struct ir *b, ir_val v)
{
	ir_val r = ir_const(b, 0);

	for (int s = 32; s >= 1; s /= 2) {
		ir_val big = ir_bini(b, IR_UGE, v, (int64_t)(1ull << s));
		ir_val sh = ir_bini(b, IR_MUL, big, s);
		v = ir_bin(b, IR_LSHR, v, sh);
		r = ir_bin(b, IR_ADD, r, sh);
	}
	return ir_bin(b, IR_ADD, r, v);
}

static void hist_add(struct ir *b, uint32_t map, ir_val v)
{
	ir_val i = ir_mask(b, log2_bucket(b, v), 127);
	ir_val p = ir_bin(b, IR_ADD, ir_mapval(b, map, 0), ir_bini(b, IR_SHL, i, 3));

	ir_atomic(b, IR_ATOMIC_ADD, 8, p, 0, ir_const(b, 1), false);
}

static struct ir_module *hist_of_pid(struct arena *a)
{
	struct ir b = start(a, "hist_of_pid");
	struct ir_block *body = ir_block_new(&b, "body"), *out = ir_block_new(&b, "out");

	ir_br(&b, ir_bini(&b, IR_EQ, pid(&b), 1234), body, out, IR_LIKELY_EVEN);
	ir_at(&b, body);
	hist_add(&b, 0, ir_load(&b, 8, ir_param(&b, 0), 96, IR_MEM_INVARIANT));
	ir_jmp(&b, out);
	ir_at(&b, out);
	return finish(&b);
}

static struct ir_module *print_open(struct arena *a)
{
	struct ir b = start(a, "print_open");
	struct ir_block *body = ir_block_new(&b, "body"), *drop = ir_block_new(&b, "drop");
	struct ir_block *out = ir_block_new(&b, "out");
	ir_val rec = CALL(&b, BPF_FUNC_ringbuf_reserve, ir_map(&b, 0), ir_const(&b, 88),
			  ir_const(&b, 0));

	ir_br(&b, rec, body, drop, IR_LIKELY_YES);
	ir_at(&b, body);
	ir_val r = ir_nonnull(&b, rec);
	ir_store(&b, 4, r, 0, ir_const(&b, 3));
	ir_store(&b, 4, r, 4, pid(&b));
	CALL(&b, BPF_FUNC_get_current_comm, ir_bini(&b, IR_ADD, r, 8), ir_const(&b, 16));
	ir_val name = ir_load(&b, 8, ir_param(&b, 0), 104, IR_MEM_INVARIANT);
	CALL(&b, BPF_FUNC_probe_read_user_str, ir_bini(&b, IR_ADD, r, 24), ir_const(&b, 64), name);
	CALL(&b, BPF_FUNC_ringbuf_submit, r, ir_const(&b, 0));
	ir_jmp(&b, out);
	ir_at(&b, drop);
	ir_atomic(&b, IR_ATOMIC_ADD, 8, ir_mapval(&b, LOST_MAP, 0), 0, ir_const(&b, 1), false);
	ir_jmp(&b, out);
	ir_at(&b, out);
	return finish(&b);
}

static struct ir_module *store_start(struct arena *a)
{
	struct ir b = start(a, "store_start");
	ir_val key = ir_object(&b, 4, 4), value = ir_object(&b, 8, 8);

	ir_store(&b, 4, key, 0, tid(&b));
	ir_store(&b, 8, value, 0, IR_CALL0(&b, BPF_FUNC_ktime_get_ns));
	CALL(&b, BPF_FUNC_map_update_elem, ir_map(&b, 0), key, value, ir_const(&b, 0));
	return finish(&b);
}

/* 0 when absent, as the language has it. */
static ir_val read_or_zero(struct ir *b, uint32_t map, ir_val key)
{
	struct ir_block *hit = ir_block_new(b, "hit"), *miss = ir_block_new(b, "miss");
	struct ir_block *join = ir_block_new(b, "join");
	ir_cell c = ir_cell_new(b, "read", false);
	ir_val p = CALL(b, BPF_FUNC_map_lookup_elem, ir_map(b, map), key);

	ir_br(b, p, hit, miss, IR_LIKELY_EVEN);
	ir_at(b, hit);
	ir_set(b, c, ir_load(b, 8, ir_nonnull(b, p), 0, IR_MEM_NONE));
	ir_jmp(b, join);
	ir_at(b, miss);
	ir_set(b, c, ir_const(b, 0));
	ir_jmp(b, join);
	ir_at(b, join);
	return ir_get(b, c);
}

static ir_val tid_key(struct ir *b)
{
	ir_val key = ir_object(b, 8, 8);

	ir_store(b, 8, key, 0, tid(b));
	return key;
}

static struct ir_module *latency(struct arena *a)
{
	struct ir b = start(a, "latency");
	struct ir_block *body = ir_block_new(&b, "body"), *out = ir_block_new(&b, "out");
	uint32_t mark = ir_stack_mark(&b);
	ir_val cond = read_or_zero(&b, 0, tid_key(&b));

	ir_stack_release(&b, mark);
	ir_br(&b, cond, body, out, IR_LIKELY_EVEN);
	ir_at(&b, body);
	ir_val now = IR_CALL0(&b, BPF_FUNC_ktime_get_ns);
	ir_val then = read_or_zero(&b, 0, tid_key(&b));
	ir_stack_release(&b, mark);
	hist_add(&b, 1, ir_bin(&b, IR_SUB, now, then));
	CALL(&b, BPF_FUNC_map_delete_elem, ir_map(&b, 0), tid_key(&b));
	ir_jmp(&b, out);
	ir_at(&b, out);
	return finish(&b);
}

#define HASH(k)                             \
	{                                   \
		BPF_MAP_TYPE_HASH, k, 8, 64 \
	}
#define CELLS(n)                                  \
	{                                         \
		BPF_MAP_TYPE_ARRAY, 4, 8 * (n), 1 \
	}
#define RING                                      \
	{                                         \
		BPF_MAP_TYPE_RINGBUF, 0, 0, 65536 \
	}

const struct test_program test_programs[] = {
	{"count_by_comm", count_by_comm, 29, {HASH(16), CELLS(1)}},
	{"hist_of_pid", hist_of_pid, 60, {CELLS(128)}},
	{"print_open", print_open, 31, {RING, CELLS(1)}},
	{"store_start", store_start, 14, {HASH(4)}},
	{"latency", latency, 69, {HASH(8), CELLS(128)}},
};
const size_t test_nprograms = ARRAY_SIZE(test_programs);
