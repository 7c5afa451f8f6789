/* Maps and programs onto the kernel.
 *
 *   maps      created in order; the globals are mmapped, the ring buffer's pages too
 *   programs  instructions copied, map indices replaced by descriptors, loaded without a log
 *             (asking for one costs as much as the loading); when refused, loaded again with it
 *
 *   ld_imm64 r1, MAP_FD idx         imm = idx        →  imm = descriptor
 *   ld_imm64 r1, MAP_VALUE idx +off imm = idx, next imm = off  →  imm = descriptor, off as it is
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "runtime/priv.h"

#define LOG_MIN (64u << 10)
#define LOG_MAX (UINT32_MAX >> 2) /* the kernel's own limit */

static int map_globals(struct run *r, struct err *e)
{
	const struct program_map *m = &r->p->maps[r->p->globals];
	size_t page = (size_t)sysconf(_SC_PAGESIZE), size = ALIGN_UP(m->spec.value_size, page);
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, r->map_fds[r->p->globals],
		       0);

	if (p == MAP_FAILED)
		return err_set(e, errno, "map the program's globals (%u bytes)",
			       m->spec.value_size);
	r->globals = p;
	r->globals_size = m->spec.value_size;
	return 0;
}

/* The compiler lists an internal map before it knows whether any code needs it. */
static bool is_used(const struct program *p, uint32_t i)
{
	return p->maps[i].user || p->maps[i].own || i == p->ring || i == p->globals ||
	       i == p->scratch || i == p->stacks || i == p->unwind_procs || i == p->unwind_images ||
	       i == p->followed || i == p->cgroups ||
	       p->maps[i].spec.type == BPF_MAP_TYPE_PERF_EVENT_ARRAY;
}

static int fill_map(int fd, const struct program_map *m, struct err *e)
{
	const uint8_t *key = m->keys, *value = m->values;

	for (uint32_t i = 0; i < m->filled; i++) {
		int ret = bpf_map_set(fd, key, value, BPF_ANY);

		if (ret < 0)
			return err_set(e, -ret, "fill the map %s", m->name);
		key += m->spec.key_size;
		value += m->spec.value_size;
	}
	return 0;
}

int load_maps(struct run *r, struct err *e)
{
	int ret = 0;

	for (uint32_t i = 0; i < r->p->nmaps; i++) {
		if (!is_used(r->p, i))
			continue;
		r->map_fds[i] = bpf_map_make(&r->p->maps[i].spec, e);
		if (r->map_fds[i] < 0)
			return r->map_fds[i];
		ret = fill_map(r->map_fds[i], &r->p->maps[i], e);
		if (ret < 0)
			return ret;
	}
	if (r->p->globals != NO_MAP)
		ret = map_globals(r, e);
	if (ret == 0 && r->p->ring != NO_MAP)
		ret = ring_open(&r->ring, r->map_fds[r->p->ring],
				r->p->maps[r->p->ring].spec.max_entries, e);
	return ret;
}

static bool is_ld_imm64(const struct bpf_insn *i)
{
	return i->code == (BPF_LD | BPF_IMM | BPF_DW);
}

static struct bpf_insn *relocate(struct run *r, const struct ir_code *code)
{
	struct bpf_insn *insns = arena_memdup(r->arena, code->insns, code->n * sizeof(*insns));

	for (size_t i = 0; i < code->n; i++) {
		struct bpf_insn *in = &insns[i];

		if (!is_ld_imm64(in))
			continue;
		if (in->src_reg == BPF_PSEUDO_MAP_FD || in->src_reg == BPF_PSEUDO_MAP_VALUE) {
			if ((uint32_t)in->imm >= r->p->nmaps)
				BUG("map %d of %zu in an instruction", in->imm, r->p->nmaps);
			in->imm = r->map_fds[in->imm];
		}
		i++; /* the second slot */
	}
	return insns;
}

/* Loads again to learn why, with a log that grows while it does not suffice. */
static int load_with_log(struct run *r, const struct program_prog *p, struct prog_load *l,
			 int first, struct err *e)
{
	uint64_t size = MAX(r->p->config.log_size, LOG_MIN);
	struct buf text = BUF_INIT;
	char *log;
	int ret;

	for (;;) {
		size = MIN(size, (uint64_t)LOG_MAX);
		log = calloc(1, size);
		if (!log)
			return err_set(e, ENOMEM, "load %s: keep the verifier's log", p->title);
		l->log = log;
		l->log_size = (uint32_t)size;
		l->log_level = 1;
		ret = bpf_prog_load_raw(l);
		if (ret != -ENOSPC || size == LOG_MAX)
			break;
		free(log);
		size *= 8;
	}
	if (ret < 0) {
		reject_explain(r->p->diag, p, -first, log, &text, e);
		r->too_large = e->code == E2BIG;
		if (text.n && !(r->too_large && r->o.again))
			run_message(r, RUN_ERROR, "%s", buf_cstr(&text));
	}
	buf_release(&text);
	free(log);
	return ret;
}

/* The log costs as much as the loading, and what it says is not wanted when the program will be
 * made again. */
static bool known_too_large(struct run *r, const struct program_prog *p, int error, struct err *e)
{
	struct buf text = BUF_INIT;

	if (error != -E2BIG || !r->o.again)
		return false;
	reject_explain(r->p->diag, p, E2BIG, "", &text, e);
	buf_release(&text);
	r->too_large = true;
	return true;
}

static void close_positive(int fd)
{
	if (fd > 0)
		close(fd);
}

/* Whose type attach_btf_id is: 0 for the kernel, else a descriptor to be closed, or -errno. */
static int open_attach(const struct program_prog *p, struct err *e)
{
	int fd;

	if (p->attach_module)
		return bpf_btf_open_module(p->attach_module, e);
	if (!p->attach_prog)
		return 0;
	fd = bpf_prog_open(p->attach_prog);
	if (fd < 0)
		err_set(e, -fd, "open the BPF program %u", p->attach_prog);
	return fd;
}

static int load_program(struct run *r, const struct program_prog *p, struct err *e)
{
	struct prog_btf btf = {.fd = -1};
	struct prog_load l = {
		.name = p->name,
		.type = p->type,
		.expected_attach_type = p->attach_type,
		.attach_btf_id = p->attach_btf_id,
		.insns = relocate(r, &p->code),
		.ninsns = (uint32_t)p->code.n,
		.license = r->p->config.license ? r->p->config.license : "GPL",
	};
	int fd;

	l.attach_fd = open_attach(p, e);
	if (l.attach_fd < 0)
		return err_wrap(e, "load %s", p->title);
	if (prog_btf_needed(p) || r->o.verbose) {
		int ret = prog_btf_load(r->arena, r->p->diag, p, r->o.verbose, &btf, e);

		if (ret < 0 && prog_btf_needed(p)) {
			close_positive(l.attach_fd);
			return ret;
		}
	}
	if (btf.fd >= 0) {
		l.btf_fd = btf.fd;
		l.func_info = btf.funcs;
		l.nfunc_info = btf.nfuncs;
		l.line_info = btf.lines;
		l.nline_info = btf.nlines;
	}
	fd = bpf_prog_load_raw(&l);
	if (fd < 0 && !known_too_large(r, p, fd, e))
		fd = load_with_log(r, p, &l, fd, e);
	close_positive(btf.fd);
	close_positive(l.attach_fd);
	return fd;
}

bool run_too_large(const struct run *r)
{
	return r->too_large;
}

int load_programs(struct run *r, struct err *e)
{
	for (size_t i = 0; i < r->p->nprogs; i++) {
		if (!r->p->progs[i].code.n)
			continue;
		r->prog_fds[i] = load_program(r, &r->p->progs[i], e);
		if (r->prog_fds[i] < 0)
			return r->prog_fds[i];
	}
	return 0;
}
