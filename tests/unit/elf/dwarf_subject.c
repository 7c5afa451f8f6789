/* A program with inlined copies: in other functions, in one another, by both units of it. Built
 * with several kinds of debug information. */
#define KEEP(v) __asm__ volatile("" : "+r"(v))
#define INLINE  static inline __attribute__((always_inline))

INLINE int twice(int v)
{
	KEEP(v);
	return v * 2;
}

INLINE int outer(int v)
{
	KEEP(v);
	return twice(v + 1) + twice(v);
}

static inline __attribute__((always_inline)) int f(int v) /* a name that fits into an entry */
{
	KEEP(v);
	return v + 1;
}

__attribute__((noinline)) static int alone(int v)
{
	KEEP(v);
	return v;
}

int main(int argc, char **argv)
{
	return alone(outer(argc) + twice(argc) + f(argc)) == 0;
}
