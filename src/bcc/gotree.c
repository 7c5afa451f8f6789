/* Calls of goroutines as trees.
 *
 *   goroutine 18
 *         0.001234     2.104 ms  main.handle(path=/x) = 200
 *         0.001301     1.950 ms    main.(*Store).Load(id=7) = (row, nil)
 *                                  (3 calls below 1ms)
 *
 * Each goroutine has a chain of open calls, the innermost first. An entry or a return at some depth
 * of the stack tells that what is further in is over: what has not returned by then was left by a
 * panic or Goexit. A return whose entry was lost makes up its call. What the runtime does on a
 * thread's own stack for a goroutine is a chain for itself.
 *
 * A tree is printed when its outermost call returns. A call that stays open (a server's loop) would
 * hold back all that it calls: after HOLD its line is printed as "running", and the calls in it are
 * printed when they return. Calls that are shorter than the limit are forgotten when they return,
 * so that what is kept is what will be printed. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "base/buf.h"
#include "bcc/gotree.h"

#define HOLD      UINT64_C(1000000000)
#define MOST_KEPT 100000 /* calls of a goroutine; then the outermost are shown as running */
#define BUCKETS   4096
#define NOT_KNOWN UINT64_MAX

struct call {
	uint32_t fn;
	bool shown;   /* as running */
	bool unwound; /* did not return */
	uint64_t start, depth, elapsed, hidden;
	struct str args, results;
	struct call *parent, *next; /* of its siblings, in the order of their returns */
	struct call *first, *last;
};

struct goroutine {
	uint64_t id;
	bool system; /* what is done for it on a thread's stack */
	size_t kept;
	struct call *top; /* the innermost open call */
	struct goroutine *next;
};

struct gotree {
	struct gotree_opts o;
	struct goroutine *buckets[BUCKETS];
	uint64_t zero, printed; /* the first time; the goroutine whose lines were printed last */
	uint64_t now;
	bool printed_system;
	struct buf out;
};

static void *allocate(size_t n)
{
	void *p = calloc(1, n);

	if (!p)
		abort();
	return p;
}

static struct str keep(struct str s)
{
	char *p = s.n ? allocate(s.n) : NULL;

	if (s.n)
		memcpy(p, s.p, s.n);
	return (struct str){p, s.n};
}

struct gotree *gotree_new(const struct gotree_opts *o)
{
	struct gotree *t = allocate(sizeof(*t));

	t->o = *o;
	t->zero = t->printed = NOT_KNOWN;
	return t;
}

/* ---- goroutines ----------------------------------------------------------------------------- */

static bool is_system(const struct gotree_event *e)
{
	return e->depth & GOTREE_SYSTEM;
}

static struct goroutine **place_of(struct gotree *t, const struct gotree_event *e)
{
	struct goroutine **g = &t->buckets[e->goid % BUCKETS];

	while (*g && ((*g)->id != e->goid || (*g)->system != is_system(e)))
		g = &(*g)->next;
	return g;
}

static struct goroutine *goroutine_of(struct gotree *t, const struct gotree_event *e)
{
	struct goroutine **at = place_of(t, e);

	if (!*at) {
		*at = allocate(sizeof(**at));
		(*at)->id = e->goid;
		(*at)->system = is_system(e);
	}
	return *at;
}

/* Numbers are not used twice: one without open calls need not be known. */
static void forget_idle(struct gotree *t, const struct gotree_event *e)
{
	struct goroutine **at = place_of(t, e), *g = *at;

	if (!g || g->top)
		return;
	*at = g->next;
	free(g);
}

/* The calls below it are freed with it; walked without recursion, however deep they are. */
static size_t free_call(struct call *c)
{
	struct call *todo = c;
	size_t n = 0;

	c->next = NULL;
	while (todo) {
		struct call *gone = todo;

		if (gone->last) {
			gone->last->next = gone->next;
			gone->next = gone->first;
		}
		todo = gone->next;
		free((char *)gone->args.p);
		free((char *)gone->results.p);
		free(gone);
		n++;
	}
	return n;
}

/* ---- printing ------------------------------------------------------------------------------- */

static void put_elapsed(struct buf *b, uint64_t ns)
{
	if (ns < 1000000)
		buf_printf(b, "%9.3f us", (double)ns / 1e3);
	else if (ns < UINT64_C(1000000000))
		buf_printf(b, "%9.3f ms", (double)ns / 1e6);
	else
		buf_printf(b, "%9.3f s ", (double)ns / 1e9);
}

static void put_call(struct gotree *t, const struct call *c, unsigned depth, const char *state)
{
	struct buf *b = &t->out;

	buf_printf(b, "%12.6f ", (double)(c->start - MIN(c->start, t->zero)) / 1e9);
	if (state)
		buf_printf(b, "%12s", state);
	else
		put_elapsed(b, c->elapsed);
	buf_adds(b, "  ");
	buf_fill(b, ' ', (size_t)2 * depth);
	buf_adds(b, t->o.name(t->o.arg, c->fn));
	t->o.values(t->o.arg, c->fn, false, c->args, b);
	if (!c->unwound && (!state || c->results.n))
		t->o.values(t->o.arg, c->fn, true, c->results, b);
	buf_addc(b, '\n');
}

static void put_hidden(struct gotree *t, const struct call *c, unsigned depth)
{
	if (!c->hidden)
		return;
	buf_fill(&t->out, ' ', 27 + (size_t)2 * depth);
	buf_printf(&t->out, "(%" PRIu64 " call%s below %s)\n", c->hidden, c->hidden == 1 ? "" : "s",
		   t->o.least_text);
}

static bool is_shown_depth(const struct gotree *t, unsigned depth)
{
	return !t->o.depth || depth < t->o.depth;
}

/* The call behind `c` in the order of lines, NULL behind the last; `*d` is its depth. */
static const struct call *put_and_step(struct gotree *t, const struct call *c,
				       const struct call *root, unsigned *d)
{
	if (c->first) {
		++*d;
		return c->first;
	}
	for (;; c = c->parent, --*d) {
		if (is_shown_depth(t, *d + 1))
			put_hidden(t, c, *d + 1);
		if (c == root)
			return NULL;
		if (c->next)
			return c->next;
	}
}

static void put_tree(struct gotree *t, const struct call *root, unsigned depth)
{
	const struct call *c = root;

	while (c) {
		if (is_shown_depth(t, depth))
			put_call(t, c, depth, c->unwound ? "unwound" : NULL);
		c = put_and_step(t, c, root, &depth);
	}
}

static unsigned depth_of(const struct call *c)
{
	unsigned n = 0;

	while ((c = c->parent))
		n++;
	return n;
}

static void begin_lines(struct gotree *t, const struct goroutine *g)
{
	if (t->printed == g->id && t->printed_system == g->system)
		return;
	buf_printf(&t->out, "%sgoroutine %" PRIu64 "%s\n", t->printed == NOT_KNOWN ? "" : "\n",
		   g->id, g->system ? ", on a system stack" : "");
	t->printed = g->id;
	t->printed_system = g->system;
}

static void flush(struct gotree *t)
{
	if (t->out.n)
		t->o.write(t->o.arg, (struct str){t->out.p, t->out.n});
	buf_reset(&t->out);
}

/* What a call that stays open has kept so far. */
static void release_children(struct gotree *t, struct goroutine *g, struct call *c, unsigned depth)
{
	struct call *child = c->first;

	while (child) {
		struct call *next = child->next;

		put_tree(t, child, depth + 1);
		g->kept -= free_call(child);
		child = next;
	}
	c->first = c->last = NULL;
}

/* Shows the open calls from the outermost to `c` as running. */
static void show_chain(struct gotree *t, struct goroutine *g, struct call *c)
{
	unsigned n = 0, d = 0;
	struct call **v;

	for (struct call *i = c; i; i = i->parent)
		n++;
	v = allocate(n * sizeof(struct call *));
	for (struct call *i = c; i; i = i->parent)
		v[n - ++d] = i;
	for (unsigned i = 0; i < n; i++) {
		if (v[i]->shown)
			continue;
		v[i]->shown = true;
		if (is_shown_depth(t, i))
			put_call(t, v[i], i, "running");
		release_children(t, g, v[i], i);
	}
	free(v);
}

/* ---- calls ---------------------------------------------------------------------------------- */

static void advance(struct gotree *t, uint64_t at)
{
	if (t->zero == NOT_KNOWN)
		t->zero = at;
	t->now = MAX(t->now, at);
}

static struct call *call_new(const struct gotree_event *e, struct call *parent)
{
	struct call *c = allocate(sizeof(*c));

	c->fn = e->fn;
	c->start = e->at - MIN(e->at, e->elapsed);
	c->depth = e->depth;
	c->parent = parent;
	return c;
}

/* Has all that is around the call been open for so long that nothing waits for it? */
static bool is_held(const struct gotree *t, const struct goroutine *g, const struct call *c)
{
	for (c = c->parent; c; c = c->parent)
		if (!c->shown && t->now - MIN(c->start, t->now) < HOLD && g->kept < MOST_KEPT)
			return true;
	return false;
}

static void append(struct call *parent, struct call *c)
{
	if (parent->last)
		parent->last->next = c;
	else
		parent->first = c;
	parent->last = c;
}

static void print_now(struct gotree *t, struct goroutine *g, struct call *c)
{
	begin_lines(t, g);
	if (c->parent)
		show_chain(t, g, c->parent);
	if (c->shown && is_shown_depth(t, depth_of(c))) {
		put_hidden(t, c, depth_of(c) + 1);
		put_call(t, c, depth_of(c), c->unwound ? "unwound" : "returned");
	}
	if (!c->shown)
		put_tree(t, c, depth_of(c));
	g->kept -= free_call(c);
	flush(t);
}

/* The innermost open call is over. */
static void close_top(struct gotree *t, struct goroutine *g)
{
	struct call *c = g->top, *parent = c->parent;

	g->top = parent;
	if (c->elapsed < t->o.least && !c->shown) {
		if (parent)
			parent->hidden += 1 + c->hidden;
		g->kept -= free_call(c);
	} else if (is_held(t, g, c)) {
		append(parent, c);
	} else {
		print_now(t, g, c);
	}
}

/* Open calls from `depth` on are over. */
static void close_from(struct gotree *t, struct goroutine *g, uint64_t depth, uint64_t at)
{
	while (g->top && g->top->depth >= depth) {
		g->top->unwound = true;
		g->top->elapsed = at - MIN(at, g->top->start);
		close_top(t, g);
	}
}

void gotree_enter(struct gotree *t, const struct gotree_event *e)
{
	struct goroutine *g = goroutine_of(t, e);

	advance(t, e->at);
	close_from(t, g, e->depth, e->at);
	g->top = call_new(e, g->top);
	g->top->args = keep(e->text);
	g->kept++;
}

/* Its entry was lost: what came since, and has returned, stays where it is. */
static void make_up(struct goroutine *g, const struct gotree_event *e)
{
	g->top = call_new(e, g->top);
	g->kept++;
}

void gotree_return(struct gotree *t, const struct gotree_event *e)
{
	struct goroutine *g = goroutine_of(t, e);

	advance(t, e->at - MIN(e->at, e->elapsed));
	advance(t, e->at);
	close_from(t, g, e->depth + 1, e->at);
	if (!g->top || g->top->depth != e->depth || g->top->fn != e->fn)
		make_up(g, e);
	g->top->elapsed = e->elapsed;
	g->top->results = keep(e->text);
	close_top(t, g);
	forget_idle(t, e);
}

/* ---- the end -------------------------------------------------------------------------------- */

static void show_open(struct gotree *t, struct goroutine *g)
{
	struct call *c = g->top;

	while (c && t->now - MIN(c->start, t->now) < t->o.least)
		c = c->parent;
	if (c) {
		begin_lines(t, g);
		show_chain(t, g, c);
		flush(t);
	}
	while ((c = g->top)) {
		g->top = c->parent;
		free_call(c);
	}
}

void gotree_finish(struct gotree *t)
{
	for (size_t i = 0; i < BUCKETS; i++)
		for (struct goroutine *g = t->buckets[i], *next; g; g = next) {
			next = g->next;
			show_open(t, g);
			free(g);
		}
	buf_release(&t->out);
	free(t);
}
