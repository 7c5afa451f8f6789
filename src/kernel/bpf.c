/* bpf(2), thin: maps, programs, test runs. Links are in link.c.
 *
 * Calls that a user can make fail (making a map, a link) fill `struct err` with what to do; calls
 * of the hot path (reading maps) and of the loader, which owns the verifier's log, return -errno
 * only.
 *
 * RLIMIT_MEMLOCK: kernels before 5.11 charge maps and programs to it. It is raised when a call
 * fails with EPERM, once, and failing to raise it is no error: the call is then tried again as it
 * was and its own error is the one reported.
 */
#include <errno.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel/priv.h"

static void raise_memlock(void)
{
	static const struct rlimit all = {RLIM_INFINITY, RLIM_INFINITY};
	static bool done;

	if (!done)
		setrlimit(RLIMIT_MEMLOCK, &all);
	done = true;
}

int sys_bpf(int cmd, union bpf_attr *attr, unsigned size)
{
	long r = syscall(SYS_bpf, cmd, attr, size);

	return r < 0 ? -errno : r;
}

/* The verifier gives up with EAGAIN when a signal is pending. */
static int retry_bpf(int cmd, union bpf_attr *attr, unsigned size)
{
	int r;

	for (int i = 0; i < 6; i++) {
		r = sys_bpf(cmd, attr, size);
		if (r == -EPERM && i == 0) {
			raise_memlock();
			continue;
		}
		if (r != -EAGAIN)
			break;
	}
	return r;
}

/* The kernel takes letters, digits, '_' and '.' in object names. */
static void set_name(char dst[BPF_OBJ_NAME_LEN], const char *name)
{
	size_t i = 0;

	for (; name && name[i] && i < BPF_OBJ_NAME_LEN - 1; i++) {
		char c = name[i];
		bool ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			  (c >= '0' && c <= '9') || c == '_';

		dst[i] = ok ? c : '_';
	}
	dst[i] = 0;
}

static uint64_t addr(const void *p)
{
	return (uintptr_t)p;
}

static void hint_map(struct err *e, const struct map_spec *spec)
{
	if (e->code == ENOMEM || e->code == E2BIG)
		err_hint(e, "ask for fewer entries: %u of %u + %u bytes are wanted",
			 spec->max_entries, spec->key_size, spec->value_size);
	else
		kernel_hint_bpf(e);
}

int bpf_map_make(const struct map_spec *spec, struct err *e)
{
	union bpf_attr a = {0};
	int fd, inner = -1;

	a.map_type = spec->type;
	a.key_size = spec->key_size;
	a.value_size = spec->value_size;
	a.max_entries = spec->max_entries;
	a.map_flags = spec->flags;
	set_name(a.map_name, spec->name);
	if (spec->inner) {
		inner = bpf_map_make(spec->inner, e);
		if (inner < 0)
			return inner;
		a.inner_map_fd = (uint32_t)inner;
	}
	fd = retry_bpf(BPF_MAP_CREATE, &a, sizeof(a));
	if (inner >= 0)
		close(inner);
	if (fd >= 0)
		return fd;
	err_set(e, -fd, "create BPF map %s (%u entries, key %u, value %u bytes)",
		spec->name ? spec->name : "", spec->max_entries, spec->key_size, spec->value_size);
	if (e)
		hint_map(e, spec);
	return fd;
}

static int map_elem(int cmd, int fd, const void *key, const void *value, uint64_t flags)
{
	union bpf_attr a = {.map_fd = fd, .key = addr(key), .value = addr(value), .flags = flags};

	return sys_bpf(cmd, &a, sizeof(a));
}

int bpf_map_get(int fd, const void *key, void *value)
{
	return map_elem(BPF_MAP_LOOKUP_ELEM, fd, key, value, 0);
}

int bpf_map_set(int fd, const void *key, const void *value, uint64_t flags)
{
	return map_elem(BPF_MAP_UPDATE_ELEM, fd, key, value, flags);
}

int bpf_map_del(int fd, const void *key)
{
	return map_elem(BPF_MAP_DELETE_ELEM, fd, key, NULL, 0);
}

/* Kernels before 5.14 cannot do it at once for hashes. */
int bpf_map_take(int fd, const void *key, void *value)
{
	int ret = map_elem(BPF_MAP_LOOKUP_AND_DELETE_ELEM, fd, key, value, 0);

	if (ret == 0 || ret == -ENOENT)
		return ret;
	ret = bpf_map_get(fd, key, value);
	return ret < 0 ? ret : bpf_map_del(fd, key);
}

int bpf_map_next(int fd, const void *key, void *next)
{
	return map_elem(BPF_MAP_GET_NEXT_KEY, fd, key, next, 0);
}

int bpf_map_batch(int fd, void *in, void *out, void *keys, void *values, uint32_t *count,
		  bool remove)
{
	union bpf_attr a = {0};
	int r;

	a.batch.in_batch = addr(in);
	a.batch.out_batch = addr(out);
	a.batch.keys = addr(keys);
	a.batch.values = addr(values);
	a.batch.count = *count;
	a.batch.map_fd = fd;
	r = sys_bpf(remove ? BPF_MAP_LOOKUP_AND_DELETE_BATCH : BPF_MAP_LOOKUP_BATCH, &a, sizeof(a));
	*count = r == 0 || r == -ENOENT || r == -ENOSPC ? a.batch.count : 0;
	return r;
}

int bpf_prog_load_raw(const struct prog_load *p)
{
	union bpf_attr a = {0};

	a.prog_type = p->type;
	a.expected_attach_type = p->expected_attach_type;
	a.attach_btf_id = p->attach_btf_id;
	a.attach_prog_fd = (uint32_t)p->attach_fd;
	a.insns = addr(p->insns);
	a.insn_cnt = p->ninsns;
	a.license = addr(p->license ? p->license : "GPL");
	a.prog_flags = p->flags;
	set_name(a.prog_name, p->name);
	if (p->log_level) {
		a.log_level = p->log_level;
		a.log_buf = addr(p->log);
		a.log_size = p->log_size;
	}
	if (p->btf_fd > 0) {
		a.prog_btf_fd = p->btf_fd;
		a.func_info_rec_size = sizeof(struct bpf_func_info);
		a.func_info = addr(p->func_info);
		a.func_info_cnt = p->nfunc_info;
		a.line_info_rec_size = sizeof(struct bpf_line_info);
		a.line_info = addr(p->line_info);
		a.line_info_cnt = p->nline_info;
	}
	return retry_bpf(BPF_PROG_LOAD, &a, sizeof(a));
}

int bpf_test_run(int prog_fd, const void *ctx, uint32_t ctx_size, int32_t *retval, struct err *e)
{
	union bpf_attr a = {0};
	int r;

	a.test.prog_fd = prog_fd;
	a.test.ctx_in = addr(ctx);
	a.test.ctx_size_in = ctx_size;
	r = sys_bpf(BPF_PROG_TEST_RUN, &a, sizeof(a));
	if (r < 0) {
		err_set(e, -r, "test run of a BPF program");
		kernel_hint_bpf(e);
		return r;
	}
	if (retval)
		*retval = (int32_t)a.test.retval;
	return 0;
}

int bpf_load_btf(const void *data, uint32_t size, char *log, uint32_t log_size)
{
	union bpf_attr a = {0};

	a.btf = addr(data);
	a.btf_size = size;
	if (log && log_size) {
		a.btf_log_buf = addr(log);
		a.btf_log_size = log_size;
		a.btf_log_level = 1;
		log[0] = 0;
	}
	return retry_bpf(BPF_BTF_LOAD, &a, sizeof(a));
}
