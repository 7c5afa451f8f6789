/* jitdump: the file in which a JIT compiler tells what code it made, its names and its bytes.
 *
 *   header    u32 magic "JiTD", version, size, machine, 0, pid; u64 time, flags
 *   record    u32 id, size; u64 time; then by id:
 *     0 load  u32 pid, tid; u64 vma, address, length, index; name\0; the code
 *     1 move  u32 pid, tid; u64 vma, old address, new address, length, index
 *     others  lines of the source, tables for unwinding, the end: passed over
 *
 * A process maps a page of its dump executable, so that its path is known from its mappings; V8,
 * LLVM, CPython, .NET and others do so when they are asked to (node --perf-prof, python -X
 * perf_jit). The file grows while the process runs; what has been read is not read again. Code is
 * passed over.
 *
 * Whoever is traced wrote it, so a reader without rights takes it apart (reader.h). Its answer:
 *
 *   u64 offset, size of the file  →  u64 next offset, n, n × { u8 id; u64 address, length, index;
 * name }
 */
#include "elf/jitdump.h"
#include "elf/codenames.h"
#include "elf/reader.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	CPU_MS = 2000,
	HEADER = 40,
	RECORD = 16,
	LOAD = RECORD + 40, /* the name follows */
	MOVE = RECORD + 48,
	MAX_NAME = 4096,
	MAX_PASSED = 1 << 20, /* records for one answer … */
	MAX_ANSWERS = 16,     /* … at one time */
	MAX_NAMES = 512 << 10,
	MAX_REPLY = 32 << 20,
	MAX_TEXT = 64 << 20, /* of all names */
	MAGIC = 0x4a695444,
	VERSION = 1,
};

enum { ID_LOAD, ID_MOVE };

/* ---- in the reader ---------------------------------------------------------------------------
 */

struct scan {
	int fd;
	uint64_t at, end;
	uint64_t start; /* of the window */
	size_t n;
	uint8_t window[16384];
	struct buf found;
	size_t nfound;
};

/* At most a window; how much there is. */
static size_t bytes_at(struct scan *s, uint64_t at, size_t n, const uint8_t **p)
{
	if (at < s->start || at - s->start > s->n || s->n - (at - s->start) < n) {
		ssize_t got = pread(s->fd, s->window, sizeof(s->window), (off_t)at);

		s->start = at;
		s->n = got > 0 ? (size_t)got : 0;
	}
	*p = s->window + (at - s->start);
	return MIN(n, s->n - (at - s->start));
}

static uint64_t word(const uint8_t *p, size_t off)
{
	uint64_t v;

	memcpy(&v, p + off, sizeof(v));
	return v;
}

static uint32_t half(const uint8_t *p, size_t off)
{
	uint32_t v;

	memcpy(&v, p + off, sizeof(v));
	return v;
}

static void put_found(struct scan *s, uint8_t id, uint64_t addr, uint64_t size, uint64_t index,
		      const char *name)
{
	wire_put(&s->found, id, 1);
	wire_put(&s->found, addr, 8);
	wire_put(&s->found, size, 8);
	wire_put(&s->found, index, 8);
	wire_put_text(&s->found, name);
	s->nfound++;
}

static void take_load(struct scan *s, uint32_t size)
{
	char name[MAX_NAME + 1];
	const uint8_t *p;
	size_t n = bytes_at(s, s->at, MIN(size, LOAD + MAX_NAME), &p);

	if (n <= LOAD)
		return;
	n -= LOAD;
	memcpy(name, p + LOAD, n);
	name[n] = 0; /* a name that is longer is cut */
	if (name[0])
		put_found(s, ID_LOAD, word(p, 32), word(p, 40), word(p, 48), name);
}

static void take_move(struct scan *s, uint32_t size)
{
	const uint8_t *p;

	if (bytes_at(s, s->at, MIN(size, MOVE), &p) == MOVE)
		put_found(s, ID_MOVE, word(p, 40), word(p, 48), word(p, 56), NULL);
}

/* One record; false: there is none more, or not all of it yet. */
static bool take_record(struct scan *s)
{
	uint32_t id, size;
	const uint8_t *p;

	if (bytes_at(s, s->at, RECORD, &p) < RECORD)
		return false;
	id = half(p, 0);
	size = half(p, 4);
	if (size < RECORD || size > s->end - s->at)
		return false;
	if (id == ID_LOAD)
		take_load(s, size);
	else if (id == ID_MOVE)
		take_move(s, size);
	s->at += size;
	return true;
}

static bool take_header(struct scan *s)
{
	const uint8_t *p;

	if (bytes_at(s, 0, HEADER, &p) < HEADER || half(p, 0) != MAGIC || half(p, 4) != VERSION ||
	    half(p, 8) < HEADER || half(p, 8) > s->end)
		return false;
	s->at = half(p, 8);
	return true;
}

static void serve(void *arg, struct wire *in, struct buf *out)
{
	struct scan *s = calloc(1, sizeof(*s));

	if (!s)
		return;
	s->fd = *(int *)arg;
	s->at = wire_take(in, 8);
	s->end = wire_take(in, 8);
	if (s->at || take_header(s))
		for (size_t i = 0; i < MAX_PASSED && s->found.n < MAX_REPLY && take_record(s);)
			i++;
	wire_put(out, s->at, 8);
	wire_put(out, s->nfound, 8);
	if (s->found.n)
		buf_add(out, s->found.p, s->found.n);
	buf_release(&s->found);
	free(s);
}

/* ---- in our process --------------------------------------------------------------------------
 */

struct jitdump {
	struct arena *arena;
	code_names names;
	uint64_t next; /* offset of the first record that is not known */
	uint64_t size; /* of the file, as far as it was looked at */
	uint64_t dev, ino;
	size_t text;            /* bytes of all names */
	struct strmap by_index; /* of code: where it moves is told by it */
};

bool jitdump_is_name(const char *path)
{
	const char *slash = strrchr(path, '/'), *p = slash ? slash + 1 : path;
	size_t digits;

	if (strncmp(p, "jit-", 4) != 0)
		return false;
	digits = strspn(p + 4, "0123456789");
	return digits && strcmp(p + 4 + digits, ".dump") == 0;
}

struct jitdump *jitdump_new(void)
{
	struct jitdump *d = calloc(1, sizeof(*d));

	if (!d)
		BUG("out of memory");
	d->arena = arena_new();
	strmap_init(&d->by_index, d->arena);
	return d;
}

void jitdump_free(struct jitdump *d)
{
	if (!d)
		return;
	hvec_release(&d->names);
	arena_free(d->arena);
	free(d);
}

bool jitdump_is_of(const struct jitdump *d, const struct stat *st)
{
	return d->ino == st->st_ino && d->dev == st->st_dev && d->size <= (uint64_t)st->st_size;
}

static void take_name(struct jitdump *d, uint8_t id, struct code_name *c, uint64_t index,
		      const char *name)
{
	struct str key = {(const char *)&index, sizeof(index)};

	if (id == ID_MOVE) {
		c->name = strmap_get(&d->by_index, key);
	} else if (name && d->text < MAX_TEXT) {
		d->text += strlen(name) + 1;
		c->name = arena_strdup(d->arena, name);
		key.p = arena_memdup(d->arena, key.p, key.n);
		strmap_put(&d->by_index, key, (void *)c->name);
	}
	if (c->name && c->size && d->names.n < MAX_NAMES)
		hvec_push(&d->names, *c);
}

/* False: the answer makes no sense. */
static bool take_answer(struct jitdump *d, struct wire *w)
{
	uint64_t next = wire_take(w, 8);
	size_t n = wire_take_count(w, 27);

	for (size_t i = 0; i < n && !w->bad; i++) {
		uint8_t id = (uint8_t)wire_take(w, 1);
		struct code_name c = {.start = wire_take(w, 8)};
		uint64_t index;

		c.size = wire_take(w, 8);
		c.order = (uint32_t)d->names.n;
		index = wire_take(w, 8);
		take_name(d, id, &c, index, wire_take_text(w));
	}
	if (w->bad || next < d->next)
		return false;
	d->next = next;
	return true;
}

static bool ask(struct jitdump *d, struct reader *r, int *fd)
{
	struct buf q = BUF_INIT, reply = BUF_INIT;
	struct wire w;
	bool ok = true;

	wire_put(&q, d->next, 8);
	wire_put(&q, d->size, 8);
	if (r) {
		ok = reader_ask(r, &q, &w, NULL) == 0;
	} else { /* for fuzzers */
		serve(fd, &(struct wire){.p = (const uint8_t *)q.p, .n = q.n}, &reply);
		w = (struct wire){.p = (const uint8_t *)reply.p, .n = reply.n};
	}
	ok = ok && take_answer(d, &w);
	buf_release(&q);
	buf_release(&reply);
	return ok;
}

bool jitdump_read(struct jitdump *d, int fd, const char *path)
{
	size_t before = d->names.n;
	struct reader *r = NULL;
	uint64_t at = UINT64_MAX;
	struct stat st;

	if (fstat(fd, &st) < 0 || (d->ino && !jitdump_is_of(d, &st)) ||
	    (uint64_t)st.st_size == d->size)
		return false;
	d->dev = st.st_dev;
	d->ino = st.st_ino;
	d->size = (uint64_t)st.st_size;
	if (!reader_never && !(r = reader_start(path, &fd, 1, CPU_MS, serve, &fd, NULL)))
		return false;
	for (int i = 0; i < MAX_ANSWERS && at != d->next && ask(d, r, &fd); i++)
		at = d->next;
	reader_stop(r);
	code_names_sort(&d->names);
	return d->names.n > before;
}

const char *jitdump_find(const struct jitdump *d, uint64_t addr, uint64_t *offset)
{
	return code_names_find(&d->names, addr, offset);
}
