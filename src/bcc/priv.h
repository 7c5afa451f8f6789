/* What the commands share. Everything of one command line is in one arena. */
#ifndef AWL_BCC_PRIV_H
#define AWL_BCC_PRIV_H

#include <stddef.h>
#include <stdint.h>
#include "awl/awl.h"
#include "base/arena.h"
#include "base/base.h"
#include "base/buf.h"
#include "base/vec.h"
#include "bcc/bcc.h"

#define NS_PER_SEC UINT64_C(1000000000)

typedef VEC(const char *) words;

/* What options say; a command's rows name the members that it has. Numbers are -1 when not given.
 */
struct opts {
	int64_t pid, tid, uid, cpu, strsize, max, top, count, pages, level, nargs;
	int64_t interval, duration, msec, usec; /* nanoseconds */
	bool help, show, print_first, timestamp, unix_time, time, regexp, offsets, per_pid, kernel,
		user, addresses, delimiter, folded, self, print_cpu, aggregate, binary, usecs,
		msecs, per_function, cumulative;
	unsigned verbose;
	const char *command, *least, *cgroup, *comm, *filter, *symbols, *lib;
	words headers, freq, hist, specs; /* specs: -H and -C in their order, 'H' or 'C' in front */
	words rest;
};

enum opt_kind {
	OPT_FLAG,
	OPT_COUNT,   /* may be repeated: unsigned */
	OPT_NUMBER,  /* 0 or more */
	OPT_SECONDS, /* fractions are fine; kept as nanoseconds */
	OPT_MSECS,
	OPT_USECS,
	OPT_TEXT,
	OPT_LIST,
	OPT_SPECS, /* argdist's -C and -H: the order of the two matters */
};

struct opt {
	char letter; /* 0: only the long name */
	const char *name, *arg;
	enum opt_kind kind;
	size_t member; /* in struct opts */
	const char *help;
};

#define O(letter, name, arg, kind, member, help)                             \
	{                                                                    \
		letter, name, arg, kind, offsetof(struct opts, member), help \
	}
/* Every command has these, at the end of its rows. */
#define OPT_COMMON                                                                    \
	O(0, "--show-script", NULL, OPT_FLAG, show, "print the awl script and exit"), \
	{                                                                             \
	}

struct bcc;
struct cexpr;
struct probe;

struct command {
	const char *name, *about;
	const char *positional; /* "pattern", "probe [probe ...]", "[filter]" */
	const char *positional_help;
	const char *examples;
	const struct opt *opts;
	bool table; /* its output is a table at the end: nobody waits for probes to be detached */
	/* 0, or an exit status when the command line is wrong (and that was said). */
	int (*run)(struct bcc *b);
};

extern const struct command cmd_funccount, cmd_stackcount, cmd_trace, cmd_argdist, cmd_tplist,
	cmd_funclatency, cmd_funcslower, cmd_gotrace, cmd_gohttp, cmd_gosql, cmd_gogc, cmd_gosched,
	cmd_goheap;

struct bcc {
	const struct command *cmd;
	struct arena *a;
	struct opts o;
	struct buf script;
	uint64_t max_keys;
	words names;        /* of the parameters in signatures: for did-you-mean */
	struct dist *dists; /* argdist: its specifiers */
	size_t ndists;
	struct awl *awl; /* see bcc_ask() */
	bool by_process; /* funclatency: a histogram for each process */
};

/* ---- opts.c ---- */

bool opts_read(struct bcc *b, int argc, char **argv);
/* The nanoseconds of -t TIME, 0 without; false after a message. */
bool opts_read_least(struct bcc *b, uint64_t *ns);
/* The one pattern that a command takes; NULL after a message. */
const char *opts_pattern(struct bcc *b);
void opts_usage(const struct command *c, struct buf *out);

/* ---- run.c ---- */

enum { EXIT_OK = 0, EXIT_WRONG = 1 };

/* One line on standard error behind the command's name; returns EXIT_WRONG. */
int bcc_fail(const struct bcc *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
struct awl *bcc_session(const struct bcc *b, bool verbose);
struct awl *bcc_ask(struct bcc *b);
/* awl_error() as one line: what, why, what to do. */
const char *bcc_error_line(struct arena *a, const char *text);
/* The number of places of an attach point; says what is wrong with it and returns -1. */
long bcc_count_places(struct bcc *b, const char *what, const char *place);
/* The same of what a pattern has found: places, but of a Go function that returns at several ones
 * the function. */
long bcc_count_functions(struct bcc *b, const char *what, struct probe *p);
/* With -v: the functions that a pattern matches and that are not among the `n` places, and why. */
void bcc_report_unprobed(struct bcc *b, const struct probe *p, long n);
/* For each of the names that a list has why it cannot be probed; NULL where it can. */
const char **bcc_find_reasons(struct bcc *b, const words *names);
/* Prints the script (--show-script) or runs it. */
int bcc_run(struct bcc *b, const char *what);

/* In front of scripts that ask what can be probed: debug information of a large library takes
 * longer to read than all else that a command does. */
#define NO_INLINED "config = { warn_inlined = false } "

/* ---- script.c: pieces of scripts ---- */

/* Are the headers of -I there? Those with a path must be; others may be the kernel's. */
bool script_headers_exist(const struct bcc *b);
/* #include of the headers of -I. */
void script_includes(struct bcc *b);
void script_config(struct bcc *b, const char *more);
/* Text as a string literal's inside; `percent`: for a format. */
void script_text(struct buf *out, const char *text, bool percent);
/* " / … /" for the options that say which processes count; `self`: awl itself is left out. */
void script_filter(struct bcc *b, bool self);
/* "Tracing 3 functions for …", when all is attached. */
void script_begin(struct bcc *b, const char *pattern, long n);
/* interval and end probes: `report` prints and clears, `last` is printed behind the last report. */
void script_reports(struct bcc *b, void (*report)(struct bcc *b), const char *last);
/* "\n", the time with -T */
void script_report_head(struct bcc *b);

/* The entry probe that keeps what $entry() and $latency of a return probe want; none when nothing
 * does. */
void script_entry(struct bcc *b, const struct cexpr *c);
/* In the return probe: $e is what the entry kept, and a call whose entry was not seen is left out.
 */
void script_entry_found(struct bcc *b, const struct cexpr *c);

/* A call of a Go function: goroutines change threads, and their stacks are moved. */
#define GO_KEY "(pid, goid, godepth)"

/* The stack pointer at a function's entry as its return has it; what a function returns, as the
 * register has it: `retval` has the function's type, for which debug information is read. */
#if defined(__x86_64__)
#define SP_AT_ENTRY "(reg(\"sp\") + 8)" /* the return address is still on the stack */
#define RETVAL_REG  "reg(\"ax\")"
#else
#define SP_AT_ENTRY "reg(\"sp\")"
#define RETVAL_REG  "reg(\"r0\")"
#endif

/* ---- probe.c: the shared probe grammar ---- */

enum probe_kind { PROBE_KERNEL, PROBE_USER, PROBE_TRACEPOINT, PROBE_USDT, PROBE_OTHER };

struct probe {
	enum probe_kind kind;
	bool is_return, many;   /* many: a pattern or a list */
	bool go;                /* PROBE_USER: a function that the Go compiler made */
	bool source_name;       /* PROBE_USER: of C++, Rust or D, as in the source */
	bool syscall;           /* a tracepoint that stands for sys_NAME: it has arguments */
	const char *lib, *func; /* category and event of a tracepoint; "" without */
	const char *offset;     /* "+0x12" or "" */
	const char *sig;        /* of Go, as it was written: "(s string) error"; NULL */
	const char *place;      /* attach points of awl, between commas */
	const char *entry;      /* the same for the entry, of a return probe */
	words matched;          /* with -r: the listed probes, whose names are in `place` */
};

enum { ALLOW_RETURN = 1, ALLOW_OFFSET = 2, ALLOW_REGEX = 4, ALLOW_EVENTS = 8 };

/* `text` without signature and what follows. Says what is wrong and returns false. */
bool probe_read(struct bcc *b, const char *text, unsigned allow, struct probe *out);
/* Library and function of a probe's text; false for events. */
bool probe_function(struct bcc *b, const char *text, const char **lib, const char **func);
/* For a name that no function of the file has as it is linked: takes it as one of the source. False
 * where it can be none. */
bool probe_take_source_name(struct bcc *b, struct probe *p);
/* A part of an attach point, in quotes where it has to be. */
void probe_add_part(struct buf *out, struct str s);
/* Is anything listed by the pattern, which is released? 1: yes, 0: nothing, negative: it cannot be
 * looked into. */
int probe_ask(struct bcc *b, struct buf *pattern);

/* "c" → "libc": the name that awl knows a library or program by. */
const char *bcc_file_of(struct bcc *b, const char *lib);
/* The same function's return: c:malloc and p:c:malloc are r:c:malloc, f is r::f. */
const char *bcc_return_of(struct bcc *b, const char *text);

struct param {
	struct str type, name;
};

/* ---- names.c: names that have brackets of their own ---- */

/* Of "./srv:main.(*T).f(s string) (x)" what stands in front of the signature; `rest` is behind it.
 */
struct str names_cut(struct str *rest);
/* `probe` with the bracket behind it as one name, where it is one: an overload of C++, a signature
 * in Go's notation. Else NULL. */
const char *names_with_bracket(struct bcc *b, struct str probe, struct str bracket);
/* Are patterns outside of brackets in it? */
bool names_are_many(const char *name);
/* "str{len,cpy}" → "str", "len,cpy", ""; false when there is no list. */
bool names_cut_list(struct str s, struct str *head, struct str *list, struct str *tail);
/* The file that has the function: pthread_create of libpthread is in libc today. */
const char *names_file_with(struct bcc *b, const char *file, const char *name);
/* Has a Go program functions of that name or pattern? */
bool names_are_go(struct bcc *b, const char *file, const char *name);

/* ---- gosig.c: signatures of Go functions ---- */

struct gosig {
	VEC(struct param) args, results;
	bool told; /* its arguments are known */
};

/* Of the lines that a list has for a Go function. */
void gosig_read(struct arena *a, const char *detail, struct gosig *out);
/* Does it pass arguments and results on the stack, as Go 1.16 and before? `error` (may be NULL):
 * why that is not known. */
bool gosig_on_stack(struct bcc *b, const char *program, const char **error);

/* ---- cexpr.c: C expressions to awl's ---- */

/* A parameter that the entry probe keeps for $entry(name). */
struct kept {
	const char *name, *value;
	const char *type; /* of the signature; NULL: as it is kept */
	bool user;        /* an address of the process, kept by a kernel function */
};

struct cexpr {
	struct bcc *b;
	const struct probe *probe;
	VEC(struct param) params; /* of the signature */
	VEC(struct param) found;  /* of debug information */
	bool looked;              /* for them */
	unsigned results;         /* of a Go function: how many values it returns */
	bool all_results;         /* `retval` may be all of them */
	bool needs_latency;
	VEC(struct kept) kept;
	const char *map; /* of what is kept: "@entry0" */
	const char *error;
};

/* "struct point *p, char *s, long n"; false with `error`. */
bool cexpr_signature(struct cexpr *c, struct str text);
/* The expression in awl's language; NULL with `error`. */
const char *cexpr_translate(struct cexpr *c, struct str text);
/* A C type as awl writes it: unsigned long → uint64. */
const char *cexpr_type(struct arena *a, struct str c_type);
/* str() of it, unless it makes a text by itself. */
const char *cexpr_text(struct cexpr *c, const char *expr);
/* Cuts `s` at the first of `sep` outside of brackets, quotes, `::` and ?: */
struct str cexpr_cut(struct str *s, char sep);
/* The index of the bracket that closes the one at `open`; s.n when none does. */
size_t cexpr_close(struct str s, size_t open);

#endif
