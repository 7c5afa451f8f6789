/* Loading a compiled program:
 *
 *   container ─► source, facts ─► the same here, or followed by relocations? ─► image moved, parsed
 *      │              │ no                                                          │
 *   refused           └──────────────► compiled again from the source ◄─────────────┤ probes differ
 *                                                                                   ▼
 *                                                                                program
 *
 * Compiling again gives what the script would have given here, so the file is never trusted to know
 * better: what it says of code and facts is used when everything fits, and nothing is used that
 * the script could not do. */
#include <errno.h>
#include <stdio.h>
#include "aot/priv.h"
#include "awl/awl.h"

struct loading {
	struct aot_file file;
	struct aot_source source;
	struct relocs relocs;
	struct compile_in in;
	struct aot_report *report;
	const char *why; /* report->why to be */
	struct arena *a; /* of the file's contents; the program has another */
};

static int malformed(struct err *e, const char *what)
{
	err_plain(e, EBADMSG, "the compiled program cannot be used: its %s makes no sense", what);
	err_hint(e, "make it again from its script: awl --aot -o FILE.awlc SCRIPT");
	return -EBADMSG;
}

static int open_all(struct loading *l, struct str bytes, struct err *e)
{
	int r = bytes.n > AOT_BYTES_MAX
			? err_plain(e, EFBIG, "the compiled program is larger than %d MiB",
				    AOT_BYTES_MAX >> 20)
			: file_open(bytes, l->a, &l->file, e);

	if (r < 0)
		return r;
	if (!source_read(l->file.sections[SECTION_SOURCE], l->a, &l->source))
		return malformed(e, "source");
	return 0;
}

/* The script as it was given, with what this run says about it. */
static void complete_input(struct loading *l, const struct compile_in *in)
{
	l->in = *in;
	l->in.name = l->source.name;
	l->in.text = l->source.text;
	l->in.include_dirs = l->source.include_dirs;
	l->in.includes = l->source.includes;
	l->in.files = &l->source.files;
	if (!in->params.n)
		l->in.params = (struct params){l->source.params, l->source.nparams};
}

static bool same_params(const struct loading *l, struct params given)
{
	if (!given.n)
		return true;
	if (given.n != l->source.nparams)
		return false;
	for (size_t i = 0; i < given.n; i++)
		if (strcmp(given.v[i], l->source.params[i]) != 0)
			return false;
	return true;
}

/* NULL: the image can be tried. */
static const char *why_not(const struct loading *l, const struct compile_in *in)
{
	if (strcmp(l->file.made_by, AWL_VERSION) != 0)
		return arena_printf(l->a, "awl %s made it", l->file.made_by);
	if (!same_params(l, in->params))
		return "other parameters are given";
	if (in->whom.npids || in->whom.name || in->whom.ncgroups)
		return "certain processes are traced";
	if (in->mode != MODE_TRACE)
		return "its tests are to be run, not its probes";
	if (in->helper_warnings)
		return "helpers that fail are to be told of";
	if (in->thrifty)
		return "the verifier found it too large";
	if (in->filter)
		return "probes are filtered";
	if (in->dump & ~(unsigned)DUMP_BPF)
		return "what passes of the compiler make is asked for";
	return NULL;
}

static const char *describe_fact(struct loading *l, const struct used_fact *f,
				 const struct fact *now)
{
	char *key = arena_strdup(l->a, f->fact.key);

	for (char *p = key; *p; p++)
		*p = *p == '\t' ? '.' : *p == '\n' ? ' ' : *p;
	if (!now)
		return arena_printf(l->a, "%s %s: there is none here", fact_kind_name(f->fact.kind),
				    key);
	if (strcmp(now->shape, f->fact.shape) != 0 && f->fact.kind != FACT_LAYOUT)
		return arena_printf(l->a, "%s %s: \"%s\" there, \"%s\" here",
				    fact_kind_name(f->fact.kind), key, f->fact.shape, now->shape);
	return arena_printf(l->a, "%s %s: %llu there, %llu here", fact_kind_name(f->fact.kind), key,
			    (unsigned long long)f->fact.value, (unsigned long long)now->value);
}

/* The image's bytes as they must be here; NULL with l->why set: it cannot be. */
static uint8_t *moved_image(struct loading *l)
{
	struct str image = l->file.sections[SECTION_IMAGE];
	uint8_t *bytes = arena_memdup(l->a, image.p, image.n);
	int64_t *delta = arena_array_of(l->a, int64_t, l->relocs.facts.n + 1);
	const struct fact *now = NULL;
	const struct used_fact *bad;

	bad = facts_check(l->in.kernel, l->a, &l->relocs, delta, &now);
	l->report->facts = l->relocs.facts.n;
	l->report->relocs = l->relocs.relocs.n;
	for (size_t i = 0; i < l->relocs.facts.n; i++)
		l->report->moved += delta[i] != 0;
	if (!bad) {
		bad = relocs_apply(&l->relocs, delta, bytes, image.n / 4);
		now = bad ? &bad->fact : NULL;
	}
	if (!bad)
		return bytes;
	l->why = describe_fact(l, bad, now);
	return NULL;
}

static struct program *new_program(struct loading *l)
{
	struct arena *a = arena_new();
	struct program *p = arena_new_of(a, struct program);

	p->arena = a;
	p->diag = diag_new(a);
	diag_add_source(p->diag, arena_strdup(a, l->source.name),
			(struct str){arena_strndup(a, l->source.text.p, l->source.text.n),
				     l->source.text.n});
	return p;
}

static void dump_code(const struct loading *l, const struct program *p)
{
	if (!l->in.dump_to)
		return;
	for (size_t i = 0; i < p->nprogs; i++)
		compile_dump_code(p, &p->progs[i], l->in.dump_to);
}

/* A program of the image; NULL: with `e` it is no good, else l->why says why it does not fit. */
static struct program *use_image(struct loading *l, struct err *e)
{
	struct program *p;
	struct aot_program ap = {0};
	uint8_t *bytes = moved_image(l);
	const char *unsafe;

	if (!bytes)
		return NULL;
	p = ap.p = new_program(l);
	if (!image_parse((struct str){(char *)bytes, l->file.sections[SECTION_IMAGE].n}, p->arena,
			 l->in.kernel, &ap)) {
		malformed(e, "program");
		program_free(p);
		return NULL;
	}
	unsafe = l->in.unsafe ? NULL : image_unsafe(p, l->in.kernel);
	if (unsafe)
		l->why = "it needs --unsafe";
	if (!unsafe && targets_resolve(&ap, &l->in, &l->why) == TARGETS_OK) {
		dump_code(l, p);
		return p;
	}
	program_free(p);
	return NULL;
}

static struct program *load(struct loading *l, const struct compile_in *in, struct diag **diag,
			    struct arena **arena, struct err *e)
{
	struct program *p;

	complete_input(l, in);
	l->why = why_not(l, in);
	if (!l->why) {
		if (!relocs_read(l->file.sections[SECTION_FACTS], l->file.sections[SECTION_RELOCS],
				 l->a, &l->relocs)) {
			malformed(e, "list of facts");
			return NULL;
		}
		p = use_image(l, e);
		if (p) {
			*diag = p->diag;
			l->why = "";
			return p;
		}
		if (e->code)
			return NULL;
	}
	l->report->recompiled = true;
	return compile_script(&l->in, diag, arena);
}

struct program *aot_load(struct str bytes, const struct compile_in *in, struct aot_report *report,
			 struct diag **diag, struct arena **arena, struct err *e)
{
	struct loading l = {.report = report, .a = arena_new()};
	struct program *p = NULL;

	*diag = NULL;
	*arena = NULL;
	memset(report, 0, sizeof(*report));
	if (open_all(&l, bytes, e) == 0)
		p = load(&l, in, diag, arena, e);
	snprintf(report->why, sizeof(report->why), "%s", l.why ? l.why : "");
	arena_free(l.a);
	return p;
}
