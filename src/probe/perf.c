/* Perf events with a program behind them: shared by profile, interval, software, hardware,
 * watchpoint and tracepoint. */
#include <errno.h>
#include <unistd.h>
#include "probe/probe.h"

static int attach_one(struct attach_env *env, const struct attach_prog *p,
		      struct perf_event_attr *attr, int pid, int cpu, uint64_t cookie, bool slow,
		      struct err *e)
{
	bool has_cookies = kernel_has(env->kernel, FEATURE_PERF_LINK);
	int fd = perf_open(attr, pid, cpu, e);
	int link;

	if (fd < 0)
		return fd;
	link = perf_attach(fd, p->fd, has_cookies ? cookie : 0, e);
	if (link < 0) {
		close(fd);
		return link;
	}
	env->own_fd(env, fd, slow);
	if (link > 0)
		env->own_fd(env, link, slow);
	return 0;
}

int probe_attach_perf(struct attach_env *env, const struct attach_prog *p,
		      struct perf_event_attr *attr, int pid, bool all_cpus, uint64_t cookie,
		      bool slow, struct err *e)
{
	int cpus[4096];
	int n, r;

	if (pid > 0)
		return attach_one(env, p, attr, pid, -1, cookie, slow, e);
	n = cpu_online(cpus, ARRAY_SIZE(cpus));
	if (n < 1)
		return err_plain(e, EIO, "no online CPU found");
	if (!all_cpus)
		n = 1;
	for (int i = 0; i < n; i++) {
		r = attach_one(env, p, attr, -1, cpus[i], cookie, slow, e);
		/* A CPU may go offline between the two looks. */
		if (r == -ENODEV && n > 1) {
			err_clear(e);
			continue;
		}
		if (r < 0)
			return r;
	}
	return 0;
}

/* The context, struct bpf_perf_event_data, begins with the registers. */
struct val probe_perf_name_load(struct gen *g, struct probe *p, enum probe_name name,
				unsigned index)
{
	if (name == NAME_CTX)
		return val_scalar(type_int(gen_types(g), 8, false), gen_ctx(g));
	return val_mem(&type_void, gen_ctx(g), 0, SPACE_CTX);
}

const struct type *probe_perf_name_type(struct sema *s, struct probe *p, enum probe_name name,
					unsigned index)
{
	if (name == NAME_CTX)
		return type_ptr(sema_types(s), &type_void, SPACE_CTX);
	return name == NAME_UREGS ? type_int(sema_types(s), 8, false) : NULL;
}
