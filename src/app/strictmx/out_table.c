#include <stdlib.h>

#include "app/strictmx/out_table.h"
#include "base/scan.h"

bool
smx_out_table_print(struct libscols_table *t, struct smx_buf *out)
{
	struct smx_slice rest;
	char *text = NULL;

	if (scols_print_table_to_string(t, &text) != 0 || text == NULL)
		return false;
	rest = smx_slice_text(text);
	while (rest.n > 0) {
		size_t n = smx_slice_find(rest, '\n');

		smx_buf_add(out, smx_scan_trim_end(smx_slice(rest.p, n)));
		smx_buf_add_char(out, '\n');
		rest = smx_slice_from(rest, n + 1);
	}
	free(text);
	return true;
}
