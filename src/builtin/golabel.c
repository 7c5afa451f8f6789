/* golabel("key"): what pprof.Do and pprof.SetGoroutineLabels have set for the running goroutine.
 *
 * g.labels leads to what never changes once it is there. From Go 1.24 on, a slice:
 *
 *   labels ──► │ list │ n │ cap │
 *                 └──► │ key, n │ value, n │ key, n │ value, n │ …           32 bytes each
 *
 * Up to Go 1.23, a pointer to a map:
 *
 *   labels ──► │ map │
 *                 └──► │ count │ flags B │ … │ buckets │ old │
 *                                                 │       └──► half as many, while the map grows
 *                                                 └──► │ bucket │ bucket │ …           2^B of them
 *
 *   bucket   │ top[8] │ key, n │ × 8 │ value, n │ × 8 │ over │──► one more
 *
 * The map's hash has a seed and is not computed here: its slots are looked at one after the other,
 * those in use until all `count` were seen. A slot whose top is less than 5 is free, or has moved
 * out of an old bucket. Memory that the program never wrote to may not be there, and a bucket that
 * cannot be read is an empty one then: whether it was is known when all labels were seen. Keys of
 * another length than the wanted one are not read. */
#include <linux/bpf.h>
#include "builtin/builtin_priv.h"
#include "sema/provider.h"

enum {
	LABELS_MAX = 64,  /* of a list */
	BUCKETS_MAX = 32, /* of a map: those of 64 labels, and the old ones, are fewer */
};

/* A string of Go, a label of a list, a slice. */
enum { STR_LEN = 8, STR_SIZE = 16, LABEL_SIZE = 32, SLICE_LEN = 8 };
/* runtime.hmap */
enum { MAP_COUNT = 0, MAP_FLAGS = 8, MAP_LOG2 = 9, MAP_BUCKETS = 16, MAP_OLD = 24, MAP_READ = 32 };
/* of its flags: there are as many old buckets, not half as many */
enum { MAP_SAME_SIZE_BIT = 3, MAP_SAME_SIZE = 1 << MAP_SAME_SIZE_BIT };
/* runtime.bmap */
enum { SLOTS = 8, IN_USE = 5, KEYS = 8, VALUES = 136, OVER = 264, BUCKET_SIZE = 272 };

struct find {
	struct gen *g;
	struct ir *b;
	struct str key;
	struct val head;         /* what was read last: a key's string, behind it the value's */
	struct val text;         /* the bytes of a key as long as the wanted one */
	struct ir_block *found;  /* head has the label */
	struct ir_block *none;   /* there is no such label */
	struct ir_block *unread; /* memory could not be read */
	struct ir_block *many;   /* there are more than are looked at, and it was not found */
};

static ir_val at(struct find *f, ir_val base, int64_t off)
{
	return ir_bini(f->b, IR_ADD, base, off);
}

/* Goes on where a helper could read; a fault is counted and leaves to `unread`. */
static void require_read(struct find *f, ir_val failed, const char *helper, ir_val r)
{
	struct ir *b = f->b;
	struct ir_block *fault = ir_block_new(b, "fault"), *ok = ir_block_new(b, NULL);

	ir_br(b, failed, fault, ok, IR_LIKELY_NO);
	ir_at(b, fault);
	gen_lost(f->g, LOST_FAULT);
	gen_warn(f->g, helper, r);
	ir_jmp(b, f->unread);
	ir_at(b, ok);
}

static void read_to(struct find *f, ir_val dst, uint32_t n, ir_val addr)
{
	ir_val r = IR_CALL(f->b, BPF_FUNC_probe_read_user, dst, ir_const(f->b, n), addr);

	require_read(f, r, "probe_read_user", r);
}

static void read_head(struct find *f, int32_t off, uint32_t n, ir_val addr)
{
	read_to(f, builtin_addr(f->g, f->head, off), n, addr);
}

static ir_val head_word(struct find *f, int32_t off)
{
	return ir_load(f->b, 8, f->head.v, f->head.off + off, IR_MEM_NONE);
}

static ir_val read_word(struct find *f, ir_val addr)
{
	read_head(f, 0, 8, addr);
	return head_word(f, 0);
}

/* Goes on where `cond` holds, and to `no` otherwise. */
static void require(struct find *f, ir_val cond, struct ir_block *no, enum ir_hint hint)
{
	struct ir_block *yes = ir_block_new(f->b, NULL);

	ir_br(f->b, cond, yes, no, hint);
	ir_at(f->b, yes);
}

/* Goes on where the string in `head` is the key. */
static void require_key(struct find *f, struct ir_block *differ)
{
	struct ir *b = f->b;
	uint32_t n = (uint32_t)f->key.n;

	require(f, ir_bini(b, IR_EQ, head_word(f, STR_LEN), n), differ, IR_LIKELY_EVEN);
	if (!n)
		return;
	read_to(f, builtin_addr(f->g, f->text, 0), n, head_word(f, 0));
	builtin_match_literal(f->g, f->text.v, f->text.off, f->key.p, n, true, differ);
}

/* ---- a list ------------------------------------------------------------------------------ */

static void find_in_list(struct find *f, ir_val labels)
{
	struct ir *b = f->b;
	struct builtin_loop l;
	ir_val list, n, i;

	read_head(f, 0, STR_SIZE, labels);
	list = head_word(f, 0);
	n = head_word(f, SLICE_LEN);
	i = builtin_loop_begin(f->g, &l, n, LABELS_MAX);
	read_head(f, 0, LABEL_SIZE, ir_bin(b, IR_ADD, list, ir_bini(b, IR_MUL, i, LABEL_SIZE)));
	require_key(f, l.next);
	ir_jmp(b, f->found);
	builtin_loop_end(f->g, &l);
	ir_br(b, ir_bini(b, IR_UGT, n, LABELS_MAX), f->many, f->none, IR_LIKELY_NO);
}

/* ---- a map ------------------------------------------------------------------------------- */

/* Where the walk is. The verifier shall find all turns alike: a number of which it would know more
 * in one turn than in another has a zero added that it does not know. */
struct walk {
	ir_val zero;
	ir_cell unseen;       /* labels that were not looked at yet */
	ir_cell over;         /* the next bucket of a chain; 0: it is the one of the array */
	ir_cell next;         /* that is here, */
	ir_cell ahead;        /* so many, */
	ir_cell old;          /* then come these, 0: none, */
	ir_val nold;          /* so many */
	ir_cell holes;        /* reads that failed, of what may be empty */
	struct ir_block *end; /* no bucket is left, and labels are unseen */
};

static void walk_set(struct find *f, struct walk *w, ir_cell c, ir_val v)
{
	ir_set(f->b, c, ir_bin(f->b, IR_ADD, v, w->zero));
}

static ir_cell cell_of(struct find *f, const char *name, ir_val v)
{
	ir_cell c = ir_cell_new(f->b, name, false);

	ir_set(f->b, c, v);
	return c;
}

/* The map's head is in `head`. */
static void walk_begin(struct find *f, struct walk *w)
{
	struct ir *b = f->b;
	ir_val flags = ir_load(b, 1, f->head.v, f->head.off + MAP_FLAGS, IR_MEM_NONE);
	ir_val log2 = ir_load(b, 1, f->head.v, f->head.off + MAP_LOG2, IR_MEM_NONE);
	ir_val n = ir_bin(b, IR_SHL, ir_const(b, 1), ir_bini(b, IR_AND, log2, 63));
	ir_val half = ir_bini(b, IR_XOR, ir_bini(b, IR_AND, flags, MAP_SAME_SIZE), MAP_SAME_SIZE);

	w->zero = gen_unknown_zero(f->g);
	w->nold = ir_bin(b, IR_LSHR, n, ir_bini(b, IR_LSHR, half, MAP_SAME_SIZE_BIT));
	w->unseen = cell_of(f, "unseen", head_word(f, MAP_COUNT));
	w->over = cell_of(f, "over", w->zero);
	w->next = cell_of(f, "next", head_word(f, MAP_BUCKETS));
	w->ahead = cell_of(f, "ahead", ir_bin(b, IR_ADD, n, w->zero));
	w->old = cell_of(f, "old", head_word(f, MAP_OLD));
	w->holes = cell_of(f, "holes", w->zero);
	w->end = ir_block_new(b, "end");
}

/* Of a bucket. A helper that fails leaves zeroes: what empty ones have. */
static ir_val walk_word(struct find *f, struct walk *w, ir_val addr)
{
	struct ir *b = f->b;
	ir_val r = IR_CALL(b, BPF_FUNC_probe_read_user, builtin_addr(f->g, f->head, 0),
			   ir_const(b, 8), addr);

	ir_set(b, w->holes, ir_bin(b, IR_OR, ir_get(b, w->holes), r));
	return head_word(f, 0);
}

/* Labels are unseen: there were more buckets, or one of them could not be read. */
static void walk_end(struct find *f, struct walk *w)
{
	struct ir *b = f->b;
	struct ir_block *fault = ir_block_new(b, "fault");

	ir_at(b, w->end);
	ir_br(b, ir_get(b, w->holes), fault, f->many, IR_LIKELY_NO);
	ir_at(b, fault);
	gen_lost(f->g, LOST_FAULT);
	ir_jmp(b, f->unread);
}

/* The array is at its end: on with the old one. */
static void walk_old(struct find *f, struct walk *w)
{
	struct ir *b = f->b;

	require(f, ir_get(b, w->old), w->end, IR_LIKELY_YES);
	ir_set(b, w->next, ir_get(b, w->old));
	ir_set(b, w->ahead, w->nold);
	ir_set(b, w->old, w->zero);
}

/* The bucket whose turn it is. */
static ir_val walk_bucket(struct find *f, struct walk *w)
{
	struct ir *b = f->b;
	struct ir_block *array = ir_block_new(b, NULL), *end = ir_block_new(b, NULL);
	struct ir_block *more = ir_block_new(b, NULL), *done = ir_block_new(b, NULL);
	ir_cell bucket = ir_cell_new(b, "bucket", false);

	ir_set(b, bucket, ir_get(b, w->over));
	ir_br(b, ir_get(b, w->over), done, array, IR_LIKELY_NO);
	ir_at(b, array);
	ir_br(b, ir_get(b, w->ahead), more, end, IR_LIKELY_YES);
	ir_at(b, end);
	walk_old(f, w);
	ir_jmp(b, more);
	ir_at(b, more);
	ir_set(b, bucket, ir_get(b, w->next));
	walk_set(f, w, w->next, at(f, ir_get(b, w->next), BUCKET_SIZE));
	ir_set(b, w->ahead, at(f, ir_get(b, w->ahead), -1));
	ir_jmp(b, done);
	ir_at(b, done);
	return ir_get(b, bucket);
}

/* Slot `i`: goes on behind it when the key is another one. */
static void walk_slot(struct find *f, struct walk *w, ir_val bucket, ir_val i,
		      struct ir_block *next)
{
	struct ir *b = f->b;
	struct ir_block *differ = ir_block_new(b, "differ");
	ir_val slot = ir_bin(b, IR_ADD, bucket, ir_bini(b, IR_MUL, i, STR_SIZE)), left;

	read_head(f, 0, STR_SIZE, at(f, slot, KEYS));
	require_key(f, differ);
	read_head(f, STR_SIZE, STR_SIZE, at(f, slot, VALUES));
	ir_jmp(b, f->found);
	ir_at(b, differ);
	left = at(f, ir_get(b, w->unseen), -1);
	walk_set(f, w, w->unseen, left);
	ir_br(b, left, next, f->none, IR_LIKELY_YES);
}

static void walk_slots(struct find *f, struct walk *w, ir_val bucket)
{
	struct ir *b = f->b;
	ir_cell tops = cell_of(f, "tops", walk_word(f, w, bucket));
	struct builtin_loop l;
	ir_val i, top;

	i = builtin_loop_begin(f->g, &l, ir_const(b, SLOTS), SLOTS);
	top = ir_bini(b, IR_AND, ir_get(b, tops), 0xff);
	ir_set(b, tops, ir_bini(b, IR_LSHR, ir_get(b, tops), 8));
	require(f, ir_bini(b, IR_UGE, top, IN_USE), l.next, IR_LIKELY_EVEN);
	walk_slot(f, w, bucket, i, l.next);
	builtin_loop_end(f->g, &l);
}

static void find_in_map(struct find *f, ir_val labels)
{
	struct ir *b = f->b;
	struct builtin_loop l;
	struct walk w;
	ir_val map = read_word(f, labels), bucket;

	require(f, map, f->none, IR_LIKELY_YES);
	read_head(f, 0, MAP_READ, map);
	require(f, head_word(f, MAP_COUNT), f->none, IR_LIKELY_YES);
	walk_begin(f, &w);
	builtin_long_loop_begin(f->g, &l, BUCKETS_MAX, f->many);
	bucket = walk_bucket(f, &w);
	walk_slots(f, &w, bucket);
	ir_set(b, w.over, walk_word(f, &w, at(f, bucket, OVER)));
	builtin_loop_end(f->g, &l);
	ir_jmp(b, w.end);
	walk_end(f, &w);
}

/* ---- the value --------------------------------------------------------------------------- */

/* Its string is behind the key's in `head`. It has no NUL. */
static void take_value(struct find *f, struct val dst, struct ir_block *done)
{
	struct ir *b = f->b;
	ir_val n = head_word(f, STR_SIZE + STR_LEN), r;

	require(f, n, f->none, IR_LIKELY_YES);
	n = ir_bini(b, IR_ADD, ir_bound(b, n, dst.type->size - 1), 1);
	r = IR_CALL(b, BPF_FUNC_probe_read_user_str, builtin_addr(f->g, dst, 0), n,
		    head_word(f, STR_SIZE));
	require_read(f, ir_bini(b, IR_SLT, r, 0), "probe_read_user_str", r);
	ir_jmp(b, done);
}

static void put_text_at(struct find *f, struct ir_block *at, struct val dst, const char *text,
			struct ir_block *done)
{
	ir_at(f->b, at);
	builtin_put_text(f->g, dst, text);
	ir_jmp(f->b, done);
}

static struct val lower_golabel(struct gen *g, struct expr *e, struct val want)
{
	struct probe *p = gen_probe_of(g);
	struct str *key = ((struct call_sem *)e->sem)->data;
	struct ir *b = gen_ir(g);
	struct ir_block *done = ir_block_new(b, NULL);
	struct val dst = builtin_place(g, e, want);
	struct find f = {.g = g,
			 .b = b,
			 .key = *key,
			 .head = gen_temp_bytes(g, LABEL_SIZE, 8, false),
			 .text = gen_temp_bytes(g, MAX((uint32_t)key->n, 1u), 8, false),
			 .found = ir_block_new(b, "found"),
			 .none = ir_block_new(b, "none"),
			 .unread = ir_block_new(b, "unread"),
			 .many = ir_block_new(b, "many")};
	enum go_labels how;
	ir_val labels = p->prov->go_labels(g, p, &how);

	require(&f, labels, f.none, IR_LIKELY_YES);
	if (how == GO_LABELS_LIST)
		find_in_list(&f, labels);
	else
		find_in_map(&f, labels);
	ir_at(b, f.found);
	take_value(&f, dst, done);
	put_text_at(&f, f.none, dst, "", done);
	put_text_at(&f, f.many, dst, "(too many labels)", done);
	ir_at(b, f.unread);
	builtin_put_unreadable(g, dst);
	ir_jmp(b, done);
	ir_at(b, done);
	return dst;
}

/* ---- the row ----------------------------------------------------------------------------- */

/* Keys that are longer are none that anybody writes, and would be instructions without end. */
#define KEY_MAX 256

static void check_golabel(struct sema *s, struct expr *e)
{
	struct probe *p = sema_probe(s);
	struct diag_msg *m;
	struct str key;

	e->type = type_string(sema_types(s), (uint32_t)MAX(sema_config(s)->max_strlen, 1));
	if (p && !p->prov->go_labels) {
		m = sema_report(s, E_PROBE_LIMIT, e->span,
				"golabel() is not available in %s probes", p->prov->name);
		diag_label(m, p->ap->span, "in this probe");
		diag_help(m, "goroutines are there in go and goret probes: go:FILE:\"main.f\"");
		return;
	}
	if (!sema_literal_str(s, e, 0, &key))
		return;
	if (key.n > KEY_MAX)
		sema_report(s, E_RANGE, builtin_arg(e, 0)->span,
			    "golabel() takes a key of at most %d bytes, this has %zu", KEY_MAX,
			    key.n);
	sema_call(s, e)->data = arena_new_of(sema_arena(s), struct str);
	*(struct str *)sema_call(s, e)->data = key;
}

const struct builtin builtins_golabel[] = {
	{
		.name = "golabel",
		.proto = "string golabel(const string key)",
		.doc = "The value of a label of the running goroutine, in go and goret probes.\n\n"
		       "Labels are those of pprof.Do() and pprof.SetGoroutineLabels() of "
		       "runtime/pprof; goroutines inherit\n"
		       "them. The value is empty when there is no such label, and on a system "
		       "stack that works for no\n"
		       "goroutine. Of more than 64 labels some may not be looked at: when the "
		       "label is not among the others,\n"
		       "the value is \"(too many labels)\". Where memory cannot be read it is "
		       "that of str().\n\n"
		       "    go:./server:\"main.handle\" { @[golabel(\"route\")] = count(); }\n",
		.examples = EXAMPLES(NULL),
		.flags = BI_EFFECT,
		.min_args = 1,
		.max_args = 1,
		.uses = USES_GOID,
		.check = check_golabel,
		.lower = lower_golabel,
	},
	BUILTIN_END,
};
