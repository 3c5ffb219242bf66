#include <stdlib.h>

#include "bytes.h"

static int
digit(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = c != '\0' ? strchr(digits, c) : NULL;

	return at != NULL ? (int)(at - digits) : -1;
}

static int
add_hex(struct smx_buf *out, const char *hex)
{
	while (*hex != '\0') {
		int high, low;

		if (*hex == ' ') {
			hex++;
			continue;
		}
		high = digit(hex[0]);
		low = high >= 0 ? digit(hex[1]) : -1;
		if (low < 0)
			return -SMX_EINVAL;
		smx_buf_add_char(out, (char)(high << 4 | low));
		hex += 2;
	}
	return 0;
}

static int
add_part(struct smx_buf *out, const json_t *part)
{
	const json_t *hex = json_object_get(part, "hex");
	const json_t *text = json_object_get(part, "text");
	json_int_t times = json_integer_value(json_object_get(part, "times"));

	if (json_is_string(part)) {
		smx_buf_add(out,
		    smx_slice(json_string_value(part),
			json_string_length(part)));
		return 0;
	}
	if (json_is_string(hex))
		return add_hex(out, json_string_value(hex));
	if (!json_is_string(text) || times < 1)
		return -SMX_EINVAL;
	while (times-- > 0)
		smx_buf_add_text(out, json_string_value(text));
	return 0;
}

int
bytes_add(struct smx_buf *out, const json_t *field)
{
	if (!json_is_array(field))
		return add_part(out, field);
	for (size_t i = 0; i < json_array_size(field); i++) {
		int rc = add_part(out, json_array_get(field, i));

		if (rc < 0)
			return rc;
	}
	return smx_buf_status(out);
}

struct smx_slice
bytes_exact(const json_t *field)
{
	struct smx_slice exact = { NULL, 0 };
	struct smx_buf b;

	smx_buf_init(&b, (size_t)1 << 20);
	if (bytes_add(&b, field) == 0) {
		char *p = malloc(b.n != 0 ? b.n : 1);

		if (p != NULL) {
			if (b.n != 0)
				memcpy(p, b.p, b.n);
			exact = smx_slice(p, b.n);
		}
	}
	smx_buf_done(&b);
	return exact;
}
