/* Maps of Go: how the runtime keeps their elements, and which parts of that are read.
 *
 *   map ─► HEAD ─┬─BUCKETS─► PIECE … ─overflow─► PIECE …        up to Go 1.23
 *                ├─SMALL───► PIECE …                            from 1.24 on: up to 8 elements
 *                └─SLICE───► DIR ─► TABLE ─GROUPS─► PIECE …     more; the first table is read
 *
 * A group has 8 elements. What is read of an array of groups are its first ones, by several slots
 * at one place: as many in one chunk as fit, or, of a group that is larger than a chunk, piece by
 * piece. The linker makes these types for the debuggers, from the structures of the runtime that is
 * linked. All that is taken from there is checked against what awl knows of the layouts, which have
 * been two since Go 1.0; of a third one only the length is shown. */
#include "type/gotype_plan.h"

#include <string.h>

enum {
	WORD = 8,
	MAX_INLINE = 128,   /* bytes of a key or value that is in the group itself */
	MAX_ELEMENT = 4096, /* a broken file's sizes end here */
	GROUP_HAS = 3,      /* elements, or more: 3.25 when a map has just grown, 7 before that */
};

/* ---- reading the debug information -------------------------------------------------------------
 */

struct reading {
	struct gotypes *gt;
	uint32_t file;
	struct gotype_map m;
};

struct field {
	dwarf_ref type;
	uint32_t off, size;
};

static bool type_of(const struct reading *r, dwarf_ref ref, struct dwarf_type *out)
{
	return ref && dwarf_type_get(gotypes_dwarf(r->gt, r->file), ref, out);
}

/* A member by its name. */
static bool field(const struct reading *r, dwarf_ref in, const char *name, struct field *out)
{
	const struct dwarf_member *v;
	size_t n = dwarf_members(gotypes_dwarf(r->gt, r->file), in, gotypes_arena(r->gt), &v);
	struct dwarf_type t;

	for (size_t i = 0; i < n; i++) {
		if (strcmp(v[i].name, name) != 0)
			continue;
		if (!type_of(r, v[i].type, &t) || v[i].bit_offset / 8 > MAX_ELEMENT * GO_MAP_SLOTS)
			return false;
		*out = (struct field){v[i].type, (uint32_t)(v[i].bit_offset / 8),
				      (uint32_t)MIN(t.size, UINT32_MAX)};
		return true;
	}
	return false;
}

/* A member that is a pointer; `to` is where it leads. */
static bool pointer(const struct reading *r, dwarf_ref in, const char *name, struct field *out,
		    struct dwarf_type *to)
{
	struct dwarf_type t;

	return field(r, in, name, out) && type_of(r, out->type, &t) && t.kind == DWARF_PTR &&
	       type_of(r, t.to, to);
}

/* A member that is an array of one for each element of a group. */
static bool slots(const struct reading *r, dwarf_ref in, const char *name, struct field *out,
		  struct dwarf_type *each)
{
	struct dwarf_type t;

	return field(r, in, name, out) && type_of(r, out->type, &t) && t.kind == DWARF_ARRAY &&
	       t.count == GO_MAP_SLOTS && type_of(r, t.to, each);
}

/* Is a key or value of that type kept in `kept` bytes? A large one is kept elsewhere. */
static bool is_kept(const struct reading *r, uint32_t type, uint32_t kept, bool *behind)
{
	uint32_t size = gotype_get(r->gt, type)->size;

	*behind = size > MAX_INLINE;
	return type && kept == (*behind ? WORD : size);
}

/* ---- up to Go 1.23 ------------------------------------------------------------------------------
 */

/* The linker tells where all of them begin; how large each is follows from that. */
static bool read_bucket(struct reading *r, dwarf_ref bucket)
{
	struct gotype_map *m = &r->m;
	struct field state, keys, values, over;
	struct dwarf_type to;

	if (!field(r, bucket, "tophash", &state) || !field(r, bucket, "keys", &keys) ||
	    !field(r, bucket, "values", &values) || !pointer(r, bucket, "overflow", &over, &to) ||
	    to.self != bucket || state.off || state.size != GO_MAP_SLOTS ||
	    keys.off != GO_MAP_SLOTS || values.off < keys.off || over.off < values.off)
		return false;
	m->key_off = keys.off;
	m->key_step = (values.off - keys.off) / GO_MAP_SLOTS;
	m->elem_off = values.off;
	m->elem_step = (over.off - values.off) / GO_MAP_SLOTS;
	m->over = over.off;
	return values.off == keys.off + m->key_step * GO_MAP_SLOTS &&
	       over.off == values.off + m->elem_step * GO_MAP_SLOTS &&
	       m->group == over.off + WORD && is_kept(r, m->key, m->key_step, &m->key_behind) &&
	       is_kept(r, m->elem, m->elem_step, &m->elem_behind);
}

static bool read_buckets(struct reading *r, dwarf_ref hash)
{
	struct field count, b, buckets;
	struct dwarf_type bucket;

	if (!field(r, hash, "count", &count) || count.off || count.size != WORD ||
	    !field(r, hash, "B", &b) || b.size != 1 ||
	    !pointer(r, hash, "buckets", &buckets, &bucket) || buckets.off < WORD ||
	    b.off != buckets.off - WORD + 1)
		return false;
	r->m.array = buckets.off - WORD;
	r->m.head = buckets.off + WORD;
	r->m.group = (uint32_t)MIN(bucket.size, UINT32_MAX);
	return read_bucket(r, bucket.self);
}

/* ---- from Go 1.24 on ----------------------------------------------------------------------------
 */

/* Keys and values one after the other: slots [8]struct{ key; elem }. */
static bool read_pairs(struct reading *r, dwarf_ref group)
{
	struct gotype_map *m = &r->m;
	struct field all, key, elem;
	struct dwarf_type slot;

	if (!slots(r, group, "slots", &all, &slot) || !field(r, slot.self, "key", &key) ||
	    !field(r, slot.self, "elem", &elem) || slot.size > 2 * MAX_INLINE + WORD ||
	    key.off + key.size > slot.size || elem.off + elem.size > slot.size ||
	    all.off < GO_MAP_SLOTS || all.off + GO_MAP_SLOTS * slot.size > m->group)
		return false;
	m->key_off = all.off + key.off;
	m->elem_off = all.off + elem.off;
	m->key_step = m->elem_step = (uint32_t)slot.size;
	return is_kept(r, m->key, key.size, &m->key_behind) &&
	       is_kept(r, m->elem, elem.size, &m->elem_behind);
}

/* Apart: keys [8]K, elems [8]V (the experiment mapsplitgroup). */
static bool read_apart(struct reading *r, dwarf_ref group)
{
	struct gotype_map *m = &r->m;
	struct field keys, elems;
	struct dwarf_type key, elem;

	if (!slots(r, group, "keys", &keys, &key) || !slots(r, group, "elems", &elems, &elem) ||
	    key.size > MAX_INLINE || elem.size > MAX_INLINE || keys.off < GO_MAP_SLOTS ||
	    keys.off + GO_MAP_SLOTS * key.size > elems.off ||
	    elems.off + GO_MAP_SLOTS * elem.size > m->group)
		return false;
	m->key_off = keys.off;
	m->elem_off = elems.off;
	m->key_step = (uint32_t)key.size;
	m->elem_step = (uint32_t)elem.size;
	return is_kept(r, m->key, m->key_step, &m->key_behind) &&
	       is_kept(r, m->elem, m->elem_step, &m->elem_behind);
}

static bool read_group(struct reading *r, const struct dwarf_type *group)
{
	struct field state;

	r->m.group = (uint32_t)MIN(group->size, UINT32_MAX);
	return field(r, group->self, "ctrl", &state) && !state.off && state.size == GO_MAP_SLOTS &&
	       r->m.group > GO_MAP_SLOTS &&
	       (read_pairs(r, group->self) || read_apart(r, group->self));
}

static bool read_table(struct reading *r, dwarf_ref table)
{
	struct field groups, data, mask;
	struct dwarf_type of, group;

	if (!field(r, table, "groups", &groups) || !type_of(r, groups.type, &of) ||
	    !pointer(r, of.self, "data", &data, &group) ||
	    !field(r, of.self, "lengthMask", &mask) || mask.size != WORD ||
	    mask.off != data.off + WORD)
		return false;
	r->m.groups = groups.off + data.off;
	r->m.table = groups.off + mask.off + WORD;
	return r->m.table <= GO_CHUNK_MAX && read_group(r, &group);
}

static bool read_tables(struct reading *r, dwarf_ref map)
{
	struct field used, dir, len;
	struct dwarf_type entry, table;

	if (!field(r, map, "used", &used) || used.off || used.size != WORD ||
	    !pointer(r, map, "dirPtr", &dir, &entry) || entry.kind != DWARF_PTR ||
	    !type_of(r, entry.to, &table) || !field(r, map, "dirLen", &len) || len.size != WORD ||
	    len.off != dir.off + WORD)
		return false;
	r->m.tables = true;
	r->m.over = 0;
	r->m.array = dir.off;
	r->m.head = len.off + WORD;
	return read_table(r, table.self);
}

/* ---- the types of what is read ------------------------------------------------------------------
 */

static uint32_t add_part(struct reading *r, const struct gotype_map *m, enum gotype_part part,
			 uint32_t size)
{
	uint32_t id = gotype_new(r->gt, "map", GO_STRUCT, size);
	struct gotype *t = gotype_edit(r->gt, id);

	if (!id)
		return 0;
	t->runtime = true;
	t->map = m;
	t->part = part;
	t->file = r->file;
	return id;
}

/* Where the key or value ends that `at` is in; `at` itself where there is none. */
static uint32_t end_of(uint32_t at, uint32_t off, uint32_t step)
{
	uint32_t end = off + step * GO_MAP_SLOTS;

	return step && at >= off && at < end ? at + step - (at - off) % step : at;
}

/* The end of a piece that begins at `from`: no key and no value is cut in two. */
static uint32_t piece_end(const struct gotype_map *m, uint32_t from)
{
	uint32_t end = from;

	while (end < m->group) {
		uint32_t next = end_of(end, m->key_off, m->key_step);

		if (next == end)
			next = end_of(end, m->elem_off, m->elem_step);
		if (next == end)
			next = end + MIN(m->group - end, (uint32_t)WORD); /* states; the overflow */
		if (next - from > GO_CHUNK_MAX)
			break;
		end = next;
	}
	return end;
}

static bool add_pieces(struct reading *r, struct gotype_map *m)
{
	for (uint32_t at = 0; at < m->group;) {
		uint32_t end = piece_end(m, at), id;

		if (m->npieces >= GO_MAP_PIECES || end == at || end > m->group)
			return false;
		id = add_part(r, m, GO_PART_PIECE, end - at);
		if (!id)
			return false;
		gotype_edit(r->gt, id)->from = at;
		m->pieces[m->npieces++] = id;
		at = end;
	}
	return true;
}

void gotype_map_enter(struct gotypes *gt, uint32_t type)
{
	struct gotype *t = gotype_edit(gt, type);
	struct reading r = {.gt = gt, .file = t->file};
	struct dwarf_type is, of;
	struct gotype_map *m;
	uint32_t head;

	t->map_sought = true;
	if (!type_of(&r, t->ref, &is) || is.kind != DWARF_PTR || !is.key || !is.elem ||
	    !type_of(&r, is.to, &of) || of.kind != DWARF_STRUCT)
		return;
	r.m.key = gotype_from(gt, t->file, is.key);
	r.m.elem = gotype_from(gt, t->file, is.elem);
	if ((!read_buckets(&r, of.self) && !read_tables(&r, of.self)) || r.m.head > GO_CHUNK_MAX)
		return;
	m = arena_new_of(gotypes_arena(gt), struct gotype_map);
	*m = r.m;
	head = add_part(&r, m, GO_PART_HEAD, m->head);
	if (m->tables) {
		m->dir_type = add_part(&r, m, GO_PART_DIR, WORD);
		m->table_type = add_part(&r, m, GO_PART_TABLE, m->table);
	}
	if (!head || !add_pieces(&r, m) || (m->tables && (!m->dir_type || !m->table_type)))
		return;
	t->map = m;
	t->header = head;
	gotypes_have_maps(gt);
}

/* ---- what is read -------------------------------------------------------------------------------
 */

/* How many groups: those that have as many elements as are shown. They leave two thirds of a record
 * to what their keys and values lead to: a few elements tell more than many that are cut. */
static uint32_t groups_wanted(const struct gotypes *gt, const struct gotype_map *m)
{
	struct gotype_limits l = gotypes_limits(gt);
	uint32_t room = l.value / 3 / (m->group + GO_CHUNK_HEAD * m->npieces);

	return MAX(MIN((l.map_elems + GROUP_HAS - 1) / GROUP_HAS, room), 1u);
}

/* The first groups of an array that the slot at `off` leads to. */
static void add_groups(struct planning *p, const struct gotype_map *m, enum gotype_follow follow,
		       uint32_t off, uint32_t wanted)
{
	uint32_t fit = m->npieces == 1 ? GO_CHUNK_MAX / m->group : 1;

	for (uint32_t g = 0; g < wanted; g += fit) {
		for (uint32_t i = 0; i < m->npieces; i++) {
			const struct gotype *t = gotype_get(p->gt, m->pieces[i]);

			goplan_op(p, (struct gotype_op){.off = off,
							.follow = follow,
							.type = m->pieces[i],
							.each = m->group,
							.max = t->size * MIN(fit, wanted - g),
							.need = 2 * WORD,
							.first = g,
							.skip = g * m->group + t->from});
		}
	}
}

static void plan_head(struct planning *p, const struct gotype_map *m)
{
	if (!m->tables) {
		add_groups(p, m, GO_FOLLOW_BUCKETS, m->array, groups_wanted(p->gt, m));
		return;
	}
	add_groups(p, m, GO_FOLLOW_SMALL, m->array, 1);
	/* A directory has no entries when there is no table. Several lead to the same one. */
	goplan_op(p, (struct gotype_op){.off = m->array,
					.follow = GO_FOLLOW_SLICE,
					.type = m->dir_type,
					.each = WORD,
					.max = WORD,
					.need = 2 * WORD});
}

/* A key or value, if the piece has it. */
static void plan_slot(struct planning *p, const struct gotype *piece, uint32_t type, bool behind,
		      uint32_t off)
{
	uint32_t size = behind ? WORD : gotype_get(p->gt, type)->size;

	if (off < piece->from || off + size > piece->from + piece->size)
		return;
	if (behind)
		goplan_pointer(p, off - piece->from, type);
	else
		goplan_value(p, type, off - piece->from);
}

/* Element by element, so that those in front are complete where not all fit. */
static void plan_piece(struct planning *p, const struct gotype *piece)
{
	const struct gotype_map *m = piece->map;

	for (uint32_t i = 0; i < GO_MAP_SLOTS; i++) {
		plan_slot(p, piece, m->key, m->key_behind, m->key_off + i * m->key_step);
		plan_slot(p, piece, m->elem, m->elem_behind, m->elem_off + i * m->elem_step);
	}
	if (m->over && m->over >= piece->from && m->over + WORD <= piece->from + piece->size)
		for (uint32_t i = 0; i < m->npieces; i++) {
			const struct gotype *t = gotype_get(p->gt, m->pieces[i]);

			goplan_op(p, (struct gotype_op){.off = m->over - piece->from,
							.follow = GO_FOLLOW_POINTER,
							.type = m->pieces[i],
							.each = t->size,
							.max = t->size,
							.need = WORD,
							.skip = t->from});
		}
}

void gotype_map_plan(struct planning *p, const struct gotype *part)
{
	switch (part->part) {
	case GO_PART_HEAD:
		plan_head(p, part->map);
		break;
	case GO_PART_DIR:
		goplan_pointer(p, 0, part->map->table_type);
		break;
	case GO_PART_TABLE:
		add_groups(p, part->map, GO_FOLLOW_GROUPS, part->map->groups,
			   groups_wanted(p->gt, part->map));
		break;
	case GO_PART_PIECE:
		plan_piece(p, part);
		break;
	case GO_PART_NONE:
		break;
	}
}
