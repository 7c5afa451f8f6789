/* Maps as text and JSON; print(), clear(), zero(), and what is printed at the end of a run.
 *
 *   @x: 5                      {"type": "map", "data": {"@x": 5}}
 *   @b[1, x]: 2                {"type": "map", "data": {"@b": {"1,x": 2, "2,y": 3}}}
 *   @h[1]:                     {"type": "hist", "data": {"@h": {"1": [{"min": …}]}}}
 *   [2, 4)    1 |@@@|
 *                              (multi-line values end in an empty line)
 *
 * print(@b, top, div): only the `top` last rows of the order, values divided by `div`.
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

static void add_value(struct run *r, const struct type *t, const uint8_t *v, int64_t div,
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
	add_value(r, t, v, div, out);
	if (multi && out->n && out->p[out->n - 1] != '\n')
		buf_addc(out, '\n');
	buf_addc(out, '\n');
}

static void dump_text(struct run *r, const struct program_map *m, const struct map_rows *rows,
		      size_t from, int64_t div, struct buf *out)
{
	for (size_t i = from; i < rows->n; i++) {
		size_t row = rows->order[i];

		buf_adds(out, m->name);
		if (!m->scalar) {
			buf_addc(out, '[');
			add_key(r, m, map_row_key(rows, row), false, out);
			buf_addc(out, ']');
		}
		add_text_value(r, m->value, map_row_value(rows, row), div, out);
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
		add_value(r, m->value, map_row_value(rows, row), div, out);
	}
	buf_adds(out, m->scalar ? "}}\n" : "}}}\n");
}

/* ---- print()
 * ---------------------------------------------------------------------------------------- */

/* What the map shows: its contents, less what was cleared. `print`: a clear() that follows removes
 * these values. */
static int read_shown(struct run *r, uint32_t map, struct map_rows *rows, bool print)
{
	const struct program_map *m = &r->p->maps[map];
	int ret = map_rows_fetch(m, r->map_fds[map], rows);

	if (r->cleared[map] && m->subtract) {
		if (print)
			baseline_printed(&r->baselines[map], rows);
		baseline_apply(&r->baselines[map], m, rows);
	}
	map_rows_sort(r->p->types, m, rows);
	return ret;
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

void map_print(struct run *r, uint32_t map, int64_t top, int64_t div, bool at_exit)
{
	const struct program_map *m = &r->p->maps[map];
	struct map_rows rows;
	struct buf b = BUF_INIT;
	size_t from;

	if (read_shown(r, map, &rows, true) == 0 && !is_absent(r, map, &rows)) {
		from = top > 0 && (uint64_t)top < rows.n ? rows.n - (size_t)top : 0;
		if (run_json(r))
			dump_json(r, m, &rows, from, div ? div : 1, &b);
		else
			dump_text(r, m, &rows, from, div ? div : 1, &b);
		event_deliver(r, json_type(m->value), (struct str){b.p, b.n});
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
		map_print(r, order[i], 0, 1, true);
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
	add_value(r, m->value, map_row_value(rows, row), 1, &value);
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
	ret = read_shown(r, map, &rows, false);
	if (ret < 0)
		err_set(e, -ret, "read map %s", name);
	for (size_t i = 0; i < rows.n && ret == 0; i++)
		ret = visit_row(r, m, &rows, rows.order[i], fn, arg);
	map_rows_release(&rows);
	return ret;
}
