/* A compiled program made by hand: maps, events and instructions, without any of the compiler.
 *
 *   map 0  .ring      map 1  .globals (lost at 0, exit at 64, pending at 72 …)      map 2…  the
 * test's
 *
 * The program `emit` of emit_insns() sends `count` records {u32 id; u32 n; u64 n * n} and counts
 * those that found the ring full. */
#ifndef AWL_TEST_RUNTIME_FIXTURE_H
#define AWL_TEST_RUNTIME_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include <linux/capability.h>

#include "runtime/mapread.h"

enum { MAP_RING, MAP_GLOBALS, MAP_FIRST };

enum {
	OFF_LOST = 0,
	OFF_EXIT = 64,
	OFF_PENDING = 72,
	OFF_START = 80,
	OFF_MAP_LOST = 88,
	OFF_COUNT = 96,
	GLOBALS_SIZE = 128
};

#define INSN(c, d, s, o, i) \
	((struct bpf_insn){.code = (c), .dst_reg = (d), .src_reg = (s), .off = (o), .imm = (i)})
#define MOV_IMM(d, i)     INSN(BPF_ALU64 | BPF_MOV | BPF_K, d, 0, 0, i)
#define MOV_REG(d, s)     INSN(BPF_ALU64 | BPF_MOV | BPF_X, d, s, 0, 0)
#define ALU_IMM(op, d, i) INSN(BPF_ALU64 | (op) | BPF_K, d, 0, 0, i)
#define ALU_REG(op, d, s) INSN(BPF_ALU64 | (op) | BPF_X, d, s, 0, 0)
#define LD_MAP(d, m) \
	INSN(BPF_LD | BPF_IMM | BPF_DW, d, BPF_PSEUDO_MAP_FD, 0, m), INSN(0, 0, 0, 0, 0)
#define LD_VAL(d, m, off) \
	INSN(BPF_LD | BPF_IMM | BPF_DW, d, BPF_PSEUDO_MAP_VALUE, 0, m), INSN(0, 0, 0, 0, off)
#define CALL(f)                INSN(BPF_JMP | BPF_CALL, 0, 0, 0, f)
#define JMP_IMM(op, d, i, o)   INSN(BPF_JMP | (op) | BPF_K, d, 0, o, i)
#define STORE_IMM(sz, d, o, i) INSN(BPF_ST | BPF_MEM | (sz), d, 0, o, i)
#define STORE(sz, d, o, s)     INSN(BPF_STX | BPF_MEM | (sz), d, s, o, 0)
#define LOAD(sz, d, s, o)      INSN(BPF_LDX | BPF_MEM | (sz), d, s, o, 0)
#define ATOMIC_ADD(d, o, s)    INSN(BPF_STX | BPF_ATOMIC | BPF_DW, d, s, o, BPF_ADD)
#define EXIT                   INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)

struct fixture {
	struct program p;
	struct program_map maps[8];
	struct program_prog progs[4];
	struct event_def *events[8];
	struct event_def defs[8];
	struct kernel *kernel;
	struct out out;
	struct buf messages;
	struct run_opts opts;
	struct run *run;
	int pipe[2];
};

static inline void fixture_message(void *arg, enum run_level level, const char *text)
{
	struct fixture *f = arg;

	buf_printf(&f->messages, "%d: %s\n", (int)level, text);
}

static inline void fixture_init(struct fixture *f, enum out_format format)
{
	*f = (struct fixture){0};
	f->kernel = kernel_new(NULL);
	f->p.arena = arena_new();
	f->p.types = types_new(f->p.arena, f->kernel);
	f->p.diag = diag_new(f->p.arena);
	f->p.config.str_trunc_trailer = "..";
	f->p.config.print_maps_on_exit = true;
	f->p.maps = f->maps;
	f->p.progs = f->progs;
	f->p.events = f->events;
	f->p.ring = MAP_RING;
	f->p.globals = MAP_GLOBALS;
	f->p.scratch = f->p.stacks = f->p.followed = f->p.cgroups = NO_MAP;
	f->p.unwind_procs = f->p.unwind_images = NO_MAP;
	f->p.lost_off = OFF_LOST;
	f->p.exit_off = OFF_EXIT;
	f->p.start_off = OFF_START;
	f->maps[MAP_RING] = (struct program_map){
		.name = ".ring",
		.spec = {.name = "ring", .type = BPF_MAP_TYPE_RINGBUF, .max_entries = 64 << 10}};
	f->maps[MAP_GLOBALS] = (struct program_map){.name = ".globals",
						    .mmapable = true,
						    .spec = {.name = "globals",
							     .type = BPF_MAP_TYPE_ARRAY,
							     .key_size = 4,
							     .value_size = GLOBALS_SIZE,
							     .max_entries = 1,
							     .flags = BPF_F_MMAPABLE}};
	f->p.nmaps = MAP_FIRST;
	out_init(&f->out, -1, format, OUT_FULL);
	f->opts = (struct run_opts){.kernel = f->kernel,
				    .out = &f->out,
				    .child_go = -1,
				    .message = fixture_message,
				    .arg = f};
	assert_int_equal(pipe(f->pipe), 0);
	f->out.fd = f->pipe[1];
}

static inline struct program_map *fixture_map(struct fixture *f, const char *name,
					      enum bpf_map_type type, const struct type *key,
					      const struct type *value)
{
	struct program_map *m = &f->maps[f->p.nmaps++];

	*m = (struct program_map){
		.name = name, .user = true, .key = key, .nkeys = 1, .value = value};
	m->spec = (struct map_spec){.name = name,
				    .type = type,
				    .key_size = key ? key->size : 4,
				    .value_size = value->size,
				    .max_entries = key ? 1000 : 1};
	m->percpu = type == BPF_MAP_TYPE_PERCPU_HASH || type == BPF_MAP_TYPE_PERCPU_ARRAY;
	m->scalar = key == NULL;
	return m;
}

static inline void fixture_release(struct fixture *f)
{
	run_free(f->run);
	out_release(&f->out);
	buf_release(&f->messages);
	kernel_free(f->kernel);
	arena_free(f->p.arena);
	close(f->pipe[0]);
	close(f->pipe[1]);
}

/* Skips the test where programs cannot be loaded. */
static inline void fixture_need_bpf(struct fixture *f)
{
	static const int caps[] = {CAP_BPF, CAP_PERFMON};
	char missing[64];

	if (caps_check(caps, ARRAY_SIZE(caps), missing, sizeof(missing)))
		return;
	fixture_release(f);
	print_message("# skipped: no %s\n", missing);
	skip();
}

static inline void fixture_start(struct fixture *f)
{
	struct err e = {0};

	fixture_need_bpf(f);

	f->run = run_new(&f->p, &f->opts);
	if (run_load(f->run, &e) < 0)
		fail_msg("load: %s\n%s", e.what, buf_cstr(&f->messages));
}

/* What was written so far (and not flushed to the pipe). */
static inline const char *fixture_text(struct fixture *f)
{
	return buf_cstr(&f->out.b);
}

#endif
