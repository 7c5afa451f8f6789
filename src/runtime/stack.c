/* Stack traces: from the 16-byte value in an event or key to lines of text.
 *
 *       0           8        12      14
 *      +-----------+--------+-------+------+
 *      | u64 hash  | tgid   | frames| kind |     map of stacks: hash → | u64 frames | u64 frame[] |
 *      +-----------+--------+-------+------+
 *
 * The modes, one line a frame after a newline:
 *
 *   bpftrace            do_syscall_64+113
 *   perf       TAB      ffffffff81a01234 do_syscall_64+113 (module)
 *   raw                 ffffffff81a01234
 *   build_id            b503275bf07fee51581fdceef97533b194035b0c 0x7a1ff
 *
 * A function whose body the compiler has put into its caller's has no frame of its own. Where that
 * is known it stands before the one it is in, as `main.find (inlined)`.
 *
 * build_id is for programs whose names are looked up elsewhere: the file's build id and the place
 * in the file. Frames of the kernel and of files without one are addresses there.
 *
 * The setting stack_frame is a format of one frame in place of these, and nothing stands around the
 * frames then: %n the name, %o its offset (+0x1f), %a the address, %m the module ( [libc.so.6]), %%
 * a percent sign; %-16a has a width. A frame without a name is [unknown].
 *
 * Names of user frames come from files that the traced process chose: they are escaped.
 */
#include <stdlib.h>
#include <string.h>

#include "runtime/priv.h"

#define INDENT 8

struct stack_value {
	uint64_t hash;
	uint32_t tgid;
	uint16_t frames, kind;
};

struct frame_name {
	const char *sym, *module;
	uint64_t off;
	bool known, inlined;
	struct elf *file; /* what the code at `place` is in; NULL: nothing to look into */
	uint64_t place;
};

/* The functions that one address stands for, innermost first: what was inlined there, and the one
 * that has the frame. */
struct frame_names {
	struct frame_name v[ELF_MAX_INLINED + 1];
	size_t n;
};

/* The setting stack_frame; "" without. */
static const char *frame_format(const struct render *r)
{
	return r->config && r->config->stack_frame ? r->config->stack_frame : "";
}

/* Is nothing named? */
static bool is_raw(const struct type *t)
{
	return t->stack.mode == STACK_RAW || t->stack.mode == STACK_BUILD_ID;
}

static void name_frame(struct render *r, const struct stack_value *v, const struct type *t,
		       uint64_t addr, struct frame_name *out)
{
	struct symbol s = {0};

	*out = (struct frame_name){0};
	if (t->stack.kind == STACK_KERNEL) {
		out->known = kernel_ksym(r->kernel, addr, &out->sym, &out->module, &out->off);
		return;
	}
	if (r->syms)
		symbolizer_user(r->syms, (int)v->tgid, addr, &s);
	*out = (struct frame_name){.sym = s.name,
				   .module = s.module,
				   .off = s.offset,
				   .known = s.name != NULL,
				   .file = s.file,
				   .place = s.file_offset};
}

/* Where signal handlers return to: its first instruction is the return address. */
static bool is_signal_return(const char *name)
{
	return strstr(name, "restore_rt") || strstr(name, "rt_sigreturn");
}

/* All frames but the first are return addresses: when the call was a function's last instruction
 * (of one that does not return), the address is the next function's. */
static void name_caller(struct render *r, const struct stack_value *v, const struct type *t,
			uint64_t addr, struct frame_name *out)
{
	struct frame_name before;

	name_frame(r, v, t, addr, out);
	if (out->known && is_signal_return(out->sym))
		return;
	if (out->known && out->off) {
		out->place--;
		return;
	}
	name_frame(r, v, t, addr - 1, &before);
	if (!before.known)
		return;
	*out = before;
	out->off++;
}

static void name_frames(struct render *r, const struct stack_value *v, const struct type *t,
			uint64_t addr, bool first, struct frame_names *out)
{
	const char *const *inlined = NULL;
	struct frame_name real;

	if (first)
		name_frame(r, v, t, addr, &real);
	else
		name_caller(r, v, t, addr, &real);
	out->n = real.known && real.file ? elf_inlined_at(real.file, real.place, &inlined) : 0;
	for (size_t i = 0; i < out->n; i++)
		out->v[i] = (struct frame_name){
			.sym = inlined[i], .module = real.module, .known = true, .inlined = true};
	out->v[out->n++] = real;
}

static void add_name(const struct frame_name *f, uint64_t addr, struct buf *out)
{
	if (!f->known) {
		buf_printf(out, "0x%" PRIx64, addr);
		return;
	}
	buf_add_text(out, str_of(f->sym), false);
	if (f->inlined)
		buf_adds(out, " (inlined)");
	else
		buf_printf(out, "+%" PRIu64, f->off);
}

/* What a conversion of stack_frame stands for. */
static void add_part(char conv, const struct frame_name *f, uint64_t addr, struct buf *out)
{
	const char *slash;

	if (conv == 'n')
		buf_add_text(out, str_of(f->known ? f->sym : "[unknown]"), false);
	else if (conv == 'a')
		buf_printf(out, "%" PRIx64, addr);
	else if (conv == 'o' && f->known && !f->inlined)
		buf_printf(out, "+0x%" PRIx64, f->off);
	else if (conv == '%')
		buf_addc(out, '%');
	if (conv != 'm' || !f->module || !f->module[0])
		return;
	slash = strrchr(f->module, '/');
	buf_adds(out, " [");
	buf_add_text(out, str_of(slash ? slash + 1 : f->module), false);
	buf_addc(out, ']');
}

/* Widens what was added since `start`; a negative width puts the spaces behind. */
static void pad(struct buf *out, size_t start, int width)
{
	size_t n = out->n - start, want = (size_t)MIN(abs(width), 256);

	if (n >= want)
		return;
	buf_fill(out, ' ', want - n);
	if (width < 0)
		return;
	memmove(out->p + start + want - n, out->p + start, n);
	memset(out->p + start, ' ', want - n);
}

static void add_formatted(const char *format, const struct frame_name *f, uint64_t addr,
			  struct buf *out)
{
	for (const char *p = format; *p; p++) {
		size_t start = out->n;
		int width;
		char *end;

		if (p[0] != '%' || !p[1]) {
			buf_addc(out, *p);
			continue;
		}
		width = (int)strtol(p + 1, &end, 10);
		p = end;
		add_part(*p, f, addr, out);
		pad(out, start, width);
		if (!*p)
			return;
	}
}

/* Where in which file; false: the file cannot be read, or has no build id. */
static bool add_build_id(struct render *r, const struct stack_value *v, uint64_t addr,
			 struct buf *out)
{
	uint8_t id[64];
	struct symbol s = {0};
	size_t n;

	if (!r->syms)
		return false;
	symbolizer_user(r->syms, (int)v->tgid, addr, &s);
	n = s.file ? elf_build_id(s.file, id, sizeof(id)) : 0;
	for (size_t i = 0; i < n; i++)
		buf_printf(out, "%02x", id[i]);
	if (n)
		buf_printf(out, " 0x%" PRIx64 "\n", s.file_offset);
	return n > 0;
}

static void add_raw(struct render *r, const struct stack_value *v, const struct type *t,
		    uint64_t addr, struct buf *out)
{
	buf_fill(out, ' ', INDENT);
	if (t->stack.mode != STACK_BUILD_ID || t->stack.kind == STACK_KERNEL ||
	    !add_build_id(r, v, addr, out))
		buf_printf(out, "%" PRIx64 "\n", addr);
}

static void add_frame(struct render *r, const struct type *t, const struct frame_name *f,
		      uint64_t addr, struct buf *out)
{
	bool perf = t->stack.mode == STACK_PERF;

	if (frame_format(r)[0]) {
		add_formatted(frame_format(r), f, addr, out);
		return;
	}
	if (perf)
		buf_printf(out, "\t%" PRIx64 " ", addr);
	else
		buf_fill(out, ' ', INDENT);
	add_name(f, addr, out);
	if (perf && f->module && f->module[0]) {
		buf_adds(out, " (");
		buf_add_text(out, str_of(f->module), false);
		buf_addc(out, ')');
	}
	buf_addc(out, '\n');
}

static bool is_root_first(const struct render *r)
{
	return r->config && r->config->stack_root_first;
}

/* What stands for one address. */
static void add_frames(struct render *r, const struct stack_value *v, const struct type *t,
		       uint64_t addr, bool first, struct buf *out)
{
	struct frame_names names;

	if (!frame_format(r)[0] && is_raw(t)) {
		add_raw(r, v, t, addr, out);
		return;
	}
	name_frames(r, v, t, addr, first, &names);
	for (size_t i = 0; i < names.n; i++) {
		struct frame_name *f = &names.v[is_root_first(r) ? names.n - 1 - i : i];

		if (frame_format(r)[0] && t->stack.kind == STACK_KERNEL && f->known &&
		    !(f->module && f->module[0]))
			f->module = "kernel";
		add_frame(r, t, f, addr, out);
	}
}

/* The stack's entry of the map, to be freed: frames from [1] on, `*n` of them. NULL: it is lost. */
static uint64_t *read_frames(struct run *run, const struct type *t, const struct stack_value *v,
			     uint32_t *n)
{
	const struct program_map *m = &run->p->maps[run->p->stacks];
	uint64_t *frames = calloc(1, m->spec.value_size);

	if (!frames || bpf_map_get(run->map_fds[run->p->stacks], &v->hash, frames) != 0) {
		free(frames);
		return NULL;
	}
	*n = MIN(v->frames, m->spec.value_size / 8 - 1);
	if (t->stack.limit && t->stack.limit < *n)
		*n = t->stack.limit;
	for (uint32_t i = 0; i < *n; i++)
		if (!frames[1 + i])
			*n = i;
	return frames;
}

void stack_render(struct render *r, const struct type *t, const void *value, struct buf *out)
{
	struct run *run = r->run;
	struct stack_value v;
	uint64_t *frames;
	uint32_t n;

	memcpy(&v, value, sizeof(v));
	if (!frame_format(r)[0])
		buf_addc(out, '\n');
	if (v.frames == 0 || run->p->stacks == NO_MAP)
		return;
	frames = read_frames(run, t, &v, &n);
	for (uint32_t i = 0; frames && i < n; i++) {
		uint32_t at = is_root_first(r) ? n - 1 - i : i;

		add_frames(r, &v, t, frames[1 + at], at == 0, out);
	}
	if (!frames) {
		if (!frame_format(r)[0])
			buf_fill(out, ' ', INDENT);
		buf_adds(out, "<stack lost: the stack map was full>\n");
	}
	free(frames);
}

/* ---- JSON ---------------------------------------------------------------------------------------
 */

static void json_frame(const struct frame_name *f, uint64_t addr, struct buf *out)
{
	buf_printf(out, "{\"address\": \"0x%" PRIx64 "\"", addr);
	if (f->known) {
		buf_adds(out, ", \"symbol\": ");
		buf_add_json_data(out, str_of(f->sym));
	}
	if (f->inlined) {
		buf_adds(out, ", \"inlined\": true");
	} else if (f->known) {
		buf_adds(out, ", \"offset\": ");
		buf_add_json_u64(out, f->off);
	}
	if (f->module && f->module[0]) {
		buf_adds(out, ", \"module\": ");
		buf_add_json_data(out, str_of(f->module));
	}
	buf_addc(out, '}');
}

static void json_frames(struct render *r, const struct stack_value *v, const struct type *t,
			uint64_t addr, bool first, struct buf *out)
{
	struct frame_names names;

	name_frames(r, v, t, addr, first, &names);
	for (size_t i = 0; i < names.n; i++) {
		buf_adds(out, i ? ", " : "");
		json_frame(&names.v[i], addr, out);
	}
}

void stack_json(struct render *r, const struct type *t, const void *value, struct buf *out)
{
	struct run *run = r->run;
	uint64_t *frames = NULL;
	struct stack_value v;
	uint32_t n = 0;

	memcpy(&v, value, sizeof(v));
	if (v.frames && run->p->stacks != NO_MAP) {
		frames = read_frames(run, t, &v, &n);
		if (!frames) {
			buf_adds(out, "null");
			return;
		}
	}
	buf_addc(out, '[');
	for (uint32_t i = 0; i < n; i++) {
		buf_adds(out, i ? ", " : "");
		json_frames(r, &v, t, frames[1 + i], i == 0, out);
	}
	buf_addc(out, ']');
	free(frames);
}

static void each_name(struct render *r, const struct stack_value *v, const struct type *t,
		      uint64_t addr, bool first, void (*fn)(void *arg, const struct stack_frame *f),
		      void *arg)
{
	struct stack_frame f = {.addr = addr, .raw = is_raw(t)};
	struct frame_names names;

	if (f.raw) {
		fn(arg, &f);
		return;
	}
	name_frames(r, v, t, addr, first, &names);
	for (size_t i = 0; i < names.n; i++) {
		f.sym = names.v[i].known ? names.v[i].sym : NULL;
		f.module = names.v[i].module;
		fn(arg, &f);
	}
}

uint32_t stack_each(struct render *r, const struct type *t, const void *value,
		    void (*fn)(void *arg, const struct stack_frame *f), void *arg)
{
	struct stack_frame lost = {.sym = "[stack lost]"};
	struct run *run = r->run;
	struct stack_value v;
	uint64_t *frames;
	uint32_t n;

	memcpy(&v, value, sizeof(v));
	if (v.frames == 0 || run->p->stacks == NO_MAP)
		return v.tgid;
	frames = read_frames(run, t, &v, &n);
	for (uint32_t i = 0; frames && i < n; i++)
		each_name(r, &v, t, frames[1 + i], i == 0, fn, arg);
	if (!frames)
		fn(arg, &lost);
	free(frames);
	return v.tgid;
}
