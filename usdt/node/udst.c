/* SPDX-License-Identifier: BSD-2-Clause */
/* USDT probes of a Node program: an addon of five functions over udst.c, without a build system.
 *
 *	cc -O2 -shared -fPIC -I.. -I/usr/include/node -o udst.node udst.c ../udst.c -lpthread
 *
 *	const udst = require('./udst.node');
 *	const shop = udst.provider('shop');
 *	const query = udst.probe(shop, 'query', ['str', 'i32']);
 *	udst.load(shop);
 *	udst.enabled(query) && udst.fire(query, ['select 1', 7]);
 *
 * Types are i8 to u64 and str. Numbers of 64 bits may be BigInt. Providers live as long as the
 * process. */
#include <node_api.h>
#include <stdlib.h>
#include <string.h>
#include "udst.h"

struct node_probe {
	udst_probe *probe;
	unsigned argc;
	int is_text[UDST_MAX_ARGS];
};

static napi_value fail(napi_env env, int error)
{
	napi_throw_error(env, NULL, udst_strerror(error));
	return NULL;
}

static size_t take(napi_env env, napi_callback_info info, napi_value *argv, size_t n)
{
	size_t got = n;

	napi_get_cb_info(env, info, &got, argv, NULL, NULL);
	return got < n ? 0 : n;
}

static void *pointer(napi_env env, napi_value v)
{
	void *p = NULL;

	return napi_get_value_external(env, v, &p) == napi_ok ? p : NULL;
}

static napi_value provider(napi_env env, napi_callback_info info)
{
	char name[UDST_MAX_NAME + 2];
	udst_provider *p;
	napi_value arg, out;
	int r;

	if (!take(env, info, &arg, 1) ||
	    napi_get_value_string_utf8(env, arg, name, sizeof(name), NULL) != napi_ok)
		return fail(env, -22);
	r = udst_provider_create(name, 0, &p);
	if (r < 0)
		return fail(env, r);
	return napi_create_external(env, p, NULL, NULL, &out) == napi_ok ? out : NULL;
}

/* The type that element `i` of an array names; 0: none. */
static signed char type_at(napi_env env, napi_value list, uint32_t i, int *is_text)
{
	static const char names[][4] = {"i8",  "u8",  "i16", "u16", "i32",
					"u32", "i64", "u64", "str"};
	static const signed char types[] = {-1, 1, -2, 2, -4, 4, -8, 8, 8};
	char text[8] = "";
	napi_value v;

	if (napi_get_element(env, list, i, &v) != napi_ok ||
	    napi_get_value_string_utf8(env, v, text, sizeof(text), NULL) != napi_ok)
		return 0;
	*is_text = strcmp(text, "str") == 0;
	for (size_t k = 0; k < sizeof(types); k++)
		if (strcmp(text, names[k]) == 0)
			return types[k];
	return 0;
}

static napi_value probe(napi_env env, napi_callback_info info)
{
	struct node_probe *np = calloc(1, sizeof(*np));
	signed char types[UDST_MAX_ARGS];
	char name[UDST_MAX_NAME + 2];
	napi_value argv[3], out;
	uint32_t n = 0;
	int r = -22;

	if (np && take(env, info, argv, 3) && pointer(env, argv[0]) &&
	    napi_get_value_string_utf8(env, argv[1], name, sizeof(name), NULL) == napi_ok &&
	    napi_get_array_length(env, argv[2], &n) == napi_ok && n <= UDST_MAX_ARGS) {
		np->argc = n;
		for (uint32_t i = 0; i < n; i++)
			types[i] = type_at(env, argv[2], i, &np->is_text[i]);
		r = udst_probe_add(pointer(env, argv[0]), name, n, types, &np->probe);
	}
	if (r == 0 && napi_create_external(env, np, NULL, NULL, &out) == napi_ok)
		return out;
	free(np);
	return fail(env, r);
}

static napi_value load(napi_env env, napi_callback_info info)
{
	napi_value arg;
	int r = take(env, info, &arg, 1) ? udst_provider_load(pointer(env, arg)) : -22;

	return r < 0 ? fail(env, r) : NULL;
}

static napi_value enabled(napi_env env, napi_callback_info info)
{
	struct node_probe *np = NULL;
	napi_value arg, out;

	if (take(env, info, &arg, 1))
		np = pointer(env, arg);
	return napi_get_boolean(env, np && udst_enabled(np->probe), &out) == napi_ok ? out : NULL;
}

static uint64_t number(napi_env env, napi_value v)
{
	int64_t n = 0;
	bool lossless;

	if (napi_get_value_bigint_int64(env, v, &n, &lossless) != napi_ok)
		napi_get_value_int64(env, v, &n);
	return (uint64_t)n;
}

/* A copy of a text, in `*copy`; cut to 4095 bytes. */
static uint64_t text(napi_env env, napi_value v, char **copy)
{
	*copy = calloc(1, 4096);
	if (*copy)
		napi_get_value_string_utf8(env, v, *copy, 4096, NULL);
	return (uintptr_t)*copy;
}

static napi_value fire(napi_env env, napi_callback_info info)
{
	char *copies[UDST_MAX_ARGS] = {NULL};
	uint64_t args[UDST_MAX_ARGS] = {0};
	struct node_probe *np = NULL;
	napi_value argv[2], v;

	if (take(env, info, argv, 2))
		np = pointer(env, argv[0]);
	if (!np || !udst_enabled(np->probe))
		return NULL;
	for (unsigned i = 0; i < np->argc; i++)
		if (napi_get_element(env, argv[1], i, &v) == napi_ok)
			args[i] = np->is_text[i] ? text(env, v, &copies[i]) : number(env, v);
	udst_fire(np->probe, args);
	for (unsigned i = 0; i < np->argc; i++)
		free(copies[i]);
	return NULL;
}

NAPI_MODULE_INIT()
{
	static const struct {
		const char *name;
		napi_callback fn;
	} all[] = {{"provider", provider},
		   {"probe", probe},
		   {"load", load},
		   {"enabled", enabled},
		   {"fire", fire}};
	napi_value fn;

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		if (napi_create_function(env, all[i].name, NAPI_AUTO_LENGTH, all[i].fn, NULL,
					 &fn) == napi_ok)
			napi_set_named_property(env, exports, all[i].name, fn);
	return exports;
}
