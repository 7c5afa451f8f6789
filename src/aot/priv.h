/* What the files of src/aot share; nobody else includes it.
 *
 *   wire.c   words and texts            build.c    compiles again and again to find out where facts
 * go file.c   the container              diff.c     two images compared: words that follow a fact
 *   types.c  types, written and read    relocs.c   facts asked again, words moved
 *   image.c  the program, written       load.c     the order of loading, and compiling again
 *   parse.c  the program, read          targets.c  attach points resolved again
 *   check.c  is what was read a program
 */
#ifndef AWL_AOT_PRIV_H
#define AWL_AOT_PRIV_H

#include "aot/aot.h"
#include "aot/wire.h"

enum {
	AOT_VERSION = 1, /* of the container and of the source's section */
	AOT_BYTES_MAX = 64 << 20,
	NO_TYPE = INT32_MAX, /* instead of the number of a type */
};

/* ---- file.c ------------------------------------------------------------------------------ */

enum aot_section { SECTION_SOURCE, SECTION_IMAGE, SECTION_FACTS, SECTION_RELOCS, SECTION_COUNT };

struct aot_file {
	const char *made_by; /* version of awl */
	struct str sections[SECTION_COUNT];
};

void file_write(const struct buf sections[SECTION_COUNT], struct buf *out);
int file_open(struct str bytes, struct arena *a, struct aot_file *f, struct err *e);

/* ---- the source's section (source.c) ------------------------------------------------------ */

/* What compile_script needs to do it all again. */
struct aot_source {
	const char *name;
	struct str text;
	const char **params, **include_dirs, **includes; /* NULL-terminated */
	size_t nparams;
	struct files files;
};

void source_write(const struct compile_in *in, struct buf *out);
bool source_read(struct str bytes, struct arena *a, struct aot_source *s);

/* ---- facts and relocations ---------------------------------------------------------------- */

enum fact_use {
	USE_SHAPE = 1,  /* the shape must be the same */
	USE_VALUE = 2,  /* the value must be the same */
	USE_MOVES = 4,  /* relocations follow the value */
	USE_ALIGNED = 8 /* … by multiples of 8 only */
};

struct used_fact {
	struct fact fact;
	unsigned use;
};

enum reloc_how {
	RELOC_WORD,  /* u32 += */
	RELOC_OFF,   /* the high half of the word, signed: an instruction's offset */
	RELOC_IMM,   /* the word, signed: an instruction's immediate */
	RELOC_IMM64, /* this word and the one two behind it */
	RELOC_HOWS
};

struct reloc {
	uint32_t at; /* word of the image */
	uint32_t fact;
	enum reloc_how how;
	int32_t factor;
};

struct relocs {
	VEC(struct used_fact) facts;
	VEC(struct reloc) relocs;
};

void relocs_write(const struct relocs *r, struct buf *facts, struct buf *relocs);
bool relocs_read(struct str facts, struct str relocs, struct arena *a, struct relocs *out);
/* Moves the words of an image (n of them) for facts that changed by `delta` (by index). NULL, or
 * the fact whose value does not fit. */
const struct used_fact *relocs_apply(const struct relocs *r, const int64_t *delta, uint8_t *image,
				     size_t words);

/* Asks this machine for each fact: deltas by index. NULL, or the first that is different in a way
 * that relocations cannot follow; *found is what is there now. */
const struct used_fact *facts_check(struct kernel *k, struct arena *a, const struct relocs *r,
				    int64_t *delta, const struct fact **found);

/* ---- diff.c -------------------------------------------------------------------------------- */

struct code_range { /* words of an image */
	uint32_t at, n;
};

struct image {
	struct buf bytes;
	VEC(struct code_range) code; /* on the heap */
};

void image_release(struct image *i);

enum diff_result { DIFF_SAME, DIFF_LINEAR, DIFF_OTHER };

/* How `b`, made with a fact greater by db, and `c`, by dc, differ from `a`. Relocations of `fact`
 * are pushed when all differences follow it. */
enum diff_result image_diff(struct arena *arena, const struct image *a, const struct image *b,
			    int64_t db, const struct image *c, int64_t dc, uint32_t fact,
			    struct relocs *out);
bool image_same(const struct image *a, const struct image *b);

/* ---- the program ---------------------------------------------------------------------------- */

void image_write(const struct program *p, struct image *out);

/* Types of an image, by number. */
struct type_list {
	const struct type **v;
	uint8_t *depth; /* 1: has no parts */
	uint32_t n;
};

struct type_writer {
	struct arena *a;
	struct types *ts;
	VEC(const struct type *) order;
	struct strmap numbers; /* address → number plus one */
};

uint32_t type_number(struct type_writer *w, const struct type *t); /* its parts come before it */
void types_write(struct type_writer *w, struct buf *out);
bool types_read(struct reader *r, struct types *ts, struct type_list *out);
const struct type *get_type(struct reader *r, const struct type_list *l); /* or none: NULL */

/* One target of a program as the file has it. */
struct aot_target {
	uint32_t decl, seq;                 /* place in the order of resolving */
	struct attach_target before, after; /* resolved; as the program attaches it */
	const struct provider *prov;
};

struct aot_program {
	struct program *p;
	struct resolved_decl *decls; /* attach points only */
	size_t ndecls;
	struct aot_target *targets; /* by id */
};

/* False when the bytes are no program. The diag of `p` has the sources. */
bool image_parse(struct str bytes, struct arena *a, struct kernel *k, struct aot_program *out);
bool image_check(const struct program *p);
/* Does it do what needs --unsafe, or what no compiler made? NULL: no. */
const char *image_unsafe(const struct program *p, struct kernel *k);

enum targets_result { TARGETS_OK, TARGETS_DIFFER, TARGETS_FAILED };
/* Resolves all attach points and puts the places that they have here into the program. */
enum targets_result targets_resolve(struct aot_program *ap, const struct compile_in *in,
				    const char **why);

#endif
