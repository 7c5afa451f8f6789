/* Fuzzing of what else a traced program can write for us to read: USDT argument descriptions, perf
 * maps, jitdumps, mangled names, and paths in its mappings. */
#include "elf/elf.h"
#include "elf/jitdump.h"
#include "elf/maps.h"
#include "elf/perfmap.h"

#include <elf.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The bytes as records behind a good header, in two parts: dumps grow. */
static void read_jitdump(const uint8_t *data, size_t size)
{
	static const uint32_t header[10] = {0x4a695444, 1, sizeof(header)};
	int fd = memfd_create("fuzz", MFD_CLOEXEC);
	struct jitdump *d = jitdump_new();
	size_t half = size / 2;
	uint64_t off;

	if (fd >= 0 && write(fd, header, sizeof(header)) == sizeof(header) &&
	    write(fd, data, half) == (ssize_t)half) {
		jitdump_read(d, fd, "fuzz");
		if (write(fd, data + half, size - half) == (ssize_t)(size - half))
			jitdump_read(d, fd, "fuzz");
	}
	jitdump_find(d, 0x1010, &off);
	jitdump_free(d);
	close(fd);
}

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
	elf_without_readers();
	read_jitdump(data, size);
	arena_free(a);
	return 0;
}
