/* What a test of rendering works with: types of the running kernel and a renderer. */
#ifndef AWL_TEST_RUNTIME_VALUES_H
#define AWL_TEST_RUNTIME_VALUES_H

#include "fixture.h"

static struct arena *arena;
static struct types *types;
static struct kernel *kernel;
static struct config config = {.str_trunc_trailer = ".."};
static struct render render;

static int setup(void **state)
{
	arena = arena_new();
	kernel = kernel_new(NULL);
	types = types_new(arena, kernel);
	render = (struct render){.kernel = kernel,
				 .types = types,
				 .config = &config,
				 .arena = arena,
				 .stack = stack_render,
				 .value = render_value};
	return 0;
}

static int teardown(void **state)
{
	kernel_free(kernel);
	arena_free(arena);
	return 0;
}

#endif
