/* The goroutine that is running: its g, and its number.
 *
 *   g ──┬─ 0 stack.lo   8 stack.hi   …  48 m ──── curg ──► g of the goroutine m works for
 *       ├─ goid
 *       └─ labels ──► what pprof.Do set, see golabel.c
 *
 * Code that the Go compiler made keeps g in %r14 from 1.17 on. Older code and assembly do not:
 * there it is in a thread-local variable, at an offset from the thread's segment base. On arm64 it
 * is in r28 in all Go code, which is as well: what a thread has in tpidr_el0 the kernel knows only
 * of threads that do not run. On a thread's system stack g is g0, which has the number 0. */
#include "probe/gofn.h"

enum { STACK_HI = 8 };

static const struct type *u64_of(struct gen *g)
{
	return type_int(gen_types(g), 8, false);
}

static ir_val read_word(struct gen *g, ir_val base, int64_t off)
{
	return gen_load(g, val_mem(u64_of(g), base, (int32_t)off, SPACE_USER));
}

static const struct go_place_info *info_of(struct probe *p)
{
	return p->targets[0].data;
}

#if !defined(__aarch64__)
/* current->thread.fsbase */
static ir_val segment_base(struct gen *g)
{
	const struct type *task = type_lookup(gen_types(g), LOOKUP_STRUCT, STR("task_struct"));
	struct member thread = {0}, base = {0};

	if (task && type_member(gen_types(g), task, STR("thread"), &thread))
		type_member(gen_types(g), thread.type, STR("fsbase"), &base);
	return gen_load(g, val_mem(u64_of(g), IR_CALL0(gen_ir(g), BPF_FUNC_get_current_task),
				   (int32_t)(thread.offset + base.offset), SPACE_KERNEL));
}

static bool uses_tls(struct probe *p)
{
	for (size_t i = 0; i < p->ntargets; i++)
		if (p->targets[i].c & GO_ASSEMBLY)
			return true;
	return info_of(p)->minor < 17;
}
#endif

ir_val go_g(struct gen *g, struct probe *p)
{
#if defined(__aarch64__)
	return probe_ctx_reg(g, u64_of(g), regs_named(STR("r28"))).v;
#else
	if (uses_tls(p))
		return read_word(g, segment_base(g), info_of(p)->tls);
	return probe_ctx_reg(g, u64_of(g), regs_named(STR("r14"))).v;
#endif
}

/* Of a system stack: m->curg->goid, 0 when it works for none. */
static void on_system_stack(struct gen *g, const struct go_layout *l, ir_val gptr, ir_cell goid)
{
	struct ir *b = gen_ir(g);
	struct ir_block *some = ir_block_new(b, NULL), *done = ir_block_new(b, NULL);
	ir_val cur = read_word(g, read_word(g, gptr, l->m), l->curg);

	ir_br(b, cur, some, done, IR_LIKELY_YES);
	ir_at(b, some);
	ir_set(b, goid, read_word(g, cur, l->goid));
	ir_jmp(b, done);
	ir_at(b, done);
}

ir_val go_goid(struct gen *g, struct probe *p, ir_val gptr)
{
	const struct go_layout *l = &info_of(p)->layout;
	struct ir *b = gen_ir(g);
	struct ir_block *system = ir_block_new(b, NULL), *done = ir_block_new(b, NULL);
	ir_cell goid = ir_cell_new(b, "goid", false);
	ir_val own = read_word(g, gptr, l->goid);

	ir_set(b, goid, own);
	ir_br(b, own, done, system, IR_LIKELY_YES);
	ir_at(b, system);
	on_system_stack(g, l, gptr, goid);
	ir_jmp(b, done);
	ir_at(b, done);
	return ir_get(b, goid);
}

/* The goroutine's g, also on a system stack; 0 when it works for none. */
static ir_val own_g(struct gen *g, struct probe *p, ir_val gptr)
{
	const struct go_layout *l = &info_of(p)->layout;
	struct ir *b = gen_ir(g);
	struct ir_block *system = ir_block_new(b, NULL), *done = ir_block_new(b, NULL);
	ir_cell own = ir_cell_new(b, "own_g", false);

	ir_set(b, own, gptr);
	ir_br(b, read_word(g, gptr, l->goid), done, system, IR_LIKELY_YES);
	ir_at(b, system);
	ir_set(b, own, read_word(g, read_word(g, gptr, l->m), l->curg));
	ir_jmp(b, done);
	ir_at(b, done);
	return ir_get(b, own);
}

static ir_val word_of_goroutine(struct gen *g, struct probe *p, unsigned off)
{
	struct ir *b = gen_ir(g);
	struct ir_block *some = ir_block_new(b, NULL), *done = ir_block_new(b, NULL);
	ir_cell v = ir_cell_new(b, "g_word", false);
	ir_val own = own_g(g, p, go_g(g, p));

	ir_set(b, v, ir_const(b, 0));
	ir_br(b, own, some, done, IR_LIKELY_YES);
	ir_at(b, some);
	ir_set(b, v, read_word(g, own, off));
	ir_jmp(b, done);
	ir_at(b, done);
	return ir_get(b, v);
}

/* Bytes of the stack that is in use, up to the return address; bit 63: it is a system stack. */
static ir_val depth(struct gen *g, struct probe *p)
{
	struct ir *b = gen_ir(g);
	ir_val gptr = go_g(g, p), sp = probe_ctx_reg(g, u64_of(g), regs_sp()).v;
	ir_val in_use = ir_bin(b, IR_SUB, read_word(g, gptr, STACK_HI), sp);
	ir_val system = ir_bini(b, IR_EQ, read_word(g, gptr, info_of(p)->layout.goid), 0);

	return ir_bin(b, IR_OR, in_use, ir_bini(b, IR_SHL, system, 63));
}

ir_val go_name_value(struct gen *g, struct probe *p, enum go_name name)
{
	const struct go_layout *l = &info_of(p)->layout;

	switch (name) {
	case GO_DEPTH:
		return depth(g, p);
	case GO_PARENT:
		return word_of_goroutine(g, p, l->parent);
	case GO_START:
		return word_of_goroutine(g, p, l->startpc);
	case GO_ID:
		break;
	}
	return go_goid(g, p, go_g(g, p));
}

/* Go 1.24 is the first that keeps them in a slice. */
enum { FIRST_WITH_LIST = 24 };

ir_val_t go_labels_of(struct gen *g, struct probe *p, enum go_labels *how)
{
	const struct go_place_info *info = info_of(p);

	*how = info->minor < FIRST_WITH_LIST ? GO_LABELS_MAP : GO_LABELS_LIST;
	return word_of_goroutine(g, p, info->layout.labels);
}
