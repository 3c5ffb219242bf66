#include <stddef.h>

#include "core/tlsrpt_read_date.h"
#include "base/scan.h"

/* One pass over a text. */
struct scan {
	struct smx_slice text;
	size_t at;
	bool is_exact;
};

/* Exactly so many digits. */
static bool
take_number(struct scan *s, size_t digits, int64_t *ret)
{
	int64_t value = 0;

	if (s->text.n - s->at < digits)
		return false;
	for (size_t i = 0; i < digits; i++) {
		char c = s->text.p[s->at + i];

		if (!smx_scan_is_digit(c))
			return false;
		value = value * 10 + (c - '0');
	}
	s->at += digits;
	*ret = value;
	return true;
}

static bool
take_char(struct scan *s, char c)
{
	if (s->at == s->text.n || smx_scan_lower(s->text.p[s->at]) != c)
		return false;
	s->at++;
	return true;
}

static bool
take_word(struct scan *s, const char *word)
{
	size_t at = s->at;

	for (; *word != '\0'; word++) {
		if (!take_char(s, *word)) {
			s->at = at;
			return false;
		}
	}
	return true;
}

static int64_t
days_of(int64_t year, int64_t month)
{
	static const int8_t days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31,
		30, 31 };
	bool is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

	return days[month - 1] + (month == 2 && is_leap);
}

/* full-date. The years count from March, as in core/date.c. */
static bool
take_day(struct scan *s, smx_time *ret)
{
	int64_t year, month, day;

	if (!take_number(s, 4, &year) || !take_char(s, '-') ||
	    !take_number(s, 2, &month) || !take_char(s, '-') ||
	    !take_number(s, 2, &day))
		return false;
	if (year < 1970 || month < 1 || month > 12 || day < 1 ||
	    day > days_of(year, month))
		return false;
	year -= month <= 2;
	month = month > 2 ? month - 3 : month + 9;
	day += (153 * month + 2) / 5 - 1;
	day += 365 * year + year / 4 - year / 100 + year / 400 - 719468;
	*ret = day * SMX_DAY;
	return true;
}

/* time-secfrac, of which milliseconds are kept. */
static bool
take_fraction(struct scan *s, smx_time *ret)
{
	int64_t weight = 100, digit;
	size_t digits = 0;

	while (take_number(s, 1, &digit)) {
		*ret += digit * weight;
		weight /= 10;
		digits++;
	}
	return digits > 0;
}

/* partial-time, perhaps without seconds. */
static bool
take_time(struct scan *s, smx_time *ret)
{
	int64_t hour, minute, second = 0;
	smx_time fraction = 0;

	if (!take_number(s, 2, &hour) || !take_char(s, ':') ||
	    !take_number(s, 2, &minute))
		return false;
	if (!take_char(s, ':')) {
		s->is_exact = false;
	} else if (!take_number(s, 2, &second) ||
	    (take_char(s, '.') && !take_fraction(s, &fraction))) {
		return false;
	}
	/* The end of a day, as ISO 8601 has it and RFC 3339 has not. */
	if (hour == 24 && minute == 0 && second == 0 && fraction == 0)
		s->is_exact = false;
	else if (hour > 23)
		return false;
	if (minute > 59 || second > 60)
		return false;
	/* A leap second is the second before. */
	if (second == 60)
		second = 59;
	*ret = hour * SMX_HOUR + minute * SMX_MINUTE + second * SMX_SECOND +
	    fraction;
	return true;
}

/* time-numoffset behind its sign: what is to be added to get UTC. */
static bool
take_offset(struct scan *s, int sign, smx_time *ret)
{
	int64_t hour, minute = 0;

	if (!take_number(s, 2, &hour))
		return false;
	if (take_char(s, ':')) {
		if (!take_number(s, 2, &minute))
			return false;
	} else {
		s->is_exact = false;
		if (s->at < s->text.n && !take_number(s, 2, &minute))
			return false;
	}
	if (hour > 23 || minute > 59)
		return false;
	*ret = -sign * (hour * SMX_HOUR + minute * SMX_MINUTE);
	return true;
}

/* @return false when what is left is no zone. */
static bool
take_zone(struct scan *s, smx_time *ret, bool *ret_has_zone)
{
	*ret = 0;
	*ret_has_zone = s->at < s->text.n;
	if (!*ret_has_zone)
		return true;
	if (take_char(s, ' '))
		s->is_exact = false;
	if (take_char(s, '+'))
		return take_offset(s, 1, ret);
	if (take_char(s, '-'))
		return take_offset(s, -1, ret);
	if (take_word(s, "utc") || take_word(s, "gmt")) {
		s->is_exact = false;
		return true;
	}
	return take_char(s, 'z');
}

/* Seconds since 1970; with fewer digits it could be a day. */
static bool
take_seconds(struct scan *s, smx_time *ret)
{
	size_t digits = s->text.n;
	int64_t seconds;

	if (digits < 9 || digits > 11 || !take_number(s, digits, &seconds))
		return false;
	s->is_exact = false;
	*ret = seconds * SMX_SECOND;
	return true;
}

static struct smx_slice
trim(struct smx_slice s)
{
	return smx_scan_trim_end(smx_slice_from(s, smx_scan_skip_wsp(s, 0)));
}

bool
smx_tlsrpt_read_date(struct smx_slice text, struct smx_tlsrpt_read_date *ret)
{
	struct scan s = { .text = trim(text) };
	smx_time day = 0, time = 0, offset = 0;
	bool has_zone = true;

	s.is_exact = s.text.n == text.n;
	if (!take_seconds(&s, &day)) {
		if (!take_day(&s, &day))
			return false;
		if (s.at == s.text.n) {
			s.is_exact = false;
			has_zone = false;
		} else {
			if (take_char(&s, ' '))
				s.is_exact = false;
			else if (!take_char(&s, 't'))
				return false;
			if (!take_time(&s, &time) ||
			    !take_zone(&s, &offset, &has_zone))
				return false;
		}
	}
	if (s.at < s.text.n || day + time + offset < 0)
		return false;
	*ret = (struct smx_tlsrpt_read_date){
		.wall = day + time + offset,
		.has_zone = has_zone,
		.is_exact = s.is_exact,
	};
	return true;
}
