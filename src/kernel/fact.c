/* Facts: what a compilation was told about the machine it ran on.
 *
 * While a list is set (kernel_record), each question to the kernel, and those of the type system,
 * leaves a fact: kind, key, the answer as a number (`value`) and what else of it code may depend on
 * (`shape`).
 *
 *   FEATURE  MAY_GOTO                      1
 *   MEMBER   struct task_struct\tpid       2460   "int32"
 *   SYMBOL   jiffies                       0xffffffff9a6079c0
 *
 * A list may answer instead of the machine: what `base` has is said again (a clock's offset is then
 * the same each time), and `shifts` adds to single answers. So a compilation can be repeated as if
 * one fact were another, which shows where code depends on it (src/aot/relocs.c).
 */
#include "kernel/priv.h"

struct facts {
	struct arena *arena;
	struct strmap by_key; /* "kind key" → struct fact */
	VEC(struct fact) v;   /* only for facts_all(): copies, in order */
	const struct facts *base, *shifts;
};

static const char *const names[FACT_KINDS] = {
	[FACT_FEATURE] = "feature",
	[FACT_SYMBOL] = "symbol",
	[FACT_BTF_ID] = "BTF id",
	[FACT_MEMBER] = "member",
	[FACT_SIZE] = "size",
	[FACT_TYPE] = "type",
	[FACT_LAYOUT] = "layout",
	[FACT_ENUMERATOR] = "enumerator",
	[FACT_RAW_EVENT] = "raw tracepoint",
	[FACT_CPUS] = "CPUs",
	[FACT_CPUS_POWER] = "CPUs, as a power of two",
	[FACT_RING] = "size of the ring buffer",
	[FACT_STACK_LIMIT] = "frames of a stack",
	[FACT_TAI] = "offset of CLOCK_TAI",
	[FACT_PID_NS] = "pid namespace",
	[FACT_CGROUP] = "cgroup",
	[FACT_COMPAT] = "32-bit programs",
	[FACT_FILE] = "file",
	[FACT_ENVIRONMENT] = "environment",
	[FACT_KERNEL] = "kernel",
	[FACT_MODULE] = "module",
	[FACT_KFUNC] = "kernel function to be called",
};

const char *fact_kind_name(enum fact_kind kind)
{
	return kind < FACT_KINDS ? names[kind] : "unknown";
}

struct facts *facts_new(struct arena *a)
{
	struct facts *f = arena_new_of(a, struct facts);

	f->arena = a;
	strmap_init(&f->by_key, a);
	return f;
}

static struct str key_in(struct buf *b, enum fact_kind kind, const char *key)
{
	buf_printf(b, "%d %s", (int)kind, key);
	return (struct str){b->p, b->n};
}

const struct fact *facts_get(const struct facts *f, enum fact_kind kind, const char *key)
{
	struct buf b = BUF_INIT;
	const struct fact *found = f ? strmap_get(&f->by_key, key_in(&b, kind, key)) : NULL;

	buf_release(&b);
	return found;
}

size_t facts_all(const struct facts *f, const struct fact **v)
{
	*v = f->v.v;
	return f->v.n;
}

void facts_add(struct facts *f, const struct fact *fact)
{
	struct fact *copy;
	struct buf b = BUF_INIT;
	struct str key;

	if (facts_get(f, fact->kind, fact->key))
		return;
	copy = arena_memdup(f->arena, fact, sizeof(*fact));
	copy->key = arena_strdup(f->arena, fact->key);
	copy->shape = arena_strdup(f->arena, fact->shape);
	key = key_in(&b, fact->kind, fact->key);
	strmap_put(&f->by_key, (struct str){arena_strndup(f->arena, key.p, key.n), key.n}, copy);
	vec_push(f->arena, &f->v, *copy);
	buf_release(&b);
}

void facts_answer_from(struct facts *f, const struct facts *base, const struct facts *shifts)
{
	f->base = base;
	f->shifts = shifts;
}

void kernel_record(struct kernel *k, struct facts *f)
{
	k->facts = f;
	k->facts_paused = 0;
}

void kernel_record_pause(struct kernel *k, int by)
{
	if (k)
		k->facts_paused += by;
}

bool kernel_recording(const struct kernel *k)
{
	return k && k->facts && !k->facts_paused;
}

bool kernel_shifting(const struct kernel *k)
{
	return kernel_recording(k) && k->facts->shifts;
}

bool kernel_fact_known(const struct kernel *k, enum fact_kind kind, const char *key)
{
	return kernel_recording(k) && facts_get(k->facts->base, kind, key);
}

uint64_t kernel_fact(struct kernel *k, enum fact_kind kind, const char *key, const char *shape,
		     uint64_t value)
{
	const struct fact *known, *shift;
	struct fact fact = {kind, key, shape ? shape : "", value};

	if (!kernel_recording(k))
		return value;
	facts_add(k->facts, &fact);
	known = facts_get(k->facts->base, kind, key);
	shift = facts_get(k->facts->shifts, kind, key);
	return (known ? known->value : value) + (shift ? shift->value : 0);
}
