/* Type names as written to types: `struct sock *`, `string[64]`, `uint8[16]`, `typeof($x)`.
 *
 * Suffixes are read from left to right: "int32*[4]" is an array of four pointers. Pointers point
 * into the space that the probe's addresses are in (kernel for kprobes, user for uprobes). */
#include <linux/btf.h>
#include <string.h>
#include "sema/sema_priv.h"

struct tagged {
	struct arena *a;
	struct nearest *n;
};

/* The text lives during the call only. */
static int try_tagged(void *arg, const char *text)
{
	const struct tagged *t = arg;
	const char *name = strchr(text, ' ');

	if (!name)
		return 0;
	nearest_try(t->n, str_of(name + 1));
	if (t->n->best.p == name + 1)
		t->n->best.p = arena_strndup(t->a, name + 1, t->n->best.n);
	return 0;
}

/* Structs, unions and enums of the kernel. */
static void nearest_tagged(struct sema *s, enum type_tag tag, struct nearest *n)
{
	static const unsigned kinds[] = {[TAG_STRUCT] = BTF_KIND_STRUCT,
					 [TAG_UNION] = BTF_KIND_UNION,
					 [TAG_ENUM] = BTF_KIND_ENUM};
	struct tagged t = {s->a, n};
	struct err e = {0};

	if (!s->final || !s->in->kernel || tag >= ARRAY_SIZE(kinds) || !kinds[tag])
		return;
	kernel_btf_types(s->in->kernel, kinds[tag], STR("*"), false, try_tagged, &t, &e);
	if (n->best.n && n->distance > MAX(n->wanted.n / 5, 1)) /* of ten thousand, some are near */
		n->best.n = 0;
}

static void report_unknown(struct sema *s, struct type_name *tn)
{
	static const char *const tags[] = {"", "struct ", "union ", "enum ", ""};
	struct diag_msg *m;
	struct nearest n;
	static const char *const common[] = {"bool",   "int8",   "int16",  "int32",
					     "int64",  "uint8",  "uint16", "uint32",
					     "uint64", "string", "buffer"};

	m = sema_report(s, E_TYPE_NAME, tn->span, "there is no type %s%.*s", tags[tn->tag],
			STR_ARG(tn->name));
	sema_note_header(s, m);
	nearest_init(&n, tn->name);
	for (size_t i = 0; i < ARRAY_SIZE(common) && tn->tag == TAG_NONE; i++)
		nearest_try(&n, str_of(common[i]));
	nearest_tagged(s, tn->tag, &n);
	if (nearest_found(&n))
		diag_suggest(m, tn->span,
			     arena_printf(s->a, "%s%.*s", tags[tn->tag], STR_ARG(n.best)));
	else
		diag_help(m, "types come from the kernel's type information (BTF); awl -lv 'struct "
			     "NAME' shows one");
}

/* string[N], buffer[N]: takes the first suffix. NULL: none of these. */
static const struct type *sized(struct sema *s, struct type_name *tn, size_t *used)
{
	bool str = str_is(tn->name, "string"), buf = str_is(tn->name, "buffer");
	uint64_t n = s->in->config->max_strlen;

	if (tn->tag != TAG_NONE || (!str && !buf))
		return NULL;
	if (tn->nsuffixes && tn->suffixes[0].kind == SUFFIX_ARRAY) {
		*used = 1;
		if (!tn->suffixes[0].open)
			n = tn->suffixes[0].count;
	}
	if (n == 0 || n > 1 << 20) {
		sema_report(s, E_SIZE, tn->span, "a %.*s has from 1 to 1048576 bytes",
			    STR_ARG(tn->name));
		return &type_poison;
	}
	return str ? type_string(s->types, n) : type_buf(s->types, n);
}

/* Values that show as text and are kept as something else: what ntop() makes is an inet, of 4 or of
 * 16 bytes. NULL: none of these. */
static const struct type *shown(struct sema *s, struct type_name *tn, size_t *used)
{
	static const char *const names[][2] = {{"inet", "inet_t"},
					       {"macaddr_t", "mac_t"},
					       {"username_t", "username_t"},
					       {"ksym_t", "ksym_t"},
					       {"usym_t", "usym_t"}};

	for (size_t i = 0; i < ARRAY_SIZE(names) && tn->tag == TAG_NONE; i++) {
		if (!str_is(tn->name, names[i][0]))
			continue;
		*used = i == 0 && tn->nsuffixes && tn->suffixes[0].kind == SUFFIX_ARRAY;
		for (const struct view *const *v = s->in->views; v && *v; v++)
			if (strcmp((*v)->name, names[i][1]) == 0)
				return type_view(s->types, *v, 0);
	}
	return NULL;
}

static const struct type *base(struct sema *s, struct type_name *tn, enum space space, size_t *used)
{
	static const enum type_lookup lookups[] = {[TAG_NONE] = LOOKUP_PLAIN,
						   [TAG_STRUCT] = LOOKUP_STRUCT,
						   [TAG_UNION] = LOOKUP_UNION,
						   [TAG_ENUM] = LOOKUP_ENUM};
	const struct type *t;

	if (tn->tag == TAG_TYPEOF && tn->of_type)
		return sema_type_in(s, tn->of_type, space);
	if (tn->tag == TAG_TYPEOF) {
		sema_value(s, tn->of);
		return tn->of->type;
	}
	t = sized(s, tn, used);
	if (!t)
		t = shown(s, tn, used);
	if (!t && tn->tag == TAG_NONE)
		t = type_builtin(s->types, tn->name);
	if (!t)
		t = type_lookup(s->types, lookups[tn->tag], tn->name);
	if (!t)
		report_unknown(s, tn);
	return t ? t : &type_poison;
}

const struct type *sema_type_in(struct sema *s, struct type_name *tn, enum space space)
{
	size_t i = 0;
	const struct type *t = base(s, tn, space, &i);

	for (; i < tn->nsuffixes && t->kind != TYPE_POISON; i++) {
		struct type_suffix *x = &tn->suffixes[i];

		if (x->kind == SUFFIX_PTR) {
			t = type_ptr(s->types, t, space);
		} else if (x->count > 1 << 20) {
			sema_report(s, E_SIZE, tn->span, "an array of %llu elements is too large",
				    (unsigned long long)x->count);
			return &type_poison;
		} else {
			t = type_array(s->types, t, x->count);
		}
	}
	return t;
}

const struct type *sema_type_name(struct sema *s, struct type_name *tn)
{
	const struct type *t = sema_type_in(s, tn, sema_space(s));

	return s->final && t->kind == TYPE_POISON ? NULL : t;
}
