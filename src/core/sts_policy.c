#include "core/sts_policy.h"
#include "base/scan.h"
#include "core/domain.h"
#include "core/limits.h"

/* Room for so many at first: most policies have fewer mx lines. */
#define FIRST_SIZE 8
/* Repeated mx lines are looked for among so many. */
#define REPEATED_MX 64

/* One pass over a body. */
struct parse {
	struct smx_arena *arena;
	struct smx_diag_list *diags;
	struct smx_slice body;
	uint32_t line;
	bool has_version, has_mode, has_max_age, has_mx;
	enum smx_sts_mode mode;
	uint32_t max_age_s;
	struct smx_slice *mx;
	size_t mx_count, mx_size;
	struct smx_sts_extension *extensions;
	size_t extension_count, extension_size;
};

static void
find(struct parse *p, enum smx_diag_code code, struct smx_slice at)
{
	smx_diag_push(p->diags,
	    (struct smx_diag){
		.code = code,
		.line = p->line,
		.offset = (size_t)(at.p - p->body.p),
		.arg = at,
	    });
}

/* A finding about the whole policy. */
static void
find_missing(struct parse *p, enum smx_diag_code code)
{
	smx_diag_push(p->diags, (struct smx_diag){ .code = code });
}

/* Make room for one more element of an array in the arena. */
static void *
grow(struct smx_arena *a, void *old, size_t count, size_t *size, size_t bytes)
{
	size_t want = *size != 0 ? *size * 2 : FIRST_SIZE;
	void *p;

	if (count < *size)
		return old;
	p = smx_arena_take(a, want, bytes);
	if (p != NULL) {
		if (count != 0)
			memcpy(p, old, count * bytes);
		*size = want;
	}
	return p;
}

static void
parse_version(struct parse *p, struct smx_slice key, struct smx_slice value)
{
	if (p->has_version) {
		find(p, SMX_DIAG_POLICY_DUPLICATE, key);
		return;
	}
	p->has_version = true;
	if (!smx_slice_equal(value, SMX_SLICE("STSv1")))
		find(p, SMX_DIAG_POLICY_VERSION, value);
}

static void
parse_mode(struct parse *p, struct smx_slice key, struct smx_slice value)
{
	if (p->has_mode) {
		find(p, SMX_DIAG_POLICY_DUPLICATE, key);
		return;
	}
	p->has_mode = true;
	if (smx_slice_equal(value, SMX_SLICE("enforce")))
		p->mode = SMX_STS_ENFORCE;
	else if (smx_slice_equal(value, SMX_SLICE("testing")))
		p->mode = SMX_STS_TESTING;
	else if (smx_slice_equal(value, SMX_SLICE("none")))
		p->mode = SMX_STS_NONE;
	else
		find(p, SMX_DIAG_POLICY_MODE, value);
}

static void
parse_max_age(struct parse *p, struct smx_slice key, struct smx_slice value)
{
	uint64_t seconds = 0;

	if (p->has_max_age) {
		find(p, SMX_DIAG_POLICY_DUPLICATE, key);
		return;
	}
	p->has_max_age = true;
	/* The grammar has 1*10DIGIT: ten digits fit, more are no number. */
	for (size_t i = 0; i < value.n; i++) {
		if (i == 10 || !smx_scan_is_digit(value.p[i])) {
			find(p, SMX_DIAG_POLICY_MAX_AGE, value);
			return;
		}
		seconds = seconds * 10 + (uint64_t)(value.p[i] - '0');
	}
	if (seconds > SMX_STS_MAX_AGE_MAX_S) {
		find(p, SMX_DIAG_POLICY_MAX_AGE_CAPPED, value);
		seconds = SMX_STS_MAX_AGE_MAX_S;
	} else if (seconds == 0) {
		find(p, SMX_DIAG_POLICY_MAX_AGE_ZERO, value);
	}
	p->max_age_s = (uint32_t)seconds;
}

/* Is this meant as an IPv6 address? */
static bool
is_ipv6(struct smx_slice s)
{
	size_t colons = 0;

	for (size_t i = 0; i < s.n; i++) {
		char c = smx_scan_lower(s.p[i]);

		colons += c == ':';
		if (c != ':' && c != '.' && !smx_scan_is_digit(c) &&
		    (c < 'a' || c > 'f'))
			return false;
	}
	return colons >= 2;
}

/* Why an mx value is not valid. */
static enum smx_diag_code
judge_mx(struct smx_slice value)
{
	struct smx_slice name = value;

	for (size_t i = 0; i < value.n; i++)
		if ((unsigned char)value.p[i] >= 0x80)
			return SMX_DIAG_POLICY_MX_ULABEL;
	for (size_t i = 0; i < value.n; i++)
		if (smx_scan_is_wsp(value.p[i]) || value.p[i] == ',' ||
		    value.p[i] == ';')
			return SMX_DIAG_POLICY_MX_LIST;
	if (value.p[0] == '[' || is_ipv6(value))
		return SMX_DIAG_POLICY_MX_ADDRESS;
	if (smx_slice_starts(value, SMX_SLICE("*.")))
		name = smx_slice_from(value, 2);
	if (name.n == 0 || smx_slice_find(name, '*') < name.n)
		return SMX_DIAG_POLICY_MX_WILDCARD;
	if (smx_domain_is_ipv4(name))
		return SMX_DIAG_POLICY_MX_ADDRESS;
	if (name.n > 1 && name.p[name.n - 1] == '.' &&
	    smx_domain_is_host(smx_slice(name.p, name.n - 1)))
		return SMX_DIAG_POLICY_MX_FINAL_DOT;
	return SMX_DIAG_POLICY_MX_NAME;
}

static int
parse_mx(struct parse *p, struct smx_slice value)
{
	struct smx_slice name = value;

	p->has_mx = true;
	if (smx_slice_starts(value, SMX_SLICE("*.")))
		name = smx_slice_from(value, 2);
	if (!smx_domain_is_host(name)) {
		find(p, judge_mx(value), value);
		return 0;
	}
	for (size_t i = 0; i < p->mx_count && i < REPEATED_MX; i++) {
		if (smx_domain_equal(p->mx[i], value)) {
			find(p, SMX_DIAG_POLICY_MX_REPEATED, value);
			break;
		}
	}
	p->mx = grow(p->arena, p->mx, p->mx_count, &p->mx_size, sizeof(*p->mx));
	if (p->mx == NULL)
		return -SMX_ENOMEM;
	p->mx[p->mx_count++] = value;
	return 0;
}

static int
parse_extension(struct parse *p, struct smx_slice key, struct smx_slice value)
{
	find(p, SMX_DIAG_POLICY_EXTENSION, key);
	p->extensions = grow(p->arena, p->extensions, p->extension_count,
	    &p->extension_size, sizeof(*p->extensions));
	if (p->extensions == NULL)
		return -SMX_ENOMEM;
	p->extensions[p->extension_count++] = (struct smx_sts_extension){ key,
		value };
	return 0;
}

/*
 * A line may hold printable ASCII, blanks and UTF-8, and tabulators only
 * around the value: @p value is the value, trimmed.
 */
static bool
check_bytes(struct parse *p, struct smx_slice value)
{
	for (size_t i = 0; i < value.n;) {
		unsigned char c = (unsigned char)value.p[i];
		size_t n = 1;

		if (c == '\r') {
			find(p, SMX_DIAG_POLICY_BARE_CR,
			    smx_slice(value.p + i, 1));
			return false;
		}
		if (c < ' ' || c == 0x7f) {
			find(p, SMX_DIAG_POLICY_CONTROL,
			    smx_slice(value.p + i, 1));
			return false;
		}
		if (c >= 0x80) {
			n = smx_scan_utf8(smx_slice_from(value, i));
			if (n == 0) {
				find(p, SMX_DIAG_POLICY_UTF8,
				    smx_slice(value.p + i, 1));
				return false;
			}
		}
		i += n;
	}
	return true;
}

/* A key: letter or digit, then up to 31 of these, "_", "-" and ".". */
static bool
check_key(struct parse *p, struct smx_slice key)
{
	bool ok = key.n > 0;

	for (size_t i = 0; i < key.n && ok; i++) {
		char c = key.p[i];

		ok = smx_scan_is_alnum(c) ||
		    (i > 0 && (c == '_' || c == '-' || c == '.'));
	}
	if (!ok) {
		find(p, SMX_DIAG_POLICY_KEY, key);
		return false;
	}
	if (key.n > SMX_STS_EXT_NAME_MAX) {
		find(p, SMX_DIAG_POLICY_KEY_LONG, key);
		return false;
	}
	return true;
}

/* Dispatch on the key. */
static int
parse_field(struct parse *p, struct smx_slice key, struct smx_slice value)
{
	if (smx_slice_equal(key, SMX_SLICE("mx")))
		return parse_mx(p, value);
	if (smx_slice_equal(key, SMX_SLICE("version")))
		parse_version(p, key, value);
	else if (smx_slice_equal(key, SMX_SLICE("mode")))
		parse_mode(p, key, value);
	else if (smx_slice_equal(key, SMX_SLICE("max_age")))
		parse_max_age(p, key, value);
	else
		return parse_extension(p, key, value);
	return 0;
}

/* One line without its end. */
static int
parse_line(struct parse *p, struct smx_slice line)
{
	struct smx_slice text = smx_scan_trim_end(line), key, value;
	size_t colon;

	if (text.n == 0) {
		find(p, SMX_DIAG_POLICY_BLANK_LINE, line);
		return 0;
	}
	if (smx_scan_is_wsp(text.p[0])) {
		find(p, SMX_DIAG_POLICY_KEY_INDENTED,
		    smx_slice(text.p, smx_scan_skip_wsp(text, 0)));
		return 0;
	}
	colon = smx_slice_find(text, ':');
	if (colon == text.n) {
		if (check_bytes(p, text))
			find(p, SMX_DIAG_POLICY_NO_COLON, text);
		return 0;
	}
	key = smx_slice(text.p, colon);
	value = smx_slice_from(text, smx_scan_skip_wsp(text, colon + 1));
	if (!check_bytes(p, key) || !check_bytes(p, value) ||
	    !check_key(p, key))
		return 0;
	if (value.n == 0) {
		find(p, SMX_DIAG_POLICY_VALUE_EMPTY, key);
		return 0;
	}
	return parse_field(p, key, value);
}

static int
parse_lines(struct parse *p)
{
	struct smx_slice rest = p->body;
	int rc = 0;

	while (rest.n > 0 && rc == 0) {
		size_t end = smx_slice_find(rest, '\n');
		struct smx_slice line = smx_slice(rest.p, end);

		p->line++;
		if (end < rest.n && end > 0 && line.p[end - 1] == '\r')
			line.n--;
		rc = parse_line(p, line);
		rest = smx_slice_from(rest, end + 1);
	}
	return rc;
}

/* Note each field that had to be there. */
static void
check_required(struct parse *p)
{
	if (!p->has_version)
		find_missing(p, SMX_DIAG_POLICY_VERSION_MISSING);
	if (!p->has_mode)
		find_missing(p, SMX_DIAG_POLICY_MODE_MISSING);
	if (!p->has_max_age)
		find_missing(p, SMX_DIAG_POLICY_MAX_AGE_MISSING);
	if (p->has_mode && p->mode != SMX_STS_NONE && !p->has_mx)
		find_missing(p, SMX_DIAG_POLICY_MX_MISSING);
}

int
smx_sts_policy_parse(struct smx_arena *a, struct smx_slice body,
    struct smx_diag_list *diags, struct smx_sts_policy *ret)
{
	struct parse p = { .arena = a, .diags = diags, .body = body };
	int rc;

	if (body.n == 0) {
		find_missing(&p, SMX_DIAG_POLICY_EMPTY);
		return -SMX_EPARSE;
	}
	if (body.n > SMX_STS_BODY_MAX) {
		find_missing(&p, SMX_DIAG_POLICY_TOO_LARGE);
		return -SMX_EPARSE;
	}
	if (smx_slice_starts(body, SMX_SLICE("\xef\xbb\xbf"))) {
		p.line = 1;
		find(&p, SMX_DIAG_POLICY_BOM, smx_slice(body.p, 3));
		return -SMX_EPARSE;
	}
	rc = parse_lines(&p);
	if (rc < 0)
		return rc;
	check_required(&p);
	if (diags->fatal.code != SMX_DIAG_OK)
		return -SMX_EPARSE;
	*ret = (struct smx_sts_policy){
		.mode = p.mode,
		.max_age_s = p.max_age_s,
		.mx = p.mx,
		.mx_count = p.mx_count,
		.extensions = p.extensions,
		.extension_count = p.extension_count,
		.body = body,
	};
	return 0;
}

const char *
smx_sts_policy_mode_text(enum smx_sts_mode mode)
{
	static const char *const texts[] = {
		[SMX_STS_NONE] = "none",
		[SMX_STS_TESTING] = "testing",
		[SMX_STS_ENFORCE] = "enforce",
	};

	return texts[mode];
}
