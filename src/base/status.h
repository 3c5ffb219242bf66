/**
 * Status codes: what went wrong with *us* (not with the data we read).
 *
 * Layer:   base.
 * A function that can fail returns 0 or one of the negative codes below.
 */
#ifndef SMX_BASE_STATUS_H
#define SMX_BASE_STATUS_H

enum smx_status {
	SMX_OK = 0,
	SMX_EPARSE = 1,    /* the input does not follow its grammar */
	SMX_ENOMEM = 2,    /* memory, or the cap of an arena, is used up */
	SMX_ELIMIT = 3,    /* a limit of core/limits.h is exceeded */
	SMX_EIO = 4,       /* reading or writing failed */
	SMX_EBUSY = 5,     /* somebody else holds it */
	SMX_ENOENT = 6,    /* there is no such thing */
	SMX_EINVAL = 7,    /* the caller's arguments make no sense */
	SMX_ETIMEDOUT = 8, /* it took longer than it may */
	SMX_EAGAIN = 9,    /* not yet: more input is needed */
	SMX_ECORRUPT = 10, /* stored data is damaged */
	SMX_EVERSION = 11, /* stored data is of a newer version */
	SMX_EFULL = 12,    /* the disk is full */
	SMX_STATUS_MAX
};

#define SMX_CHECKED __attribute__((warn_unused_result))

/**
 * The words for a status.
 *
 * @param status  0 or a negative status code.
 * @return        a static text, never NULL.
 */
const char *smx_status_text(int status);

#endif
