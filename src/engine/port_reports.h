/**
 * What dispatch asks of the store of reports.
 *
 * Layer:   engine (port). Synchronous: the store is a local file.
 *
 * All calls return 0, -SMX_ENOENT where it is named, or the status of a failure
 * of the store (-SMX_EFULL, -SMX_EIO, -SMX_EBUSY, -SMX_ENOMEM, ...), after
 * which nothing has changed, or is changed by the transaction it was in. What a
 * result borrows dies with the next call.
 */
#ifndef SMX_ENGINE_PORT_REPORTS_H
#define SMX_ENGINE_PORT_REPORTS_H

#include <stdint.h>

#include "base/slice.h"
#include "base/status.h"
#include "base/when.h"
#include "core/tlsrpt_policy_type.h"
#include "core/tlsrpt_result.h"

/** What was counted for one Policy Domain on one day. */
struct smx_report_day {
	int64_t id;
	int64_t day; /* since the epoch, UTC */
	struct smx_slice domain;
	struct smx_slice record;
	struct smx_slice report_id; /* empty until the day is closed */
	bool has_failure;           /* of a session or beside one */
};

enum smx_delivery_state {
	SMX_DELIVERY_WAITING = 0,
	SMX_DELIVERY_DONE = 1,
	SMX_DELIVERY_GIVEN_UP = 2,
};

/** One report on its way to one place. */
struct smx_report_delivery {
	struct smx_report_day day;
	struct smx_slice uri;
	unsigned attempts; /* those that failed */
	smx_time first;    /* wall: when it was taken for the first time */
};

/** What became of an attempt. */
struct smx_report_outcome {
	enum smx_delivery_state state;
	smx_time now;            /* wall */
	smx_time next;           /* wall, of the next attempt when waiting */
	struct smx_slice detail; /* in words */
};

/** Gets policies, each with its failures behind it. */
struct smx_report_visitor {
	void (*policy)(void *arg, enum smx_tlsrpt_policy_type type,
	    struct smx_slice members, uint64_t success, uint64_t failure);
	void (*failure)(void *arg, struct smx_slice members, uint64_t count);
	void *arg;
};

struct smx_reports_ops {
	/** Changes until commit() are all made or none; back() gives up. */
	int (*begin)(void *self);
	int (*commit)(void *self);
	void (*back)(void *self);

	/** A day before @p before that is not closed. -SMX_ENOENT: none. */
	int (*next_open)(void *self, int64_t before, struct smx_report_day *);
	/** Nothing is added to the day any more. */
	int (*close)(void *self, int64_t id, struct smx_slice report_id);
	/** The report is to go to @p uri at the wall time @p due. */
	int (*put)(void *self, int64_t id, struct smx_slice uri, smx_time due);

	/**
	 * A delivery that is due at @p now; it is not given again before
	 * @p until, not even after a kill. -SMX_ENOENT: none.
	 */
	int (*take)(void *self, smx_time now, smx_time until,
	    struct smx_report_delivery *ret);
	/** What waits until after @p after is due at @p due. */
	int (*pull)(void *self, smx_time after, smx_time due);
	/** Not before @p next; no attempt was made. */
	int (*postpone)(void *self, int64_t id, struct smx_slice uri,
	    smx_time next);
	/** Walk through what was counted. */
	int (*walk)(void *self, int64_t id, const struct smx_report_visitor *v);
	int (*end)(void *self, int64_t id, struct smx_slice uri,
	    const struct smx_report_outcome *outcome);

	/** When the next delivery is due; SMX_NEVER when none is waiting. */
	int (*next_due)(void *self, smx_time *ret_wall);
	/** Forget some days before @p before of which no delivery waits.
	 * -SMX_ENOENT: there is nothing more to forget. */
	int (*forget)(void *self, int64_t before);
};

struct smx_reports_port {
	const struct smx_reports_ops *ops;
	void *self;
};

#endif
