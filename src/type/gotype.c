/* Types of Go for showing values; see gotype.h.
 *
 * A type is entered with all that lies in it. What a pointer leads to is entered when a value
 * behind it is followed: the pointer itself is shown, or it came out of an interface. Otherwise one
 * type would bring in all of a program. Like Go's %v, pointers in structs and slices are shown as
 * addresses, so that a list that leads back to itself ends; interfaces are followed, within the
 * limits of a record. */
#include "type/gotype.h"

#include <stdlib.h>
#include <string.h>
#include "elf/go.h"
#include "type/gotype_plan.h"
#include "type/priv.h"

enum { BYTE = 1, MAP_HEAD, CHAN_HEAD, FIRST };
enum { MAX_TYPES = 1 << 18, MAX_ELEMS_OPS = 16, MAX_DEPTH = 16, MAX_NESTING = 64 };
enum { MAX_STEPS = 4096, FILE_SHIFT = 56, MAX_FILES = 256 };

struct file {
	struct dwarf *dwarf;
	const char *path;
	struct go *go; /* the program, for names of types; NULL: not needed, or not readable */
	int minor;
	uint64_t types;
	bool known_dyn;
};

struct gotypes {
	struct arena *arena;
	struct gotype_limits limits;
	VEC(struct gotype *) types;
	VEC(struct file) files;
	VEC(struct gotype_op) ops;
	VEC(uint64_t) keys;
	VEC(struct gotype_dyn) dyns;
	struct strmap ids; /* { file, ref } → number */
	bool ifaces;       /* something planned leads to an interface */
	bool map_elems;    /* or to the elements of a map */
	struct gotypes_maps maps;
	struct gotypes_data *data; /* not NULL: nothing is added */
	unsigned depth;            /* types inside one another that are being entered */
};

uint32_t gotype_new(struct gotypes *gt, const char *name, enum go_kind kind, uint32_t size)
{
	struct gotype *t;

	if (gt->types.n >= MAX_TYPES)
		return 0;
	t = arena_new_of(gt->arena, struct gotype);
	*t = (struct gotype){
		.name = name, .kind = kind, .size = size, .number = (uint32_t)gt->types.n};
	vec_push(gt->arena, &gt->types, t);
	return (uint32_t)gt->types.n - 1;
}

static struct gotype *get(const struct gotypes *gt, uint32_t type)
{
	return gt->types.v[type < gt->types.n ? type : 0];
}

struct gotype *gotype_edit(struct gotypes *gt, uint32_t type)
{
	return get(gt, type);
}

struct arena *gotypes_arena(struct gotypes *gt)
{
	return gt->arena;
}

struct dwarf *gotypes_dwarf(struct gotypes *gt, uint32_t file)
{
	return gt->files.v[file].dwarf;
}

void gotypes_have_maps(struct gotypes *gt)
{
	gt->map_elems = true;
}

const struct gotype *gotype_get(const struct gotypes *gt, uint32_t type)
{
	return get(gt, type);
}

struct gotypes *gotypes_of(struct types *ts, struct gotype_limits l)
{
	struct gotypes *gt = ts->gotypes;

	if (gt)
		return gt;
	gt = ts->gotypes = arena_new_of(ts->arena, struct gotypes);
	gt->arena = ts->arena;
	gt->limits = l;
	strmap_init(&gt->ids, ts->arena);
	gotype_new(gt, "?", GO_UNKNOWN, 0);
	gotype_new(gt, "uint8", GO_UINT8, 1);
	gotype_new(gt, "map", GO_UINT64, 8);
	gotype_new(gt, "chan", GO_TUPLE, 16);
	for (uint32_t i = 0; i < FIRST; i++)
		get(gt, i)->planned = true;
	get(gt, MAP_HEAD)->runtime = get(gt, CHAN_HEAD)->runtime = true;
	return gt;
}

struct gotype_limits gotypes_limits(const struct gotypes *gt)
{
	return gt->limits;
}

uint32_t gotypes_file(struct gotypes *gt, struct dwarf *d, const char *path, int minor,
		      uint64_t types)
{
	for (uint32_t i = 0; i < gt->files.n; i++)
		if (gt->files.v[i].dwarf == d)
			return i;
	vec_push(gt->arena, &gt->files,
		 (struct file){.dwarf = d, .path = path, .minor = minor, .types = types});
	return (uint32_t)gt->files.n - 1;
}

/* ---- entering a type ------------------------------------------------------------------------ */

static enum go_kind int_kind(const struct dwarf_type *t)
{
	switch (t->size) {
	case 1:
		return t->is_signed ? GO_INT8 : GO_UINT8;
	case 2:
		return t->is_signed ? GO_INT16 : GO_UINT16;
	case 4:
		return t->is_signed ? GO_INT32 : GO_UINT32;
	case 8:
		return t->is_signed ? GO_INT64 : GO_UINT64;
	default:
		return GO_UNKNOWN;
	}
}

/* Structures of the runtime have no kind of their own. */
static enum go_kind kind_of(const struct dwarf_type *t)
{
	if (t->go_kind)
		return (enum go_kind)t->go_kind;
	switch (t->kind) {
	case DWARF_INT:
		return int_kind(t);
	case DWARF_BOOL:
		return GO_BOOL;
	case DWARF_PTR:
		return t->to ? GO_POINTER : GO_UNSAFE_POINTER;
	case DWARF_STRUCT:
		return GO_STRUCT;
	case DWARF_ARRAY:
		return GO_ARRAY;
	case DWARF_FUNC:
		return GO_FUNC;
	default:
		return GO_UNKNOWN;
	}
}

static uint32_t size_of(enum go_kind kind, const struct dwarf_type *t)
{
	switch (kind) {
	case GO_STRING:
	case GO_INTERFACE:
		return 16;
	case GO_SLICE:
		return 24;
	case GO_POINTER:
	case GO_UNSAFE_POINTER:
	case GO_MAP:
	case GO_CHAN:
	case GO_FUNC:
		return 8;
	default:
		return (uint32_t)MIN(t->size, UINT32_MAX / 4);
	}
}

/* Is the kind what the bytes can be read as? Everything comes from a file. */
static bool makes_sense(const struct gotype *t)
{
	switch (t->kind) {
	case GO_BOOL:
	case GO_INT8:
	case GO_UINT8:
		return t->size == 1;
	case GO_INT16:
	case GO_UINT16:
		return t->size == 2;
	case GO_INT32:
	case GO_UINT32:
	case GO_FLOAT32:
		return t->size == 4;
	case GO_INT:
	case GO_UINT:
	case GO_UINTPTR:
	case GO_INT64:
	case GO_UINT64:
	case GO_FLOAT64:
	case GO_COMPLEX64:
		return t->size == 8;
	case GO_COMPLEX128:
		return t->size == 16;
	default:
		return t->kind <= GO_UNSAFE_POINTER;
	}
}

static void enter_members(struct gotypes *gt, struct gotype *t, dwarf_ref self)
{
	const struct dwarf_member *v;
	size_t n = dwarf_members(gt->files.v[t->file].dwarf, self, gt->arena, &v);
	struct gotype_member *m = arena_array_of(gt->arena, struct gotype_member, n + 1);

	for (size_t i = 0; i < n; i++) {
		uint64_t off = v[i].bit_offset / 8;
		uint32_t type = gotype_from(gt, t->file, v[i].type);

		if (off > t->size || get(gt, type)->size > t->size - off)
			continue;
		m[t->nmembers++] = (struct gotype_member){v[i].name, type, (uint32_t)off};
	}
	t->members = m;
}

/* A slice is { array *T; len, cap int }. */
static dwarf_ref slice_element(struct gotypes *gt, struct dwarf *d, dwarf_ref self)
{
	const struct dwarf_member *v;
	struct dwarf_type p;
	size_t n = dwarf_members(d, self, gt->arena, &v);

	return n && dwarf_type_get(d, v[0].type, &p) && p.kind == DWARF_PTR ? p.to : 0;
}

static void enter_array(struct gotypes *gt, struct gotype *t, const struct dwarf_type *is)
{
	t->count = (uint32_t)MIN(is->count, UINT32_MAX);
	t->elem = gotype_from(gt, t->file, is->to);
	if ((uint64_t)get(gt, t->elem)->size * t->count != t->size)
		t->kind = GO_UNKNOWN;
}

static bool is_direct(const struct gotypes *gt, const struct gotype *t)
{
	const struct gotype *only = NULL;

	switch (t->kind) {
	case GO_POINTER:
	case GO_UNSAFE_POINTER:
	case GO_MAP:
	case GO_CHAN:
	case GO_FUNC:
		return true;
	case GO_ARRAY:
		return t->count == 1 && get(gt, t->elem)->direct;
	case GO_STRUCT:
		/* Members without size do not count from 1.26 on. */
		for (uint32_t i = 0; i < t->nmembers; i++) {
			const struct gotype *m = get(gt, t->members[i].type);

			if (gt->files.v[t->file].minor >= 26 && !m->size)
				continue;
			if (only)
				return false;
			only = m;
		}
		return only && only->direct;
	default:
		return false;
	}
}

static void enter(struct gotypes *gt, struct gotype *t, const struct dwarf_type *is)
{
	struct dwarf *d = gt->files.v[t->file].dwarf;

	switch (t->kind) {
	case GO_STRUCT:
		enter_members(gt, t, is->self);
		break;
	case GO_ARRAY:
		enter_array(gt, t, is);
		break;
	case GO_SLICE:
		t->elem = gotype_from(gt, t->file, slice_element(gt, d, is->self));
		break;
	case GO_INTERFACE:
		t->empty = is->name && !strcmp(is->name, "runtime.eface");
		break;
	case GO_MAP:
		t->header = MAP_HEAD;
		break;
	case GO_CHAN:
		t->header = CHAN_HEAD;
		break;
	default:
		break;
	}
	if (!makes_sense(t))
		t->kind = GO_UNKNOWN;
	t->direct = is_direct(gt, t);
}

uint32_t gotype_from(struct gotypes *gt, uint32_t file, dwarf_ref ref)
{
	uint32_t key[2] = {file, ref}, id;
	struct str k = {(const char *)key, sizeof(key)};
	const char *name;
	struct dwarf_type is;
	struct gotype *t;

	id = (uint32_t)(uintptr_t)strmap_get(&gt->ids, k);
	if (id || !ref || gt->depth >= MAX_NESTING ||
	    !dwarf_type_get(gt->files.v[file].dwarf, ref, &is))
		return id;
	name = is.alias ? is.alias : is.name ? is.name : is.kind == DWARF_FUNC ? "func" : "?";
	id = gotype_new(gt, arena_strdup(gt->arena, name), kind_of(&is), 0);
	if (!id)
		return 0;
	k.p = arena_memdup(gt->arena, key, sizeof(key));
	strmap_put(&gt->ids, k, (void *)(uintptr_t)id);
	t = get(gt, id);
	t->size = size_of(t->kind, &is);
	t->file = file;
	t->ref = ref;
	gt->depth++;
	enter(gt, t, &is);
	gt->depth--;
	return id;
}

static uint32_t make_record(struct gotypes *gt, const struct gotype *like, const char *const *names,
			    const uint32_t *types, const uint32_t *offsets, uint32_t n)
{
	struct gotype_member *m = arena_array_of(gt->arena, struct gotype_member, n + 1);
	uint32_t id = gotype_new(gt, like->name, like->kind, 0);
	struct gotype *t = get(gt, id);

	if (!id)
		return 0;
	for (uint32_t i = 0; i < n; i++) {
		m[i] = (struct gotype_member){names ? names[i] : "", types[i], offsets[i]};
		t->size = MAX(t->size, offsets[i] + get(gt, types[i])->size);
	}
	t->named = like->named;
	t->members = m;
	t->nmembers = n;
	return id;
}

uint32_t gotype_tuple(struct gotypes *gt, const uint32_t *types, const uint32_t *offsets,
		      uint32_t n)
{
	static const struct gotype like = {.name = "results", .kind = GO_TUPLE};

	return make_record(gt, &like, NULL, types, offsets, n);
}

uint32_t gotype_record(struct gotypes *gt, const char *const *names, const uint32_t *types,
		       const uint32_t *offsets, uint32_t n)
{
	static const struct gotype like = {.name = "args", .kind = GO_STRUCT, .named = true};

	return make_record(gt, &like, names, types, offsets, n);
}

/* ---- what to follow -------------------------------------------------------------------------- */

void goplan_op(struct planning *p, struct gotype_op op)
{
	if (p->n < p->max)
		p->v[p->n++] = op;
}

/* What is read of `count` elements at most, a whole number of them where one fits at all. */
static uint32_t bytes_of(uint32_t each, uint32_t count)
{
	uint32_t fit = each ? GO_CHUNK_MAX / each : 0;

	if (each > GO_CHUNK_MAX)
		return GO_CHUNK_MAX;
	return each * MIN(fit, count);
}

static bool is_shown_as_address(const struct gotype *t)
{
	return t->kind == GO_POINTER;
}

static void add_slice(struct planning *p, const struct gotype *t, uint32_t off)
{
	const struct gotype *elem = get(p->gt, t->elem);
	bool text = t->kind == GO_STRING;

	if (!text && !elem->size)
		return;
	goplan_op(p,
		  (struct gotype_op){
			  .off = off,
			  .follow = GO_FOLLOW_SLICE,
			  .type = text ? BYTE
				       : t->elem | (is_shown_as_address(elem) ? GO_CHUNK_FLAT : 0),
			  .each = text ? 1 : elem->size,
			  .need = 16,
			  .max = text ? MIN(p->gt->limits.string, GO_CHUNK_MAX)
				      : bytes_of(elem->size, p->gt->limits.elems)});
}

void goplan_pointer(struct planning *p, uint32_t off, uint32_t to)
{
	const struct gotype *is = get(p->gt, to);

	if (is->size)
		goplan_op(p, (struct gotype_op){
				     .off = off,
				     .follow = GO_FOLLOW_POINTER,
				     .type = to | (is_shown_as_address(is) ? GO_CHUNK_FLAT : 0),
				     .each = is->size,
				     .need = 8,
				     .max = MIN(is->size, GO_CHUNK_MAX)});
}

/* What is read of the structure behind a map. */
static uint32_t map_header(struct gotypes *gt, const struct gotype *t)
{
	if (gt->limits.map_elems && !t->map_sought)
		gotype_map_enter(gt, t->number);
	return t->header;
}

/* The slots of a value of type `t` at `off`. */
static void add_ops(struct planning *p, const struct gotype *t, uint32_t off, unsigned depth)
{
	const struct gotype *e = get(p->gt, t->elem);

	if (depth > MAX_DEPTH || ++p->steps > MAX_STEPS)
		return;
	switch (t->kind) {
	case GO_STRING:
	case GO_SLICE:
		add_slice(p, t, off);
		break;
	case GO_INTERFACE:
		p->gt->ifaces = true;
		goplan_op(p, (struct gotype_op){.off = off,
						.need = 16,
						.follow = t->empty ? GO_FOLLOW_EFACE
								   : GO_FOLLOW_IFACE});
		break;
	case GO_MAP:
		goplan_pointer(p, off, map_header(p->gt, t));
		break;
	case GO_CHAN:
		goplan_pointer(p, off, t->header);
		break;
	case GO_ARRAY:
		for (uint32_t i = 0; i < MIN(t->count, MAX_ELEMS_OPS); i++)
			add_ops(p, e, off + i * e->size, depth + 1);
		break;
	case GO_STRUCT:
	case GO_TUPLE:
		for (uint32_t i = 0; i < t->nmembers; i++)
			add_ops(p, get(p->gt, t->members[i].type), off + t->members[i].offset,
				depth + 1);
		break;
	default:
		break;
	}
}

void goplan_value(struct planning *p, uint32_t type, uint32_t off)
{
	add_ops(p, get(p->gt, type), off, 0);
}

/* Go shows what a pointer leads to when that has parts. */
static bool has_parts(const struct gotype *t)
{
	return t->kind == GO_STRUCT || t->kind == GO_ARRAY || t->kind == GO_SLICE ||
	       t->kind == GO_MAP;
}

uint32_t gotype_elem(struct gotypes *gt, uint32_t type)
{
	struct gotype *t = get(gt, type);
	struct dwarf_type is;

	if (t->kind == GO_POINTER && !t->elem &&
	    dwarf_type_get(gt->files.v[t->file].dwarf, t->ref, &is))
		t->elem = gotype_from(gt, t->file, is.to);
	return t->elem;
}

static void plan_slots(struct gotypes *gt, uint32_t type)
{
	struct gotype *t = get(gt, type);
	struct planning p = {.gt = gt, .max = t->part ? GOPLAN_PART_OPS : GOPLAN_OPS};

	if (t->part)
		gotype_map_plan(&p, t);
	else if (t->kind == GO_POINTER && has_parts(get(gt, gotype_elem(gt, type))))
		goplan_pointer(&p, 0, t->elem);
	else
		add_ops(&p, t, 0, 0);
	t->first_op = (uint32_t)gt->ops.n;
	t->nops = p.n;
	for (uint32_t i = 0; i < p.n; i++)
		vec_push(gt->arena, &gt->ops, p.v[i]);
}

static void plan_type(struct gotypes *gt, uint32_t type, unsigned depth)
{
	struct gotype *t = get(gt, type);

	if (t->planned || depth > MAX_DEPTH)
		return;
	t->planned = true;
	plan_slots(gt, type);
	for (uint32_t i = 0; i < t->nops; i++) {
		uint32_t to = gt->ops.v[t->first_op + i].type;

		if (!(to & GO_CHUNK_FLAT))
			plan_type(gt, to & GO_CHUNK_TYPE, depth + 1);
	}
}

void gotype_show(struct gotypes *gt, uint32_t type)
{
	plan_type(gt, type, 0);
}

/* ---- what interfaces hold ---------------------------------------------------------------------
 */

static void enter_dynamic(struct gotypes *gt, uint32_t file)
{
	struct file *f = &gt->files.v[file];
	const struct dwarf_go_type *v;
	size_t n;

	if (f->known_dyn || !f->types)
		return;
	f->known_dyn = true;
	n = dwarf_go_types(f->dwarf, gt->arena, &v);
	for (size_t i = 0; i < n; i++) {
		uint32_t id = gotype_from(gt, file, v[i].ref);
		const struct gotype *t = get(gt, id);

		if (!id || (f->types + v[i].offset) >> FILE_SHIFT)
			continue;
		plan_type(gt, id, 0);
		vec_push(gt->arena, &gt->keys,
			 (f->types + v[i].offset) | (uint64_t)file << FILE_SHIFT);
		vec_push(gt->arena, &gt->dyns,
			 (struct gotype_dyn){.type = id, .direct = t->direct, .size = t->size});
	}
}

static void close_elf(void *elf)
{
	elf_close(elf);
}

static void close_go(void *go)
{
	go_close(go);
}

/* For names of types that the debug information does not have. */
static void open_program(struct gotypes *gt, struct file *f)
{
	struct elf *elf = f->go ? NULL : elf_open(f->path, NULL);

	if (!elf)
		return;
	arena_at_free(gt->arena, close_elf, elf);
	f->go = go_open(elf, NULL);
	if (f->go)
		arena_at_free(gt->arena, close_go, f->go);
}

bool gotype_name_of(const struct gotypes *gt, uint64_t key, struct str *out)
{
	uint64_t file = key >> FILE_SHIFT, addr = key & ((1ull << FILE_SHIFT) - 1);

	return file < gt->files.n && gt->files.v[file].go &&
	       go_type_name(gt->files.v[file].go, addr, out);
}

/* ---- for the kernel ---------------------------------------------------------------------------
 */

static const void *make_block(struct gotypes *gt, uint32_t *size)
{
	struct gotype_head *h;

	*size = (uint32_t)(gt->types.n * sizeof(*h) + gt->ops.n * sizeof(struct gotype_op));
	h = arena_alloc(gt->arena, *size);
	memset(h, 0, *size);
	for (uint32_t i = 0; i < gt->types.n; i++) {
		const struct gotype *t = get(gt, i);

		h[i] = (struct gotype_head){
			.size = t->size, .first_op = t->first_op, .nops = t->nops};
	}
	if (gt->ops.n)
		memcpy(h + gt->types.n, gt->ops.v, gt->ops.n * sizeof(struct gotype_op));
	return h;
}

const struct gotypes_data *gotypes_data(struct gotypes *gt)
{
	if (gt->data)
		return gt->data;
	for (uint32_t i = 0; gt->ifaces && i < gt->files.n && i < MAX_FILES; i++) {
		enter_dynamic(gt, i);
		open_program(gt, &gt->files.v[i]);
	}
	gt->data = arena_new_of(gt->arena, struct gotypes_data);
	gt->data->block = make_block(gt, &gt->data->block_size);
	gt->data->ntypes = (uint32_t)gt->types.n;
	gt->data->nops = (uint32_t)gt->ops.n;
	gt->data->keys = gt->keys.v;
	gt->data->dyns = gt->dyns.v;
	gt->data->ndyns = (uint32_t)gt->keys.n;
	return gt->data;
}

static bool leads_to_maps(const struct gotypes *gt, uint32_t type, bool *seen, unsigned depth)
{
	const struct gotype *t = get(gt, type);

	if (depth > MAX_DEPTH)
		return true;
	if (seen[t->number])
		return false;
	seen[t->number] = true;
	for (uint32_t i = 0; i < t->nops; i++) {
		const struct gotype_op *op = &gt->ops.v[t->first_op + i];

		if (op->follow != GO_FOLLOW_SLICE && op->follow != GO_FOLLOW_POINTER)
			return true;
		if (!(op->type & GO_CHUNK_FLAT) &&
		    leads_to_maps(gt, op->type & GO_CHUNK_TYPE, seen, depth + 1))
			return true;
	}
	return false;
}

bool gotype_leads_to_maps(const struct gotypes *gt, uint32_t type)
{
	bool *seen = gt->map_elems ? calloc(gt->types.n, sizeof(*seen)) : NULL;
	bool leads = seen && leads_to_maps(gt, type, seen, 0);

	free(seen);
	return leads;
}

struct gotypes_maps *gotypes_maps(struct gotypes *gt)
{
	return &gt->maps;
}
