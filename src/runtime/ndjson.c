/* The records of -f ndjson, version 1: one JSON object a line, each complete in itself.
 *
 *   {"type": "header", "format": "awl-ndjson", "version": 1, "awl": "0.1.0"}
 *   {"type": "attached_probes", "count": 2}
 *   {"type": "printf", "text": "Hello\n"}              time, cat, join, system as well
 *   {"type": "value", "value": [1, "a"]}
 *   {"type": "map", "name": "@x", "kind": "count", "entries": [{"key": [1, "a"], "value": 5}]}
 *   {"type": "errorf", "text": "bad", "file": "-e", "line": 1, "column": 9}
 *   {"type": "message", "level": "warning", "text": "…"}
 *   {"type": "lost", "cause": "map", "map": "@x", "count": 3}
 *   {"type": "exit", "code": 0}
 *
 * What awl prints besides -f json's forms is lossless: a string that is no UTF-8 or was cut, a
 * buffer and an enumerator are objects whose names begin with `$`, which no member of a struct can
 * have; a pointer is a string in hex, a stack an array of frames. Integers beyond 2^53 are strings.
 * docs/output.md tells readers, docs/output.schema.json checks: what changes here changes there,
 * and the version when a reader could misunderstand.
 */
#include <math.h>
#include <string.h>

#include "runtime/mapread.h"

#define NDJSON_VERSION 1

/* ---- building a record --------------------------------------------------------------------------
 */

static void open_record(struct buf *b, const char *type)
{
	buf_adds(b, "{\"type\": ");
	buf_add_json_str(b, str_of(type));
}

static void open_member(struct buf *b, const char *name)
{
	buf_printf(b, ", \"%s\": ", name);
}

static void add_text(struct buf *b, const char *name, struct str text)
{
	open_member(b, name);
	buf_add_json_data(b, text);
}

static void add_number(struct buf *b, const char *name, uint64_t n)
{
	open_member(b, name);
	buf_add_json_u64(b, n);
}

static void send(struct run *r, const char *type, struct buf *b)
{
	buf_adds(b, "}\n");
	event_deliver(r, type, (struct str){b->p, b->n});
	buf_release(b);
}

/* ---- records ------------------------------------------------------------------------------------
 */

void ndjson_header(struct run *r)
{
	struct buf b = BUF_INIT;

	open_record(&b, "header");
	buf_printf(&b, ", \"format\": \"awl-ndjson\", \"version\": %d, \"awl\": \"%s\"",
		   NDJSON_VERSION, r->o.version ? r->o.version : "");
	send(r, "header", &b);
}

void ndjson_attached(struct run *r, size_t probes)
{
	struct buf b = BUF_INIT;

	open_record(&b, "attached_probes");
	add_number(&b, "count", probes);
	send(r, "attached_probes", &b);
}

/* What system() printed is called by its function's name here. */
void ndjson_text(struct run *r, const char *type, struct str text)
{
	struct buf b = BUF_INIT;

	if (strcmp(type, "syscall") == 0)
		type = "system";
	open_record(&b, type);
	add_text(&b, "text", text);
	send(r, type, &b);
}

void ndjson_value(struct run *r, struct str json)
{
	struct buf b = BUF_INIT;

	open_record(&b, "value");
	open_member(&b, "value");
	buf_addstr(&b, json);
	send(r, "value", &b);
}

void ndjson_errorf(struct run *r, const char *type, struct str text, const char *file,
		   unsigned line, unsigned col)
{
	struct buf b = BUF_INIT;

	open_record(&b, type);
	add_text(&b, "text", text);
	add_text(&b, "file", str_of(file));
	add_number(&b, "line", line);
	add_number(&b, "column", col);
	send(r, type, &b);
}

void ndjson_helper_error(struct run *r, const char *helper, const char *msg, int32_t code,
			 const char *file, unsigned line, unsigned col)
{
	struct buf b = BUF_INIT;

	open_record(&b, "helper_error");
	add_text(&b, "helper", str_of(helper));
	add_text(&b, "text", str_of(msg));
	open_member(&b, "retcode");
	buf_printf(&b, "%d", code);
	add_text(&b, "file", str_of(file));
	add_number(&b, "line", line);
	add_number(&b, "column", col);
	send(r, "helper_error", &b);
}

void ndjson_test(struct run *r, const char *name, bool passed, const char *why, uint64_t ns,
		 struct str output)
{
	struct buf b = BUF_INIT;

	open_record(&b, "test_result");
	add_text(&b, "name", str_of(name));
	open_member(&b, "passed");
	buf_adds(&b, passed ? "true" : "false");
	if (!passed)
		add_text(&b, "why", str_of(why));
	add_number(&b, "duration_ns", ns);
	add_text(&b, "output", output);
	send(r, "test_result", &b);
}

void ndjson_benchmark(struct run *r, const char *name, double ns, uint64_t runs)
{
	struct buf b = BUF_INIT;

	open_record(&b, "benchmark_result");
	add_text(&b, "name", str_of(name));
	open_member(&b, "average_ns");
	buf_printf(&b, "%.1f", ns);
	add_number(&b, "runs", runs);
	send(r, "benchmark_result", &b);
}

void ndjson_message(struct run *r, enum run_level level, const char *text)
{
	struct buf b = BUF_INIT;

	open_record(&b, "message");
	add_text(&b, "level", level == RUN_ERROR ? STR("error") : STR("warning"));
	add_text(&b, "text", str_of(text));
	send(r, "message", &b);
}

void ndjson_lost(struct run *r, const char *cause, const char *map, uint64_t n)
{
	struct buf b = BUF_INIT;

	open_record(&b, "lost");
	add_text(&b, "cause", str_of(cause));
	if (map)
		add_text(&b, "map", str_of(map));
	add_number(&b, "count", n);
	send(r, "lost", &b);
}

void ndjson_exit(struct run *r, int code)
{
	struct buf b = BUF_INIT;

	open_record(&b, "exit");
	add_number(&b, "code", (uint64_t)code & 0xff);
	send(r, "exit", &b);
}

/* ---- maps ---------------------------------------------------------------------------------------
 */

/* An array of the key's parts: of a tuple its members. */
static void add_key(struct run *r, const struct program_map *m, const uint8_t *key, struct buf *b)
{
	bool parts = m->key->kind == TYPE_TUPLE;

	buf_adds(b, parts ? "" : "[");
	render_json(&r->host.render, m->key, key, b);
	buf_adds(b, parts ? "" : "]");
}

static void add_entry(struct run *r, const struct program_map *m, const struct map_rows *rows,
		      size_t row, const struct print_opts *o, struct buf *b)
{
	const uint8_t *v = map_row_value(rows, row);

	buf_adds(b, "{\"key\": ");
	if (m->scalar)
		buf_adds(b, "[]");
	else
		add_key(r, m, map_row_key(rows, row), b);
	open_member(b, "value");
	map_add_value(r, m->value, v, o->div ? o->div : 1, b);
	if (map_has_percentiles(m, o)) {
		open_member(b, "percentiles");
		map_add_percentiles(m, v, o, b);
	}
	buf_addc(b, '}');
}

void ndjson_map(struct run *r, const struct program_map *m, const struct map_rows *rows,
		const struct print_opts *o, struct buf *out)
{
	const char *kind = m->value->kind == TYPE_AGG ? m->value->agg.agg->name : "value";

	open_record(out, "map");
	add_text(out, "name", str_of(m->name));
	add_text(out, "kind", str_of(kind));
	open_member(out, "entries");
	buf_addc(out, '[');
	for (size_t i = 0; i < rows->n; i++) {
		buf_adds(out, i ? ", " : "");
		add_entry(r, m, rows, rows->order[i], o, out);
	}
	buf_adds(out, "]}\n");
}

/* ---- values -------------------------------------------------------------------------------------
 */

static void add_string(const struct type *t, const void *v, struct buf *out)
{
	struct str s, text;
	struct buf data = BUF_INIT;
	bool cut;

	s = value_string(t, v, &cut);
	buf_add_json_data(&data, s);
	text = (struct str){data.p, data.n};
	if (!cut)
		buf_addstr(out, text);
	else if (text.p[0] == '{') /* an object already: one member more */
		buf_printf(out, "%.*s, \"$truncated\": true}", (int)text.n - 1, text.p);
	else
		buf_printf(out, "{\"$text\": %.*s, \"$truncated\": true}", STR_ARG(text));
	buf_release(&data);
}

static void add_bytes(struct str s, struct buf *out)
{
	buf_adds(out, "{\"$text\": ");
	buf_add_json_str(out, s);
	buf_adds(out, ", \"$base64\": \"");
	buf_add_base64(out, s);
	buf_adds(out, "\"}");
}

static void add_enum(struct render *r, const struct type *t, const void *v, struct buf *out)
{
	const char *name;
	bool is_signed;
	uint64_t x = 0;

	value_int(t, v, &x, &is_signed);
	name = type_enum_text(r->types, t, x);
	if (name) {
		buf_adds(out, "{\"$enum\": ");
		buf_add_json_str(out, str_of(name));
		buf_adds(out, ", \"$value\": ");
	}
	if (is_signed)
		buf_add_json_i64(out, (int64_t)x);
	else
		buf_add_json_u64(out, x);
	buf_adds(out, name ? "}" : "");
}

static void add_float(const struct type *t, const void *v, struct buf *out)
{
	double d = NAN;
	float f;

	if (t->size == 4) {
		memcpy(&f, v, 4);
		d = (double)f;
	} else if (t->size == 8) {
		memcpy(&d, v, 8);
	}
	if (isfinite(d))
		buf_printf(out, "%.17g", d);
	else
		buf_adds(out, "null");
}

static void add_pointer(const struct type *t, const void *v, struct buf *out)
{
	bool is_signed;
	uint64_t x = 0;

	value_int(t, v, &x, &is_signed);
	buf_printf(out, "\"0x%" PRIx64 "\"", x);
}

bool ndjson_render(struct render *r, const struct type *t, const void *v, struct buf *out)
{
	switch (t->kind) {
	case TYPE_STRING:
		add_string(t, v, out);
		return true;
	case TYPE_BUF:
		add_bytes(value_bytes(t, v), out);
		return true;
	case TYPE_ENUM:
		add_enum(r, t, v, out);
		return true;
	case TYPE_PTR:
		add_pointer(t, v, out);
		return true;
	case TYPE_FLOAT:
		add_float(t, v, out);
		return true;
	case TYPE_STACK:
		stack_json(r, t, v, out);
		return true;
	case TYPE_ARRAY:
		if (!value_is_chars(t))
			return false;
		buf_add_json_data(out, (struct str){v, strnlen(v, t->array.count)});
		return true;
	default:
		return false;
	}
}
