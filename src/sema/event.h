/* Event records and what handles them: the bridge between a statement's lowering (in BPF) and its
 * effect (in user space). Interface only: gen and builtins make events, the runtime delivers them.
 *
 * A record in the ring buffer:
 *
 *      0        4
 *     +--------+-----------------------------------------------+
 *     | u32 id | fields at natural alignment, from offset 4 on |   the ring's own header has the
 * length
 *     +--------+-----------------------------------------------+
 *
 * `id` indexes program.events. A control event (print, clear, exit …) that finds the ring full is
 * not lost: its counter in the globals (pending_off) is raised, and the runtime runs it when it has
 * drained the ring; control events therefore have no fields. Everything else that is lost is
 * counted.
 */
#ifndef AWL_SEMA_EVENT_H
#define AWL_SEMA_EVENT_H

#include "base/base.h"
#include "kernel/kernel.h"
#include "elf/elf.h"
#include "sema/config.h"
#include "type/type.h"

#define NO_MAP UINT32_MAX

struct host;
struct format;
struct event_def;

struct event_field {
	const struct type *type;
	uint32_t off; /* from the start of the record */
};

struct event_kind {
	const char *name; /* "printf": also the JSON record's type */
	bool control;     /* never lost, no fields */
	/* Carries out the event. `rec` is the whole record (`len` >= def->size), or NULL for a
	 * pending control event. */
	void (*handle)(struct host *h, const struct event_def *def, const void *rec, size_t len);
	bool clears;   /* clear() and zero() of def->map */
	bool captures; /* writes the capture file def->text */
	/* What handle() takes for granted, checked of programs that come from a file. */
	unsigned needs;      /* enum event_needs */
	uint32_t min_fields; /* fields that there must be */
	uint32_t first_size; /* bytes that the first of them has at least */
};

enum event_needs {
	EVENT_TEXT = 1,   /* def->text */
	EVENT_FORMAT = 2, /* def->format */
	EVENT_MAP = 4,    /* def->map is one of the script's */
	EVENT_UNSAFE = 8, /* changes the system: needs --unsafe */
};

/* What print(@m, columns=…) shows: parts of the key by number, or one of these. */
enum { COLUMN_VALUE = -1, COLUMN_KEY = -2 };
#define COLUMNS_MAX 16

/* How print() shows a map. */
struct print_opts {
	int64_t top, div; /* 0: all; 1: as it is */
	enum { PRINT_USUAL, PRINT_BY_VALUE, PRINT_BY_KEY } by;
	bool desc; /* the greatest first */
	bool part; /* by one member of the key, number `key` */
	uint32_t key;
	uint8_t percentiles[8];
	uint32_t npercentiles;
	const struct format *format; /* of one entry; NULL: as usual */
	int8_t columns[COLUMNS_MAX]; /* the format's values; none: the key's parts, the value */
	uint32_t ncolumns;
	const char *unit; /* hist: buckets in the form "lo -> hi : count", under this heading */
};

struct event_def {
	uint32_t id;
	const struct event_kind *kind;
	struct event_field *fields;
	uint32_t nfields;
	uint32_t size;                  /* of the record, multiple of 8 */
	const char *text;               /* format string, time format, separator … or NULL */
	const struct format *format;    /* parsed `text` of printf-like events */
	uint32_t map;                   /* index of a program map, NO_MAP */
	int64_t num[4];                 /* literals: exit code … */
	const struct print_opts *print; /* of print(@m) */
	uint32_t pending_off;           /* control: offset of a u64 in the globals */
	struct span span;               /* of the statement */
};

/* ---- printf formats ---------------------------------------------------------------------------
 */

/* One conversion of a parsed format. */
struct conv {
	struct str literal; /* text before it */
	char spec;          /* d i u o x X c p s v r; 0: only the literal (end of format) */
	char variant;       /* 'x' of %rx, 'h' of %rh, 'g' of %gr; otherwise 0 */
	bool minus, plus, space, alt, zero;
	int width, prec; /* -1: none */
	uint8_t bytes;   /* 0: full width of the argument; 1 (hh), 2 (h), 4, 8 (l, ll, j, z, t) */
};

struct format {
	struct conv *convs;
	size_t n; /* with the last, which has spec 0 */
	size_t nargs;
};

/* ---- services of the runtime for handlers, views and aggregations
 * -------------------------------- */

/* What rendering a value may need. */
struct render {
	struct kernel *kernel;
	struct symbolizer *syms;
	struct types *types;
	const struct config *config;
	struct arena *arena; /* of the run; for small things only */
	bool json;
	bool ndjson;                    /* with json: awl's own forms, see runtime/ndjson.c */
	const char *const *probe_names; /* by target id */
	size_t nprobe_names;
	const char **source_names;  /* of functions, by target id: made when `probename` asks */
	const char *const *strings; /* program.strings: formats of strftime … by index */
	size_t nstrings;
	/* Appends a stack's frames as text, from the 16-byte stack value. */
	void (*stack)(struct render *r, const struct type *t, const void *value, struct buf *out);
	/* Appends any value: text as print() shows it, or JSON with r->json. */
	void (*value)(struct render *r, const struct type *t, const void *value, struct buf *out);
	void *run;
};

struct packet {
	uint64_t ns;          /* when, since boot */
	const uint8_t *bytes; /* `n` that were captured of `wire` */
	uint32_t n, wire;
	bool link; /* begins with the link layer's header, not with that of IP */
};

struct host {
	struct out *out;
	struct render render;
	/* One record of text: printed as it is, or as {"type": TYPE, "data": TEXT}. */
	void (*emit)(struct host *h, const char *type, struct str text);
	/* One record whose data is already JSON / whose text is complete. */
	void (*emit_value)(struct host *h, const char *type, struct str json_or_text);
	/* Expands def->format with the record's fields. */
	void (*format)(struct host *h, const struct event_def *def, const void *rec,
		       struct buf *out);
	void (*print_map)(struct host *h, uint32_t map, const struct print_opts *o);
	/* `printed`: what goes is what was last printed of it, no more. */
	void (*clear_map)(struct host *h, uint32_t map, bool printed);
	void (*zero_map)(struct host *h, uint32_t map, bool printed);
	void (*exit)(struct host *h, int code);
	/* errorf/warnf: text with the place in the script. */
	void (*message)(struct host *h, const struct event_def *def, const char *severity,
			struct str text);
	void (*unwatch)(struct host *h, uint64_t addr);
	/* The watchpoint number `which` of those without an address; then the processes go on. */
	void (*watch)(struct host *h, uint32_t which, uint64_t addr, bool stopped);
	/* -k: the kernel's helper def->text failed. */
	void (*helper_error)(struct host *h, const struct event_def *def, int32_t code);
	/* Appends a packet to the capture file def->text. */
	void (*packet)(struct host *h, const struct event_def *def, const struct packet *p);
	uint64_t printed; /* lines of printf, where the setting printf_limit counts them */
	uint64_t (*global)(struct host *h, uint32_t off); /* a u64 of the globals as it is now */
	void *run;
};

/* ---- aggregations
 * -------------------------------------------------------------------------------- */

/* count(), hist() …: what is stored for each key on each CPU, and how it is put together and shown.
 * Rows live in builtin/agg.c and builtin/hist.c. Slots start as zero bytes; zero bytes mean
 * "nothing yet". */
enum agg_fold {                /* how a program reads it, from slots of u64s */
		AGG_FOLD_NONE, /* it cannot */
		AGG_FOLD_SUM,  /* { value } */
		AGG_FOLD_MIN,  /* { rank, set }: see builtin/agg.c */
		AGG_FOLD_MAX,
		AGG_FOLD_AVG, /* { total, count } */
};

struct agg {
	const char *name;
	const char *type_name; /* "count_t" */
	const char *json_type; /* "map", "hist", "stats" */
	enum agg_fold fold;
	bool additive;   /* slots are u64s that are only added to */
	bool multi_line; /* the text starts on a line of its own */
	uint32_t (*size)(const int64_t p[3]);
	bool (*valid)(const int64_t p[3]); /* can these be its parameters? NULL: it has none */
	void (*merge)(const struct type *t, void *into, const void *slot);
	bool (*empty)(const struct type *t, const void *merged);
	int (*compare)(const struct type *t, const void *a,
		       const void *b); /* order of print, ascending */
	/* `div` divides what is shown (1: as it is). JSON appends the data's value. */
	void (*text)(struct render *r, const struct type *t, const void *merged, int64_t div,
		     struct buf *out);
	void (*json)(struct render *r, const struct type *t, const void *merged, int64_t div,
		     struct buf *out);
	/* The number that `p` percent of the values do not exceed, as the buckets have it; false:
	 * there is none, or it is beyond the last bound. NULL for what has no buckets. */
	bool (*percentile)(const struct type *t, const void *merged, unsigned p, int64_t *out);
	/* The buckets as "lo -> hi : count |***|", with a heading; NULL for what has no such form.
	 */
	void (*table)(const struct type *t, const void *merged, const char *unit, struct buf *out);
	/* Of what is several numbers (stats): for formats, in the order of its text. */
	void (*numbers)(const void *merged, int64_t div, int64_t out[3]);
	/* The value as an integer (count, sum, min, max, avg), false where there is none. */
	bool (*number)(const struct type *t, const void *merged, int64_t *out);
};

/* ---- losses
 * ---------------------------------------------------------------------------------------- */

/* Why something that happened is not in the output. Counters are u64 in the globals at
 * program.lost_off + 8 * cause; maps have one each besides (program_map.lost_off). */
enum lost {
	LOST_RING,    /* ring buffer full: an event */
	LOST_MAP,     /* map full: a key could not be inserted; the sum of the maps' own counters */
	LOST_STACK,   /* stack map full */
	LOST_SCRATCH, /* too many programs inside one another on one CPU */
	LOST_FAULT,   /* memory of the target could not be read: the value is empty or 0 */
	LOST_CONTEND, /* a compare-and-swap did not succeed in its bounded tries */
	LOST_MISSED,  /* hits that the kernel left out: counted by it, not by programs */
	LOST_UNWOUND, /* no loss: calls that ended without returning, by a panic or Goexit */
	LOST_UNPAIRED, /* returns whose call was not seen */
	LOST_LOOP,     /* no event: a loop that the kernel cut off, the rest of its turns */
	LOST_COUNT
};

/* ---- limits
 * ---------------------------------------------------------------------------------------- */

/* Of each probe while there is max_rate or max_overhead: words of the globals at probe.guard. A
 * hit is left out when as many have been taken since the runtime set `taken` to 0; each of the two
 * limits has its pair. UINT64_MAX: no limit. */
enum guard_gate { GUARD_EARLY, GUARD_BODY, GUARD_GATES }; /* before and behind the predicate */
struct guard_words {
	uint64_t hits; /* all of them */
	struct {
		uint64_t taken, limit, left_out;
	} gate[GUARD_GATES];
};

#endif
