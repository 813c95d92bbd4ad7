/* What can make no difference any more is set to nothing, so that states with the same future are
 * one state. Whatever is read before it is written again stays. */

/* A copy that nobody looks at. */
inline forget_copy(a)
{
    if
    :: view[a] != STALE ->
        stale_produced[a] = 0; stale_consumed[a] = 0;
        stale_data[a * W] = 0; stale_data[a * W + W - 1] = 0
    :: else
    fi
}

/* A place of the ring of agent a whose byte the other one has, or that holds none yet. What a program
 * in direct mode put there may be taken back until it is acknowledged. */
#define holds(a, k) ((received[1 - (a)] < produced[a] && received[1 - (a)] % W == (k)) || \
                     (received[1 - (a)] + 1 < produced[a]))

inline forget_bytes(a)
{
    if
    :: !direct[a] && !holds(a, 0) -> data[(a) * W] = 0
    :: else
    fi;
    if
    :: !direct[a] && !holds(a, W - 1) -> data[(a) * W + W - 1] = 0
    :: else
    fi
}

/* Rings of which neither side has written its ends: both do before either reads. */
inline forget_rings()
{
    if
    :: ring[0] != RING_ATTACHED && ring[1] != RING_ATTACHED && !direct[0] && !direct[1] ->
        produced[0] = 0; produced[1] = 0; consumed[0] = 0; consumed[1] = 0;
        data[0] = 0; data[1] = 0; data[2] = 0; data[3] = 0
    :: else -> forget_bytes(0); forget_bytes(1)
    fi
}

/* Of incarnations it matters only whether an agent knows the other one's. */
inline forget_lives()
{
    peer_incarnation[0] = (peer_incarnation[0] == incarnation[1] -> 0 : UNKNOWN);
    peer_incarnation[1] = (peer_incarnation[1] == incarnation[0] -> 0 : UNKNOWN);
    incarnation[0] = 0; incarnation[1] = 0; lives = 0
}

#define under_way(k) (queue[0]??[k, _, _, _] || queue[1]??[k, _, _, _])

/* Of epochs and generations, whether they are the same, and which is ahead. Not while an agent has
 * yet to meet another life of the other one: it begins with epoch 0 then. */
inline forget_epochs()
{
    if
    :: !under_way(PREPARE) && !under_way(RESYNC) && !under_way(RESYNC_NOTHING) && !ahead_kind &&
       peer_incarnation[0] == incarnation[1] && peer_incarnation[1] == incarnation[0] ->
        seen = (epoch[0] < epoch[1] -> epoch[0] : epoch[1]);
        epoch[0] = epoch[0] - seen; epoch[1] = epoch[1] - seen;
        seen = 0
    :: else
    fi
}

#define of_now(a) (!attached[a] || generation[a] == region_generation)

inline forget_generations()
{
    if
    :: !under_way(PREPARE) && of_now(0) && of_now(1) ->
        region_generation = 0; generation[0] = 0; generation[1] = 0
    :: else
    fi
}

/* Indexes never go back while both sides have written their ends, and each is seen: so it is no matter
 * when an agent last looked. It is found out if one does: what it saw is taken as what there was. */
inline forget_looks(a)
{
    if
    :: view[a] == GOOD && view[1 - (a)] == GOOD && ring[a] == RING_ATTACHED &&
       ring[1 - (a)] == RING_ATTACHED ->
        rx_produced[a] = produced[1 - (a)];
        ring_consumed[a] = consumed[a]
    :: else
    fi
}

/* A saved state that is not restored again. */
inline forget_saved()
{
    saved_phase = 0; saved_to = 0; saved_epoch = 0; saved_incarnation = 0; saved_peer = 0;
    saved_acked = 0; saved_sent = 0; saved_sent_max = 0; saved_received = 0;
    saved_delivered = 0; saved_missing = false; saved_reset = false
}

/* Once both ends of the stream have ended, nothing asks why they did. */
inline forget_stream()
{
    if
    :: reset[0] && reset[1] ->
        crashed = crashed || restored || bereft;
        bereft = false;
        fork = 0; timeline = 0
    :: else
    fi
}

/* Where an idle agent went last: no message of an attempt that has ended comes from an honest peer. */
inline forget_attempt(a)
{
    if
    :: !running(a) && !restored -> to[a] = TCP
    :: else
    fi;
    if
    :: rx_path[a] != SHM -> rx_consumed[a] = 0
    :: else
    fi
}

inline forget_what_is_over()
{
    forget_attempt(0);
    forget_attempt(1);
    forget_looks(0);
    forget_looks(1);
    forget_copy(0);
    forget_copy(1);
    forget_rings();
    forget_generations();
    forget_stream();
    if
    :: !left(F_RESTORE) -> forget_saved()
    :: else
    fi;
    if
    :: !left(F_RESTORE) || saved == NOBODY -> forget_lives(); forget_epochs()
    :: else
    fi
}
