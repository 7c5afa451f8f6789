/* The kernel's BTF: opening it, and finding types and enumerators by name.
 *
 * libbpf parses; it keeps its own copy of the data (5.5 MB for a usual kernel). Since Linux 6.16
 * the kernel's file can be mapped, which saves reading it into a second copy first.
 *
 * A kernel that shows no BTF (built without, or /sys hidden) can be given a file of the user's: of
 * a kernel of the same build, raw or as a section of an ELF file. What is found there is good for
 * layouts and prototypes. Ids of it are never handed to the kernel, which may number otherwise:
 * what goes by ids (fentry, iterators, typed raw tracepoints, kfuncs) counts as lacking
 * (feature.c).
 *
 * The indexes are hash tables of 32-bit numbers whose keys are the names in BTF's string section:
 *
 *      by_type        │ 0 │ 4711 │ 0 │ 12 │ …        type id
 *      by_func        │ 57 │ 0 │ 0 │ 60 │ …          the same for functions, three quarters of all
 *      by_enumerator  │ 0 │ 3 │ 81 │ 0 │ …           index into enumerators[], plus one
 *
 * For 75,000 named types that is 512 KB and two milliseconds. The index of enumerators is built
 * only when an unknown identifier makes it needed. Where several entries have one name, the first
 * wins.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "kernel/priv.h"

#define BTF_PATH    "/sys/kernel/btf/vmlinux"
#define BTF_LIMIT   (256u << 20)
#define GIVEN_LIMIT (4ll << 30) /* a vmlinux with all its debug information */

static struct btf *parse_mapped(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct btf *btf = NULL;
	struct stat st;
	void *p;

	if (fd < 0)
		return NULL;
	if (fstat(fd, &st) == 0 && st.st_size > 0 && st.st_size < BTF_LIMIT) {
		p = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
		if (p != MAP_FAILED) {
			btf = btf__new(p, st.st_size);
			munmap(p, st.st_size);
		}
	}
	close(fd);
	return btf;
}

static struct btf *parse_read(const char *path, int *err)
{
	struct buf b = BUF_INIT;
	struct btf *btf = NULL;

	*err = kernel_read_at(AT_FDCWD, path, &b, BTF_LIMIT);
	if (!*err) {
		btf = btf__new(b.p, b.n);
		*err = btf ? 0 : -EINVAL;
	}
	buf_release(&b);
	return btf;
}

static const char *own_path(const struct kernel *k)
{
	return k->paths.btf ? k->paths.btf : BTF_PATH;
}

bool btf_is_shown(const struct kernel *k)
{
	return access(own_path(k), R_OK) == 0;
}

/* A recorded file may change or be cut while it is mapped; the kernel's cannot. */
static int open_own(struct kernel *k)
{
	const char *path = own_path(k);
	int err = 0;

	if (!k->paths.btf)
		k->btf = parse_mapped(path);
	if (!k->btf)
		k->btf = parse_read(path, &err);
	if (err == -EINVAL) {
		err_plain(&k->btf_err, EINVAL, "read BTF from %s: it is not valid BTF", path);
	} else if (err) {
		err_set(&k->btf_err, -err, "read BTF from %s", path);
		if (err == -ENOENT)
			err_hint(&k->btf_err,
				 "this needs a kernel built with CONFIG_DEBUG_INFO_BTF=y, or "
				 "--kernel-btf FILE with the types of this kernel's build");
	}
	return err;
}

/* The limit is looked at first: the library would read all of a file that has no end. */
static void open_given(struct kernel *k)
{
	const char *path = k->paths.given_btf;
	struct stat st;

	if (stat(path, &st) < 0) {
		err_set(&k->btf_err, errno, "read BTF from %s", path);
		return;
	}
	if (S_ISREG(st.st_mode) && st.st_size < GIVEN_LIMIT)
		k->btf = btf__parse(path, NULL);
	k->btf_given = k->btf != NULL;
	if (!k->btf) {
		err_plain(&k->btf_err, EINVAL, "read BTF from %s: it has no valid BTF", path);
		err_hint(&k->btf_err,
			 "the file has to be BTF as in /sys/kernel/btf/vmlinux, or a vmlinux with "
			 "a section .BTF (pahole -J makes one)");
	}
}

static void open_btf(struct kernel *k)
{
	k->btf_tried = true;
	libbpf_set_print(NULL); /* the library never prints */
	if (open_own(k) < 0 && k->paths.given_btf && !btf_is_shown(k))
		open_given(k);
}

bool kernel_btf_is_given(struct kernel *k)
{
	/* What is not read yet need not be read for this. */
	if (!k->paths.given_btf || (!k->btf_tried && btf_is_shown(k)))
		return false;
	return kernel_btf(k, NULL) && k->btf_given;
}

struct btf *kernel_btf(struct kernel *k, struct err *e)
{
	if (!k->btf_tried)
		open_btf(k);
	if (!k->btf && e)
		*e = k->btf_err;
	return k->btf;
}

/* So many types further on the next function is, where they are in order: prototypes lie between.
 */
#define NEAR 8

void btf_index_free(struct btf_index *ix)
{
	free(ix->slots);
	free(ix->later);
	*ix = (struct btf_index){0};
}

static void index_init(struct btf_index *ix, size_t n)
{
	size_t size = 64;

	while (size < n + n / 2)
		size *= 2;
	ix->slots = calloc(size, sizeof(*ix->slots));
	if (!ix->slots)
		BUG("out of memory");
	ix->mask = size - 1;
}

/* Whether a name of the same hash was there. */
static bool index_add(struct btf_index *ix, const char *name, uint32_t what)
{
	uint32_t hash = (uint32_t)str_hash(str_of(name)), i = hash & ix->mask;
	bool later = false;

	for (; ix->slots[i].what; i = (i + 1) & ix->mask)
		later |= ix->slots[i].hash == hash;
	ix->slots[i] = (struct btf_slot){what, hash};
	return later;
}

/* The next entry of this hash from slot *i on, which moves behind it; 0: there is none. */
static uint32_t index_next(const struct btf_index *ix, uint32_t hash, uint32_t *i)
{
	struct btf_slot s;

	do {
		s = ix->slots[*i & ix->mask];
		++*i;
	} while (s.what && s.hash != hash);
	return s.what;
}

/* A name that is missing or empty is nothing to find by. */
static const char *name_at(const struct btf *btf, uint32_t off)
{
	const char *s = off ? btf__name_by_offset(btf, off) : NULL;

	return s && *s ? s : NULL;
}

static bool is_func(unsigned kind)
{
	return kind == BTF_KIND_FUNC || kind == BTF_KIND_VAR;
}

static bool is_indexed(unsigned kind, bool funcs)
{
	return is_func(kind) == funcs && kind != BTF_KIND_DECL_TAG && kind != BTF_KIND_TYPE_TAG &&
	       kind != BTF_KIND_FWD;
}

static size_t count_named(const struct btf *btf, bool funcs)
{
	uint32_t cnt = btf__type_cnt(btf);
	size_t n = 0;

	for (uint32_t id = 1; id < cnt; id++) {
		const struct btf_type *t = btf__type_by_id(btf, id);

		n += t->name_off && is_indexed(btf_kind(t), funcs);
	}
	return n;
}

static void index_names(struct btf_index *ix, const struct btf *btf, bool funcs)
{
	uint32_t cnt = btf__type_cnt(btf);

	index_init(ix, count_named(btf, funcs));
	ix->later = calloc(cnt / 8 + 1, 1);
	if (!ix->later)
		BUG("out of memory");
	for (uint32_t id = 1; id < cnt; id++) {
		const struct btf_type *t = btf__type_by_id(btf, id);
		const char *name;

		if (!t->name_off || !is_indexed(btf_kind(t), funcs))
			continue;
		name = name_at(btf, t->name_off);
		if (name && index_add(ix, name, id))
			ix->later[id / 8] |= 1 << id % 8;
	}
}

/* The next of its kind behind the last that was found, when it has that name; 0: it has not. */
static uint32_t find_next(const struct btf_index *ix, const struct btf *btf, const char *name,
			  unsigned kind)
{
	uint32_t cnt = btf__type_cnt(btf), id = ix->last + 1;

	while (id < cnt && id < ix->last + NEAR && btf_kind(btf__type_by_id(btf, id)) != kind)
		id++;
	if (!ix->last || id >= cnt || id == ix->last + NEAR || ix->later[id / 8] >> id % 8 & 1)
		return 0;
	const char *found = name_at(btf, btf__type_by_id(btf, id)->name_off);
	return found && strcmp(found, name) == 0 ? id : 0;
}

static uint32_t find_by_hash(const struct btf_index *ix, const struct btf *btf, const char *name,
			     unsigned kind)
{
	uint32_t id, hash = (uint32_t)str_hash(str_of(name)), at = hash;

	while ((id = index_next(ix, hash, &at)) != 0) {
		const struct btf_type *t = btf__type_by_id(btf, id);

		if (btf_kind(t) == kind && strcmp(name_at(btf, t->name_off), name) == 0)
			return id;
	}
	return 0;
}

uint32_t btf_find(struct kernel *k, const char *name, unsigned kind)
{
	const struct btf *btf = kernel_btf(k, NULL);
	struct btf_index *ix = is_func(kind) ? &k->by_func : &k->by_type;
	uint32_t id;

	if (!btf || !name || !*name)
		return 0;
	if (!ix->slots)
		index_names(ix, btf, is_func(kind));
	id = find_next(ix, btf, name, kind);
	if (!id)
		id = find_by_hash(ix, btf, name, kind);
	if (id)
		ix->last = id;
	return id;
}

uint32_t kernel_btf_find(struct kernel *k, const char *name, unsigned kind)
{
	/* Of functions the ids are for the kernel. */
	uint32_t id = is_func(kind) && kernel_btf_is_given(k) ? 0 : btf_find(k, name, kind);
	char key[300];

	if (!kernel_recording(k))
		return id;
	snprintf(key, sizeof(key), "%u %s", kind, name ? name : "");
	return kernel_fact(k, FACT_BTF_ID, key, id ? "there" : "none", id);
}

/* ---- enumerators ---------------------------------------------------------------------- */

static const char *enumerator_name(const struct btf *btf, const struct enumerator *n)
{
	const struct btf_type *t = btf__type_by_id(btf, n->id);

	if (btf_is_enum64(t))
		return name_at(btf, btf_enum64(t)[n->index].name_off);
	return name_at(btf, btf_enum(t)[n->index].name_off);
}

static void collect_enumerators(struct kernel *k)
{
	uint32_t cnt = btf__type_cnt(k->btf);

	for (uint32_t id = 1; id < cnt; id++) {
		const struct btf_type *t = btf__type_by_id(k->btf, id);

		if (!btf_is_any_enum(t))
			continue;
		for (uint32_t i = 0; i < btf_vlen(t); i++)
			hvec_push(&k->enumerators, (struct enumerator){id, i});
	}
}

static void index_enumerators(struct kernel *k)
{
	collect_enumerators(k);
	index_init(&k->by_enumerator, k->enumerators.n);
	for (size_t i = 0; i < k->enumerators.n; i++) {
		const char *name = enumerator_name(k->btf, &k->enumerators.v[i]);

		if (name)
			index_add(&k->by_enumerator, name, i + 1);
	}
}

static uint64_t enumerator_value(const struct btf_type *t, uint32_t index)
{
	if (btf_is_enum64(t))
		return btf_enum64_value(&btf_enum64(t)[index]);
	if (btf_kflag(t)) /* signed */
		return (int64_t)btf_enum(t)[index].val;
	return (uint32_t)btf_enum(t)[index].val;
}

uint32_t kernel_btf_enumerator(struct kernel *k, struct str name, uint64_t *value)
{
	const struct btf *btf = kernel_btf(k, NULL);
	uint32_t entry, hash, at;

	if (!btf || !name.n)
		return 0;
	if (!k->by_enumerator.slots)
		index_enumerators(k);
	at = hash = (uint32_t)str_hash(name);
	while ((entry = index_next(&k->by_enumerator, hash, &at)) != 0) {
		const struct enumerator *n = &k->enumerators.v[entry - 1];

		if (!str_is(name, enumerator_name(btf, n)))
			continue;
		*value = enumerator_value(btf__type_by_id(btf, n->id), n->index);
		return n->id;
	}
	return 0;
}

/* ---- listings ---------------------------------------------------------------------------------
 */

static int each_name(struct name_list *l, int (*fn)(void *arg, const char *name), void *arg)
{
	int r = 0;

	names_sort(l);
	for (size_t i = 0; i < l->names.n && !r; i++)
		r = fn(arg, l->names.v[i]);
	hvec_release(&l->names);
	return r;
}

/* The rest of a type's name behind `prefix`; NULL: it begins otherwise. */
static const char *behind(const struct btf *btf, const struct btf_type *t, const char *prefix)
{
	const char *name = name_at(btf, t->name_off);
	size_t n = strlen(prefix);

	return name && strncmp(name, prefix, n) == 0 ? name + n : NULL;
}

int kernel_rawtp_each(struct kernel *k, int (*fn)(void *arg, const char *name), void *arg,
		      struct err *e)
{
	const struct btf *btf = kernel_btf(k, e);
	struct name_list l = {0};

	if (!btf)
		return e ? -e->code : -ENOENT;
	for (uint32_t id = 1; id < btf__type_cnt(btf); id++) {
		const struct btf_type *t = btf__type_by_id(btf, id);
		const char *name = btf_is_typedef(t) ? behind(btf, t, "btf_trace_") : NULL;

		if (name)
			hvec_push(&l.names, name);
	}
	return each_name(&l, fn, arg);
}

/* An iterator "x" has a function bpf_iter_x and its context struct bpf_iter__x. Functions with such
 * names that are none (bpf_iter_num_new …) have no such struct. */
int kernel_iter_each(struct kernel *k, int (*fn)(void *arg, const char *name), void *arg,
		     struct err *e)
{
	const struct btf *btf = kernel_btf(k, e);
	struct name_list l = {0};

	if (!btf)
		return e ? -e->code : -ENOENT;
	for (uint32_t id = 1; id < btf__type_cnt(btf); id++) {
		const struct btf_type *t = btf__type_by_id(btf, id);
		const char *name = btf_is_struct(t) ? behind(btf, t, "bpf_iter__") : NULL;
		char func[256];

		if (!name)
			continue;
		snprintf(func, sizeof(func), "bpf_iter_%s", name);
		if (kernel_btf_find(k, func, BTF_KIND_FUNC))
			hvec_push(&l.names, name);
	}
	return each_name(&l, fn, arg);
}
