#include "core/json_scan.h"
#include "base/scan.h"

/* RFC 7493, 2.2: beyond this a number need not survive. */
#define INTEGER_MAX (INT64_C(1) << 53)

_Static_assert(SMX_JSON_DEPTH_MAX <= 32, "objects has a bit for each level");

void
smx_json_scan_init(struct smx_json_scan *s, struct smx_arena *arena,
    struct smx_slice input)
{
	*s = (struct smx_json_scan){ .arena = arena, .input = input };
}

static void
skip_blanks(struct smx_json_scan *s)
{
	while (s->at < s->input.n) {
		char c = s->input.p[s->at];

		if (c != ' ' && c != '\t' && c != '\n' && c != '\r')
			return;
		s->at++;
	}
}

static bool
is_in_object(const struct smx_json_scan *s)
{
	return s->depth > 0 && (s->objects >> (s->depth - 1) & 1) != 0;
}

/* The four digits of \uXXXX. @return a value above 0xffff for anything else. */
static uint32_t
read_hex(struct smx_slice s, size_t at)
{
	uint32_t value = 0;

	if (s.n < 4 || at > s.n - 4)
		return UINT32_MAX;
	for (size_t i = at; i < at + 4; i++) {
		char c = smx_scan_lower(s.p[i]);

		if (smx_scan_is_digit(c))
			value = value << 4 | (uint32_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			value = value << 4 | (uint32_t)(c - 'a' + 10);
		else
			return UINT32_MAX;
	}
	return value;
}

static size_t
put_utf8(char *to, uint32_t c)
{
	if (c < 0x80) {
		to[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		to[0] = (char)(0xc0 | c >> 6);
		to[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		to[0] = (char)(0xe0 | c >> 12);
		to[1] = (char)(0x80 | (c >> 6 & 0x3f));
		to[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	to[0] = (char)(0xf0 | c >> 18);
	to[1] = (char)(0x80 | (c >> 12 & 0x3f));
	to[2] = (char)(0x80 | (c >> 6 & 0x3f));
	to[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}

/* \uXXXX at s->at, perhaps a pair of them; half a pair becomes U+FFFD.
 * @return the octets put, 0 when it is malformed. */
static size_t
unescape_unicode(struct smx_json_scan *s, char *to)
{
	uint32_t c = read_hex(s->input, s->at + 2), low;

	if (c > 0xffff)
		return 0;
	s->at += 6;
	if (c < 0xd800 || c > 0xdfff)
		return put_utf8(to, c);
	low = s->input.n - s->at >= 6 && s->input.p[s->at] == '\\' &&
		s->input.p[s->at + 1] == 'u'
	    ? read_hex(s->input, s->at + 2)
	    : 0;
	if (c > 0xdbff || low < 0xdc00 || low > 0xdfff)
		return put_utf8(to, 0xfffd);
	s->at += 6;
	return put_utf8(to, 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00));
}

/* The escape at s->at. @return as unescape_unicode(). */
static size_t
unescape(struct smx_json_scan *s, char *to)
{
	static const char from[] = "\"\\/bfnrt", into[] = "\"\\/\b\f\n\r\t";
	const char *found;

	if (s->input.n - s->at < 2)
		return 0;
	if (s->input.p[s->at + 1] == 'u')
		return unescape_unicode(s, to);
	found = memchr(from, s->input.p[s->at + 1], sizeof(from) - 1);
	if (found == NULL)
		return 0;
	*to = into[found - from];
	s->at += 2;
	return 1;
}

/* @return the first place from s->at on with a quote, backslash or control
 * character; the end of the input when there is none. */
static size_t
plain_end(const struct smx_json_scan *s)
{
	const char *p = s->input.p;
	size_t i = s->at;

	while (i < s->input.n && p[i] != '"' && p[i] != '\\' &&
	    (unsigned char)p[i] >= ' ')
		i++;
	return i;
}

/* What is left of a text with escapes, from the first of them on. */
static int
scan_escaped(struct smx_json_scan *s, size_t begin, struct smx_slice *ret)
{
	struct smx_slice rest = smx_slice_from(s->input, s->at);
	size_t plain = s->at - begin, end = 0;
	char *to;

	/* Up to the closing quote; unescaped it is never longer. */
	while (end < rest.n && rest.p[end] != '"')
		end += rest.p[end] == '\\' ? 2 : 1;
	if (end >= rest.n)
		return -SMX_EPARSE;
	to = smx_arena_take(s->arena, 1, plain + end);
	if (to == NULL)
		return -SMX_ENOMEM;
	memcpy(to, s->input.p + begin, plain);
	ret->p = to;
	ret->n = plain;
	while (s->input.p[s->at] == '\\') {
		size_t n = unescape(s, to + ret->n);

		if (n == 0)
			return -SMX_EPARSE;
		ret->n += n;
		plain = plain_end(s) - s->at;
		memcpy(to + ret->n, s->input.p + s->at, plain);
		ret->n += plain;
		s->at += plain;
		if (s->at == s->input.n)
			return -SMX_EPARSE;
	}
	return 0;
}

/* A text; its opening quote is at s->at. */
static int
scan_text(struct smx_json_scan *s, struct smx_slice *ret)
{
	size_t begin = ++s->at;
	int rc = 0;

	s->at = plain_end(s);
	if (s->at == s->input.n)
		return -SMX_EPARSE;
	if (s->input.p[s->at] == '\\')
		rc = scan_escaped(s, begin, ret);
	else
		*ret = smx_slice(s->input.p + begin, s->at - begin);
	if (rc < 0)
		return rc;
	/* It ended at a control character otherwise. */
	if (s->input.p[s->at] != '"')
		return -SMX_EPARSE;
	s->at++;
	return 0;
}

static size_t
skip_digits(struct smx_slice s, size_t at)
{
	while (at < s.n && smx_scan_is_digit(s.p[at]))
		at++;
	return at;
}

/* RFC 8259, 6. */
static int
scan_number(struct smx_json_scan *s, struct smx_slice *ret)
{
	struct smx_slice in = smx_slice_from(s->input, s->at);
	size_t at = in.p[0] == '-', first = at;

	at = skip_digits(in, at);
	if (at == first || (in.p[first] == '0' && at > first + 1))
		return -SMX_EPARSE;
	if (at < in.n && in.p[at] == '.') {
		first = ++at;
		at = skip_digits(in, at);
		if (at == first)
			return -SMX_EPARSE;
	}
	if (at < in.n && smx_scan_lower(in.p[at]) == 'e') {
		at++;
		if (at < in.n && (in.p[at] == '+' || in.p[at] == '-'))
			at++;
		first = at;
		at = skip_digits(in, at);
		if (at == first)
			return -SMX_EPARSE;
	}
	*ret = smx_slice(in.p, at);
	s->at += at;
	return 0;
}

static int
scan_word(struct smx_json_scan *s, struct smx_slice *ret)
{
	static const struct smx_slice words[] = { { "true", 4 }, { "false", 5 },
		{ "null", 4 } };
	struct smx_slice rest = smx_slice_from(s->input, s->at);

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (smx_slice_starts(rest, words[i])) {
			*ret = words[i];
			s->at += words[i].n;
			return 0;
		}
	}
	return -SMX_EPARSE;
}

static int
open_level(struct smx_json_scan *s, bool is_object)
{
	if (s->depth == SMX_JSON_DEPTH_MAX)
		return -SMX_ELIMIT;
	s->objects &= ~(UINT32_C(1) << s->depth);
	s->objects |= (uint32_t)is_object << s->depth;
	s->depth++;
	s->at++;
	s->want = SMX_JSON_WANT_FIRST;
	return 0;
}

static int
scan_value(struct smx_json_scan *s, struct smx_json_token *ret)
{
	char c = s->input.p[s->at];

	ret->text = smx_slice(NULL, 0);
	s->want = SMX_JSON_WANT_MORE;
	switch (c) {
	case '{':
		ret->kind = SMX_JSON_OBJECT;
		return open_level(s, true);
	case '[':
		ret->kind = SMX_JSON_ARRAY;
		return open_level(s, false);
	case '"':
		ret->kind = SMX_JSON_TEXT;
		return scan_text(s, &ret->text);
	default:
		if (c == '-' || smx_scan_is_digit(c)) {
			ret->kind = SMX_JSON_NUMBER;
			return scan_number(s, &ret->text);
		}
		ret->kind = SMX_JSON_WORD;
		return scan_word(s, &ret->text);
	}
}

static int
scan_name(struct smx_json_scan *s, struct smx_json_token *ret)
{
	int rc;

	ret->kind = SMX_JSON_NAME;
	if (s->input.p[s->at] != '"')
		return -SMX_EPARSE;
	rc = scan_text(s, &ret->text);
	if (rc < 0)
		return rc;
	skip_blanks(s);
	if (s->at == s->input.n || s->input.p[s->at] != ':')
		return -SMX_EPARSE;
	s->at++;
	s->want = SMX_JSON_WANT_VALUE;
	return 0;
}

/* Within an object or array, after the opening or a value: a comma, the end,
 * or the first that it holds. @return 1: more comes. */
static int
scan_between(struct smx_json_scan *s, struct smx_json_token *ret)
{
	bool is_object = is_in_object(s);
	char c = s->input.p[s->at];

	if (c == (is_object ? '}' : ']')) {
		ret->kind = is_object ? SMX_JSON_OBJECT_END
				      : SMX_JSON_ARRAY_END;
		ret->text = smx_slice(NULL, 0);
		s->at++;
		s->depth--;
		s->want = SMX_JSON_WANT_MORE;
		return 0;
	}
	if (s->want == SMX_JSON_WANT_MORE) {
		if (c != ',')
			return -SMX_EPARSE;
		s->at++;
		skip_blanks(s);
		if (s->at == s->input.n)
			return -SMX_EPARSE;
	}
	return 1;
}

int
smx_json_scan_next(struct smx_json_scan *s, struct smx_json_token *ret)
{
	skip_blanks(s);
	if (s->depth == 0 && s->want == SMX_JSON_WANT_MORE) {
		*ret = (struct smx_json_token){ .kind = SMX_JSON_END };
		return s->at == s->input.n ? 0 : -SMX_EPARSE;
	}
	if (s->at == s->input.n)
		return -SMX_EPARSE;
	if (s->depth > 0 && s->want != SMX_JSON_WANT_VALUE) {
		int rc = scan_between(s, ret);

		if (rc <= 0)
			return rc;
		if (is_in_object(s))
			return scan_name(s, ret);
	}
	return scan_value(s, ret);
}

int
smx_json_scan_skip(struct smx_json_scan *s, const struct smx_json_token *first)
{
	unsigned outside = s->depth;
	struct smx_json_token token;
	int rc = 0;

	if (first->kind != SMX_JSON_OBJECT && first->kind != SMX_JSON_ARRAY)
		return 0;
	while (rc == 0 && s->depth >= outside)
		rc = smx_json_scan_next(s, &token);
	return rc;
}

bool
smx_json_scan_integer(const struct smx_json_token *token, int64_t *ret)
{
	struct smx_slice s = token->text;
	bool is_negative = s.n > 0 && s.p[0] == '-';
	int64_t value = 0;

	if (token->kind != SMX_JSON_NUMBER)
		return false;
	for (size_t i = is_negative; i < s.n; i++) {
		if (!smx_scan_is_digit(s.p[i]) || value > INTEGER_MAX / 10)
			return false;
		value = value * 10 + (s.p[i] - '0');
	}
	if (value > INTEGER_MAX)
		return false;
	*ret = is_negative ? -value : value;
	return true;
}
