/* Kernels made for tests (made.h): BTF of the kernel and of one module, lists of features and
 * functions, nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <bpf/btf.h>
#include <cmocka.h>

#include "made.h"

const struct made made_usual = {
	.pid_at = 64,
	.comm_at = 96,
	.flag_bit = 128 * 8 + 3,
	.pid_bytes = 4,
	.features = "BTF\nRINGBUF\nMMAPABLE\nATOMIC_FETCH\nLONG_KEYS\n"
		    "PROBE_READ_KERNEL\nKTIME_BOOT\nTEST_RUN_RAW_TP\nRAW_TP\n"
		    "COMM_PADS\nTRACEFS\n"};

static void write_file(const char *path, const void *p, size_t n)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(p, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
}

static void add_typedefs(struct btf *b, int of, unsigned n)
{
	char name[32];

	for (unsigned i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "filler_%u", i);
		assert_true(btf__add_typedef(b, name, of) > 0);
	}
}

static void add_function(struct btf *b, const char *name, int returns, const char *param, int type)
{
	int ptr = btf__add_ptr(b, type), proto = btf__add_func_proto(b, returns);

	assert_int_equal(btf__add_func_param(b, param, ptr), 0);
	if (strcmp(name, "vfs_read") == 0)
		assert_int_equal(btf__add_func_param(b, "count", btf__find_by_name(b, "long")), 0);
	assert_true(btf__add_func(b, name, BTF_FUNC_GLOBAL, proto) > 0);
}

static void write_module(const struct made *m, struct btf *base, const char *path)
{
	struct btf *b = btf__new_empty_split(base);
	int i32 = btf__find_by_name(base, "int"), st;
	const void *data;
	uint32_t n;

	add_typedefs(b, i32, m->types_before);
	st = btf__add_struct(b, "disk", 128);
	assert_true(st > 0);
	assert_int_equal(btf__add_field(b, "queue", i32, m->queue_at * 8, 0), 0);
	add_function(b, "disk_write", i32, "to", st);
	data = btf__raw_data(b, &n);
	write_file(path, data, n);
	btf__free(b);
}

static void write_btf(const struct made *m, const char *path, const char *module)
{
	struct btf *b = btf__new_empty();
	int i32 = btf__add_int(b, "int", 4, BTF_INT_SIGNED);
	int i64 = btf__add_int(b, "long", 8, BTF_INT_SIGNED);
	int u32 = btf__add_int(b, "unsigned int", 4, 0);
	int ch = btf__add_int(b, "char", 1, BTF_INT_SIGNED);
	int text = btf__add_array(b, u32, ch, 16);
	const void *data;
	uint32_t n;
	int task = btf__add_struct(b, "task_struct", 256);

	assert_true(task > 0);
	if (m->pid_bytes)
		assert_int_equal(
			btf__add_field(b, "pid", m->pid_bytes == 8 ? i64 : i32, m->pid_at * 8, 0),
			0);
	assert_int_equal(btf__add_field(b, "comm", text, m->comm_at * 8, 0), 0);
	assert_int_equal(btf__add_field(b, "flag", u32, m->flag_bit, 1), 0);
	add_typedefs(b, i32, m->types_before);
	add_function(b, "vfs_read", m->read_returns_long ? i64 : i32, "by", task);
	data = btf__raw_data(b, &n);
	write_file(path, data, n);
	if (!m->no_module)
		write_module(m, b, module);
	btf__free(b);
}

struct kernel *made_kernel(const struct made *m, char *dir)
{
	static const char functions_text[] = "vfs_read\ndisk_write [disk]\n";
	char btf[128], features[128], functions[128], module[128];

	strcpy(dir, "/tmp/awl-aot-XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(btf, sizeof(btf), "%s/btf", dir);
	snprintf(features, sizeof(features), "%s/features", dir);
	snprintf(functions, sizeof(functions), "%s/functions", dir);
	snprintf(module, sizeof(module), "%s/disk", dir);
	write_btf(m, btf, module);
	write_file(features, m->features, strlen(m->features));
	write_file(functions, functions_text, sizeof(functions_text) - 1);
	return kernel_new(&(struct kernel_paths){
		.btf = btf, .features = features, .functions = functions, .modules = dir});
}

void made_free(struct kernel *k, const char *dir)
{
	static const char *const files[] = {"btf", "features", "functions", "disk"};
	char path[128];

	kernel_free(k);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, files[i]);
		unlink(path);
	}
	rmdir(dir);
}

void made_build(struct kernel *k, const char *script, struct buf *out)
{
	const struct compile_in in = {
		.kernel = k, .name = "-e", .text = str_of(script), .unsafe = true};
	struct diag *d;
	struct arena *a;
	struct buf text = BUF_INIT;
	bool ok = aot_build(&in, out, &d, &a);

	diag_render(d, &text, DIAG_TEXT);
	if (!ok)
		print_error("%s", buf_cstr(&text));
	assert_true(ok);
	buf_release(&text);
	arena_free(a);
}

void made_load(struct kernel *k, struct str bytes, bool unsafe, struct made_load *out)
{
	const struct compile_in in = {.kernel = k, .unsafe = unsafe};

	memset(out, 0, sizeof(*out));
	out->p = aot_load(bytes, &in, &out->report, &out->diag, &out->arena, &out->e);
}

void made_load_free(struct made_load *l)
{
	if (l->p)
		program_free(l->p);
	else
		arena_free(l->arena);
}
