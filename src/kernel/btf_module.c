/* Types of kernel modules.
 *
 * A module's BTF (/sys/kernel/btf/MODULE) goes on where the kernel's ends: its first type has the
 * number behind the kernel's last one, its first string the offset behind the kernel's strings. So
 * the numbers of two modules collide. Here each is put behind what is there, and renumbered:
 *
 *            types                                  strings
 *      ┌───────────────┬─────────┬─────────┐   ┌──────────┬────────┬───────┐
 *      │ the kernel's  │ ext4    │ nf_tab… │   │ kernel's │ ext4   │ nf_…  │
 *      └───────────────┴─────────┴─────────┘   └──────────┴────────┴───────┘
 *       1 … kernel_types-1   first … end-1
 *
 * References to the kernel's own types and strings stay as they are. The result is one `struct btf`
 * that everything else reads like the kernel's alone. What was handed out before points into the
 * one before, which is kept. The files are the kernel's own, but a record that does not fit makes
 * the module an error.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include <bpf/btf.h>

#include "kernel/priv.h"

#define MODULE_LIMIT (64u << 20)

struct renumber {
	uint32_t kernel_types, kernel_strings; /* what is from here on is the module's */
	uint32_t type_shift, string_shift;
};

static void move_type(const struct renumber *r, uint32_t *id)
{
	if (*id >= r->kernel_types)
		*id += r->type_shift;
}

static void move_name(const struct renumber *r, uint32_t *off)
{
	if (*off >= r->kernel_strings)
		*off += r->string_shift;
}

/* How many bytes follow the head of a record; -1: an unknown kind. */
static long extra_size(const struct btf_type *t)
{
	uint32_t n = btf_vlen(t);

	switch (btf_kind(t)) {
	case BTF_KIND_PTR:
	case BTF_KIND_FWD:
	case BTF_KIND_TYPEDEF:
	case BTF_KIND_VOLATILE:
	case BTF_KIND_CONST:
	case BTF_KIND_RESTRICT:
	case BTF_KIND_FUNC:
	case BTF_KIND_FLOAT:
	case BTF_KIND_TYPE_TAG:
		return 0;
	case BTF_KIND_INT:
	case BTF_KIND_VAR:
	case BTF_KIND_DECL_TAG:
		return 4;
	case BTF_KIND_ARRAY:
		return sizeof(struct btf_array);
	case BTF_KIND_STRUCT:
	case BTF_KIND_UNION:
		return n * sizeof(struct btf_member);
	case BTF_KIND_ENUM:
		return n * sizeof(struct btf_enum);
	case BTF_KIND_ENUM64:
		return n * sizeof(struct btf_enum64);
	case BTF_KIND_FUNC_PROTO:
		return n * sizeof(struct btf_param);
	case BTF_KIND_DATASEC:
		return n * sizeof(struct btf_var_secinfo);
	default:
		return -1;
	}
}

/* The head's `type` is a size in the other kinds. */
static bool refers(const struct btf_type *t)
{
	return btf_is_ptr(t) || btf_is_typedef(t) || btf_is_mod(t) || btf_is_func(t) ||
	       btf_is_func_proto(t) || btf_is_var(t) || btf_is_decl_tag(t) || btf_is_type_tag(t);
}

static void move_parts(const struct renumber *r, struct btf_type *t)
{
	uint32_t n = btf_vlen(t);

	if (btf_is_array(t)) {
		move_type(r, &btf_array(t)->type);
		move_type(r, &btf_array(t)->index_type);
	}
	for (uint32_t i = 0; btf_is_composite(t) && i < n; i++) {
		move_name(r, &btf_members(t)[i].name_off);
		move_type(r, &btf_members(t)[i].type);
	}
	for (uint32_t i = 0; btf_is_enum(t) && i < n; i++)
		move_name(r, &btf_enum(t)[i].name_off);
	for (uint32_t i = 0; btf_is_enum64(t) && i < n; i++)
		move_name(r, &btf_enum64(t)[i].name_off);
	for (uint32_t i = 0; btf_is_func_proto(t) && i < n; i++) {
		move_name(r, &btf_params(t)[i].name_off);
		move_type(r, &btf_params(t)[i].type);
	}
	for (uint32_t i = 0; btf_is_datasec(t) && i < n; i++)
		move_type(r, &btf_var_secinfos(t)[i].type);
}

/* Renumbers the records of a type section; false: one does not fit. */
static bool renumber(const struct renumber *r, char *p, size_t n)
{
	while (n) {
		struct btf_type *t = (struct btf_type *)p;
		long extra = n < sizeof(*t) ? -1 : extra_size(t);

		if (extra < 0 || (size_t)extra > n - sizeof(*t))
			return false;
		move_name(r, &t->name_off);
		if (refers(t))
			move_type(r, &t->type);
		move_parts(r, t);
		p += sizeof(*t) + (size_t)extra;
		n -= sizeof(*t) + (size_t)extra;
	}
	return true;
}

/* The header of BTF whose sections lie inside of its `n` bytes; NULL: they do not. */
static const struct btf_header *header_of(const void *data, size_t n)
{
	const struct btf_header *h = data;

	if (n < sizeof(*h) || h->magic != BTF_MAGIC || h->hdr_len < sizeof(*h) || h->hdr_len > n)
		return NULL;
	n -= h->hdr_len;
	if (h->type_off % 4 || h->type_off > n || h->type_len > n - h->type_off || h->str_off > n ||
	    h->str_len > n - h->str_off)
		return NULL;
	return h;
}

static const char *section(const struct btf_header *h, uint32_t off)
{
	return (const char *)h + h->hdr_len + off;
}

/* The BTF of `a` with the sections of `b` behind its own, those of types renumbered. */
static struct btf *append(const struct btf_header *a, const struct btf_header *b,
			  const struct renumber *r)
{
	struct btf_header h = {.magic = BTF_MAGIC, .version = BTF_VERSION, .hdr_len = sizeof(h)};
	struct buf out = BUF_INIT;
	struct btf *btf = NULL;

	h.type_len = a->type_len + b->type_len;
	h.str_off = h.type_len;
	h.str_len = a->str_len + b->str_len;
	buf_add(&out, &h, sizeof(h));
	buf_add(&out, section(a, a->type_off), a->type_len);
	buf_add(&out, section(b, b->type_off), b->type_len);
	buf_add(&out, section(a, a->str_off), a->str_len);
	buf_add(&out, section(b, b->str_off), b->str_len);
	if (renumber(r, out.p + sizeof(h) + a->type_len, b->type_len))
		btf = btf__new(out.p, (uint32_t)out.n);
	buf_release(&out);
	return btf;
}

static const struct btf_header *raw_of(const struct btf *btf)
{
	uint32_t n = 0;
	const void *data = btf__raw_data(btf, &n);

	return data ? header_of(data, n) : NULL;
}

/* Indexes are made again when they are next asked for; enumerators of modules are not looked for.
 */
static void replace(struct kernel *k, struct btf *btf)
{
	hvec_push(&k->old_btfs, k->btf);
	k->btf = btf;
	btf_index_free(&k->by_type);
	btf_index_free(&k->by_func);
}

static int merge(struct kernel *k, const char *module, const struct buf *file)
{
	const struct btf_header *a = raw_of(k->btf), *b = header_of(file->p, file->n), *kernel;
	uint32_t first = btf__type_cnt(k->btf);
	struct renumber r = {0};
	struct btf *btf;

	kernel = raw_of(k->old_btfs.n ? k->old_btfs.v[0] : k->btf);
	if (!a || !b || !kernel)
		return -EINVAL;
	r.kernel_types = btf__type_cnt(k->old_btfs.n ? k->old_btfs.v[0] : k->btf);
	r.kernel_strings = kernel->str_len;
	r.type_shift = first - r.kernel_types;
	r.string_shift = a->str_len - kernel->str_len;
	btf = append(a, b, &r);
	if (!btf)
		return -EINVAL;
	replace(k, btf);
	hvec_push(&k->modules,
		  (struct btf_module){strdup(module), first, btf__type_cnt(btf), r.type_shift});
	return 0;
}

static const struct btf_module *find_module(const struct kernel *k, const char *module)
{
	for (size_t i = 0; i < k->modules.n; i++)
		if (strcmp(k->modules.v[i].name, module) == 0)
			return &k->modules.v[i];
	return NULL;
}

/* "ext4", and nothing that would lead out of the folder. */
static bool is_module_name(const char *s)
{
	return *s && *s != '.' && !strchr(s, '/');
}

int kernel_btf_module(struct kernel *k, const char *module, struct err *e)
{
	struct buf b = BUF_INIT;
	char path[256];
	int r;

	if (!kernel_btf(k, e))
		return -ENOENT;
	if (find_module(k, module))
		return 0;
	if (kernel_btf_is_given(k))
		return err_plain(
			e, ENOTSUP,
			"read BTF of module %s: it goes on where the kernel's own ends, which "
			"is not there",
			module);
	snprintf(path, sizeof(path), "%s/%s",
		 k->paths.modules ? k->paths.modules : "/sys/kernel/btf", module);
	r = is_module_name(module) ? kernel_read_at(AT_FDCWD, path, &b, MODULE_LIMIT) : -ENOENT;
	if (r == 0)
		r = merge(k, module, &b);
	buf_release(&b);
	if (r == -EINVAL)
		return err_plain(e, EINVAL, "read BTF from %s: it is not valid BTF of a module",
				 path);
	if (r < 0) {
		err_set(e, -r, "read BTF from %s", path);
		if (r == -ENOENT)
			err_hint(e,
				 "the module must be loaded, and the kernel be 5.11 or later with "
				 "CONFIG_DEBUG_INFO_BTF_MODULES=y");
	}
	return r;
}

uint32_t kernel_btf_func(struct kernel *k, const char *module, const char *name)
{
	const struct btf_module *m = module ? find_module(k, module) : NULL;

	if (!module)
		return btf_find(k, name, BTF_KIND_FUNC);
	for (uint32_t id = m ? m->first : 0; m && id < m->end; id++) {
		const struct btf_type *t = btf__type_by_id(k->btf, id);
		const char *of = btf_is_func(t) ? btf__name_by_offset(k->btf, t->name_off) : NULL;

		if (of && strcmp(of, name) == 0)
			return id;
	}
	return 0;
}

static const struct btf_module *module_of(const struct kernel *k, uint32_t id)
{
	for (size_t i = 0; i < k->modules.n; i++)
		if (id >= k->modules.v[i].first && id < k->modules.v[i].end)
			return &k->modules.v[i];
	return NULL;
}

/* That its types were read is part of what is found afterwards. */
const char *kernel_btf_module_of(struct kernel *k, uint32_t id)
{
	const struct btf_module *m = module_of(k, id);

	if (m)
		kernel_fact(k, FACT_MODULE, m->name, "there", 0);
	return m ? m->name : NULL;
}

/* Noted as "12 NAME" or "12 MODULE:NAME". */
uint32_t kernel_btf_own_id(struct kernel *k, uint32_t id)
{
	const struct btf_type *t = k->btf && id ? btf__type_by_id(k->btf, id) : NULL;
	const char *name = t ? btf__name_by_offset(k->btf, t->name_off) : NULL;
	const char *module = kernel_btf_module_of(k, id);
	const struct btf_module *m = module_of(k, id);
	uint32_t own = m ? id - m->shift : id;
	char key[400];

	if (!name || !kernel_recording(k))
		return own;
	snprintf(key, sizeof(key), "%u %s%s%s", BTF_KIND_FUNC, module ? module : "",
		 module ? ":" : "", name);
	return (uint32_t)kernel_fact(k, FACT_BTF_ID, key, "there", own);
}
