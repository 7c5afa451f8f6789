/* Entries of a map by a format of the script's: print(@m, format="%-36s %8d\\n").
 *
 * A row is laid out as a record, so that the printf engine does the rest:
 *
 *   ┌───────────┬──────────────────────────────┐
 *   │ key bytes │ value bytes, or up to 3 s64  │     count() and its like are a number, stats()
 * three, └───────────┴──────────────────────────────┘     histograms are text that is made for each
 * row
 */
#include <stdlib.h>
#include <string.h>

#include "runtime/mapread.h"

#define NUMBERS 3

struct row_format {
	struct run *r;
	const struct program_map *m;
	const struct print_opts *o;
	struct event_field fields[COLUMNS_MAX * NUMBERS];
	uint32_t n, value_off;
};

static const struct agg *agg_of(const struct program_map *m)
{
	return m->value->kind == TYPE_AGG ? m->value->agg.agg : NULL;
}

static void add_field(struct row_format *f, const struct type *t, uint32_t off)
{
	if (f->n < ARRAY_SIZE(f->fields))
		f->fields[f->n++] = (struct event_field){t, off};
}

static void add_value_fields(struct row_format *f)
{
	const struct type *number = type_int(f->r->p->types, 8, true);
	const struct agg *agg = agg_of(f->m);
	unsigned n = agg && agg->numbers ? NUMBERS : 1;

	if (!agg)
		add_field(f, f->m->value, f->value_off);
	else if (!agg->number && !agg->numbers)
		add_field(f, NULL, 0);
	else
		for (unsigned i = 0; i < n; i++)
			add_field(f, number, f->value_off + 8 * i);
}

static void add_key_field(struct row_format *f, uint32_t part)
{
	const struct type *k = f->m->key;

	if (k->kind == TYPE_TUPLE)
		add_field(f, k->tuple.members[part].type, k->tuple.members[part].offset);
	else
		add_field(f, k, 0);
}

static void add_columns(struct row_format *f)
{
	const struct type *k = f->m->scalar ? NULL : f->m->key;
	uint32_t parts = !k ? 0 : k->kind == TYPE_TUPLE ? k->tuple.n : 1;

	for (uint32_t i = 0; i < f->o->ncolumns; i++) {
		if (f->o->columns[i] == COLUMN_VALUE)
			add_value_fields(f);
		else if (f->o->columns[i] == COLUMN_KEY)
			add_field(f, k, 0);
		else
			add_key_field(f, (uint32_t)f->o->columns[i]);
	}
	for (uint32_t i = 0; f->o->ncolumns == 0 && i < parts; i++)
		add_key_field(f, i);
	if (f->o->ncolumns == 0)
		add_value_fields(f);
}

static void put_value(const struct row_format *f, const uint8_t *v, uint8_t *out)
{
	const struct agg *agg = agg_of(f->m);
	int64_t div = f->o->div ? f->o->div : 1, n[NUMBERS] = {0};

	if (!agg) {
		memcpy(out, v, f->m->value->size);
		return;
	}
	if (agg->numbers)
		agg->numbers(v, div, n);
	else if (agg->number && agg->number(f->m->value, v, &n[0]))
		n[0] /= div;
	memcpy(out, n, sizeof(n));
}

static void value_text(const struct row_format *f, const uint8_t *v, struct buf *out)
{
	const struct agg *agg = agg_of(f->m);

	if (!agg || agg->number || agg->numbers)
		return;
	if (f->o->unit && agg->table)
		agg->table(f->m->value, v, f->o->unit, out);
	else
		agg->text(&f->r->host.render, f->m->value, v, f->o->div ? f->o->div : 1, out);
}

static void format_row(const struct row_format *f, const struct fmt *fmt, const uint8_t *key,
		       const uint8_t *value, uint8_t *rec, struct buf *out)
{
	bool raw = f->r->o.out && f->r->o.out->raw;
	struct buf text = BUF_INIT;

	if (!f->m->scalar)
		memcpy(rec, key, f->m->key->size);
	put_value(f, value, rec + f->value_off);
	value_text(f, value, &text);
	fmt_run_given(fmt, &f->r->host.render, raw, rec, (struct str){buf_cstr(&text), text.n},
		      out);
	buf_release(&text);
}

void map_rows_format(struct run *r, const struct program_map *m, const struct map_rows *rows,
		     const struct print_opts *o, struct buf *out)
{
	struct row_format f = {.r = r, .m = m, .o = o};
	struct arena *tmp = arena_new();
	struct fmt *fmt;
	uint8_t *rec;

	f.value_off = m->scalar ? 0 : ALIGN_UP(m->key->size, 8);
	add_columns(&f);
	fmt = fmt_new(tmp, o->format, f.fields, f.n);
	rec = arena_alloc(tmp, f.value_off + MAX(m->value->size, 8u * NUMBERS));
	for (size_t i = 0; i < rows->n; i++)
		format_row(&f, fmt, map_row_key(rows, rows->order[i]),
			   map_row_value(rows, rows->order[i]), rec, out);
	arena_free(tmp);
}
