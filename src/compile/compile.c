/* From text to program: the passes in their order.
 *
 *   parse, import → sema (probes, types, plan) → gen (IR) → ir_compile (BPF) → program
 *
 * Every pass reports what is wrong with the script to the diag and goes on; between passes the
 * pipeline stops when there were errors. A dump that was asked for is appended as soon as its pass
 * is done. */
#include <stdlib.h>
#include "compile/assemble.h"
#include "compile/clock.h"
#include "compile/compile.h"
#include "compile/import.h"
#include "lang/lang.h"

/* Everything of one compilation. */
struct compilation {
	const struct compile_in *in;
	struct arena *arena;
	struct diag *diag;
	struct config *config;
	struct types *types;
	struct script *script;
	struct plan *plan;
	struct program *program;
};

static bool wants(const struct compilation *c, enum dump_stage stage)
{
	return c->in->dump_to && (c->in->dump & stage);
}

static bool pass_parse(struct compilation *c)
{
	uint32_t file = diag_add_source(
		c->diag, arena_strdup(c->arena, c->in->name),
		(struct str){arena_strndup(c->arena, c->in->text.p, c->in->text.n), c->in->text.n});

	c->script = lang_parse(c->arena, c->diag, file);
	if (wants(c, DUMP_AST))
		lang_dump(c->script, NULL, c->arena, c->in->dump_to);
	if (c->in->format_only && !diag_errors(c->diag))
		lang_format(c->script, c->diag, c->in->dump_to);
	if (diag_errors(c->diag) || c->in->format_only)
		return false;
	c->script = import_all(c->arena, c->diag, c->in->files, c->script, c->in->name);
	pass_clock_lap(c->in->clock, PASS_PARSE);
	return diag_errors(c->diag) == 0;
}

static void apply_settings(struct compilation *c, const struct setting *v, size_t n)
{
	const char *why;

	for (size_t i = 0; i < n; i++) {
		const struct setting *s = &v[i];

		if (!config_set(c->config, c->arena, str_of(s->name), str_of(s->value), &why))
			diag_report(c->diag, E_CONFIG, NO_SPAN, "%s=%s: %s", s->name, s->value,
				    why);
	}
}

static bool pass_limits(struct compilation *c)
{
	if (!c->in->nlimits)
		return true;
	config_from_script(c->config, c->arena, c->diag, c->script);
	config_from_env(c->config, c->arena, c->diag);
	apply_settings(c, c->in->limits, c->in->nlimits);
	return diag_errors(c->diag) == 0;
}

/* What the limits are is decided by the machine that the program runs on. */
static bool check_limits(struct compilation *c)
{
	struct diag_msg *m;

	if (!kernel_recording(c->in->kernel) || !config_is_limited(c->config))
		return true;
	m = diag_report(c->diag, E_CONFIG, NO_SPAN,
			"max_rate and max_overhead cannot be compiled ahead of time");
	diag_help(m, "run the script itself: it is compiled with the limits of that run");
	return false;
}

static bool pass_sema(struct compilation *c)
{
	struct sema_in in = {
		.arena = c->arena,
		.diag = c->diag,
		.kernel = c->in->kernel,
		.types = c->types,
		.config = c->config,
		.script = c->script,
		.families = builtin_families,
		.providers = providers,
		.views = value_views,
		.params = c->in->params,
		.include_dirs = c->in->include_dirs,
		.includes = c->in->includes,
		.files = c->in->files,
		.whom = c->in->whom,
		.pid = c->in->whom.npids ? c->in->whom.pids[0] : 0,
		.child = c->in->child,
		.command = c->in->command,
		.unsafe = c->in->unsafe,
		.mode = c->in->mode,
		.filter = c->in->filter,
	};
	bool ok = sema_run(&in, &c->plan);

	pass_clock_lap(c->in->clock, PASS_SEMA);
	if (ok && wants(c, DUMP_TYPES))
		plan_dump(c->plan, c->arena, c->in->dump_to);
	return ok;
}

static struct compilation compilation_new(const struct compile_in *in)
{
	struct compilation c = {.in = in, .arena = arena_new()};

	c.diag = diag_new(c.arena);
	c.config = arena_new_of(c.arena, struct config);
	config_init(c.config, c.arena);
	/* Three strings fit into a key of such a kernel. */
	if (!kernel_has(in->kernel, FEATURE_LONG_KEYS))
		c.config->max_strlen = 160;
	c.types = types_new(c.arena, in->kernel);
	return c;
}

struct program *compile_script(const struct compile_in *in, struct diag **diag,
			       struct arena **arena)
{
	pass_clock_start(in->clock);

	struct compilation c = compilation_new(in);
	struct program *p;

	*diag = c.diag;
	*arena = c.arena;
	apply_settings(&c, in->settings, in->nsettings);
	c.config->helper_warnings = in->helper_warnings;
	if (diag_errors(c.diag) || !pass_parse(&c) || !pass_limits(&c) || !pass_sema(&c) ||
	    !check_limits(&c))
		return NULL;
	if (in->thrifty)
		c.config->on_stack_limit = 0;
	p = assemble(in, c.arena, c.diag, c.types, c.plan);
	pass_clock_lap(in->clock, PASS_GEN);
	return p;
}

void program_free(struct program *p)
{
	if (p)
		arena_free(p->arena);
}
