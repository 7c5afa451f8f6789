/* The kernel's types as text: names for -l, definitions in C for -lv.
 *
 *      struct list_head {                     enum tcp_conntrack {
 *              struct list_head *next;                TCP_CONNTRACK_NONE = 0,
 *              struct list_head *prev;                …
 *      };                                     };
 *
 * libbpf writes each member's declaration (arrays, pointers to functions, anonymous structs
 * inside); this file finds the types, orders them by name, and puts the frame around the members.
 * Only the kernel itself is looked at, not modules. A forward declaration has no definition and is
 * left out; of several types with one name each is shown.
 */
#include <errno.h>
#include <stdlib.h>

#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "kernel/priv.h"

struct shown {
	const char *name;
	uint32_t id;
};

struct show {
	const struct btf *btf;
	struct btf_dump *dump;
	struct buf b;
};

static void add_text(void *arg, const char *fmt, va_list ap)
{
	struct show *s = arg;

	buf_vprintf(&s->b, fmt, ap);
}

static const char *keyword(const struct btf_type *t)
{
	return btf_is_struct(t) ? "struct" : btf_is_union(t) ? "union" : "enum";
}

static void add_member(struct show *s, const struct btf_type *t, uint32_t i)
{
	const struct btf_member *m = &btf_members(t)[i];
	uint32_t bits = btf_member_bitfield_size(t, i);

	DECLARE_LIBBPF_OPTS(btf_dump_emit_type_decl_opts, o,
			    .field_name = btf__name_by_offset(s->btf, m->name_off),
			    .indent_level = 1);
	buf_addc(&s->b, '\t');
	btf_dump__emit_type_decl(s->dump, m->type, &o);
	if (bits)
		buf_printf(&s->b, " : %u", bits);
	buf_adds(&s->b, ";\n");
}

static void add_enumerator(struct show *s, const struct btf_type *t, uint32_t i)
{
	bool is_signed = btf_kflag(t);
	uint64_t v;
	uint32_t name;

	if (btf_is_enum64(t)) {
		name = btf_enum64(t)[i].name_off;
		v = btf_enum64_value(&btf_enum64(t)[i]);
	} else {
		name = btf_enum(t)[i].name_off;
		v = is_signed ? (uint64_t)(int64_t)btf_enum(t)[i].val
			      : (uint32_t)btf_enum(t)[i].val;
	}
	buf_printf(&s->b, "\t%s = ", btf__name_by_offset(s->btf, name));
	if (is_signed)
		buf_addi64(&s->b, (int64_t)v);
	else
		buf_addu64(&s->b, v);
	buf_adds(&s->b, ",\n");
}

static void add_definition(struct show *s, const struct btf_type *t, const char *name)
{
	buf_printf(&s->b, "%s %s {\n", keyword(t), name);
	for (uint32_t i = 0; i < btf_vlen(t); i++) {
		if (btf_is_composite(t))
			add_member(s, t, i);
		else
			add_enumerator(s, t, i);
	}
	buf_adds(&s->b, "};");
}

static bool is_wanted(const struct btf_type *t, unsigned kind)
{
	return btf_kind(t) == kind || (kind == BTF_KIND_ENUM && btf_is_enum64(t));
}

static int by_name(const void *pa, const void *pb)
{
	const struct shown *a = pa, *b = pb;
	int r = strcmp(a->name, b->name);

	return r ? r : (a->id > b->id) - (a->id < b->id);
}

static int show_one(struct show *s, const struct shown *one, bool whole,
		    int (*fn)(void *arg, const char *text), void *arg)
{
	const struct btf_type *t = btf__type_by_id(s->btf, one->id);

	buf_reset(&s->b);
	if (whole)
		add_definition(s, t, one->name);
	else
		buf_printf(&s->b, "%s %s", keyword(t), one->name);
	return fn(arg, buf_cstr(&s->b));
}

int kernel_btf_types(struct kernel *k, unsigned btf_kind, struct str pattern, bool whole,
		     int (*fn)(void *arg, const char *text), void *arg, struct err *e)
{
	struct show s = {.btf = kernel_btf(k, e), .b = BUF_INIT};
	VEC(struct shown) found = {0};
	uint32_t n = s.btf ? btf__type_cnt(s.btf) : 0;
	int r = 0;

	if (!s.btf)
		return -ENOENT;
	s.dump = btf_dump__new(s.btf, add_text, &s, NULL);
	if (!s.dump)
		return err_set(e, errno, "print types of the kernel");
	for (uint32_t id = 1; id < n; id++) {
		const struct btf_type *t = btf__type_by_id(s.btf, id);
		const char *name = btf__name_by_offset(s.btf, t->name_off);

		if (is_wanted(t, btf_kind) && name && *name && str_glob(pattern, str_of(name)))
			hvec_push(&found, (struct shown){name, id});
	}
	if (found.n)
		qsort(found.v, found.n, sizeof(*found.v), by_name);
	for (size_t i = 0; i < found.n && !r; i++)
		if (whole || !i || strcmp(found.v[i].name, found.v[i - 1].name))
			r = show_one(&s, &found.v[i], whole, fn, arg);
	hvec_release(&found);
	btf_dump__free(s.dump);
	buf_release(&s.b);
	return r;
}
