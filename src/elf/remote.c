/* The seam between us and the reader: the four questions about a file whose answers take parsing
 * of symbol tables, strings, notes and packed sections. Headers, the translation of addresses and
 * the bytes of instructions are looked at here (image.c): fixed structs, checked once.
 *
 *   'f'                →  u8 state, u64 n, n × { u64 addr, offset, size; u8 ifunc; name }
 *   's' u8 func, name  →  u8 found { u64 value, size; u8 type, bind; u16 section; name }
 *   'u'                →  u8 ok, u64 n, n × { site, u64 nargs × { argument } }
 *   'i' u64 offset     →  u64 n, n × name
 *
 * A separate debug file is found and opened before the reader is forked. */
#include "elf/remote.h"
#include "elf/reader.h"

#include <errno.h>
#include <stdlib.h>

enum { CPU_MS = 2000 };

bool remote_wanted(const struct elf *f)
{
	return !reader_never && !f->is_reader && f->img->fd >= 0 && !f->img->map;
}

/* ---- in the reader ---------------------------------------------------------------------------
 */

static void serve_funcs(struct elf *f, struct buf *out)
{
	const struct elf_func *funcs;
	size_t n;

	if (elf_funcs(f, &funcs, &n, NULL) < 0) {
		wire_put(out, 0, 1);
		return;
	}
	wire_put(out, 1, 1);
	wire_put(out, n, 8);
	for (size_t i = 0; i < n; i++) {
		wire_put(out, funcs[i].addr, 8);
		wire_put(out, funcs[i].offset, 8);
		wire_put(out, funcs[i].size, 8);
		wire_put(out, funcs[i].ifunc, 1);
		wire_put_text(out, funcs[i].name);
	}
}

static void serve_find(struct elf *f, struct wire *in, struct buf *out)
{
	bool func = wire_take(in, 1);
	const char *name = wire_take_text(in);
	struct symtab_entry s;
	bool found = name && !in->bad && symtab_scan(f, str_of(name), func, &s);

	wire_put(out, found, 1);
	if (!found)
		return;
	wire_put(out, s.value, 8);
	wire_put(out, s.size, 8);
	wire_put(out, s.type, 1);
	wire_put(out, s.bind, 1);
	wire_put(out, s.shndx, 2);
	wire_put_text(out, s.name);
}

static void put_arg(const struct usdt_arg *a, struct buf *out)
{
	wire_put(out, a->kind, 1);
	wire_put(out, (uint8_t)a->size, 1);
	wire_put(out, a->is_float, 1);
	wire_put(out, (uint16_t)a->reg, 2);
	wire_put(out, (uint16_t)a->index, 2);
	wire_put(out, a->reg_off, 1);
	wire_put(out, a->scale, 1);
	wire_put(out, (uint64_t)a->value, 8);
	wire_put_text(out, a->text);
}

static void serve_sites(struct elf *f, struct buf *out)
{
	const struct usdt_site *sites;
	size_t n;

	if (elf_usdt(f, &sites, &n, NULL) < 0) {
		wire_put(out, 0, 1);
		return;
	}
	wire_put(out, 1, 1);
	wire_put(out, n, 8);
	for (size_t i = 0; i < n; i++) {
		const struct usdt_site *s = &sites[i];

		wire_put_text(out, s->provider);
		wire_put_text(out, s->name);
		wire_put_text(out, s->bad);
		wire_put(out, s->addr, 8);
		wire_put(out, s->offset, 8);
		wire_put(out, s->sem_addr, 8);
		wire_put(out, s->sem_offset, 8);
		wire_put(out, s->nargs, 8);
		for (size_t k = 0; k < s->nargs; k++)
			put_arg(&s->args[k], out);
	}
}

static void serve_inlined(struct elf *f, struct wire *in, struct buf *out)
{
	const char *const *names;
	size_t n = elf_inlined_at(f, wire_take(in, 8), &names);

	wire_put(out, n, 8);
	for (size_t i = 0; i < n; i++)
		wire_put_text(out, names[i]);
}

static void serve(void *arg, struct wire *in, struct buf *out)
{
	struct elf *f = arg;

	f->is_reader = true;
	switch (wire_take(in, 1)) {
	case 'f':
		serve_funcs(f, out);
		break;
	case 's':
		serve_find(f, in, out);
		break;
	case 'u':
		serve_sites(f, out);
		break;
	case 'i':
		serve_inlined(f, in, out);
		break;
	}
}

/* ---- in our process --------------------------------------------------------------------------
 */

static struct reader *reader_of(struct elf *f, struct err *e)
{
	int fds[2];
	size_t n = 0;

	if (f->reader)
		return f->reader;
	if (!image_section_type(f->img, SHT_SYMTAB))
		f->debug = debug_find(f->img);
	fds[n++] = f->img->fd;
	if (f->debug && f->debug->fd >= 0)
		fds[n++] = f->debug->fd;
	f->reader = reader_start(elf_path(f), fds, n, CPU_MS, serve, f, e);
	return f->reader;
}

static int ask(struct elf *f, struct buf *request, struct wire *reply, struct err *e)
{
	struct reader *r = reader_of(f, e);
	int ret = r ? reader_ask(r, request, reply, e) : -EIO;

	buf_release(request);
	return ret;
}

int remote_funcs(struct elf *f)
{
	struct buf q = BUF_INIT;
	struct wire w;
	size_t n;

	buf_addc(&q, 'f');
	if (ask(f, &q, &w, &f->bad) < 0)
		return -f->bad.code;
	f->too_many = !wire_take(&w, 1);
	if (f->too_many)
		return 0;
	n = wire_take_count(&w, 26);
	f->funcs = calloc(n ? n : 1, sizeof(*f->funcs));
	if (!f->funcs)
		BUG("out of memory");
	for (size_t i = 0; i < n && !w.bad; i++) {
		struct elf_func *fn = &f->funcs[i];

		fn->addr = wire_take(&w, 8);
		fn->offset = wire_take(&w, 8);
		fn->size = wire_take(&w, 8);
		fn->ifunc = wire_take(&w, 1);
		fn->name = wire_copy_text(&w, f->arena);
		w.bad |= !fn->name;
	}
	f->nfuncs = w.bad ? 0 : n;
	return w.bad ? reader_distrust(f->reader, &f->bad) : 0;
}

bool remote_find(struct elf *f, struct str name, bool func, struct symtab_entry *out)
{
	struct buf q = BUF_INIT;
	struct wire w;

	if (memchr(name.p, 0, name.n))
		return false;
	buf_addc(&q, 's');
	wire_put(&q, func, 1);
	buf_addstr(&q, name);
	buf_addc(&q, '\0');
	if (ask(f, &q, &w, &f->bad) < 0 || !wire_take(&w, 1))
		return false;
	out->value = wire_take(&w, 8);
	out->size = wire_take(&w, 8);
	out->type = (uint8_t)wire_take(&w, 1);
	out->bind = (uint8_t)wire_take(&w, 1);
	out->shndx = (uint16_t)wire_take(&w, 2);
	out->name = wire_copy_text(&w, f->arena);
	return out->name && !w.bad;
}

/* A place in struct pt_regs, or -1. */
static int16_t register_of(int16_t v)
{
	return v < 0 || v > 1024 ? -1 : v;
}

static bool is_size(int8_t size)
{
	int n = size < 0 ? -size : size;

	return n == 1 || n == 2 || n == 4 || n == 8;
}

static void take_arg(struct wire *w, struct arena *a, struct usdt_arg *out)
{
	out->kind = (enum usdt_arg_kind)wire_take(w, 1);
	out->size = (int8_t)wire_take(w, 1);
	out->is_float = wire_take(w, 1);
	out->reg = register_of((int16_t)wire_take(w, 2));
	out->index = register_of((int16_t)wire_take(w, 2));
	out->reg_off = (uint8_t)(wire_take(w, 1) & 7);
	out->scale = (uint8_t)wire_take(w, 1);
	out->value = (int64_t)wire_take(w, 8);
	out->text = wire_copy_text(w, a);
	w->bad |= out->kind > USDT_ADDR || !out->text || !is_size(out->size);
}

static void take_site(struct wire *w, struct arena *a, struct usdt_site *s)
{
	s->provider = wire_copy_text(w, a);
	s->name = wire_copy_text(w, a);
	s->bad = wire_copy_text(w, a);
	s->addr = wire_take(w, 8);
	s->offset = wire_take(w, 8);
	s->sem_addr = wire_take(w, 8);
	s->sem_offset = wire_take(w, 8);
	s->nargs = wire_take_count(w, 18);
	s->args = arena_array_of(a, struct usdt_arg, s->nargs + 1);
	for (size_t k = 0; k < s->nargs && !w->bad; k++)
		take_arg(w, a, &s->args[k]);
	w->bad |= !s->provider || !s->name;
}

int remote_sites(struct elf *f, struct err *e)
{
	struct buf q = BUF_INIT;
	struct wire w;
	size_t n;
	int r;

	buf_addc(&q, 'u');
	r = ask(f, &q, &w, e);
	if (r < 0)
		return r;
	if (!wire_take(&w, 1))
		return err_plain(e, EINVAL, "read %s: .note.stapsdt is behind its end",
				 elf_path(f));
	n = wire_take_count(&w, 48);
	f->sites = arena_array_of(f->arena, struct usdt_site, n + 1);
	for (size_t i = 0; i < n && !w.bad; i++)
		take_site(&w, f->arena, &f->sites[i]);
	f->nsites = w.bad ? 0 : n;
	return w.bad ? reader_distrust(f->reader, e) : 0;
}

size_t remote_inlined(struct elf *f, uint64_t offset, const char **out)
{
	struct buf q = BUF_INIT;
	struct wire w;
	size_t n;

	buf_addc(&q, 'i');
	wire_put(&q, offset, 8);
	if (ask(f, &q, &w, NULL) < 0)
		return 0;
	n = wire_take_count(&w, 1);
	w.bad |= n > ELF_MAX_INLINED;
	for (size_t i = 0; i < n && !w.bad; i++) {
		out[i] = wire_copy_text(&w, f->arena);
		w.bad |= !out[i];
	}
	if (w.bad)
		reader_distrust(f->reader, NULL);
	return w.bad ? 0 : n;
}
