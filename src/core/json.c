#include <jansson.h>

#include "core/json.h"
#include "base/scan.h"

static void
add_escape(struct smx_buf *out, unsigned char c)
{
	static const char hex[] = "0123456789abcdef";
	char text[6] = { '\\', 'u', '0', '0', hex[c >> 4], hex[c & 15] };

	switch (c) {
	case '"':
		smx_buf_add(out, SMX_SLICE("\\\""));
		break;
	case '\\':
		smx_buf_add(out, SMX_SLICE("\\\\"));
		break;
	case '\n':
		smx_buf_add(out, SMX_SLICE("\\n"));
		break;
	case '\r':
		smx_buf_add(out, SMX_SLICE("\\r"));
		break;
	case '\t':
		smx_buf_add(out, SMX_SLICE("\\t"));
		break;
	default:
		smx_buf_add(out, smx_slice(text, sizeof(text)));
		break;
	}
}

/* Beyond U+FFFF as a surrogate pair (RFC 8259, 7). */
static void
add_code_point(struct smx_buf *out, uint32_t c)
{
	if (c > 0xffff)
		smx_buf_printf(out, "\\u%04x\\u%04x",
		    (unsigned)(0xd800 + ((c - 0x10000) >> 10)),
		    (unsigned)(0xdc00 + ((c - 0x10000) & 0x3ff)));
	else
		smx_buf_printf(out, "\\u%04x", (unsigned)c);
}

/* One character. What people see has to be what there is, on a terminal too. */
static void
add_character(struct smx_buf *out, struct smx_slice character)
{
	uint32_t c = smx_scan_code_point(character);

	if (c == '"' || c == '\\' || c < ' ')
		add_escape(out, (unsigned char)c);
	else if (smx_scan_is_control(c))
		add_code_point(out, c);
	else
		smx_buf_add(out, character);
}

/* How many octets at the start stand for themselves: nearly all do, and are
 * added in one piece. */
static size_t
plain(struct smx_slice text)
{
	size_t n = 0;

	while (n < text.n && text.p[n] >= ' ' && text.p[n] < 0x7f &&
	    text.p[n] != '"' && text.p[n] != '\\')
		n++;
	return n;
}

void
smx_json_print_text(struct smx_buf *out, struct smx_slice text)
{
	smx_buf_add_char(out, '"');
	for (;;) {
		size_t n = plain(text);

		smx_buf_add(out, smx_slice(text.p, n));
		text = smx_slice_from(text, n);
		if (text.n == 0)
			break;
		n = smx_scan_utf8(text);
		if (n == 0) {
			smx_buf_add(out, SMX_SLICE("\xef\xbf\xbd"));
			n = 1;
		} else {
			add_character(out, smx_slice(text.p, n));
		}
		text = smx_slice_from(text, n);
	}
	smx_buf_add_char(out, '"');
}

void
smx_json_print_member(struct smx_buf *out, const char *name,
    struct smx_slice text)
{
	if (text.n == 0)
		return;
	smx_buf_add(out, SMX_SLICE(",\""));
	smx_buf_add_text(out, name);
	smx_buf_add(out, SMX_SLICE("\":"));
	smx_json_print_text(out, text);
}

/* jansson's values behind our name: a pointer to one is a pointer to the
 * other. */
static const json_t *
value_of(const struct smx_json *j)
{
	return (const void *)j;
}

static json_t *
load(struct smx_slice json, struct smx_buf *what)
{
	json_error_t error;
	json_t *root = json_loadb(json.p, json.n,
	    JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);

	if (root == NULL)
		smx_buf_printf(what, "no JSON: %s (column %d)", error.text,
		    error.column);
	return root;
}

int
smx_json_read(struct smx_slice json, struct smx_json **ret,
    struct smx_buf *what)
{
	json_t *root;

	if (json.n > SMX_JSON_DOCUMENT_MAX) {
		smx_buf_printf(what, "it is longer than %zu bytes",
		    SMX_JSON_DOCUMENT_MAX);
		return -SMX_ELIMIT;
	}
	root = load(json, what);
	if (root == NULL)
		return -SMX_EPARSE;
	*ret = (void *)root;
	return 0;
}

void
smx_json_free(struct smx_json **j)
{
	json_decref((void *)*j);
	*j = NULL;
}

const struct smx_json *
smx_json_member(const struct smx_json *j, const char *name)
{
	return (void *)json_object_get(value_of(j), name);
}

size_t
smx_json_count(const struct smx_json *j)
{
	return json_array_size(value_of(j));
}

const struct smx_json *
smx_json_element(const struct smx_json *j, size_t i)
{
	return (void *)json_array_get(value_of(j), i);
}

struct smx_slice
smx_json_bytes(const struct smx_json *j)
{
	return smx_slice(json_string_value(value_of(j)),
	    json_string_length(value_of(j)));
}

int
smx_json_read_texts(struct smx_arena *a, struct smx_slice json,
    struct smx_json_text *texts, size_t count, struct smx_buf *what)
{
	json_t *root;
	int rc = 0;

	if (json.n > SMX_JSON_BYTES_MAX) {
		smx_buf_printf(what, "it is longer than %zu bytes",
		    SMX_JSON_BYTES_MAX);
		return -SMX_ELIMIT;
	}
	root = load(json, what);
	if (root == NULL)
		return -SMX_EPARSE;
	for (size_t i = 0; i < count && rc == 0; i++) {
		const json_t *value = json_object_get(root, texts[i].name);

		if (!json_is_string(value)) {
			smx_buf_printf(what, "it has no text \"%s\"",
			    texts[i].name);
			rc = -SMX_EPARSE;
			break;
		}
		texts[i].value.n = json_string_length(value);
		texts[i].value.p = smx_arena_copy(a,
		    smx_slice(json_string_value(value), texts[i].value.n));
		if (texts[i].value.p == NULL) {
			smx_buf_add_text(what, "out of memory");
			rc = -SMX_ENOMEM;
		}
	}
	json_decref(root);
	return rc;
}

bool
smx_json_integer(const struct smx_json *j, int64_t *ret)
{
	if (j == NULL || !json_is_integer(value_of(j)))
		return false;
	*ret = json_integer_value(value_of(j));
	return true;
}
