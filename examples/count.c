/* libawl in sixty lines: which programs make most system calls? Compiles a script, attaches it,
 * receives what it prints by callback, and reads a map.
 *
 *   cc count.c $(pkg-config --cflags --libs awl) -o count && sudo ./count */
#include <awl/awl.h>
#include <stdio.h>
#include <string.h>

static const char script[] = "tracepoint:raw_syscalls:sys_enter { @calls[comm] = count(); }"
			     "interval:s:1 { printf(\"one second has passed\\n\"); }"
			     "interval:s:3 { exit(); }";

static void on_message(void *arg, enum awl_level level, const char *text)
{
	fprintf(stderr, "awl: %s\n", text);
}

/* One record of the script's output: here, of printf. */
static void on_record(void *arg, const char *type, const char *text, size_t len)
{
	if (strcmp(type, "printf") == 0)
		printf("event: %.*s", (int)len, text);
}

/* Entries come in ascending order of their values, as print() shows them. */
static int on_entry(void *arg, const char *key, const char *value, const void *key_bytes,
		    size_t key_len, const void *value_bytes, size_t value_len)
{
	printf("%-16s %s\n", key, value);
	return 0;
}

static int fail(struct awl *awl)
{
	fprintf(stderr, "%s", awl_error(awl));
	awl_free(awl);
	return 1;
}

int main(void)
{
	AWL_OPTS(awl_opts, opts, .handle_signals = 1, .message = on_message, .record = on_record);
	struct awl *awl = awl_new(&opts);

	if (awl_compile(awl, "count", script, NULL) < 0 || awl_attach(awl) < 0)
		return fail(awl);
	while (awl_poll(awl, 100) >= 0)
		;
	printf("system calls by program:\n");
	if (awl_map_each(awl, "@calls", on_entry, NULL) < 0)
		return fail(awl);
	awl_free(awl);
	return 0;
}
