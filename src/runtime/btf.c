/* BTF of our own programs.
 *
 * The kernel wants function information (and with it a BTF object) for programs with callbacks, and
 * uses line information to show the script's lines in `bpftool prog dump`. Making and loading it
 * costs more than loading a small program, so it is done only for callbacks and with -v; a
 * rejection is placed by the spans of the code, not by line information.
 *
 * All functions are described as `long f(long, …)` with static linkage: the verifier takes the
 * arguments' kinds from the call, not from these prototypes.
 *
 *   [1] INT long   [2] FUNC_PROTO (long) → long   [3] FUNC main → [2]   …
 */
#include <errno.h>
#include <bpf/btf.h>
#include <stdio.h>

#include "runtime/priv.h"

bool prog_btf_needed(const struct program_prog *p)
{
	for (size_t i = 0; i < p->code.nfuncs; i++)
		if (p->code.funcs[i].kind == IR_CALLBACK)
			return true;
	return false;
}

static int add_func(struct btf *b, int int_id, const struct ir_func_info *f)
{
	int proto = btf__add_func_proto(b, int_id);
	char name[64], *c;

	if (proto < 0)
		return proto;
	for (unsigned i = 0; i < f->nparams; i++) {
		char param[16];
		int ret;

		snprintf(param, sizeof(param), "a%u", i);
		ret = btf__add_func_param(b, param, int_id);
		if (ret < 0)
			return ret;
	}
	snprintf(name, sizeof(name), "%s", f->name && f->name[0] ? f->name : "f");
	for (c = name; *c; c++)
		if (!((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || *c == '_' ||
		      (c > name && *c >= '0' && *c <= '9')))
			*c = '_';
	return btf__add_func(b, name, BTF_FUNC_STATIC, proto);
}

static int add_funcs(struct arena *a, struct btf *b, const struct ir_code *code,
		     struct prog_btf *out)
{
	int int_id = btf__add_int(b, "long", 8, BTF_INT_SIGNED);

	out->funcs = arena_array_of(a, struct bpf_func_info, code->nfuncs);
	for (size_t i = 0; i < code->nfuncs; i++) {
		int id = add_func(b, int_id, &code->funcs[i]);

		if (id < 0)
			return id;
		out->funcs[i] = (struct bpf_func_info){code->funcs[i].insn_off, (uint32_t)id};
	}
	out->nfuncs = (uint32_t)code->nfuncs;
	return 0;
}

/* The text of the line that `off` is in. */
static struct str line_around(struct str text, uint32_t off)
{
	size_t start = MIN(off, text.n), end = start;

	while (start > 0 && text.p[start - 1] != '\n')
		start--;
	while (end < text.n && text.p[end] != '\n')
		end++;
	return (struct str){text.p + start, end - start};
}

static bool starts_func(const struct ir_code *code, size_t insn)
{
	for (size_t i = 0; i < code->nfuncs; i++)
		if (code->funcs[i].insn_off == insn)
			return true;
	return false;
}

static int add_line(struct arena *a, struct btf *b, struct diag *d, struct span s, size_t insn,
		    struct prog_btf *out)
{
	unsigned line = 0, col = 0;
	struct str text = STR("");
	const char *file = "";
	int f, l;

	if (d && s.file != UINT32_MAX) {
		diag_line_col(d, s, &line, &col);
		text = line_around(diag_source_text(d, s.file), s.off);
		file = diag_source_name(d, s.file);
	}
	f = btf__add_str(b, file);
	l = btf__add_str(b, arena_strndup(a, text.p, MIN(text.n, 256u)));
	if (f < 0 || l < 0)
		return -ENOMEM;
	out->lines[out->nlines++] = (struct bpf_line_info){(uint32_t)insn, (uint32_t)f, (uint32_t)l,
							   (line & 0x3fffff) << 10 |
								   MIN(col, 1023u)};
	return 0;
}

/* One entry where the span changes, and one at the start of each function (the kernel insists). */
static int add_lines(struct arena *a, struct btf *b, struct diag *d, const struct ir_code *code,
		     struct prog_btf *out)
{
	const struct span *prev = NULL;

	out->lines = arena_array_of(a, struct bpf_line_info, code->n);
	for (size_t i = 0; i < code->n; i++) {
		const struct span *s = &code->spans[i];
		bool second = i > 0 && code->insns[i - 1].code == (BPF_LD | BPF_IMM | BPF_DW);
		int ret;

		if (second ||
		    (prev && prev->off == s->off && prev->file == s->file && !starts_func(code, i)))
			continue;
		ret = add_line(a, b, d, *s, i, out);
		if (ret < 0)
			return ret;
		prev = s;
	}
	return 0;
}

int prog_btf_load(struct arena *a, struct diag *d, const struct program_prog *p, bool with_lines,
		  struct prog_btf *out, struct err *e)
{
	struct btf *b = btf__new_empty();
	const void *raw;
	uint32_t size;
	int ret;

	*out = (struct prog_btf){.fd = -1};
	if (!b)
		return err_set(e, ENOMEM, "describe %s in BTF", p->title);
	ret = add_funcs(a, b, &p->code, out);
	if (ret == 0 && with_lines && p->code.spans)
		ret = add_lines(a, b, d, &p->code, out);
	if (ret == 0) {
		raw = btf__raw_data(b, &size);
		ret = out->fd = raw ? bpf_load_btf(raw, size, NULL, 0) : -ENOMEM;
	}
	btf__free(b);
	return ret < 0 ? err_set(e, -ret, "load the BTF of %s", p->title) : 0;
}
