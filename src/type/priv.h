/* What the files of src/type share.
 *
 * Structs and enums are `struct agr` behind their `struct type`, which is its first member: that is
 * where members and values go once they are known. How they become known is its state:
 *
 *      AGR_NAME ──found in BTF by name──► AGR_BTF ──members read──► AGR_DONE
 *      AGR_CALL ──────────callback──────────────────────────────────►
 *      AGR_OPEN (declared by the script, not defined) ──type_define──►
 *
 * Invariant: one name has one `struct agr` for its first definition in BTF, however it was reached,
 * so that types can be compared by pointer. */
#ifndef AWL_TYPE_PRIV_H
#define AWL_TYPE_PRIV_H

#include "type/type.h"

enum agr_state { AGR_NAME, AGR_BTF, AGR_CALL, AGR_OPEN, AGR_DONE };

struct agr {
	struct type t;
	enum agr_state state;
	bool declared; /* by the script: hides the kernel's of the same name */
	bool defined;
	uint32_t btf_id; /* 0: not from BTF */
	/* How it is found again on another kernel (fact.c): "struct task_struct", "tracepoint
	 * sched:sched_switch", and members with a tab in front for what has no name of its own.
	 * NULL: not at all, or it is the script's own. */
	const char *path;
	const struct member *members;
	const struct enum_value *values;
	uint32_t n;
	bool (*complete)(struct types *ts, const struct type *t, void *arg);
	void *arg;
};

struct types {
	struct arena *arena;
	struct kernel *kernel;
	struct strmap interned;    /* by the bytes of struct type_key */
	struct strmap named;       /* "s NAME", "u NAME", "e NAME" → struct agr */
	struct strmap by_id;       /* BTF id → struct agr */
	struct strmap typedefs;    /* of the script */
	struct strmap enumerators; /* of the script → struct script_enumerator */
	struct strmap dwarfs;      /* path → struct dwarf_types */
	struct gotypes *gotypes;   /* gotype.c; NULL: none yet */
	struct strmap cache;       /* "r NAME", "i NAME", "f NAME" → struct from BTF */
};

static inline struct agr *agr_of(const struct type *t)
{
	return (struct agr *)t;
}

struct agr *agr_new(struct types *ts, enum type_kind kind, const char *name, enum agr_state state);
/* The struct, union or enum of this name; made (known by name only) when it is new. */
struct agr *agr_named(struct types *ts, enum type_lookup tag, struct str name);
/* Like agr_named, but NULL when it is new. */
struct agr *agr_find(struct types *ts, enum type_lookup tag, struct str name);

/* fact.c: notes what was found, and returns the answer to use. */
void fact_member(struct types *ts, const struct type *in, struct str name, struct member *m);
void fact_layout(struct types *ts, const struct type *t, const struct member *m, uint32_t n);
void fact_values(struct types *ts, const struct type *t, const struct enum_value *v, uint32_t n);
void fact_type(struct types *ts, enum type_lookup tag, struct str name, const struct type *t);
void fact_enumerator(struct types *ts, struct str name, uint64_t *value, const struct type *t);
/* A function by its path in facts: "vfs_read", "ext4:ext4_sync_file" (from_func.c). */
const struct type *type_func_named(struct types *ts, const char *path, enum space space,
				   const struct type **ret);
/* Gives a struct made from a prototype or a format its path. */
void fact_path(struct types *ts, const struct type *t, const char *family, const char *name);

/* Reads the members of a->btf_id into `a`. */
void btf_read_members(struct types *ts, struct agr *a);
void btf_read_values(struct types *ts, struct agr *a);
/* Gives `a`, known by name only, its place in BTF; false when BTF has none. */
bool btf_bind(struct types *ts, struct agr *a);

/* Integers of sizes that registers do not hold, as arrays. */
const struct type *type_wide_int(struct types *ts, uint64_t size);
/* An enum whose enumerators scripts cannot name. */
const struct type *type_enum_local(struct types *ts, const char *name, uint32_t size,
				   bool is_signed, const struct enum_value *values, uint32_t n);

/* Places `items` one after the other at their natural alignment. */
void layout_tuple(struct type *t, struct member *members, uint32_t n);
/* Alignment that a struct of this size has at most. */
uint32_t layout_align_of_size(uint32_t size);

#endif
