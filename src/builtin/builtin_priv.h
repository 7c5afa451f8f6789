/* What the files of src/builtin share; nobody else includes it.
 *
 * A family is an array of rows ended by a row without name; table.c lists them. The pattern of a
 * row:
 *
 *   check_x   sets e->type in every round of the inference and reports wrong arguments; types of
 *             arguments that are not known yet are poison, so it says nothing about those
 *   lower_x   emits code; a row whose value is an aggregate builds it in builtin_place()
 *
 * Views (values that only their own text function can print) stand beside the rows that make them.
 */
#ifndef AWL_BUILTIN_PRIV_H
#define AWL_BUILTIN_PRIV_H

#include "gen/gen.h"
#include "sema/builtin.h"
#include "sema/sema.h"

extern const struct builtin builtins_agg[], builtins_hist[], builtins_print[], builtins_mapctl[];
extern const struct builtin builtins_ctl[], builtins_proc[], builtins_time[], builtins_string[];
extern const struct builtin builtins_buf[], builtins_stack[], builtins_sym[], builtins_net[];
extern const struct builtin builtins_meta[], builtins_errno[], builtins_task[], builtins_match[];
extern const struct builtin builtins_reach[], builtins_report[], builtins_tseries[],
	builtins_getopt[], builtins_packet[], builtins_go[], builtins_golabel[], builtins_govalue[];

/* What prints values, and what carries out events: table.c lists them, too. */
extern const struct view view_cgroup_path, view_govalue, view_inet, view_kfunc, view_ksym, view_mac,
	view_probe, view_probename, view_seconds, view_signal, view_strerror, view_strftime,
	view_syscall, view_ufunc, view_username, view_usym;
extern const struct event_kind kind_assert, kind_cat, kind_clear, kind_errorf, kind_exit, kind_join,
	kind_print, kind_print_map, kind_printf, kind_skboutput, kind_system, kind_time,
	kind_unwatch, kind_watch, kind_warnf, kind_zero;

/* Every family ends with it. */
#define BUILTIN_END          \
	{                    \
		.name = NULL \
	}

#define EXAMPLES(...) ((const char *const[]){__VA_ARGS__, NULL})
#define ALIASES(...)  ((const char *const[]){__VA_ARGS__, NULL})

/* ---- checking (util.c) ------------------------------------------------------------------- */

size_t builtin_nargs(const struct expr *e);
struct expr *builtin_arg(const struct expr *e, size_t i);           /* NULL when there are fewer */
const struct type *builtin_argtype(const struct expr *e, size_t i); /* poison when unknown */
bool builtin_known(const struct expr *e, size_t i); /* the argument's type is known */
/* True when argument `i` is the plain word `name`: an identifier or a string. */
bool builtin_word(const struct expr *e, size_t i, struct str *word);
void builtin_check_void(struct sema *s, struct expr *e);
void builtin_set_int(struct sema *s, struct expr *e, unsigned bytes, bool is_signed);
void builtin_set_const(struct sema *s, struct expr *e, const struct type *t, uint64_t value);
/* An E_ARG_TYPE that says what was expected of argument `i`. */
void builtin_bad_arg(struct sema *s, struct expr *e, size_t i, const char *wanted);

/* printf and its like (print.c): a literal format, its arguments as fields. */
void builtin_check_format(struct sema *s, struct expr *e, const struct event_kind *kind);
/* What print(@map, …) is told besides the map `m`, which may be NULL after an error. */
const struct print_opts *builtin_print_options(struct sema *s, struct expr *e,
					       const struct map_sym *m);
bool builtin_is_print_word(struct str name); /* desc, p50 … */
bool builtin_is_word(const struct expr *e, const char *word);
/* format=, columns=, unit= (printform.c); false for other options. */
bool builtin_print_form(struct sema *s, const struct record_field *f, const struct map_sym *m,
			struct print_opts *o);
/* Do the format's conversions and the values of an entry go together? */
void builtin_check_print_form(struct sema *s, struct expr *e, const struct map_sym *m,
			      struct print_opts *o);

/* Values of Go (govalue.c). Puts govalue(…) around argument `i` when that is a value of a Go
 * function; without `all`, only when it is more than a number, a truth value or a text. */
void builtin_wrap_go(struct sema *s, struct expr *e, size_t i, bool all);
/* len() of one: false when the argument is none, or has no length. */
bool builtin_check_go_len(struct sema *s, struct expr *e);
struct val builtin_lower_go_len(struct gen *g, struct expr *e);

/* ---- generating -------------------------------------------------------------------------- */

/* Where to build the aggregate: `want`, or a temporary of e->type. */
struct val builtin_place(struct gen *g, struct expr *e, struct val want);
ir_val builtin_addr(struct gen *g, struct val m, int32_t off); /* m.v + m.off + off */
void builtin_put(struct gen *g, struct val m, unsigned bytes, int32_t off, ir_val v);
/* The number that a text stands for which a view is compared with; false: an ordinary call. */
bool builtin_from_text(const struct expr *e, uint64_t *value);
/* A view of eight bytes around a scalar. */
struct val builtin_view_u64(struct gen *g, struct expr *e, struct val want, ir_val v);
/* pid in the high and tid in the low half, as seen in awl's own pid namespace. */
ir_val builtin_pid_tgid(struct gen *g);
/* The address that an argument stands for (pointer, integer, array in memory) and its space. */
ir_val builtin_pointer(struct gen *g, struct expr *arg, enum space *space);

/* The string at `dst` is that text, as much as fits; and the setting's, where memory could not be
 * read (string.c). */
void builtin_put_text(struct gen *g, struct val dst, const char *text);
void builtin_put_unreadable(struct gen *g, struct val dst);
/* Goes to `differ` unless the `n` bytes at base + at equal the literal's. `words`: the base is
 * aligned (match.c). */
void builtin_match_literal(struct gen *g, ir_val base, int32_t at, const char *bytes, uint32_t n,
			   bool words, struct ir_block *differ);

/* Raises the u64 at the slot, atomically (agg.c). */
void builtin_raise_rank(struct gen *g, struct val slot, ir_val rank);

/* A loop: i from 0 while i < n (n bounded by `max`), in a cell. */
struct builtin_loop {
	ir_cell i;
	struct ir_block *head, *next, *done;
	uint64_t max;
	bool guarded; /* the number of turns is left to the kernel, not walked by the verifier */
};
/* Starts it; returns i, known to be below max. Leave early by ir_jmp/ir_br to loop->done. */
ir_val builtin_loop_begin(struct gen *g, struct builtin_loop *l, ir_val n, uint64_t max);
/* The same for i from 0 to max - 1 where that is many: the verifier walks through few turns, if the
 * kernel has the means. A loop that the kernel cuts off goes to `cut` (NULL: loop->done). */
ir_val builtin_long_loop_begin(struct gen *g, struct builtin_loop *l, uint64_t max,
			       struct ir_block *cut);
void builtin_loop_end(struct gen *g,
		      struct builtin_loop *l); /* no-op jump when the block has ended */

/* unwind.c: walks the user stack by tables, with their number in `n` and frames from byte 8 of
 * `frames` on. Goes to `unknown` when there is nothing known of the process. */
void unwind_stack(struct gen *g, struct val frames, uint32_t max, ir_cell n,
		  struct ir_block *unknown);
bool unwind_possible(struct kernel *k);

/* comm(pid) (reach.c). */
void builtin_check_comm_of(struct sema *s, struct expr *e);
struct val builtin_lower_comm_of(struct gen *g, struct expr *e, struct val want);

/* ---- rendering --------------------------------------------------------------------------- */

uint64_t builtin_u64(const void *p); /* unaligned loads */
uint32_t builtin_u32(const void *p);
/* The event's text in a buffer, through h->format. */
void builtin_emit_format(struct host *h, const struct event_def *def, const void *rec,
			 const char *type);
/* The bytes of a string field up to its NUL. */
struct str builtin_field_str(const struct event_def *def, const void *rec, uint32_t i);

#endif
