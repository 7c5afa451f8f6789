/* Facts and relocations: what a program depends on, and which words follow it.
 *
 *   facts    n { u32 kind, u32 use, text key, text shape, u64 value }
 *   relocs   n { u32 word, u32 fact, u32 how, i32 factor }
 *
 * word += factor × (value here - value there). A number that does not fit its place is as good as a
 * fact that cannot be followed: the program is compiled again. */
#include <errno.h>
#include "aot/priv.h"
#include "sema/config.h"

void relocs_write(const struct relocs *r, struct buf *facts, struct buf *relocs)
{
	put_u32(facts, (uint32_t)r->facts.n);
	VEC_EACH (const struct used_fact, f, &r->facts) {
		put_u32(facts, f->fact.kind);
		put_u32(facts, f->use);
		put_text(facts, f->fact.key);
		put_text(facts, f->fact.shape);
		put_u64(facts, f->fact.value);
	}
	put_u32(relocs, (uint32_t)r->relocs.n);
	VEC_EACH (const struct reloc, l, &r->relocs) {
		put_u32(relocs, l->at);
		put_u32(relocs, l->fact);
		put_u32(relocs, l->how);
		put_u32(relocs, (uint32_t)l->factor);
	}
}

static void read_facts(struct reader *r, struct relocs *out)
{
	uint32_t n = get_count(r, 24);

	for (uint32_t i = 0; i < n && !r->bad; i++) {
		struct used_fact f;

		f.fact.kind = (enum fact_kind)get_below(r, FACT_KINDS);
		f.use = get_below(r, 2 * USE_ALIGNED);
		f.fact.key = get_text(r);
		f.fact.shape = get_text(r);
		f.fact.value = get_u64(r);
		vec_push(r->a, &out->facts, f);
	}
}

static void read_relocs(struct reader *r, struct relocs *out)
{
	uint32_t n = get_count(r, 16);

	for (uint32_t i = 0; i < n && !r->bad; i++) {
		struct reloc l;

		l.at = get_u32(r);
		l.fact = get_below(r, (uint32_t)MAX(out->facts.n, 1));
		l.how = (enum reloc_how)get_below(r, RELOC_HOWS);
		l.factor = (int32_t)get_u32(r);
		if (l.fact >= out->facts.n)
			r->bad = true;
		vec_push(r->a, &out->relocs, l);
	}
}

bool relocs_read(struct str facts, struct str relocs, struct arena *a, struct relocs *out)
{
	struct reader f = {(const uint8_t *)facts.p, facts.n, 0, false, a};
	struct reader r = {(const uint8_t *)relocs.p, relocs.n, 0, false, a};

	read_facts(&f, out);
	read_relocs(&r, out);
	return !f.bad && f.at == f.n && !r.bad && r.at == r.n;
}

/* ---- applying ---- */

static uint32_t word_get(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void word_set(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

static bool move_off(uint8_t *p, int64_t by)
{
	uint32_t word = word_get(p);
	int64_t v = (int16_t)(word >> 16) + by;

	word_set(p, (word & 0xffff) | (uint32_t)(uint16_t)v << 16);
	return v >= INT16_MIN && v <= INT16_MAX;
}

static bool move_word(uint8_t *p, int64_t by, bool is_signed)
{
	int64_t v = (is_signed ? (int64_t)(int32_t)word_get(p) : (int64_t)word_get(p)) + by;

	word_set(p, (uint32_t)v);
	return is_signed ? v >= INT32_MIN && v <= INT32_MAX : v >= 0 && v <= UINT32_MAX;
}

static bool move_imm64(uint8_t *p, int64_t by)
{
	uint64_t v = (word_get(p) | (uint64_t)word_get(p + 8) << 32) + (uint64_t)by;

	word_set(p, (uint32_t)v);
	word_set(p + 8, (uint32_t)(v >> 32));
	return true;
}

static bool move(const struct reloc *l, int64_t delta, uint8_t *image, size_t words)
{
	uint8_t *p = image + (size_t)l->at * 4;
	int64_t by;

	if (l->at >= words || (l->how == RELOC_IMM64 && words - l->at < 3))
		return false;
	if (l->how == RELOC_IMM64) /* wraps as addresses do */
		return move_imm64(p, (int64_t)((uint64_t)delta * (uint64_t)(int64_t)l->factor));
	if (__builtin_mul_overflow(delta, (int64_t)l->factor, &by) || by > INT32_MAX * 2ll ||
	    by < INT32_MIN * 2ll)
		return false;
	return l->how == RELOC_OFF ? move_off(p, by) : move_word(p, by, l->how == RELOC_IMM);
}

const struct used_fact *relocs_apply(const struct relocs *r, const int64_t *delta, uint8_t *image,
				     size_t words)
{
	VEC_EACH (const struct reloc, l, &r->relocs)
		if (delta[l->fact] && !move(l, delta[l->fact], image, words))
			return &r->facts.v[l->fact];
	return NULL;
}

/* ---- asking again ---- */

static void ask_feature(struct kernel *k, const char *name)
{
	for (int f = 1; f < FEATURE_COUNT; f++)
		if (strcmp(feature_name((enum feature)f), name) == 0)
			kernel_has(k, (enum feature)f);
}

/* "4 task_struct", "12 ext4:ext4_sync_file" */
static void ask_id(struct kernel *k, struct arena *a, const char *key)
{
	struct str name = str_of(key), kind = str_cut(&name, ' '), module = name;
	unsigned long long number;

	if (!str_to_u64(kind, &number) || number >= 32 || !name.n)
		return;
	module = str_cut(&name, ':');
	if (name.n)
		kernel_btf_own_id(k,
				  kernel_btf_func(k, arena_strndup(a, module.p, module.n), name.p));
	else
		kernel_btf_find(k, module.p, (unsigned)number);
}

static void ask_module(struct kernel *k, const char *name)
{
	if (kernel_btf_module(k, name, NULL) == 0)
		kernel_fact(k, FACT_MODULE, name, "there", 0);
}

/* "26 24 vfs_read bpf_task_from_pid" */
static void ask_kfunc(struct kernel *k, struct arena *a, const char *key)
{
	struct str name = str_of(key), type = str_cut(&name, ' '), attach = str_cut(&name, ' '),
		   to = str_cut(&name, ' ');
	unsigned long long t, at;

	if (!name.n || !str_to_u64(type, &t) || !str_to_u64(attach, &at) || t > UINT8_MAX ||
	    at > UINT8_MAX)
		return;
	kernel_kfunc_allowed(
		k,
		&(struct kfunc_caller){.type = (enum bpf_prog_type)t,
				       .attach_type = (uint32_t)at,
				       .to = str_is(to, "-") ? NULL : arena_strndup(a, to.p, to.n)},
		name.p);
}

static void ask_event(struct kernel *k, struct arena *a, const char *key)
{
	struct str name = str_of(key), category = str_cut(&name, ':');

	/* Names of directories of tracefs, and nothing beside it. */
	if (category.n && name.n && !strchr(key, '/'))
		kernel_tp_is_raw(k, arena_strndup(a, category.p, category.n), name.p);
}

static void ask_cgroup(struct kernel *k, const char *path)
{
	uint64_t id;

	if (cgroup_id(path, &id, NULL) == 0)
		kernel_fact(k, FACT_CGROUP, path, "", id);
}

static void ask_file(struct kernel *k, const char *path)
{
	struct elf *f = elf_open(path, NULL);
	struct buf b = BUF_INIT;

	if (!f)
		return;
	elf_identity(f, &b);
	kernel_fact(k, FACT_FILE, path, buf_cstr(&b), 0);
	buf_release(&b);
	elf_close(f);
}

static void ask(struct kernel *k, struct types *ts, struct arena *a, const struct fact *f)
{
	uint64_t addr;

	switch (f->kind) {
	case FACT_FEATURE:
		return ask_feature(k, f->key);
	case FACT_SYMBOL:
		kernel_kaddr(k, f->key, &addr);
		return;
	case FACT_BTF_ID:
		return ask_id(k, a, f->key);
	case FACT_MODULE:
		return ask_module(k, f->key);
	case FACT_KFUNC:
		return ask_kfunc(k, a, f->key);
	case FACT_MEMBER:
	case FACT_SIZE:
	case FACT_TYPE:
	case FACT_LAYOUT:
	case FACT_ENUMERATOR:
		return type_fact(ts, f->kind, f->key);
	case FACT_RAW_EVENT:
		return ask_event(k, a, f->key);
	case FACT_CGROUP:
		return ask_cgroup(k, f->key);
	case FACT_FILE:
		return ask_file(k, f->key);
	case FACT_ENVIRONMENT:
		return config_note_env(k);
	default:
		kernel_host(k, f->kind, f->key);
	}
}

static bool holds(const struct used_fact *f, const struct fact *now, int64_t *delta)
{
	*delta = 0;
	if (!now || ((f->use & USE_SHAPE) && strcmp(f->fact.shape, now->shape)))
		return false;
	*delta = (int64_t)(now->value - f->fact.value);
	if ((f->use & USE_VALUE) && *delta)
		return false;
	if (!(f->use & USE_MOVES))
		*delta = 0;
	return !(f->use & USE_ALIGNED) || *delta % 8 == 0;
}

const struct used_fact *facts_check(struct kernel *k, struct arena *a, const struct relocs *r,
				    int64_t *delta, const struct fact **found)
{
	struct facts *now = facts_new(a);
	struct types *ts = types_new(a, k);
	const struct used_fact *bad = NULL;

	kernel_record(k, now);
	for (size_t i = 0; i < r->facts.n && !bad; i++) {
		const struct used_fact *f = &r->facts.v[i];

		if (!facts_get(now, f->fact.kind, f->fact.key))
			ask(k, ts, a, &f->fact);
		*found = facts_get(now, f->fact.kind, f->fact.key);
		if (!holds(f, *found, &delta[i]))
			bad = f;
	}
	kernel_record(k, NULL);
	return bad;
}
