/* To which peers an export is shown: to those whose user here may connect to it. */
#pragma once

#include "daemon/peers.h"

struct offer {
    struct offer *next;
    uint32_t peer_id;
    enum export_scope scope;
    bool explained; /* the log says why the peer is not shown it */
};

/* Tells the peer what is new; `again`: everything. A path of NULL: the export is not to be had. */
void offers_make(struct offer **offers, const struct peer *peer, const char *name, const char *path,
                 bool again);
/* Whether this peer is not shown it. */
bool offers_withheld(const struct offer *offers, uint32_t peer_id);
void offers_free(struct offer *offers);
