/* A small world to check scripts in: a handful of builtins and providers with fixed types, so that
 * the tests of sema depend on no kernel and on no other table. */
#ifndef FAKE_H
#define FAKE_H

#include "sema/sema.h"

struct fake {
	struct arena *arena;
	struct diag *diag;
	struct kernel *kernel;
	struct types *types;
	struct config config;
	struct script *script;
	struct plan *plan;
	bool ok;
	struct buf messages; /* rendered */
};

extern const struct builtin *const fake_families[];
extern const struct provider *const fake_providers[];

/* Parses and checks a script. `params` is a NULL-terminated list or NULL. */
struct fake *fake_check(const char *text, const char *const *params);
struct fake *fake_check_named(const char *name, struct str text, const char *const *params);
void fake_free(struct fake *f);
bool fake_has(const struct fake *f, const char *code); /* "E0301" is among the messages */

struct map_sym *fake_map(const struct fake *f, const char *name);
struct var_sym *fake_var(const struct fake *f, const char *name); /* of any program */
const char *fake_type(const struct fake *f, const struct type *t);

#endif
