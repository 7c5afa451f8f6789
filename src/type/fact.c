/* Facts about types: what a compilation learnt from BTF, tracefs and prototypes, noted under names
 * that find the same thing on another kernel (fact.c of src/kernel).
 *
 *   struct task_struct\tpid               by the struct's name; \t is a step to a member
 *   struct sock_common\tskc_daddr         found through anonymous members: the path that C writes
 *   tracepoint sched:sched_switch\tprev_pid
 *   struct request\tq_node\tnext          a struct without a name: by the member that it is of
 *
 * A member's value is its offset. Its shape is what else code depends on: type, bit-field,
 * location. Sizes of structs are facts of their own, as few programs depend on them.
 */
#include <stdio.h>

#include "type/priv.h"

static uint64_t digest(const char *s)
{
	uint64_t h = 0xcbf29ce484222325;

	for (; *s; s++)
		h = (h ^ (uint8_t)*s) * 0x100000001b3;
	return h;
}

/* "struct foo", "int32", "struct (anonymous) of 24 bytes". */
static void add_shape(struct buf *b, struct arena *a, const struct member *m)
{
	const struct type *t = m->type;

	buf_adds(b, type_text(a, t));
	while (t->kind == TYPE_ARRAY)
		t = t->array.of;
	if (t->kind == TYPE_STRUCT && !t->agr.name)
		buf_printf(b, " of %u bytes", t->size);
	else if (t->kind == TYPE_ENUM)
		buf_printf(b, " of %u bytes%s", t->size, t->enm.is_signed ? ", signed" : "");
	else if (t->kind == TYPE_PTR)
		buf_printf(b, " space %d", (int)t->ptr.space);
	if (m->bit_size)
		buf_printf(b, " bits %u+%u of %u bytes", m->bit_off, m->bit_size, m->load_size);
	if (m->loc)
		buf_printf(b, " location %d", (int)m->loc);
}

static const struct agr *struct_behind(const struct type *t)
{
	for (int i = 0; i < 32 && (t->kind == TYPE_ARRAY || t->kind == TYPE_PTR); i++)
		t = t->kind == TYPE_ARRAY ? t->array.of : t->ptr.to;
	return t->kind == TYPE_STRUCT || t->kind == TYPE_ENUM ? agr_of(t) : NULL;
}

/* What BTF knows but no path leads to can only be taken for granted on this very kernel. */
static const char *path_of(struct types *ts, const struct type *t)
{
	const struct agr *a = agr_of(t);

	if (!a->path && a->btf_id)
		kernel_host(ts->kernel, FACT_KERNEL, "");
	return a->path;
}

void fact_path(struct types *ts, const struct type *t, const char *family, const char *name)
{
	agr_of(t)->path = arena_printf(ts->arena, "%s %s", family, name);
}

void fact_member(struct types *ts, const struct type *in, struct str name, struct member *m)
{
	struct buf shape = BUF_INIT;
	const char *path, *key;
	struct agr *a;

	if (!kernel_recording(ts->kernel) || !(path = path_of(ts, in)))
		return;
	key = arena_printf(ts->arena, "%s\t%.*s", path, STR_ARG(name));
	if (!m) {
		kernel_fact(ts->kernel, FACT_MEMBER, key, "none", 0);
		return;
	}
	add_shape(&shape, ts->arena, m);
	m->offset = (uint32_t)kernel_fact(ts->kernel, FACT_MEMBER, key, buf_cstr(&shape),
					  m->offset);
	buf_release(&shape);
	a = (struct agr *)struct_behind(m->type);
	if (a && a->btf_id && !a->path)
		a->path = key;
}

static void note_digest(struct types *ts, const char *path, struct buf *b)
{
	char text[20];

	snprintf(text, sizeof(text), "%016llx", (unsigned long long)digest(buf_cstr(b)));
	kernel_fact(ts->kernel, FACT_LAYOUT, path, text, 0);
	buf_release(b);
}

void fact_layout(struct types *ts, const struct type *t, const struct member *m, uint32_t n)
{
	struct buf b = BUF_INIT;
	const char *path;

	if (!kernel_recording(ts->kernel) || !(path = path_of(ts, t)))
		return;
	for (uint32_t i = 0; i < n; i++) {
		buf_printf(&b, "%.*s at %u: ", STR_ARG(m[i].name), m[i].offset);
		add_shape(&b, ts->arena, &m[i]);
		buf_addc(&b, '\n');
	}
	note_digest(ts, path, &b);
}

void fact_values(struct types *ts, const struct type *t, const struct enum_value *v, uint32_t n)
{
	struct buf b = BUF_INIT;
	const char *path;

	if (!kernel_recording(ts->kernel) || !(path = path_of(ts, t)))
		return;
	for (uint32_t i = 0; i < n; i++)
		buf_printf(&b, "%s = %llu\n", v[i].name, (unsigned long long)v[i].value);
	note_digest(ts, path, &b);
}

void fact_type(struct types *ts, enum type_lookup tag, struct str name, const struct type *t)
{
	static const char *const tags[] = {[LOOKUP_PLAIN] = "type",
					   [LOOKUP_STRUCT] = "struct",
					   [LOOKUP_UNION] = "union",
					   [LOOKUP_ENUM] = "enum"};
	const struct member as_member = {.type = t};
	struct buf b = BUF_INIT;

	if (!kernel_recording(ts->kernel) || (t && struct_behind(t) && struct_behind(t)->declared))
		return;
	if (t)
		add_shape(&b, ts->arena, &as_member);
	kernel_fact(ts->kernel, FACT_TYPE,
		    arena_printf(ts->arena, "%s %.*s", tags[tag], STR_ARG(name)),
		    t ? buf_cstr(&b) : "none", 0);
	buf_release(&b);
}

void fact_enumerator(struct types *ts, struct str name, uint64_t *value, const struct type *t)
{
	uint64_t answer;

	if (!kernel_recording(ts->kernel))
		return;
	answer = kernel_fact(ts->kernel, FACT_ENUMERATOR, arena_strndup(ts->arena, name.p, name.n),
			     t ? type_text(ts->arena, t) : "none", t ? *value : 0);
	if (t)
		*value = answer;
}

/* ---- asking again ------------------------------------------------------------------------ */

static const struct type *tracepoint_of(struct types *ts, struct str name)
{
	struct str category = str_cut(&name, ':');
	struct tp_format f;
	struct err e = {0};

	if (!category.n || !name.n || memchr(category.p, '/', category.n) ||
	    memchr(name.p, '/', name.n))
		return NULL;
	if (kernel_tp_format(ts->kernel, ts->arena,
			     arena_strndup(ts->arena, category.p, category.n),
			     arena_strndup(ts->arena, name.p, name.n), &f, &e) < 0)
		return NULL;
	return type_from_tracepoint(ts, &f);
}

static const struct type *root_of(struct types *ts, struct str root)
{
	struct str tag = str_cut(&root, ' ');
	const char *name = root.n ? arena_strndup(ts->arena, root.p, root.n) : NULL;

	if (!name)
		return NULL;
	if (str_is(tag, "struct"))
		return type_lookup(ts, LOOKUP_STRUCT, root);
	if (str_is(tag, "union"))
		return type_lookup(ts, LOOKUP_UNION, root);
	if (str_is(tag, "enum"))
		return type_lookup(ts, LOOKUP_ENUM, root);
	if (str_is(tag, "tracepoint"))
		return tracepoint_of(ts, root);
	if (str_is(tag, "rawtracepoint"))
		return type_from_rawtp(ts, name);
	if (str_is(tag, "function"))
		return type_func_named(ts, name, SPACE_BTF, NULL);
	if (str_is(tag, "kprobe-function"))
		return type_func_named(ts, name, SPACE_KERNEL, NULL);
	if (str_is(tag, "iterator"))
		return type_from_iter(ts, name);
	return type_lookup(ts, LOOKUP_PLAIN, root);
}

/* Follows a path; each step is noted on the way. NULL: it leads nowhere. */
static const struct type *follow(struct types *ts, struct str path)
{
	struct str root = str_cut(&path, '\t');
	const struct type *t = root_of(ts, root);
	struct member m;

	while (t && path.n) {
		const struct agr *a = struct_behind(t);
		struct str step = str_cut(&path, '\t');

		if (!a || a->t.kind != TYPE_STRUCT || !type_member(ts, &a->t, step, &m))
			return NULL;
		t = m.type;
	}
	return t;
}

/* "type int_t", "type function vfs_read()": of a function, what it returns. */
static void ask_type(struct types *ts, struct str name)
{
	struct str family = name;
	const struct type *ret;

	if (!str_ends(name, STR("()"))) {
		root_of(ts, name);
		return;
	}
	str_cut(&family, ' ');
	name = family;
	family = str_cut(&name, ' ');
	if (name.n > 2)
		type_func_named(ts, arena_strndup(ts->arena, name.p, name.n - 2),
				str_is(family, "function") ? SPACE_BTF : SPACE_KERNEL, &ret);
}

void type_fact(struct types *ts, enum fact_kind kind, const char *key)
{
	const struct agr *a;
	const struct type *t;
	uint64_t value;
	uint32_t n;

	switch (kind) {
	case FACT_MEMBER:
	case FACT_SIZE:
		follow(ts, str_of(key));
		break;
	case FACT_TYPE:
		ask_type(ts, str_of(key));
		break;
	case FACT_ENUMERATOR:
		type_enumerator(ts, str_of(key), &value, &t);
		break;
	case FACT_LAYOUT:
		t = follow(ts, str_of(key));
		a = t ? struct_behind(t) : NULL;
		if (a && a->t.kind == TYPE_STRUCT)
			type_members(ts, &a->t, &n);
		else if (a)
			type_enum_values(ts, &a->t, &n);
		break;
	default:
		break;
	}
}
