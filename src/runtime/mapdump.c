/* Maps as text and JSON; print(), clear(), zero(), and what is printed at the end of a run.
 *
 *   @x: 5                      {"type": "map", "data": {"@x": 5}}
 *   @b[1, x]: 2                {"type": "map", "data": {"@b": {"1,x": 2, "2,y": 3}}}
 *   @h[1]:                     {"type": "hist", "data": {"@h": {"1": [{"min": …}]}}}
 *   [2, 4)    1 |@@@|
 *                              (multi-line values end in an empty line)
 *
 * print(@b, top, div): only the `top` last rows of the order, values divided by `div`. What print()
 * can be told besides is in struct print_opts.
 */
#include <stdlib.h>
#include <string.h>

#include "runtime/mapread.h"

/* ---- pieces
 * --------------------------------------------------------------------------------------- */

static void divide(const struct type *t, const uint8_t *v, int64_t div, uint64_t *out,
		   bool *is_signed)
{
	value_int(t, v, out, is_signed);
	if (*is_signed)
		*out = div == -1 ? 0 - *out : (uint64_t)((int64_t)*out / div);
	else
		*out /= (uint64_t)div;
}

static void add_int(struct run *r, uint64_t x, bool is_signed, struct buf *out)
{
	if (r->host.render.json && is_signed)
		buf_add_json_i64(out, (int64_t)x);
	else if (r->host.render.json)
		buf_add_json_u64(out, x);
	else if (is_signed)
		buf_addi64(out, (int64_t)x);
	else
		buf_addu64(out, x);
}

void map_add_value(struct run *r, const struct type *t, const uint8_t *v, int64_t div,
		   struct buf *out)
{
	struct render *rd = &r->host.render;
	bool is_signed;
	uint64_t x;

	if (t->kind == TYPE_AGG && rd->json) {
		t->agg.agg->json(rd, t, v, div, out);
	} else if (t->kind == TYPE_AGG) {
		t->agg.agg->text(rd, t, v, div, out);
	} else if (t->kind == TYPE_INT && div != 1) {
		divide(t, v, div, &x, &is_signed);
		add_int(r, x, is_signed, out);
	} else {
		render_value(rd, t, v, out);
	}
}

/* The outer parentheses of a tuple are left out: @b[1, x]. */
static void add_key(struct run *r, const struct program_map *m, const uint8_t *key, bool json,
		    struct buf *out)
{
	struct text_opts o = {.raw = json || (r->o.out && r->o.out->raw), .compact = json};
	struct buf b = BUF_INIT;
	struct str s;

	render_text(&r->host.render, o, m->key, key, &b);
	s = (struct str){buf_cstr(&b), b.n};
	if (m->key->kind == TYPE_TUPLE && s.n >= 2)
		s = (struct str){s.p + 1, s.n - 2};
	if (json)
		buf_add_json_str(out, s);
	else
		buf_addstr(out, s);
	buf_release(&b);
}

static bool is_multi_line(const struct type *t)
{
	return t->kind == TYPE_AGG && t->agg.agg->multi_line;
}

/* ": value\n", or ":\nvalue\n\n" for values of several lines. */
static void add_text_value(struct run *r, const struct type *t, const uint8_t *v, int64_t div,
			   struct buf *out)
{
	bool multi = is_multi_line(t);

	buf_adds(out, multi ? ":\n" : ": ");
	map_add_value(r, t, v, div, out);
	if (multi && out->n && out->p[out->n - 1] != '\n')
		buf_addc(out, '\n');
	buf_addc(out, '\n');
}

/* ---- percentiles of histograms
 * ------------------------------------------------------------------------ */

bool map_has_percentiles(const struct program_map *m, const struct print_opts *o)
{
	return o->npercentiles && m->value->kind == TYPE_AGG && m->value->agg.agg->percentile;
}

static bool percentile(const struct program_map *m, const uint8_t *v, unsigned p, int64_t *out)
{
	return m->value->agg.agg->percentile(m->value, v, p, out);
}

/* Behind the buckets, in place of the empty line: p50 <= 7, p99 <= 1023. */
static void percentiles_text(const struct program_map *m, const uint8_t *v,
			     const struct print_opts *o, struct buf *out)
{
	int64_t at;

	out->n--;
	for (uint32_t i = 0; i < o->npercentiles; i++) {
		buf_printf(out, "%sp%u ", i ? ", " : "", o->percentiles[i]);
		if (percentile(m, v, o->percentiles[i], &at))
			buf_printf(out, "<= %" PRId64, at);
		else
			buf_adds(out, "beyond the last bucket");
	}
	buf_adds(out, "\n\n");
}

void map_add_percentiles(const struct program_map *m, const uint8_t *v, const struct print_opts *o,
			 struct buf *out)
{
	int64_t at;

	buf_addc(out, '{');
	for (uint32_t i = 0; i < o->npercentiles; i++) {
		buf_printf(out, "%s\"p%u\": ", i ? ", " : "", o->percentiles[i]);
		if (percentile(m, v, o->percentiles[i], &at))
			buf_add_json_i64(out, at);
		else
			buf_adds(out, "null");
	}
	buf_addc(out, '}');
}

/* {"type": "percentiles", "data": {"@h": {"p50": 7}}}, or with keys {"@h": {"1": {"p50": 7}}} */
static void percentiles_json(struct run *r, const struct program_map *m,
			     const struct map_rows *rows, const struct print_opts *o,
			     struct buf *out)
{
	buf_adds(out, "{\"type\": \"percentiles\", \"data\": {");
	buf_add_json_str(out, str_of(m->name));
	buf_adds(out, m->scalar ? ": " : ": {");
	for (size_t i = 0; i < rows->n; i++) {
		size_t row = rows->order[i];

		buf_adds(out, i ? ", " : "");
		if (!m->scalar) {
			add_key(r, m, map_row_key(rows, row), true, out);
			buf_adds(out, ": ");
		}
		map_add_percentiles(m, map_row_value(rows, row), o, out);
	}
	buf_adds(out, m->scalar ? "}}\n" : "}}}\n");
}

static void dump_text(struct run *r, const struct program_map *m, const struct map_rows *rows,
		      const struct print_opts *o, struct buf *out)
{
	for (size_t i = 0; i < rows->n; i++) {
		size_t row = rows->order[i];

		buf_adds(out, m->name);
		if (!m->scalar) {
			buf_addc(out, '[');
			add_key(r, m, map_row_key(rows, row), false, out);
			buf_addc(out, ']');
		}
		add_text_value(r, m->value, map_row_value(rows, row), o->div ? o->div : 1, out);
		if (map_has_percentiles(m, o))
			percentiles_text(m, map_row_value(rows, row), o, out);
	}
}

static const char *json_type(const struct type *t)
{
	return t->kind == TYPE_AGG && t->agg.agg->json_type ? t->agg.agg->json_type : "map";
}

static void dump_json(struct run *r, const struct program_map *m, const struct map_rows *rows,
		      size_t from, int64_t div, struct buf *out)
{
	buf_printf(out, "{\"type\": \"%s\", \"data\": {", json_type(m->value));
	buf_add_json_str(out, str_of(m->name));
	buf_adds(out, m->scalar ? ": " : ": {");
	for (size_t i = from; i < rows->n; i++) {
		size_t row = rows->order[i];

		if (i > from)
			buf_adds(out, ", ");
		if (!m->scalar) {
			add_key(r, m, map_row_key(rows, row), true, out);
			buf_adds(out, ": ");
		}
		map_add_value(r, m->value, map_row_value(rows, row), div, out);
	}
	buf_adds(out, m->scalar ? "}}\n" : "}}}\n");
}

/* ---- print()
 * ---------------------------------------------------------------------------------------- */

/* What the map shows: its contents, less what was cleared. `print`: a clear() that follows removes
 * these values. */
static int read_shown(struct run *r, uint32_t map, const struct print_opts *o,
		      struct map_rows *rows, bool print)
{
	const struct program_map *m = &r->p->maps[map];
	int ret = map_rows_fetch(m, r->map_fds[map], rows);

	if (r->cleared[map] && m->subtract) {
		if (print)
			baseline_printed(&r->baselines[map], rows);
		baseline_apply(&r->baselines[map], m, rows);
	}
	map_rows_sort(r->p->types, m, rows, o);
	return ret;
}

/* The greatest ones remain: the last, or the first of an order turned round. */
static void cut_rows(struct map_rows *rows, const struct print_opts *o)
{
	size_t n = o->top > 0 && (uint64_t)o->top < rows->n ? (size_t)o->top : rows->n;

	if (!o->desc)
		memmove(rows->order, rows->order + rows->n - n, n * sizeof(*rows->order));
	rows->n = n;
}

/* A scalar that nothing was ever written to is not there. */
static bool is_absent(const struct run *r, uint32_t map, const struct map_rows *rows)
{
	const struct program_map *m = &r->p->maps[map];

	if (rows->n == 0)
		return true;
	if (r->zeroed[map] && (!m->subtract || baseline_keeps(&r->baselines[map])))
		return false;
	return m->scalar && m->value->kind == TYPE_AGG && m->value->agg.agg->empty &&
	       m->value->agg.agg->empty(m->value, rows->values);
}

static void deliver(struct run *r, const char *type, struct buf *b)
{
	event_deliver(r, type, (struct str){b->p, b->n});
}

void map_print(struct run *r, uint32_t map, const struct print_opts *o)
{
	static const struct print_opts usual = {.div = 1};
	const struct program_map *m = &r->p->maps[map];
	struct map_rows rows;
	struct buf b = BUF_INIT;

	if (read_shown(r, map, o ? o : &usual, &rows, true) == 0 && !is_absent(r, map, &rows)) {
		o = o ? o : &usual;
		cut_rows(&rows, o);
		if (profile_takes(r, map))
			profile_take(r, map, &rows, o->div);
		else if (run_ndjson(r))
			ndjson_map(r, m, &rows, o, &b);
		else if (o->format && !run_json(r))
			map_rows_format(r, m, &rows, o, &b);
		else if (run_json(r))
			dump_json(r, m, &rows, 0, o->div ? o->div : 1, &b);
		else
			dump_text(r, m, &rows, o, &b);
		if (!profile_takes(r, map))
			deliver(r, run_ndjson(r) ? "map" : json_type(m->value), &b);
		if (run_json(r) && !run_ndjson(r) && map_has_percentiles(m, o)) {
			b.n = 0;
			percentiles_json(r, m, &rows, o, &b);
			deliver(r, "percentiles", &b);
		}
	}
	map_rows_release(&rows);
	buf_release(&b);
}

static int compare_names(const void *a, const void *b, void *arg)
{
	const struct program_map *maps = arg;

	return strcmp(maps[*(const uint32_t *)a].name, maps[*(const uint32_t *)b].name);
}

void map_print_all(struct run *r)
{
	uint32_t *order = arena_array_of(r->arena, uint32_t, r->p->nmaps + 1), n = 0;

	for (uint32_t i = 0; i < r->p->nmaps; i++)
		if (r->p->maps[i].user)
			order[n++] = i;
	qsort_r(order, n, sizeof(order[0]), compare_names, r->p->maps);
	for (uint32_t i = 0; i < n; i++)
		map_print(r, order[i], NULL);
}

/* ---- clear() and zero()
 * -------------------------------------------------------------------------- */

/* Zero bytes for one key: one value, or one for each possible CPU. */
static void *zero_value(const struct program_map *m, size_t *size)
{
	*size = m->percpu ? (size_t)ALIGN_UP(m->spec.value_size, 8) * (size_t)cpu_possible()
			  : m->spec.value_size;
	return calloc(1, *size);
}

static int clear_scalar(const struct program_map *m, int fd, bool keep)
{
	static const uint32_t zero;
	size_t size;
	uint8_t *v = zero_value(m, &size);
	const uint64_t one = 1;
	int ret;

	if (!v)
		return -1;
	if (keep && !m->percpu && m->set_off && m->set_off + 8 <= size)
		memcpy(v + m->set_off, &one, 8);
	ret = bpf_map_set(fd, &zero, v, 0);
	free(v);
	return ret;
}

int map_clear(struct run *r, uint32_t map, bool keep_keys, bool printed)
{
	const struct program_map *m = &r->p->maps[map];
	int fd = r->map_fds[map], ret;
	struct map_rows rows;
	size_t size;
	void *zero;

	r->zeroed[map] = keep_keys;
	if (m->subtract && r->cleared[map])
		return baseline_clear(&r->baselines[map], m, fd, keep_keys, printed);
	if (m->scalar)
		return clear_scalar(m, fd, keep_keys);
	ret = map_rows_read(r->p->types, m, fd, &rows);
	zero = zero_value(m, &size);
	for (size_t i = 0; i < rows.n && zero; i++) {
		if (keep_keys)
			bpf_map_set(fd, map_row_key(&rows, i), zero, BPF_EXIST);
		else
			bpf_map_del(fd, map_row_key(&rows, i));
	}
	free(zero);
	map_rows_release(&rows);
	return ret;
}

/* ---- for library users
 * ------------------------------------------------------------------------------ */

static const struct program_map *find_map(struct run *r, const char *name, uint32_t *index)
{
	for (uint32_t i = 0; i < r->p->nmaps; i++) {
		const char *n = r->p->maps[i].name;

		if (r->p->maps[i].user &&
		    (strcmp(n, name) == 0 || (n[0] == '@' && strcmp(n + 1, name) == 0))) {
			*index = i;
			return &r->p->maps[i];
		}
	}
	return NULL;
}

static int visit_row(struct run *r, const struct program_map *m, const struct map_rows *rows,
		     size_t row, run_map_fn fn, void *arg)
{
	struct buf key = BUF_INIT, value = BUF_INIT;
	int ret;

	if (!m->scalar)
		add_key(r, m, map_row_key(rows, row), false, &key);
	map_add_value(r, m->value, map_row_value(rows, row), 1, &value);
	ret = fn(arg, buf_cstr(&key), buf_cstr(&value), m->scalar ? NULL : map_row_key(rows, row),
		 m->scalar ? 0 : rows->ksize, map_row_value(rows, row), m->spec.value_size);
	buf_release(&key);
	buf_release(&value);
	return ret;
}

int run_map_each(struct run *r, const char *name, run_map_fn fn, void *arg, struct err *e)
{
	const struct program_map *m;
	struct map_rows rows;
	uint32_t map;
	int ret;

	m = find_map(r, name, &map);
	if (!m)
		return err_plain(e, 2, "read map %s: the script has no such map", name);
	ret = read_shown(r, map, NULL, &rows, false);
	if (ret < 0)
		err_set(e, -ret, "read map %s", name);
	for (size_t i = 0; i < rows.n && ret == 0; i++)
		ret = visit_row(r, m, &rows, rows.order[i], fn, arg);
	map_rows_release(&rows);
	return ret;
}
