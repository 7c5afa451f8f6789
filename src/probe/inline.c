/* Copies of functions that the compiler inlined into others: uprobe:FILE:FUNCTION is about them,
 * too.
 *
 *   config = { probe_inline = true }
 *   uprobe:./server:parse_header { @[ustack(1)] = count(); }      the function, and its 7 copies
 *
 * Debug information tells where copies begin. Without the setting a warning says how many there
 * are, so that nobody takes the number of hits for the number of calls; it is not looked for in
 * programs whose debug information takes long to read. A copy has its arguments wherever the
 * compiler put them, so args has them as at a line of the source (line.c), while argN means
 * nothing. It does not return. */
#include "probe/user.h"

/* What is read without being asked: a quarter of a second. */
#define MAX_UNASKED (64ull << 20)

static void report_unknown(struct inlined *in, struct sema *s, struct elf *f, const char *why)
{
	struct diag_msg *m;

	m = sema_report(s, W_PROBE_INLINED, in->ap->span,
			"it is not known whether %.*s was inlined into other functions of %s: %s",
			STR_ARG(in->wanted.text), elf_path(f), why);
	if (!sema_config(s)->probe_inline)
		diag_help(m, "config = { probe_inline = true } reads it all, and probes the copies "
			     "as well");
}

static bool find_copies(struct inlined *in, struct sema *s, struct elf *f,
			struct dwarf_copies *copies)
{
	struct dwarf *d = types_dwarf(sema_types(s), elf_path(f), NULL);
	uint64_t size = d ? dwarf_size(d) : 0;
	struct err e = {0};

	if (!d)
		return false;
	if (size > MAX_UNASKED && !sema_config(s)->probe_inline) {
		report_unknown(in, s, f,
			       arena_printf(sema_arena(s),
					    "it has %" PRIu64 " MB of debug information",
					    size >> 20));
		return false;
	}
	if (dwarf_copies_find(d, &in->wanted, sema_arena(s), copies, &e) == 0)
		return true;
	report_unknown(in, s, f, e.what);
	return false;
}

static bool add_copy(struct inlined *in, struct sema *s, struct elf *f, const struct dwarf_copy *c)
{
	struct arena *a = sema_arena(s);
	struct placement pl;
	uint64_t offset;

	if (!elf_addr_to_offset(f, c->addr, &offset))
		return false;
	elf_place(f, offset, 0, user_place_flags(s) | PLACE_EXACT, &pl);
	if (pl.cost == COST_REFUSED)
		return false;
	probe_push(s, in->out,
		   (struct attach_target){
			   .name = arena_printf(a, "uprobe:%s:%s", elf_path(f), c->func),
			   .module = arena_strdup(a, elf_path(f)),
			   .symbol = c->func,
			   .addr = pl.offset,
			   .b = pl.cost | USER_INSIDE | USER_COPY | (in->many ? USER_OF_MANY : 0),
			   .pid = sema_input(s)->pid,
		   });
	return true;
}

static void report_refused(struct inlined *in, struct sema *s, struct elf *f, size_t n)
{
	sema_report(s, W_PROBE_INLINED, in->ap->span,
		    "%zu of the %zu inlined copies of %.*s in %s cannot be probed: there is no "
		    "instruction where they begin, or none that takes a probe",
		    n, in->found, STR_ARG(in->wanted.text), elf_path(f));
}

/* Of several functions that begin at one address one is probed, as of those that have two names. */
static void add_copies(struct inlined *in, struct sema *s, struct elf *f,
		       const struct dwarf_copies *copies)
{
	size_t refused = 0;

	for (size_t i = 0; i < copies->n; i++)
		if (!i || copies->v[i].addr != copies->v[i - 1].addr)
			refused += !add_copy(in, s, f, &copies->v[i]);
	if (refused)
		report_refused(in, s, f, refused);
}

void inlined_find(struct inlined *in, struct sema *s, struct elf *f)
{
	bool wanted = sema_config(s)->probe_inline;
	struct dwarf_copies copies = {0};

	if ((!wanted && (in->many || !sema_config(s)->warn_inlined)) ||
	    !find_copies(in, s, f, &copies))
		return;
	in->found += copies.n;
	if (wanted && !in->is_return)
		add_copies(in, s, f, &copies);
}

const char *inlined_only(const struct inlined *in, struct arena *a)
{
	if (!in->found)
		return NULL;
	return arena_printf(a, "it has no code of its own: %zu %s inlined into other functions%s",
			    in->found, in->found == 1 ? "copy was" : "copies were",
			    in->is_return ? ", and a copy does not return"
					  : "; config = { probe_inline = true } probes them");
}

void inlined_report(const struct inlined *in, struct sema *s)
{
	struct diag_msg *m;

	if (!in->found || (sema_config(s)->probe_inline && !in->is_return))
		return;
	m = sema_report(s, W_PROBE_INLINED, in->ap->span,
			"%zu inlined %s of %.*s %s not probed: what runs there is not seen",
			in->found, in->found == 1 ? "copy" : "copies", STR_ARG(in->wanted.text),
			in->found == 1 ? "is" : "are");
	if (in->is_return)
		diag_help(m, "a copy does not return: probe the functions that it is part of, or "
			     "build with -fno-inline");
	else
		diag_help(m, "config = { probe_inline = true } probes them as well");
}
