/* Following a value of Go in the program: a walk over tables, see gotype.h.
 *
 *   record   │ used cur elem op │ chunk │ chunk │ …
 *                    │            ▲                     the chunk at work; its element; the part of
 *                    └────────────┘                     the element that is next
 *
 * The record is its own queue: each turn of the loop takes one slot of one element, and appends
 * what it leads to as a new chunk, whose own slots come up later. So what is near the root comes
 * first when the room does not suffice. The state is in the record and not in registers, so that
 * the verifier, which knows nothing of that memory, finds all turns alike.
 *
 * A word of an interface tells the type of what it holds: an address, which a hash translates.
 * Pointers-like types are themselves the other word, all others are where it leads.
 *
 * Where elements of maps are shown there is more to it, in govalue_map.c: several chunks have one
 * slot, and a record is used to its end. */
#include "builtin/govalue_follow.h"

enum { MAX_TURNS = 64, USED = 0, CUR = 4, ELEM = 8, OP = 12 };
enum { SLOT = 0, TYPE = 4, BYTES = 8, DATA = GO_CHUNK_HEAD };
enum {
	SHORT = 64,  /* bytes of a text that is read also where no chunk of full size has room */
	PAGE = 4096, /* the smallest */
};

static ir_val get4(struct follow *f, ir_val at, int32_t off)
{
	return ir_load(f->b, 4, at, off, IR_MEM_VOLATILE);
}

static ir_val state(struct follow *f, int32_t what)
{
	return get4(f, f->rec.v, f->rec.off + what);
}

static void set_state(struct follow *f, int32_t what, ir_val v)
{
	ir_store(f->b, 4, f->rec.v, f->rec.off + what, v);
}

void govalue_require(struct follow *f, ir_val cond, struct ir_block *no)
{
	struct ir_block *yes = ir_block_new(f->b, NULL);

	ir_br(f->b, cond, yes, no, IR_LIKELY_EVEN);
	ir_at(f->b, yes);
}

/* Goes on where `v` < `count`; the address of that element of `each` bytes. */
static ir_val element(struct follow *f, ir_val base, int64_t off, ir_val v, uint64_t count,
		      unsigned each, struct ir_block *no)
{
	ir_val i;

	govalue_require(f, ir_bini(f->b, IR_ULT, v, (int64_t)count), no);
	i = ir_bini(f->b, IR_MUL, ir_index(f->b, v, count), each);
	return ir_bin(f->b, IR_ADD, ir_bini(f->b, IR_ADD, base, off), i);
}

ir_val govalue_lesser(struct follow *f, ir_val x, ir_val y)
{
	ir_cell c = ir_cell_new(f->b, "lesser", false);
	struct ir_block *set = ir_block_new(f->b, NULL), *done = ir_block_new(f->b, NULL);

	ir_set(f->b, c, x);
	ir_br(f->b, ir_bin(f->b, IR_ULT, y, x), set, done, IR_LIKELY_EVEN);
	ir_at(f->b, set);
	ir_set(f->b, c, y);
	ir_jmp(f->b, done);
	ir_at(f->b, done);
	return ir_get(f->b, c);
}

static ir_val padded(struct follow *f, ir_val n)
{
	return ir_bini(f->b, IR_AND, ir_bini(f->b, IR_ADD, n, 7), ~7ll);
}

/* ---- which slot it is ---------------------------------------------------------------------------
 */

static void take_chunk(struct follow *f)
{
	f->cur = state(f, CUR);
	govalue_require(f, ir_bin(f->b, IR_ULT, f->cur, state(f, USED)), f->done);
	f->chunk = element(f, f->rec.v, f->rec.off, f->cur, f->size - DATA, 1, f->done);
	f->bytes = get4(f, f->chunk, BYTES);
	f->elem = state(f, ELEM);
}

/* All slots of the element were seen: the next element, or the next chunk. */
static void leave_element(struct follow *f, struct ir_block *all)
{
	struct ir *b = f->b;
	struct ir_block *more = ir_block_new(b, NULL);
	ir_val elem = ir_bini(b, IR_ADD, f->elem, 1);
	ir_val end = ir_bin(b, IR_MUL, elem, f->each);

	set_state(f, OP, ir_const(b, 0));
	govalue_require(f, f->each, all);
	ir_br(b, ir_bin(b, IR_ULT, end, f->bytes), more, all, IR_LIKELY_EVEN);
	ir_at(b, more);
	set_state(f, ELEM, elem);
	ir_jmp(b, f->next);
}

static void leave_chunk(struct follow *f)
{
	struct ir *b = f->b;
	ir_val behind = ir_bin(b, IR_ADD, f->cur, padded(f, f->bytes));

	set_state(f, CUR, ir_bini(b, IR_ADD, behind, DATA));
	set_state(f, ELEM, ir_const(b, 0));
	set_state(f, OP, ir_const(b, 0));
	ir_jmp(b, f->next);
}

/* The operation at work; a chunk of a type without any is left at once. */
static void take_op(struct follow *f)
{
	struct ir *b = f->b;
	struct ir_block *left = ir_block_new(b, NULL), *over = ir_block_new(b, NULL);
	struct ir_block *on = ir_block_new(b, NULL);
	ir_val type = get4(f, f->chunk, TYPE), op = state(f, OP), head, i;
	ir_val block = ir_mapval(b, f->block, 0);

	f->each = ir_const(b, 0);
	govalue_require(f, ir_bini(b, IR_ULT, type, GO_CHUNK_FLAT), left);
	head = element(f, block, 0, type, f->data->ntypes, sizeof(struct gotype_head), left);
	f->each = get4(f, head, offsetof(struct gotype_head, size));
	ir_br(b, ir_bin(b, IR_ULT, op, get4(f, head, offsetof(struct gotype_head, nops))), on, over,
	      IR_LIKELY_EVEN);
	ir_at(b, over);
	govalue_require(f, get4(f, head, offsetof(struct gotype_head, nops)), left);
	leave_element(f, left);
	ir_at(b, left);
	leave_chunk(f);
	ir_at(b, on);
	set_state(f, OP, ir_bini(b, IR_ADD, op, 1));
	i = ir_bin(b, IR_ADD, op, get4(f, head, offsetof(struct gotype_head, first_op)));
	f->op = element(f, block, (int64_t)f->data->ntypes * sizeof(struct gotype_head), i,
			f->data->nops, sizeof(struct gotype_op), f->next);
}

ir_val govalue_op_field(struct follow *f, int32_t off)
{
	return get4(f, f->op, off);
}

/* Its words; a slot that was not captured whole, or is nil, leads nowhere. */
static void take_slot(struct follow *f)
{
	struct ir *b = f->b;
	ir_val in = ir_bin(b, IR_ADD, ir_bin(b, IR_MUL, f->elem, f->each), OP_FIELD(f, off)), at;

	govalue_require(f, ir_bin(b, IR_ULE, ir_bin(b, IR_ADD, in, OP_FIELD(f, need)), f->bytes),
			f->next);
	f->slot = ir_bini(b, IR_ADD, ir_bin(b, IR_ADD, f->cur, in), DATA);
	at = element(f, f->rec.v, f->rec.off, f->slot, f->size - 15, 1, f->next);
	f->w0 = ir_load(b, 8, at, 0, IR_MEM_VOLATILE);
	f->w1 = ir_load(b, 8, at, 8, IR_MEM_VOLATILE);
	if (!f->maps)
		govalue_require(f, f->w0, f->next);
}

/* ---- the new chunk
 * ------------------------------------------------------------------------------- */

/* In an array of groups the chunk tells how far behind its beginning it is. */
static ir_val with_skip(struct follow *f, ir_val bytes)
{
	return ir_bin(f->b, IR_OR, bytes, ir_bini(f->b, IR_SHL, OP_FIELD(f, skip), 32));
}

/* Closes it with `bytes` that are there already. */
static void append(struct follow *f, ir_val type, ir_val bytes)
{
	struct ir *b = f->b;

	ir_store(b, 4, f->at, SLOT, f->slot);
	ir_store(b, 4, f->at, TYPE, type);
	ir_store(b, 8, f->at, BYTES, f->maps ? with_skip(f, bytes) : bytes);
	set_state(f, USED,
		  ir_bini(b, IR_ADD, ir_bin(b, IR_ADD, state(f, USED), padded(f, bytes)), DATA));
	ir_jmp(b, f->next);
}

static void append_fault(struct follow *f, ir_val type)
{
	gen_lost(f->g, LOST_FAULT);
	append(f, ir_bini(f->b, IR_OR, type, GO_CHUNK_FAULT), ir_const(f->b, 0));
}

/* Up to `max` bytes, which there is room for at `at`. */
static void read_to(struct follow *f, ir_val at, uint32_t max, struct ir_block *ok,
		    struct ir_block *fault)
{
	struct ir *b = f->b;
	ir_val n = ir_bound(b, ir_get(b, f->want), max);
	ir_val r = IR_CALL(b, BPF_FUNC_probe_read_user, ir_bini(b, IR_ADD, at, DATA), n,
			   ir_get(b, f->addr));

	ir_br(b, r, fault, ok, IR_LIKELY_NO);
}

/* What is short has a place near the end of the record, too: a map is many small texts. */
static void read_near_end(struct follow *f, struct ir_block *ok, struct ir_block *fault)
{
	struct ir *b = f->b;
	struct ir_block *end = ir_block_new(b, "end");
	ir_val at = element(f, f->rec.v, f->rec.off, state(f, USED),
			    f->size - DATA - GO_CHUNK_MAX + 1, 1, end);

	read_to(f, at, GO_CHUNK_MAX, ok, fault);
	ir_at(b, end);
	govalue_require(f, ir_bini(b, IR_ULE, ir_get(b, f->want), SHORT), f->next);
	read_to(f, f->at, SHORT, ok, fault);
}

/* A group may go on in a page that the program has not touched yet, which is unreadable: what is in
 * front of that is read. */
static void cut_at_page(struct follow *f, struct ir_block *fault)
{
	struct ir *b = f->b;
	ir_val in_page = ir_bini(b, IR_AND, ir_get(b, f->addr), PAGE - 1);
	ir_val left = ir_bin(b, IR_SUB, ir_const(b, PAGE), in_page);

	govalue_require(f, ir_bin(b, IR_ULT, left, ir_get(b, f->want)), fault);
	ir_set(b, f->want, ir_bound(b, left, GO_CHUNK_MAX));
}

/* Reads `want` bytes at `addr` into it. */
static void read_chunk(struct follow *f)
{
	struct ir *b = f->b;
	struct ir_block *fault = ir_block_new(b, NULL), *ok = ir_block_new(b, NULL);

	if (f->maps) {
		struct ir_block *cut = ir_block_new(b, "cut");

		read_near_end(f, ok, cut);
		ir_at(b, cut);
		cut_at_page(f, fault);
		read_near_end(f, ok, fault);
	} else {
		read_to(f, f->at, GO_CHUNK_MAX, ok, fault);
	}
	ir_at(b, fault);
	append_fault(f, ir_get(b, f->type));
	ir_at(b, ok);
	append(f, ir_get(b, f->type), ir_get(b, f->want));
}

void govalue_set_target(struct follow *f, ir_val addr, ir_val want, ir_val type)
{
	ir_set(f->b, f->addr, addr);
	ir_set(f->b, f->want, ir_bound(f->b, want, GO_CHUNK_MAX));
	ir_set(f->b, f->type, type);
}

static void follow_slice(struct follow *f, struct ir_block *read)
{
	struct ir *b = f->b;
	ir_val n = ir_bound(b, f->w1, GO_CHUNK_MAX);
	ir_val want = govalue_lesser(f, ir_bin(b, IR_MUL, n, OP_FIELD(f, each)), OP_FIELD(f, max));

	govalue_require(f, want, f->next);
	govalue_set_target(f, f->w0, want, OP_FIELD(f, type));
	ir_jmp(b, read);
}

static void follow_pointer(struct follow *f, struct ir_block *read)
{
	ir_val addr = f->maps ? ir_bin(f->b, IR_ADD, f->w0, OP_FIELD(f, skip)) : f->w0;

	govalue_set_target(f, addr, OP_FIELD(f, max), OP_FIELD(f, type));
	ir_jmp(f->b, read);
}

/* The address of the dynamic type's descriptor, in the first word or where that leads. */
static ir_val descriptor(struct follow *f)
{
	struct ir *b = f->b;
	struct ir_block *iface = ir_block_new(b, NULL), *fault = ir_block_new(b, NULL);
	struct ir_block *ok = ir_block_new(b, NULL), *done = ir_block_new(b, NULL);
	ir_cell type = ir_cell_new(b, "type", false);
	ir_val r;

	ir_set(b, type, f->w0);
	ir_br(b, ir_bini(b, IR_EQ, OP_FIELD(f, follow), GO_FOLLOW_IFACE), iface, done,
	      IR_LIKELY_EVEN);
	ir_at(b, iface);
	r = IR_CALL(b, BPF_FUNC_probe_read_user, ir_bini(b, IR_ADD, f->at, DATA), ir_const(b, 8),
		    ir_bini(b, IR_ADD, f->w0, 8));
	ir_br(b, r, fault, ok, IR_LIKELY_NO);
	ir_at(b, fault);
	append_fault(f, ir_const(b, 0));
	ir_at(b, ok);
	ir_set(b, type, ir_load(b, 8, f->at, DATA, IR_MEM_VOLATILE));
	ir_jmp(b, done);
	ir_at(b, done);
	return ir_get(b, type);
}

/* `*name` is its key. */
static ir_val lookup(struct follow *f, ir_val descriptor, ir_val *name)
{
	struct probe *p = gen_probe_of(f->g);
	struct ir *b = f->b;
	struct gotypes_maps *maps = gotypes_maps(
		gotypes_of(gen_types(f->g), (struct gotype_limits){0}));
	ir_val linked = ir_bin(b, IR_SUB, descriptor, p->prov->go_bias(f->g, p));
	struct val key = gen_temp_bytes(f->g, 8, 8, false);

	*name = ir_bin(b, IR_OR, linked, ir_const(b, (int64_t)((uint64_t)f->file << 56)));
	builtin_put(f->g, key, 8, 0, *name);
	return IR_CALL(b, BPF_FUNC_map_lookup_elem, gen_own_map(f->g, maps->dyns),
		       builtin_addr(f->g, key, 0));
}

static void follow_iface(struct follow *f, struct ir_block *read)
{
	struct ir *b = f->b;
	struct ir_block *known = ir_block_new(b, NULL), *unknown = ir_block_new(b, NULL);
	struct ir_block *direct = ir_block_new(b, NULL), *behind = ir_block_new(b, NULL);
	ir_val name, d = lookup(f, descriptor(f), &name);

	ir_br(b, d, known, unknown, IR_LIKELY_YES);
	ir_at(b, unknown);
	ir_store(b, 8, f->at, DATA, name);
	append(f, ir_const(b, GO_CHUNK_UNKNOWN), ir_const(b, 8));
	ir_at(b, known);
	d = ir_nonnull(b, d);
	ir_br(b, get4(f, d, offsetof(struct gotype_dyn, direct)), direct, behind, IR_LIKELY_EVEN);
	ir_at(b, direct);
	ir_store(b, 8, f->at, DATA, f->w1);
	append(f, get4(f, d, offsetof(struct gotype_dyn, type)), ir_const(b, 8));
	ir_at(b, behind);
	govalue_set_target(f, f->w1, get4(f, d, offsetof(struct gotype_dyn, size)),
			   get4(f, d, offsetof(struct gotype_dyn, type)));
	ir_jmp(b, read);
}

static void add_chunk(struct follow *f)
{
	struct ir *b = f->b;
	struct ir_block *slice = ir_block_new(b, NULL), *other = ir_block_new(b, NULL);
	struct ir_block *pointer = ir_block_new(b, NULL), *iface = ir_block_new(b, NULL);
	struct ir_block *read = ir_block_new(b, "read");
	uint32_t room = DATA + (f->maps ? SHORT : GO_CHUNK_MAX);
	ir_val follow = OP_FIELD(f, follow);

	f->at = element(f, f->rec.v, f->rec.off, state(f, USED), f->size - room + 1, 1, f->done);
	if (f->maps)
		govalue_follow_groups(f, follow, read);
	ir_br(b, ir_bini(b, IR_EQ, follow, GO_FOLLOW_SLICE), slice, other, IR_LIKELY_EVEN);
	ir_at(b, other);
	ir_br(b, ir_bini(b, IR_EQ, follow, GO_FOLLOW_POINTER), pointer, iface, IR_LIKELY_EVEN);
	ir_at(b, slice);
	follow_slice(f, read);
	ir_at(b, pointer);
	follow_pointer(f, read);
	ir_at(b, iface);
	follow_iface(f, read);
	ir_at(b, read);
	read_chunk(f);
}

/* A turn ends the loop itself when there is nothing left to do: where the kernel bounds loops at
 * run time it need not be counted, and the verifier walks through it once or twice. */
static void loop_begin(struct follow *f, struct builtin_loop *l)
{
	struct ir *b = f->b;
	struct ir_block *turn;

	if (!kernel_has(gen_kernel(f->g), FEATURE_MAY_GOTO)) {
		builtin_loop_begin(f->g, l, ir_const(b, MAX_TURNS), MAX_TURNS);
		return;
	}
	turn = ir_block_new(b, "turn");
	l->next = ir_block_new(b, "next");
	l->done = ir_block_new(b, "done");
	ir_jmp(b, l->next);
	ir_at(b, l->next);
	ir_may_goto(b, l->done, turn);
	ir_at(b, turn);
}

static void loop_end(struct follow *f, struct builtin_loop *l)
{
	if (!kernel_has(gen_kernel(f->g), FEATURE_MAY_GOTO))
		builtin_loop_end(f->g, l);
	else
		ir_at(f->b, l->done);
}

void govalue_follow(struct gen *g, struct val rec, uint32_t size, struct gotypes *gt, uint32_t type,
		    uint32_t file)
{
	struct ir *b = gen_ir(g);
	struct builtin_loop loop;
	struct follow f = {.g = g, .b = b, .rec = rec, .size = size, .file = file};

	f.data = gotypes_data(gt);
	f.maps = gotype_leads_to_maps(gt, type);
	f.block = gen_input(g)->maps.own + gotypes_maps(gt)->block;
	f.addr = ir_cell_new(b, "addr", false);
	f.want = ir_cell_new(b, "want", false);
	f.type = ir_cell_new(b, "type", false);
	loop_begin(&f, &loop);
	f.next = loop.next;
	f.done = loop.done;
	take_chunk(&f);
	take_op(&f);
	take_slot(&f);
	add_chunk(&f);
	loop_end(&f, &loop);
}
