/* Profiles: what maps keyed by stacks say, in the forms of profilers. Private to src/runtime.
 *
 *   @[ustack, kstack, comm] = count()      one sample for each key:
 *
 *   sample ─ map 0, pid 812, value 17, path │ comm │ main │ work │ read │ do_syscall_64 │ vfs_read
 * │ key    user, outermost first    kernel, above it
 *
 * profile.c takes maps as they are printed and knows what a path is; the writers (profile_text.c,
 * profile_svg.c, profile_proto.c) make a document of the samples, which are sorted by then. Names
 * are interned and escaped: equal pointers are equal names, and none has control characters.
 */
#ifndef AWL_RUNTIME_PROFILE_H
#define AWL_RUNTIME_PROFILE_H

#include "runtime/priv.h"

enum frame_kind { FRAME_KEY, FRAME_USER, FRAME_KERNEL };

struct profile_frame {
	enum frame_kind kind;
	uint64_t addr;      /* 0 for other parts of keys */
	const char *name;   /* never empty */
	const char *module; /* "" unknown */
};

struct profile_sample {
	uint32_t map;   /* into struct profile's */
	uint32_t pid;   /* whose user frames these are; 0: none */
	uint32_t n;     /* of the path */
	uint32_t *path; /* indices of frames, outermost first */
	uint64_t value;
};

struct profile {
	struct arena *arena;
	struct strmap names, index; /* name → itself; frame as text → its index + 1 */
	VEC(struct profile_frame) frames;
	VEC(struct profile_sample) samples;
	const char **maps;    /* by index in the program; NULL: has no samples */
	size_t nmaps, nshown; /* of all; of those with samples */
};

static inline const struct profile_frame *profile_frame(const struct profile *p,
							const struct profile_sample *s, uint32_t i)
{
	return &p->frames.v[s->path[i]];
}

/* Several maps in one graph: the outermost frame of each path is the map's name then. */
static inline bool profile_rooted(const struct profile *p)
{
	return p->nshown > 1;
}

/* The most frames of any path, with that root. */
uint32_t profile_deepest(const struct profile *p);

void profile_folded(struct profile *p, struct buf *out);
void profile_speedscope(const struct profile *p, struct buf *out);
void profile_svg(struct profile *p, struct buf *out);
void profile_pprof(struct profile *p, struct buf *out);
void profile_perfetto(struct profile *p, struct buf *out);

#endif
