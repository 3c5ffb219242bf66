/**
 * What sending reports comes to, for the log.
 *
 * Layer:   engine.
 */
#ifndef SMX_ENGINE_DISPATCH_EVENT_H
#define SMX_ENGINE_DISPATCH_EVENT_H

#include <stdint.h>

#include "base/slice.h"

enum smx_dispatch_event_kind {
	SMX_DISPATCH_DELIVERED,
	SMX_DISPATCH_RETRY, /* it failed, and will be tried again */
	SMX_DISPATCH_GIVEN_UP,
	SMX_DISPATCH_TOO_OLD,  /* a day was never sent */
	SMX_DISPATCH_NO_PLACE, /* the record names no usable one */
	SMX_DISPATCH_FAILED,   /* the store failed: status */
	SMX_DISPATCH_LEAP, /* the clock has leapt ahead; nothing is done for a
			    * while */
};

/** Something worth a line in the log. */
struct smx_dispatch_event {
	enum smx_dispatch_event_kind kind;
	struct smx_slice domain, uri, detail;
	int64_t day;
	int status;
};

struct smx_dispatch_observer {
	void (*event)(void *self, const struct smx_dispatch_event *event);
	void *self;
};

#endif
