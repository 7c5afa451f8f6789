/* The world of fake.h.
 *
 *   probes     begin end, kprobe:NAME (argN, ctx), kretprobe:NAME (retval), tracepoint:C:E (args
 * with pid, comm[16], filename, bits, next), uprobe:PATH:NAME, interval:s:N functions  pid tid comm
 * nsecs curtask, str strlen, printf print clear delete has_key exit system, count sum hist, kstack,
 * len */
#include <stdio.h>

#include "fake.h"

/* ---- builtins ----------------------------------------------------------------------------------
 */

static void check_u32(struct sema *s, struct expr *e)
{
	e->type = type_int(sema_types(s), 4, false);
}

static void check_u64(struct sema *s, struct expr *e)
{
	e->type = type_int(sema_types(s), 8, false);
}

static void check_comm(struct sema *s, struct expr *e)
{
	e->type = type_string(sema_types(s), 16);
}

static void check_str(struct sema *s, struct expr *e)
{
	uint32_t cap = sema_config(s)->max_strlen;
	int64_t n;
	size_t nargs;

	call_args(e, &nargs);
	if (!sema_arg_ptr(s, e, 0))
		return;
	if (nargs == 2 && sema_literal_int(s, e, 1, &n))
		cap = n + 1;
	e->type = type_string(sema_types(s), cap);
}

static void check_strlen(struct sema *s, struct expr *e)
{
	if (sema_arg_string(s, e, 0))
		e->type = type_int(sema_types(s), 8, false);
}

static const struct event_kind printf_kind = {"printf", false, NULL};
static const struct event_kind print_kind = {"print", true, NULL};
static const struct event_kind exit_kind = {"exit", true, NULL};

static void check_printf(struct sema *s, struct expr *e)
{
	const struct type *types[16];
	const struct format *f;
	struct str text;
	size_t n;
	struct expr **args = call_args(e, &n);

	e->type = &type_void;
	if (!sema_literal_str(s, e, 0, &text) || !sema_format(s, e, text, 1, &f))
		return;
	for (size_t i = 1; i < n; i++)
		types[i - 1] = args[i]->type;
	sema_event(s, e, &printf_kind, types, n - 1)->format = f;
}

static void check_map_control(struct sema *s, struct expr *e)
{
	e->type = &type_void;
	if (sema_arg_map(s, e, 0))
		sema_event(s, e, &print_kind, NULL, 0);
}

static void check_print(struct sema *s, struct expr *e)
{
	e->type = &type_void;
}

static void check_key(struct sema *s, struct expr *e)
{
	e->type = &type_bool;
	sema_arg_map_key(s, e, 1);
}

static void check_exit(struct sema *s, struct expr *e)
{
	e->type = &type_void;
	sema_event(s, e, &exit_kind, NULL, 0);
}

static void check_void(struct sema *s, struct expr *e)
{
	e->type = &type_void;
}

static bool number_of(const struct type *t, const void *merged, int64_t *out)
{
	(void)t;
	*out = *(const int64_t *)merged;
	return true;
}

static const struct agg count_agg = {.name = "count", .type_name = "count_t", .number = number_of};
static const struct agg sum_agg = {.name = "sum", .type_name = "sum_t", .number = number_of};
static const struct agg hist_agg = {.name = "hist", .type_name = "hist_t"};

static void check_count(struct sema *s, struct expr *e)
{
	e->type = type_agg(sema_types(s), &count_agg, 8, false, (int64_t[3]){0});
}

static void check_sum(struct sema *s, struct expr *e)
{
	if (sema_arg_int(s, e, 0))
		e->type = type_agg(sema_types(s), &sum_agg, 8,
				   type_is_signed(e->call.args[0]->type), (int64_t[3]){0});
}

static void check_hist(struct sema *s, struct expr *e)
{
	if (sema_arg_int(s, e, 0))
		e->type = type_agg(sema_types(s), &hist_agg, 520, false, (int64_t[3]){0});
}

static void check_kstack(struct sema *s, struct expr *e)
{
	sema_need_stack(s, 127);
	e->type = type_stack(sema_types(s), STACK_KERNEL, STACK_BPFTRACE, 127);
}

static const char *const count_aliases[] = {"counter", NULL};

static const struct builtin rows[] = {
	{.name = "pid", .proto = "uint32 pid", .flags = BI_NAME, .check = check_u32},
	{.name = "tid", .proto = "uint32 tid", .flags = BI_NAME, .check = check_u32},
	{.name = "comm", .proto = "string[16] comm", .flags = BI_NAME, .check = check_comm},
	{.name = "nsecs",
	 .proto = "uint64 nsecs",
	 .flags = BI_NAME | BI_EFFECT,
	 .check = check_u64},
	{.name = "rand", .proto = "uint64 rand", .flags = BI_NAME, .check = check_u64},
	{.name = "str",
	 .proto = "string str(ptr p [, int n])",
	 .min_args = 1,
	 .max_args = 2,
	 .check = check_str},
	{.name = "strlen",
	 .proto = "int strlen(string s)",
	 .min_args = 1,
	 .max_args = 1,
	 .check = check_strlen},
	{.name = "printf",
	 .proto = "printf(format, …)",
	 .flags = BI_STMT | BI_EFFECT,
	 .min_args = 1,
	 .max_args = 255,
	 .check = check_printf},
	{.name = "print",
	 .proto = "print(value | @map)",
	 .flags = BI_STMT | BI_EFFECT | BI_MAP_ARG,
	 .min_args = 1,
	 .max_args = 3,
	 .check = check_print},
	{.name = "clear",
	 .proto = "clear(@map)",
	 .flags = BI_STMT | BI_EFFECT | BI_MAP_ARG,
	 .min_args = 1,
	 .max_args = 1,
	 .check = check_map_control},
	{.name = "delete",
	 .proto = "bool delete(@map, key)",
	 .flags = BI_EFFECT | BI_MAP_ARG,
	 .min_args = 1,
	 .max_args = 2,
	 .check = check_key},
	{.name = "has_key",
	 .proto = "bool has_key(@map, key)",
	 .flags = BI_EFFECT | BI_MAP_ARG,
	 .min_args = 2,
	 .max_args = 2,
	 .check = check_key},
	{.name = "exit",
	 .proto = "exit([int code])",
	 .flags = BI_STMT | BI_EFFECT,
	 .max_args = 1,
	 .check = check_exit},
	{.name = "system",
	 .proto = "system(format, …)",
	 .flags = BI_STMT | BI_EFFECT | BI_UNSAFE,
	 .min_args = 1,
	 .max_args = 255,
	 .check = check_void},
	{.name = "count",
	 .aliases = count_aliases,
	 .proto = "count()",
	 .flags = BI_AGG,
	 .check = check_count},
	{.name = "sum",
	 .proto = "sum(int n)",
	 .flags = BI_AGG,
	 .min_args = 1,
	 .max_args = 1,
	 .check = check_sum},
	{.name = "hist",
	 .proto = "hist(int n)",
	 .flags = BI_AGG,
	 .min_args = 1,
	 .max_args = 1,
	 .check = check_hist},
	{.name = "kstack",
	 .proto = "kstack",
	 .flags = BI_NAME,
	 .uses = USES_KSTACK,
	 .check = check_kstack},
	{.name = NULL},
};

const struct builtin *const fake_families[] = {rows, NULL};

/* ---- providers
 * --------------------------------------------------------------------------------------- */

static struct fake *world; /* the script being checked */

static bool resolve_one(struct sema *s, const struct attach_point *ap, struct attach_targets *out)
{
	struct attach_target t = {
		.name = arena_strndup(sema_arena(s), ap->text.p, ap->text.n),
		.symbol = ap->nparts > 1 ? arena_strndup(sema_arena(s), ap->parts[ap->nparts - 1].p,
							 ap->parts[ap->nparts - 1].n)
					 : NULL,
	};

	vec_push(sema_arena(s), out, t);
	return true;
}

/* kprobe:vfs_* has two functions. */
static bool resolve_kprobe(struct sema *s, const struct attach_point *ap,
			   struct attach_targets *out)
{
	if (ap->nparts < 2) {
		sema_report(s, E_PROBE_FORM, ap->span,
			    "a kprobe needs a function: kprobe:FUNCTION");
		return false;
	}
	resolve_one(s, ap, out);
	if (memchr(ap->parts[1].p, '*', ap->parts[1].n))
		resolve_one(s, ap, out);
	return true;
}

static bool share_unless_probe(struct kernel *k, unsigned uses, const struct attach_target *a,
			       const struct attach_target *b)
{
	(void)a;
	(void)b;
	return !(uses & USES_PROBE);
}

static bool never_share(struct kernel *k, unsigned uses, const struct attach_target *a,
			const struct attach_target *b)
{
	(void)uses;
	(void)a;
	(void)b;
	return false;
}

static const struct type *args_type(struct types *ts)
{
	const struct type *u32 = type_int(ts, 4, false), *ch = type_int(ts, 1, true);
	struct member m[] = {
		{.name = STR("pid"), .type = u32, .offset = 8},
		{.name = STR("comm"), .type = type_array(ts, ch, 16), .offset = 12},
		{.name = STR("filename"), .type = type_ptr(ts, ch, SPACE_USER), .offset = 32},
		{.name = STR("mac"),
		 .type = type_array(ts, type_int(ts, 1, false), 6),
		 .offset = 40},
		{.name = STR("nums"), .type = type_array(ts, u32, 4), .offset = 48},
		{.name = STR("ret"), .type = type_int(ts, 8, true), .offset = 64},
		{.name = STR("func"), .type = type_ptr(ts, &type_void, SPACE_KERNEL), .offset = 72},
	};

	return type_struct_new(ts, "fake_args", 80, arena_memdup(world->arena, m, sizeof(m)),
			       ARRAY_SIZE(m));
}

static const struct type *tracepoint_name(struct sema *s, struct probe *p, enum probe_name name,
					  unsigned index)
{
	(void)index;
	if (name != NAME_ARGS)
		return NULL;
	if (!p->data)
		p->data = (void *)args_type(sema_types(s));
	return p->data;
}

static const struct type *kprobe_name(struct sema *s, struct probe *p, enum probe_name name,
				      unsigned index)
{
	(void)p;
	return name == NAME_ARG && index < 6 ? type_int(sema_types(s), 8, false) : NULL;
}

static const struct type *kretprobe_name(struct sema *s, struct probe *p, enum probe_name name,
					 unsigned index)
{
	(void)p;
	(void)index;
	return name == NAME_RETVAL ? type_int(sema_types(s), 8, false) : NULL;
}

static const char *const kprobe_aliases[] = {"k", NULL};
static const char *const tracepoint_aliases[] = {"t", NULL};

static const struct provider begin = {
	.name = "begin", .form = "begin", .once = true, .resolve = resolve_one};
static const struct provider end = {
	.name = "end", .form = "end", .once = true, .resolve = resolve_one};
static const struct provider interval = {
	.name = "interval", .form = "interval:s:N", .timer = true, .resolve = resolve_one};
static const struct provider kprobe = {
	.name = "kprobe",
	.aliases = kprobe_aliases,
	.form = "kprobe:FUNCTION",
	.space = SPACE_KERNEL,
	.resolve = resolve_kprobe,
	.share = share_unless_probe,
	.name_type = kprobe_name,
};
static const struct provider kretprobe = {
	.name = "kretprobe",
	.form = "kretprobe:FUNCTION",
	.space = SPACE_KERNEL,
	.resolve = resolve_one,
	.name_type = kretprobe_name,
};
static const struct provider tracepoint = {
	.name = "tracepoint",
	.aliases = tracepoint_aliases,
	.form = "tracepoint:CATEGORY:EVENT",
	.space = SPACE_KERNEL,
	.resolve = resolve_one,
	.share = never_share,
	.name_type = tracepoint_name,
};
static const struct provider uprobe = {
	.name = "uprobe",
	.form = "uprobe:PATH:FUNCTION",
	.space = SPACE_USER,
	.resolve = resolve_one,
	.name_type = kprobe_name,
};

const struct provider *const fake_providers[] = {&begin,     &end,        &interval, &kprobe,
						 &kretprobe, &tracepoint, &uprobe,   NULL};

/* ---- running
 * ----------------------------------------------------------------------------------------- */

struct fake *fake_check_named(const char *name, struct str text, const char *const *params)
{
	struct arena *a = arena_new();
	struct fake *f = arena_new_of(a, struct fake);
	uint32_t file;
	struct sema_in in = {0};

	f->arena = a;
	f->diag = diag_new(a);
	f->kernel = kernel_new(NULL);
	f->types = types_new(a, f->kernel);
	config_init(&f->config, a);
	file = diag_add_source(f->diag, name, text);
	f->script = lang_parse(a, f->diag, file);
	in = (struct sema_in){.arena = a,
			      .diag = f->diag,
			      .kernel = f->kernel,
			      .types = f->types,
			      .config = &f->config,
			      .script = f->script,
			      .families = fake_families,
			      .providers = fake_providers};
	for (in.params.v = params; params && params[in.params.n];)
		in.params.n++;
	world = f;
	f->ok = diag_errors(f->diag) == 0 && sema_run(&in, &f->plan);
	diag_render(f->diag, &f->messages, DIAG_TEXT);
	return f;
}

struct fake *fake_check(const char *text, const char *const *params)
{
	return fake_check_named("test.bt", str_of(text), params);
}

void fake_free(struct fake *f)
{
	buf_release(&f->messages);
	kernel_free(f->kernel);
	arena_free(f->arena);
}

bool fake_has(const struct fake *f, const char *code)
{
	char tag[16];

	snprintf(tag, sizeof(tag), "[%s]", code);
	return strstr(buf_cstr(&f->messages), tag) != NULL;
}

struct map_sym *fake_map(const struct fake *f, const char *name)
{
	for (size_t i = 0; f->plan && i < f->plan->nmaps; i++)
		if (str_is(f->plan->maps[i]->name, name))
			return f->plan->maps[i];
	return NULL;
}

struct search {
	const char *name;
	struct var_sym *found;
};

static void look(void *arg, struct expr *e)
{
	struct search *s = arg;

	if (e->kind == EXPR_VAR && e->sem && str_is(e->ident.name, s->name))
		s->found = e->sem;
}

struct var_sym *fake_var(const struct fake *f, const char *name)
{
	struct search s = {name, NULL};

	for (size_t i = 0; f->plan && i < f->plan->nprobes; i++)
		ast_walk_block(f->plan->probes[i]->body, look, &s);
	return s.found;
}

const char *fake_type(const struct fake *f, const struct type *t)
{
	return t ? type_text(f->arena, t) : "none";
}
