/* Fuzzing of what else a traced program can write for us to read: USDT argument descriptions, perf
 * maps, mangled names, and paths in its mappings. */
#include "elf/elf.h"
#include "elf/maps.h"
#include "elf/perfmap.h"

#include <elf.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a = arena_new();
	char *text = arena_strndup(a, (const char *)data, size);
	struct buf b = BUF_INIT;
	struct usdt_arg *args;
	struct perfmap *map;
	struct proc_map line;
	uint64_t off;
	size_t n;

	usdt_parse_args(a, NULL, EM_X86_64, text, &args, &n, NULL);
	usdt_parse_args(a, NULL, EM_AARCH64, text, &args, &n, NULL);
	elf_demangle(a, text);
	buf_add(&b, data, size);
	map = perfmap_parse(&b);
	perfmap_find(map, 0x1010, &off);
	perfmap_free(map);
	maps_parse_line(text, &line);
	arena_free(a);
	return 0;
}
