#include <stdio.h>
#include <stdlib.h>

#include "base/require.h"

_Noreturn void
smx_require_failed(const char *expr, const char *file, int line)
{
	fprintf(stderr, "strictmx: bug: %s:%d: %s\n", file, line, expr);
	abort();
}
