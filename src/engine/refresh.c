#include "engine/refresh.h"

#define SHORTEST_MAX_AGE_S (10 * 60)

smx_time
smx_refresh_after(uint32_t max_age_s, uint64_t random)
{
	smx_time whole = smx_time_min((smx_time)max_age_s * SMX_SECOND,
	    SMX_DAY);
	smx_time spread = whole / 6;

	if (max_age_s < SHORTEST_MAX_AGE_S)
		return SMX_NEVER;
	/* A sixth before the whole day, or before the policy's end. */
	if (whole < SMX_DAY)
		whole -= whole / 12;
	return whole - spread + (smx_time)(random % (uint64_t)spread);
}

smx_time
smx_refresh_retry(uint64_t random)
{
	return 45 * SMX_MINUTE + (smx_time)(random % (30 * SMX_MINUTE));
}
