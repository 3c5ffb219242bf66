/**
 * Doubly linked lists through a node in the element.
 *
 * Layer:   base.
 * Memory:  a list owns nothing.
 */
#ifndef SMX_BASE_LIST_H
#define SMX_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct smx_list {
	struct smx_list *next, *prev;
};

/** The element of type @p type whose member @p member is @p node. */
#define SMX_ELEMENT(node, type, member) \
	((type *)(void *)((char *)(node)-offsetof(type, member)))

static inline void
smx_list_init(struct smx_list *l)
{
	l->next = l->prev = l;
}

static inline bool
smx_list_is_empty(const struct smx_list *l)
{
	return l->next == l;
}

/** Put @p node at the end of @p l. */
static inline void
smx_list_push(struct smx_list *l, struct smx_list *node)
{
	node->prev = l->prev;
	node->next = l;
	l->prev->next = node;
	l->prev = node;
}

/** Take a node out; a node that is in no list must be self-linked. */
static inline void
smx_list_remove(struct smx_list *node)
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
	smx_list_init(node);
}

/** Take out the first node. @return NULL when the list is empty. */
static inline struct smx_list *
smx_list_pop(struct smx_list *l)
{
	struct smx_list *node = l->next;

	if (node == l)
		return NULL;
	smx_list_remove(node);
	return node;
}

#endif
