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

static bool name_frame(struct render *r, const struct stack_value *v, const struct type *t,
		       uint64_t addr, struct frame_name *out)
{
	struct symbol s = {0};

	*out = (struct frame_name){0};
	if (t->stack.kind == STACK_KERNEL)
		return kernel_ksym(r->kernel, addr, &out->sym, &out->module, &out->off);
	if (!r->syms || !symbolizer_user(r->syms, (int)v->tgid, addr, &s)) {
		out->module = s.module;
		return false;
	}
	*out = (struct frame_name){s.name, s.module, s.offset};
	return s.name != NULL;
}

/* Where signal handlers return to: its first instruction is the return address. */
static bool is_signal_return(const char *name)
{
	return strstr(name, "restore_rt") || strstr(name, "rt_sigreturn");
}

/* All frames but the first are return addresses: when the call was a function's last instruction
 * (of one that does not return), the address is the next function's. */
static bool name_caller(struct render *r, const struct stack_value *v, const struct type *t,
			uint64_t addr, struct frame_name *out)
{
	struct frame_name before;
	bool known = name_frame(r, v, t, addr, out);

	if (known && (out->off || is_signal_return(out->sym)))
		return true;
	if (!name_frame(r, v, t, addr - 1, &before))
		return known;
	*out = before;
	out->off++;
	return true;
}

static void add_name(const struct frame_name *f, bool known, uint64_t addr, struct buf *out)
{
	if (!known) {
		buf_printf(out, "0x%" PRIx64, addr);
		return;
	}
	buf_add_text(out, str_of(f->sym), false);
	buf_printf(out, "+%" PRIu64, f->off);
}

/* What a conversion of stack_frame stands for. */
static void add_part(char conv, const struct frame_name *f, bool known, uint64_t addr,
		     struct buf *out)
{
	const char *slash;

	if (conv == 'n')
		buf_add_text(out, str_of(known ? f->sym : "[unknown]"), false);
	else if (conv == 'a')
		buf_printf(out, "%" PRIx64, addr);
	else if (conv == 'o' && known)
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

static void add_formatted(const char *format, const struct frame_name *f, bool known, uint64_t addr,
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
		add_part(*p, f, known, addr, out);
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

static void add_frame(struct render *r, const struct stack_value *v, const struct type *t,
		      uint64_t addr, bool first, struct buf *out)
{
	struct frame_name f;
	bool known, perf = t->stack.mode == STACK_PERF;

	if (!frame_format(r)[0] && is_raw(t)) {
		buf_fill(out, ' ', INDENT);
		if (t->stack.mode != STACK_BUILD_ID || t->stack.kind == STACK_KERNEL ||
		    !add_build_id(r, v, addr, out))
			buf_printf(out, "%" PRIx64 "\n", addr);
		return;
	}
	known = first ? name_frame(r, v, t, addr, &f) : name_caller(r, v, t, addr, &f);
	if (frame_format(r)[0]) {
		if (t->stack.kind == STACK_KERNEL && known && !(f.module && f.module[0]))
			f.module = "kernel";
		add_formatted(frame_format(r), &f, known, addr, out);
		return;
	}
	if (perf)
		buf_printf(out, "\t%" PRIx64 " ", addr);
	else
		buf_fill(out, ' ', INDENT);
	add_name(&f, known, addr, out);
	if (perf && f.module && f.module[0]) {
		buf_adds(out, " (");
		buf_add_text(out, str_of(f.module), false);
		buf_addc(out, ')');
	}
	buf_addc(out, '\n');
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
		uint32_t at = r->config && r->config->stack_root_first ? n - 1 - i : i;

		add_frame(r, &v, t, frames[1 + at], at == 0, out);
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

static void json_frame(struct render *r, const struct stack_value *v, const struct type *t,
		       uint64_t addr, bool first, struct buf *out)
{
	struct frame_name f;
	bool known;

	buf_printf(out, "{\"address\": \"0x%" PRIx64 "\"", addr);
	known = first ? name_frame(r, v, t, addr, &f) : name_caller(r, v, t, addr, &f);
	if (known) {
		buf_adds(out, ", \"symbol\": ");
		buf_add_json_data(out, str_of(f.sym));
		buf_adds(out, ", \"offset\": ");
		buf_add_json_u64(out, f.off);
	}
	if (f.module && f.module[0]) {
		buf_adds(out, ", \"module\": ");
		buf_add_json_data(out, str_of(f.module));
	}
	buf_addc(out, '}');
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
		json_frame(r, &v, t, frames[1 + i], i == 0, out);
	}
	buf_addc(out, ']');
	free(frames);
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
	for (uint32_t i = 0; frames && i < n; i++) {
		struct stack_frame f = {.addr = frames[1 + i], .raw = is_raw(t)};
		struct frame_name name = {0};
		bool known = !f.raw && (i == 0 ? name_frame(r, &v, t, f.addr, &name)
					       : name_caller(r, &v, t, f.addr, &name));

		f.sym = known ? name.sym : NULL;
		f.module = name.module;
		fn(arg, &f);
	}
	if (!frames)
		fn(arg, &lost);
	free(frames);
	return v.tgid;
}
