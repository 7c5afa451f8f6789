/* Text of captured values of Go, as fmt's %v has it:
 *
 *   7  -1.5  true  text        numbers, truth values, strings
 *   {1 text [1 2 3]}           structs, slices, arrays
 *   &{1 text}                  a pointer; those further in are addresses
 *   map[len=2]  chan[len=0 cap=7]  <nil>
 *   map[a:1 b:2 ...5 more]     a map where its elements are asked for: govalue_map_text.c
 *   *main.T(&{1})  int(5)      what an interface holds, with its type
 *   {name:text n:1}            the arguments of a function, by name
 *   [1 2 3 ...5 more]          what did not fit, or was not asked for
 *   (unreadable)               memory that could not be read
 *
 * Types that have a text of their own in Go are in govalue_error.c. Records come from the kernel,
 * but what they say of themselves is the traced program's: every offset is checked. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "builtin/govalue.h"

enum { MAX_DEPTH = 24, EXP_FROM = 6 };

/* ---- records ----------------------------------------------------------------------------------
 */

static uint32_t load4(const struct goshow *s, uint32_t off)
{
	return builtin_u32(s->rec + off);
}

uint64_t goshow_word(const struct goshow *s, uint32_t off)
{
	return off + 8 <= s->used ? builtin_u64(s->rec + off) : 0;
}

/* What a slot leads to is behind the slot: no chunk leads back to one in front of it. */
bool goshow_next(const struct goshow *s, uint32_t slot, uint32_t *from, struct gochunk *out)
{
	uint32_t at = *from ? *from : GO_REC_HEAD, n;

	for (; at + GO_CHUNK_HEAD <= s->used; at += GO_CHUNK_HEAD + ALIGN_UP(n, 8u)) {
		n = load4(s, at + 8);
		if (n > s->used - at - GO_CHUNK_HEAD)
			break;
		if (load4(s, at) != slot || at <= slot)
			continue;
		out->marks = load4(s, at + 4);
		out->skip = load4(s, at + 12);
		out->part = (struct gopart){gotype_get(s->gt, out->marks & GO_CHUNK_TYPE),
					    at + GO_CHUNK_HEAD, n};
		*from = at + GO_CHUNK_HEAD + ALIGN_UP(n, 8u);
		return true;
	}
	*from = s->used;
	return false;
}

bool goshow_find(const struct goshow *s, uint32_t slot, struct gopart *out, uint32_t *marks)
{
	struct gochunk c;
	uint32_t at = 0;

	if (!goshow_next(s, slot, &at, &c))
		return false;
	*out = c.part;
	*marks = c.marks;
	return true;
}

static void add(struct goshow *s, const char *text)
{
	buf_adds(s->out, text);
}

/* ---- numbers -----------------------------------------------------------------------------------
 */

uint64_t goshow_unsigned(const struct goshow *s, struct gopart p)
{
	uint64_t v = 0;

	memcpy(&v, s->rec + p.off, MIN(p.t->size, 8u));
	return v;
}

int64_t goshow_signed(const struct goshow *s, struct gopart p)
{
	unsigned shift = p.t->size < 8 ? 64 - 8 * p.t->size : 0;

	return (int64_t)(goshow_unsigned(s, p) << shift) >> shift;
}

/* The shortest digits that mean this number, as "d.ddde±x". */
static void shortest(double v, bool single, char *out, size_t n)
{
	for (int digits = 0; digits < 17; digits++) {
		snprintf(out, n, "%.*e", digits, v);
		if (single ? strtof(out, NULL) == (float)v : strtod(out, NULL) == v)
			return;
	}
}

/* Go changes to exponents below 1e-4 and from 1e6 on. */
static void add_float(struct goshow *s, double v, bool single, bool sign)
{
	char e[40], digits[24];
	size_t n = 0;
	int exp;

	if (isnan(v) || isinf(v)) {
		add(s, isnan(v) ? (sign ? "+NaN" : "NaN") : v > 0 ? "+Inf" : "-Inf");
		return;
	}
	shortest(fabs(v), single, e, sizeof(e));
	exp = atoi(strchr(e, 'e') + 1);
	add(s, signbit(v) ? "-" : sign ? "+" : "");
	if (exp < -4 || exp >= EXP_FROM) {
		buf_printf(s->out, "%.*se%c%02d", (int)(strchr(e, 'e') - e), e, exp < 0 ? '-' : '+',
			   abs(exp));
		return;
	}
	for (const char *p = e; *p != 'e'; p++)
		if (*p != '.')
			digits[n++] = *p;
	if (exp < 0) {
		add(s, "0.");
		buf_fill(s->out, '0', (size_t)(-exp - 1));
	}
	for (size_t i = 0; i < MAX(n, (size_t)MAX(exp, 0) + 1); i++) {
		buf_addc(s->out, i < n ? digits[i] : '0');
		if ((int)i == exp && i + 1 < n)
			buf_addc(s->out, '.');
	}
}

double goshow_float(const struct goshow *s, uint32_t off, bool single)
{
	double d;
	float f;

	memcpy(&f, s->rec + off, sizeof(f));
	if (single)
		return (double)f;
	memcpy(&d, s->rec + off, sizeof(d));
	return d;
}

static void show_complex(struct goshow *s, struct gopart p)
{
	bool single = p.t->kind == GO_COMPLEX64;

	add(s, "(");
	add_float(s, goshow_float(s, p.off, single), single, false);
	add_float(s, goshow_float(s, p.off + p.t->size / 2, single), single, true);
	add(s, "i)");
}

static void show_address(struct goshow *s, struct gopart p)
{
	uint64_t v = goshow_word(s, p.off);

	if (v)
		buf_printf(s->out, "0x%" PRIx64, v);
	else
		add(s, "<nil>");
}

/* ---- what leads elsewhere -----------------------------------------------------------------------
 */

/* What a slot leads to; otherwise tells why it cannot be shown. */
static bool there(struct goshow *s, uint32_t slot, struct gopart *out)
{
	uint32_t marks;

	if (!goshow_find(s, slot, out, &marks))
		add(s, "...");
	else if (marks & GO_CHUNK_FAULT)
		add(s, "(unreadable)");
	else
		return true;
	return false;
}

static void show_string(struct goshow *s, struct gopart p)
{
	uint64_t n = goshow_word(s, p.off + 8);
	struct gopart text;

	if (!n || !there(s, p.off, &text))
		return;
	buf_add_text(s->out, (struct str){(const char *)s->rec + text.off, MIN(n, text.n)}, false);
	if (text.n < n)
		add(s, "...");
}

/* `count` elements, of which `n` bytes from `off` on are there. */
static void show_elements(struct goshow *s, const struct gotype *t, uint32_t off, uint32_t n,
			  uint64_t count)
{
	uint64_t i = 0;

	add(s, "[");
	for (; i < count && t->size && (i + 1) * t->size <= n; i++) {
		add(s, i ? " " : "");
		goshow_value(s, (struct gopart){t, off + (uint32_t)i * t->size, t->size});
	}
	if (!i && count && t->size && n) {
		goshow_value(s, (struct gopart){t, off, n});
		i++;
	}
	if (i < count)
		buf_printf(s->out, "%s...%" PRIu64 " more", i ? " " : "", count - i);
	add(s, "]");
}

static void show_slice(struct goshow *s, struct gopart p)
{
	const struct gotype *t = gotype_get(s->gt, p.t->elem);
	uint64_t n = goshow_word(s, p.off + 8);
	struct gopart all;

	if (!n)
		add(s, "[]");
	else if (!t->size)
		show_elements(s, t, p.off, 0, n);
	else if (there(s, p.off, &all))
		show_elements(s, t, all.off, all.n, n);
}

static void show_array(struct goshow *s, struct gopart p)
{
	uint32_t limit = gotypes_limits(s->gt).elems;
	const struct gotype *t = gotype_get(s->gt, p.t->elem);
	uint64_t most = (uint64_t)limit * t->size;

	show_elements(s, t, p.off, (uint32_t)MIN(p.n, most), p.t->count);
}

static void show_map(struct goshow *s, struct gopart p)
{
	struct gopart head;
	uint64_t n;

	if (!goshow_word(s, p.off)) {
		add(s, "map[]");
		return;
	}
	if (!there(s, p.off, &head))
		return;
	n = goshow_word(s, head.off);
	if (n && p.t->map)
		goshow_map(s, p.t->map, head, n);
	else if (n)
		buf_printf(s->out, "map[len=%" PRIu64 "]", n);
	else
		add(s, "map[]");
}

static void show_chan(struct goshow *s, struct gopart p)
{
	struct gopart head;

	if (!goshow_word(s, p.off))
		add(s, "<nil>");
	else if (there(s, p.off, &head))
		buf_printf(s->out, "chan[len=%" PRIu64 " cap=%" PRIu64 "]",
			   goshow_word(s, head.off), goshow_word(s, head.off + 8));
}

static void show_pointer(struct goshow *s, struct gopart p)
{
	struct gopart to;
	uint32_t marks;

	if (!goshow_word(s, p.off) || !goshow_find(s, p.off, &to, &marks)) {
		show_address(s, p);
		return;
	}
	add(s, "&");
	if (marks & GO_CHUNK_FAULT)
		add(s, "(unreadable)");
	else
		goshow_value(s, to);
}

/* Of a type that only the program itself knows: by name, and where it is when it is a pointer. */
static void show_unknown(struct goshow *s, uint64_t key, uint64_t data)
{
	struct str name;

	if (!gotype_name_of(s->gt, key, &name)) {
		buf_printf(s->out, "(unknown type 0x%" PRIx64 ")(0x%" PRIx64 ")", key << 8 >> 8,
			   data);
		return;
	}
	buf_add_text(s->out, name, false);
	if (name.p[0] == '*')
		buf_printf(s->out, "(0x%" PRIx64 ")", data);
	else
		add(s, "(...)");
}

void goshow_dynamic(struct goshow *s, struct gopart p)
{
	struct gopart to;
	uint32_t marks;

	if (!goshow_word(s, p.off)) {
		add(s, "<nil>");
	} else if (!goshow_find(s, p.off, &to, &marks)) {
		add(s, "...");
	} else if (marks & GO_CHUNK_UNKNOWN) {
		show_unknown(s, goshow_word(s, to.off), goshow_word(s, p.off + 8));
	} else if (marks & GO_CHUNK_FAULT) {
		buf_printf(s->out, "%s(unreadable)", to.t->kind ? to.t->name : "");
	} else if (!goshow_known(s, to)) {
		buf_printf(s->out, "%s(", to.t->name);
		goshow_value(s, to);
		add(s, ")");
	}
}

/* ---- structs ------------------------------------------------------------------------------------
 */

static struct gopart part_of(struct gopart p, const struct gotype *t, uint32_t at)
{
	uint32_t left = p.n > at ? p.n - at : 0;

	return (struct gopart){t, p.off + at, MIN(left, t->size)};
}

bool goshow_member(const struct goshow *s, struct gopart p, const char *name, struct gopart *out)
{
	for (uint32_t i = 0; p.t->kind == GO_STRUCT && i < p.t->nmembers; i++) {
		const struct gotype_member *m = &p.t->members[i];

		if (strcmp(m->name, name) != 0)
			continue;
		*out = part_of(p, gotype_get(s->gt, m->type), m->offset);
		return out->n == out->t->size;
	}
	return false;
}

static void show_struct(struct goshow *s, struct gopart p)
{
	bool tuple = p.t->kind == GO_TUPLE;

	add(s, tuple ? "(" : "{");
	for (uint32_t i = 0; i < p.t->nmembers; i++) {
		const struct gotype_member *m = &p.t->members[i];

		add(s, !i ? "" : tuple ? ", " : " ");
		if (p.t->named)
			buf_printf(s->out, "%s:", m->name);
		goshow_value(s, part_of(p, gotype_get(s->gt, m->type), m->offset));
	}
	add(s, tuple ? ")" : "}");
}

/* ---- any
 * ----------------------------------------------------------------------------------------- */

static void show_kind(struct goshow *s, struct gopart p)
{
	switch (p.t->kind) {
	case GO_BOOL:
		add(s, s->rec[p.off] ? "true" : "false");
		break;
	case GO_INT ... GO_INT64:
		buf_addi64(s->out, goshow_signed(s, p));
		break;
	case GO_UINT ... GO_UINTPTR:
		buf_addu64(s->out, goshow_unsigned(s, p));
		break;
	case GO_FLOAT32:
	case GO_FLOAT64:
		add_float(s, goshow_float(s, p.off, p.t->kind == GO_FLOAT32),
			  p.t->kind == GO_FLOAT32, false);
		break;
	case GO_COMPLEX64:
	case GO_COMPLEX128:
		show_complex(s, p);
		break;
	case GO_STRING:
		show_string(s, p);
		break;
	case GO_SLICE:
		show_slice(s, p);
		break;
	case GO_MAP:
		show_map(s, p);
		break;
	case GO_CHAN:
		show_chan(s, p);
		break;
	case GO_POINTER:
		show_pointer(s, p);
		break;
	case GO_FUNC:
	case GO_UNSAFE_POINTER:
		show_address(s, p);
		break;
	case GO_INTERFACE:
		goshow_dynamic(s, p);
		break;
	default:
		add(s, "(unreadable)");
	}
}

void goshow_value(struct goshow *s, struct gopart p)
{
	bool parts = p.t->kind == GO_STRUCT || p.t->kind == GO_ARRAY || p.t->kind == GO_TUPLE;

	if (s->depth >= MAX_DEPTH || p.off + p.n > s->used || (p.n < p.t->size && !parts) ||
	    (p.t->size && !p.n)) {
		add(s, "...");
		return;
	}
	s->depth++;
	if (!goshow_known(s, p)) {
		if (p.t->kind == GO_ARRAY)
			show_array(s, p);
		else if (parts)
			show_struct(s, p);
		else
			show_kind(s, p);
	}
	s->depth--;
}

static void text_govalue(struct render *r, const struct type *t, const void *value, struct buf *out)
{
	struct goshow s = {
		.gt = gotypes_of(r->types, (struct gotype_limits){0}), .rec = value, .out = out};
	struct gopart root;
	uint32_t marks;

	s.used = MIN(builtin_u32(value), t->size);
	if (s.used < GO_REC_HEAD + GO_CHUNK_HEAD || !goshow_find(&s, 0, &root, &marks) ||
	    (marks & GO_CHUNK_FAULT))
		add(&s, "(unreadable)");
	else if (root.t->kind == GO_INTERFACE)
		goshow_dynamic(&s, root);
	else
		goshow_value(&s, root);
}

const struct view view_govalue = {
	.name = "govalue_t", .size = GO_REC_HEAD + GO_CHUNK_HEAD, .align = 8, .text = text_govalue};
