/* Values to text and to JSON, and their order.
 *
 * Text, as print() and maps show it:           JSON:
 *   5  -1  true  0x7fff…  RED                    5  -1  true  140737…  0
 *   abc          (cut strings end in "..")       "abc"
 *   (1, abc, (2, 3))                             [1,"abc",[2,3]]
 *   [1,2,3]                                      [1,2,3]
 *   { .a = 1, .b = x }                           {"a": 1, "b": "x"}
 *   ab\x01                                       [97,98,1]
 *   stacks and views: by their own functions     a string, or the view's own JSON
 *
 * In keys of JSON maps the text form is used without spaces behind commas ("1,abc").
 */
#include <string.h>

#include "runtime/priv.h"

/* ---- taking values apart ------------------------------------------------------------------------
 */

static uint64_t load_uint(const void *v, uint32_t size)
{
	uint64_t x = 0;

	memcpy(&x, v, MIN(size, 8u));
	return x;
}

static uint64_t load_num(const void *v, uint32_t size, bool is_signed)
{
	uint64_t x = load_uint(v, size);
	unsigned shift = size >= 8 ? 0 : 64 - 8 * size;

	return is_signed ? (uint64_t)((int64_t)(x << shift) >> shift) : x;
}

static bool number_signed(const struct type *t)
{
	switch (t->kind) {
	case TYPE_INT:
		return t->num.is_signed;
	case TYPE_ENUM:
		return t->enm.is_signed;
	case TYPE_AGG:
		return t->agg.is_signed;
	default:
		return false;
	}
}

bool value_has_number(const struct type *t)
{
	switch (t->kind) {
	case TYPE_BOOL:
	case TYPE_INT:
	case TYPE_ENUM:
	case TYPE_PTR:
		return true;
	case TYPE_VIEW:
		return t->view.view->to_int != NULL;
	case TYPE_AGG:
		return t->agg.agg->number != NULL;
	default:
		return false;
	}
}

bool value_int(const struct type *t, const void *v, uint64_t *out, bool *is_signed)
{
	int64_t n = 0;
	bool ok = value_has_number(t);

	*is_signed = number_signed(t);
	if (ok && t->kind == TYPE_VIEW)
		return t->view.view->to_int(v, out);
	if (ok && t->kind == TYPE_AGG) {
		ok = t->agg.agg->number(t, v, &n);
		*out = (uint64_t)n;
	} else if (ok) {
		*out = load_num(v, t->size, *is_signed);
	}
	return ok;
}

struct str value_string(const struct type *t, const void *v, bool *cut)
{
	size_t n = strnlen(v, t->str.cap);

	*cut = n == t->str.cap && n > 0;
	return (struct str){v, n};
}

struct str value_bytes(const struct type *t, const void *v)
{
	uint32_t n;

	memcpy(&n, v, 4);
	return (struct str){(const char *)v + 4, MIN(n, t->str.cap)};
}

const char *render_trailer(const struct render *r)
{
	return r->config && r->config->str_trunc_trailer ? r->config->str_trunc_trailer : "";
}

bool value_is_chars(const struct type *t)
{
	const struct type *of = t->kind == TYPE_ARRAY ? t->array.of : t;

	return t->kind == TYPE_ARRAY && of->kind == TYPE_INT && of->size == 1 && of->num.is_signed;
}

static const struct member *members_of(struct types *ts, const struct type *t, uint32_t *n)
{
	if (t->kind == TYPE_STRUCT)
		return type_members(ts, t, n);
	*n = t->tuple.n;
	return t->tuple.members;
}

static uint64_t bitfield(const struct member *m, const uint8_t *at)
{
	uint64_t x = load_uint(at, m->load_size) >> m->bit_off;
	unsigned shift = 64 - m->bit_size;

	if (number_signed(m->type))
		return (uint64_t)((int64_t)(x << shift) >> shift);
	return x << shift >> shift;
}

/* ---- text ---------------------------------------------------------------------------------------
 */

static void text_number(struct buf *out, uint64_t x, bool is_signed)
{
	if (is_signed)
		buf_addi64(out, (int64_t)x);
	else
		buf_addu64(out, x);
}

static void text_enum(struct render *r, const struct type *t, uint64_t x, struct buf *out)
{
	const char *name = type_enum_text(r->types, t, x);

	if (name)
		buf_adds(out, name);
	else
		text_number(out, x, t->enm.is_signed);
}

static void text_float(const struct type *t, const void *v, struct buf *out)
{
	float f;
	double d = 0;

	if (t->size == 4) {
		memcpy(&f, v, 4);
		d = (double)f;
	} else if (t->size == 8) {
		memcpy(&d, v, 8);
	}
	buf_printf(out, "%g", d);
}

static void text_string(struct render *r, struct text_opts o, const struct type *t, const void *v,
			struct buf *out)
{
	bool cut;
	struct str s = value_string(t, v, &cut);

	buf_add_text(out, s, o.raw);
	if (cut)
		buf_adds(out, render_trailer(r));
}

static void text_buf(struct str s, struct buf *out)
{
	for (size_t i = 0; i < s.n; i++) {
		uint8_t b = (uint8_t)s.p[i];

		if (b >= 0x20 && b < 0x7f)
			buf_addc(out, (char)b);
		else
			buf_printf(out, "\\x%02x", b);
	}
}

static void text_array(struct render *r, struct text_opts o, const struct type *t, const uint8_t *v,
		       struct buf *out)
{
	if (value_is_chars(t)) {
		buf_add_text(
			out,
			(struct str){(const char *)v, strnlen((const char *)v, t->array.count)},
			o.raw);
		return;
	}
	buf_addc(out, '[');
	for (uint32_t i = 0; i < t->array.count; i++) {
		if (i)
			buf_addc(out, ',');
		render_text(r, o, t->array.of, v + (size_t)i * t->array.of->size, out);
	}
	buf_addc(out, ']');
}

static void text_member(struct render *r, struct text_opts o, const struct member *m,
			const uint8_t *v, struct buf *out)
{
	if (!m->bit_size)
		render_text(r, o, m->type, v + m->offset, out);
	else if (m->type->kind == TYPE_ENUM)
		text_enum(r, m->type, bitfield(m, v + m->offset), out);
	else
		text_number(out, bitfield(m, v + m->offset), number_signed(m->type));
}

static void text_tuple(struct render *r, struct text_opts o, const struct type *t, const uint8_t *v,
		       struct buf *out)
{
	buf_addc(out, '(');
	for (uint32_t i = 0; i < t->tuple.n; i++) {
		if (i)
			buf_adds(out, o.compact ? "," : ", ");
		text_member(r, o, &t->tuple.members[i], v, out);
	}
	buf_addc(out, ')');
}

/* Members of anonymous structs are shown as the outer one's own. */
static void text_fields(struct render *r, struct text_opts o, const struct type *t,
			const uint8_t *v, struct buf *out, uint32_t *shown)
{
	uint32_t n;
	const struct member *m = members_of(r->types, t, &n);

	for (uint32_t i = 0; i < n; i++, m++) {
		if (m->name.n == 0 && m->type->kind == TYPE_STRUCT) {
			text_fields(r, o, m->type, v + m->offset, out, shown);
			continue;
		}
		buf_adds(out, (*shown)++ ? ", ." : "{ .");
		buf_addstr(out, m->name);
		buf_adds(out, " = ");
		text_member(r, o, m, v, out);
	}
}

static void text_record(struct render *r, struct text_opts o, const struct type *t,
			const uint8_t *v, struct buf *out)
{
	uint32_t shown = 0;

	text_fields(r, o, t, v, out, &shown);
	buf_adds(out, shown ? " }" : "{}");
}

static void text_call(struct render *r, const struct type *t, const void *v, struct buf *out)
{
	bool json = r->json;

	r->json = false;
	if (t->kind == TYPE_STACK)
		r->stack(r, t, v, out);
	else if (t->kind == TYPE_VIEW)
		t->view.view->text(r, t, v, out);
	else
		t->agg.agg->text(r, t, v, 1, out);
	r->json = json;
}

void render_text(struct render *r, struct text_opts o, const struct type *t, const void *v,
		 struct buf *out)
{
	switch (t->kind) {
	case TYPE_BOOL:
		buf_adds(out, load_uint(v, t->size) ? "true" : "false");
		break;
	case TYPE_INT:
		text_number(out, load_num(v, t->size, t->num.is_signed), t->num.is_signed);
		break;
	case TYPE_FLOAT:
		text_float(t, v, out);
		break;
	case TYPE_ENUM:
		text_enum(r, t, load_num(v, t->size, t->enm.is_signed), out);
		break;
	case TYPE_PTR:
		buf_printf(out, "0x%" PRIx64, load_uint(v, t->size));
		break;
	case TYPE_ARRAY:
		text_array(r, o, t, v, out);
		break;
	case TYPE_STRING:
		text_string(r, o, t, v, out);
		break;
	case TYPE_BUF:
		text_buf(value_bytes(t, v), out);
		break;
	case TYPE_TUPLE:
		text_tuple(r, o, t, v, out);
		break;
	case TYPE_STRUCT:
	case TYPE_RECORD:
		text_record(r, o, t, v, out);
		break;
	case TYPE_STACK:
	case TYPE_VIEW:
	case TYPE_AGG:
		text_call(r, t, v, out);
		break;
	default: /* void, functions */
		buf_adds(out, "?");
	}
}

/* ---- JSON ---------------------------------------------------------------------------------------
 */

static void json_number(struct buf *out, uint64_t x, bool is_signed)
{
	if (is_signed)
		buf_add_json_i64(out, (int64_t)x);
	else
		buf_add_json_u64(out, x);
}

static void json_string(struct render *r, const struct type *t, const void *v, struct buf *out)
{
	struct buf whole = BUF_INIT;
	bool cut;
	struct str s = value_string(t, v, &cut);

	if (!cut) {
		buf_add_json_str(out, s);
		return;
	}
	buf_addstr(&whole, s);
	buf_adds(&whole, render_trailer(r));
	buf_add_json_str(out, (struct str){whole.p, whole.n});
	buf_release(&whole);
}

static void json_buf(struct str s, struct buf *out)
{
	buf_addc(out, '[');
	for (size_t i = 0; i < s.n; i++) {
		if (i)
			buf_addc(out, ',');
		buf_addu64(out, (uint8_t)s.p[i]);
	}
	buf_addc(out, ']');
}

static void json_array(struct render *r, const struct type *t, const uint8_t *v, struct buf *out)
{
	if (value_is_chars(t)) {
		buf_add_json_str(out, (struct str){(const char *)v,
						   strnlen((const char *)v, t->array.count)});
		return;
	}
	buf_addc(out, '[');
	for (uint32_t i = 0; i < t->array.count; i++) {
		if (i)
			buf_addc(out, ',');
		render_json(r, t->array.of, v + (size_t)i * t->array.of->size, out);
	}
	buf_addc(out, ']');
}

static void json_member(struct render *r, const struct member *m, const uint8_t *v, struct buf *out)
{
	if (m->bit_size)
		json_number(out, bitfield(m, v + m->offset), number_signed(m->type));
	else
		render_json(r, m->type, v + m->offset, out);
}

static void json_tuple(struct render *r, const struct type *t, const uint8_t *v, struct buf *out)
{
	buf_addc(out, '[');
	for (uint32_t i = 0; i < t->tuple.n; i++) {
		if (i)
			buf_addc(out, ',');
		json_member(r, &t->tuple.members[i], v, out);
	}
	buf_addc(out, ']');
}

static void json_fields(struct render *r, const struct type *t, const uint8_t *v, struct buf *out,
			uint32_t *shown)
{
	uint32_t n;
	const struct member *m = members_of(r->types, t, &n);

	for (uint32_t i = 0; i < n; i++, m++) {
		if (m->name.n == 0 && m->type->kind == TYPE_STRUCT) {
			json_fields(r, m->type, v + m->offset, out, shown);
			continue;
		}
		if ((*shown)++)
			buf_adds(out, ", ");
		buf_add_json_str(out, m->name);
		buf_adds(out, ": ");
		json_member(r, m, v, out);
	}
}

static void json_record(struct render *r, const struct type *t, const uint8_t *v, struct buf *out)
{
	uint32_t shown = 0;

	buf_addc(out, '{');
	json_fields(r, t, v, out, &shown);
	buf_addc(out, '}');
}

/* Stacks and views make text, which becomes a string unless the view's text is JSON already. */
static void json_text(struct render *r, const struct type *t, const void *v, struct buf *out)
{
	struct buf text = BUF_INIT;

	text_call(r, t, v, &text);
	if (t->kind == TYPE_VIEW && t->view.view->json_raw)
		buf_add(out, buf_cstr(&text), text.n);
	else if (r->ndjson)
		buf_add_json_data(out, (struct str){buf_cstr(&text), text.n});
	else
		buf_add_json_str(out, (struct str){buf_cstr(&text), text.n});
	buf_release(&text);
}

void render_json(struct render *r, const struct type *t, const void *v, struct buf *out)
{
	if (r->ndjson && ndjson_render(r, t, v, out))
		return;
	switch (t->kind) {
	case TYPE_BOOL:
		buf_adds(out, load_uint(v, t->size) ? "true" : "false");
		break;
	case TYPE_INT:
		json_number(out, load_num(v, t->size, t->num.is_signed), t->num.is_signed);
		break;
	case TYPE_ENUM:
		json_number(out, load_num(v, t->size, t->enm.is_signed), t->enm.is_signed);
		break;
	case TYPE_PTR:
		json_number(out, load_uint(v, t->size), false);
		break;
	case TYPE_ARRAY:
		json_array(r, t, v, out);
		break;
	case TYPE_STRING:
		json_string(r, t, v, out);
		break;
	case TYPE_BUF:
		json_buf(value_bytes(t, v), out);
		break;
	case TYPE_TUPLE:
		json_tuple(r, t, v, out);
		break;
	case TYPE_STRUCT:
	case TYPE_RECORD:
		json_record(r, t, v, out);
		break;
	case TYPE_STACK:
	case TYPE_VIEW:
		json_text(r, t, v, out);
		break;
	case TYPE_AGG:
		t->agg.agg->json(r, t, v, 1, out);
		break;
	default: /* void, functions, floats (which JSON cannot always hold) */
		buf_adds(out, "null");
	}
}

void render_value(struct render *r, const struct type *t, const void *v, struct buf *out)
{
	const struct run *run = r->run;
	struct text_opts o = {.raw = run && run->o.out && run->o.out->raw};

	if (r->json)
		render_json(r, t, v, out);
	else
		render_text(r, o, t, v, out);
}
