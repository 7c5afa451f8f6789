/* Unwinding of user stacks by tables of the call frame information, in the program itself.
 *
 *   pc ─ procs[tgid], by halving ─→ mapping ─ images[mapping.image] ─→ root → index → rows → row
 *
 *        row SP  n        CFA = rsp + 8n              then    pc  = *(CFA - 8)
 *            BP  n        CFA = rbp + 8n                      rsp = CFA
 *            PLT, DEREF_BP, SIGNAL: see elf.h                 rbp = *(CFA - 8 * row.bp), or as it
 * is
 *
 * The layout of the maps is in sema/unwind.h. Code without a table (just-in-time compilers, Go) is
 * walked by frame pointers for a frame: CFA = rbp + 16. A process that the runtime has not told
 * about yet is walked by the kernel, by frame pointers.
 *
 * There is one loop, over frames; the searches in it are straight code without branches: of equal
 * length, the verifier walks one path, and a difference's sign makes the bit of the position. The
 * CFA must grow from frame to frame, so the walk ends. Frames above the first are return addresses:
 * rows are looked up for the call before. */
#include <linux/bpf.h>
#include <stddef.h>
#include <string.h>
#include "builtin/builtin_priv.h"
#include "elf/elf.h"
#include "sema/unwind.h"

#define USER_MIN 4096
#define USER_END (1ull << 47)

/* Offsets in the signal frame that rsp points to in the return trampoline: struct ucontext. */
enum { UCONTEXT_BP = 120, UCONTEXT_SP = 160, UCONTEXT_IP = 168 };

/* Offsets in struct pt_regs of x86_64. */
enum { REGS_BP = 32, REGS_IP = 128, REGS_SP = 152 };

struct walk {
	struct gen *g;
	struct ir *b;
	struct val word; /* 8 bytes: keys, what is read */
	ir_cell pc, sp, bp;
	ir_cell called;     /* 1: pc is a return address */
	ir_cell cfa, bp_at; /* of this frame; bp_at 0: rbp stays */
	struct builtin_loop loop;
	struct ir_block *step, *by_bp;
	struct ir_block *unknown; /* the process is not known, or not as it is now */
};

/* ---- searching ------------------------------------------------------------------------------ */

static ir_val element(struct ir *b, ir_val base, ir_val pos, unsigned size)
{
	return ir_bin(b, IR_ADD, base, ir_bini(b, IR_SHL, pos, size));
}

/* Of 2^log numbers, 2^size bytes apart, the position of the last that is at most `v`; 0 when there
 * is none. Numbers and `v` are below 2^63. */
static ir_val search(struct ir *b, ir_val base, unsigned bytes, unsigned log, unsigned size,
		     ir_val v)
{
	ir_val pos = ir_const(b, 0);

	for (unsigned bit = log; bit-- > 0;) {
		ir_val there = ir_load(b, bytes, element(b, base, pos, size), 1 << (bit + size),
				       IR_MEM_VOLATILE);
		ir_val less = ir_bini(b, IR_LSHR, ir_bin(b, IR_SUB, v, there), 63);
		ir_val not_less = ir_bini(b, IR_XOR, less, 1);

		pos = ir_bin(b, IR_ADD, pos, ir_bini(b, IR_SHL, not_less, bit));
	}
	return pos;
}

static ir_val lookup(struct walk *w, ir_val map, ir_val key)
{
	struct ir *b = w->b;
	struct ir_block *found = ir_block_new(b, NULL);
	ir_val p;

	ir_store(b, 4, w->word.v, w->word.off, key);
	p = IR_CALL(b, BPF_FUNC_map_lookup_elem, map, builtin_addr(w->g, w->word, 0));
	ir_br(b, p, found, w->by_bp, IR_LIKELY_YES);
	ir_at(b, found);
	return ir_nonnull(b, p);
}

/* The row of the image for `pc`, as a number of eight bytes. */
static ir_val find_row(struct walk *w, ir_val image, ir_val pc)
{
	struct ir *b = w->b;
	ir_val images = gen_map_ref(w->g, gen_input(w->g)->maps.unwind_images);
	ir_val map = lookup(w, images, image), p, i, j;

	p = lookup(w, map, ir_const(b, 0));
	i = ir_bini(b, IR_MUL, search(b, p, 4, UNWIND_FAN_LOG, 2, pc), UNWIND_FAN + 1);
	p = lookup(w, map, ir_bini(b, IR_ADD, i, 1));
	j = search(b, p, 4, UNWIND_FAN_LOG, 2, pc);
	p = lookup(w, map, ir_bini(b, IR_ADD, ir_bin(b, IR_ADD, i, j), 2));
	i = search(b, p, 4, UNWIND_ROWS_LOG, 3, pc);
	return ir_load(b, 8, element(b, p, i, 3), 0, IR_MEM_VOLATILE);
}

/* ---- one frame ------------------------------------------------------------------------------ */

static ir_val read_word(struct walk *w, ir_val addr)
{
	struct ir *b = w->b;
	struct ir_block *ok = ir_block_new(b, NULL);
	ir_val r = IR_CALL(b, BPF_FUNC_probe_read_user, builtin_addr(w->g, w->word, 0),
			   ir_const(b, 8), addr);

	ir_br(b, r, w->loop.done, ok, IR_LIKELY_NO);
	ir_at(b, ok);
	return ir_load(b, 8, w->word.v, w->word.off, IR_MEM_VOLATILE);
}

/* Goes on where `kind` is that; the result is where it is not. */
static struct ir_block *only(struct walk *w, ir_val kind, int64_t is)
{
	struct ir_block *yes = ir_block_new(w->b, NULL), *no = ir_block_new(w->b, NULL);

	ir_br(w->b, ir_bini(w->b, IR_EQ, kind, is), yes, no, IR_LIKELY_EVEN);
	ir_at(w->b, yes);
	return no;
}

static void set_cfa(struct walk *w, ir_val cfa, ir_val bp_at)
{
	ir_set(w->b, w->cfa, cfa);
	ir_set(w->b, w->bp_at, bp_at);
	ir_jmp(w->b, w->step);
}

/* In a stub of the linkage table: its first instructions have pushed nothing yet. */
static ir_val plt_cfa(struct walk *w)
{
	struct ir *b = w->b;
	ir_val low = ir_bini(b, IR_AND, ir_get(b, w->pc), 15);
	ir_val early = ir_bini(b, IR_LSHR, ir_bini(b, IR_SUB, low, 11), 63);

	return ir_bin(b, IR_SUB, ir_bini(b, IR_ADD, ir_get(b, w->sp), 16),
		      ir_bini(b, IR_SHL, early, 3));
}

/* The interrupted function's registers; its address is exact. */
static void leave_signal(struct walk *w)
{
	struct ir *b = w->b;
	ir_val sp = ir_get(b, w->sp);

	ir_set(b, w->bp, read_word(w, ir_bini(b, IR_ADD, sp, UCONTEXT_BP)));
	ir_set(b, w->pc, read_word(w, ir_bini(b, IR_ADD, sp, UCONTEXT_IP)));
	ir_set(b, w->sp, read_word(w, ir_bini(b, IR_ADD, sp, UCONTEXT_SP)));
	ir_set(b, w->called, ir_const(b, 0));
	ir_jmp(b, w->loop.next);
}

static void by_row(struct walk *w, ir_val row)
{
	struct ir *b = w->b;
	ir_val kind = ir_bini(b, IR_LSHR, row, 56);
	ir_val off = ir_bini(b, IR_SHL, ir_sext(b, ir_bini(b, IR_LSHR, row, 32), 2), 3);
	ir_val bp_at = ir_bini(b, IR_AND, ir_bini(b, IR_LSHR, row, 48), 0xff);
	struct ir_block *other;

	other = only(w, kind, ELF_UNWIND_SP);
	set_cfa(w, ir_bin(b, IR_ADD, ir_get(b, w->sp), off), bp_at);
	ir_at(b, other);
	other = only(w, kind, ELF_UNWIND_BP);
	set_cfa(w, ir_bin(b, IR_ADD, ir_get(b, w->bp), off), bp_at);
	ir_at(b, other);
	other = only(w, kind, ELF_UNWIND_PLT);
	set_cfa(w, plt_cfa(w), bp_at);
	ir_at(b, other);
	other = only(w, kind, ELF_UNWIND_DEREF_BP);
	set_cfa(w, read_word(w, ir_bin(b, IR_ADD, ir_get(b, w->bp), off)), bp_at);
	ir_at(b, other);
	other = only(w, kind, ELF_UNWIND_SIGNAL);
	leave_signal(w);
	ir_at(b, other);
	ir_jmp(b, w->loop.done);
}

static void restore_bp(struct walk *w, ir_val cfa, struct ir_block *after)
{
	struct ir *b = w->b;
	struct ir_block *saved = ir_block_new(b, NULL), *there = ir_block_new(b, NULL);
	struct ir_block *below = ir_block_new(b, NULL);
	ir_val at = ir_get(b, w->bp_at);

	ir_br(b, at, saved, after, IR_LIKELY_EVEN);
	ir_at(b, saved);
	ir_br(b, ir_bini(b, IR_EQ, at, ELF_BP_THERE), there, below, IR_LIKELY_NO);
	ir_at(b, there);
	ir_set(b, w->bp, read_word(w, ir_get(b, w->bp)));
	ir_jmp(b, after);
	ir_at(b, below);
	ir_set(b, w->bp, read_word(w, ir_bin(b, IR_SUB, cfa, ir_bini(b, IR_SHL, at, 3))));
	ir_jmp(b, after);
}

/* The blocks that all ways of finding the CFA lead to. */
static void step_up(struct walk *w)
{
	struct ir *b = w->b;
	struct ir_block *grows = ir_block_new(b, NULL), *after = ir_block_new(b, NULL);
	ir_val cfa;

	ir_at(b, w->by_bp);
	set_cfa(w, ir_bini(b, IR_ADD, ir_get(b, w->bp), 16), ir_const(b, 2));
	ir_at(b, w->step);
	cfa = ir_get(b, w->cfa);
	ir_br(b, ir_bin(b, IR_ULT, ir_get(b, w->sp), cfa), grows, w->loop.done, IR_LIKELY_YES);
	ir_at(b, grows);
	restore_bp(w, cfa, after);
	ir_at(b, after);
	ir_set(b, w->pc, read_word(w, ir_bini(b, IR_SUB, cfa, 8)));
	ir_set(b, w->sp, cfa);
	ir_set(b, w->called, ir_const(b, 1));
	ir_jmp(b, w->loop.next);
}

/* An address that is in no executable mapping is no caller: what led there was wrong. The first is
 * where the thread is: when we know nothing of the place, what we know of the process is old, as in
 * the first moments behind exec, and it is walked as one that we do not know. */
static void find_mapping(struct walk *w, ir_val proc, ir_val i, ir_cell n)
{
	struct ir *b = w->b;
	struct ir_block *in = ir_block_new(b, NULL), *out = ir_block_new(b, NULL);
	struct ir_block *drop = ir_block_new(b, NULL), *table = ir_block_new(b, NULL);
	ir_val pc = ir_bin(b, IR_SUB, ir_get(b, w->pc), ir_get(b, w->called));
	ir_val m = element(b, proc, search(b, proc, 8, UNWIND_MAPPINGS_LOG, 5, pc), 5);
	ir_val off, rel, image;

	off = ir_bin(b, IR_SUB, pc,
		     ir_load(b, 8, m, offsetof(struct unwind_mapping, start), IR_MEM_VOLATILE));
	ir_br(b,
	      ir_bin(b, IR_ULT, off,
		     ir_load(b, 8, m, offsetof(struct unwind_mapping, len), IR_MEM_VOLATILE)),
	      in, out, IR_LIKELY_YES);
	ir_at(b, out);
	ir_br(b, i, drop, w->unknown, IR_LIKELY_YES);
	ir_at(b, drop);
	ir_set(b, n, i);
	ir_jmp(b, w->loop.done);
	ir_at(b, in);
	rel = ir_bin(b, IR_SUB, pc,
		     ir_load(b, 8, m, offsetof(struct unwind_mapping, bias), IR_MEM_VOLATILE));
	image = ir_load(b, 8, m, offsetof(struct unwind_mapping, image), IR_MEM_VOLATILE);
	ir_br(b, ir_bini(b, IR_LSHR, rel, 32), w->by_bp, table, IR_LIKELY_NO);
	ir_at(b, table);
	by_row(w, find_row(w, image, rel));
}

/* ---- the walk ------------------------------------------------------------------------------- */

static ir_val task_register(struct walk *w, ir_val regs, int32_t off)
{
	struct ir *b = w->b;
	ir_val at = ir_bini(b, IR_ADD, regs, off);

	IR_CALL(b, BPF_FUNC_probe_read_kernel, builtin_addr(w->g, w->word, 0), ir_const(b, 8), at);
	return ir_load(b, 8, w->word.v, w->word.off, IR_MEM_VOLATILE);
}

/* Programs in user probes have the registers as context; elsewhere they lie where the thread
 * entered the kernel. */
static void read_registers(struct walk *w)
{
	struct ir *b = w->b;
	struct probe *p = gen_probe_of(w->g);
	ir_val regs;

	w->pc = ir_cell_new(b, "pc", false);
	w->sp = ir_cell_new(b, "sp", false);
	w->bp = ir_cell_new(b, "bp", false);
	if (p->prov->space == SPACE_USER && p->prog_type == BPF_PROG_TYPE_KPROBE) {
		regs = gen_ctx(w->g);
		ir_set(b, w->pc, ir_load(b, 8, regs, REGS_IP, IR_MEM_INVARIANT));
		ir_set(b, w->sp, ir_load(b, 8, regs, REGS_SP, IR_MEM_INVARIANT));
		ir_set(b, w->bp, ir_load(b, 8, regs, REGS_BP, IR_MEM_INVARIANT));
		return;
	}
	regs = IR_CALL(b, BPF_FUNC_task_pt_regs, IR_CALL0(b, BPF_FUNC_get_current_task_btf));
	ir_set(b, w->pc, task_register(w, regs, REGS_IP));
	ir_set(b, w->sp, task_register(w, regs, REGS_SP));
	ir_set(b, w->bp, task_register(w, regs, REGS_BP));
}

static void walk(struct walk *w, ir_val proc, ir_val entry, ir_cell n, uint32_t max)
{
	struct ir *b = w->b;
	struct ir_block *code;
	ir_val i, pc;

	read_registers(w);
	w->called = ir_cell_new(b, "called", false);
	w->cfa = ir_cell_new(b, "cfa", false);
	w->bp_at = ir_cell_new(b, "bp_at", false);
	w->step = ir_block_new(b, "step");
	w->by_bp = ir_block_new(b, "by_bp");
	code = ir_block_new(b, NULL);
	ir_set(b, w->called, ir_const(b, 0));
	i = builtin_long_loop_begin(w->g, &w->loop, max, NULL);
	pc = ir_get(b, w->pc);
	ir_br(b, ir_bini(b, IR_ULT, ir_bini(b, IR_SUB, pc, USER_MIN), USER_END - USER_MIN), code,
	      w->loop.done, IR_LIKELY_YES);
	ir_at(b, code);
	ir_store(b, 8, ir_bin(b, IR_ADD, entry, ir_bini(b, IR_SHL, i, 3)), 8, pc);
	ir_set(b, n, ir_bini(b, IR_ADD, i, 1));
	find_mapping(w, proc, i, n);
	step_up(w);
	builtin_loop_end(w->g, &w->loop);
}

void unwind_stack(struct gen *g, struct val frames, uint32_t max, ir_cell n,
		  struct ir_block *unknown)
{
	struct ir *b = gen_ir(g);
	struct walk w = {.g = g, .b = b, .word = gen_temp_bytes(g, 8, 8, false)};
	ir_val procs = gen_map_ref(g, gen_input(g)->maps.unwind_procs);

	ir_set(b, n, ir_const(b, 0));
	w.by_bp = w.unknown = unknown;
	walk(&w, lookup(&w, procs, ir_bini(b, IR_LSHR, builtin_pid_tgid(g), 32)),
	     builtin_addr(g, frames, 0), n, max);
	/* Through memory: or the verifier would follow what comes after for each length. */
	ir_store(b, 8, frames.v, frames.off, ir_get(b, n));
	ir_set(b, n, ir_bound(b, ir_load(b, 8, frames.v, frames.off, IR_MEM_VOLATILE), max));
}

bool unwind_possible(struct kernel *k)
{
#if defined(__x86_64__)
	return kernel_has(k, FEATURE_TASK_BTF) && kernel_has(k, FEATURE_NO_PREALLOC);
#else
	(void)k;
	return false;
#endif
}
