/* Types of Go as the ones who show its values need them: what is in a value, and which parts of it
 * lead to other memory. Interface between the programs that follow those parts (builtin/govalue.c)
 * and what makes text of the bytes (builtin/govalue_text.c).
 *
 * Types are numbered over all programs that a script looks into; 0 is "not known". What a program
 * needs in the kernel is one block of memory and a hash:
 *
 *   block   │ struct gotype_head[ntypes] │ struct gotype_op[nops] │
 *   hash    u64 address of a type's descriptor, as linked, | file << 56  →  struct gotype_dyn
 *
 *   struct { name string; err error }    ops:  0 SLICE of bytes,  16 IFACE
 *
 * A captured value is a record of chunks, the root first; each tells the slot that leads to it:
 *
 *   0   u32 used │ u32 cur │ u32 elem │ u32 op          the last three are the program's own
 *   16  u32 slot │ u32 type and marks │ u32 bytes │ u32 skip │ bytes …, to a multiple of 8 │ next …
 *
 * Of a type that is not known the bytes are its key in the hash. Several chunks may have the same
 * slot: parts of an array of a map's groups, of which each tells how many bytes are before it. */
#ifndef AWL_TYPE_GOTYPE_H
#define AWL_TYPE_GOTYPE_H

#include "elf/dwarf.h"
#include "base/base.h"

enum go_kind { /* reflect.Kind */
	       GO_UNKNOWN,
	       GO_BOOL,
	       GO_INT,
	       GO_INT8,
	       GO_INT16,
	       GO_INT32,
	       GO_INT64,
	       GO_UINT,
	       GO_UINT8,
	       GO_UINT16,
	       GO_UINT32,
	       GO_UINT64,
	       GO_UINTPTR,
	       GO_FLOAT32,
	       GO_FLOAT64,
	       GO_COMPLEX64,
	       GO_COMPLEX128,
	       GO_ARRAY,
	       GO_CHAN,
	       GO_FUNC,
	       GO_INTERFACE,
	       GO_MAP,
	       GO_POINTER,
	       GO_SLICE,
	       GO_STRING,
	       GO_STRUCT,
	       GO_UNSAFE_POINTER,
	       GO_TUPLE = 31, /* several results together: a struct to us */
};

struct gotype_member {
	const char *name;
	uint32_t type, offset;
};

/* How the runtime keeps a map: in groups (buckets) of 8 elements, as the debug information has it.
 *
 *   up to Go 1.23   buckets ─► 2^B groups                tophash [8]uint8, keys, values, overflow
 *   from 1.24 on    dirPtr ─► directory ─► table ─► groups
 *                                                        ctrl [8]uint8, slots [8]{ key, elem }
 *                   dirPtr ─► one group                  or ctrl, keys, elems */
enum {
	GO_MAP_SLOTS = 8,
	GO_MAP_PIECES = 6, /* of a group that is larger than a chunk */
	GO_MAP_ELEMS_MAX = 256,
};

struct gotype_map {
	bool tables;                  /* as from Go 1.24 on */
	uint32_t key, elem;           /* types */
	bool key_behind, elem_behind; /* what is kept is a pointer to it: it is large */
	uint32_t group;               /* bytes of one */
	/* of the elements in a group: where the first is, and from one to the next */
	uint32_t key_off, key_step, elem_off, elem_step;
	uint32_t over;   /* in a bucket: the pointer to the next */
	uint32_t head;   /* bytes of the map's structure that are read */
	uint32_t array;  /* slot in that: B and buckets; dirPtr and dirLen */
	uint32_t table;  /* bytes of a table that are read */
	uint32_t groups; /* slot in that: data and lengthMask */
	uint32_t dir_type, table_type;
	uint32_t pieces[GO_MAP_PIECES], npieces; /* types */
};

enum gotype_part { GO_PART_NONE, GO_PART_HEAD, GO_PART_DIR, GO_PART_TABLE, GO_PART_PIECE };

struct gotype {
	const char *name; /* "main.point", "*main.point", "[]int", "error"; never NULL */
	enum go_kind kind;
	bool empty;      /* INTERFACE: of no methods, so that its first word is the type itself */
	bool direct;     /* is itself the data word of an interface */
	bool runtime;    /* a structure behind a map or channel: a few of its first bytes */
	bool named;      /* STRUCT: shown with the names of its members */
	uint32_t size;   /* bytes */
	uint32_t elem;   /* ARRAY, SLICE; POINTER once it is followed */
	uint32_t header; /* MAP, CHAN: the type of what is read of the runtime's structure */
	uint32_t count;  /* ARRAY */
	const struct gotype_member *members;
	uint32_t nmembers;
	const struct gotype_map *map; /* MAP: NULL where only the length is shown */
	bool map_sought;              /* it has been looked for */
	enum gotype_part part;        /* of the structures of `map` */
	uint32_t from;                /* PIECE: bytes of the group before it */
	uint32_t number;              /* its own */
	/* where it is from */
	uint32_t file;
	dwarf_ref ref;
	uint32_t first_op, nops; /* once planned */
	bool planned;
};

/* ---- what programs read ---------------------------------------------------------------------- */

enum gotype_follow {
	GO_FOLLOW_SLICE,
	GO_FOLLOW_POINTER,
	GO_FOLLOW_IFACE,
	GO_FOLLOW_EFACE,
	/* Arrays of a map's groups; the words of the slot are: */
	GO_FOLLOW_BUCKETS, /* B in the second byte, the address; 2^B */
	GO_FOLLOW_SMALL,   /* the address of the only one, 0 */
	GO_FOLLOW_GROUPS,  /* the address, one less than there are */
};

struct gotype_head {
	uint32_t size, first_op, nops, pad;
};

struct gotype_op {
	uint32_t off; /* of the slot in a value */
	uint32_t follow;
	uint32_t type; /* of what is there, with GO_CHUNK_FLAT where its pointers are only shown */
	uint32_t each; /* bytes of an element, or of all */
	uint32_t max;  /* bytes to read at most */
	uint32_t need; /* bytes of the slot itself */
	/* of an array of groups: those that there must be before what is read; bytes before it */
	uint32_t first, skip;
};

struct gotype_dyn {
	uint32_t type, direct, size, pad;
};

enum {
	GO_REC_HEAD = 16,
	GO_CHUNK_HEAD = 16,
	GO_CHUNK_MAX = 512, /* bytes of one chunk */
	GO_CHUNK_TYPE = 0xffffff,
	GO_CHUNK_FLAT = 1 << 24,
	GO_CHUNK_FAULT = 1 << 25,   /* the memory could not be read */
	GO_CHUNK_UNKNOWN = 1 << 26, /* of a type that is not known */
};

/* ---- the tables -------------------------------------------------------------------------------
 */

struct types;
struct gotypes;

struct gotype_limits {
	uint32_t string, elems; /* bytes of a string, elements of a slice or array */
	uint32_t map_elems;     /* elements of a map; 0: only its length is shown */
	uint32_t value;         /* bytes of a record */
};

/* The one table of `ts`, made when it is first asked for. */
struct gotypes *gotypes_of(struct types *ts, struct gotype_limits l);
/* The debug information of a program, and its path; `minor` its release, `types` the link-time
 * address of runtime.types (0: not known, so that nothing is known of what is in interfaces). The
 * number tells the file in keys of the hash. */
uint32_t gotypes_file(struct gotypes *gt, struct dwarf *d, const char *path, int minor,
		      uint64_t types);
/* The number of a type; 0 when there is no room for more. */
uint32_t gotype_from(struct gotypes *gt, uint32_t file, dwarf_ref ref);
/* What a pointer of this type leads to, an array or a slice has; 0: nothing known. */
uint32_t gotype_elem(struct gotypes *gt, uint32_t type);
/* A value of that type will be shown: all that is in it, and what it leads to, is planned. */
void gotype_show(struct gotypes *gt, uint32_t type);
/* Several values one behind the other: the results of a function. */
uint32_t gotype_tuple(struct gotypes *gt, const uint32_t *types, const uint32_t *offsets,
		      uint32_t n);
/* The same as a struct with these names: the arguments of a function. */
uint32_t gotype_record(struct gotypes *gt, const char *const *names, const uint32_t *types,
		       const uint32_t *offsets, uint32_t n);
const struct gotype *gotype_get(const struct gotypes *gt, uint32_t type); /* 0 is fine */
struct gotype_limits gotypes_limits(const struct gotypes *gt);

/* For the kernel: the block, and keys and values of the hash. Nothing is added from the first call
 * on. */
struct gotypes_data {
	const void *block;
	uint32_t block_size, ntypes, nops;
	const uint64_t *keys;
	const struct gotype_dyn *dyns;
	uint32_t ndyns;
};
const struct gotypes_data *gotypes_data(struct gotypes *gt);
/* May elements of maps be shown in a value of that type, which is planned? What an interface holds
 * is not known: it may be one. */
bool gotype_leads_to_maps(const struct gotypes *gt, uint32_t type);
/* What the program itself calls a type that the debug information does not have: its name, by the
 * key that the hash would have it under. */
bool gotype_name_of(const struct gotypes *gt, uint64_t key, struct str *out);
/* Numbers of the two maps in the plan, made by the first who shows a value. */
struct gotypes_maps {
	bool made;
	uint32_t block, dyns;
};
struct gotypes_maps *gotypes_maps(struct gotypes *gt);

#endif
