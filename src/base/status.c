#include "base/status.h"

static const char *const texts[SMX_STATUS_MAX] = {
	[SMX_OK] = "success",
	[SMX_EPARSE] = "syntax error",
	[SMX_ENOMEM] = "out of memory",
	[SMX_ELIMIT] = "limit exceeded",
	[SMX_EIO] = "input/output error",
	[SMX_EBUSY] = "in use by another process",
	[SMX_ENOENT] = "not found",
	[SMX_EINVAL] = "invalid argument",
	[SMX_ETIMEDOUT] = "timed out",
	[SMX_EAGAIN] = "more input is needed",
	[SMX_ECORRUPT] = "damaged data",
	[SMX_EVERSION] = "data of a newer version",
	[SMX_EFULL] = "disk full",
};

const char *
smx_status_text(int status)
{
	if (status > 0 || status <= -SMX_STATUS_MAX)
		return "unknown status";
	return texts[-status];
}
