/* Fuzzing the parser and the formatter with arbitrary scripts.
 *
 * Whatever the bytes are, parsing ends, and its messages render in all three forms. A script
 * without errors is formatted, parsed again and formatted again: the second parse must find no
 * errors and the same tree, the second formatting must change nothing.
 *
 *   fuzz_parse -max_len=4096 corpus/parse
 */
#include <stdio.h>
#include <stdlib.h>

#include "lang/lang.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct result {
	struct arena *arena;
	struct diag *diag;
	struct buf dump, text;
	bool errors;
};

static void render_all(const struct diag *d)
{
	struct buf b = BUF_INIT;

	diag_render(d, &b, DIAG_TEXT);
	diag_render(d, &b, DIAG_COLOR);
	diag_render(d, &b, DIAG_JSON);
	buf_release(&b);
}

static void count(void *arg, struct expr *e)
{
	++*(size_t *)arg;
}

static void run(struct result *r, struct str source)
{
	struct script *s;
	size_t nodes = 0;

	r->arena = arena_new();
	r->diag = diag_new(r->arena);
	/* A copy of just the size, so that the sanitizer sees reads behind the end. */
	source.p = memcpy(malloc(source.n + !source.n), source.p, source.n);
	s = lang_parse(r->arena, r->diag, diag_add_source(r->diag, "fuzz.bt", source));
	r->errors = diag_errors(r->diag) > 0;
	render_all(r->diag);
	lang_dump(s, NULL, r->arena, &r->dump);
	for (size_t i = 0; i < s->probes.n; i++)
		ast_walk_block(ast_clone_block(r->arena, s->probes.v[i].body), count, &nodes);
	if (!r->errors)
		lang_format(s, r->diag, &r->text);
	free((char *)source.p);
}

static void release(struct result *r)
{
	arena_free(r->arena);
	buf_release(&r->dump);
	buf_release(&r->text);
}

static void check(bool ok, const char *what, const struct buf *a, const struct buf *b)
{
	if (ok)
		return;
	fprintf(stderr, "%s\n---- first\n%s\n---- second\n%s\n", what, buf_cstr(a), buf_cstr(b));
	abort();
}

static bool same(const struct buf *a, const struct buf *b)
{
	return a->n == b->n && (a->n == 0 || memcmp(a->p, b->p, a->n) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct result first = {NULL}, second = {NULL};

	run(&first, (struct str){(const char *)data, size});
	if (!first.errors) {
		run(&second, (struct str){buf_cstr(&first.text), first.text.n});
		check(!second.errors, "formatted script has errors", &first.dump, &first.text);
		check(same(&first.dump, &second.dump), "trees differ", &first.dump, &second.dump);
		check(same(&first.text, &second.text), "formatting twice differs", &first.text,
		      &second.text);
		release(&second);
	}
	release(&first);
	return 0;
}
