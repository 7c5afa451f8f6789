/* Private to src/probe: what the providers share. */
#ifndef AWL_PROBE_H
#define AWL_PROBE_H

#include <stdio.h>
#include "gen/gen.h"
#include "sema/provider.h"
#include "sema/sema.h"

extern const struct provider provider_begin, provider_end, provider_self;
extern const struct provider provider_test, provider_bench;
extern const struct provider provider_tracepoint, provider_rawtracepoint;
extern const struct provider provider_profile, provider_interval;
extern const struct provider provider_software, provider_hardware, provider_watchpoint,
	provider_asyncwatchpoint;
extern const struct provider provider_iter;
extern const struct provider provider_uprobe, provider_uretprobe, provider_usdt;
extern const struct provider provider_go, provider_goret;
extern const struct provider provider_kprobe, provider_kretprobe, provider_fentry, provider_fexit;

bool probe_is_glob(struct str s);
/* A copy with a terminating NUL. */
const char *probe_cstr(struct sema *s, struct str t);
/* The attach point as written, with the provider's own name in front: `i:s:1` is interval:s:1. */
const char *probe_own_name(struct sema *s, const struct provider *prov,
			   const struct attach_point *ap);
/* Reports E_PROBE_FORM "…" with the provider's form as help; returns false. */
bool probe_malformed(struct sema *s, const struct provider *prov, const struct attach_point *ap,
		     const char *why);
/* Checks the number of parts (with the provider's name). */
bool probe_parts(struct sema *s, const struct provider *prov, const struct attach_point *ap,
		 size_t min, size_t max);
/* Part `i` as a number; `what` names it in the message. */
bool probe_number(struct sema *s, const struct attach_point *ap, size_t i, const char *what,
		  uint64_t *out);
/* "10", "100us", "1s": nanoseconds; a bare number is `unit` nanoseconds each. */
bool probe_duration(struct str text, uint64_t unit, uint64_t *ns);
/* nearest_try with a name that does not live long: it is copied when it is the best so far. */
void probe_near(struct sema *s, struct nearest *near, const char *name);
void probe_push(struct sema *s, struct attach_targets *out, struct attach_target t);
/* Programs with several targets are told which of them fired by a cookie, where the kernel has
 * cookies for such links (`f`). Without, targets stay apart when the body asks for the probe's name
 * … */
bool probe_needs_cookie(struct kernel *k, unsigned uses, enum feature f);
bool probe_share_perf(struct kernel *k, unsigned uses, const struct attach_target *a,
		      const struct attach_target *b);
/* … and are attached without one. */
uint64_t probe_cookie(struct attach_env *env, const struct attach_target *t, enum feature f);
/* No target matched: error, warning or silence as config.missing_probes says. The result is
 * resolve's. */
bool probe_none(struct sema *s, const struct attach_point *ap, const struct nearest *near,
		const char *why);
/* Matches of `pattern` parts for -l: part i or "*" where there are fewer. */
/* `*`, which need not be matched: lists are long. */
bool probe_is_any(struct str pattern);
struct str probe_pattern(const struct attach_point *ap, size_t i);

/* The lines of -lv for the members of `t` (NULL: none): "    TYPE NAME" each. */
/* One line of a list of kernel functions: "kprobe:vfs_read", "fentry:vmlinux:vfs_read". */
void probe_list_function(struct buf *line, const char *prov, const char *module, const char *name);
void probe_list_members(struct types *ts, struct arena *a, const struct type *t, struct buf *out);

/* args as a u64 from the pt_regs that the context of a kprobe-type program is. */
struct val probe_ctx_reg(struct gen *g, const struct type *t, int offset);
/* What uprobes and kprobes alike can name at the entry and the return of a function: ctx, func and
 * the registers; entries have arguments beside it, returns retval. NULL: nothing of that name. */
const struct type *probe_func_name(struct sema *s, enum probe_name name);
/* The address of the function that was hit, by the helper when the kernel has it (`f`); without,
 * the place of the probe. */
struct val probe_func_load(struct gen *g, enum probe_name name, enum feature f);
/* trampoline.c: programs on functions with BTF; what fentry is, and kprobes without CONFIG_KPROBES.
 */
bool probe_trampoline_share(struct kernel *k, unsigned uses, const struct attach_target *a,
			    const struct attach_target *b);
void probe_trampoline_plan(struct sema *s, struct probe *p, bool is_return);
const struct type *probe_trampoline_type(struct sema *s, struct probe *p, enum probe_name name,
					 unsigned index, bool is_return);
struct val probe_trampoline_load(struct gen *g, struct probe *p, enum probe_name name,
				 unsigned index);
int probe_trampoline_attach(struct attach_env *env, const struct attach_prog *p, struct err *e);
/* kprobe.c: a perf event for each target. */
int probe_attach_kprobe(struct attach_env *env, const struct attach_prog *p, bool is_return,
			struct err *e);
/* why.c: why no function of the kernel has this name; and the refusal of a kind of probe. */
const char *probe_why_none(struct sema *s, const char *prov, struct str func);
bool probe_no_feature(struct sema *s, const struct attach_point *ap, const char *what);
/* Names of programs of perf events: the registers and ctx. */
struct val probe_perf_name_load(struct gen *g, struct probe *p, enum probe_name name,
				unsigned index);
const struct type *probe_perf_name_type(struct sema *s, struct probe *p, enum probe_name name,
					unsigned index);
/* Opens a perf event on every online CPU (or one for `pid`) and attaches the program. */
int probe_attach_perf(struct attach_env *env, const struct attach_prog *p,
		      struct perf_event_attr *attr, int pid, bool all_cpus, uint64_t cookie,
		      bool slow, struct err *e);

#endif
