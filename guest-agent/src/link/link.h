/* The relation between this domain's agent and one peer's; carries all their streams.
 *
 * The link lives across connections: streams wait while there is none, and resume by offsets on
 * the next (link/resync.c). Which path bytes take is link/handover.h's business. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/loop.h"
#include "link/handover.h"
#include "link/lingering.h"
#include "link/stream.h"
#include "path/carrier.h"
#include "path/shm.h"

#define LINK_BUCKETS 256u

/* Shared by all links of an agent. */
struct budget {
    uint64_t limit;
    uint64_t used;
};

struct handover_report {
    bool committed;
    bool confirmed; /* the peer has committed and let go of the old path too */
    bool initiated; /* by this side */
    enum wire_path from;
    enum wire_path to;
    uint32_t epoch;
    uint32_t streams;
    uint64_t duration_us;
    uint64_t bytes_in_ring;
    uint64_t bytes_resent;
    const char *reason; /* if not committed */
};

/* Who in the peer's domain is to see an export. */
enum export_scope { EXPORT_TO_NOBODY, EXPORT_TO_SOME, EXPORT_TO_ALL };

enum stream_event { STREAM_OPENED, STREAM_CLOSED, STREAM_RESET };

/* What a link needs from its owner. */
struct link_user {
    int (*connect)(void *user, const struct stream *stream); /* as socket_connect_unix() */
    int (*call)(void *user, const struct stream *stream); /* a local port; likewise. May be NULL */
    void (*up)(void *user);                               /* both sides have resumed */
    void (*stream)(void *user, const struct stream *stream, enum stream_event event,
                   const char *reason);
    void (*handed_over)(void *user, const struct handover_report *report);
    void (*exported)(void *user, const char *name, enum export_scope scope);
    void (*exports_synced)(void *user);
};

/* A stream that is gone here, whose slot somebody may still touch: link/zombies.c. */
struct zombie {
    struct zombie *next;
    uint32_t id;
    struct slot slot;
    bool peer_let_go;
};

struct link_handover {
    bool wanted; /* by this side; starts as soon as it can */
    enum wire_path to;
    uint64_t deadline_us;
    struct loop_timer deadline;
    bool overdue; /* the deadline has passed, and the peer owes an answer still */
    struct handover_report report;
    uint64_t started_us;
    uint64_t resent_before;
    const char *reason; /* of this side's next ABORT */
    char peer_reason[WIRE_REASON_MAX + 1];
};

/* What this side has seen of the peer's heartbeat: link/heartbeat.c. */
struct link_heartbeat {
    uint64_t looked_us;
    uint64_t shown;
    uint64_t moved_us;
    uint64_t patience_us; /* with a count that stands still, since it last moved */
    uint64_t rescue_us;   /* when the next attempt to leave a lost region is due */
};

struct link {
    struct loop *loop;
    struct budget *budget;
    struct lingering *lingering;
    const struct link_user *user_ops;
    void *user;
    uint32_t self_id;
    uint32_t peer_id;
    bool lower; /* this side has the lower domain id */
    uint64_t incarnation;
    uint64_t peer_incarnation;

    struct carrier *carrier; /* NULL: no connection */
    bool synced;             /* the peer's RESYNC has been dealt with */
    bool kick_due;
    uint64_t kicked_us;
    uint64_t recheck_us; /* after so long with bytes in a ring a kick is repeated */
    uint64_t kicks_sent;
    uint64_t kicks_received;
    uint64_t grace_us; /* how long streams wait for the next connection */
    struct loop_timer grace;
    struct loop_timer retry; /* of connects to local servers */

    struct handover handover;
    struct link_handover attempt;
    bool attached;
    bool region_lost; /* the view shows something else now; anonymous pages are in its place */
    struct view view;
    struct link_heartbeat heartbeat;
    uint32_t mbps;
    struct loop_source direct_kick; /* an eventfd: a program in direct mode has a reason to kick */
    struct slots slots;             /* lower id only */
    struct zombie *zombies;         /* likewise */

    struct stream *streams[WIRE_STREAMS_MAX];
    struct stream *buckets[LINK_BUCKETS];
    uint32_t count;
    uint32_t turn; /* who goes first */
    uint32_t opened;
};

/* The budget and the list of lingering programs are the agent's, for all its links. */
struct link *link_new(struct loop *loop, struct budget *budget, struct lingering *lingering,
                      uint32_t self_id, uint32_t peer_id, const struct link_user *user_ops,
                      void *user);
struct link *link_free(struct link *link); /* resets what is left of its streams */

/* The connection's life. link_up() says RESYNC; messages may follow. */
void link_up(struct link *link, struct carrier *carrier, uint64_t peer_incarnation);
int link_message(struct link *link, const struct wire_header *header, const uint8_t *payload);
void link_down(struct link *link);

/* A program of this user's connected to what the peer exports as `name`; takes its socket. */
void link_open(struct link *link, int fd, const char *name, uint32_t user);
/* A program connects to a port of the peer; takes its socket, and tells of the outcome by the
 * user's stream(). NULL: there was no room for it. */
struct stream *link_call(struct link *link, int fd, uint32_t port, const struct caller *caller,
                         bool packets);
struct stream *link_find(struct link *link, uint32_t id);
struct stream *link_find_token(const struct link *link, uint64_t token);
bool link_may_open(const struct link *link);
void link_export(struct link *link, const char *name, enum export_scope scope);
void link_exports_synced(struct link *link);
void link_reset_streams(struct link *link, const char *reason);
void link_reset_stream(struct link *link, struct stream *stream, const char *reason);

/* The reasons for which a link ends its own connection: to say RESYNC. */
#define LINK_FETCH_MISSING "bytes that were lost with the region must be sent again"
#define LINK_UNANSWERED "the peer leaves a handover unanswered"
/* And one for which it ends a stream. */
#define LINK_HELD_RING "a program does not let go of its ring"

/* Region and path. */
enum { LINK_ALREADY = 1, LINK_BUSY = 2, LINK_NO_REGION = 3, LINK_HELD = 4 }; /* to be handled */
/* NULL, or why this side must not use that region (yet). */
const char *link_attach_fault(struct link *link, const struct view *view);
void link_attach(struct link *link, const struct view *view, uint32_t mbps);
int link_detach(struct link *link);
int link_hand_over(struct link *link, enum wire_path to, uint32_t deadline_ms);

/* Sees to it that a region that has gone is known to have gone. */
void link_watch_region(struct link *link);
/* Moves what can be moved. Returns whether anything did. */
bool link_pump(struct link *link);
/* Announces to the peer that this side is going to sleep. Returns for how long it may. */
uint64_t link_sleep(struct link *link);
