/* Fuzzing the reader of compiled programs (docs/aot.md).
 *
 * Length and checksum are made right first, as somebody who means harm would. Whatever the bytes
 * are: either the file is refused with an error that says so, or its script has errors, or there is
 * a program whose parts fit together; then the disassembler and the description go over it. The
 * kernel underneath is the one that runs the fuzzer; nothing is loaded into it.
 *
 *   fuzz_aot -max_len=8192 corpus/aot
 */
#include <stdlib.h>

#include "aot/aot.h"
#include "aot/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct kernel *kernel;

static void put(char *p, uint64_t v, int bytes)
{
	for (int i = 0; i < bytes; i++)
		p[i] = (char)(v >> (8 * i));
}

static void make_right(char *p, size_t n)
{
	if (n < 80)
		return;
	put(p + 16, n, 4);
	put(p + 24, wire_checksum(wire_checksum(WIRE_CHECKSUM, p, 24), p + 32, n - 32), 8);
}

static void load(struct str bytes)
{
	struct buf dump = BUF_INIT;
	const struct compile_in in = {
		.kernel = kernel, .unsafe = true, .dump = DUMP_BPF, .dump_to = &dump};
	struct aot_report report;
	struct diag *d;
	struct arena *a;
	struct err e = {0};
	struct program *p = aot_load(bytes, &in, &report, &d, &a, &e);

	if (!p && !e.code && !diag_errors(d))
		abort();
	if (p)
		program_free(p);
	else
		arena_free(a);
	buf_release(&dump);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* A copy of just the size, so that the sanitizer sees reads behind the end. */
	char *copy = memcpy(malloc(size + !size), data, size);
	struct buf text = BUF_INIT;
	struct err e = {0};

	if (!kernel)
		kernel = kernel_new(NULL);
	make_right(copy, size);
	load((struct str){copy, size});
	if (aot_describe((struct str){copy, size}, &text, &e) < 0 && !e.code)
		abort();
	buf_release(&text);
	free(copy);
	return 0;
}
