/* Fuzzing of the readers of ELF files, symbols, USDT notes and code: any bytes, no crash, no hang.
 * The first byte chooses between bytes in memory and a file that is read in pieces. */
#include "elf/elf.h"

#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void take_name(void *arg, const char *name)
{
	size_t *total = arg;

	*total += strlen(name);
}

static void exercise_funcs(struct elf *f)
{
	const struct elf_func *funcs;
	const char *const *inlined;
	struct placement place;
	struct elf_func fn;
	size_t n;

	if (elf_funcs(f, &funcs, &n, NULL) < 0)
		return;
	for (size_t i = 0; i < n && i < 50; i++) {
		elf_place(f, funcs[i].offset, funcs[i].size, PLACE_CALLS, &place);
		elf_place(f, funcs[i].offset + 5, 0, PLACE_SITE | PLACE_CALLS, &place);
		elf_func_at(f, funcs[i].offset + 1, &fn);
		elf_inlined_at(f, funcs[i].offset + 32, &inlined);
		elf_func_find(f, str_of(funcs[i].name), &fn);
	}
}

/* Rows are in order, whatever the file says. */
static void exercise_unwind(struct elf *f)
{
	struct elf_unwind u;
	size_t total = 0;

	elf_needed(f, take_name, &total);
	if (elf_unwind_read(f, &u, NULL) == 0)
		for (size_t i = 0; i + 1 < u.n; i++)
			if (u.rows[i].pc >= u.rows[i + 1].pc)
				__builtin_trap();
	elf_unwind_free(&u);
}

static void exercise(struct elf *f)
{
	const struct usdt_site *sites;
	struct elf_func fn;
	uint8_t id[64];
	uint64_t addr, n;
	size_t nsites;

	elf_func_find(f, STR("memcpy@GLIBC_2.2.5"), &fn);
	elf_sym_find(f, STR("environ"), &addr, &n);
	elf_is_go(f);
	elf_build_id(f, id, sizeof(id));
	exercise_funcs(f);
	elf_usdt(f, &sites, &nsites, NULL);
	exercise_unwind(f);
}

static struct elf *open_file(const uint8_t *data, size_t size)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		return NULL;
	return elf_open_fd(fd, "/proc/self/fd/fuzz", NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct elf *f;

	elf_without_readers();
	if (!size)
		return 0;
	f = data[0] & 1 ? open_file(data + 1, size - 1)
			: elf_open_memory(data + 1, size - 1, "fuzz", NULL);
	if (f)
		exercise(f);
	elf_close(f);
	return 0;
}
