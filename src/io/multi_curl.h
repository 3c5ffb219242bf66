/**
 * Many transfers of libcurl on one event loop.
 *
 * Layer:   io (libcurl, libevent). One thread, that of the event base.
 */
#ifndef SMX_IO_MULTI_CURL_H
#define SMX_IO_MULTI_CURL_H

#include <curl/curl.h>

#include "base/status.h"

struct event_base;
struct smx_multi;

/**
 * A transfer has ended; its handle is not yet removed. It may remove and add
 * handles, but not free the whole. CURLINFO_PRIVATE says whose it is.
 */
typedef void smx_multi_ended(CURL *easy, CURLcode rc);

/** @retval 0 or -SMX_ENOMEM. */
int smx_multi_new(struct event_base *base, smx_multi_ended *ended,
    struct smx_multi **ret) SMX_CHECKED;

/** End it. All handles have been removed before. */
void smx_multi_free(struct smx_multi **m);

/** Begin a transfer. @p ended is not called before this returns.
 * @retval 0 or -SMX_ENOMEM. */
int smx_multi_add(struct smx_multi *m, CURL *easy) SMX_CHECKED;

/** Forget a transfer, ended or not. */
void smx_multi_remove(struct smx_multi *m, CURL *easy);

#endif
