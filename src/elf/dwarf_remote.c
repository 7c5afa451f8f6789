/* The questions of dwarf.h put to a reader, which alone runs the library that parses DWARF. A
 * request is a letter and a number; what a reply has is what serve_…() puts and …_take() takes, in
 * the same order. Kinds and counts are checked; a dwarf_ref means something to the reader only. */
#include "elf/dwarf_remote.h"

#include <errno.h>
#include <string.h>

enum { CPU_MS = 5000 };

/* ---- in the reader ---------------------------------------------------------------------------
 */

static void serve_open(struct dwarf *d, struct buf *out)
{
	struct err e = {0};

	wire_put(out, dwarf_begin_local(d, &e) == 0, 1);
	wire_put_text(out, e.what);
}

static void serve_type(struct dwarf *d, dwarf_ref ref, struct buf *out)
{
	struct dwarf_type t;
	bool known = dwarf_type_get(d, ref, &t);

	wire_put(out, known, 1);
	if (!known)
		return;
	wire_put(out, t.kind, 1);
	wire_put(out, t.is_signed, 1);
	wire_put(out, t.reference, 1);
	wire_put(out, t.by_reference, 1);
	wire_put(out, t.incomplete, 1);
	wire_put(out, t.go_kind, 1);
	wire_put_text(out, t.name);
	wire_put_text(out, t.alias);
	wire_put(out, t.size, 8);
	wire_put(out, t.self, 4);
	wire_put(out, t.to, 4);
	wire_put(out, t.count, 8);
	wire_put(out, t.key, 4);
	wire_put(out, t.elem, 4);
}

static void serve_members(struct dwarf *d, dwarf_ref ref, struct arena *a, struct buf *out)
{
	const struct dwarf_member *m;
	size_t n = dwarf_members(d, ref, a, &m);

	wire_put(out, n, 8);
	for (size_t i = 0; i < n; i++) {
		wire_put_text(out, m[i].name);
		wire_put(out, m[i].type, 4);
		wire_put(out, m[i].bit_offset, 8);
		wire_put(out, m[i].bit_size, 4);
	}
}

static void serve_values(struct dwarf *d, dwarf_ref ref, struct arena *a, struct buf *out)
{
	const struct dwarf_value *v;
	size_t n = dwarf_values(d, ref, a, &v);

	wire_put(out, n, 8);
	for (size_t i = 0; i < n; i++) {
		wire_put_text(out, v[i].name);
		wire_put(out, (uint64_t)v[i].value, 8);
	}
}

static void serve_go_types(struct dwarf *d, struct arena *a, struct buf *out)
{
	const struct dwarf_go_type *v;
	size_t n = dwarf_go_types(d, a, &v);

	wire_put(out, n, 8);
	for (size_t i = 0; i < n; i++) {
		wire_put(out, v[i].offset, 8);
		wire_put(out, v[i].ref, 4);
	}
}

static void put_expr(const struct dwarf_expr *e, struct buf *out)
{
	wire_put(out, e->n, 8);
	for (size_t i = 0; i < e->n; i++) {
		wire_put(out, e->ops[i].op, 1);
		wire_put(out, e->ops[i].a, 8);
		wire_put(out, e->ops[i].b, 8);
	}
}

static void serve_func(struct dwarf *d, struct wire *in, uint64_t addr, struct arena *a,
		       struct buf *out)
{
	const char *copy_of = wire_take_text(in);
	struct dwarf_func f;
	struct err e = {0};
	int r = dwarf_func_at(d, addr, copy_of, a, &f, &e);

	wire_put(out, r == 0, 1);
	wire_put_text(out, e.what);
	if (r < 0)
		return;
	wire_put_text(out, f.name);
	wire_put(out, f.ret, 4);
	wire_put(out, f.entry, 1);
	wire_put(out, f.external, 1);
	put_expr(&f.frame_base, out);
	put_expr(&f.cfa, out);
	wire_put(out, f.nparams, 8);
	for (size_t i = 0; i < f.nparams; i++) {
		const struct dwarf_param *p = &f.params[i];

		wire_put_text(out, p->name);
		wire_put(out, p->type, 4);
		put_expr(&p->at, out);
		wire_put(out, p->always, 1);
		wire_put(out, p->by_reference, 1);
		wire_put(out, p->result, 1);
		wire_put(out, p->constant, 1);
		wire_put(out, p->value, 8);
		wire_put(out, p->captured, 4);
	}
}

static void serve_lines(struct dwarf *d, struct wire *in, unsigned line, struct arena *a,
			struct buf *out)
{
	unsigned column = (unsigned)wire_take(in, 8);
	const char *file = wire_take_text(in);
	struct dwarf_lines found = {0};
	struct err e = {0};
	int r = dwarf_line_find(d, str_of(file ? file : ""), line, column, a, &found, &e);

	wire_put(out, r == 0, 1);
	wire_put_text(out, e.what);
	wire_put(out, found.next, 4);
	wire_put(out, found.known_file, 1);
	wire_put(out, found.n, 8);
	for (size_t i = 0; i < found.n; i++) {
		wire_put(out, found.v[i].addr, 8);
		wire_put_text(out, found.v[i].file);
		wire_put_text(out, found.v[i].func);
		wire_put(out, found.v[i].inlined, 1);
	}
}

static void serve_copies(struct dwarf *d, struct wire *in, bool demangled, struct arena *a,
			 struct buf *out)
{
	const char *text = wire_take_text(in);
	struct elf_pattern wanted = {str_of(text ? text : ""), demangled};
	struct dwarf_copies found;

	dwarf_copies_find(d, &wanted, a, &found, NULL);
	wire_put(out, found.n, 8);
	for (size_t i = 0; i < found.n; i++) {
		wire_put(out, found.v[i].addr, 8);
		wire_put_text(out, found.v[i].func);
	}
}

static int put_file(void *arg, const char *file)
{
	wire_put_text(arg, file);
	return 0;
}

static void serve(void *arg, struct wire *in, struct buf *out)
{
	struct arena *a = arena_new();
	struct dwarf *d = arg;
	uint8_t op = (uint8_t)wire_take(in, 1);
	uint64_t v = wire_take(in, 8);

	switch (op) {
	case 'o':
		serve_open(d, out);
		break;
	case 't':
		serve_type(d, (dwarf_ref)v, out);
		break;
	case 'm':
		serve_members(d, (dwarf_ref)v, a, out);
		break;
	case 'v':
		serve_values(d, (dwarf_ref)v, a, out);
		break;
	case 'g':
		serve_go_types(d, a, out);
		break;
	case 'f':
		serve_func(d, in, v, a, out);
		break;
	case 'l':
		serve_lines(d, in, (unsigned)v, a, out);
		break;
	case 'c':
		serve_copies(d, in, v != 0, a, out);
		break;
	case 'n':
		dwarf_file_each(d, put_file, out);
		break;
	}
	arena_free(a);
}

/* ---- in our process --------------------------------------------------------------------------
 */

static int ask_text(struct reader *r, char op, uint64_t v, const char *text, struct wire *reply,
		    struct err *e)
{
	struct buf q = BUF_INIT;
	int ret;

	buf_addc(&q, op);
	wire_put(&q, v, 8);
	wire_put_text(&q, text);
	ret = reader_ask(r, &q, reply, e);
	buf_release(&q);
	return ret;
}

static int ask(struct reader *r, char op, uint64_t v, struct wire *reply, struct err *e)
{
	return ask_text(r, op, v, NULL, reply, e);
}

struct reader *dwarf_remote_open(struct dwarf *d, const char *path, const int *fds, size_t nfds,
				 struct err *e)
{
	struct reader *r = reader_start(path, fds, nfds, CPU_MS, serve, d, e);
	struct wire w;
	const char *why;

	if (!r)
		return NULL;
	if (ask(r, 'o', 0, &w, e) == 0) {
		if (wire_take(&w, 1))
			return r;
		why = wire_take_text(&w);
		err_plain(e, EINVAL, "%s", why && *why ? why : "it cannot be read");
	}
	reader_stop(r);
	return NULL;
}

bool dwarf_remote_type(struct reader *r, struct arena *names, dwarf_ref ref, struct dwarf_type *out)
{
	struct wire w;

	*out = (struct dwarf_type){.kind = DWARF_VOID};
	if (!ref)
		return true;
	if (ask(r, 't', ref, &w, NULL) < 0 || !wire_take(&w, 1))
		return false;
	out->kind = (enum dwarf_kind)wire_take(&w, 1);
	out->is_signed = wire_take(&w, 1);
	out->reference = wire_take(&w, 1);
	out->by_reference = wire_take(&w, 1);
	out->incomplete = wire_take(&w, 1);
	out->go_kind = (uint8_t)wire_take(&w, 1);
	out->name = wire_copy_text(&w, names);
	out->alias = wire_copy_text(&w, names);
	out->size = wire_take(&w, 8);
	out->self = (dwarf_ref)wire_take(&w, 4);
	out->to = (dwarf_ref)wire_take(&w, 4);
	out->count = wire_take(&w, 8);
	out->key = (dwarf_ref)wire_take(&w, 4);
	out->elem = (dwarf_ref)wire_take(&w, 4);
	if (!w.bad && out->kind <= DWARF_UNKNOWN)
		return true;
	*out = (struct dwarf_type){.kind = DWARF_UNKNOWN};
	reader_distrust(r, NULL);
	return false;
}

size_t dwarf_remote_members(struct reader *r, dwarf_ref ref, struct arena *a,
			    const struct dwarf_member **out)
{
	struct dwarf_member *v;
	struct wire w;
	size_t n;

	*out = NULL;
	if (ask(r, 'm', ref, &w, NULL) < 0)
		return 0;
	n = wire_take_count(&w, 17);
	v = arena_array_of(a, struct dwarf_member, n + 1);
	for (size_t i = 0; i < n && !w.bad; i++) {
		const char *name = wire_copy_text(&w, a);

		v[i].name = name ? name : "";
		v[i].type = (dwarf_ref)wire_take(&w, 4);
		v[i].bit_offset = wire_take(&w, 8);
		v[i].bit_size = (uint32_t)wire_take(&w, 4);
	}
	*out = v;
	return w.bad ? 0 : n;
}

size_t dwarf_remote_values(struct reader *r, dwarf_ref ref, struct arena *a,
			   const struct dwarf_value **out)
{
	struct dwarf_value *v;
	struct wire w;
	size_t n;

	*out = NULL;
	if (ask(r, 'v', ref, &w, NULL) < 0)
		return 0;
	n = wire_take_count(&w, 9);
	v = arena_array_of(a, struct dwarf_value, n + 1);
	for (size_t i = 0; i < n && !w.bad; i++) {
		const char *name = wire_copy_text(&w, a);

		v[i].name = name ? name : "";
		v[i].value = (int64_t)wire_take(&w, 8);
	}
	*out = v;
	return w.bad ? 0 : n;
}

size_t dwarf_remote_go_types(struct reader *r, struct arena *a, const struct dwarf_go_type **out)
{
	struct dwarf_go_type *v;
	struct wire w;
	size_t n;

	*out = NULL;
	if (ask(r, 'g', 0, &w, NULL) < 0)
		return 0;
	n = wire_take_count(&w, 12);
	v = arena_array_of(a, struct dwarf_go_type, n + 1);
	for (size_t i = 0; i < n && !w.bad; i++) {
		v[i].offset = wire_take(&w, 8);
		v[i].ref = (dwarf_ref)wire_take(&w, 4);
	}
	*out = v;
	return w.bad ? 0 : n;
}

static struct dwarf_expr take_expr(struct wire *w, struct arena *a)
{
	size_t n = wire_take_count(w, 17);
	struct dwarf_op *ops = n ? arena_array_of(a, struct dwarf_op, n) : NULL;

	for (size_t i = 0; i < n; i++) {
		ops[i].op = (uint8_t)wire_take(w, 1);
		ops[i].a = wire_take(w, 8);
		ops[i].b = wire_take(w, 8);
	}
	return (struct dwarf_expr){ops, n};
}

static void take_params(struct wire *w, struct arena *a, struct dwarf_func *out)
{
	out->nparams = wire_take_count(w, 30);
	out->params = arena_array_of(a, struct dwarf_param, out->nparams + 1);
	for (size_t i = 0; i < out->nparams && !w->bad; i++) {
		struct dwarf_param *p = &out->params[i];
		const char *name = wire_copy_text(w, a);

		p->name = name ? name : "";
		p->type = (dwarf_ref)wire_take(w, 4);
		p->at = take_expr(w, a);
		p->always = wire_take(w, 1);
		p->by_reference = wire_take(w, 1);
		p->result = wire_take(w, 1);
		p->constant = wire_take(w, 1);
		p->value = wire_take(w, 8);
		p->captured = (uint32_t)wire_take(w, 4);
	}
}

int dwarf_remote_func(struct reader *r, uint64_t addr, const char *copy_of, struct arena *a,
		      struct dwarf_func *out, struct err *e)
{
	struct wire w;
	const char *why;
	bool found;
	int ret = ask_text(r, 'f', addr, copy_of, &w, e);

	*out = (struct dwarf_func){0};
	if (ret < 0)
		return ret;
	found = wire_take(&w, 1);
	why = wire_take_text(&w);
	if (!found)
		return err_plain(e, ENOENT, "%s", why && *why ? why : "no function is known there");
	out->name = wire_copy_text(&w, a);
	out->ret = (dwarf_ref)wire_take(&w, 4);
	out->entry = wire_take(&w, 1);
	out->external = wire_take(&w, 1);
	out->frame_base = take_expr(&w, a);
	out->cfa = take_expr(&w, a);
	take_params(&w, a, out);
	if (!w.bad)
		return 0;
	*out = (struct dwarf_func){0};
	return reader_distrust(r, e);
}

static void take_lines(struct wire *w, struct arena *a, struct dwarf_lines *out)
{
	out->next = (unsigned)wire_take(w, 4);
	out->known_file = wire_take(w, 1);
	out->n = wire_take_count(w, 11);
	out->v = arena_array_of(a, struct dwarf_line, out->n + 1);
	for (size_t i = 0; i < out->n && !w->bad; i++) {
		out->v[i].addr = wire_take(w, 8);
		out->v[i].file = wire_copy_text(w, a);
		out->v[i].func = wire_copy_text(w, a);
		out->v[i].inlined = wire_take(w, 1);
		w->bad |= !out->v[i].file;
	}
}

int dwarf_remote_lines(struct reader *r, struct str file, unsigned line, unsigned column,
		       struct arena *a, struct dwarf_lines *out, struct err *e)
{
	struct buf q = BUF_INIT;
	const char *why;
	struct wire w;
	bool ok;
	int ret;

	*out = (struct dwarf_lines){0};
	buf_addc(&q, 'l');
	wire_put(&q, line, 8);
	wire_put(&q, column, 8);
	buf_addstr(&q, file);
	buf_addc(&q, '\0');
	ret = reader_ask(r, &q, &w, e);
	buf_release(&q);
	if (ret < 0)
		return ret;
	ok = wire_take(&w, 1);
	why = wire_take_text(&w);
	if (!ok)
		return err_plain(e, EINVAL, "%s", why && *why ? why : "the line cannot be found");
	take_lines(&w, a, out);
	if (!w.bad)
		return 0;
	*out = (struct dwarf_lines){0};
	return reader_distrust(r, e);
}

int dwarf_remote_copies(struct reader *r, const struct elf_pattern *wanted, struct arena *a,
			struct dwarf_copies *out, struct err *e)
{
	const char *text = arena_strndup(a, wanted->text.p, wanted->text.n);
	struct wire w;
	int ret = ask_text(r, 'c', wanted->demangled, text, &w, e);

	if (ret < 0)
		return ret;
	out->n = wire_take_count(&w, 9);
	out->v = arena_array_of(a, struct dwarf_copy, out->n + 1);
	for (size_t i = 0; i < out->n && !w.bad; i++) {
		out->v[i].addr = wire_take(&w, 8);
		out->v[i].func = wire_copy_text(&w, a);
		w.bad |= !out->v[i].func;
	}
	if (!w.bad)
		return 0;
	*out = (struct dwarf_copies){0};
	return reader_distrust(r, e);
}

/* The names are copied first: `fn` may ask for more. */
int dwarf_remote_files(struct reader *r, int (*fn)(void *arg, const char *file), void *arg)
{
	struct arena *a = arena_new();
	VEC(const char *) names = {0};
	struct wire w;
	int ret = 0;

	if (ask(r, 'n', 0, &w, NULL) < 0)
		w = (struct wire){0};
	while (w.n && !w.bad) {
		const char *name = wire_copy_text(&w, a);

		if (name && !w.bad)
			vec_push(a, &names, name);
	}
	for (size_t i = 0; i < names.n && !ret; i++)
		ret = fn(arg, names.v[i]);
	arena_free(a);
	return ret;
}
