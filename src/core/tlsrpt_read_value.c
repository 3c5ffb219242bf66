#include "core/tlsrpt_read_value.h"
#include "base/scan.h"
#include "core/limits.h"

/* RFC 7493, 2.2: whole numbers up to here survive everywhere. */
#define COUNT_MAX (UINT64_C(1) << 53)
/* A larger exponent makes no difference: the number is too large, or 0. */
#define EXPONENT_MAX 1000

static struct smx_slice
at_place(const struct smx_tlsrpt_read_pass *p,
    struct smx_tlsrpt_read_place place)
{
	return smx_slice(smx_slice_from(p->input, place.offset).p, place.bytes);
}

void
smx_tlsrpt_read_value_find(struct smx_tlsrpt_read_pass *p,
    enum smx_diag_code code, struct smx_tlsrpt_read_place place)
{
	if (p->met[code] < UINT32_MAX)
		p->met[code]++;
	if (p->met[code] > 1)
		return;
	smx_diag_push(p->diags,
	    (struct smx_diag){
		.code = code,
		.line = place.line,
		.offset = place.offset,
		.arg = at_place(p, place),
	    });
}

/* Where bytes stand that come behind all those asked for before. */
static struct smx_tlsrpt_read_place
place_of(struct smx_tlsrpt_read_pass *p, size_t offset, size_t bytes)
{
	struct smx_slice rest = smx_slice_from(p->input, p->counted_at);
	size_t end;

	rest.n = offset - p->counted_at;
	while ((end = smx_slice_find(rest, '\n')) < rest.n) {
		p->line++;
		rest = smx_slice_from(rest, end + 1);
	}
	p->counted_at = offset;
	return (struct smx_tlsrpt_read_place){ p->line, offset, bytes };
}

/* One place for the first bytes that are no UTF-8. */
static void
check_utf8(struct smx_tlsrpt_read_pass *p)
{
	struct smx_slice s = p->input;

	for (size_t i = 0; i < s.n;) {
		size_t n = 1;

		if ((unsigned char)s.p[i] >= 0x80)
			n = smx_scan_utf8(smx_slice_from(s, i));
		if (n == 0) {
			smx_tlsrpt_read_value_find(p, SMX_DIAG_REPORT_UTF8,
			    place_of(p, i, 1));
			/* The tokens come from the start again. */
			p->counted_at = 0;
			p->line = 1;
			return;
		}
		i += n;
	}
}

void
smx_tlsrpt_read_value_begin(struct smx_tlsrpt_read_pass *p,
    struct smx_arena *arena, struct smx_slice input,
    struct smx_diag_list *diags)
{
	*p = (struct smx_tlsrpt_read_pass){
		.input = input, .arena = arena, .diags = diags, .line = 1
	};
	/* One text, and what the arena takes beside it. */
	smx_arena_init(&p->texts, p->storage, sizeof(p->storage),
	    input.n + sizeof(p->storage));
	smx_json_scan_init(&p->scan, &p->texts, input);
	if (smx_slice_starts(input, SMX_SLICE("\xef\xbb\xbf"))) {
		smx_tlsrpt_read_value_find(p, SMX_DIAG_REPORT_BOM,
		    place_of(p, 0, 3));
		p->scan.at = 3;
	}
	check_utf8(p);
}

void
smx_tlsrpt_read_value_done(struct smx_tlsrpt_read_pass *p)
{
	smx_arena_done(&p->texts);
}

/* Say where it is no JSON. */
static int
fail(struct smx_tlsrpt_read_pass *p, int rc)
{
	struct smx_slice rest = smx_slice_from(p->input, p->scan.at);
	size_t n = smx_scan_utf8(rest);

	if (n == 0 && rest.n > 0)
		n = 1;
	if (rc == -SMX_ENOMEM)
		return rc;
	smx_tlsrpt_read_value_find(p,
	    rc == -SMX_ELIMIT ? SMX_DIAG_REPORT_DEPTH
		: rest.n == 0 ? SMX_DIAG_REPORT_CUT
			      : SMX_DIAG_REPORT_JSON,
	    place_of(p, p->scan.at, n));
	return -SMX_EPARSE;
}

/* Between two tokens there are blanks, and perhaps a comma. */
static size_t
token_start(struct smx_slice s, size_t at)
{
	while (at < s.n &&
	    (smx_scan_is_wsp(s.p[at]) || s.p[at] == '\n' || s.p[at] == '\r' ||
		s.p[at] == ','))
		at++;
	return at;
}

int
smx_tlsrpt_read_value_next(struct smx_tlsrpt_read_pass *p,
    struct smx_tlsrpt_read_value *ret)
{
	size_t start = token_start(p->input, p->scan.at), end;
	bool is_quoted = start < p->input.n && p->input.p[start] == '"';
	int rc;

	smx_arena_reset(&p->texts);
	rc = smx_json_scan_next(&p->scan, &ret->token);
	if (rc < 0)
		return fail(p, rc);
	end = p->scan.at;
	if (ret->token.kind == SMX_JSON_NAME) {
		/* It was read with the colon, and blanks before that. */
		do
			end--;
		while (p->input.p[end] != '"');
		end++;
	}
	start += is_quoted;
	end -= is_quoted;
	ret->place = place_of(p, start, end - start);
	return 0;
}

int
smx_tlsrpt_read_value_skip(struct smx_tlsrpt_read_pass *p,
    const struct smx_tlsrpt_read_value *v)
{
	unsigned outside = p->scan.depth;
	int rc = 0;

	if (v->token.kind != SMX_JSON_OBJECT && v->token.kind != SMX_JSON_ARRAY)
		return 0;
	while (rc == 0 && p->scan.depth >= outside) {
		struct smx_tlsrpt_read_value inside;

		rc = smx_tlsrpt_read_value_next(p, &inside);
	}
	return rc;
}

static size_t
find_name(const struct smx_tlsrpt_read_members *m, struct smx_slice name)
{
	size_t i = 0;

	while (i < m->count &&
	    !smx_slice_equal(name, smx_slice_text(m->names[i])))
		i++;
	return i;
}

int
smx_tlsrpt_read_value_member(struct smx_tlsrpt_read_pass *p,
    struct smx_tlsrpt_read_members *m, size_t *ret_id,
    struct smx_tlsrpt_read_value *ret)
{
	for (;;) {
		int rc = smx_tlsrpt_read_value_next(p, ret);
		size_t id;

		if (rc < 0)
			return rc;
		if (ret->token.kind == SMX_JSON_OBJECT_END)
			return 0;
		id = find_name(m, ret->token.text);
		if (id == m->count) {
			smx_tlsrpt_read_value_find(p, SMX_DIAG_REPORT_MEMBER,
			    ret->place);
		} else if ((m->seen >> id & 1) != 0) {
			smx_tlsrpt_read_value_find(p, SMX_DIAG_REPORT_DUPLICATE,
			    ret->place);
			id = m->count;
		}
		rc = smx_tlsrpt_read_value_next(p, ret);
		if (rc == 0 && id == m->count)
			rc = smx_tlsrpt_read_value_skip(p, ret);
		if (rc < 0)
			return rc;
		if (id < m->count) {
			m->seen |= UINT32_C(1) << id;
			*ret_id = id;
			return 1;
		}
	}
}

int
smx_tlsrpt_read_value_element(struct smx_tlsrpt_read_pass *p,
    struct smx_tlsrpt_read_value *ret)
{
	int rc = smx_tlsrpt_read_value_next(p, ret);

	if (rc < 0)
		return rc;
	return ret->token.kind != SMX_JSON_ARRAY_END;
}

static bool
is_null(const struct smx_tlsrpt_read_value *v)
{
	return v->token.kind == SMX_JSON_WORD && v->token.text.p[0] == 'n';
}

int
smx_tlsrpt_read_value_is(struct smx_tlsrpt_read_pass *p,
    const struct smx_tlsrpt_read_value *v, enum smx_json_kind kind)
{
	if (v->token.kind == kind)
		return 1;
	smx_tlsrpt_read_value_find(p,
	    is_null(v) ? SMX_DIAG_REPORT_NULL : SMX_DIAG_REPORT_TYPE, v->place);
	return smx_tlsrpt_read_value_skip(p, v);
}

/* Cut a text, between two characters of UTF-8. */
static struct smx_slice
cut(struct smx_slice text)
{
	size_t n = SMX_TLSRPT_READ_TEXT_MAX;

	while (n > SMX_TLSRPT_READ_TEXT_MAX - 3 &&
	    ((unsigned char)text.p[n] & 0xc0) == 0x80)
		n--;
	return smx_slice(text.p, n);
}

int
smx_tlsrpt_read_value_text(struct smx_tlsrpt_read_pass *p,
    const struct smx_tlsrpt_read_value *v, struct smx_slice *ret)
{
	struct smx_slice text = v->token.text;
	int rc;

	if (v->token.kind != SMX_JSON_TEXT) {
		rc = smx_tlsrpt_read_value_is(p, v, SMX_JSON_TEXT);
		if (rc < 0 || v->token.kind != SMX_JSON_NUMBER)
			return rc;
	}
	if (text.n > SMX_TLSRPT_READ_TEXT_MAX) {
		smx_tlsrpt_read_value_find(p, SMX_DIAG_REPORT_TEXT_LONG,
		    v->place);
		text = cut(text);
	}
	/* Not where it stands, so it was unescaped. */
	if (text.n > 0 && text.p != p->input.p + v->place.offset) {
		text.p = smx_arena_copy(p->arena, text);
		if (text.p == NULL)
			return -SMX_ENOMEM;
	}
	*ret = text;
	return 0;
}

/* A number's digits, and where among them the point is. */
struct number {
	struct smx_slice whole, fraction;
	int64_t exponent;
};

static struct smx_slice
take_digits(struct smx_slice *rest)
{
	struct smx_slice digits = *rest;

	digits.n = 0;
	while (digits.n < rest->n && smx_scan_is_digit(rest->p[digits.n]))
		digits.n++;
	*rest = smx_slice_from(*rest, digits.n);
	return digits;
}

/* The grammar of RFC 8259, 6, without a sign in front. */
static bool
split_number(struct smx_slice s, struct number *ret)
{
	struct smx_slice digits;
	bool is_negative = false;

	*ret = (struct number){ .whole = take_digits(&s) };
	if (ret->whole.n == 0)
		return false;
	if (s.n > 0 && s.p[0] == '.') {
		s = smx_slice_from(s, 1);
		ret->fraction = take_digits(&s);
		if (ret->fraction.n == 0)
			return false;
	}
	if (s.n == 0)
		return true;
	if (smx_scan_lower(s.p[0]) != 'e')
		return false;
	s = smx_slice_from(s, 1);
	if (s.n > 0 && (s.p[0] == '+' || s.p[0] == '-')) {
		is_negative = s.p[0] == '-';
		s = smx_slice_from(s, 1);
	}
	digits = take_digits(&s);
	for (size_t i = 0; i < digits.n; i++)
		if (ret->exponent <= EXPONENT_MAX)
			ret->exponent = ret->exponent * 10 +
			    (digits.p[i] - '0');
	if (is_negative)
		ret->exponent = -ret->exponent;
	return digits.n > 0 && s.n == 0;
}

static unsigned
digit_at(const struct number *n, size_t i)
{
	if (i < n->whole.n)
		return (unsigned)(n->whole.p[i] - '0');
	i -= n->whole.n;
	return i < n->fraction.n ? (unsigned)(n->fraction.p[i] - '0') : 0;
}

/* @return false when it is not whole, or too large. */
static bool
value_of(const struct number *n, uint64_t *ret)
{
	int64_t point = (int64_t)n->whole.n + n->exponent;
	size_t digits = n->whole.n + n->fraction.n;
	size_t before = point > 0 ? (size_t)point : 0;
	uint64_t value = 0;

	for (size_t i = 0; i < before; i++) {
		value = value * 10 + digit_at(n, i);
		if (value > COUNT_MAX)
			return false;
	}
	for (size_t i = before; i < digits; i++)
		if (digit_at(n, i) != 0)
			return false;
	*ret = value;
	return true;
}

int
smx_tlsrpt_read_value_count(struct smx_tlsrpt_read_pass *p,
    const struct smx_tlsrpt_read_value *v, uint64_t *ret)
{
	struct smx_slice text = v->token.text;
	struct number number;
	int rc;

	if (v->token.kind == SMX_JSON_TEXT) {
		text = smx_slice_from(text, smx_scan_skip_wsp(text, 0));
		text = smx_scan_trim_end(text);
	} else if (v->token.kind != SMX_JSON_NUMBER) {
		rc = smx_tlsrpt_read_value_is(p, v, SMX_JSON_NUMBER);
		return rc;
	}
	if (!split_number(text, &number) || !value_of(&number, ret)) {
		smx_tlsrpt_read_value_find(p, SMX_DIAG_REPORT_COUNT, v->place);
		return 0;
	}
	if (v->token.kind == SMX_JSON_TEXT)
		smx_tlsrpt_read_value_find(p, SMX_DIAG_REPORT_COUNT_TEXT,
		    v->place);
	else if (number.whole.n != text.n)
		smx_tlsrpt_read_value_find(p, SMX_DIAG_REPORT_COUNT_FORM,
		    v->place);
	return 0;
}
