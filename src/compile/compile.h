/* The face of src/compile: the list of passes, from text to program. */
#ifndef AWL_COMPILE_H
#define AWL_COMPILE_H

#include "compile/program.h"
#include "sema/sema.h"

enum dump_stage { DUMP_AST = 1, DUMP_TYPES = 2, DUMP_IR = 4, DUMP_BPF = 8 };

struct pass_clock;

struct setting {
	const char *name, *value;
};

struct compile_in {
	struct kernel *kernel;
	const char *name; /* of the script: "opensnoop.bt", "stdin", "-e" */
	struct str text;
	struct params params;
	const char *const *include_dirs,
		*const *includes; /* -I, --include: NULL-terminated, or NULL */
	struct whom whom;
	int child;
	const char *command; /* of the child; or NULL */
	bool unsafe, helper_warnings;
	bool thrifty; /* for the verifier: of a program that it found too large (gen/unlearn.c) */
	enum run_mode mode;
	unsigned dump; /* enum dump_stage */
	struct buf *dump_to;
	const regex_t *filter; /* of full probe names; NULL: all */
	bool format_only;      /* --fmt: parse and format into dump_to */
	struct files *files;   /* where imports and headers come from (base/files.h); NULL: disk */
	const struct setting *settings;
	size_t nsettings; /* config from the command line */
	const struct setting
		*limits; /* the same, stronger than the script's and the environment's */
	size_t nlimits;
	struct pass_clock *clock; /* told how long the passes take; NULL */
};

/* Compiles. The diag (owned by the program, or returned alone in *diag after errors) has all
 * messages. NULL when there were errors; then *arena holds the diag and is freed by the caller. */
struct program *compile_script(const struct compile_in *in, struct diag **diag,
			       struct arena **arena);
void program_free(struct program *p);
/* Compiles many times and appends a table of how long the passes take. False when the script is
 * wrong. The diag is *arena's in any case. */
bool compile_bench(const struct compile_in *in, struct buf *out, struct diag **diag,
		   struct arena **arena);
/* -d bpf of one program. */
void compile_dump_code(const struct program *p, const struct program_prog *prog, struct buf *out);

#endif
