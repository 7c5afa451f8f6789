/* Fuzzing the whole compiler with arbitrary scripts: text in, BPF out, nothing loaded.
 *
 * The kernel underneath is the one that runs the fuzzer, opened once: its BTF, tracepoints and
 * symbols are what the scripts can name. Whatever the bytes are, compiling ends; either there is a
 * program, or there is at least one error, and in both cases the messages render in all three
 * forms and the dumps of all stages are written. A second compilation of the same text gives the
 * same code: nothing depends on addresses or on what was compiled before.
 *
 *   fuzz_compile -max_len=1024 -dict=parse.dict corpus/compile
 */
#include <stdio.h>
#include <stdlib.h>

#include "compile/compile.h"
#include "kernel/kernel.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct kernel *kernel;

struct result {
	struct program *program;
	struct diag *diag;
	struct arena *arena;
	struct buf dump;
};

static void render_all(const struct diag *d)
{
	struct buf b = BUF_INIT;

	diag_render(d, &b, DIAG_TEXT);
	diag_render(d, &b, DIAG_COLOR);
	diag_render(d, &b, DIAG_JSON);
	buf_release(&b);
}

/* Small limits keep an execution short; they are part of what a script may set itself. */
static void compile(struct result *r, struct str text, bool dump)
{
	static const struct setting settings[] = {{"max_probes", "16"}, {"max_bpf_progs", "16"}};
	const struct compile_in in = {
		.kernel = kernel,
		.name = "fuzz.bt",
		.text = text,
		.unsafe = true,
		.dump = dump ? DUMP_AST | DUMP_TYPES | DUMP_IR | DUMP_BPF : DUMP_BPF,
		.dump_to = &r->dump,
		.settings = settings,
		.nsettings = ARRAY_SIZE(settings),
	};

	r->program = compile_script(&in, &r->diag, &r->arena);
	render_all(r->program ? r->program->diag : r->diag);
	if (!r->program && !diag_errors(r->diag)) {
		fprintf(stderr, "neither a program nor an error\n");
		abort();
	}
}

static void release(struct result *r)
{
	if (r->program)
		program_free(r->program);
	else
		arena_free(r->arena);
	buf_release(&r->dump);
}

/* Equal but for constants: the offset between two clocks is one, and differs each time. */
static bool same_insn(const struct bpf_insn *a, const struct bpf_insn *b)
{
	return a->code == b->code && a->dst_reg == b->dst_reg && a->src_reg == b->src_reg &&
	       a->off == b->off;
}

static bool same_code(const struct program *a, const struct program *b)
{
	if (a->nprogs != b->nprogs || a->nmaps != b->nmaps)
		return false;
	for (size_t i = 0; i < a->nprogs; i++) {
		const struct ir_code *x = &a->progs[i].code, *y = &b->progs[i].code;

		if (x->n != y->n)
			return false;
		for (size_t k = 0; k < x->n; k++)
			if (!same_insn(&x->insns[k], &y->insns[k]))
				return false;
	}
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct result first = {NULL}, second = {NULL};
	/* A copy of just the size, so that the sanitizer sees reads behind the end. */
	char *copy = memcpy(malloc(size + !size), data, size);

	if (!kernel)
		kernel = kernel_new(NULL);
	compile(&first, (struct str){copy, size}, true);
	if (first.program) {
		compile(&second, (struct str){copy, size}, false);
		if (!second.program || !same_code(first.program, second.program)) {
			fprintf(stderr, "compiled twice, the code differs\n");
			abort();
		}
		release(&second);
	}
	release(&first);
	free(copy);
	return 0;
}
