/* What the files of src/runtime share; nobody else includes it.
 *
 * One `struct run` is one program on the kernel. Its life is a line, and each stage has its file:
 *
 *   run_new ─ load.c ─── attach.c ─── loop.c ──── finish ─ run.c
 *             reject.c   links.c      ring.c      mapread.c
 *             btf.c      signal.c     event.c     mapdump.c
 *                                     fmt.c       order.c
 *                                     render.c    lost.c
 *                                     stack.c     remember.c
 *                                     ndjson.c  guard.c
 *
 * Ownership: map, program and link descriptors belong to the run and are closed by it; the program
 * and everything it points to belong to the caller and outlive the run. Nothing is pinned unless
 * the script asks for it, so the end of the process, however it comes, removes everything.
 *
 * Threads: all of this is one thread's, except closing links and reading iterators, which touch
 * descriptors only, and draining while begin and end programs run, when that thread waits.
 * run_stop() and signal handlers set flags and write to `wake_fd`.
 */
#ifndef AWL_RUNTIME_PRIV_H
#define AWL_RUNTIME_PRIV_H

#include <pthread.h>
#include <signal.h>
#include "runtime/runtime.h"

/* ---- ring.c --------------------------------------------------------------------------------- */

struct ring {
	uint64_t *cons_pos; /* mmapped for writing */
	const uint64_t *prod_pos;
	const uint8_t *data;
	uint64_t size; /* of the data, a power of two */
	size_t page;
	struct buf whole; /* the record that goes around the end */
};

typedef void (*ring_fn)(void *arg, const void *rec, size_t len);

int ring_open(struct ring *r, int fd, uint64_t size, struct err *e);
void ring_close(struct ring *r);
/* Gives each finished record to fn; at most about `limit` bytes are taken. Returns how many
 * records. */
size_t ring_drain(struct ring *r, uint64_t limit, ring_fn fn, void *arg);
uint64_t ring_used(const struct ring *r); /* bytes waiting, finished or not */

/* ---- fmt.c ---------------------------------------------------------------------------------- */

struct fmt;

/* Prepares a parsed format for fields: one op for each conversion, its function chosen once. */
struct fmt *fmt_new(struct arena *a, const struct format *f, const struct event_field *fields,
		    uint32_t nfields);
/* Appends the text. `raw`: bytes of strings are not escaped. */
void fmt_run(const struct fmt *f, struct render *r, bool raw, const void *rec, struct buf *out);
/* The same; fields without a type are the text `given`. */
void fmt_run_given(const struct fmt *f, struct render *r, bool raw, const void *rec,
		   struct str given, struct buf *out);

/* ---- render.c ------------------------------------------------------------------------------- */

struct text_opts {
	bool raw;     /* strings are not escaped */
	bool compact; /* no spaces behind commas: keys in JSON */
};

void render_text(struct render *r, struct text_opts o, const struct type *t, const void *v,
		 struct buf *out);
void render_json(struct render *r, const struct type *t, const void *v, struct buf *out);
/* Callback of struct render: text or JSON by r->json. */
void render_value(struct render *r, const struct type *t, const void *v, struct buf *out);
/* The bytes of a buffer. */
struct str value_bytes(const struct type *t, const void *v);
/* char[] shows as a string; uint8[] as numbers. */
bool value_is_chars(const struct type *t);
/* A string value: its bytes, without what is behind the NUL. `*cut` when it fills its capacity. */
struct str value_string(const struct type *t, const void *v, bool *cut);
/* An integer-like value (int, bool, enum, pointer, views and aggregations that are numbers). */
bool value_has_number(const struct type *t); /* has value_int something to say of such? */
bool value_int(const struct type *t, const void *v, uint64_t *out, bool *is_signed);
/* Order of values of one type: total, the same from run to run. */
int value_compare(struct types *ts, const struct type *t, const void *a, const void *b);
const char *render_trailer(const struct render *r);

/* ---- the run -------------------------------------------------------------------------------- */

struct owned {
	int fd;
	bool slow;
	uint32_t prog; /* index of the program it belongs to */
	uint64_t addr; /* of a watchpoint that watch() made; 0: of none */
};

struct progress {
	uint64_t next; /* when to say something again; 0: not begun */
};

struct signal_prog {
	int signo, fd;
	struct sigaction old;
};

struct trial {
	const char *name;
	int fd;
	bool bench;
};

enum run_state { RUN_NEW, RUN_LOADED, RUN_ATTACHED, RUN_FINISHED };

struct run {
	struct program *p;
	struct run_opts o;
	struct arena *arena;
	enum run_state state;
	struct host host;
	struct attach_env env;

	bool too_large;          /* a program is, for the verifier */
	int *map_fds, *prog_fds; /* -1: none */
	uint8_t *globals;        /* mmapped, NULL: none */
	size_t globals_size;
	struct ring ring;        /* size 0: none */
	struct packets *packets; /* NULL: no skboutput() */
	struct pcap_file *pcaps;
	struct profile *profile;     /* the document in the making; NULL: there will be none */
	struct out *document, aside; /* where it goes; where all else goes then */
	struct remember *remember;
	struct newfile *newfile;    /* NULL: not wanted */
	struct unwind *unwind;      /* NULL: no stack is unwound by tables */
	struct fmt **formats;       /* by event id, made at first use */
	struct baseline *baselines; /* by map */
	bool *cleared;              /* by map: clear() or zero() is called on it somewhere */
	bool *zeroed;               /* by map: zero() was the last of the two */

	struct ticker *ticker; /* NULL: no intervals */

	VEC(struct owned) links;
	VEC(int) begins;
	VEC(int) ends;
	VEC(int) iters;
	VEC(struct signal_prog) signals;
	VEC(struct trial) trials;
	struct buf *capture; /* a trial runs: what it prints goes there */
	int32_t retval;      /* of the last test run */
	size_t nerrors;      /* errorf() */
	size_t nsignals;     /* of them are installed */
	uint32_t cur_prog;   /* being attached */
	uint64_t cur_addr;   /* … by watch() */
	bool watch_failed;   /* said once */
	size_t nplaces, nprobes, nskipped;
	struct progress progress;

	int wake_fd;
	int *pid_fds; /* of the processes of the start that have not ended */
	size_t npid_fds;
	struct pollfd *poll; /* of sleep_turn, with room for pid_fds */
	bool roots_ended;    /* there were some, all have */
	uint8_t *followed;   /* mmapped; NULL: none */
	size_t nfollowed;
	uint64_t look_at; /* when follow_over() looks again */
	pthread_t iter_thread;
	bool iter_running;
	_Atomic bool iters_done;
	volatile sig_atomic_t stop; /* from run_stop() */
	uint64_t idle_ns;           /* how long the loop sleeps when nothing comes */
	bool done;                  /* leave the loop */
	bool handlers;              /* signal handlers are installed */
	struct sigaction old_int, old_term, old_pipe, old_usr1;
	int exit_code;
	bool exit_called;
	uint64_t bad_records;
	uint64_t missed; /* links_missed() of those that were closed */
	bool links_closed;
	struct guard *guard; /* NULL: no limits */
};

/* Messages of the environment to the caller; no newline at the end. With -f ndjson warnings and
 * errors are records as well. run_tell(): to the caller alone. */
void run_tell(struct run *r, enum run_level level, const char *text);
void run_message(struct run *r, enum run_level level, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* The u64 at `off` of the globals; NULL when there are none. */
uint64_t *run_global(struct run *r, uint32_t off);
/* Closes the gate (exit_off not 0: programs leave at their start) or opens it. What a begin program
 * that runs behind it leaves there is exit()'s. */
void run_gate(struct run *r, bool closed);
void run_gate_unless_exited(struct run *r); /* opens it */
bool run_exited(struct run *r);             /* exit() has run in a program */
bool run_json(const struct run *r);         /* one of the two JSON formats */
bool run_ndjson(const struct run *r);

/* ticker.c: programs of intervals, raw tracepoint programs that a thread runs. _add before _start,
 * which starts all timers together; _stop may come again. */
void ticker_add(struct run *r, uint64_t period_ns, int prog_fd);
int ticker_start(struct run *r, struct err *e);
void ticker_stop(struct run *r);
uint64_t ticker_missed(const struct run *r); /* ticks whose program could not be run */

/* load.c */
int load_maps(struct run *r, struct err *e);
int load_programs(struct run *r, struct err *e);

/* btf.c: a BTF object describing the program's functions, and the tables that refer to it. */
struct prog_btf {
	int fd; /* -1: none */
	struct bpf_func_info *funcs;
	uint32_t nfuncs;
	struct bpf_line_info *lines;
	uint32_t nlines;
};
bool prog_btf_needed(const struct program_prog *p);
/* `with_lines`: line information too. Storage in `a`. */
int prog_btf_load(struct arena *a, struct diag *d, const struct program_prog *p, bool with_lines,
		  struct prog_btf *out, struct err *e);

/* reject.c: what the verifier's refusal means. Appends text for people, and sets `e`. */
int reject_explain(struct diag *d, const struct program_prog *p, int error, const char *log,
		   struct buf *text, struct err *e);

/* progress.c */
bool progress_due(struct progress *p, uint64_t now); /* now in nanoseconds, not 0 */
void progress_say(struct run *r, const char *what, size_t done, size_t all);

/* links.c */
void links_own(struct run *r, int fd, bool slow);
void links_close(struct run *r);
void links_close_prog(struct run *r, uint32_t prog);
uint64_t
links_missed(struct run *r); /* hits that the kernel left out, until the links are closed */
void links_close_addr(struct run *r, uint64_t addr); /* unwatch() */
bool links_have_addr(const struct run *r, uint32_t prog, uint64_t addr);

/* watch.c */
void watch_add(struct run *r, uint32_t which, uint64_t addr, bool stopped); /* watch() */

/* attach.c */
void attach_env_init(struct run *r);
struct attach_prog attach_prog_of(const struct run *r, uint32_t i); /* what a provider is told */
int attach_run_once(struct run *r, int prog_fd, struct err *e); /* the ring is drained meanwhile */
int attach_test_run(int prog_fd, int32_t *retval, struct err *e); /* retval may be NULL */

/* event.c */
void event_host_init(struct run *r);
size_t event_drain(struct run *r, uint64_t limit); /* records handled, with pending controls */
void event_pending(struct run *r);
void event_deliver(struct run *r, const char *type, struct str text); /* one finished record */

void event_record(struct run *r, const void *rec, size_t len);

/* packets.c: what skboutput() sends; pcap.c: its files */
int packets_open(struct run *r, struct err *e);
void packets_close(struct run *r);
size_t packets_drain(struct run *r);
uint64_t packets_lost(const struct run *r);
int pcap_open_all(struct run *r, struct err *e);
void pcap_add(struct run *r, const struct event_def *def, const struct packet *p);
void pcap_flush(struct run *r);
void pcap_close_all(struct run *r);

/* trial.c */
int trials_run(struct run *r, struct err *e);

/* stack.c */
void stack_render(struct render *r, const struct type *t, const void *value, struct buf *out);
/* [{"address": "0xffffffff81a01234", "symbol": "do_syscall_64", "offset": 113}, …]; null: lost */
void stack_json(struct render *r, const struct type *t, const void *value, struct buf *out);

/* ndjson.c: the records of -f ndjson. Each is delivered at once. */
void ndjson_header(struct run *r);
void ndjson_attached(struct run *r, size_t probes);
void ndjson_text(struct run *r, const char *type, struct str text);
void ndjson_value(struct run *r, struct str json);
void ndjson_errorf(struct run *r, const char *type, struct str text, const char *file,
		   unsigned line, unsigned col);
void ndjson_helper_error(struct run *r, const char *helper, const char *msg, int32_t code,
			 const char *file, unsigned line, unsigned col);
void ndjson_test(struct run *r, const char *name, bool passed, const char *why, uint64_t ns,
		 struct str output);
void ndjson_benchmark(struct run *r, const char *name, double ns, uint64_t runs);
void ndjson_message(struct run *r, enum run_level level, const char *text);
void ndjson_lost(struct run *r, const char *cause, const char *map, uint64_t n); /* map or NULL */
void ndjson_exit(struct run *r, int code);
/* True when the format has a form of its own for values of the type, which is appended. */
bool ndjson_render(struct render *r, const struct type *t, const void *v, struct buf *out);
struct stack_frame {
	uint64_t addr;
	const char *sym, *module; /* NULL: unknown */
	bool raw;                 /* the script wants addresses, not names */
};
/* Each frame, innermost first; the process whose addresses they are, 0 for the kernel's. */
uint32_t stack_each(struct render *r, const struct type *t, const void *value,
		    void (*fn)(void *arg, const struct stack_frame *f), void *arg);

/* profile.c */
struct profile;
struct map_rows;
int profile_start(struct run *r);
bool profile_takes(const struct run *r, uint32_t map); /* this map is part of the document */
void profile_take(struct run *r, uint32_t map, const struct map_rows *rows, int64_t div);
int profile_finish(struct run *r, struct err *e); /* writes it */
void profile_end(struct run *r);

/* unwind.c */
void unwind_start(struct run *r);       /* tables of what is probed, and of processes that run */
void unwind_work(struct run *r);        /* tables of what is new since */
bool unwind_waits(const struct run *r); /* there is more to do */
void unwind_end(struct run *r);

/* remember.c */
struct remember *remember_new(const struct program *p);
void remember_free(struct remember *m);
void remember_start(struct run *r); /* before anything is attached */
void remember_processes(struct run *r);
int remember_fd(const struct run *r); /* readable: remember_processes() has work; -1 */
uint64_t remember_lost(const struct run *r);

/* follow.c */
int follow_start(struct run *r, struct err *e); /* marks the processes that are there */
int follow_watch(struct run *r, struct err *e); /* opens pid_fds */
void follow_ended(struct run *r, size_t i);     /* pid_fds[i] says so */
bool follow_over(struct run *r);                /* all that was to be traced has ended */
void follow_release(struct run *r);

/* mapdump.c */
void map_print(struct run *r, uint32_t map,
	       const struct print_opts *o); /* NULL: all of it, as usual */
void map_print_all(struct run *r);
int map_clear(struct run *r, uint32_t map, bool keep_keys, bool printed);

/* guard.c: --max-rate and --max-overhead. The turn is called often, and looks ten times a second.
 */
struct guard;
void guard_start(struct run *r); /* before anything is attached */
void guard_turn(struct run *r);
uint64_t guard_wait(const struct run *r); /* nanoseconds until it has something to do */
void guard_report(struct run *r);
void guard_end(struct run *r);
bool guard_detached(const struct run *r, uint32_t prog);

/* newfile.c: probes of files that take the place of those that are probed */
struct newfile;
void newfile_start(struct run *r); /* before anything is attached */
bool newfile_wanted(const struct run *r);
/* A process has mapped this; the argument is the run. */
void newfile_mapped(void *run, int pid, const struct sym_mapping *m);
void newfile_work(struct run *r); /* attaches to what was mapped */
void newfile_end(struct run *r);

/* lost.c */
void lost_report(struct run *r);

/* signal.c */
int signal_install(struct run *r, struct err *e);        /* the ends, and closed pipes */
int signal_install_probes(struct run *r, struct err *e); /* those that the script asks for */
void signal_restore(struct run *r);
void signal_dispatch(struct run *r);

#endif
