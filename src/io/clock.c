#include <string.h>
#include <time.h>

#include "io/clock.h"
#include "base/status.h"

static smx_time
read_clock(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (smx_time)t.tv_sec * SMX_SECOND + t.tv_nsec / 1000000;
}

struct smx_now
smx_clock_now(void)
{
	/* Every look-up asks for the time, and hardly one needs the wall
	 * clock's: that is read once a second. */
	static _Thread_local smx_time offset, read_at = -SMX_SECOND;
	smx_time mono = read_clock(CLOCK_BOOTTIME);

	if (mono - read_at >= SMX_SECOND) {
		offset = read_clock(CLOCK_REALTIME) - mono;
		read_at = mono;
	}
	return (struct smx_now){ .mono = mono, .wall = mono + offset };
}

void
smx_clock_print(smx_time wall, char text[SMX_CLOCK_TEXT_BYTES])
{
	time_t t = (time_t)(wall / SMX_SECOND);
	struct tm tm;

	text[0] = '\0';
	if (gmtime_r(&t, &tm) != NULL)
		strftime(text, SMX_CLOCK_TEXT_BYTES, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

int
smx_clock_parse(const char *text, smx_time *ret_wall)
{
	struct tm tm = { 0 };
	const char *end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm);

	if (end == NULL || *end != '\0' || strlen(text) != 20)
		return -SMX_EPARSE;
	*ret_wall = (smx_time)timegm(&tm) * SMX_SECOND;
	return 0;
}
