/* Sorting tens of thousands of symbols in milliseconds.
 *
 * C++ names share long prefixes, and a comparison of two strings in a table of megabytes is two
 * cache misses. So names are sorted eight bytes at a time: the next eight bytes become an integer
 * key (big endian, so that integers compare like strings), items are sorted by it, and each run of
 * equal keys that has not reached its NUL goes on with the eight bytes behind.
 *
 *   "_ZN2v88internal4Heap…"     key 1 = "_ZN2v88i"   key 2 = "nternal4"   key 3 = "Heap…"
 *
 * The integer sort is a quicksort that hands over to libc's merge sort when it goes too deep: files
 * of others must not be able to choose the quadratic case. */
#include "elf/sort.h"

#include <stdlib.h>
#include <string.h>

static inline int item_less(const struct sort_item *a, const struct sort_item *b)
{
	if (a->key != b->key)
		return a->key < b->key;
	return a->rank != b->rank ? a->rank < b->rank : a->idx < b->idx;
}

static int item_cmp(const void *a, const void *b)
{
	return item_less(b, a) - item_less(a, b);
}

static void insertion_sort(struct sort_item *v, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		struct sort_item x = v[i];
		size_t j = i;

		for (; j && item_less(&x, &v[j - 1]); j--)
			v[j] = v[j - 1];
		v[j] = x;
	}
}

static struct sort_item median_of(const struct sort_item *a, const struct sort_item *b,
				  const struct sort_item *c)
{
	if (item_less(a, b))
		return item_less(b, c) ? *b : item_less(a, c) ? *c : *a;
	return item_less(a, c) ? *a : item_less(b, c) ? *c : *b;
}

static void quick_sort(struct sort_item *v, size_t n, int depth)
{
	while (n > 16) {
		struct sort_item p, t;
		size_t i = 0, j = n - 1;

		if (!depth--) {
			qsort(v, n, sizeof(*v), item_cmp);
			return;
		}
		p = median_of(&v[0], &v[n / 2], &v[n - 1]);
		for (;; i++, j--) { /* Hoare: both halves end up non-empty */
			while (item_less(&v[i], &p))
				i++;
			while (item_less(&p, &v[j]))
				j--;
			if (i >= j)
				break;
			t = v[i];
			v[i] = v[j];
			v[j] = t;
		}
		quick_sort(v, i, depth);
		v += i;
		n -= i;
	}
	insertion_sort(v, n);
}

void sort_by_key(struct sort_item *v, size_t n)
{
	quick_sort(v, n, 48);
}

/* Up to eight bytes of a name as an integer; behind its NUL everything is zero. */
static uint64_t name_key(const char *s)
{
	uint64_t k = 0;

	for (int i = 0; i < 8 && s[i]; i++)
		k |= (uint64_t)(unsigned char)s[i] << (56 - 8 * i);
	return k;
}

static void sort_names_from(struct sort_item *v, size_t n, size_t depth)
{
	size_t i, j;

	for (i = 0; i < n; i++)
		v[i].key = name_key(v[i].name + depth);
	quick_sort(v, n, 48);
	for (i = 0; i < n; i = j) {
		for (j = i + 1; j < n && v[j].key == v[i].key;)
			j++;
		if (j - i > 1 && (v[i].key & 0xff)) /* the last byte is not the NUL: go on */
			sort_names_from(v + i, j - i, depth + 8);
	}
}

void sort_by_name(struct sort_item *v, size_t n)
{
	sort_names_from(v, n, 0);
}
