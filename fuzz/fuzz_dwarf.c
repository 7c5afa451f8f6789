/* Fuzzing of what is told of debug information: any bytes as the file, no crash, no hang. Most of
 * the code is libdw's, which parses foreign files in the reader only. */
#include "ask.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ask(struct dwarf *d, uint64_t addr)
{
	struct arena *a = arena_new();
	const struct dwarf_member *m;
	const struct dwarf_value *v;
	struct dwarf_func f;
	struct dwarf_type t;

	if (dwarf_func_at(d, addr, NULL, a, &f, NULL) == 0) {
		struct abi_place places[256];

		if (f.nparams <= ARRAY_SIZE(places))
			abi_params(d, 62, &f, places);
		for (dwarf_ref ref = 1; ref < 40 && dwarf_type_get(d, ref, &t); ref++) {
			dwarf_members(d, ref, a, &m);
			dwarf_values(d, ref, a, &v);
		}
	}
	arena_free(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);
	struct dwarf *d;
	char path[64];

	elf_without_readers();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		return 0;
	d = dwarf_open(path, NULL);
	for (uint64_t addr = 0x1100; d && addr < 0x1300; addr += 16)
		ask(d, addr);
	if (d)
		ask_copies(d);
	dwarf_close(d);
	close(fd);
	return 0;
}
