/* What the kernel at hand can do: one row, one way to find out, for each line of feature.def.
 *
 * A feature is tried, never inferred from a version: distributions backport, and builds leave
 * things out. Each probe does the smallest thing that only works when the feature is there:
 *
 *   a program that calls a helper     the verifier's log says when it does not know the helper
 *   a link with a broken argument     an old kernel says EINVAL for what it does not know, a new
 * one gets as far as the broken argument: EBADF, ESRCH, ENOENT a map of one entry
 *
 * Answers are remembered in `struct kernel`. A file of features (kernel_paths.features, one name a
 * line, # begins a comment) replaces trying; kernel_force replaces single answers.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <bpf/btf.h>

#include "kernel/priv.h"

#define INSN(c, d, s, o, i) \
	((struct bpf_insn){.code = (c), .dst_reg = (d), .src_reg = (s), .off = (o), .imm = (i)})
#define MOV(d, i) INSN(BPF_ALU64 | BPF_MOV | BPF_K, d, 0, 0, i)
#define CALL(f)   INSN(BPF_JMP | BPF_CALL, 0, 0, 0, f)
#define EXIT      INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)
#define LD_MAP(d, fd) \
	INSN(BPF_LD | BPF_DW | BPF_IMM, d, BPF_PSEUDO_MAP_FD, 0, fd), INSN(0, 0, 0, 0, 0)

enum {
	ATTACH_UPROBE_MULTI = 48,
	ATTACH_KPROBE_SESSION = 56,
	ATTACH_UPROBE_SESSION = 57,
	JCOND = 0xe0
};

static bool close_ok(int fd)
{
	if (fd < 0)
		return false;
	close(fd);
	return true;
}

/* ---- programs ----------------------------------------------------------------------------------
 */

static int load(enum bpf_prog_type type, uint32_t attach, const struct bpf_insn *insns, uint32_t n)
{
	struct prog_load p = {.name = "awl_probe",
			      .type = type,
			      .expected_attach_type = attach,
			      .insns = insns,
			      .ninsns = n};

	return bpf_prog_load_raw(&p);
}

static int load_empty(enum bpf_prog_type type, uint32_t attach)
{
	const struct bpf_insn insns[] = {MOV(0, 0), EXIT};

	return load(type, attach, insns, ARRAY_SIZE(insns));
}

/* The arguments are missing, so the program itself is refused: what for decides. */
static bool knows_helper_in(enum bpf_prog_type type, uint32_t attach, uint32_t btf_id, int helper)
{
	const struct bpf_insn insns[] = {CALL(helper), MOV(0, 0), EXIT};
	char log[4096] = "";
	struct prog_load p = {.name = "awl_probe",
			      .type = type,
			      .expected_attach_type = attach,
			      .attach_btf_id = btf_id,
			      .insns = insns,
			      .ninsns = ARRAY_SIZE(insns),
			      .log = log,
			      .log_size = sizeof(log),
			      .log_level = 1};
	int fd = bpf_prog_load_raw(&p);

	if (fd >= 0)
		return close_ok(fd);
	return log[0] && !strstr(log, "invalid func ") && !strstr(log, "unknown func ") &&
	       !strstr(log, "helper call is not allowed") &&
	       !strstr(log, "program of this type cannot use helper ");
}

static bool knows_helper(enum bpf_prog_type type, int helper)
{
	return knows_helper_in(type, 0, 0, helper);
}

static bool has_loop(struct kernel *k)
{
	return knows_helper(BPF_PROG_TYPE_KPROBE, BPF_FUNC_loop);
}

static bool has_for_each_map(struct kernel *k)
{
	return knows_helper(BPF_PROG_TYPE_KPROBE, BPF_FUNC_for_each_map_elem);
}

static bool has_task_btf(struct kernel *k)
{
	return !kernel_btf_is_given(k) &&
	       knows_helper(BPF_PROG_TYPE_KPROBE, BPF_FUNC_get_current_task_btf);
}

/* _user and _kernel came together; _kernel goes away under lockdown, which is a row of its own. */
static bool has_probe_read_kernel(struct kernel *k)
{
	return knows_helper(BPF_PROG_TYPE_KPROBE, BPF_FUNC_probe_read_user);
}

static bool has_lockdown_open(struct kernel *k)
{
	return knows_helper(BPF_PROG_TYPE_KPROBE, BPF_FUNC_probe_read_kernel) ||
	       knows_helper(BPF_PROG_TYPE_KPROBE, BPF_FUNC_probe_read);
}

static bool has_ktime_boot(struct kernel *k)
{
	return knows_helper(BPF_PROG_TYPE_KPROBE, BPF_FUNC_ktime_get_boot_ns);
}

static bool has_ktime_tai(struct kernel *k)
{
	return knows_helper(BPF_PROG_TYPE_KPROBE, BPF_FUNC_ktime_get_tai_ns);
}

static bool has_cookie(struct kernel *k)
{
	return knows_helper(BPF_PROG_TYPE_KPROBE, BPF_FUNC_get_attach_cookie);
}

static bool has_send_signal(struct kernel *k)
{
	return knows_helper(BPF_PROG_TYPE_KPROBE, BPF_FUNC_send_signal);
}

static bool has_write_user(struct kernel *k)
{
	return knows_helper(BPF_PROG_TYPE_KPROBE, BPF_FUNC_probe_write_user);
}

static bool has_override(struct kernel *k)
{
	return knows_helper(BPF_PROG_TYPE_KPROBE, BPF_FUNC_override_return);
}

static bool has_strncmp(struct kernel *k)
{
	return knows_helper(BPF_PROG_TYPE_KPROBE, BPF_FUNC_strncmp);
}

static bool has_percpu_lookup(struct kernel *k)
{
	return knows_helper(BPF_PROG_TYPE_KPROBE, BPF_FUNC_map_lookup_percpu_elem);
}

/* A type's id as the kernel knows it; 0: there is none. */
static uint32_t own_id(struct kernel *k, const char *name, unsigned kind)
{
	return kernel_btf_is_given(k) ? 0 : kernel_btf_find(k, name, kind);
}

static bool has_iter_path(struct kernel *k)
{
	uint32_t id = own_id(k, "bpf_iter_task_file", BTF_KIND_FUNC);

	return id && knows_helper_in(BPF_PROG_TYPE_TRACING, BPF_TRACE_ITER, id, BPF_FUNC_d_path);
}

static bool has_socket_cookie(struct kernel *k)
{
	uint32_t id = own_id(k, "btf_trace_sched_switch", BTF_KIND_TYPEDEF);

	return id && knows_helper_in(BPF_PROG_TYPE_TRACING, BPF_TRACE_RAW_TP, id,
				     BPF_FUNC_get_socket_cookie);
}

/* may_goto jumps behind the loop when the verifier's budget is used up. */
static bool has_may_goto(struct kernel *k)
{
	const struct bpf_insn insns[] = {MOV(0, 0), INSN(BPF_JMP | JCOND, 0, 0, 1, 0),
					 INSN(BPF_JMP | BPF_JA, 0, 0, -2, 0), EXIT};

	return close_ok(load(BPF_PROG_TYPE_KPROBE, 0, insns, ARRAY_SIZE(insns)));
}

/* Signed division (offset 1) and a sign-extending move (offset 8). */
static bool has_cpu_v4(struct kernel *k)
{
	const struct bpf_insn insns[] = {MOV(0, -6), MOV(1, 2),
					 INSN(BPF_ALU64 | BPF_DIV | BPF_X, 0, 1, 1, 0),
					 INSN(BPF_ALU64 | BPF_MOV | BPF_X, 0, 0, 8, 0), EXIT};

	return close_ok(load(BPF_PROG_TYPE_KPROBE, 0, insns, ARRAY_SIZE(insns)));
}

/* Exchanges what is on the stack. */
static bool has_atomic_fetch(struct kernel *k)
{
	const struct bpf_insn insns[] = {MOV(0, 0), INSN(BPF_ST | BPF_MEM | BPF_DW, 10, 0, -8, 0),
					 INSN(BPF_STX | BPF_ATOMIC | BPF_DW, 10, 0, -8, BPF_XCHG),
					 EXIT};

	return close_ok(load(BPF_PROG_TYPE_KPROBE, 0, insns, ARRAY_SIZE(insns)));
}

static bool has_raw_tp(struct kernel *k)
{
	return close_ok(load_empty(BPF_PROG_TYPE_RAW_TRACEPOINT, 0));
}

static bool has_test_run(struct kernel *k)
{
	int fd = load_empty(BPF_PROG_TYPE_RAW_TRACEPOINT, 0);
	bool ok = fd >= 0 && bpf_test_run(fd, NULL, 0, NULL, NULL) == 0;

	close_ok(fd);
	return ok;
}

/* Some kernels leave what is behind the name's NUL as it was: looked at in a run of a program. */
static bool has_comm_pads(struct kernel *k)
{
	const struct bpf_insn insns[] = {
		INSN(BPF_ST | BPF_MEM | BPF_DW, 10, 0, -16, -1),
		INSN(BPF_ST | BPF_MEM | BPF_DW, 10, 0, -8, -1),
		INSN(BPF_ALU64 | BPF_MOV | BPF_X, 1, 10, 0, 0),
		INSN(BPF_ALU64 | BPF_ADD | BPF_K, 1, 0, 0, -16),
		MOV(2, 16),
		CALL(BPF_FUNC_get_current_comm),
		INSN(BPF_LDX | BPF_MEM | BPF_B, 0, 10, -2, 0),
		EXIT,
	};
	int fd = load(BPF_PROG_TYPE_RAW_TRACEPOINT, 0, insns, ARRAY_SIZE(insns));
	int32_t last = -1;
	bool ok = fd >= 0 && bpf_test_run(fd, NULL, 0, &last, NULL) == 0 && last == 0;

	close_ok(fd);
	return ok;
}

static bool has_kprobe_func_ip(struct kernel *k)
{
	const struct bpf_insn insns[] = {CALL(BPF_FUNC_get_func_ip), MOV(0, 0), EXIT};

	return close_ok(load(BPF_PROG_TYPE_KPROBE, 0, insns, ARRAY_SIZE(insns)));
}

/* A whole program: "only fentry … can be sleepable" is a refusal that comes before the helper's. */
static bool has_copy_from_user(struct kernel *k)
{
	const struct bpf_insn insns[] = {INSN(BPF_ALU64 | BPF_MOV | BPF_X, 1, 10, 0, 0),
					 INSN(BPF_ALU64 | BPF_ADD | BPF_K, 1, 0, 0, -8),
					 MOV(2, 8),
					 MOV(3, 0),
					 CALL(BPF_FUNC_copy_from_user),
					 MOV(0, 0),
					 EXIT};
	struct prog_load p = {.name = "awl_probe",
			      .type = BPF_PROG_TYPE_KPROBE,
			      .insns = insns,
			      .ninsns = ARRAY_SIZE(insns),
			      .flags = BPF_F_SLEEPABLE};

	return close_ok(bpf_prog_load_raw(&p));
}

static bool has_rdonly_cast(struct kernel *k)
{
	uint32_t func = own_id(k, "bpf_rdonly_cast", BTF_KIND_FUNC);
	uint32_t task = own_id(k, "task_struct", BTF_KIND_STRUCT);
	const struct bpf_insn insns[] = {
		MOV(1, 0), MOV(2, task),
		INSN(BPF_JMP | BPF_CALL, 0, BPF_PSEUDO_KFUNC_CALL, 0, func), MOV(0, 0), EXIT};

	return func && task && close_ok(load(BPF_PROG_TYPE_KPROBE, 0, insns, ARRAY_SIZE(insns)));
}

/* ---- programs typed by BTF ----------------------------------------------------------------------
 */

static int load_tracing(uint32_t attach, uint32_t btf_id)
{
	const struct bpf_insn insns[] = {MOV(0, 0), EXIT};
	struct prog_load p = {.name = "awl_probe",
			      .type = BPF_PROG_TYPE_TRACING,
			      .expected_attach_type = attach,
			      .attach_btf_id = btf_id,
			      .insns = insns,
			      .ninsns = ARRAY_SIZE(insns)};

	return btf_id ? bpf_prog_load_raw(&p) : -ENOENT;
}

static bool has_tp_btf(struct kernel *k)
{
	uint32_t id = own_id(k, "btf_trace_sched_switch", BTF_KIND_TYPEDEF);

	if (!id)
		id = own_id(k, "btf_trace_sys_enter", BTF_KIND_TYPEDEF);
	return close_ok(load_tracing(BPF_TRACE_RAW_TP, id));
}

static bool has_iter(struct kernel *k)
{
	return close_ok(load_tracing(BPF_TRACE_ITER, own_id(k, "bpf_iter_task", BTF_KIND_FUNC)));
}

/* Loading is not enough: an arm64 kernel may load but not attach. The function is the kernel's own
 * for tests, which nothing calls. */
static bool has_fentry(struct kernel *k)
{
	static const char *const funcs[] = {"bpf_fentry_test1", "ksys_read", "vfs_read"};
	uint32_t id = 0;
	int fd;
	bool ok;

	for (size_t i = 0; i < ARRAY_SIZE(funcs) && !id; i++)
		id = own_id(k, funcs[i], BTF_KIND_FUNC);
	fd = load_tracing(BPF_TRACE_FENTRY, id);
	ok = fd >= 0 && close_ok(bpf_raw_tp_open(NULL, fd, 0, NULL));
	close_ok(fd);
	return ok;
}

/* ---- links ---------------------------------------------------------------------------- */

/* "/" is no regular file: EBADF, once the kernel has understood all the rest. */
static bool try_uprobe_multi(uint32_t attach, bool session)
{
	int fd = load_empty(BPF_PROG_TYPE_KPROBE, attach);
	uint64_t offset = 0;
	struct uprobe_multi u = {.path = "/", .offsets = &offset, .count = 1, .session = session};
	int r = fd < 0 ? fd : bpf_uprobe_multi_open(fd, &u, NULL);

	close_ok(fd);
	return close_ok(r) || r == -EBADF;
}

static bool has_uprobe_multi(struct kernel *k)
{
	return try_uprobe_multi(ATTACH_UPROBE_MULTI, false);
}

static bool has_uprobe_session(struct kernel *k)
{
	return try_uprobe_multi(ATTACH_UPROBE_SESSION, true);
}

/* The system call that such a probe makes answers ENXIO to anybody else. */
static bool has_uprobe_call(struct kernel *k)
{
#ifdef __x86_64__
	return syscall(336) < 0 && errno == ENXIO;
#else
	return false;
#endif
}

/* bpf_get_func_ip loads in any kprobe program but gives 0 in uprobes of older kernels. Finding out
 * by firing a uprobe costs 50 ms of detaching; the fix and uprobe_multi are one series of patches.
 */
static bool has_get_func_ip(struct kernel *k)
{
	return kernel_has(k, FEATURE_UPROBE_MULTI);
}

static bool try_kprobe_multi(uint32_t attach, bool session)
{
	static const char *const names[] = {"awl_no_such_function"};
	int fd = load_empty(BPF_PROG_TYPE_KPROBE, attach);
	struct kprobe_multi u = {.names = names, .count = 1, .session = session};
	int r = fd < 0 ? fd : bpf_kprobe_multi_open(fd, &u, NULL);

	close_ok(fd);
	return close_ok(r) || r == -ESRCH || r == -ENOENT;
}

static bool has_kprobe_multi(struct kernel *k)
{
	return try_kprobe_multi(BPF_TRACE_KPROBE_MULTI, false);
}

static bool has_kprobe_session(struct kernel *k)
{
	return try_kprobe_multi(ATTACH_KPROBE_SESSION, true);
}

static bool has_perf_link(struct kernel *k)
{
	int fd = load_empty(BPF_PROG_TYPE_TRACEPOINT, 0);
	int r = fd < 0 ? fd : bpf_link_make(fd, -1, BPF_PERF_EVENT, 0, NULL);

	close_ok(fd);
	return close_ok(r) || r == -EBADF;
}

static bool has_raw_tp_cookie(struct kernel *k)
{
	int fd = load_empty(BPF_PROG_TYPE_RAW_TRACEPOINT, 0);
	int r = fd < 0 ? fd : bpf_raw_tp_open("awl_no_such_tracepoint", fd, 1, NULL);

	close_ok(fd);
	return close_ok(r) || r == -ENOENT;
}

/* ---- maps ----------------------------------------------------------------------------- */

static int make_map(enum bpf_map_type type, uint32_t key, uint32_t value, uint32_t entries,
		    uint32_t flags)
{
	struct map_spec m = {"awl_probe", type, key, value, entries, flags};

	return bpf_map_make(&m, NULL);
}

static bool has_ringbuf(struct kernel *k)
{
	return close_ok(make_map(BPF_MAP_TYPE_RINGBUF, 0, 0, sysconf(_SC_PAGESIZE), 0));
}

/* Older kernels want keys to fit on a program's stack. */
static bool has_long_keys(struct kernel *k)
{
	return close_ok(make_map(BPF_MAP_TYPE_HASH, 1024, 8, 1, 0));
}

static bool has_mmapable(struct kernel *k)
{
	return close_ok(make_map(BPF_MAP_TYPE_ARRAY, 4, 8, 1, BPF_F_MMAPABLE));
}

static bool has_batch(struct kernel *k)
{
	uint32_t out, key, n = 1;
	uint64_t value;
	int fd = make_map(BPF_MAP_TYPE_HASH, 4, 8, 1, 0);
	int r = fd < 0 ? fd : bpf_map_batch(fd, NULL, &out, &key, &value, &n, false);

	close_ok(fd);
	return r == 0 || r == -ENOENT;
}

/* Older verifiers refuse such maps in perf_event programs and only warn for kprobes, where they can
 * deadlock: the answer for both is the first one's. */
static bool has_no_prealloc(struct kernel *k)
{
	int map = make_map(BPF_MAP_TYPE_HASH, 4, 8, 1, BPF_F_NO_PREALLOC);
	const struct bpf_insn insns[] = {INSN(BPF_ST | BPF_MEM | BPF_W, 10, 0, -4, 0),
					 INSN(BPF_ALU64 | BPF_MOV | BPF_X, 2, 10, 0, 0),
					 INSN(BPF_ALU64 | BPF_ADD | BPF_K, 2, 0, 0, -4),
					 LD_MAP(1, map),
					 CALL(BPF_FUNC_map_lookup_elem),
					 MOV(0, 0),
					 EXIT};
	bool ok = map >= 0 && close_ok(load(BPF_PROG_TYPE_PERF_EVENT, 0, insns, ARRAY_SIZE(insns)));

	close_ok(map);
	return ok;
}

/* ---- the rest ------------------------------------------------------------------------- */

static bool has_btf(struct kernel *k)
{
	if (!k->btf_tried && btf_is_shown(k))
		return true;
	return (k->btf_tried || k->paths.given_btf) && kernel_btf(k, NULL);
}

static bool has_uprobe(struct kernel *k)
{
	return perf_pmu_type("uprobe", NULL) > 0;
}

static bool has_kprobe(struct kernel *k)
{
	return perf_pmu_type("kprobe", NULL) > 0;
}

static bool has_hardware(struct kernel *k)
{
	struct perf_event_attr a = {
		.type = PERF_TYPE_HARDWARE, .config = PERF_COUNT_HW_CPU_CYCLES, .disabled = 1};

	return close_ok(perf_open(&a, 0, -1, NULL)) || close_ok(perf_open(&a, -1, 0, NULL));
}

/* Any address that is not zero in the first lines shows that they are not hidden. */
static bool has_kallsyms(struct kernel *k)
{
	const char *path = k->paths.kallsyms ? k->paths.kallsyms : "/proc/kallsyms";
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char text[4096];
	ssize_t n;

	if (fd < 0)
		return false;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[MAX(n, 0)] = 0;
	for (const char *l = text; l && *l; l = strchr(l, '\n'), l = l ? l + 1 : NULL)
		if (strspn(l, "0") < strcspn(l, " "))
			return true;
	return false;
}

static bool has_tracefs(struct kernel *k)
{
	return kernel_tracefs(k, NULL) >= 0;
}

static const struct {
	const char *name, *text;
} rows[FEATURE_COUNT] = {
#define FEATURE(id, words) [FEATURE_##id] = {.name = #id, .text = words},
#include "base/feature.def"
#undef FEATURE
};

static bool (*const probes[FEATURE_COUNT])(struct kernel *k) = {
	[FEATURE_BTF] = has_btf,
	[FEATURE_RINGBUF] = has_ringbuf,
	[FEATURE_UPROBE] = has_uprobe,
	[FEATURE_UPROBE_MULTI] = has_uprobe_multi,
	[FEATURE_UPROBE_SESSION] = has_uprobe_session,
	[FEATURE_UPROBE_CALL] = has_uprobe_call,
	[FEATURE_KPROBE] = has_kprobe,
	[FEATURE_KPROBE_MULTI] = has_kprobe_multi,
	[FEATURE_KPROBE_SESSION] = has_kprobe_session,
	[FEATURE_FENTRY] = has_fentry,
	[FEATURE_RAW_TP] = has_raw_tp,
	[FEATURE_TP_BTF] = has_tp_btf,
	[FEATURE_PERF_LINK] = has_perf_link,
	[FEATURE_RAW_TP_COOKIE] = has_raw_tp_cookie,
	[FEATURE_HARDWARE] = has_hardware,
	[FEATURE_ITER] = has_iter,
	[FEATURE_LOOP] = has_loop,
	[FEATURE_MAY_GOTO] = has_may_goto,
	[FEATURE_PERCPU_LOOKUP] = has_percpu_lookup,
	[FEATURE_ITER_PATH] = has_iter_path,
	[FEATURE_SOCKET_COOKIE] = has_socket_cookie,
	[FEATURE_ATOMIC_FETCH] = has_atomic_fetch,
	[FEATURE_LONG_KEYS] = has_long_keys,
	[FEATURE_CPU_V4] = has_cpu_v4,
	[FEATURE_FOR_EACH_MAP] = has_for_each_map,
	[FEATURE_NO_PREALLOC] = has_no_prealloc,
	[FEATURE_BATCH] = has_batch,
	[FEATURE_TASK_BTF] = has_task_btf,
	[FEATURE_PROBE_READ_KERNEL] = has_probe_read_kernel,
	[FEATURE_KTIME_BOOT] = has_ktime_boot,
	[FEATURE_KTIME_TAI] = has_ktime_tai,
	[FEATURE_GET_FUNC_IP] = has_get_func_ip,
	[FEATURE_KPROBE_FUNC_IP] = has_kprobe_func_ip,
	[FEATURE_COMM_PADS] = has_comm_pads,
	[FEATURE_COOKIE] = has_cookie,
	[FEATURE_SEND_SIGNAL] = has_send_signal,
	[FEATURE_WRITE_USER] = has_write_user,
	[FEATURE_OVERRIDE] = has_override,
	[FEATURE_RDONLY_CAST] = has_rdonly_cast,
	[FEATURE_STRNCMP] = has_strncmp,
	[FEATURE_MMAPABLE] = has_mmapable,
	[FEATURE_TEST_RUN_RAW_TP] = has_test_run,
	[FEATURE_COPY_FROM_USER] = has_copy_from_user,
	[FEATURE_KALLSYMS] = has_kallsyms,
	[FEATURE_TRACEFS] = has_tracefs,
	[FEATURE_LOCKDOWN_OPEN] = has_lockdown_open,
};

static enum feature find(struct str name)
{
	for (int f = FEATURE_NONE + 1; f < FEATURE_COUNT; f++)
		if (str_is(name, rows[f].name))
			return f;
	return FEATURE_NONE;
}

/* Names that a later version of awl may have written are passed over. */
static void read_features(struct kernel *k)
{
	struct buf b = BUF_INIT;
	struct str text;

	buf_read_file(&b, k->paths.features, 1 << 16);
	text = (struct str){buf_cstr(&b), b.n};
	while (text.n) {
		struct str line = str_cut(&text, '\n');
		enum feature f = find(str_trim(str_cut(&line, '#')));

		if (f && !k->has[f])
			k->has[f] = 1;
	}
	for (int f = 0; f < FEATURE_COUNT; f++)
		k->has[f] = k->has[f] ? k->has[f] : -1;
	buf_release(&b);
}

bool kernel_has(struct kernel *k, enum feature f)
{
	if (f == FEATURE_NONE)
		return true;
	if (f >= FEATURE_COUNT)
		BUG("feature %d", f);
	if (!k->has[f] && k->paths.features)
		read_features(k);
	if (!k->has[f]) {
		kernel_record_pause(k, 1); /* what trying asks is nobody's business */
		k->has[f] = probes[f](k) ? 1 : -1;
		kernel_record_pause(k, -1);
	}
	return kernel_fact(k, FACT_FEATURE, rows[f].name, "", k->has[f] > 0);
}

void kernel_force(struct kernel *k, enum feature f, bool has)
{
	if (f > FEATURE_NONE && f < FEATURE_COUNT)
		k->has[f] = has ? 1 : -1;
}

const char *feature_name(enum feature f)
{
	return f > FEATURE_NONE && f < FEATURE_COUNT ? rows[f].name : "NONE";
}

const char *feature_text(enum feature f)
{
	return f > FEATURE_NONE && f < FEATURE_COUNT ? rows[f].text : "nothing special";
}
