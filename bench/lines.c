/* lines: counts, on its standard input, the lines with the loop's string in them, and what a tracer
 * says it lost.
 *
 *   tracer | lines          "1000000 0": lines, lost
 *
 * It takes as little of the processor as it can, because it runs beside the tracer and the loop: a
 * megabyte at a time out of a pipe that is made that large. Lines of a tracer are complete except
 * at the end of a block, where the rest is carried to the front:
 *
 *   buffer   rest of a line │ what read() gave … │ rest
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BLOCK = 1 << 20 };

static const char loop_text[] = "abcdefghijkl";
static uint64_t lines, lost;

static void take_line(const char *line, size_t len)
{
	if (memmem(line, len, loop_text, sizeof(loop_text) - 1))
		lines++;
	else if (len > 5 && !memcmp(line, "Lost ", 5))
		lost += strtoull(line + 5, NULL, 10);
}

/* Takes the whole lines of the buffer; the length of the rest. */
static size_t take_lines(char *text, size_t len)
{
	char *at = text, *end = text + len, *newline;

	while ((newline = memchr(at, '\n', end - at))) {
		take_line(at, newline - at);
		at = newline + 1;
	}
	if (end - at >= BLOCK) /* a line without an end */
		at = end;
	memmove(text, at, end - at);
	return end - at;
}

int main(void)
{
	static char text[2 * BLOCK];
	size_t rest = 0;
	ssize_t n;

	fcntl(0, F_SETPIPE_SZ, BLOCK);
	while ((n = read(0, text + rest, BLOCK)) > 0)
		rest = take_lines(text, rest + n);
	take_line(text, rest);
	printf("%llu %llu\n", (unsigned long long)lines, (unsigned long long)lost);
	return n < 0;
}
