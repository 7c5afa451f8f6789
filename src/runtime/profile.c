/* From maps to samples of a profile, and the document at the end; see profile.h.
 *
 * With -f folded, svg, speedscope, pprof or perfetto the output is one document, which has each map
 * keyed by a stack as it was printed last. Everything else that the script prints goes to standard
 * error. Example: @[comm, ustack]: 3 for `main` → `work` of demo becomes
 *
 *   demo;main;work 3
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/mapread.h"
#include "runtime/profile.h"

#define MAX_PATH 4096 /* frames of one path: the parts of a key, two stacks of 1024 */

/* ---- names and frames ----------------------------------------------------------------------- */

static const char *intern(struct profile *p, struct str s)
{
	const char *have = strmap_get(&p->names, s);

	if (have)
		return have;
	have = arena_strndup(p->arena, s.p, s.n);
	strmap_put(&p->names, (struct str){have, s.n}, (void *)have);
	return have;
}

static const char *intern_text(struct profile *p, const char *text)
{
	struct buf b = BUF_INIT;
	const char *name;

	buf_add_text(&b, str_of(text), false);
	for (size_t i = 0; i < b.n; i++)
		if (b.p[i] == '\n' || b.p[i] == '\t')
			b.p[i] = ' ';
	name = intern(p, (struct str){buf_cstr(&b), b.n});
	buf_release(&b);
	return name;
}

static uint32_t frame_index(struct profile *p, const struct profile_frame *f)
{
	struct buf key = BUF_INIT;
	uintptr_t have;

	buf_printf(&key, "%d %" PRIx64 " %p %p", (int)f->kind, f->addr, (const void *)f->name,
		   (const void *)f->module);
	have = (uintptr_t)strmap_get(&p->index, (struct str){key.p, key.n});
	if (!have) {
		vec_push(p->arena, &p->frames, *f);
		have = p->frames.n;
		strmap_put(&p->index, (struct str){arena_strndup(p->arena, key.p, key.n), key.n},
			   (void *)have);
	}
	buf_release(&key);
	return (uint32_t)have - 1;
}

/* ---- one key -------------------------------------------------------------------------------- */

struct path {
	struct run *run;
	struct profile *p;
	const struct type *type; /* of the stack */
	uint32_t frame[MAX_PATH], n, pid;
};

static void path_add(struct path *c, enum frame_kind kind, uint64_t addr, const char *name,
		     const char *module)
{
	struct profile_frame f = {kind, addr, intern_text(c->p, name[0] ? name : "(empty)"),
				  intern_text(c->p, module)};

	if (c->n < MAX_PATH)
		c->frame[c->n++] = frame_index(c->p, &f);
}

static const char *base_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

/* Of frames without a name the module is told, so that those of one library are one. */
static void take_frame(void *arg, const struct stack_frame *f)
{
	struct path *c = arg;
	enum frame_kind kind = c->type->stack.kind == STACK_KERNEL ? FRAME_KERNEL : FRAME_USER;
	const char *module = f->module ? f->module : "";
	struct buf b = BUF_INIT;

	if (f->sym)
		buf_adds(&b, f->sym);
	else if (f->addr && f->raw)
		buf_printf(&b, "0x%" PRIx64, f->addr);
	else if (module[0] == '[')
		buf_adds(&b, module);
	else
		buf_printf(&b, "[%s]", module[0] ? base_of(module) : "unknown");
	path_add(c, kind, f->addr, buf_cstr(&b), module);
	buf_release(&b);
}

/* The kernel's stack stands above the user's, whichever the key has first. */
static void add_stacks(struct path *c, const struct type *t, const uint8_t *key,
		       enum stack_kind kind)
{
	uint32_t n = t->kind == TYPE_STACK ? 1 : t->tuple.n;

	for (uint32_t i = 0; i < n; i++) {
		const struct type *part = t->kind == TYPE_STACK ? t : t->tuple.members[i].type;
		const uint8_t *at = t->kind == TYPE_STACK ? key : key + t->tuple.members[i].offset;
		uint32_t from = c->n, pid;

		if (part->kind != TYPE_STACK || part->stack.kind != kind)
			continue;
		c->type = part;
		pid = stack_each(&c->run->host.render, part, at, take_frame, c);
		c->pid = c->pid ? c->pid : pid;
		for (uint32_t a = from, z = c->n; a + 1 < z; a++) {
			uint32_t first = c->frame[a];

			c->frame[a] = c->frame[--z];
			c->frame[z] = first;
		}
	}
}

static void add_others(struct path *c, const struct type *t, const uint8_t *key)
{
	struct text_opts o = {.raw = true};
	struct buf b = BUF_INIT;

	for (uint32_t i = 0; t->kind != TYPE_STACK && i < t->tuple.n; i++) {
		if (t->tuple.members[i].type->kind == TYPE_STACK)
			continue;
		buf_reset(&b);
		render_text(&c->run->host.render, o, t->tuple.members[i].type,
			    key + t->tuple.members[i].offset, &b);
		path_add(c, FRAME_KEY, 0, buf_cstr(&b), "");
	}
	buf_release(&b);
}

/* ---- one map -------------------------------------------------------------------------------- */

bool profile_takes(const struct run *r, uint32_t map)
{
	const struct type *key = r->p->maps[map].scalar ? NULL : r->p->maps[map].key;

	if (!r->profile || !key || (key->kind != TYPE_STACK && key->kind != TYPE_TUPLE))
		return false;
	if (key->kind == TYPE_STACK)
		return true;
	for (uint32_t i = 0; i < key->tuple.n; i++)
		if (key->tuple.members[i].type->kind == TYPE_STACK)
			return true;
	return false;
}

static void forget(struct profile *p, uint32_t map)
{
	size_t n = 0;

	for (size_t i = 0; i < p->samples.n; i++)
		if (p->samples.v[i].map != map)
			p->samples.v[n++] = p->samples.v[i];
	p->samples.n = n;
	p->nshown -= p->maps[map] != NULL;
	p->maps[map] = NULL;
}

static void take_row(struct path *c, const struct program_map *m, uint32_t map, const uint8_t *key,
		     uint64_t value)
{
	struct profile_sample s = {.map = map, .value = value};

	c->n = c->pid = 0;
	add_others(c, m->key, key);
	add_stacks(c, m->key, key, STACK_USER);
	add_stacks(c, m->key, key, STACK_KERNEL);
	s.n = c->n;
	s.pid = c->pid;
	s.path = arena_array_of(c->p->arena, uint32_t, s.n + 1);
	memcpy(s.path, c->frame, s.n * sizeof(*s.path));
	vec_push(c->p->arena, &c->p->samples, s);
}

void profile_take(struct run *r, uint32_t map, const struct map_rows *rows, int64_t div)
{
	const struct program_map *m = &r->p->maps[map];
	struct profile *p = r->profile;
	struct path *c = arena_array_of(p->arena, struct path, 1);
	uint64_t value;
	bool is_signed;

	if (!value_has_number(m->value)) {
		run_message(r, RUN_WARN,
			    "%s is not in the profile: its values are no numbers; count(), sum(), "
			    "min(), max() and avg() are",
			    m->name);
		return;
	}
	forget(p, map);
	c->run = r;
	c->p = p;
	for (size_t i = 0; i < rows->n; i++) {
		const uint8_t *v = map_row_value(rows, rows->order[i]);

		if (!value_int(m->value, v, &value, &is_signed) ||
		    (is_signed && (int64_t)value < 0))
			continue;
		value /= (uint64_t)(div > 0 ? div : 1);
		if (value)
			take_row(c, m, map, map_row_key(rows, rows->order[i]), value);
	}
	p->maps[map] = m->name;
	p->nshown++;
}

/* ---- for the writers ------------------------------------------------------------------------ */

uint32_t profile_deepest(const struct profile *p)
{
	uint32_t most = 0;

	for (size_t i = 0; i < p->samples.n; i++)
		most = MAX(most, p->samples.v[i].n);
	return most + profile_rooted(p);
}

static int compare_samples(const void *x, const void *y, void *arg)
{
	const struct profile *p = arg;
	const struct profile_sample *a = x, *b = y;
	uint32_t n = MIN(a->n, b->n);
	int cmp;

	if (a->map != b->map)
		return a->map < b->map ? -1 : 1;
	for (uint32_t i = 0; i < n; i++) {
		if (a->path[i] == b->path[i])
			continue;
		cmp = strcmp(profile_frame(p, a, i)->name, profile_frame(p, b, i)->name);
		if (cmp)
			return cmp;
	}
	return (a->n > b->n) - (a->n < b->n);
}

/* ---- the document --------------------------------------------------------------------------- */

int profile_start(struct run *r)
{
	struct profile *p;

	if (!r->o.profile)
		return 0;
	p = arena_array_of(r->arena, struct profile, 1);
	p->arena = r->arena;
	strmap_init(&p->names, p->arena);
	strmap_init(&p->index, p->arena);
	p->nmaps = r->p->nmaps;
	p->maps = arena_array_of(p->arena, const char *, p->nmaps + 1);
	r->profile = p;
	r->document = r->o.out;
	if (r->o.out) {
		out_init(&r->aside, STDERR_FILENO, OUT_TEXT, OUT_LINE);
		r->o.out = &r->aside;
	}
	return 0;
}

static void write_as(enum run_profile form, struct profile *p, struct buf *b)
{
	switch (form) {
	case RUN_PROFILE_NONE:
		break;
	case RUN_PROFILE_FOLDED:
		profile_folded(p, b);
		break;
	case RUN_PROFILE_SVG:
		profile_svg(p, b);
		break;
	case RUN_PROFILE_SPEEDSCOPE:
		profile_speedscope(p, b);
		break;
	case RUN_PROFILE_PPROF:
		profile_pprof(p, b);
		break;
	case RUN_PROFILE_PERFETTO:
		profile_perfetto(p, b);
		break;
	}
}

int profile_finish(struct run *r, struct err *e)
{
	struct profile *p = r->profile;
	struct buf b = BUF_INIT;

	if (!p || r->o.dry_run)
		return 0;
	if (p->samples.n)
		qsort_r(p->samples.v, p->samples.n, sizeof(p->samples.v[0]), compare_samples, p);
	else
		run_message(r, RUN_WARN,
			    "the profile is empty: no map that is keyed by a stack was printed "
			    "with anything in it, as @[ustack] = count() is");
	write_as(r->o.profile, p, &b);
	if (r->o.record)
		r->o.record(r->o.arg, "profile", buf_cstr(&b), b.n);
	else if (r->document)
		out_str(r->document, (struct str){b.p, b.n});
	buf_release(&b);
	if (!r->document)
		return 0;
	out_flush(r->document);
	if (r->document->error && r->document->error != EPIPE)
		return err_set(e, r->document->error, "write the profile");
	return 0;
}

void profile_end(struct run *r)
{
	if (r->document)
		out_release(&r->aside);
}
