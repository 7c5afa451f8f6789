/* The face of src/elf: programs and libraries of user space, their symbols, probes and addresses.
 *
 * Everything read here may come from a hostile process: readers are bounds-checked, sizes and
 * counts are limited, a malformed file gives an error that names the file and what is wrong with
 * it. Files are looked at lazily; those of others are never mapped, so that cutting one short while
 * it is read is an error and not a SIGBUS. */
#ifndef AWL_ELF_H
#define AWL_ELF_H

#include "base/base.h"

/* ---- finding files --------------------------------------------------------------------------- */

/* The file that a probe's target names: a path, a program in $PATH, `libNAME` or a soname (from
 * ld.so.cache and the usual directories; for `pid` > 0 first among its mapped files, opened through
 * /proc/PID/root), or with pid > 0 and an empty name the program of that process. The result is in
 * `out` (PATH_MAX): absolute, links resolved. A glob (`*`, `?`, `[`) is expanded by elf_glob. */
int elf_resolve(struct str name, int pid, char *out, size_t size, struct err *e);
int elf_glob(struct str pattern, int (*fn)(void *arg, const char *path), void *arg);
/* The ELF files that a process has mapped executable, each once (by device and inode): those that
 * `name` names as for elf_resolve, or all ("") with the deleted ones and images in memory. What has
 * no name that leads to it is reached by the link of its mapping in /proc/PID/map_files. */
int elf_mapped(int pid, struct str name, int (*fn)(void *arg, const char *path), void *arg);

/* ---- one binary ------------------------------------------------------------------------------ */

struct elf;

struct elf *elf_open(const char *path, struct err *e);
/* Takes `fd` over, also on failure; `path` is for messages. */
struct elf *elf_open_fd(int fd, const char *path, struct err *e);
/* For fuzzers: files that others can write are parsed in this process, not by a reader. */
void elf_without_readers(void);
/* An image in memory, which must outlive the result. */
struct elf *elf_open_memory(const void *p, size_t n, const char *path, struct err *e);
void elf_close(struct elf *f);
const char *elf_path(const struct elf *f);
bool elf_is_go(struct elf *f);             /* has Go build information or a pclntab */
uint16_t elf_machine(const struct elf *f); /* EM_X86_64 … */
/* Address (p_vaddr space) to file offset and back, through the loadable segments. */
bool elf_addr_to_offset(struct elf *f, uint64_t addr, uint64_t *offset);
bool elf_offset_to_addr(struct elf *f, uint64_t offset, uint64_t *addr);
bool elf_offset_is_text(struct elf *f, uint64_t offset); /* in an executable segment */
bool elf_is_64(const struct elf *f);

struct elf_section {
	uint64_t addr, offset, size;
	const uint8_t *data; /* valid until elf_close; NULL when it has no bytes in the file */
};

bool elf_section_find(struct elf *f, const char *name, struct elf_section *out);
/* The build id; its length, 0 when there is none. */
size_t elf_build_id(struct elf *f, uint8_t *id, size_t cap);
/* The separate debug file of a program, of the same build, as elf_funcs uses it. */
bool elf_debug_file(const char *path, char *out, size_t size);
/* What tells this file's contents from another's: its build id, or size and time of change. */
void elf_identity(struct elf *f, struct buf *out);
/* The names of the libraries that the file needs, and its interpreter. */
void elf_needed(struct elf *f, void (*fn)(void *arg, const char *name), void *arg);
/* Bytes of the file; may be short. */
size_t elf_read(struct elf *f, uint64_t offset, void *buf, size_t n);

/* ---- unwinding (cfi.c) ----------------------------------------------------------------------- */

/* How to find a function's caller, from one instruction of x86_64 on to the next row's. */
enum elf_unwind_kind {
	ELF_UNWIND_NONE,     /* nothing is known here: between functions */
	ELF_UNWIND_END,      /* the outermost function: nobody called it */
	ELF_UNWIND_SP,       /* the canonical frame address (CFA) is rsp + cfa */
	ELF_UNWIND_BP,       /* rbp + cfa */
	ELF_UNWIND_PLT,      /* rsp + 8, in the later part of a linkage stub 8 more */
	ELF_UNWIND_DEREF_BP, /* *(rbp + cfa): functions that align their stack */
	ELF_UNWIND_SIGNAL,   /* registers are in the frame that the kernel made for a handler */
	ELF_UNWIND_BAD,      /* a rule that rows cannot say */
};

enum { ELF_BP_SAME = 0, ELF_BP_THERE = 255 /* at *rbp */ };

/* The return address is at CFA - 8, and the caller's rsp is the CFA. */
struct elf_unwind_row {
	uint32_t pc; /* from the base of the table on */
	int16_t cfa; /* in words of eight bytes */
	uint8_t bp;  /* the caller's rbp is at CFA - 8 * bp, or see above */
	uint8_t kind;
};

/* Rows in order of pc, without equal neighbours; freed by the caller. */
struct elf_unwind {
	uint64_t base; /* link-time address */
	struct elf_unwind_row *rows;
	size_t n;
};

/* Reads .eh_frame. -ENOENT: the file has none (or is of another machine); -EINVAL: malformed. */
int elf_unwind_read(struct elf *f, struct elf_unwind *out, struct err *e);
void elf_unwind_free(struct elf_unwind *u);
/* Do functions leave rbp alone, so that frames cannot be found by it? */
bool elf_unwind_lacks_bp(const struct elf_unwind *u);

struct elf_func {
	const char *name; /* as in the symbol table, without @VERSION */
	uint64_t addr;    /* link-time address */
	uint64_t offset;  /* in the file: what a uprobe takes */
	uint64_t size;    /* 0: unknown */
	bool ifunc;       /* STT_GNU_IFUNC: a resolver, not the function */
};

/* Function symbols (symtab, dynsym, and the separate or mini debug file when there; of a Go program
 * without these what its runtime knows), one for each address and name, sorted by name. The array
 * belongs to `f`. */
int elf_funcs(struct elf *f, const struct elf_func **funcs, size_t *n, struct err *e);
/* By exact name, also with a version (`memcpy@GLIBC_2.2.5` or without); false when there is none.
 */
bool elf_func_find(struct elf *f, struct str name, struct elf_func *out);
/* Any symbol, also data (for uaddr). */
bool elf_sym_find(struct elf *f, struct str name, uint64_t *addr, uint64_t *size);
/* The function that covers a file offset. */
bool elf_func_at(struct elf *f, uint64_t offset, struct elf_func *out);

/* The functions whose bodies the compiler has put into the code at a file offset, that of an
 * instruction, innermost first: of Go programs, whose runtime keeps such a table; stripped ones
 * have it, too. They lie in the function that elf_func_at has. The names belong to `f`. */
enum { ELF_MAX_INLINED = 32 };
size_t elf_inlined_at(struct elf *f, uint64_t offset, const char *const **names);

/* Demangled C++, Rust or D name in the arena; the name itself when it is not mangled. Limits
 * hostile input. */
const char *elf_demangle(struct arena *a, const char *name);

/* The same without parameters and, of templates, without the result: "ns::twice<int>". */
const char *elf_source_name(struct arena *a, const char *name);

/* What functions are looked for: a name as linked or a glob of it; `demangled`: of its name as in
 * the source, with its parameters or without: ns::f and ns::f(int). */
struct elf_pattern {
	struct str text;
	bool demangled;
	bool literal; /* the text is one function's: f(char*) is not f(char const*) */
};

bool elf_pattern_matches(const struct elf_pattern *p, struct arena *tmp, const char *name);
/* Is the text of a demangled pattern, in which `*` may stand for a pointer, the whole name of a
 * function? */
bool elf_pattern_is_literal(const struct elf_pattern *p, const struct elf_func *funcs, size_t n);

/* ---- probe placement ------------------------------------------------------------------------- */

enum probe_cost {
	COST_CHEAP, /* a call instead of a trap */
	COST_EMULATED,
	COST_STEPPED,
	COST_REFUSED
};

struct placement {
	uint64_t offset; /* where to put the probe */
	enum probe_cost cost;
	bool moved;      /* not the function's first instruction: an endbr64 was skipped */
	char insn[64];   /* text of the instruction there */
	const char *why; /* for COST_REFUSED: what is wrong; otherwise NULL */
};

/* The cheapest place that is equivalent to the entry of the function at `offset` (size 0: unknown).
 * Only instructions that leave every argument register and the stack as they were at entry are
 * skipped (endbr64). PLACE_EXACT: the user gave this very address; it is checked to be the start of
 * an instruction of the function around it, and never moved. PLACE_SITE: the site of a USDT probe,
 * which is taken as it is but for one form (place.c). PLACE_CALLS: this kernel turns the five-byte
 * nop into a call.
 */
enum { PLACE_EXACT = 1, PLACE_SITE = 2, PLACE_CALLS = 4 };
void elf_place(struct elf *f, uint64_t offset, uint64_t size, unsigned flags,
	       struct placement *out);

/* ---- USDT ------------------------------------------------------------------------------------ */

enum usdt_arg_kind {
	USDT_CONST,
	USDT_REG,
	USDT_MEM /* *(reg + index*scale + off) */,
	USDT_ADDR /* *(symbol address) */
};

struct usdt_arg {
	enum usdt_arg_kind kind;
	int8_t size;      /* 1, 2, 4, 8; negative: signed */
	bool is_float;    /* cannot be read */
	int16_t reg;      /* byte offset in struct pt_regs, -1: none */
	int16_t index;    /* the same */
	uint8_t reg_off;  /* byte inside the register (%ah is 1), of USDT_REG */
	uint8_t scale;    /* 1, 2, 4, 8 */
	int64_t value;    /* constant, displacement, or link-time address of USDT_ADDR */
	const char *text; /* "-4@-20(%rbp)" */
};

struct usdt_site {
	const char *provider, *name;
	uint64_t addr;       /* link-time, corrected by .stapsdt.base */
	uint64_t offset;     /* in the file */
	uint64_t sem_addr;   /* 0: none */
	uint64_t sem_offset; /* in the file: ref_ctr_offset */
	struct usdt_arg *args;
	size_t nargs;
	const char *bad; /* why the arguments cannot be read; NULL: fine */
};

/* All sites of .note.stapsdt in order of (provider, name, address). Belongs to `f`. */
int elf_usdt(struct elf *f, const struct usdt_site **sites, size_t *n, struct err *e);
/* Parses an argument description of the given machine; exported for tests. */
int usdt_parse_args(struct arena *a, struct elf *f, uint16_t machine, const char *text,
		    struct usdt_arg **args, size_t *n, struct err *e);

/* ---- symbols of processes -------------------------------------------------------------------- */

struct symbolizer;

struct symbol {
	const char *name;     /* NULL: unknown */
	const char *module;   /* path of the mapped file, "[vdso]", "" */
	uint64_t offset;      /* from the symbol's start */
	struct elf *file;     /* the mapped file, the symbolizer's; NULL: none that can be read */
	uint64_t file_offset; /* of the address in it */
};

struct symbolizer *symbolizer_new(void);
void symbolizer_free(struct symbolizer *s);
void symbolizer_demangle(struct symbolizer *s, bool on);
/* Remembers the mappings of `pid` now, so that its frames can be named after it has exited. */
void symbolizer_remember(struct symbolizer *s, int pid);

/* Being told what processes do, instead of reading it in time (process.c). `update` is called
 * before each look-up, to tell what is known by then; NULL ends it. */
struct sym_mapping {
	uint64_t start, len, pgoff;
	uint32_t maj, min; /* device */
	uint64_t ino, generation;
	const char *path; /* as its process sees it; "" for anonymous memory; "[vdso]" */
};
void symbolizer_follow(struct symbolizer *s, void (*update)(void *arg), void *arg);
void symbolizer_mapping(struct symbolizer *s, int pid, const struct sym_mapping *m);
void symbolizer_exec(struct symbolizer *s, int pid); /* its mappings are gone, new ones follow */
void symbolizer_fork(struct symbolizer *s, int parent, int child);
void symbolizer_exit(struct symbolizer *s, int pid);
/* A file that will be asked for, opened now: it may be deleted, or its process gone from a root of
 * its own, by then. */
struct elf *symbolizer_offer(struct symbolizer *s, const char *path); /* NULL: cannot be read */
/* The very file of a mapping that was told, for reading; -1 when it cannot be had any more. */
int symbolizer_open_mapped(struct symbolizer *s, int pid, const struct sym_mapping *m);
/* Being told, in turn, that the mappings of a process may be others now, or that it is gone. */
void symbolizer_watch(struct symbolizer *s, void (*changed)(void *arg, int pid, bool gone),
		      void *arg);
/* The executable mappings of a process now, in order. `elf` (NULL: none) lives as long as the
 * symbolizer. */
struct sym_code {
	uint64_t start, end, offset;
	struct elf *elf;
};
void symbolizer_code(struct symbolizer *s, int pid, void (*fn)(void *arg, const struct sym_code *c),
		     void *arg);
void symbolizer_missed(struct symbolizer *s); /* something was not told: read again when needed */

/* Names a user address of a process: mapped files by symtab/dynsym/MiniDebugInfo/debug file, perf
 * maps
 * (/tmp/perf-PID.map inside its root, read only when owned by the process's user), jitdumps that it
 * has mapped, vDSO. Strings
 * are valid until the symbolizer is freed. Mappings are read again (once) when an address is in
 * none. */
bool symbolizer_user(struct symbolizer *s, int pid, uint64_t addr, struct symbol *out);

#endif
