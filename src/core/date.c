#include "core/date.h"

static int64_t
floor_divide(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

int64_t
smx_date_days(smx_time from, smx_time to)
{
	return floor_divide(to - from, SMX_DAY);
}

/* Years are counted from March, so that the day that is there every four
 * years is the last of them; 400 of them are an era of 146097 days. */
void
smx_date_from(smx_time wall, int64_t *ret_year, unsigned *ret_month,
    unsigned *ret_day)
{
	/* 719468 days lie between 0000-03-01 and 1970-01-01. */
	int64_t days = floor_divide(wall, SMX_DAY) + 719468;
	int64_t era = floor_divide(days, 146097);
	int64_t day = days - era * 146097;
	int64_t year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
	int64_t month;

	day -= 365 * year + year / 4 - year / 100;
	month = (5 * day + 2) / 153;
	*ret_day = (unsigned)(day - (153 * month + 2) / 5 + 1);
	*ret_month = (unsigned)(month < 10 ? month + 3 : month - 9);
	*ret_year = year + era * 400 + (*ret_month <= 2);
}

void
smx_date_print(smx_time wall, struct smx_buf *out)
{
	unsigned month, day;
	int64_t year;

	smx_date_from(wall, &year, &month, &day);
	smx_buf_printf(out, "%04lld-%02u-%02u", (long long)year, month, day);
}

void
smx_date_print_id(smx_time wall, struct smx_buf *out)
{
	int64_t second = floor_divide(wall, SMX_SECOND) % 86400;
	unsigned month, day;
	int64_t year;

	if (second < 0)
		second += 86400;
	smx_date_from(wall, &year, &month, &day);
	smx_buf_printf(out, "%04lld%02u%02uT%02u%02u%02u", (long long)year,
	    month, day, (unsigned)(second / 3600), (unsigned)(second / 60 % 60),
	    (unsigned)(second % 60));
}

void
smx_date_print_mail(smx_time wall, struct smx_buf *out)
{
	static const char days[][4] = { "Thu", "Fri", "Sat", "Sun", "Mon",
		"Tue", "Wed" };
	static const char months[][4] = { "Jan", "Feb", "Mar", "Apr", "May",
		"Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
	int64_t seconds = floor_divide(wall, SMX_SECOND);
	int64_t second = seconds - floor_divide(seconds, 86400) * 86400;
	int64_t number = floor_divide(wall, SMX_DAY);
	unsigned month, day;
	int64_t year;

	smx_date_from(wall, &year, &month, &day);
	smx_buf_printf(out, "%s, %u %s %04lld %02u:%02u:%02u +0000",
	    days[number - floor_divide(number, 7) * 7], day, months[month - 1],
	    (long long)year, (unsigned)(second / 3600),
	    (unsigned)(second / 60 % 60), (unsigned)(second % 60));
}
