/* Whole runs of hand-written programs: exact numbers of events, losses, control events that found
 * the ring full, begin and end, callbacks (which need BTF), libraries' callbacks. */
#include <errno.h>
#include <linux/btf.h>
#include <sys/wait.h>
#include "fixture.h"

/* ---- programs
 * ------------------------------------------------------------------------------------- */

/* for (n = 0; n < count; n++) send {id 0, n, n * n}, or count a loss. Uses no helper but the
 * ring's. */
static size_t emit_insns(struct bpf_insn *out, int count)
{
	const struct bpf_insn insns[] = {
		MOV_IMM(6, 0),
		/* next: */
		LD_MAP(1, MAP_RING),
		MOV_IMM(2, 16),
		MOV_IMM(3, 0),
		CALL(BPF_FUNC_ringbuf_reserve),
		JMP_IMM(BPF_JEQ, 0, 0, 9),
		STORE_IMM(BPF_W, 0, 0, 0),
		STORE(BPF_W, 0, 4, 6),
		MOV_REG(1, 6),
		ALU_REG(BPF_MUL, 1, 6),
		STORE(BPF_DW, 0, 8, 1),
		MOV_REG(1, 0),
		MOV_IMM(2, 0),
		CALL(BPF_FUNC_ringbuf_submit),
		INSN(BPF_JMP | BPF_JA, 0, 0, 4, 0),
		/* full: */
		LD_VAL(1, MAP_GLOBALS, OFF_LOST),
		MOV_IMM(2, 1),
		ATOMIC_ADD(1, 0, 2),
		ALU_IMM(BPF_ADD, 6, 1),
		JMP_IMM(BPF_JLT, 6, count, -21),
		MOV_IMM(0, 0),
		EXIT,
	};

	memcpy(out, insns, sizeof(insns));
	return ARRAY_SIZE(insns);
}

/* globals[off] += 1 */
static size_t raise_insns(struct bpf_insn *out, int off)
{
	const struct bpf_insn insns[] = {
		LD_VAL(1, MAP_GLOBALS, off),
		MOV_IMM(2, 1),
		ATOMIC_ADD(1, 0, 2),
		MOV_IMM(0, 0),
		EXIT,
	};

	memcpy(out, insns, sizeof(insns));
	return ARRAY_SIZE(insns);
}

/* ---- providers and events
 * ------------------------------------------------------------------------- */

static int attach_begin(struct attach_env *env, const struct attach_prog *p, struct err *e)
{
	env->at_begin(env, p->fd);
	return 0;
}

static int attach_end(struct attach_env *env, const struct attach_prog *p, struct err *e)
{
	env->at_end(env, p->fd);
	return 0;
}

static int attach_never(struct attach_env *env, const struct attach_prog *p, struct err *e)
{
	return err_set(e, ENOENT, "find function %s", p->name);
}

static const struct provider begin = {.name = "begin", .once = true, .attach = attach_begin};
static const struct provider end = {.name = "end", .once = true, .attach = attach_end};
static const struct provider never = {.name = "never", .attach = attach_never};

static void add_prog(struct fixture *f, const struct provider *prov, struct bpf_insn *insns,
		     size_t n)
{
	static struct attach_target target = {.name = "t"};

	f->progs[f->p.nprogs++] = (struct program_prog){.name = "test",
							.title = prov->name,
							.prov = prov,
							.targets = &target,
							.ntargets = 1,
							.type = BPF_PROG_TYPE_RAW_TRACEPOINT,
							.code = {.insns = insns, .n = n}};
}

struct seen {
	uint64_t n, sum, controls;
};

static struct seen seen;

static void on_number(struct host *h, const struct event_def *def, const void *rec, size_t len)
{
	const struct {
		uint32_t id, n;
		uint64_t square;
	} *e = rec;

	assert_int_equal(e->square, (uint64_t)e->n * e->n);
	seen.n++;
	seen.sum += e->n;
}

static void on_printf(struct host *h, const struct event_def *def, const void *rec, size_t len)
{
	struct buf b = BUF_INIT;

	h->format(h, def, rec, &b);
	h->emit(h, "printf", (struct str){b.p, b.n});
	buf_release(&b);
}

static void on_control(struct host *h, const struct event_def *def, const void *rec, size_t len)
{
	assert_null(rec);
	seen.controls++;
	h->exit(h, 7);
}

static const struct event_kind number_kind = {.name = "number", .handle = on_number};
static const struct event_kind printf_kind = {.name = "printf", .handle = on_printf};
static const struct event_kind control_kind = {
	.name = "exit", .control = true, .handle = on_control};

static void add_event(struct fixture *f, const struct event_kind *kind)
{
	struct event_def *d = &f->defs[f->p.nevents];

	*d = (struct event_def){.id = (uint32_t)f->p.nevents,
				.kind = kind,
				.size = kind->control ? 8 : 16,
				.map = NO_MAP,
				.span = NO_SPAN};
	if (kind->control)
		d->pending_off = OFF_PENDING;
	f->events[f->p.nevents++] = d;
}

static void add_format(struct fixture *f)
{
	static struct event_field fields[2];
	static struct conv convs[3];
	static struct format format = {.convs = convs, .n = 3, .nargs = 2};

	add_event(f, &printf_kind);
	fields[0] = (struct event_field){type_int(f->p.types, 4, false), 4};
	fields[1] = (struct event_field){type_int(f->p.types, 8, false), 8};
	convs[0] = (struct conv){.spec = 'd', .width = -1, .prec = -1};
	convs[1] = (struct conv){.literal = STR("^2="), .spec = 'd', .width = -1, .prec = -1};
	convs[2] = (struct conv){.literal = STR("\n"), .width = -1, .prec = -1};
	f->defs[0].fields = fields;
	f->defs[0].nfields = 2;
	f->defs[0].format = &format;
}

static int whole_run(struct fixture *f)
{
	struct err e = {0};
	int ret = run_attach(f->run, &e);

	if (ret == 0)
		ret = run_loop(f->run, &e);
	if (ret >= 0)
		ret = run_finish(f->run, &e);
	if (ret < 0)
		fail_msg("run: %s", e.what);
	return ret;
}

/* ---- tests
 * ---------------------------------------------------------------------------------------- */

static void every_event_arrives(void **state)
{
	struct bpf_insn insns[64];
	struct fixture f;

	seen = (struct seen){0};
	fixture_init(&f, OUT_TEXT);
	add_event(&f, &number_kind);
	add_prog(&f, &begin, insns, emit_insns(insns, 1000));
	add_prog(&f, &end, insns, emit_insns(insns, 1000));
	f.p.only_once = true;
	fixture_start(&f);
	assert_int_equal(whole_run(&f), 0);
	assert_int_equal(seen.n, 2000);
	assert_int_equal(seen.sum, 2 * 999 * 1000 / 2);
	assert_int_equal(run_lost(f.run, LOST_RING), 0);
	assert_string_equal(buf_cstr(&f.messages), "0: Attached 2 probes\n");
	fixture_release(&f);
}

/* Events many times the ring's size pass through it, in order, when it is emptied in between. */
static void the_ring_goes_round(void **state)
{
	struct bpf_insn insns[64];
	struct fixture f;
	struct err e = {0};

	seen = (struct seen){0};
	fixture_init(&f, OUT_TEXT);
	add_event(&f, &number_kind);
	add_prog(&f, &begin, insns, emit_insns(insns, 1000));
	fixture_start(&f);
	for (int i = 0; i < 500; i++) {
		assert_int_equal(attach_test_run(f.run->prog_fds[0], NULL, &e), 0);
		event_drain(f.run, UINT64_MAX);
	}
	assert_int_equal(seen.n, 500000);
	assert_int_equal(run_lost(f.run, LOST_RING), 0);
	assert_int_equal(ring_used(&f.run->ring), 0);
	fixture_release(&f);
}

static void printed_and_lost_is_what_happened(void **state)
{
	struct bpf_insn insns[64];
	struct fixture f;
	char want[64];

	seen = (struct seen){0};
	fixture_init(&f, OUT_TEXT);
	f.maps[MAP_RING].spec.max_entries = 4096;
	add_event(&f, &number_kind);
	add_prog(&f, &begin, insns, emit_insns(insns, 1000));
	f.p.only_once = true;
	fixture_start(&f);
	assert_int_equal(whole_run(&f), 0);
	assert_true(seen.n > 0 && seen.n < 1000);
	assert_int_equal(seen.n + run_lost(f.run, LOST_RING), 1000);
	snprintf(want, sizeof(want), "1: Lost %d events: the ring buffer (4 KiB) was full",
		 1000 - (int)seen.n);
	assert_non_null(strstr(buf_cstr(&f.messages), want));
	fixture_release(&f);
}

static void control_events_are_never_lost(void **state)
{
	struct bpf_insn insns[64], more[16];
	struct fixture f;

	seen = (struct seen){0};
	fixture_init(&f, OUT_TEXT);
	add_event(&f, &number_kind);
	add_event(&f, &control_kind);
	add_prog(&f, &begin, insns, emit_insns(insns, 10));
	add_prog(&f, &begin, more, raise_insns(more, OFF_PENDING));
	fixture_start(&f);
	assert_int_equal(whole_run(&f), 7);
	assert_int_equal(seen.n, 10);
	assert_int_equal(seen.controls, 1);
	fixture_release(&f);
}

/* exit() in a begin program: nothing else is attached, but end runs. */
static void exit_in_begin(void **state)
{
	struct bpf_insn leave[16], count[16], insns[64];
	struct fixture f;

	seen = (struct seen){0};
	fixture_init(&f, OUT_TEXT);
	add_event(&f, &number_kind);
	add_prog(&f, &begin, leave, raise_insns(leave, OFF_EXIT));
	add_prog(&f, &never, count, raise_insns(count, OFF_COUNT));
	add_prog(&f, &end, insns, emit_insns(insns, 3));
	fixture_start(&f);
	assert_int_equal(whole_run(&f), 0);
	assert_int_equal(seen.n, 3);
	fixture_release(&f);
}

static void what_cannot_be_attached(void **state)
{
	struct bpf_insn insns[16];
	struct fixture f;
	struct err e = {0};

	fixture_init(&f, OUT_TEXT);
	add_prog(&f, &never, insns, raise_insns(insns, OFF_COUNT));
	fixture_start(&f);
	assert_int_equal(run_attach(f.run, &e), -ENOENT);
	assert_string_equal(e.what, "attach never: find function never: No such file or directory");
	fixture_release(&f);

	fixture_init(&f, OUT_TEXT);
	f.p.config.missing_probes = MISSING_WARN;
	add_prog(&f, &never, insns, raise_insns(insns, OFF_COUNT));
	add_prog(&f, &end, insns, raise_insns(insns, OFF_COUNT));
	fixture_start(&f);
	assert_int_equal(run_attach(f.run, &e), 0);
	assert_non_null(strstr(buf_cstr(&f.messages), "1: attach never: find function never"));
	assert_non_null(strstr(buf_cstr(&f.messages), "0: Attached 1 probe\n"));
	fixture_release(&f);
}

static void text_and_json(void **state)
{
	static const char *const want[] = {
		"0^2=0\n1^2=1\n2^2=4\n\n\n",
		"{\"type\": \"attached_probes\", \"count\": 1, \"data\": {\"probes\": 1}}\n"
		"{\"type\": \"printf\", \"data\": \"0^2=0\\n\"}\n"
		"{\"type\": \"printf\", \"data\": \"1^2=1\\n\"}\n"
		"{\"type\": \"printf\", \"data\": \"2^2=4\\n\"}\n",
	};
	struct bpf_insn insns[64];
	char got[1024];

	for (int json = 0; json < 2; json++) {
		struct fixture f;
		ssize_t n;

		fixture_init(&f, json ? OUT_JSON : OUT_TEXT);
		add_format(&f);
		add_prog(&f, &begin, insns, emit_insns(insns, 3));
		f.p.only_once = true;
		fixture_start(&f);
		assert_int_equal(whole_run(&f), 0);
		n = read(f.pipe[0], got, sizeof(got) - 1);
		assert_true(n >= 0);
		got[n] = 0;
		assert_string_equal(got, want[json]);
		fixture_release(&f);
	}
}

static void on_record(void *arg, const char *type, const char *text, size_t n)
{
	struct fixture *f = arg;

	buf_printf(&f->messages, "%s %.*s", type, (int)n, text);
}

static void library_users_get_records(void **state)
{
	struct bpf_insn insns[64];
	struct fixture f;
	struct err e = {0};

	fixture_init(&f, OUT_TEXT);
	f.opts.record = on_record;
	f.opts.quiet = true;
	add_format(&f);
	add_prog(&f, &begin, insns, emit_insns(insns, 2));
	f.p.only_once = true;
	fixture_start(&f);
	assert_int_equal(run_attach(f.run, &e), 0);
	assert_int_equal(run_poll(f.run, 100), 2);
	assert_int_equal(run_poll(f.run, 100), -1);
	assert_int_equal(run_finish(f.run, &e), 0);
	assert_string_equal(buf_cstr(&f.messages), "printf 0^2=0\nprintf 1^2=1\n");
	assert_int_equal(f.out.b.n, 0);
	fixture_release(&f);
}

/* run_stop() ends a loop that has nothing to do. */
static void *stop_later(void *arg)
{
	usleep(20000);
	run_stop(arg);
	return NULL;
}

static void stopped_from_outside(void **state)
{
	struct bpf_insn insns[16];
	struct fixture f;
	pthread_t t;

	fixture_init(&f, OUT_TEXT);
	add_prog(&f, &end, insns, raise_insns(insns, OFF_COUNT));
	fixture_start(&f);
	assert_int_equal(pthread_create(&t, NULL, stop_later, f.run), 0);
	assert_int_equal(whole_run(&f), 0);
	pthread_join(t, NULL);
	assert_int_equal(*run_global(f.run, OFF_COUNT), 1);
	fixture_release(&f);
}

/* bpf_loop(5, callback, NULL, 0): the kernel asks for function information. */
static void callbacks_are_loaded_with_btf(void **state)
{
	struct bpf_insn insns[] = {
		MOV_IMM(1, 5),
		INSN(BPF_LD | BPF_IMM | BPF_DW, 2, BPF_PSEUDO_FUNC, 0, 6),
		INSN(0, 0, 0, 0, 0),
		MOV_IMM(3, 0),
		MOV_IMM(4, 0),
		CALL(BPF_FUNC_loop),
		MOV_IMM(0, 0),
		EXIT,
		LD_VAL(1, MAP_GLOBALS, OFF_COUNT), /* the callback */
		MOV_IMM(2, 1),
		ATOMIC_ADD(1, 0, 2),
		MOV_IMM(0, 0),
		EXIT,
	};
	struct span spans[ARRAY_SIZE(insns)] = {{0}};
	struct ir_func_info funcs[] = {{"main", 0, IR_ENTRY, 1}, {"body.1", 8, IR_CALLBACK, 2}};
	struct fixture f;
	struct err e = {0};

	for (int verbose = 0; verbose < 2; verbose++) {
		fixture_init(&f, OUT_TEXT);
		diag_add_source(f.p.diag, "x.bt", STR("begin { }\n"));
		f.opts.verbose = verbose;
		add_prog(&f, &begin, insns, ARRAY_SIZE(insns));
		f.progs[0].code.funcs = funcs;
		f.progs[0].code.nfuncs = 2;
		f.progs[0].code.spans = spans;
		fixture_start(&f);
		assert_int_equal(attach_test_run(f.run->prog_fds[0], NULL, &e), 0);
		assert_int_equal(*run_global(f.run, OFF_COUNT), 5);
		fixture_release(&f);
	}
}

/* A reader that went away ends the run without an error. */
static void closed_pipe(void **state)
{
	struct bpf_insn insns[64];
	struct fixture f;

	signal(SIGPIPE, SIG_IGN);
	fixture_init(&f, OUT_TEXT);
	f.out.buffering = OUT_LINE;
	add_format(&f);
	close(f.pipe[0]);
	add_prog(&f, &begin, insns, emit_insns(insns, 100));
	fixture_start(&f);
	assert_int_equal(whole_run(&f), 0);
	assert_int_equal(f.out.error, EPIPE);
	f.pipe[0] = dup(f.pipe[1]);
	fixture_release(&f);
}

/* ---- links, signals, processes
 * --------------------------------------------------------------------- */

static int attach_sys_enter(struct attach_env *env, const struct attach_prog *p, struct err *e)
{
	int fd = bpf_raw_tp_open("sys_enter", p->fd, 0, e);

	env->own_fd(env, fd, true);
	return fd < 0 ? fd : 0;
}

static int attach_iter(struct attach_env *env, const struct attach_prog *p, struct err *e)
{
	int fd = bpf_link_make(p->fd, 0, BPF_TRACE_ITER, 0, e);

	if (fd >= 0)
		env->iterate(env, fd);
	return fd < 0 ? fd : 0;
}

static int attach_usr1(struct attach_env *env, const struct attach_prog *p, struct err *e)
{
	env->on_signal(env, SIGUSR1, p->fd);
	return 0;
}

static const struct provider sys_enter = {.name = "rawtracepoint", .attach = attach_sys_enter};
static const struct provider iter = {.name = "iter", .once = true, .attach = attach_iter};
static const struct provider usr1 = {.name = "self", .attach = attach_usr1};

static void detached_programs_do_not_run(void **state)
{
	struct bpf_insn insns[16];
	struct fixture f;
	struct err e = {0};
	uint64_t n;

	fixture_init(&f, OUT_TEXT);
	for (int i = 0; i < 4; i++)
		add_prog(&f, &sys_enter, insns, raise_insns(insns, OFF_COUNT));
	fixture_start(&f);
	assert_int_equal(run_attach(f.run, &e), 0);
	for (int i = 0; i < 10; i++)
		getppid();
	n = *run_global(f.run, OFF_COUNT);
	assert_true(n >= 40);
	assert_int_equal(run_finish(f.run, &e), 0);
	n = *run_global(f.run, OFF_COUNT);
	for (int i = 0; i < 10; i++)
		getppid();
	assert_int_equal(*run_global(f.run, OFF_COUNT), n);
	fixture_release(&f);
}

/* A program that only runs once: the run ends by itself when the iterator is at its end. */
static void iterators_are_read_to_their_end(void **state)
{
	struct bpf_insn insns[16];
	struct fixture f;

	fixture_init(&f, OUT_TEXT);
	add_prog(&f, &iter, insns, raise_insns(insns, OFF_COUNT));
	f.progs[0].type = BPF_PROG_TYPE_TRACING;
	f.progs[0].attach_type = BPF_TRACE_ITER;
	f.progs[0].attach_btf_id = kernel_btf_find(f.kernel, "bpf_iter_task", BTF_KIND_FUNC);
	f.p.only_once = true;
	fixture_start(&f);
	assert_int_equal(whole_run(&f), 0);
	assert_true(*run_global(f.run, OFF_COUNT) > 5);
	fixture_release(&f);
}

static void *signals_later(void *arg)
{
	usleep(20000);
	kill(getpid(), SIGUSR1);
	usleep(50000);
	kill(getpid(), SIGINT);
	return NULL;
}

static void signals_run_programs_and_end_the_run(void **state)
{
	struct bpf_insn insns[16];
	struct sigaction before, after;
	struct fixture f;
	pthread_t t;

	sigaction(SIGINT, NULL, &before);
	fixture_init(&f, OUT_TEXT);
	f.opts.handle_signals = true;
	add_prog(&f, &usr1, insns, raise_insns(insns, OFF_COUNT));
	fixture_start(&f);
	assert_int_equal(pthread_create(&t, NULL, signals_later, NULL), 0);
	assert_int_equal(whole_run(&f), 0);
	pthread_join(t, NULL);
	assert_int_equal(*run_global(f.run, OFF_COUNT), 1);
	sigaction(SIGINT, NULL, &after);
	assert_ptr_equal(before.sa_handler, after.sa_handler);
	fixture_release(&f);
}

static void the_end_of_the_target_ends_the_run(void **state)
{
	struct bpf_insn insns[16];
	struct fixture f;
	int pid = fork();

	if (pid == 0) {
		usleep(50000);
		_exit(0);
	}
	fixture_init(&f, OUT_TEXT);
	f.opts.pids = &pid;
	f.opts.npids = 1;
	add_prog(&f, &sys_enter, insns, raise_insns(insns, OFF_COUNT));
	fixture_start(&f);
	assert_int_equal(whole_run(&f), 0);
	waitpid(pid, NULL, 0);
	fixture_release(&f);
}

/* The command of -c waits for a byte, runs, and gets SIGTERM at the end. */
static void the_command_waits_until_all_is_attached(void **state)
{
	struct bpf_insn insns[16];
	struct fixture f;
	struct err e = {0};
	int go[2], pid, status;

	assert_int_equal(pipe(go), 0);
	pid = fork();
	if (pid == 0) {
		char c;

		signal(SIGTERM, SIG_DFL);
		_exit(read(go[0], &c, 1) == 1 ? pause() : 1);
	}
	fixture_init(&f, OUT_TEXT);
	f.opts.child = pid;
	f.opts.child_go = go[1];
	add_prog(&f, &end, insns, raise_insns(insns, OFF_COUNT));
	fixture_start(&f);
	assert_int_equal(run_attach(f.run, &e), 0);
	assert_int_equal(run_finish(f.run, &e), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
	close(go[0]);
	close(go[1]);
	fixture_release(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_event_arrives),
		cmocka_unit_test(the_ring_goes_round),
		cmocka_unit_test(printed_and_lost_is_what_happened),
		cmocka_unit_test(control_events_are_never_lost),
		cmocka_unit_test(exit_in_begin),
		cmocka_unit_test(what_cannot_be_attached),
		cmocka_unit_test(text_and_json),
		cmocka_unit_test(library_users_get_records),
		cmocka_unit_test(stopped_from_outside),
		cmocka_unit_test(callbacks_are_loaded_with_btf),
		cmocka_unit_test(closed_pipe),
		cmocka_unit_test(detached_programs_do_not_run),
		cmocka_unit_test(iterators_are_read_to_their_end),
		cmocka_unit_test(signals_run_programs_and_end_the_run),
		cmocka_unit_test(the_end_of_the_target_ends_the_run),
		cmocka_unit_test(the_command_waits_until_all_is_attached),
	};

	if (getuid() != 0)
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
