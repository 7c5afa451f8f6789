/* BPF programs and BTF objects that are loaded: what tracing programs can be attached to beside the
 * kernel.
 *
 * A program's functions are known when it was loaded with BTF: the kernel keeps pairs of an
 * instruction and a type id (struct bpf_func_info), the main program first. Their whole names are
 * in the program's BTF; the program's own name is cut to 15 characters. Walking all objects needs
 * CAP_SYS_ADMIN. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include <bpf/btf.h>

#include "kernel/priv.h"

enum { MAX_FUNCS = 4096 };

static int object_next(int cmd, uint32_t *id)
{
	union bpf_attr a = {0};
	int r;

	a.start_id = *id;
	r = sys_bpf(cmd, &a, sizeof(a));
	if (r == 0)
		*id = a.next_id;
	return r;
}

static int object_open(int cmd, uint32_t id)
{
	union bpf_attr a = {0};

	a.prog_id = id; /* btf_id is the same field */
	return sys_bpf(cmd, &a, sizeof(a));
}

static int object_info(int fd, void *info, uint32_t size)
{
	union bpf_attr a = {0};

	a.info.bpf_fd = (uint32_t)fd;
	a.info.info_len = size;
	a.info.info = (uintptr_t)info;
	return sys_bpf(BPF_OBJ_GET_INFO_BY_FD, &a, sizeof(a));
}

int bpf_prog_open(uint32_t id)
{
	return object_open(BPF_PROG_GET_FD_BY_ID, id);
}

static bool is_btf_of(int fd, const char *module)
{
	struct bpf_btf_info i = {0};
	char name[64] = "";

	i.name = (uintptr_t)name;
	i.name_len = sizeof(name);
	return object_info(fd, &i, sizeof(i)) == 0 && i.kernel_btf && strcmp(name, module) == 0;
}

int bpf_btf_open_module(const char *module, struct err *e)
{
	uint32_t id = 0;
	int r;

	while ((r = object_next(BPF_BTF_GET_NEXT_ID, &id)) == 0) {
		int fd = object_open(BPF_BTF_GET_FD_BY_ID, id);

		if (fd >= 0 && is_btf_of(fd, module))
			return fd;
		if (fd >= 0)
			close(fd);
	}
	err_set(e, -r, "find the kernel's BTF object of module %s", module);
	if (r == -EPERM)
		err_hint(e, "this needs CAP_SYS_ADMIN");
	return r;
}

/* ---- functions of programs ---------------------------------------------------------------------
 */

struct prog_walk {
	int (*fn)(void *arg, const struct bpf_prog_func *f);
	void *arg;
};

static uint32_t params_of(const struct btf *btf, const struct btf_type *func)
{
	const struct btf_type *proto = btf__type_by_id(btf, func->type);

	return proto && btf_is_func_proto(proto) ? btf_vlen(proto) : 0;
}

static int each_func(struct prog_walk *w, uint32_t id, const struct btf *btf,
		     const struct bpf_func_info *funcs, uint32_t n)
{
	int r = 0;

	for (uint32_t i = 0; i < n && !r; i++) {
		const struct btf_type *t = btf__type_by_id(btf, funcs[i].type_id);
		const char *name = t && btf_is_func(t) ? btf__name_by_offset(btf, t->name_off)
						       : NULL;

		if (name)
			r = w->fn(w->arg, &(struct bpf_prog_func){.prog = id,
								  .name = name,
								  .btf_id = funcs[i].type_id,
								  .nparams = params_of(btf, t)});
	}
	return r;
}

static int walk_prog(struct prog_walk *w, int fd)
{
	struct bpf_prog_info i = {0};
	struct bpf_func_info *funcs;
	struct btf *btf = NULL;
	uint32_t id, n;
	int r = 0;

	if (object_info(fd, &i, sizeof(i)) < 0 || !i.btf_id || !i.nr_func_info)
		return 0;
	id = i.id;
	n = MIN(i.nr_func_info, (uint32_t)MAX_FUNCS);
	btf = btf__load_from_kernel_by_id(i.btf_id);
	funcs = calloc(n, sizeof(*funcs));
	i = (struct bpf_prog_info){.nr_func_info = n,
				   .func_info_rec_size = sizeof(*funcs),
				   .func_info = (uintptr_t)funcs};
	if (btf && funcs && object_info(fd, &i, sizeof(i)) == 0)
		r = each_func(w, id, btf, funcs, MIN(n, i.nr_func_info));
	free(funcs);
	btf__free(btf);
	return r;
}

int kernel_prog_each(int (*fn)(void *arg, const struct bpf_prog_func *f), void *arg, struct err *e)
{
	struct prog_walk w = {fn, arg};
	uint32_t id = 0;
	int r, stop = 0;

	while (!stop && (r = object_next(BPF_PROG_GET_NEXT_ID, &id)) == 0) {
		int fd = bpf_prog_open(id);

		if (fd < 0)
			continue;
		stop = walk_prog(&w, fd);
		close(fd);
	}
	if (stop || r == -ENOENT)
		return stop;
	err_set(e, -r, "list the BPF programs that are loaded");
	if (r == -EPERM)
		err_hint(e, "this needs CAP_SYS_ADMIN");
	return r;
}
