/* Settings: names, values, where they come from (config.h).
 *
 *   defaults ← config block of the script ← environment (AWL_MAX_STRLEN, BPFTRACE_MAX_STRLEN)
 *
 * One row of `rows` describes one setting: its name, the kind of its value, where it is kept and
 * its bounds. Names that earlier releases of the language had are errors that name the new one;
 * settings that have no meaning here are accepted, so that scripts which set them run.
 *
 * Example:  config_set(&c, a, STR("max_strlen"), STR("64"), &why) */
#include <stdio.h>
#include <stdlib.h>

#include "sema/config.h"

enum row_kind { ROW_NUM, ROW_BOOL, ROW_TEXT, ROW_PERCENT, ROW_ENUM, ROW_IGNORED, ROW_RENAMED };

struct row {
	const char *name;
	enum row_kind kind;
	size_t off;
	uint64_t min, max;          /* ROW_NUM */
	const char *const *choices; /* ROW_ENUM: in order of the enum */
	const char *why;            /* message when the value is wrong, or of ROW_RENAMED */
};

static const char *const missing_choices[] = {"error", "warn", "ignore", "any", NULL};
static const char *const unwind_choices[] = {"auto", "fp", "dwarf", NULL};
static const char *const stack_choices[] = {"bpftrace", "perf", "raw", "build_id", NULL};

#define NUM(name, min, max, why)                                                   \
	{                                                                          \
#name, ROW_NUM, offsetof(struct config, name), min, max, NULL, why \
	}
#define BOOL(name)                                                          \
	{                                                                   \
#name, ROW_BOOL, offsetof(struct config, name), 0, 0, NULL, \
			"it takes true or false"                            \
	}

static const struct row rows[] = {
	NUM(max_strlen, 1, 1 << 20, "it takes a number of bytes from 1 to 1048576"),
	NUM(max_map_keys, 1, UINT32_MAX, "it takes a number of entries from 1 on"),
	NUM(max_probes, 1, UINT32_MAX, "it takes a number from 1 on"),
	NUM(max_bpf_progs, 1, UINT32_MAX, "it takes a number from 1 on"),
	NUM(max_cat_bytes, 0, UINT32_MAX, "it takes a number of bytes"),
	NUM(on_stack_limit, 0, 512, "it takes a number of bytes up to 512"),
	NUM(perf_rb_pages, 0, 1 << 20, "it takes a number of pages up to 1048576"),
	NUM(log_size, 0, 1 << 30, "it takes a number of bytes up to 1073741824"),
	NUM(printf_limit, 0, UINT32_MAX, "it takes a number of lines"),
	NUM(max_rate, 0, UINT32_MAX, "it takes a number of hits a second"),
	{"max_overhead", ROW_PERCENT, offsetof(struct config, max_overhead), 0, 0, NULL,
	 "it takes a share of a processor from 0.001% on: \"5%\""},
	NUM(go_value_size, 640, 1 << 16, "it takes a number of bytes from 640 to 65536"),
	NUM(go_max_string, 1, 512, "it takes a number of bytes from 1 to 512"),
	NUM(go_max_elems, 1, 512, "it takes a number of elements from 1 to 512"),
	NUM(go_max_map_elems, 0, 256, "it takes a number of elements up to 256"),
	BOOL(print_maps_on_exit),
	BOOL(detach_last),
	BOOL(begin_attached),
	BOOL(probe_inline),
	BOOL(warn_inlined),
	BOOL(new_files),
	BOOL(cpp_demangle),
	BOOL(lazy_symbolication),
	BOOL(stack_root_first),
	{"missing_probes", ROW_ENUM, offsetof(struct config, missing_probes), 0, 0, missing_choices,
	 "it takes error, warn, ignore or any"},
	{"stack_mode", ROW_ENUM, offsetof(struct config, stack_mode), 0, 0, stack_choices,
	 "it takes bpftrace, perf, raw or build_id"},
	{"ustack_unwind", ROW_ENUM, offsetof(struct config, ustack_unwind), 0, 0, unwind_choices,
	 "it takes auto, fp or dwarf"},
	{"printf_filter", ROW_TEXT, offsetof(struct config, printf_filter), 0, 0, NULL, NULL},
	{"stack_frame", ROW_TEXT, offsetof(struct config, stack_frame), 0, 0, NULL, NULL},
	{"str_trunc_trailer", ROW_TEXT, offsetof(struct config, str_trunc_trailer), 0, 0, NULL,
	 NULL},
	{"str_unreadable", ROW_TEXT, offsetof(struct config, str_unreadable), 0, 0, NULL, NULL},
	{"license", ROW_TEXT, offsetof(struct config, license), 0, 0, NULL, NULL},
	{"cache_user_symbols", ROW_IGNORED},
	{"show_debug_info", ROW_IGNORED},
	{"use_blazesym", ROW_IGNORED},
	{"symbol_source", ROW_IGNORED},
	{"max_type_res_iterations", ROW_IGNORED},
	{"unstable_import", ROW_IGNORED},
	{"unstable_import_statement", ROW_IGNORED},
	{"unstable_typeinfo", ROW_IGNORED},
	{"unstable_addr", ROW_IGNORED},
	{"unstable_macro", ROW_IGNORED},
	{"unstable_map_decl", ROW_IGNORED},
	{"unstable_tseries", ROW_IGNORED},
	{"unstable_dw_ustack", ROW_IGNORED},
	{"strlen", ROW_RENAMED, 0, 0, 0, NULL, "it is called max_strlen now"},
	{"no_cpp_demangle", ROW_RENAMED, 0, 0, 0, NULL, "use cpp_demangle = false"},
	{"cat_bytes_max", ROW_RENAMED, 0, 0, 0, NULL, "it is called max_cat_bytes now"},
	{"map_keys_max", ROW_RENAMED, 0, 0, 0, NULL, "it is called max_map_keys now"},
};

void config_init(struct config *c, struct arena *a)
{
	(void)a;
	*c = (struct config){
		.max_strlen = 1024,
		.max_map_keys = 4096,
		.max_probes = 1024,
		.missing_probes = MISSING_ANY,
		.max_bpf_progs = 1024,
		.max_cat_bytes = 10240,
		.on_stack_limit = 32,
		.log_size = 1000000,
		.go_value_size = 1536,
		.go_max_string = 256,
		.go_max_elems = 16,
		.print_maps_on_exit = true,
		.warn_inlined = true,
		.cpp_demangle = true,
		.lazy_symbolication = true,
		.printf_filter = "",
		.max_overhead = "",
		.stack_frame = "",
		.str_trunc_trailer = "..",
		.str_unreadable = "",
		.license = "GPL",
	};
}

size_t config_count(void)
{
	return ARRAY_SIZE(rows);
}

bool config_get(const struct config *c, size_t i, struct config_value *v)
{
	const void *at = (const char *)c + rows[i].off;

	*v = (struct config_value){.name = rows[i].name, .kind = CONFIG_INT};
	switch (rows[i].kind) {
	case ROW_NUM:
		v->num = *(const uint64_t *)at;
		return true;
	case ROW_BOOL:
		v->kind = CONFIG_BOOL;
		v->num = *(const bool *)at;
		return true;
	case ROW_ENUM:
		v->kind = CONFIG_STR;
		v->text = rows[i].choices[*(const unsigned *)at];
		return true;
	case ROW_TEXT:
	case ROW_PERCENT:
		v->kind = CONFIG_STR;
		v->text = *(const char *const *)at;
		return true;
	case ROW_IGNORED:
	case ROW_RENAMED:
		break;
	}
	return false;
}

static struct str without_prefix(struct str name)
{
	static const struct str prefixes[] = {{"bpftrace_", 9}, {"awl_", 4}};

	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
		struct str p = prefixes[i];

		if (name.n > p.n && str_case_eq((struct str){name.p, p.n}, p))
			return (struct str){name.p + p.n, name.n - p.n};
	}
	return name;
}

static const struct row *row_find(struct str name)
{
	name = without_prefix(name);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (str_case_eq(name, str_of(rows[i].name)))
			return &rows[i];
	return NULL;
}

static bool set_bool(bool *out, struct str v)
{
	bool yes = str_case_eq(v, STR("true")) || str_is(v, "1");

	*out = yes;
	return yes || str_case_eq(v, STR("false")) || str_is(v, "0");
}

static bool set_choice(unsigned *out, const char *const *choices, struct str v)
{
	for (unsigned i = 0; choices[i]; i++)
		if (str_case_eq(v, str_of(choices[i]))) {
			*out = i;
			return true;
		}
	return false;
}

static bool set_num(uint64_t *out, const struct row *r, struct str v)
{
	unsigned long long n;

	if (!str_to_u64(v, &n) || n < r->min || n > r->max)
		return false;
	*out = n;
	return true;
}

/* "5%", "0.5 %", "5": thousandths of a percent; 0 when it is none of these. */
static uint64_t percent(const char *text)
{
	char *end;
	double v = strtod(text, &end);

	while (*end == ' ')
		end++;
	if (*end == '%')
		end++;
	if (end == text || *end || !(v >= 0.001) || v > 100000)
		return 0;
	return (uint64_t)(v * 1000 + 0.5);
}

static bool set_percent(const char **out, struct arena *a, struct str v)
{
	const char *text = arena_strndup(a, v.p ? v.p : "", v.n);

	if (v.n && !percent(text))
		return false;
	*out = text;
	return true;
}

uint64_t config_overhead(const struct config *c)
{
	return percent(c->max_overhead);
}

bool config_is_limited(const struct config *c)
{
	return c->max_rate || c->max_overhead[0];
}

static bool row_set(const struct row *r, struct config *c, struct arena *a, struct str v)
{
	void *at = (char *)c + r->off;

	switch (r->kind) {
	case ROW_NUM:
		return set_num(at, r, v);
	case ROW_BOOL:
		return set_bool(at, v);
	case ROW_ENUM:
		return set_choice(at, r->choices, v);
	case ROW_PERCENT:
		return set_percent(at, a, v);
	case ROW_TEXT:
		*(const char **)at = arena_strndup(a, v.p ? v.p : "", v.n);
		return true;
	case ROW_IGNORED:
		return true;
	case ROW_RENAMED:
		break;
	}
	return false;
}

bool config_set(struct config *c, struct arena *a, struct str name, struct str value,
		const char **why)
{
	const struct row *r = row_find(name);

	*why = r ? r->why : "there is no such setting";
	return r && row_set(r, c, a, value);
}

/* The environment's names before the settings got theirs. */
static const char *env_old_name(const char *name)
{
	static const char *const old[][2] = {{"max_strlen", "BPFTRACE_STRLEN"},
					     {"max_map_keys", "BPFTRACE_MAP_KEYS_MAX"},
					     {"max_cat_bytes", "BPFTRACE_CAT_BYTES_MAX"}};

	for (size_t i = 0; i < ARRAY_SIZE(old); i++)
		if (strcmp(old[i][0], name) == 0)
			return old[i][1];
	return NULL;
}

static void set_from_env(struct config *c, struct arena *a, struct diag *d, const struct row *r,
			 const char *name)
{
	const char *v = name ? getenv(name) : NULL;

	if (!v || r->kind == ROW_RENAMED || row_set(r, c, a, str_of(v)))
		return;
	diag_help(diag_report(d, E_CONFIG, NO_SPAN,
			      "the environment has %s=%s: not a value of this setting", name, v),
		  "correct it, or unset %s", name);
}

static const char *const env_prefixes[] = {"BPFTRACE_", "AWL_"}; /* the later wins */

static const char *env_name(char *to, size_t size, const char *prefix, const struct row *r)
{
	snprintf(to, size, "%s%s", prefix, r->name);
	for (char *s = to; *s; s++)
		if (*s >= 'a' && *s <= 'z')
			*s -= 'a' - 'A';
	return to;
}

void config_from_env(struct config *c, struct arena *a, struct diag *d)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		set_from_env(c, a, d, &rows[i], env_old_name(rows[i].name));
		for (size_t p = 0; p < ARRAY_SIZE(env_prefixes); p++) {
			char name[64];

			set_from_env(c, a, d, &rows[i],
				     env_name(name, sizeof(name), env_prefixes[p], &rows[i]));
		}
	}
}

static void add_from_env(struct buf *b, const char *name)
{
	const char *v = name ? getenv(name) : NULL;

	if (v)
		buf_printf(b, "%s=%s\n", name, v);
}

void config_note_env(struct kernel *k)
{
	struct buf b = BUF_INIT;

	if (!kernel_recording(k))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		add_from_env(&b, env_old_name(rows[i].name));
		for (size_t p = 0; p < ARRAY_SIZE(env_prefixes); p++) {
			char name[64];

			add_from_env(&b, env_name(name, sizeof(name), env_prefixes[p], &rows[i]));
		}
	}
	kernel_fact(k, FACT_ENVIRONMENT, "", buf_cstr(&b), 0);
	buf_release(&b);
}

/* ---- the config block ------------------------------------------------------------------------ */

static struct str entry_text(struct arena *a, const struct config_entry *e)
{
	switch (e->kind) {
	case CONFIG_INT:
		return str_of(arena_printf(a, "%llu", (unsigned long long)e->num));
	case CONFIG_BOOL:
		return str_of(e->num ? "true" : "false");
	case CONFIG_STR:
	case CONFIG_IDENT:
		break;
	}
	return e->text;
}

static void report_entry(struct diag *d, const struct config_entry *e, const struct row *r,
			 const char *why)
{
	struct diag_msg *m;
	struct nearest n;

	if (r && r->kind != ROW_RENAMED) {
		m = diag_report(d, E_CONFIG, e->value_span, "wrong value for the setting %s: %s",
				r->name, why);
		diag_primary(m, "this value");
		return;
	}
	m = diag_report(d, E_CONFIG, e->name_span, "setting %.*s: %s", STR_ARG(e->name), why);
	nearest_init(&n, without_prefix(e->name));
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].kind != ROW_RENAMED && rows[i].kind != ROW_IGNORED)
			nearest_try(&n, str_of(rows[i].name));
	if (!r && nearest_found(&n))
		diag_suggest(m, e->name_span, n.best.p);
	else if (!r)
		diag_help(m, "the settings are listed in docs/language.md, section \"config\"");
}

void config_from_script(struct config *c, struct arena *a, struct diag *d,
			const struct script *script)
{
	c->script_applied = true;
	VEC_EACH (struct config_entry, e, &script->config) {
		const struct row *r = row_find(e->name);
		const char *why;

		if (!config_set(c, a, e->name, entry_text(a, e), &why))
			report_entry(d, e, r, why);
		else if (r->kind == ROW_IGNORED)
			diag_report(d, W_IGNORED, e->name_span, "the setting %s has no effect",
				    r->name);
	}
}
