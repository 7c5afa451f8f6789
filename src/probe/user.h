/* Private: what uprobe, uretprobe and usdt share: attaching to places in files. */
#ifndef AWL_PROBE_USER_H
#define AWL_PROBE_USER_H

#include "elf/elf.h"
#include "probe/probe.h"

/* attach_target.b of user probes: what a hit costs (enum probe_cost), whether an endbr64 was
 * skipped, whether it is not a function's entry but a place inside, whether its file is one of
 * those that a pattern matches, whether the place is where an inlined copy of `symbol` begins, and
 * whether the program reads what debug information tells of this build.
 * attach_target.c: what the program is told of the place, in the upper half of its cookie. */
enum {
	USER_MOVED = 256,
	USER_INSIDE = 512,
	USER_OF_MANY = 1024,
	USER_COPY = 2048,
	USER_BUILD = 4096,
	USER_GO = 8192, /* at the entry of a function of a Go program, which may be one of C */
};

/* elf_place's flags for this kernel. */
unsigned user_place_flags(struct sema *s);
/* Plans a kprobe-type program attached by uprobe multi links where the kernel has them. */
void user_plan(struct sema *s, struct probe *p);
/* Attaches every target: one multi link for each file, or a perf event for each place. A link that
 * is refused because of some of its places is split until those are found; they are told of and
 * left out. */
int user_attach(struct attach_env *env, const struct attach_prog *p, bool is_return, struct err *e);
uint32_t user_cost(struct kernel *k, const struct attach_target *t);
void user_explain(struct kernel *k, const struct attach_target *t, struct buf *out);
/* The files that part 1 of an attach point names: fn for each; reports what cannot be found. With
 * -p a name or a path means all of that process's files that have it. Of the files that a pattern
 * matches those that cannot be opened are left out, for they come and go, and anybody's are among
 * them; `fn` should do the same with what cannot be probed. */
bool user_files(struct sema *s, const struct attach_point *ap, struct str file,
		bool (*fn)(void *arg, struct elf *f), void *arg);
/* line.c: uprobe:FILE@SOURCE:LINE, places by lines of the source. */
bool line_is_meant(struct sema *s, const struct attach_point *ap);
bool line_resolve(struct sema *s, const struct attach_point *ap, struct attach_targets *out);
/* inline.c: copies of functions that were inlined into others. */
struct inlined {
	const struct attach_point *ap;
	struct attach_targets *out;
	struct elf_pattern wanted;
	bool is_return;
	bool many;    /* the files are those that a pattern matches */
	size_t found; /* copies */
};
/* Looks for the copies in a file; they become targets when the script wants it. */
void inlined_find(struct inlined *in, struct sema *s, struct elf *f);
/* What is said when a function is nothing but copies; NULL: it has none. */
const char *inlined_only(const struct inlined *in, struct arena *a);
/* Says how many copies are not probed. */
void inlined_report(const struct inlined *in, struct sema *s);
/* For `move` of a provider: programs at the entry, or at the return, of functions. */
bool user_move_entry(struct kernel *k, const struct attach_target *t, struct elf *f,
		     bool same_build, struct attach_target *out);
bool user_move_return(struct kernel *k, const struct attach_target *t, struct elf *f,
		      bool same_build, struct attach_target *out);
/* … and those that know more of the build. */
bool user_move_same(struct kernel *k, const struct attach_target *t, struct elf *f, bool same_build,
		    struct attach_target *out);
/* arg0, arg1 … at a function's entry; beyond the registers from the stack. */
struct val user_arg(struct gen *g, unsigned index);
/* args with names out of debug information: a struct, or poison after a report. */
const struct type *named_args(struct sema *s, struct probe *p);
/* Why args has no such field although the function has such an argument; NULL: it has none. */
const char *named_missing(struct probe *p, struct str name);
/* What a program takes out of the file holds for this build of it: one that is loaded elsewhere
 * needs the same (FACT_FILE). */
void user_note_build(struct types *ts, const char *path);
struct val named_field(struct gen *g, struct probe *p, const struct member *m);
struct val named_all(struct gen *g, struct probe *p);
/* retval: of the type that the debug information tells, uint64 when it does not. */
const struct type *named_retval(struct sema *s, struct probe *p);
struct val named_retval_load(struct gen *g, struct probe *p);
/* For -lv: the arguments of a function, or the type of its result, where they are known. */
void named_describe(struct types *ts, struct arena *a, const char *path, const struct elf_func *fn,
		    bool is_return, struct buf *out);
/* The return address at a function's entry; false when a target is not an entry. */
bool user_caller(struct gen *g, struct probe *p, ir_val *out);

#endif
