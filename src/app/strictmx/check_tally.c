#include <libsmartcols/libsmartcols.h>
#include <stdlib.h>

#include "app/strictmx/check_tally.h"
#include "core/tlsrpt_txt.h"
#include "engine/check_verdict.h"

void
smx_check_tally_note(struct smx_check_tally *t, int status)
{
	static const int ranks[] = { 0, 1, 3, 4, 2 };

	if (ranks[status] > ranks[t->status])
		t->status = status;
}

void
smx_check_tally_add(struct smx_check_tally *t, const struct smx_check *c)
{
	bool seen[SMX_DIAG_CODE_COUNT] = { false };

	t->total++;
	t->verdicts[c->verdict]++;
	smx_check_tally_note(t, smx_check_verdict_status(c));
	for (size_t i = 0; i < smx_check_findings_kept(c); i++) {
		enum smx_diag_code code = c->findings[i].diag.code;

		if (!seen[code])
			t->codes[code]++;
		seen[code] = true;
	}
}

/* A counted word. */
struct word {
	const char *name;
	size_t count;
};

static int
compare(const void *a, const void *b)
{
	const struct word *x = a, *y = b;

	return x->count == y->count ? 0 : x->count < y->count ? 1 : -1;
}

static void
print_table(struct word *words, size_t n, const char *title, size_t total,
    struct smx_buf *out)
{
	struct libscols_table *t = scols_new_table();
	char *text = NULL;
	bool ok = t != NULL;

	qsort(words, n, sizeof(words[0]), compare);
	ok = ok && scols_table_new_column(t, "DOMAINS", 0, SCOLS_FL_RIGHT) &&
	    scols_table_new_column(t, "SHARE", 0, SCOLS_FL_RIGHT) &&
	    scols_table_new_column(t, title, 0, 0);
	for (size_t i = 0; ok && i < n && words[i].count > 0; i++) {
		struct libscols_line *line = scols_table_new_line(t, NULL);
		char number[32], share[32];

		snprintf(number, sizeof(number), "%zu", words[i].count);
		snprintf(share, sizeof(share), "%.1f%%",
		    100.0 * (double)words[i].count / (double)total);
		ok = line != NULL &&
		    scols_line_set_data(line, 0, number) == 0 &&
		    scols_line_set_data(line, 1, share) == 0 &&
		    scols_line_set_data(line, 2, words[i].name) == 0;
	}
	if (ok) {
		scols_table_set_termforce(t, SCOLS_TERMFORCE_NEVER);
		ok = scols_print_table_to_string(t, &text) == 0;
	}
	if (ok && text != NULL) {
		smx_buf_add_text(out, text);
		smx_buf_add_char(out, '\n');
	}
	free(text);
	scols_unref_table(t);
}

void
smx_check_tally_print(const struct smx_check_tally *t, struct smx_buf *out)
{
	struct word words[SMX_DIAG_CODE_COUNT];
	size_t n = 0;

	if (t->total == 0)
		return;
	for (unsigned i = 0; i < SMX_CHECK_VERDICT_COUNT; i++)
		words[i] = (struct word){
			smx_check_verdict_name((enum smx_check_verdict)i),
			t->verdicts[i],
		};
	print_table(words, SMX_CHECK_VERDICT_COUNT, "VERDICT", t->total, out);
	for (unsigned i = SMX_DIAG_OK + 1; i < SMX_DIAG_CODE_COUNT; i++)
		if (t->codes[i] > 0)
			words[n++] = (struct word){
				smx_diag_row((enum smx_diag_code)i)->name,
				t->codes[i],
			};
	if (n == 0)
		return;
	smx_buf_add_char(out, '\n');
	print_table(words, n, "FINDING", t->total, out);
}
