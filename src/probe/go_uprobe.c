/* uprobe at a function of a Go program: what is said about the names that follow the convention of
 * C elsewhere.
 *
 *   uprobe:./server:main.handle { print(args.path); }    by Go's convention, as in a go probe
 *   uprobe:./server:main.handle { print(arg0); }         %rdi, which means nothing to Go: a warning
 *
 * Functions of C in a Go program (cgo) are none of the compiler's: they are not in its table, and
 * are left alone. */
#include "probe/gofn.h"

/* The attach point's file, as it was written. */
static struct str file_of(const struct probe *p)
{
	return p->ap->nparts > 2 ? p->ap->parts[1] : str_of(p->targets[0].module);
}

const struct go_place_info *go_uprobe_info(struct sema *s, struct probe *p)
{
	struct attach_target *t = &p->targets[0];

	if ((t->b & USER_GO) && !t->data)
		t->data = go_info_at(sema_arena(s), t->module, t->addr);
	if (!t->data)
		t->b &= ~(uint32_t)USER_GO; /* it need not be looked for again */
	return t->b & USER_GO ? t->data : NULL;
}

bool go_uprobe_is(const struct probe *p)
{
	return (p->targets[0].b & USER_GO) && p->targets[0].data;
}

void go_uprobe_warn(struct sema *s, struct probe *p, unsigned index)
{
	const struct go_place_info *info = go_uprobe_info(s, p);
	struct go_probe *d = info ? go_probe(s, p) : NULL;
	struct diag_msg *m;

	if (!d || d->warned)
		return;
	m = sema_report(s, W_GO_ARGS, p->ap->span,
			"arg%u of %s is where C has it, and Go passes arguments otherwise", index,
			info->func);
	diag_help(m, "go:%.*s:\"%s\" has them as args.NAME and arg0 …, and sees each call once",
		  STR_ARG(file_of(p)), info->func);
	d->warned = m != NULL; /* nothing is reported before the last round */
}

const struct type *go_uprobe_args(struct sema *s, struct probe *p)
{
	const struct type *t = go_args_type(s, p);

	user_note_build(sema_types(s), p->targets[0].module);
	return t;
}
