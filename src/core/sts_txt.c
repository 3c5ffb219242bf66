#include "core/sts_txt.h"
#include "base/scan.h"
#include "core/limits.h"

static const struct smx_slice version = { "v=STSv1", 7 };

/* One pass over a record. */
struct parse {
	struct smx_slice record;
	struct smx_diag_list *diags;
	struct smx_sts_extension *extensions;
	size_t extension_count;
	struct smx_slice id;
	bool has_id; /* valid or not: a second one only gets a warning */
};

bool
smx_sts_txt_is_candidate(struct smx_slice record)
{
	size_t at = version.n;

	if (!smx_slice_starts(record, version))
		return false;
	at = smx_scan_skip_wsp(record, at);
	return at < record.n && record.p[at] == ';';
}

int
smx_sts_txt_select(const struct smx_slice *records, size_t count,
    struct smx_diag_list *diags, size_t *ret_index)
{
	size_t found = 0, index = 0;

	for (size_t i = 0; i < count; i++) {
		if (smx_sts_txt_is_candidate(records[i])) {
			if (found++ == 0)
				index = i;
		}
	}
	if (found == 1) {
		*ret_index = index;
		return 0;
	}
	smx_diag_push(diags,
	    (struct smx_diag){ .code = found == 0 ? SMX_DIAG_TXT_NONE
						  : SMX_DIAG_TXT_SEVERAL });
	return found == 0 ? -SMX_ENOENT : -SMX_EPARSE;
}

static void
find(struct parse *p, enum smx_diag_code code, struct smx_slice at)
{
	smx_diag_push(p->diags,
	    (struct smx_diag){
		.code = code,
		.line = 1,
		.offset = (size_t)(at.p - p->record.p),
		.arg = at,
	    });
}

/* The character at @p at, all bytes of it when it is UTF-8. */
static struct smx_slice
character(struct smx_slice s, size_t at)
{
	size_t n = smx_scan_utf8(smx_slice_from(s, at));

	return smx_slice(s.p + at, n != 0 ? n : 1);
}

static bool
is_value_char(char c)
{
	return c > ' ' && c < 0x7f && c != '=' && c != ';';
}

static void
parse_id(struct parse *p, struct smx_slice field, struct smx_slice value)
{
	p->has_id = true;
	if (value.n == 0) {
		find(p, SMX_DIAG_TXT_ID_EMPTY, field);
		return;
	}
	for (size_t i = 0; i < value.n; i++) {
		if (!smx_scan_is_alnum(value.p[i])) {
			find(p, SMX_DIAG_TXT_ID_CHAR, character(value, i));
			return;
		}
	}
	if (value.n > SMX_STS_ID_MAX) {
		find(p, SMX_DIAG_TXT_ID_LONG, value);
		return;
	}
	p->id = value;
}

/* @return false when the name was found faulty. */
static bool
check_name(struct parse *p, struct smx_slice name)
{
	for (size_t i = 0; i < name.n; i++) {
		char c = name.p[i];

		if (!smx_scan_is_alnum(c) &&
		    (i == 0 || (c != '_' && c != '-' && c != '.'))) {
			find(p, SMX_DIAG_TXT_FIELD_NAME, name);
			return false;
		}
	}
	if (name.n > SMX_STS_EXT_NAME_MAX) {
		find(p, SMX_DIAG_TXT_FIELD_NAME_LONG, name);
		return false;
	}
	return true;
}

static void
parse_extension(struct parse *p, struct smx_slice name, struct smx_slice value)
{
	if (!check_name(p, name))
		return;
	if (value.n == 0) {
		find(p, SMX_DIAG_TXT_FIELD_VALUE_EMPTY, name);
		return;
	}
	for (size_t i = 0; i < value.n; i++) {
		if (!is_value_char(value.p[i])) {
			find(p, SMX_DIAG_TXT_FIELD_VALUE_CHAR,
			    character(value, i));
			return;
		}
	}
	/* Those behind the first are extensions, which are ignored. */
	if (smx_slice_equal(name, SMX_SLICE("v")) ||
	    smx_slice_equal(name, SMX_SLICE("id"))) {
		find(p, SMX_DIAG_TXT_DUPLICATE, name);
		return;
	}
	p->extensions[p->extension_count++] = (struct smx_sts_extension){ name,
		value };
}

static void
parse_field(struct parse *p, struct smx_slice field)
{
	size_t equals = smx_slice_find(field, '=');
	struct smx_slice name = smx_slice(field.p, equals);
	struct smx_slice value = smx_slice_from(field, equals + 1);

	if (equals == field.n || equals == 0) {
		find(p, SMX_DIAG_TXT_FIELD_NO_VALUE, field);
	} else if (smx_scan_is_wsp(name.p[name.n - 1]) ||
	    (value.n > 0 && smx_scan_is_wsp(value.p[0]))) {
		find(p, SMX_DIAG_TXT_EQUALS_BLANK, field);
	} else if (smx_slice_equal(name, SMX_SLICE("id")) && !p->has_id) {
		parse_id(p, field, value);
	} else {
		parse_extension(p, name, value);
	}
}

/* Say what stands where "v=STSv1" should, as exactly as possible. */
static void
explain_start(struct parse *p)
{
	struct smx_slice r = p->record;
	size_t end = smx_slice_find(r, ';');
	bool late = false;

	for (size_t i = end; i < r.n; i++)
		if (smx_slice_starts(smx_slice_from(r, i), version))
			late = true;
	if (smx_slice_starts(r, SMX_SLICE("version:")))
		find(p, SMX_DIAG_TXT_IS_POLICY, smx_slice(r.p, 8));
	else if (late)
		find(p, SMX_DIAG_TXT_VERSION_LATE, smx_slice(r.p, end));
	else
		find(p, SMX_DIAG_TXT_VERSION, smx_slice(r.p, end));
}

/* One piece between semicolons; @p is_last: the record ends with it. */
static void
parse_piece(struct parse *p, struct smx_slice piece, bool is_last)
{
	struct smx_slice field = smx_slice_from(piece,
	    smx_scan_skip_wsp(piece, 0));
	struct smx_slice trimmed = smx_scan_trim_end(field);

	if (trimmed.n == 0) {
		/* Nothing behind the last semicolon is as it should be. */
		if (!is_last)
			find(p, SMX_DIAG_TXT_FIELD_EMPTY, trimmed);
		return;
	}
	parse_field(p, trimmed);
	if (is_last && trimmed.n < field.n)
		find(p, SMX_DIAG_TXT_END_BLANK,
		    smx_slice_from(field, trimmed.n));
}

static void
parse_fields(struct parse *p)
{
	struct smx_slice rest = smx_slice_from(p->record, version.n);
	size_t at = smx_scan_skip_wsp(rest, 0);

	if (at == rest.n && at > 0)
		find(p, SMX_DIAG_TXT_END_BLANK, rest);
	while (at < rest.n) {
		struct smx_slice piece = smx_slice_from(rest, at + 1);
		size_t end = smx_slice_find(piece, ';');

		parse_piece(p, smx_slice(piece.p, end), end == piece.n);
		at += 1 + end;
	}
	if (!p->has_id)
		find(p, SMX_DIAG_TXT_ID_MISSING, smx_slice(p->record.p, 0));
}

int
smx_sts_txt_parse(struct smx_arena *a, struct smx_slice record,
    struct smx_diag_list *diags, struct smx_sts_txt *ret)
{
	struct parse p = { .record = record, .diags = diags };
	size_t fields = 0, at;

	if (record.n > SMX_TXT_MAX) {
		find(&p, SMX_DIAG_TXT_TOO_LONG, smx_slice(record.p, 0));
		return -SMX_EPARSE;
	}
	at = smx_scan_skip_wsp(record, version.n);
	if (!smx_slice_starts(record, version) ||
	    (at < record.n && record.p[at] != ';')) {
		explain_start(&p);
		return -SMX_EPARSE;
	}
	for (size_t i = 0; i < record.n; i++)
		fields += record.p[i] == ';';
	if (fields > 0) {
		p.extensions = smx_arena_take(a, fields, sizeof(*p.extensions));
		if (p.extensions == NULL)
			return -SMX_ENOMEM;
	}
	parse_fields(&p);
	if (diags->fatal.code != SMX_DIAG_OK)
		return -SMX_EPARSE;
	*ret = (struct smx_sts_txt){ p.id, p.extensions, p.extension_count };
	return 0;
}
