/* The face of src/kernel: the interfaces of the running kernel, each in one thin file.
 *
 * `struct kernel` is one view of a kernel: where its files are, and caches of what was read (BTF,
 * features, symbols, tracefs). Everything is read when first asked for: a script that needs no BTF
 * never opens it. Tests open recorded fake kernels through kernel_paths. */
#ifndef AWL_KERNEL_H
#define AWL_KERNEL_H

#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <sys/types.h>
#include "base/base.h"

struct btf; /* libbpf */
struct kernel;

struct kernel_paths {         /* NULL: the running kernel's */
	const char *btf;      /* file with raw BTF */
	const char *tracefs;  /* directory with events/ */
	const char *kallsyms; /* file */
	const char
		*features; /* file with one feature name a line that is there; the others are not */
	const char *functions; /* file in the form of available_filter_functions */
	const char *modules;   /* directory with the BTF of modules, a file each */
	const char *given_btf; /* file of the user's, raw BTF or an ELF file with such a section,
				  for a kernel that shows none of its own */
};

struct kernel *kernel_new(const struct kernel_paths *paths);
void kernel_free(struct kernel *k);

/* ---- features ------------------------------------------------------------------------------ */

enum feature {
	FEATURE_NONE,
#define FEATURE(name, text) FEATURE_##name,
#include "base/feature.def"
#undef FEATURE
	FEATURE_COUNT
};

bool kernel_has(struct kernel *k, enum feature f);             /* tries once, then remembers */
const char *feature_name(enum feature f);                      /* "UPROBE_MULTI" */
const char *feature_text(enum feature f);                      /* "uprobe multi links" */
void kernel_force(struct kernel *k, enum feature f, bool has); /* --no-feature */

/* ---- facts (fact.c): what a compilation was told about the machine --------------------------- */

enum fact_kind {
	FACT_FEATURE,     /* key: name; value: 0 or 1 */
	FACT_SYMBOL,      /* key: name; value: address, 0: none */
	FACT_BTF_ID,      /* key: "KIND name"; value: id, 0: none */
	FACT_MEMBER,      /* key: path of a struct's member; value: offset; shape: its type */
	FACT_SIZE,        /* key: "struct NAME"; value: bytes */
	FACT_TYPE,        /* key: "TAG NAME"; shape: what it is */
	FACT_LAYOUT,      /* key: path of a struct or enum; shape: digest of all members */
	FACT_ENUMERATOR,  /* key: name; value; shape: its enum */
	FACT_RAW_EVENT,   /* key: "category:event"; value: 1 when a raw tracepoint carries it */
	FACT_CPUS,        /* value: possible CPUs */
	FACT_CPUS_POWER,  /* value: the power of two that is at least that */
	FACT_RING,        /* key: bytes wanted; value: the ring buffer's size in units of 64 KiB */
	FACT_STACK_LIMIT, /* value: frames that the kernel walks */
	FACT_TAI,         /* value: CLOCK_TAI - CLOCK_BOOTTIME in ns */
	FACT_PID_NS,      /* value: inode of awl's pid namespace; shape: its device */
	FACT_CGROUP,      /* key: path; value: id */
	FACT_COMPAT,      /* value: 1 when 32-bit programs can run */
	FACT_FILE,        /* key: path of a program or library; shape: what tells its contents */
	FACT_ENVIRONMENT, /* shape: settings in environment variables */
	FACT_KERNEL,      /* shape: release and build of the kernel itself */
	FACT_MODULE,      /* key: name of a module whose types are asked for */
	FACT_KFUNC,       /* key: "TYPE ATTACH_TYPE TO NAME"; value: 1 when it may be called */
	FACT_KINDS
};

struct fact {
	enum fact_kind kind;
	const char *key, *shape; /* never NULL */
	uint64_t value;
};

/* A list of facts without repetitions. */
struct facts;
struct facts *facts_new(struct arena *a);
const struct fact *facts_get(const struct facts *f, enum fact_kind kind, const char *key);
size_t facts_all(const struct facts *f, const struct fact **v); /* in order of the first asking */
void facts_add(struct facts *f, const struct fact *fact);
/* Answers that `base` has are given again instead of fresh ones; those in `shifts` with their
 * `value` added. Both may be NULL. */
void facts_answer_from(struct facts *f, const struct facts *base, const struct facts *shifts);

/* From now on everything that is asked of `k` is noted; NULL ends it. */
void kernel_record(struct kernel *k, struct facts *f);
/* Between pause (+1) and resume (-1) nothing is noted: what is asked then is asked again on the
 * machine where the program runs. */
void kernel_record_pause(struct kernel *k, int by);
/* Notes a fact and returns the answer to use: `value`, unless the list says otherwise. */
uint64_t kernel_fact(struct kernel *k, enum fact_kind kind, const char *key, const char *shape,
		     uint64_t value);
bool kernel_recording(const struct kernel *k);
/* The list has the answer already, so the machine need not be asked. */
bool kernel_fact_known(const struct kernel *k, enum fact_kind kind, const char *key);
bool kernel_shifting(const struct kernel *k); /* some answers are not this kernel's */
const char *fact_kind_name(enum fact_kind kind);
/* Facts of the machine rather than of its kernel: FACT_CPUS … FACT_KERNEL without key or with the
 * key that their line above has. Noted and returned. */
uint64_t kernel_host(struct kernel *k, enum fact_kind kind, const char *key);

/* ---- BTF (libbpf) -------------------------------------------------------------------------- */

/* The kernel's BTF, owned by `k`; NULL with `e` set when there is none. */
struct btf *kernel_btf(struct kernel *k, struct err *e);
/* The types come from kernel_paths.given_btf: they are good for layouts and prototypes, but their
 * ids mean nothing to the kernel. */
bool kernel_btf_is_given(struct kernel *k);
/* Type id by kind and name; 0 when there is none. Names are indexed on the first use. */
uint32_t kernel_btf_find(struct kernel *k, const char *name, unsigned btf_kind);
/* Makes the types of a loaded module part of kernel_btf(); 0 or -errno. */
int kernel_btf_module(struct kernel *k, const char *module, struct err *e);
/* A function of a module that was made part of it; `module` NULL: of the kernel itself. 0: none.
 * It is not noted as a fact: what is made of it is (type_from_func, kernel_btf_own_id). */
uint32_t kernel_btf_func(struct kernel *k, const char *module, const char *name);
/* What the kernel calls a function of kernel_btf(): modules have numberings of their own. */
uint32_t kernel_btf_own_id(struct kernel *k, uint32_t id);
/* The module that a type of kernel_btf() is of; NULL: the kernel itself. */
const char *kernel_btf_module_of(struct kernel *k, uint32_t id);
uint32_t btf_find(struct kernel *k, const char *name, unsigned btf_kind); /* not noted as a fact */
/* The enum that has an enumerator of this name, and its value; 0 when there is none. */
uint32_t kernel_btf_enumerator(struct kernel *k, struct str name, uint64_t *value);
/* Types of a kind (BTF_KIND_STRUCT, _UNION, _ENUM) whose names match, sorted: fn gets "struct NAME"
 * or, with `whole`, the definition in C. */
int kernel_btf_types(struct kernel *k, unsigned btf_kind, struct str pattern, bool whole,
		     int (*fn)(void *arg, const char *text), void *arg, struct err *e);

/* ---- struct pt_regs ------------------------------------------------------------------------ */

/* Offsets of the registers of this architecture, by what they are for or by name; -1: there is
 * none.
 */
int regs_arg(unsigned n);         /* of a function */
int regs_syscall_arg(unsigned n); /* of a system call */
int regs_retval(void);
int regs_sp(void);
int regs_named(struct str name);
const char *regs_name(unsigned i); /* all names, one by one; NULL after the last */

/* ---- tracefs ------------------------------------------------------------------------------- */

/* A descriptor of the tracefs root. When it is mounted nowhere, a detached mount of our own is made
 * (fsopen/fsmount): nothing is left behind on the system. -errno with `e` set when impossible. */
int kernel_tracefs(struct kernel *k, struct err *e);

enum tp_loc { TP_PLAIN, TP_DATA_LOC, TP_REL_LOC };

struct tp_field {
	const char *name;
	const char *ctype;     /* as written, without the name: "const char *", "char[16]" */
	uint32_t offset, size; /* bytes in the record */
	uint32_t count;        /* of an array, otherwise 0 */
	bool is_signed;
	bool is_common;  /* common_type … */
	enum tp_loc loc; /* __data_loc / __rel_loc: the field is u32 (len << 16 | offset) */
};

struct tp_format {
	const char *category, *name;
	uint32_t id;
	struct tp_field *fields;
	size_t nfields;
};

int kernel_tp_format(struct kernel *k, struct arena *a, const char *category, const char *name,
		     struct tp_format *out, struct err *e);
/* Parses the text of a format file; -EBADMSG when it is malformed. Sets id and fields only. */
int tp_format_parse(struct arena *a, struct str text, struct tp_format *out, struct err *e);
/* Calls fn for each event, sorted by category and name, until it returns non-zero. */
int kernel_tp_each(struct kernel *k, int (*fn)(void *arg, const char *category, const char *name),
		   void *arg, struct err *e);
bool kernel_tp_exists(struct kernel *k, const char *category, const char *name);
/* Events that were made at run time (kprobe_events and their like) have no raw tracepoint. Without
 * the right to read tracefs, raw is what can be attached to at all. */
bool kernel_tp_is_raw(struct kernel *k, const char *category, const char *name);
/* Raw tracepoints, from BTF's btf_trace_* typedefs, sorted. */
int kernel_rawtp_each(struct kernel *k, int (*fn)(void *arg, const char *name), void *arg,
		      struct err *e);
/* BTF iterators: "task" from bpf_iter_task functions, sorted. */
int kernel_iter_each(struct kernel *k, int (*fn)(void *arg, const char *name), void *arg,
		     struct err *e);
/* Functions that kprobes may be put on: available_filter_functions where readable, else kallsyms
 * text symbols. `module` is NULL for the kernel itself. */
int kernel_func_each(struct kernel *k, int (*fn)(void *arg, const char *module, const char *name),
		     void *arg, struct err *e);

/* What the kernel's symbols have under a name. Strings belong to `k`. */
struct func_fate {
	unsigned symbols;        /* functions of exactly that name, without modules */
	const char *copy, *part; /* "f.isra.0", "f.part.0"; NULL: none */
	bool cold, blacklisted;  /* "f.cold" is there; kprobes refuse f */
};
void kernel_func_fate(struct kernel *k, struct str name, struct func_fate *out);

/* Makes the list of functions and the index of their types, at the same time: to be called when
 * both will be needed. */
void kernel_func_prepare(struct kernel *k);

/* System call names of this architecture, for syscalls:* events: number or -1; NULL. */
int kernel_syscall_nr(const char *name);
const char *kernel_syscall_name(int nr);

/* ---- symbols ------------------------------------------------------------------------------- */

/* Nearest symbol at or below `addr`; "" module means vmlinux. False when there is none (or
 * addresses are hidden). Strings belong to `k`. */
bool kernel_ksym(struct kernel *k, uint64_t addr, const char **name, const char **module,
		 uint64_t *offset);
bool kernel_kaddr(struct kernel *k, const char *name, uint64_t *addr);

/* ---- bpf(2) -------------------------------------------------------------------------------- */

/* May such programs call the kernel's function `name`? */
struct kfunc_caller {
	enum bpf_prog_type type;
	uint32_t attach_type;
	const char *to; /* the kernel's function or btf_trace_NAME that it is for; NULL: none */
};
bool kernel_kfunc_allowed(struct kernel *k, const struct kfunc_caller *c, const char *name);
/* Does it only look at the system, or handle what such functions gave out? The others may change
 * something (bpf_send_signal_task), and so may one that is not known here. */
bool kernel_kfunc_is_plain(const char *name);
/* "" when the number is no type of the kernel. */
const char *kernel_kfunc_name(struct kernel *k, uint32_t id);
int sys_bpf(int cmd, union bpf_attr *attr, unsigned size); /* fd or -errno */

struct map_spec {
	const char *name; /* cut to 15 valid characters */
	enum bpf_map_type type;
	uint32_t key_size, value_size, max_entries, flags;
	const struct map_spec *inner; /* of maps of maps: what one of them looks like */
};
int bpf_map_make(const struct map_spec *spec, struct err *e);
int bpf_map_get(int fd, const void *key, void *value); /* 0 or -errno */
int bpf_map_set(int fd, const void *key, const void *value, uint64_t flags);
int bpf_map_del(int fd, const void *key);
int bpf_map_take(int fd, const void *key, void *value); /* reads and deletes at once */
int bpf_map_next(int fd, const void *key, void *next);  /* key may be NULL; -ENOENT at the end */
/* Reads a batch; -ENOENT with *count > 0 at the end. `remove`: looks up and deletes. */
int bpf_map_batch(int fd, void *in, void *out, void *keys, void *values, uint32_t *count,
		  bool remove);

/* A function of a loaded BPF program that has BTF. */
struct bpf_prog_func {
	uint32_t prog; /* id of the program */
	const char *name;
	uint32_t btf_id; /* in the program's own BTF */
	uint32_t nparams;
};
/* Calls fn for each until it returns non-zero, which is then the result. */
int kernel_prog_each(int (*fn)(void *arg, const struct bpf_prog_func *f), void *arg, struct err *e);
int bpf_prog_open(uint32_t id);                             /* fd or -errno */
int bpf_btf_open_module(const char *module, struct err *e); /* fd of its BTF object or -errno */

struct prog_load {
	const char *name;
	enum bpf_prog_type type;
	uint32_t expected_attach_type;
	uint32_t attach_btf_id;
	int attach_fd; /* whose type that is: a program, or a module's BTF; 0: the kernel */
	const struct bpf_insn *insns;
	uint32_t ninsns;
	const char *license;
	int btf_fd; /* 0: none */
	const struct bpf_func_info *func_info;
	uint32_t nfunc_info;
	const struct bpf_line_info *line_info;
	uint32_t nline_info;
	uint32_t flags; /* BPF_F_SLEEPABLE … */
	char *log;
	uint32_t log_size, log_level;
};
int bpf_prog_load_raw(const struct prog_load *p); /* fd or -errno */
int bpf_link_make(int prog_fd, int target_fd, uint32_t attach_type, uint64_t cookie,
		  struct err *e); /* perf event or iterator */
int bpf_raw_tp_open(const char *name, int prog_fd, uint64_t cookie,
		    struct err *e); /* name NULL: BTF-typed */

struct uprobe_multi {
	const char *path;                                    /* opened by the kernel */
	const uint64_t *offsets, *ref_ctr_offsets, *cookies; /* the last two may be NULL */
	uint32_t count;
	bool is_return, session;
	int pid; /* 0: all */
};
int bpf_uprobe_multi_open(int prog_fd, const struct uprobe_multi *u, struct err *e);

struct kprobe_multi {
	const char *const *names;
	const uint64_t *addrs;
	const uint64_t *cookies;
	uint32_t count;
	bool is_return, session;
};
int bpf_kprobe_multi_open(int prog_fd, const struct kprobe_multi *u, struct err *e);
int bpf_iter_open(int link_fd, struct err *e);
/* Hits that the kernel itself left out: of a link (returns for which it had no room, probes inside
 * of probes), and of a program that was to run while it, or another, was running on the CPU. 0
 * where the kernel does not tell. */
uint64_t bpf_link_missed(int fd);
uint64_t bpf_prog_missed(int fd);
int bpf_test_run(int prog_fd, const void *ctx, uint32_t ctx_size, int32_t *retval,
		 struct err *e); /* raw_tp programs, on this CPU */
int bpf_load_btf(const void *data, uint32_t size, char *log, uint32_t log_size);

/* ---- what things cost -------------------------------------------------------------------------
 */

/* How the kernel gets over the instruction under a user probe. */
enum trap { TRAP_CALL, TRAP_COMPUTED, TRAP_STEPPED, TRAP_COUNT };
/* Nanoseconds of a hit beside the program: measured at the first question, where that is possible.
 */
uint32_t kernel_trap_ns(struct kernel *k, enum trap kind);
bool kernel_trap_measured(struct kernel *k);

/* While the descriptor is open the kernel counts how often and how long programs run; -errno where
 * it does not, or may not. */
int bpf_stats_enable(void);
struct bpf_prog_stats {
	uint64_t ns, runs;
};
bool bpf_prog_stats(int fd, struct bpf_prog_stats *out);

/* ---- perf events --------------------------------------------------------------------------- */

int perf_open(struct perf_event_attr *attr, int pid, int cpu,
	      struct err *e); /* close-on-exec; fd or -errno */
int perf_attach(int event_fd, int prog_fd, uint64_t cookie,
		struct err *e); /* a link when there are, else ioctl: link fd or 0 */
int perf_pmu_type(const char *pmu, struct err *e); /* /sys/bus/event_source/devices/PMU/type */
int perf_uprobe_retprobe_bit(void);
int perf_kprobe_retprobe_bit(void);

/* ---- processors, processes, users, cgroups -------------------------------------------------- */

int cpu_possible(void);             /* number of possible CPUs */
int cpu_online(int *cpus, int max); /* fills ids; returns how many */
uint64_t clock_offset_boot(void);   /* CLOCK_REALTIME - CLOCK_BOOTTIME, ns */
bool proc_alive(int pid);
int proc_ppid(int pid);
bool proc_comm(int pid, char comm[16]);
bool user_name(uint32_t uid, char *buf, size_t size); /* /etc/passwd, cached */
/* Path of a cgroup v2 below its mount by id, "" for the root; false when unknown. */
bool cgroup_path(struct kernel *k, uint64_t id, char *buf, size_t size);
int cgroup_id(const char *path, uint64_t *id, struct err *e);
/* Descriptors of cgroup v2 directories, or -errno: of a path, which may be relative to the mount;
 * of a container or pod by (the beginning of) its id. */
int cgroup_open(struct kernel *k, const char *path, struct err *e);
int cgroup_find(struct kernel *k, const char *id, bool pod, struct err *e);
/* The search of cgroup_find, below any directory; takes `root` over. */
int cgroup_find_under(int root, const char *id, bool pod, struct err *e);

/* Names the capabilities of `need` (CAP_BPF …) that this process lacks, comma separated in
 * `missing`; true when none is. CAP_SYS_ADMIN stands in for CAP_BPF and CAP_PERFMON. */
bool caps_check(const int *need, size_t n, char *missing, size_t size);

#endif
