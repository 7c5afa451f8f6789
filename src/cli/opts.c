/* Parsing of the command line from the rows of opts.def.
 *
 *   awl [options] FILE [params…]      awl [options] -e PROGRAM [params…]      awl -l [PATTERN]
 *
 * Options end at the script (or, with -e, at the first word that is none): what follows are the
 * script's parameters, $1 …; `--` ends them too. An option's argument may be joined (-p12,
 * --pid=12) or follow. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "cli/opts.h"

const struct opt_row opt_rows[] = {
#define OPT(id, letter, name, arg, help) {OPT_##id, letter, name, arg, help},
#include "cli/opts.def"
#undef OPT
};
const size_t opt_nrows = ARRAY_SIZE(opt_rows);

/* Spellings of bpftrace that mean one of the rows, or nothing here. */
static const struct {
	const char *name;
	enum opt_id id;
	bool takes_arg;
} foreign[] = {
	{"--debuginfo", OPT_NONE, true},
	{"--dwarf-pid", OPT_NONE, true},
	{"-b", OPT_NONE, false},
	{"--btf", OPT_NONE, false},
	{"--verify-llvm-ir", OPT_NONE, false},
	{"--usdt-file-activation", OPT_NONE, false},
};

static bool complain(const char *fmt, const char *what)
{
	fprintf(stderr, "awl: ");
	fprintf(stderr, fmt, what);
	fprintf(stderr, "\nTry: awl --help\n");
	return false;
}

static bool set_format(struct cli *c, const char *v)
{
	static const char *const profiles[] = {
		[AWL_PROFILE_FOLDED] = "folded",         [AWL_PROFILE_SVG] = "svg",
		[AWL_PROFILE_SPEEDSCOPE] = "speedscope", [AWL_PROFILE_PPROF] = "pprof",
		[AWL_PROFILE_PERFETTO] = "perfetto",
	};

	c->profile = AWL_PROFILE_NONE;
	for (unsigned i = 1; i < ARRAY_SIZE(profiles); i++)
		if (strcmp(v, profiles[i]) == 0)
			c->profile = (enum awl_profile)i;
	if (!c->profile && strcmp(v, "text") && strcmp(v, "json") && strcmp(v, "ndjson"))
		return complain("the format \"%s\" is not one of text, json, ndjson, folded, "
				"svg, speedscope, pprof, perfetto",
				v);
	c->json = strcmp(v, "ndjson") == 0 ? AWL_NDJSON : strcmp(v, "json") == 0 ? AWL_JSON : 0;
	return true;
}

static bool set_buffering(struct cli *c, const char *v)
{
	if (strcmp(v, "line") && strcmp(v, "full") && strcmp(v, "none"))
		return complain("the buffering \"%s\" is not one of line, full, none", v);
	c->buffering = v[0] == 'l' ? AWL_BUF_LINE : v[0] == 'f' ? AWL_BUF_FULL : AWL_BUF_NONE;
	return true;
}

/* -p may be given several times, each with several numbers. */
static bool set_pids(struct cli *c, struct arena *a, const char *v)
{
	struct str list = str_of(v);
	VEC(int) pids = {c->pids, c->npids, c->npids};

	do {
		struct str one = str_cut(&list, ',');
		unsigned long long pid;

		if (!str_to_u64(one, &pid) || pid < 1 || pid > INT32_MAX)
			return complain("\"%s\" is not a process id",
					arena_strndup(a, one.p, one.n));
		vec_push(a, &pids, (int)pid);
	} while (list.p);
	c->pids = pids.v;
	c->npids = pids.n;
	return true;
}

static bool set_name(struct cli *c, const char *v)
{
	c->process_name = v;
	return *v || complain("the name of --name is %s", "empty");
}

static bool set_rate(struct cli *c, const char *v)
{
	unsigned long long n;

	if (!str_to_u64(str_of(v), &n) || n < 1 || n > UINT32_MAX)
		return complain("\"%s\" is not a number of hits a second", v);
	c->max_rate = n;
	return true;
}

static bool set_debug(struct cli *c, const char *v)
{
	static const struct {
		const char *name;
		unsigned bits;
	} stages[] = {
		{"ast", AWL_DUMP_AST},
		{"parse", AWL_DUMP_AST},
		{"types", AWL_DUMP_TYPES},
		{"ir", AWL_DUMP_IR},
		{"bpf", AWL_DUMP_BPF},
		{"codegen", AWL_DUMP_BPF},
		{"codegen-opt", AWL_DUMP_BPF},
		{"dis", AWL_DUMP_BPF},
		{"d", AWL_DUMP_AST | AWL_DUMP_TYPES | AWL_DUMP_IR | AWL_DUMP_BPF}, /* -dd */
		{"libbpf", 0},
		{"verifier", 0},
		{"all", AWL_DUMP_AST | AWL_DUMP_TYPES | AWL_DUMP_IR | AWL_DUMP_BPF},
	};
	struct str list = str_of(v);

	while (list.n) {
		struct str one = str_cut(&list, ',');
		bool known = false;

		for (size_t i = 0; i < ARRAY_SIZE(stages); i++) {
			if (!str_is(one, stages[i].name))
				continue;
			c->dump |= stages[i].bits;
			known = true;
		}
		if (!known)
			return complain("the stage \"%s\" is not one of ast, types, ir, bpf, all",
					v);
	}
	return true;
}

static bool set_mode(struct cli *c, const char *v)
{
	if (strcmp(v, "codegen") && strcmp(v, "compiler-bench") && strcmp(v, "format") &&
	    strcmp(v, "test") && strcmp(v, "bench"))
		return complain("the mode \"%s\" is not one of codegen, compiler-bench, format, "
				"test, bench",
				v);
	if (v[0] == 't')
		c->mode = AWL_TEST;
	if (v[0] == 'b')
		c->mode = AWL_BENCH;
	c->codegen = strcmp(v, "codegen") == 0;
	c->compiler_bench = strcmp(v, "compiler-bench") == 0;
	c->fmt |= strcmp(v, "format") == 0;
	return true;
}

static void set_features(struct cli *c, struct arena *a, const char *v)
{
	VEC(const char *) names = {0};
	struct str list = str_of(v);

	while (list.n) {
		struct str one = str_cut(&list, ',');

		vec_push(a, &names, arena_strndup(a, one.p, one.n));
	}
	vec_push(a, &names, NULL);
	c->features = names.v;
}

/* One more at the end of a NULL-terminated list. */
static void append(struct arena *a, const char ***list, const char *v)
{
	size_t n = 0;
	const char **longer;

	while (*list && (*list)[n])
		n++;
	longer = arena_array_of(a, const char *, n + 2);
	for (size_t i = 0; i < n; i++)
		longer[i] = (*list)[i];
	longer[n] = v;
	*list = longer;
}

/* Options that do no more than set a field. */
enum field_kind { FIELD_NONE, FIELD_FLAG, FIELD_TEXT, FIELD_LIST };

static const struct field {
	enum field_kind kind;
	size_t off; /* in struct cli: bool, const char *, NULL-terminated const char ** */
} fields[] = {
	[OPT_FOLLOW] = {FIELD_FLAG, offsetof(struct cli, follow)},
	[OPT_LIST] = {FIELD_FLAG, offsetof(struct cli, list)},
	[OPT_QUIET] = {FIELD_FLAG, offsetof(struct cli, quiet)},
	[OPT_VERBOSE] = {FIELD_FLAG, offsetof(struct cli, verbose)},
	[OPT_AOT] = {FIELD_FLAG, offsetof(struct cli, aot)},
	[OPT_DRY_RUN] = {FIELD_FLAG, offsetof(struct cli, dry_run)},
	[OPT_EXPLAIN] = {FIELD_FLAG, offsetof(struct cli, explain)},
	[OPT_UNSAFE] = {FIELD_FLAG, offsetof(struct cli, unsafe)},
	[OPT_FMT] = {FIELD_FLAG, offsetof(struct cli, fmt)},
	[OPT_JSON_DIAG] = {FIELD_FLAG, offsetof(struct cli, json_diag)},
	[OPT_NO_WARNINGS] = {FIELD_FLAG, offsetof(struct cli, no_warnings)},
	[OPT_WARNINGS] = {FIELD_FLAG, offsetof(struct cli, warnings)},
	[OPT_INFO] = {FIELD_FLAG, offsetof(struct cli, info)},
	[OPT_HELP] = {FIELD_FLAG, offsetof(struct cli, help)},
	[OPT_VERSION] = {FIELD_FLAG, offsetof(struct cli, version)},
	[OPT_EXPR] = {FIELD_TEXT, offsetof(struct cli, expr)},
	[OPT_COMMAND] = {FIELD_TEXT, offsetof(struct cli, command)},
	[OPT_OUTPUT] = {FIELD_TEXT, offsetof(struct cli, output)},
	[OPT_MAX_OVERHEAD] = {FIELD_TEXT, offsetof(struct cli, max_overhead)},
	[OPT_PROBE_FILTER] = {FIELD_TEXT, offsetof(struct cli, probe_filter)},
	[OPT_TRACEABLE] = {FIELD_TEXT, offsetof(struct cli, traceable)},
	[OPT_KERNEL_BTF] = {FIELD_TEXT, offsetof(struct cli, kernel_btf)},
	[OPT_COMPLETION] = {FIELD_TEXT, offsetof(struct cli, completion)},
	[OPT_COMPLETE] = {FIELD_TEXT, offsetof(struct cli, complete)},
	[OPT_CGROUP] = {FIELD_LIST, offsetof(struct cli, cgroups)},
	[OPT_CONTAINER] = {FIELD_LIST, offsetof(struct cli, containers)},
	[OPT_POD] = {FIELD_LIST, offsetof(struct cli, pods)},
	[OPT_INCLUDE_DIR] = {FIELD_LIST, offsetof(struct cli, include_dirs)},
	[OPT_INCLUDE] = {FIELD_LIST, offsetof(struct cli, includes)},
};

static bool set_field(struct cli *c, struct arena *a, enum opt_id id, const char *v)
{
	const struct field *f = id < ARRAY_SIZE(fields) ? &fields[id] : NULL;
	void *at = f ? (char *)c + f->off : NULL;

	switch (f ? f->kind : FIELD_NONE) {
	case FIELD_FLAG:
		*(bool *)at = true;
		return true;
	case FIELD_TEXT:
		*(const char **)at = v;
		return true;
	case FIELD_LIST:
		append(a, at, v);
		return true;
	case FIELD_NONE:
		break;
	}
	return false;
}

static bool apply(struct cli *c, struct arena *a, enum opt_id id, const char *v)
{
	if (set_field(c, a, id, v))
		return true;
	switch (id) {
	case OPT_PID:
		return set_pids(c, a, v);
	case OPT_NAME:
		return set_name(c, v);
	case OPT_FORMAT:
		return set_format(c, v);
	case OPT_BUFFER:
		return set_buffering(c, v);
	case OPT_DEBUG:
		return set_debug(c, v ? v : "all");
	case OPT_NO_FEATURE:
		set_features(c, a, v);
		return true;
	case OPT_MAX_RATE:
		return set_rate(c, v);
	case OPT_TEST:
		c->mode = AWL_TEST;
		return true;
	case OPT_BENCH:
		c->mode = AWL_BENCH;
		return true;
	case OPT_MODE:
		return set_mode(c, v);
	default: /* those of bpftrace that have no effect */
		return true;
	}
}

/* One word of the command line against one row: its joined argument in *v ("" none). 0: another
 * option; 1: this one; */
static bool word_is(const char *word, const struct opt_row *r, const char **v)
{
	size_t n = strlen(r->name);

	*v = NULL;
	if (word[1] == '-') {
		if (strncmp(word + 2, r->name, n) || (word[2 + n] && word[2 + n] != '='))
			return false;
		if (word[2 + n] == '=')
			*v = word + 3 + n;
		return true;
	}
	if (!r->letter || word[1] != r->letter)
		return false;
	if (word[2])
		*v = word + 2;
	return true;
}

struct words {
	char **v;
	int n, i;
};

static bool take_arg(struct words *w, const char **v)
{
	if (*v)
		return true;
	if (w->i + 1 < w->n) {
		*v = w->v[++w->i];
		return true;
	}
	return complain("the option %s needs an argument", w->v[w->i]);
}

/* Options of bpftrace that cannot be taken, and what to do instead. */
static const struct {
	const char *name, *instead;
} refused[] = {
	{"--emit-llvm", "awl makes no LLVM code; -d ir shows its own intermediate code"},
	{"--emit-elf", "awl writes no object files; -d bpf shows the programs"},
};

static bool is_option(const char *word, const char *name)
{
	size_t n = strlen(name);

	return strncmp(word, name, n) == 0 && (!word[n] || word[n] == '=');
}

static bool parse_foreign(struct cli *c, struct arena *a, struct words *w)
{
	const char *word = w->v[w->i];

	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		if (is_option(word, refused[i].name)) {
			fprintf(stderr, "awl: the option %s cannot be taken: %s\n", word,
				refused[i].instead);
			return false;
		}
	}
	for (size_t i = 0; i < ARRAY_SIZE(foreign); i++) {
		const char *v = strchr(word, '=') ? "" : NULL;

		if (!is_option(word, foreign[i].name))
			continue;
		if (foreign[i].takes_arg && !take_arg(w, &v))
			return false;
		return foreign[i].id == OPT_NONE || apply(c, a, foreign[i].id, NULL);
	}
	return complain("there is no option %s", word);
}

/* -qv, -qe PROGRAM: letters in one word, of which the last may take an argument. */
static bool parse_letters(struct cli *c, struct arena *a, struct words *w, const char *letters)
{
	const struct opt_row *r = opt_rows, *end = opt_rows + opt_nrows;
	const char *v = letters[1] ? letters + 1 : NULL;

	while (r < end && (!r->letter || r->letter != letters[0]))
		r++;
	if (r == end)
		return complain("there is no option %s", w->v[w->i]);
	if (r->arg)
		return take_arg(w, &v) && apply(c, a, r->id, v);
	return apply(c, a, r->id, NULL) && (!v || parse_letters(c, a, w, v));
}

/* -d without a stage, as in bpftrace before 0.22: an option follows, or nothing. */
static bool lacks_stage(const struct words *w)
{
	return w->i + 1 >= w->n || w->v[w->i + 1][0] == '-';
}

static bool parse_option(struct cli *c, struct arena *a, struct words *w)
{
	const char *word = w->v[w->i], *v;

	for (size_t i = 0; i < opt_nrows; i++) {
		if (!word_is(word, &opt_rows[i], &v))
			continue;
		if (opt_rows[i].id == OPT_DEBUG && !v && lacks_stage(w))
			return apply(c, a, OPT_DEBUG, NULL);
		if (opt_rows[i].id == OPT_AOT && c->peer) /* bpftrace: --aot FILE */
			return take_arg(w, &v) && apply(c, a, OPT_AOT, NULL) &&
			       apply(c, a, OPT_OUTPUT, v);
		if (opt_rows[i].arg)
			return take_arg(w, &v) && apply(c, a, opt_rows[i].id, v);
		if (v && word[1] == '-')
			return complain("the option %s takes no argument", word);
		return apply(c, a, opt_rows[i].id, NULL) && (!v || parse_letters(c, a, w, v));
	}
	return parse_foreign(c, a, w);
}

/* What would be decided where the program runs cannot go into its file. */
static bool check_aot(const struct cli *c)
{
	if (!c->aot)
		return true;
	if (!c->output)
		return complain("%s needs -o FILE: where to write the compiled program", "--aot");
	if (c->command || c->npids || c->follow || c->process_name || c->probe_filter ||
	    c->warnings || c->mode || c->max_rate || c->max_overhead)
		return complain("%s belong to the run of a compiled program, not to --aot",
				"-c, -p, -k, --probe-filter, --max-rate, --max-overhead, --test "
				"and --bench");
	return true;
}

static bool check(const struct cli *c)
{
	if (c->follow && !c->command && !c->npids && !c->process_name)
		return complain("%s follows what -p, -c or --name names: give one of them", "-F");
	if (c->command && c->npids)
		return complain("%s exclude one another: give one of the two", "-c and -p");
	if (c->warnings && c->no_warnings)
		return complain("%s exclude one another: give one of the two",
				"-k and --no-warnings");
	return check_aot(c);
}

/* -l FILE lists what a script has. A directory that happens to be named like a probe is none. */
static void set_pattern(struct cli *c, const char *word)
{
	struct stat st;

	if (stat(word, &st) == 0 && S_ISREG(st.st_mode))
		c->file = word;
	else
		c->pattern = word;
}

/* A parameter may be a negative number; no option begins with a digit. */
static bool looks_like_option(const char *word)
{
	return word[0] == '-' && word[1] && !(word[1] >= '0' && word[1] <= '9');
}

typedef VEC(const char *) word_vec;

/* Options may stand anywhere before `--`, as in bpftrace. */
static bool split_words(struct cli *c, struct arena *a, struct words *w, word_vec *others)
{
	for (; w->i < w->n && strcmp(w->v[w->i], "--"); w->i++) {
		if (!looks_like_option(w->v[w->i]))
			vec_push(a, others, w->v[w->i]);
		else if (!parse_option(c, a, w))
			return false;
	}
	return true;
}

/* What is no option: the script, unless it came by -e, and its parameters; those behind `--`, which
 * stays in front of them, may be named ones. */
static void set_words(struct cli *c, struct arena *a, struct words *w, const word_vec *others)
{
	word_vec params = {0};
	size_t first = 0;

	if (c->list && !c->expr)
		set_pattern(c, others->n ? others->v[first++] : "");
	else if (others->n && !c->expr)
		c->file = others->v[first++];
	for (size_t i = first; i < others->n; i++)
		vec_push(a, &params, others->v[i]);
	for (; w->i < w->n; w->i++)
		vec_push(a, &params, w->v[w->i]);
	vec_push(a, &params, NULL);
	c->params = params.v;
}

/* --explain E0205, unless that is a script. */
static bool is_code(const char *word)
{
	return word && (word[0] == 'E' || word[0] == 'W') && strlen(word) == 5 &&
	       strspn(word + 1, "0123456789") == 4 && access(word, F_OK) != 0;
}

bool opts_parse(struct cli *c, struct arena *a, int argc, char **argv)
{
	struct words w = {argv, argc, 1};
	const char *slash = argc ? strrchr(argv[0], '/') : NULL;
	word_vec others = {0};

	c->peer = argc && strcmp(slash ? slash + 1 : argv[0], "bpftrace") == 0;
	if (argc > 1 && strcmp(argv[1], "doc") == 0) {
		c->is_doc = true;
		c->doc = argc > 2 ? argv[2] : NULL;
		return true;
	}
	if (argc > 2 && argc < 5 && strcmp(argv[1], "golist") == 0) {
		c->list = c->verbose = true;
		c->pattern = arena_printf(a, "go:%s:\"%s\"", argv[2], argc > 3 ? argv[3] : "*");
		return true;
	}
	if (argc == 2 && strcmp(argv[1], "doctor") == 0) {
		c->is_doctor = true;
		return true;
	}
	if (!split_words(c, a, &w, &others))
		return false;
	set_words(c, a, &w, &others);
	if (c->explain && is_code(c->file)) {
		c->is_doc = true;
		c->doc = c->file;
	}
	return check(c);
}

void opts_help(struct buf *out, bool peer)
{
	const char *name = peer ? "bpftrace" : "awl";

	buf_printf(out,
		   "Usage: %s [options] FILE [parameters]\n"
		   "       %s [options] -e 'PROGRAM' [parameters]\n"
		   "       %s [options] FILE.awlc [parameters]\n"
		   "       %s -l [PATTERN | FILE | -e 'PROGRAM']\n",
		   name, name, name, name);
	buf_adds(out, "       awl doc [NAME]\n"
		      "       awl doctor\n");
	if (!peer)
		buf_adds(out,
			 "       awl golist PROGRAM [FUNCTION]\n"
			 "       awl gotrace [options] PROGRAM|PID FUNCTION … (gotrace --help)\n"
			 "       awl gohttp|gosql|gogc|gosched|goheap [options] PROGRAM|PID\n"
			 "       awl "
			 "funccount|stackcount|trace|argdist|tplist|funclatency|funcslower "
			 "[options] …\n"
			 "       (bcc's commands: awl trace --help)\n");
	buf_adds(out, "\n"
		      "Traces a running Linux system with programs in the bpftrace "
		      "language.\n\nOptions:\n");
	for (size_t i = 0; i < opt_nrows; i++) {
		const struct opt_row *r = &opt_rows[i];
		const char *arg = r->arg ? r->arg : "";
		char left[64];

		if (r->letter)
			snprintf(left, sizeof(left), "  -%c, --%s %s", r->letter, r->name, arg);
		else
			snprintf(left, sizeof(left), "      --%s %s", r->name, arg);
		buf_printf(out, "%-30s %s\n", left, r->help);
	}
	buf_adds(out, "\nExit status: 0 done (also after Ctrl-C); N after exit(N); 1 a wrong "
		      "command line or script;\n"
		      "255 the kernel refused to load or attach.\n\n"
		      "Examples:\n"
		      "  awl -e 'tracepoint:syscalls:sys_enter_openat { printf(\"%s %s\\n\", comm, "
		      "str(args.filename)); }'\n"
		      "  awl -e 'tracepoint:raw_syscalls:sys_enter { @[comm] = count(); }'\n"
		      "  awl -e 'profile:hz:99 { @[kstack] = count(); }'\n"
		      "  awl -e 'uprobe:libc:malloc { @ = hist(arg0); }' -c 'ls -l'\n"
		      "  awl -lv 'tracepoint:sched:*'\n");
}
