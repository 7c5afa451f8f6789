/* Which processes are traced: the look at the start of every program, and the programs that keep
 * what it looks at.
 *
 *   one process           a compare with a constant
 *   several, or others    .followed   one byte for each number that a process can have
 *   that are yet to come  ┌─┬─┬─┬─┬─ … ─┐  an array of one element, addressed directly: a bounds
 *                         │0│0│1│0│1│     │  check and a load
 *                         └─┴─┴─┴─┴─ … ─┘
 *   cgroups               .cgroups    array of cgroups; the kernel says whether the task is below
 *
 * The runtime sets the bytes of the processes that are there at the start. Three programs do the
 * rest, on tracepoints whose records need no BTF:
 *
 *   sched_process_fork    in the parent, before the child runs: byte[child] = byte[parent]
 *   sched_process_exec    by name: byte[current] = 1 when it is called so now; when it is not, 0,
 *                         unless what traced processes start is traced
 *   sched_process_free    byte[number] = 0: nobody waits for it any more
 *
 * A thread that is made sets the byte of its own number. No process can have that number while the
 * thread lives, and it is freed like one. Not the exit but the end of waiting frees a number, so
 * that programs on the exit's own events still see the process as traced.
 *
 *   awl -F -c 'make' …      begins with the byte of the child of -c, before it runs anything */
#include "gen/gen_impl.h"

/* The address of the number's byte; goes on in `out` when the number has none. */
static ir_val byte_of(struct gen *g, ir_val number, struct ir_block *out)
{
	struct ir *b = &g->b;
	struct ir_block *known = ir_block_new(b, NULL);

	ir_br(b, ir_bini(b, IR_ULT, number, FOLLOWED_SIZE), known, out, IR_LIKELY_YES);
	ir_at(b, known);
	return ir_bin(b, IR_ADD, ir_mapval(b, g->in->maps.followed, 0),
		      ir_index(b, number, FOLLOWED_SIZE));
}

/* Goes on in `in` when the number is traced, otherwise in `out`. */
static void branch_followed(struct gen *g, ir_val number, struct ir_block *in, struct ir_block *out)
{
	ir_val at = byte_of(g, number, out);

	ir_br(&g->b, ir_load(&g->b, 1, at, 0, IR_MEM_VOLATILE), in, out, IR_LIKELY_EVEN);
}

static ir_val current_process(struct ir *b)
{
	return ir_bini(b, IR_LSHR, IR_CALL0(b, BPF_FUNC_get_current_pid_tgid), 32);
}

static void check_set(struct gen *g, struct ir_block *in)
{
	struct ir_block *no = ir_block_new(&g->b, NULL);

	branch_followed(g, current_process(&g->b), in, no);
	ir_at(&g->b, no);
}

static void check_cgroup(struct gen *g, uint32_t i, struct ir_block *in)
{
	struct ir *b = &g->b;
	struct ir_block *no = ir_block_new(b, NULL);
	ir_val under = IR_CALL(b, BPF_FUNC_current_task_under_cgroup,
			       ir_map(b, g->in->maps.cgroups), ir_const(b, i));

	/* Negative: the array has no such element. */
	ir_br(b, ir_bini(b, IR_EQ, under, 1), in, no, IR_LIKELY_EVEN);
	ir_at(b, no);
}

static void check_pid(struct gen *g, struct ir_block *early)
{
	struct ir *b = &g->b;
	struct ir_block *next = ir_block_new(b, NULL);

	ir_br(b, ir_bini(b, IR_EQ, current_process(b), g->p->pid_filter), next, early,
	      IR_LIKELY_EVEN);
	ir_at(b, next);
}

void follow_check(struct gen *g, struct ir_block *early)
{
	const struct whom *w = g->in->whom;
	struct ir_block *in;

	if (g->p->pid_filter)
		check_pid(g, early);
	if (g->p->prov->once || g->p->prov->anywhere || !w || !(whom_has_map(w) || w->ncgroups))
		return;
	in = ir_block_new(&g->b, "traced");
	if (whom_has_map(w))
		check_set(g, in);
	for (uint32_t i = 0; i < w->ncgroups; i++)
		check_cgroup(g, i, in);
	ir_jmp(&g->b, early);
	ir_at(&g->b, in);
}

/* ---- keeping the bytes -----------------------------------------------------------------------
 */

bool gen_follow_needs(const struct whom *w, enum follow_event ev)
{
	if (!w->name && !(w->follow && w->npids))
		return false;
	return ev != FOLLOW_EXEC || w->name;
}

/* byte[number] = v */
static void set_byte(struct gen *g, ir_val number, int64_t v, struct ir_block *done)
{
	ir_val at = byte_of(g, number, done);

	ir_store(&g->b, 1, at, 0, ir_const(&g->b, v));
	ir_jmp(&g->b, done);
}

static void on_fork(struct gen *g, uint32_t pid_off, struct ir_block *done)
{
	struct ir *b = &g->b;
	struct ir_block *traced = ir_block_new(b, NULL);

	branch_followed(g, current_process(b), traced, done);
	ir_at(b, traced);
	set_byte(g, ir_load(b, 4, g->ctx, (int32_t)pid_off, IR_MEM_INVARIANT), 1, done);
}

/* 16 bytes are two words; with a `*` at the end only some bytes of them count. */
static void branch_named(struct gen *g, const char *name, struct ir_block *yes, struct ir_block *no)
{
	struct ir *b = &g->b;
	bool prefix = str_ends(str_of(name), STR("*"));
	size_t n = MIN(strlen(name) - prefix, (size_t)15);
	ir_val comm = ir_object(b, 16, 8);

	IR_CALL(b, BPF_FUNC_get_current_comm, comm, ir_const(b, 16));
	for (size_t word = 0; word < 2; word++) {
		struct ir_block *next = ir_block_new(b, NULL);
		uint8_t want[8] = {0}, mask[8] = {0};
		int64_t w, m;
		ir_val got;

		for (size_t i = 0; i < 8; i++) {
			size_t at = word * 8 + i;

			want[i] = at < n ? (uint8_t)name[at] : 0;
			mask[i] = at < n || !prefix ? 0xff : 0;
		}
		memcpy(&w, want, 8);
		memcpy(&m, mask, 8);
		got = ir_bini(b, IR_AND, ir_load(b, 8, comm, (int32_t)word * 8, IR_MEM_VOLATILE),
			      m);
		ir_br(b, ir_bini(b, IR_EQ, got, w), next, no, IR_LIKELY_EVEN);
		ir_at(b, next);
	}
	ir_jmp(b, yes);
}

static void on_exec(struct gen *g, struct ir_block *done)
{
	const struct whom *w = g->in->whom;
	struct ir *b = &g->b;
	struct ir_block *yes = ir_block_new(b, NULL), *no = ir_block_new(b, NULL);
	ir_val self = current_process(b);

	branch_named(g, w->name, yes, no);
	ir_at(b, yes);
	set_byte(g, self, 1, done);
	ir_at(b, no);
	if (w->follow)
		ir_jmp(b, done);
	else
		set_byte(g, self, 0, done);
}

struct ir_module *gen_follow(struct gen_in *in, enum follow_event ev, uint32_t pid_off)
{
	struct gen g = {.in = in, .m = ir_module_new(in->arena, "follow")};
	struct ir_block *done;

	g.b = ir_begin(ir_fn_new(g.m, "main", IR_ENTRY, 1, 1));
	g.b.span = NO_SPAN;
	g.ctx = ir_param(&g.b, 0);
	done = ir_block_new(&g.b, "done");
	if (ev == FOLLOW_FORK)
		on_fork(&g, pid_off, done);
	else if (ev == FOLLOW_EXEC)
		on_exec(&g, done);
	else
		set_byte(&g, ir_load(&g.b, 4, g.ctx, (int32_t)pid_off, IR_MEM_INVARIANT), 0, done);
	ir_at(&g.b, done);
	ir_ret(&g.b, ir_const(&g.b, 1)); /* of a tracepoint: others see the event, too */
	return g.m;
}
