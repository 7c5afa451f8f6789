/* Loading emitted code with bpf(2), for tests: maps by index, no BTF. */
#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "load.h"

static int sys_bpf(int cmd, union bpf_attr *attr)
{
	int r = (int)syscall(__NR_bpf, cmd, attr, sizeof(*attr));

	return r < 0 ? -errno : r;
}

static int map_create(const struct test_map *m)
{
	union bpf_attr attr = {.map_type = m->type,
			       .key_size = m->key,
			       .value_size = m->value,
			       .max_entries = m->entries};

	return sys_bpf(BPF_MAP_CREATE, &attr);
}

static int prog_load(const struct bpf_insn *insns, size_t n, struct buf *log)
{
	union bpf_attr attr = {.prog_type = BPF_PROG_TYPE_KPROBE,
			       .insns = (uintptr_t)insns,
			       .insn_cnt = (uint32_t)n,
			       .license = (uintptr_t) "GPL"};
	int fd = sys_bpf(BPF_PROG_LOAD, &attr);

	if (fd < 0 && log) {
		attr.log_level = 1;
		attr.log_size = 1 << 20;
		attr.log_buf = (uintptr_t)buf_reserve(log, 1 << 20);
		fd = sys_bpf(BPF_PROG_LOAD, &attr);
		log->n += strlen(log->p + log->n);
	}
	return fd;
}

bool load_permitted(void)
{
	struct bpf_insn nothing[] = {{.code = BPF_ALU64 | BPF_MOV | BPF_K},
				     {.code = BPF_JMP | BPF_EXIT}};
	int fd = prog_load(nothing, 2, NULL);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

int load_code(struct ir_code *code, const struct test_map *maps, struct buf *log)
{
	int fds[4] = {-1, -1, -1, -1}, fd;

	for (int k = 0; k < 4 && maps && maps[k].type; k++)
		if ((fds[k] = map_create(&maps[k])) < 0)
			return fds[k];
	for (size_t k = 0; k < code->n; k++) {
		struct bpf_insn *i = &code->insns[k];
		if (i->code != (BPF_LD | BPF_IMM | BPF_DW))
			continue;
		if (i->src_reg == BPF_PSEUDO_MAP_FD || i->src_reg == BPF_PSEUDO_MAP_VALUE)
			i->imm = fds[i->imm];
		k++;
	}
	fd = prog_load(code->insns, code->n, log);
	for (int k = 0; k < 4; k++)
		if (fds[k] >= 0)
			close(fds[k]);
	return fd;
}
