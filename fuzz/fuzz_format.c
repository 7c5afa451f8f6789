/* Fuzzing the tracepoint format parser, and the types made from what it accepts.
 *
 * Whatever the bytes are: a field that is accepted has a name and a type, and each member of the
 * struct made from a format has a type and lies where the format says. No kernel is needed: types
 * named by the format stay incomplete.
 *
 *   fuzz_format -max_len=4096 corpus/format
 */
#include <stdlib.h>

#include "type/type.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void make_types(struct arena *a, const struct tp_format *f)
{
	struct types *ts = types_new(a, NULL);
	const struct type *t = type_from_tracepoint(ts, f);
	uint32_t n, at = 0;
	const struct member *m = type_members(ts, t, &n);

	for (size_t i = 0; i < f->nfields; i++) {
		check(f->fields[i].name[0] && f->fields[i].ctype[0]);
		if (f->fields[i].is_common)
			continue;
		check(at < n && m[at].type && m[at].offset == f->fields[i].offset);
		check(m[at].loc == f->fields[i].loc);
		check(type_text(a, m[at].type)[0]);
		at++;
	}
	check(at == n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a = arena_new();
	struct tp_format f = {.category = size % 2 ? "syscalls" : "sched", .name = "x"};
	struct err e = {0};

	if (tp_format_parse(a, (struct str){(const char *)data, size}, &f, &e) == 0)
		make_types(a, &f);
	else
		check(e.code && e.what[0]);
	arena_free(a);
	return 0;
}
