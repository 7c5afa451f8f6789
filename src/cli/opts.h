/* The command line: what the user asked for. */
#ifndef AWL_CLI_OPTS_H
#define AWL_CLI_OPTS_H

#include <stdbool.h>
#include "awl/awl.h"
#include "base/base.h"

enum opt_id {
	OPT_NONE,
#define OPT(id, letter, name, arg, help) OPT_##id,
#include "cli/opts.def"
#undef OPT
};

enum exit_code { EXIT_DONE = 0, EXIT_USAGE = 1, EXIT_ATTACH = 255 };

struct cli {
	const char *expr; /* -e */
	const char *file; /* script, "-" is standard input */
	const char *command;
	int *pids;
	size_t npids;
	bool follow;
	const char *process_name;
	const char **cgroups, **containers, **pods; /* NULL-terminated, or NULL */
	bool list;
	const char *pattern; /* of -l, "" */
	bool peer;           /* called as bpftrace: names and forms are those of it */
	bool warnings, codegen, compiler_bench;
	const char *probe_filter, *traceable, *kernel_btf, *completion, *complete;
	bool aot; /* write a compiled program */
	int json; /* enum awl_json, 0: text */
	bool quiet, verbose, dry_run, explain, unsafe, fmt, json_diag, no_warnings, info, help,
		version;
	const char *output;
	const char *max_overhead;
	uint64_t max_rate;
	enum awl_buffering buffering;
	enum awl_mode mode;
	enum awl_profile profile;
	unsigned dump;
	const char **features;                 /* of --no-feature, NULL-terminated */
	const char **include_dirs, **includes; /* -I, --include; NULL-terminated, or NULL */
	const char **params;                   /* behind the script, NULL-terminated */
	const char *doc;                       /* `awl doc NAME` */
	bool is_doc, is_doctor;
};

/* Fills `c`; storage lives in `a`. False after a message on standard error: leave with EXIT_USAGE.
 */
bool opts_parse(struct cli *c, struct arena *a, int argc, char **argv);
void opts_help(struct buf *out, bool peer);

/* The options as data, for completion. */
struct opt_row {
	enum opt_id id;
	char letter; /* 0: none */
	const char *name, *arg, *help;
};
extern const struct opt_row opt_rows[];
extern const size_t opt_nrows;

/* complete.c: the script that a shell sources; false: there is none for this shell. */
bool complete_script(const char *shell, struct buf *out);
/* candidates.c: one candidate a line for the end of a program's text. */
void complete_program(const char *typed, struct buf *out);
/* peer.c: --info in the form of bpftrace, and what -V says. */
void peer_info(struct awl *awl, struct buf *out);
/* awl doctor (doctor.c): the findings; false when nothing can be traced at all. */
bool doctor(struct awl *awl, struct buf *out);
void peer_version(struct buf *out);
/* replace.c: puts text in the place of a file in one step, keeping its mode. 0 or -errno. */
int replace_file(const char *path, const char *text, size_t n);

#endif
