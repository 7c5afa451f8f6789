/* Reads what print.c writes, so that a pass is tested alone: text in, text out. Nothing is folded.
 * A module is read in two steps: functions and blocks first, as they are referred to before they
 * appear. Numbers of values are new; `%` numbers of the text are looked up.
 */
#include <errno.h>
#include "ir/ir_impl.h"

struct parser {
	struct ir_module *m;
	struct str text, line; /* what follows; the present line */
	unsigned lineno;
	struct ir b;
	VEC(ir_val) val; /* by number in the text */
	VEC(struct ir_block *) block;
	struct err *e;
	bool failed;
};

static void fail(struct parser *p, const char *what)
{
	if (!p->failed)
		err_plain(p->e, EINVAL, "IR text, line %u: %s near '%.*s'", p->lineno, what,
			  STR_ARG(p->line));
	p->failed = true;
}

static void skip_blanks(struct parser *p)
{
	while (p->line.n && (*p->line.p == ' ' || *p->line.p == ',' || *p->line.p == '\t')) {
		p->line.p++;
		p->line.n--;
	}
}

/* The next line without its comment; false at the end. */
static bool next_line(struct parser *p)
{
	while (p->text.p && p->text.n) {
		struct str l = str_cut(&p->text, '\n');
		p->lineno++;
		p->line = str_trim(str_cut(&l, ';'));
		if (p->line.n)
			return true;
	}
	return false;
}

static bool is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_' || c == '-' || c == '.';
}

static struct str word(struct parser *p)
{
	struct str w;

	skip_blanks(p);
	w = (struct str){p->line.p, 0};
	while (w.n < p->line.n && is_word(w.p[w.n]))
		w.n++;
	p->line.p += w.n;
	p->line.n -= w.n;
	return w;
}

static bool accept(struct parser *p, const char *z)
{
	size_t n = strlen(z);

	skip_blanks(p);
	if (p->line.n < n || memcmp(p->line.p, z, n))
		return false;
	p->line.p += n;
	p->line.n -= n;
	return true;
}

static int64_t integer(struct parser *p)
{
	struct str w = word(p);
	bool minus = w.n && *w.p == '-';
	unsigned long long v = 0;

	if (minus) {
		w.p++;
		w.n--;
	}
	if (!str_to_u64(w, &v))
		fail(p, "a number is expected");
	return minus ? (int64_t)(0 - v) : (int64_t)v;
}

static ir_val *val_slot(struct parser *p, int64_t n)
{
	if (n < 0 || n > 10000000) {
		fail(p, "no such value");
		n = 0;
	}
	while (p->val.n <= (size_t)n)
		vec_push(p->m->a, &p->val, 0u);
	return &p->val.v[n];
}

static ir_val value(struct parser *p)
{
	if (!accept(p, "%"))
		fail(p, "a value is expected");
	ir_val v = *val_slot(p, p->failed ? 0 : integer(p));
	if (!v)
		fail(p, "an undefined value");
	return p->failed ? 1 : v;
}

static struct ir_block *block(struct parser *p)
{
	int64_t n = accept(p, "b") ? integer(p) : -1;

	if (n < 0 || n > 10000000) {
		fail(p, "a block is expected");
		return p->b.fn->blocks.v[0];
	}
	while (p->block.n <= (size_t)n)
		vec_push(p->m->a, &p->block, NULL);
	if (!p->block.v[n])
		p->block.v[n] = n ? ir_block_new(&p->b, NULL) : p->b.fn->blocks.v[0];
	return p->block.v[n];
}

static uint32_t fn_index(struct parser *p)
{
	struct str w = word(p);

	for (uint32_t k = 0; k < p->m->fns.n; k++)
		if (str_is(w, p->m->fns.v[k]->name))
			return k;
	fail(p, "an unknown function");
	return 0;
}

/* ---- instructions ------------------------------------------------------------------------- */

/* "load8": the name is cut off the word, the number is the width. */
static unsigned width(struct parser *p, struct str w, size_t name)
{
	unsigned n = w.n == name + 1 ? (unsigned)(w.p[name] - '0') : 0;

	if (n != 1 && n != 2 && n != 4 && n != 8)
		fail(p, "a width of 1, 2, 4 or 8 is expected");
	return n;
}

static ir_val parse_object(struct parser *p)
{
	struct ir_fn *fn = p->b.fn;
	struct ir_insn in = {.op = OP_OBJ, .block = BLOCK_NONE, .span = NO_SPAN};

	in.arg[0] = (uint32_t)integer(p);
	in.arg[1] = accept(p, "align") ? (uint32_t)integer(p) : 1;
	if (!accept(p, "at"))
		return ir_object(&p->b, in.arg[0], in.arg[1]);
	in.imm = integer(p);
	fn->stack_max = fn->stack_now = MAX(fn->stack_max, (uint32_t)-in.imm);
	vec_push(p->m->a, &fn->insns, in);
	return fn->insns.n - 1;
}

static ir_val parse_float(struct parser *p, unsigned op)
{
	uint64_t map;

	switch (op) {
	case OP_OBJ:
		return parse_object(p);
	case OP_MAPVAL:
		map = (uint64_t)integer(p);
		return ir_float(p->b.fn, op, (int64_t)(map << 32 | (uint64_t)integer(p)));
	case OP_FNPTR:
		return ir_float(p->b.fn, op, fn_index(p));
	default:
		return ir_float(p->b.fn, op, integer(p));
	}
}

static ir_val parse_load(struct parser *p, struct str w)
{
	bool is_signed = str_starts(w, STR("loads"));
	struct ir_insn in = {.op = OP_LOAD, .flags = is_signed ? LOAD_SIGNED : 0};

	in.bytes = width(p, w, is_signed ? 5 : 4);
	in.arg[0] = value(p);
	in.imm = integer(p);
	in.flags |= accept(p, "ptr") ? LOAD_PTR : 0;
	in.flags |= accept(p, "inv") ? IR_MEM_INVARIANT : 0;
	in.flags |= accept(p, "vol") ? IR_MEM_VOLATILE : 0;
	return ir_emit(&p->b, in);
}

static ir_val parse_atomic(struct parser *p, struct str w)
{
	static const char *const names[] = {"add", "and", "or", "xor", "xchg"};
	struct ir_insn in = {.op = OP_ATOMIC, .flags = *w.p == 'f' ? ATOMIC_FETCH : 0};
	struct str op = w;

	str_cut(&op, '_');
	for (unsigned k = 0; k < ARRAY_SIZE(names); k++)
		if (str_starts(op, str_of(names[k]))) {
			in.flags |= k;
			in.bytes = width(p, op, strlen(names[k]));
		}
	in.arg[0] = value(p);
	in.imm = integer(p);
	in.arg[1] = value(p);
	return ir_emit(&p->b, in);
}

static ir_val parse_cmpxchg(struct parser *p, struct str w)
{
	struct ir_insn in = {.op = OP_CMPXCHG, .bytes = width(p, w, 7)};
	ir_val a[3];

	a[0] = value(p);
	in.imm = integer(p);
	a[1] = value(p);
	a[2] = value(p);
	return ir_emit_args(&p->b, in, 3, a);
}

static ir_val parse_call(struct parser *p, struct ir_insn in)
{
	ir_val args[5] = {0};
	unsigned n = 0;
	struct str w;

	if (in.op == OP_CALLFN) {
		in.imm = fn_index(p);
	} else {
		w = word(p);
		unsigned long long id;
		int helper = in.op == OP_CALL ? helper_by_name(w) : -1;
		in.imm = helper >= 0 ? helper : str_to_u64(w, &id) ? (int64_t)id : 0;
		if (!in.imm)
			fail(p, "an unknown helper");
	}
	for (skip_blanks(p); p->line.n && n < 5 && !p->failed; skip_blanks(p))
		args[n++] = value(p);
	return ir_emit_args(&p->b, in, n, args);
}

static ir_val parse_cell(struct parser *p, unsigned op)
{
	struct ir_insn in = {.op = op};

	if (!accept(p, "$"))
		fail(p, "a cell is expected");
	in.imm = integer(p);
	if (in.imm <= 0 || in.imm >= (int64_t)p->b.fn->cells.n)
		fail(p, "no such cell");
	if (op == OP_SET)
		in.arg[0] = value(p);
	return ir_emit(&p->b, in);
}

/* zext4, bound …: operations named by the table. */
static ir_val parse_plain(struct parser *p, struct str w)
{
	for (unsigned op = 0; op < OP_COUNT; op++) {
		struct str name = str_of(ir_ops[op].name);
		bool sized = op == OP_ZEXT || op == OP_SEXT || op == OP_BSWAP;
		if (!str_eq(w, name) && !(sized && str_starts(w, name)))
			continue;
		if (ir_ops[op].flags & OPF_F)
			return parse_float(p, op);
		struct ir_insn in = {.op = op, .bytes = sized ? width(p, w, name.n) : 0};
		for (unsigned k = 0; k < ir_ops[op].nargs && k < 2; k++)
			in.arg[k] = value(p);
		if (op == OP_BOUND || op == OP_MASK || op == OP_INDEX)
			in.imm = integer(p);
		return ir_emit(&p->b, in);
	}
	fail(p, "an unknown operation");
	return 1;
}

static ir_val parse_insn(struct parser *p, struct str w)
{
	if (str_is(w, "call"))
		return parse_call(p, (struct ir_insn){.op = OP_CALL});
	if (str_is(w, "callfn"))
		return parse_call(p, (struct ir_insn){.op = OP_CALLFN});
	if (str_starts(w, STR("kfunc")))
		return parse_call(
			p, (struct ir_insn){.op = OP_KFUNC, .flags = w.n > 5 ? KFUNC_PTR : 0});
	if (str_is(w, "get") || str_is(w, "set"))
		return parse_cell(p, *w.p == 'g' ? OP_GET : OP_SET);
	if (str_starts(w, STR("load")))
		return parse_load(p, w);
	if (str_starts(w, STR("atomic_")) || str_starts(w, STR("fetch_")))
		return parse_atomic(p, w);
	if (str_starts(w, STR("cmpxchg")))
		return parse_cmpxchg(p, w);
	if (str_starts(w, STR("store"))) {
		struct ir_insn in = {.op = OP_STORE, .bytes = width(p, w, 5)};
		in.arg[0] = value(p);
		in.imm = integer(p);
		in.arg[1] = value(p);
		return ir_emit(&p->b, in);
	}
	return parse_plain(p, w);
}

/* Terminators are taken as they stand: ir_br would fold. */
static bool parse_term(struct parser *p, struct str w)
{
	struct ir_term t = {.span = NO_SPAN};

	if (str_is(w, "jmp")) {
		t.kind = TERM_JMP;
		t.to[0] = block(p);
	} else if (str_is(w, "br")) {
		t.kind = TERM_BR;
		t.v = value(p);
		t.to[0] = block(p);
		t.to[1] = block(p);
		t.hint = accept(p, "likely")     ? IR_LIKELY_YES
			 : accept(p, "unlikely") ? IR_LIKELY_NO
						 : IR_LIKELY_EVEN;
	} else if (str_is(w, "ret")) {
		t.kind = TERM_RET;
		t.v = value(p);
	} else if (str_is(w, "may_goto")) {
		t.kind = TERM_MAYGOTO;
		t.to[0] = block(p);
		t.to[1] = block(p);
	} else {
		return false;
	}
	if (p->b.block)
		p->b.block->term = t;
	p->b.block = NULL;
	return true;
}

/* ---- functions ---------------------------------------------------------------------------- */

/* Creates the blocks in the order of their labels, so that printing gives the same order again. */
static void declare_blocks(struct parser *p)
{
	struct parser ahead = *p;

	while (next_line(&ahead) && *ahead.line.p != '}') {
		if (ahead.line.p[ahead.line.n - 1] != ':')
			continue;
		p->line = ahead.line;
		block(p);
	}
}

static void parse_header(struct parser *p, bool declare)
{
	enum ir_fn_kind kind = accept(p, "fn")        ? IR_ENTRY
			       : accept(p, "subprog") ? IR_SUBPROG
			       : accept(p, "callback")
				       ? IR_CALLBACK
				       : (fail(p, "a function is expected"), IR_ENTRY);
	struct str name = word(p);
	unsigned n = 0, ptrs = 0;

	p->val.n = p->block.n = 0;
	if (!accept(p, "("))
		fail(p, "'(' is expected");
	while (!p->failed && !accept(p, ")")) {
		if (!accept(p, "%") || n == 5) {
			fail(p, "at most five parameters are expected");
			return;
		}
		*val_slot(p, integer(p)) = ++n;
		ptrs |= accept(p, "ptr") ? 1u << (n - 1) : 0;
	}
	if (declare) {
		ir_fn_new(p->m, arena_strndup(p->m->a, name.p, name.n), kind, n, ptrs);
		return;
	}
	for (uint32_t k = 0; k < p->m->fns.n; k++)
		if (str_is(name, p->m->fns.v[k]->name))
			p->b = ir_begin(p->m->fns.v[k]);
	declare_blocks(p);
}

static void parse_line(struct parser *p)
{
	struct str l = p->line, w;

	if (str_is(l, "}"))
		return;
	if (l.p[l.n - 1] == ':') {
		p->b.block = block(p);
		return;
	}
	if (accept(p, "%")) {
		int64_t n = integer(p);
		if (!accept(p, "="))
			fail(p, "'=' is expected");
		ir_val v = parse_insn(p, word(p));
		*val_slot(p, n) = v;
		return;
	}
	w = word(p);
	if (str_is(w, "cell")) {
		accept(p, "$");
		integer(p);
		struct str name = word(p);
		ir_cell_new(&p->b, arena_strndup(p->m->a, name.p, name.n), accept(p, "ptr"));
	} else if (!parse_term(p, w)) {
		parse_insn(p, w);
	}
}

static void parse_pass(struct parser *p, struct str text, bool declare)
{
	bool inside = false;

	p->text = text;
	p->lineno = 0;
	while (!p->failed && next_line(p)) {
		if (p->line.p[p->line.n - 1] == '{') {
			parse_header(p, declare);
			inside = true;
		} else if (!inside) {
			fail(p, "a function is expected");
		} else if (!declare) {
			parse_line(p);
		}
	}
}

struct ir_module *ir_parse(struct arena *a, struct str text, struct err *e)
{
	struct parser p = {.m = ir_module_new(a, "text"), .e = e};

	parse_pass(&p, text, true);
	if (!p.failed)
		parse_pass(&p, text, false);
	if (!p.failed && !p.m->fns.n)
		fail(&p, "no function");
	return p.failed ? NULL : p.m;
}
