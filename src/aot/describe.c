/* What a compiled program holds, for people: who made it, for what, and what it depends on. */
#include <errno.h>
#include "aot/priv.h"

static void add_key(struct buf *out, const char *key)
{
	for (; *key; key++)
		buf_addc(out, *key == '\t' ? '.' : *key == '\n' ? ' ' : *key);
}

static const char *use_text(const struct used_fact *f)
{
	return f->use & USE_MOVES   ? "followed"
	       : f->use & USE_VALUE ? "must be the same"
				    : "of the same kind";
}

static void describe_fact(const struct used_fact *f, struct buf *out)
{
	buf_printf(out, "  %s ", fact_kind_name(f->fact.kind));
	add_key(out, f->fact.key);
	if (f->use & (USE_VALUE | USE_MOVES))
		buf_printf(out, f->fact.value > 0xffffffff ? " = 0x%llx" : " = %llu",
			   (unsigned long long)f->fact.value);
	if (f->fact.shape[0]) {
		buf_adds(out, " (");
		add_key(out, f->fact.shape);
		buf_adds(out, ")");
	}
	buf_printf(out, ": %s\n", use_text(f));
}

int aot_describe(struct str bytes, struct buf *out, struct err *e)
{
	struct arena *a = arena_new();
	struct aot_file f;
	struct aot_source s;
	struct relocs r = {{0}, {0}};
	int ret = file_open(bytes, a, &f, e);

	if (ret == 0 &&
	    (!source_read(f.sections[SECTION_SOURCE], a, &s) ||
	     !relocs_read(f.sections[SECTION_FACTS], f.sections[SECTION_RELOCS], a, &r)))
		ret = err_plain(e, EBADMSG,
				"the compiled program cannot be used: its sections "
				"make no sense");
	if (ret == 0) {
		buf_printf(out, "compiled program, format %d, made by awl %s from ", AOT_VERSION,
			   f.made_by);
		add_key(out, s.name);
		buf_printf(out,
			   "\n%zu bytes: source %zu, program %zu, facts %zu, relocations %zu\n",
			   bytes.n, f.sections[SECTION_SOURCE].n, f.sections[SECTION_IMAGE].n,
			   f.sections[SECTION_FACTS].n, f.sections[SECTION_RELOCS].n);
		buf_printf(out, "%zu facts, %zu relocations\n", r.facts.n, r.relocs.n);
		VEC_EACH (const struct used_fact, u, &r.facts)
			describe_fact(u, out);
	}
	arena_free(a);
	return ret;
}
