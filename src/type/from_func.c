/* Prototypes: raw tracepoints, kernel functions and iterators, as structs of what a program finds.
 *
 * Raw tracepoints and fentry programs get an array of 8-byte slots. Each argument is put at the
 * start of its slot; a struct passed by value takes as many slots as it needs:
 *
 *      trace_sched_switch(bool preempt, struct task_struct *prev, struct task_struct *next,
 * unsigned state) ┌──────────┬──────────┬──────────┬──────────┐ │ preempt  │ prev     │ next     │
 * state    │      a member each, offsets 0, 8, 16, 24 └──────────┴──────────┴──────────┴──────────┘
 *
 * Pointers to structs among them are trusted by the verifier: SPACE_BTF.
 *
 * The typedef btf_trace_NAME, which every raw tracepoint has, names no parameters (compilers leave
 * the names of function types out). The functions made beside it, __traceiter_NAME and
 * __bpf_trace_NAME, do: names come from the first that has them, else they are arg0, arg1, …
 */
#include <stdio.h>

#include <bpf/btf.h>

#include "type/priv.h"

static const char *name_at(const struct btf *btf, uint32_t off)
{
	const char *s = off ? btf__name_by_offset(btf, off) : NULL;

	return s && *s ? s : NULL;
}

/* The function prototype behind a typedef, a pointer or a function. */
static const struct btf_type *proto_of(const struct btf *btf, uint32_t id)
{
	for (int i = 0; i < 32; i++) {
		const struct btf_type *t = btf__type_by_id(btf, id);

		if (!t || btf_is_func_proto(t))
			return t;
		if (!btf_is_typedef(t) && !btf_is_ptr(t) && !btf_is_func(t) && !btf_is_mod(t))
			return NULL;
		id = t->type;
	}
	return NULL;
}

/* A pointer as the verifier sees it in a typed context. */
static const struct type *in_space(struct types *ts, const struct type *t, enum space space)
{
	if (t->kind == TYPE_PTR && t->ptr.to->kind == TYPE_STRUCT && t->ptr.space == SPACE_KERNEL)
		return type_ptr(ts, t->ptr.to, space);
	return t;
}

static const struct type *trusted(struct types *ts, const struct type *t)
{
	return in_space(ts, t, SPACE_BTF);
}

/* The parameters from `first` on; names from `names`, which may be the same prototype. */
static const struct type *slots(struct types *ts, const char *what, const struct btf_type *proto,
				const struct btf_type *names, uint32_t first, enum space space)
{
	const struct btf *btf = kernel_btf(ts->kernel, NULL);
	uint32_t all = btf_vlen(proto), n = 0, at = 0;
	struct member *members = arena_array_of(ts->arena, struct member, all);

	for (uint32_t i = first; i < all; i++) {
		const char *name = i < btf_vlen(names) ? name_at(btf, btf_params(names)[i].name_off)
						       : NULL;
		struct member *m = &members[n];

		if (!btf_params(proto)[i].type) /* "..." */
			break;
		m->type = in_space(ts, type_from_btf(ts, btf_params(proto)[i].type), space);
		m->name = str_of(name ? name : arena_printf(ts->arena, "arg%u", n));
		m->offset = at;
		at += MAX(ALIGN_UP(m->type->size, 8), 8);
		n++;
	}
	return type_struct_new(ts, what, at, members, n);
}

/* What was converted before: the same name has the same type. */
static const char *cache_key(struct types *ts, char family, const char *name)
{
	return arena_printf(ts->arena, "%c %s", family, name);
}

static const struct type *remember(struct types *ts, const char *key, const struct type *t)
{
	strmap_put(&ts->cache, str_of(key), (void *)t);
	return t;
}

static bool has_names(const struct btf *btf, const struct btf_type *proto)
{
	return proto && btf_vlen(proto) &&
	       name_at(btf, btf_params(proto)[btf_vlen(proto) - 1].name_off);
}

static const struct btf_type *find_names(struct types *ts, const struct btf *btf,
					 const struct btf_type *proto, const char *name)
{
	static const char *const prefixes[] = {"__traceiter_", "__bpf_trace_"};

	if (has_names(btf, proto))
		return proto;
	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
		const char *func = arena_printf(ts->arena, "%s%s", prefixes[i], name);
		uint32_t id = btf_find(ts->kernel, func, BTF_KIND_FUNC);
		const struct btf_type *p = id ? proto_of(btf, id) : NULL;

		if (has_names(btf, p) && btf_vlen(p) == btf_vlen(proto))
			return p;
	}
	return proto;
}

const struct type *type_from_rawtp(struct types *ts, const char *name)
{
	const struct btf *btf = ts->kernel ? kernel_btf(ts->kernel, NULL) : NULL;
	const char *key = cache_key(ts, 'r', name);
	const struct type *known = strmap_get(&ts->cache, str_of(key));
	const struct btf_type *proto;
	uint32_t id;

	if (known || !btf)
		return known;
	id = btf_find(ts->kernel, arena_printf(ts->arena, "btf_trace_%s", name), BTF_KIND_TYPEDEF);
	proto = id ? proto_of(btf, id) : NULL;
	if (!proto || !btf_vlen(proto))
		return NULL;
	/* The first parameter, `void *__data`, is not the program's. */
	known = slots(ts, arena_printf(ts->arena, "_rawtracepoint_%s", name), proto,
		      find_names(ts, btf, proto, name), 1, SPACE_BTF);
	fact_path(ts, known, "rawtracepoint", name);
	return remember(ts, key, known);
}

/* A kprobe has other pointers than fentry. */
static const char *func_family(enum space space)
{
	return space == SPACE_BTF ? "function" : "kprobe-function";
}

/* "vfs_read", "ext4:ext4_sync_file": what type_func_named() takes. */
static const char *func_path(struct types *ts, uint32_t id, const char *name)
{
	const char *module = kernel_btf_module_of(ts->kernel, id);

	return module ? arena_printf(ts->arena, "%s:%s", module, name) : name;
}

const struct type *type_func_named(struct types *ts, const char *path, enum space space,
				   const struct type **ret)
{
	struct str name = str_of(path), module = str_cut(&name, ':');

	if (!name.n)
		return type_from_func(ts, kernel_btf_func(ts->kernel, NULL, path), space, ret);
	return type_from_func(
		ts,
		kernel_btf_func(ts->kernel, arena_strndup(ts->arena, module.p, module.n), name.p),
		space, ret);
}

const struct type *type_from_func(struct types *ts, uint32_t id, enum space space,
				  const struct type **ret)
{
	const struct btf *btf = ts->kernel ? kernel_btf(ts->kernel, NULL) : NULL;
	const struct btf_type *proto = btf && id ? proto_of(btf, id) : NULL;
	const char *name = proto ? name_at(btf, btf__type_by_id(btf, id)->name_off) : NULL;
	const char *key = cache_key(ts, 'f', arena_printf(ts->arena, "%u %d", id, (int)space));
	const char *known_as;
	const struct type *t;

	if (!proto)
		return NULL;
	name = name ? name : "?";
	known_as = func_path(ts, id, name);
	if (ret) {
		*ret = in_space(ts, type_from_btf(ts, proto->type), space);
		fact_type(ts, LOOKUP_PLAIN,
			  str_of(arena_printf(ts->arena, "%s %s()", func_family(space), known_as)),
			  *ret);
	}
	t = strmap_get(&ts->cache, str_of(key));
	if (t)
		return t;
	t = slots(ts, arena_printf(ts->arena, "_function_%s", name), proto, proto, 0, space);
	fact_path(ts, t, func_family(space), known_as);
	return remember(ts, key, t);
}

/* ---- iterators ------------------------------------------------------------------------ */

/* Contexts wrap each pointer in an anonymous union of 8 bytes; the pointer is taken out of it. */
static uint32_t flatten(struct types *ts, const struct type *t, uint32_t base, struct member *out,
			uint32_t max, int depth)
{
	uint32_t n, used = 0;
	const struct member *m = type_members(ts, t, &n);

	for (uint32_t i = 0; i < n && used < max; i++) {
		if (!m[i].name.n && m[i].type->kind == TYPE_STRUCT && depth < 4) {
			used += flatten(ts, m[i].type, base + m[i].offset, out + used, max - used,
					depth + 1);
			continue;
		}
		if (!m[i].name.n)
			continue; /* padding */
		out[used] = m[i];
		out[used].offset += base;
		out[used].type = trusted(ts, m[i].type);
		used++;
	}
	return used;
}

const struct type *type_from_iter(struct types *ts, const char *name)
{
	const char *key = cache_key(ts, 'i', name);
	const char *struct_name = arena_printf(ts->arena, "bpf_iter__%s", name);
	const struct type *t = strmap_get(&ts->cache, str_of(key));
	struct member members[64];
	uint32_t n, id;

	if (t)
		return t;
	id = ts->kernel ? btf_find(ts->kernel, struct_name, BTF_KIND_STRUCT) : 0;
	if (!id)
		return NULL;
	t = type_from_btf(ts, id);
	n = flatten(ts, t, 0, members, ARRAY_SIZE(members), 0);
	t = type_struct_new(ts, struct_name, t->size, members, n);
	fact_path(ts, t, "iterator", name);
	return remember(ts, key, t);
}
