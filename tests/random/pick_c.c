/* C in random programs: defines, enumerators, structs with bit-fields and unions, pointers, arrays,
 * and the fields that the probes of PROGRAM_LOAD have.
 *
 * Each probe has eight bytes, which a pointer to the struct and one to bytes look at:
 *
 *   let $m0: uint64 = …; $v0 = (struct view *)&$m0; $b0 = (uint8 *)&$m0;
 *   $v0.u.q[$i2 & 3] + *$b0 */
#include "pick.h"

struct layout {
	const char *text;
	const char *fields[8];
	const char *addressed[6]; /* of the fields, those that are whole bytes */
};

static const struct layout layouts[] = {
	{"uint8_t a; uint8_t b : 3; uint8_t c : 5; int16_t d; union { uint32_t w; int8_t q[4]; } "
	 "u; };",
	 {"a", "b", "c", "d", "u.w", "u.q[1]", "u.q[3]"},
	 {"a", "d", "u.w", "u.q[1]", "u.q[3]"}},
	{"int32_t a : 7; uint32_t b : 11; int32_t c : 9, d : 5; union { int32_t w; uint16_t q[4]; "
	 "} u; };",
	 {"a", "b", "c", "d", "u.w", "u.q[1]"},
	 {"u.w", "u.q[1]", "u.q[0]"}},
	{"uint8_t a; uint16_t d; uint8_t b : 1; uint8_t c : 7; union { uint32_t w; int8_t q[4]; } "
	 "u; } "
	 "__attribute__((packed));",
	 {"a", "b", "c", "d", "u.w", "u.q[0]"},
	 {"a", "d", "u.w", "u.q[0]"}},
	{"unsigned long long a : 33; long long b : 3; long long c : 20; unsigned long long d : 8; "
	 "};",
	 {"a", "b", "c", "d"},
	 {NULL}},
	{"struct { short a; char b[2]; }; union { struct { int d : 1, c : 31; }; int w; }; };",
	 {"a", "b[0]", "b[1]", "c", "d", "w"},
	 {"a", "w"}},
};

void pick_definitions(struct pick *p)
{
	p->layout = pick_below(p, ARRAY_SIZE(layouts));
	buf_printf(p->out,
		   "#define SEVEN %u\n#define TWICE(x) ((x) * 2)\n"
		   "enum color { RED, GREEN = 7, BLUE };\nstruct view { %s\n",
		   pick_below(p, 100), layouts[p->layout].text);
	if (pick_chance(p, 30))
		buf_printf(p->out, "config = { on_stack_limit = %u; max_map_keys = 512; }\n",
			   8u << pick_below(p, 5));
}

void pick_declarations(struct pick *p)
{
	static const char *const rows[] = {"let @ii = hash(512);", "let @bs = percpuhash(512);",
					   "let @is = lruhash(4096);", "let @bc = hash(512);",
					   "let @bx = percpulruhash(4096);"};
	static const unsigned at[] = {7, 25, 14, 24, 27}; /* in map_rows */
	unsigned n = pick_below(p, 3 * ARRAY_SIZE(rows));

	if (n >= ARRAY_SIZE(rows))
		return;
	buf_printf(p->out, "%s\n", rows[n]);
	p->maps |= UINT64_C(1) << at[n];
}

/* A constant, as the compiler sees it. */
void pick_named(struct pick *p)
{
	static const char *const words[] = {
		"SEVEN",           "TWICE(SEVEN + 1)",     "GREEN",           "sizeof(struct view)",
		"sizeof($t0)",     "getopt(\"limit\", 5)", "getopt(\"all\")", "((enum color)1)",
		"strcap(\"abc\")", "comptime (SEVEN * 3)"};

	buf_printf(p->out, "(%s + $i0)", words[pick_below(p, ARRAY_SIZE(words))]);
}

/* ---- memory ---------------------------------------------------------------------------------- */

static void pick_field(struct pick *p)
{
	const char *const *fields = layouts[p->layout].fields;
	unsigned n = 0;

	while (n < 8 && fields[n])
		n++;
	buf_printf(p->out, "$v0%s%s", pick_chance(p, 70) ? "." : "->", fields[pick_below(p, n)]);
}

/* One of the eight bytes, or some of them. */
static void pick_bytes(struct pick *p, unsigned depth)
{
	static const char *const heads[] = {"$b0[(", "*($b0 + (", "((int16 *)&$m0)[(",
					    "*((uint32 *)&$m0 + ("};
	static const char *const tails[] = {" & 7)]", " & 7))", " & 3)]", " & 1))"};
	unsigned n = pick_below(p, ARRAY_SIZE(heads));

	buf_addc(p->out, '(');
	buf_adds(p->out, heads[n]);
	pick_dyn(p, depth);
	buf_adds(p->out, tails[n]);
	buf_addc(p->out, ')');
}

static void pick_distance(struct pick *p, unsigned depth)
{
	buf_adds(p->out, "(($b0 + (");
	pick_dyn(p, depth);
	buf_adds(p->out, " & 15)) - $b0)");
}

/* Of a field or an element, read or measured. */
static void pick_address(struct pick *p, unsigned depth)
{
	const char *const *fields = layouts[p->layout].addressed;
	unsigned n = 0;

	while (n < 6 && fields[n])
		n++;
	if (n && pick_chance(p, 60)) {
		buf_printf(p->out, "(*&$v0.%s)", fields[pick_below(p, n)]);
		return;
	}
	bool read = pick_chance(p, 50);

	buf_adds(p->out, read ? "(*&$b0[(" : "(&$b0[(");
	pick_dyn(p, depth);
	buf_adds(p->out, read ? " & 7)])" : " & 15)] - $b0)");
}

static void pick_element(struct pick *p, unsigned depth)
{
	pick_whole(p, SHAPE_ARR, depth);
	if (pick_chance(p, 50)) {
		buf_printf(p->out, "[%u]", pick_below(p, 4));
		return;
	}
	buf_adds(p->out, "[(");
	pick_dyn(p, depth);
	buf_printf(p->out, " & %u)]", pick_chance(p, 70) ? 3 : 7);
}

void pick_memory(struct pick *p, unsigned depth)
{
	switch (pick_below(p, 7)) {
	case 0:
	case 1:
		pick_field(p);
		break;
	case 6:
		pick_address(p, depth);
		break;
	case 2:
		pick_bytes(p, depth);
		break;
	case 3:
		pick_element(p, depth);
		break;
	case 4:
		buf_adds(p->out, "((uint64)");
		pick_shape(p, SHAPE_ARR, depth);
		buf_addc(p->out, ')');
		break;
	default:
		pick_chance(p, 50) ? pick_distance(p, depth) : pick_field(p);
		break;
	}
}

void pick_array(struct pick *p, unsigned depth)
{
	buf_adds(p->out, "((int16[4])((uint64)(");
	pick_dyn(p, depth);
	buf_adds(p->out, ")))");
}

void pick_buffer(struct pick *p, unsigned depth)
{
	switch (pick_below(p, 4)) {
	case 0:
		buf_printf(p->out, "buf($b0, %u)", 1 + pick_below(p, 8));
		break;
	case 1:
		buf_adds(p->out, "buf($b0 + (");
		pick_dyn(p, depth);
		buf_printf(p->out, " & 3), %u)", 4 + pick_below(p, 2));
		break;
	case 2:
		buf_adds(p->out, "buf($b0, (");
		pick_dyn(p, depth);
		buf_adds(p->out, " & 7))");
		break;
	default:
		buf_printf(p->out, "buf($a%u)", pick_below(p, 2));
		break;
	}
}

/* ---- the running system ---------------------------------------------------------------------- */

static const char *const of_task[] = {
	"pid",
	"tid",
	"cpu",
	"nsecs",
	"uid",
	"elapsed",
	"rand",
	"ncpus",
	"curtask.pid",
	"curtask.prio",
	"curtask.in_execve",
	"curtask.comm[1]",
	"curtask.parent.group_leader.tgid",
	"curtask.mm.arg_start",
	"curtask.mm.exe_file.f_path.dentry.d_name.len",
	"curtask.files.fdt.max_fds",
	"curtask.nsproxy.uts_ns.name.nodename[2]",
	"curtask.signal.rlim[3].rlim_cur",
	"curtask.cred.uid.val",
	"((struct task_struct *)curtask.real_parent).flags",
};

struct place {
	const char *name;
	const char *fields[8], *strings[3];
};

static const struct place places[] = {
	{"tracepoint:sched:sched_switch",
	 {"args.prev_pid", "args.next_prio", "args.prev_state", "args.prev_comm[1]"},
	 {"args.prev_comm", "args.next_comm"}},
	{"tracepoint:syscalls:sys_enter_openat",
	 {"args.flags", "args.mode", "args.dfd", "*args.filename", "args.filename[3]"},
	 {"str(args.filename)", "str(args.filename, 16)"}},
	{"tracepoint:syscalls:sys_exit_read", {"args.ret"}, {0}},
	{"tracepoint:sched:sched_process_exec",
	 {"args.pid", "args.old_pid"},
	 {"str(args.filename)"}},
	{"uprobe:libc:malloc",
	 {"arg0", "arg3", "reg(\"ip\")", "*(int32 *)arg0", "((struct view *)arg1).a",
	  "((struct view *)arg1).c", "((uint8 *)arg2)[5]"},
	 {"str(arg0)", "str(arg1, 5)"}},
	{"uretprobe:libc:malloc", {"(uint64)retval", "*(uint16 *)retval"}, {"str(retval)"}},
	{"profile:hz:99", {"reg(\"sp\")"}, {0}},
	{"interval:s:1", {0}, {0}},
	{"rawtracepoint:sched_switch",
	 {"args.prev.pid", "args.next.prio", "((struct task_struct *)arg1).tgid", "args.preempt"},
	 {"args.next.comm"}},
	{"software:page-faults:100", {0}, {0}},
	{"begin", {0}, {0}},
};

_Static_assert(ARRAY_SIZE(places) == PLACE_NONE + 1, "the last one");

const char *pick_place(struct pick *p)
{
	p->place = pick_below(p, ARRAY_SIZE(places));
	return places[p->place].name;
}

static const char *one_of(struct pick *p, const char *const *words, unsigned max)
{
	unsigned n = 0;

	while (n < max && words[n])
		n++;
	return n ? words[pick_below(p, n)] : NULL;
}

void pick_live_int(struct pick *p)
{
	const char *word = one_of(p, places[p->place].fields, 8);

	if (!word || pick_chance(p, 50))
		word = of_task[pick_below(p, ARRAY_SIZE(of_task))];
	buf_adds(p->out, word);
}

void pick_live_text(struct pick *p)
{
	const char *word = one_of(p, places[p->place].strings, 3);

	buf_adds(p->out, word && pick_chance(p, 60) ? word : "comm");
}
