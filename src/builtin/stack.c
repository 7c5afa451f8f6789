/* Stacks: kstack, ustack.
 *
 * The frames of each different stack are kept once, in the stack map; the value that scripts handle
 * and use as key names them by a hash:
 *
 *      value   | u64 hash | u32 tgid | u16 frames | u16 kind |      16 bytes
 *      map     key u64 hash → | u64 frames | u64 frame[plan.stack_limit] |
 *
 * tgid, in awl's pid namespace, is that of the process whose addresses they are; 0 for kernel
 * stacks, which are so the same in all processes. The hash mixes every frame; a stack that is in
 * the map already costs one look-up, a new one an insertion. A map without room is counted as
 * LOST_STACK. */
#include <errno.h>
#include <linux/bpf.h>
#include <string.h>
#include "builtin/builtin_priv.h"

#define STACK_DEFAULT 127
#define STACK_MAX     1024
#define HASH_MUL      0x9e3779b97f4a7c15

static const struct {
	const char *name;
	enum stack_mode mode;
} modes[] = {
	{"bpftrace", STACK_BPFTRACE}, {"awl", STACK_BPFTRACE},      {"perf", STACK_PERF},
	{"raw", STACK_RAW},           {"build_id", STACK_BUILD_ID},
};

/* ---- checking ---------------------------------------------------------------------------- */

static bool stack_mode(struct sema *s, struct expr *e, size_t i, enum stack_mode *mode)
{
	struct str word;

	if (!builtin_word(e, i, &word))
		return false;
	for (size_t k = 0; k < ARRAY_SIZE(modes); k++)
		if (str_is(word, modes[k].name)) {
			*mode = modes[k].mode;
			return true;
		}
	diag_help(sema_report(s, E_ARG_TYPE, builtin_arg(e, i)->span, "%.*s() has no mode `%.*s`",
			      STR_ARG(call_name(e)), STR_ARG(word)),
		  "the modes are bpftrace, perf, raw, build_id");
	return true;
}

static void check_stack(struct sema *s, struct expr *e, enum stack_kind kind)
{
	enum stack_mode mode = sema_config(s)->stack_mode;
	int64_t limit = STACK_DEFAULT;
	size_t n = builtin_nargs(e), i = 0;

	if (n && stack_mode(s, e, 0, &mode))
		i = 1;
	if (i < n) {
		sema_infer(s, builtin_arg(e, i));
		if (!sema_literal_int(s, e, (unsigned)i, &limit))
			limit = STACK_DEFAULT;
	}
	if (limit < 1 || limit > STACK_MAX) {
		sema_report(s, E_RANGE, builtin_arg(e, i)->span,
			    "a stack has 1 to %d frames, got %" PRId64, STACK_MAX, limit);
		limit = STACK_DEFAULT;
	}
	sema_need_stack(s, MIN((uint32_t)limit,
			       (uint32_t)kernel_host(sema_kernel(s), FACT_STACK_LIMIT, "")));
	e->type = type_stack(sema_types(s), kind, mode, (uint32_t)limit);
}

static void check_kstack(struct sema *s, struct expr *e)
{
	check_stack(s, e, STACK_KERNEL);
}

static void unwind_by_tables(struct sema *s, struct expr *e, const char *frameless)
{
	sema_need_unwind(s, frameless);
	sema_call(s, e)->num[0] = true;
}

static void check_dw_ustack(struct sema *s, struct expr *e)
{
	check_stack(s, e, STACK_USER);
	if (!unwind_possible(sema_kernel(s)))
		diag_help(sema_report(s, E_FEATURE, e->span,
				      "unwinding by tables needs x86_64 and a kernel with BTF "
				      "(Linux 5.15)"),
			  "ustack walks by frame pointers, unless ustack_unwind = dwarf");
	unwind_by_tables(s, e, NULL);
}

/* Programs that run in a thread and find the registers with which it left user space. */
static bool has_user_registers(const struct probe *p)
{
	switch (p->prog_type) {
	case BPF_PROG_TYPE_KPROBE:
	case BPF_PROG_TYPE_TRACEPOINT:
	case BPF_PROG_TYPE_RAW_TRACEPOINT:
	case BPF_PROG_TYPE_PERF_EVENT:
		return true;
	case BPF_PROG_TYPE_TRACING:
		return p->attach_type != BPF_TRACE_ITER;
	default:
		return false;
	}
}

static const char *unwind_wanted(struct sema *s)
{
	const struct probe *p = sema_probe(s);
	const char *frameless;

	if (sema_config(s)->ustack_unwind != UNWIND_AUTO || !p || !has_user_registers(p) ||
	    p->prov->framed)
		return NULL;
	frameless = sema_frameless(s);
	return frameless && unwind_possible(sema_kernel(s)) &&
			       kernel_has(sema_kernel(s), FEATURE_MAY_GOTO)
		       ? frameless
		       : NULL;
}

static void check_ustack(struct sema *s, struct expr *e)
{
	const char *frameless = unwind_wanted(s);

	if (sema_config(s)->ustack_unwind == UNWIND_DWARF) {
		check_dw_ustack(s, e);
		return;
	}
	check_stack(s, e, STACK_USER);
	if (frameless)
		unwind_by_tables(s, e, frameless);
}

/* ---- generating -------------------------------------------------------------------------- */

static ir_val mix(struct ir *b, ir_val h, ir_val v)
{
	h = ir_bin(b, IR_MUL, ir_bin(b, IR_XOR, h, v), ir_const(b, (int64_t)HASH_MUL));
	return ir_bin(b, IR_XOR, h, ir_bini(b, IR_LSHR, h, 32));
}

/* Where code of programs can be. A register that is no frame pointer leads elsewhere. */
#define USER_CODE_MIN 4096
#if defined(__x86_64__)
#define USER_CODE_END (1ull << 47)
#else
#define USER_CODE_END (1ull << 52)
#endif

/* The hash of the `n` frames, and how many there really are: a user stack ends at the first address
 * that is none. Programs without frame pointers give such, different ones each time: each would be
 * a stack of its own. */
static ir_val hash_frames(struct gen *g, ir_val entry, ir_cell n, uint32_t limit, bool user)
{
	struct ir *b = gen_ir(g);
	ir_cell hash = ir_cell_new(b, "hash", false);
	struct ir_block *ends = ir_block_new(b, "ends"), *goes = ir_block_new(b, "goes");
	struct builtin_loop l;
	ir_val i, frame, off;

	ir_set(b, hash, ir_const(b, 0));
	i = builtin_loop_begin(g, &l, ir_get(b, n), limit);
	frame = ir_load(b, 8, ir_bin(b, IR_ADD, entry, ir_bini(b, IR_SHL, i, 3)), 8, IR_MEM_NONE);
	if (user) {
		off = ir_bini(b, IR_SUB, frame, USER_CODE_MIN);
		ir_br(b, ir_bin(b, IR_ULT, off, ir_const(b, USER_CODE_END - USER_CODE_MIN)), goes,
		      ends, IR_LIKELY_YES);
		ir_at(b, ends);
		ir_set(b, n, i);
		ir_jmp(b, l.done);
		ir_at(b, goes);
	}
	ir_set(b, hash, mix(b, ir_get(b, hash), frame));
	builtin_loop_end(g, &l);
	return mix(b, ir_get(b, hash), ir_get(b, n));
}

/* Programs that the kernel calls directly see their own way in on top of the stack: the program,
 * and what called it. */
static unsigned own_frames(const struct probe *p)
{
	if (p->prog_type == BPF_PROG_TYPE_RAW_TRACEPOINT)
		return 2;
	return p->prog_type == BPF_PROG_TYPE_TRACING && p->attach_type != BPF_TRACE_ITER ? 2 : 0;
}

/* The glue function of sys_enter and sys_exit, whose frame follows the two on kernels where it does
 * not end in a jump; 0: nothing to look for. */
static uint64_t syscall_glue(struct gen *g)
{
	const struct probe *p = gen_probe_of(g);
	const struct attach_target *t = p->ntargets ? &p->targets[0] : NULL;
	uint64_t addr = 0;
	bool exits;

	if (!own_frames(p) || !t || !t->symbol)
		return 0;
	exits = strncmp(t->symbol, "sys_exit", 8) == 0;
	if (!exits && strncmp(t->symbol, "sys_enter", 9) != 0)
		return 0;
	kernel_kaddr(gen_kernel(g), exits ? "__bpf_trace_sys_exit" : "__bpf_trace_sys_enter",
		     &addr);
	return addr;
}

#define GLUE_SIZE 64

/* How many of the `n` frames at the top are glue: 0 or 1. */
static ir_val glue_frames(struct gen *g, struct val frames, ir_val n, uint64_t glue)
{
	struct ir *b = gen_ir(g);
	struct ir_block *look = ir_block_new(b, "look"), *skip = ir_block_new(b, "skip");
	struct ir_block *done = ir_block_new(b, "skipped");
	ir_cell first = ir_cell_new(b, "first", false);
	ir_val off;

	ir_set(b, first, ir_const(b, 0));
	ir_br(b, n, look, done, IR_LIKELY_YES);
	ir_at(b, look);
	off = ir_bin(b, IR_SUB, ir_load(b, 8, frames.v, frames.off + 8, IR_MEM_NONE),
		     ir_const(b, (int64_t)glue));
	ir_br(b, ir_bini(b, IR_ULT, off, GLUE_SIZE), skip, done, IR_LIKELY_YES);
	ir_at(b, skip);
	ir_set(b, first, ir_const(b, 1));
	ir_jmp(b, done);
	ir_at(b, done);
	return ir_bound(b, ir_get(b, first), 1);
}

/* Fills `frames` from byte `at` on with up to `max` frames; the result is their number. A stack
 * that cannot be walked has none. */
static ir_val read_frames(struct gen *g, const struct type *t, struct val frames, int32_t at,
			  uint32_t max)
{
	struct ir *b = gen_ir(g);
	bool user = t->stack.kind == STACK_USER;
	ir_cell bytes = ir_cell_new(b, "bytes", false);
	struct ir_block *none = ir_block_new(b, "none"), *some = ir_block_new(b, "some");
	ir_val r;

	r = IR_CALL(b, BPF_FUNC_get_stack, gen_ctx(g), builtin_addr(g, frames, at),
		    ir_const(b, max * 8),
		    ir_const(b, user ? BPF_F_USER_STACK : own_frames(gen_probe_of(g))));
	ir_set(b, bytes, r);
	ir_br(b, ir_bini(b, IR_SLT, r, 0), none, some, IR_LIKELY_NO);
	ir_at(b, none);
	ir_set(b, bytes, ir_const(b, 0));
	ir_jmp(b, some);
	ir_at(b, some);
	return ir_bound(b, ir_bini(b, IR_LSHR, ir_get(b, bytes), 3), max);
}

static void insert_stack(struct gen *g, ir_val key, ir_val entry)
{
	struct ir *b = gen_ir(g);
	ir_val map = gen_map_ref(g, gen_input(g)->maps.stacks), r;
	struct ir_block *fresh = ir_block_new(b, "fresh"), *failed = ir_block_new(b, "failed");
	struct ir_block *full = ir_block_new(b, "full"), *done = ir_block_new(b, "kept");

	ir_br(b, IR_CALL(b, BPF_FUNC_map_lookup_elem, map, key), done, fresh, IR_LIKELY_YES);
	ir_at(b, fresh);
	r = IR_CALL(b, BPF_FUNC_map_update_elem, map, key, entry, ir_const(b, BPF_NOEXIST));
	ir_br(b, r, failed, done, IR_LIKELY_NO);
	ir_at(b, failed); /* another CPU may have been faster */
	ir_br(b, ir_bini(b, IR_EQ, r, -EEXIST), done, full, IR_LIKELY_YES);
	ir_at(b, full);
	gen_lost(g, LOST_STACK);
	ir_jmp(b, done);
	ir_at(b, done);
}

/* Kernel stacks: one frame more than wanted is read where the first may be glue. The result is
 * where the entry for the map begins, one word later then, so that its count stands in front of
 * what is kept. */
static ir_val kernel_frames(struct gen *g, const struct type *t, struct val frames, uint32_t limit,
			    ir_cell n)
{
	struct ir *b = gen_ir(g);
	uint64_t glue = syscall_glue(g);
	ir_val read = read_frames(g, t, frames, 8, limit + (glue != 0)), first;
	ir_val entry = builtin_addr(g, frames, 0);

	ir_set(b, n, read);
	if (glue) {
		first = glue_frames(g, frames, read, glue);
		entry = ir_bin(b, IR_ADD, entry, ir_bini(b, IR_SHL, first, 3));
		ir_set(b, n, ir_bin(b, IR_SUB, read, first));
	}
	return entry;
}

/* By frame pointers: at a function's entry the walk goes from the function to its caller's caller,
 * on most kernels. Frames are read one word further back, to make room:
 *
 *	read          | -     | -      | ip     | frame 1 | …
 *	missed        | count | ip     | caller | frame 1 | …
 *	frame 1 is it | -     | count  | ip     | frame 1 | …
 */
static ir_val frames_at_entry(struct gen *g, const struct type *t, struct val frames,
			      uint32_t limit, ir_cell n, ir_val caller)
{
	struct ir *b = gen_ir(g);
	struct ir_block *look = ir_block_new(b, "look"), *add = ir_block_new(b, "add");
	struct ir_block *done = ir_block_new(b, "callers");
	ir_cell first = ir_cell_new(b, "first", false);
	ir_val ip;

	ir_set(b, first, ir_const(b, 1));
	builtin_put(g, frames, 8, 24, ir_const(b, 0));
	ir_set(b, n, read_frames(g, t, frames, 16, limit));
	ir_br(b, ir_get(b, n), look, done, IR_LIKELY_YES);
	ir_at(b, look);
	ir_br(b, ir_bin(b, IR_EQ, ir_load(b, 8, frames.v, frames.off + 24, IR_MEM_NONE), caller),
	      done, add, IR_LIKELY_NO);
	ir_at(b, add);
	ip = ir_load(b, 8, frames.v, frames.off + 16, IR_MEM_NONE);
	ir_store(b, 8, frames.v, frames.off + 8, ip);
	ir_store(b, 8, frames.v, frames.off + 16, caller);
	ir_set(b, first, ir_const(b, 0));
	ir_set(b, n, ir_bini(b, IR_ADD, ir_get(b, n), 1));
	ir_jmp(b, done);
	ir_at(b, done);
	return ir_bin(b, IR_ADD, builtin_addr(g, frames, 0),
		      ir_bini(b, IR_SHL, ir_bound(b, ir_get(b, first), 1), 3));
}

/* The provider tells the caller of the function that it is about, in its own space. */
static bool is_at_entry(struct gen *g, enum space space, ir_val *caller)
{
	struct probe *p = gen_probe_of(g);

	return p->prov->caller && p->prov->space == space && p->prov->caller(g, p, caller);
}

static ir_val user_frames(struct gen *g, const struct type *t, struct val frames, uint32_t limit,
			  ir_cell n)
{
	ir_val caller;

	if (is_at_entry(g, SPACE_USER, &caller))
		return frames_at_entry(g, t, frames, limit, n, caller);
	ir_set(gen_ir(g), n, read_frames(g, t, frames, 8, limit));
	return builtin_addr(g, frames, 0);
}

/* By tables; by frame pointers while the process is not known. */
static ir_val unwound_frames(struct gen *g, const struct type *t, struct val frames, uint32_t limit,
			     ir_cell n)
{
	struct ir *b = gen_ir(g);
	struct ir_block *unknown = ir_block_new(b, "unknown"), *done = ir_block_new(b, "unwound");
	ir_cell entry = ir_cell_new(b, "entry", true);

	unwind_stack(g, frames, limit, n, unknown);
	ir_set(b, entry, builtin_addr(g, frames, 0));
	ir_jmp(b, done);
	ir_at(b, unknown);
	ir_set(b, entry, user_frames(g, t, frames, limit, n));
	ir_jmp(b, done);
	ir_at(b, done);
	return ir_get(b, entry);
}

static ir_val stack_frames(struct gen *g, struct expr *e, struct val frames, uint32_t limit,
			   ir_cell n)
{
	const struct call_sem *c = e->sem;
	ir_val caller;

	if (e->type->stack.kind == STACK_KERNEL && is_at_entry(g, SPACE_KERNEL, &caller))
		return frames_at_entry(g, e->type, frames, limit, n, caller);
	if (e->type->stack.kind == STACK_KERNEL)
		return kernel_frames(g, e->type, frames, limit, n);
	if (c && c->num[0])
		return unwound_frames(g, e->type, frames, limit, n);
	return user_frames(g, e->type, frames, limit, n);
}

static struct val lower_stack(struct gen *g, struct expr *e, struct val want)
{
	struct ir *b = gen_ir(g);
	const struct type *t = e->type;
	bool user = t->stack.kind == STACK_USER;
	uint32_t limit = MIN(t->stack.limit, gen_plan(g)->stack_limit);
	struct val dst = builtin_place(g, e, want);
	struct val frames = gen_temp_bytes(g, 16 + 8 * (gen_plan(g)->stack_limit + 1), 8, false);
	struct val key = gen_temp_bytes(g, 8, 8, false);
	ir_cell count = ir_cell_new(b, "frames", false);
	ir_val entry = stack_frames(g, e, frames, limit, count);
	ir_val hash = hash_frames(g, entry, count, limit, user);
	ir_val n = ir_bound(b, ir_get(b, count), limit), tgid;

	ir_store(b, 8, key.v, key.off, hash);
	ir_store(b, 8, entry, 0, n);
	insert_stack(g, builtin_addr(g, key, 0), entry);
	tgid = user ? ir_bini(b, IR_LSHR, builtin_pid_tgid(g), 32) : ir_const(b, 0);
	builtin_put(g, dst, 8, 0, hash);
	builtin_put(g, dst, 4, 8, tgid);
	builtin_put(g, dst, 2, 12, n);
	builtin_put(g, dst, 2, 14, ir_const(b, t->stack.kind));
	return dst;
}

/* ---- rows -------------------------------------------------------------------------------- */

const struct builtin builtins_stack[] = {
	{
		.name = "kstack",
		.proto = "kstack_t kstack [([mode,] [limit])]",
		.doc = "The kernel's stack.\n\n"
		       "mode is bpftrace (function+offset), perf (address, function, module), "
		       "raw (address) or build_id (a\n"
		       "user file's build id and the place in it); the default is the setting "
		       "stack_mode. limit is the number of frames, 127 unless "
		       "given.\n\n"
		       "    profile:hz:99 { @[kstack(5)] = count(); }\n",
		.examples = EXAMPLES("profile:hz:99 { @[kstack] = count(); }",
				     "profile:hz:99 { @[kstack(perf, 5)] = count(); }",
				     "begin { print(kstack(3)); exit(); }"),
		.flags = BI_NAME | BI_EFFECT | BI_LAZY_ARGS | BI_FILLS,
		.max_args = 2,
		.uses = USES_KSTACK,
		.check = check_kstack,
		.lower = lower_stack,
	},
	{
		.name = "ustack",
		.aliases = (const char *const[]){"gostack", NULL},
		.proto = "ustack_t ustack [([mode,] [limit])]",
		.doc = "The user stack of the current thread, found by frame pointers, or by call "
		       "frame information where the\n"
		       "programs that are traced are known to have none: config = { "
		       "ustack_unwind = fp } or dwarf decides.\n\n"
		       "mode and limit as for kstack.\n\n"
		       "    profile:hz:99 { @[ustack(5), comm] = count(); }\n",
		.examples = EXAMPLES("profile:hz:99 { @[ustack] = count(); }",
				     "profile:hz:99 { @[ustack(raw), kstack(3)] = count(); }"),
		.flags = BI_NAME | BI_EFFECT | BI_LAZY_ARGS | BI_FILLS,
		.max_args = 2,
		.uses = USES_USTACK,
		.check = check_ustack,
		.lower = lower_stack,
	},
	{
		.name = "dw_ustack",
		.proto = "ustack_t dw_ustack [([mode,] [limit])]",
		.doc = "The user stack of the current thread, found by call frame information "
		       "(.eh_frame), as debuggers do.\n\n"
		       "For programs and libraries that are built without frame pointers, on "
		       "x86_64. Processes may\n"
		       "begin, and libraries be loaded, while it is in use. mode and limit as for "
		       "kstack.\n\n"
		       "    profile:hz:99 { @[dw_ustack, comm] = count(); }\n",
		.examples = EXAMPLES("profile:hz:99 { @[dw_ustack] = count(); }",
				     "uprobe:libc:malloc { @[dw_ustack(perf, 20)] = count(); }"),
		.flags = BI_NAME | BI_EFFECT | BI_LAZY_ARGS | BI_FILLS,
		.max_args = 2,
		.uses = USES_USTACK,
		.check = check_dw_ustack,
		.lower = lower_stack,
	},
	BUILTIN_END,
};
