/* What happens to the agents from outside, when each thing may happen, and what must hold once
 * nothing can happen any more. */

/* A configuration comes from the environment, so that one compiled verifier serves them all. */
c_code {
    static int setting(const char *name)
    {
        const char *text = getenv(name);

        return text ? atoi(text) : 0;
    }
}

inline set_up()
{
    c_code {
        now.budget[0] = setting("BREAK");
        now.budget[1] = setting("REPEAT");
        now.budget[2] = setting("EXPIRE");
        now.budget[3] = setting("CRASH");
        now.budget[4] = setting("ZEROS");
        now.budget[5] = setting("OTHER");
        now.budget[6] = setting("STALE");
        now.budget[7] = setting("MOVE");
        now.budget[8] = setting("RESTORE");
        now.budget[9] = setting("DIRECT");
        now.any = setting("ANY");
        now.untold = setting("UNTOLD");
        now.starts = setting("STARTS");
        now.path[0] = now.path[1] = now.to[0] = now.to[1] = setting("PATH_SHM");
    };
    me = 0; set_up_agent();
    me = 1; set_up_agent();
    me = 0
}

/* The common budget is for any fault but a guest that is put back. */
#define left(fault) (budget[fault] || (any && fault != F_RESTORE))

inline spend(fault)
{
    if
    :: budget[fault] -> budget[fault] = budget[fault] - 1
    :: else -> any = any - 1
    fi
}

inline set_up_agent()
{
    up[me] = true;
    synced[me] = true;
    attached[me] = true;
    view[me] = GOOD;
    tx_path[me] = path[me];
    rx_path[me] = path[me];
    epoch[me] = path[me];
    ring[me] = (path[me] == SHM -> RING_ATTACHED : RING_NONE)
}

inline attach()
{
    attached[me] = true;
    view[me] = GOOD;
    generation[me] = region_generation
}

inline crash()
{
    spend(F_CRASH);
    crashed = true;
    synced[me] = false;
    up[me] = false;
    empty_queue();
    break_connection();
    forget();
    unmap();
    lives = lives + 1;
    incarnation[me] = lives;
    peer_incarnation[me] = UNKNOWN;
    missing[me] = false
}

/* z: which fault. A view that is spoilt within a step is so by strike(). */
inline spoil_view()
{
    spend(z);
    if
    :: z == F_ZEROS -> view[me] = ZEROS
    :: z == F_OTHER -> view[me] = OTHER
    :: else -> make_stale()
    fi
}

/* This agent's guest, with no region attached, has moved; who kept the old region is alone in it.
 */
inline move()
{
    spend(F_MOVE);
    me = other;
    if
    :: attached[me] && view[me] == GOOD -> make_stale()
    :: else
    fi;
    region_generation = region_generation + 1;
    produced[0] = 0; produced[1] = 0; consumed[0] = 0; consumed[1] = 0;
    data[0] = 0; data[1] = 0; data[2] = 0; data[3] = 0
}

/* QEMU saves no guest that has the device. */
inline save()
{
    saved = me;
    saved_phase = phase[me]; saved_to = to[me]; saved_epoch = epoch[me];
    saved_incarnation = incarnation[me]; saved_peer = peer_incarnation[me];
    saved_acked = acked[me]; saved_sent = sent[me]; saved_sent_max = sent_max[me];
    saved_received = received[me]; saved_delivered = delivered[me];
    saved_missing = missing[me]; saved_reset = reset[me];
    fork = sent_max[me]
}

/* Who restores a guest tells its agent before it runs on: its links begin anew. If nobody does,
 * its connection at least is gone. */
inline restore()
{
    spend(F_RESTORE);
    restored = true;
    empty_queue();
    break_connection();
    unmap();
    phase[me] = saved_phase; path[me] = TCP; to[me] = saved_to; epoch[me] = saved_epoch;
    incarnation[me] = saved_incarnation; peer_incarnation[me] = saved_peer;
    acked[me] = saved_acked; sent[me] = saved_sent; sent_max[me] = saved_sent_max;
    received[me] = saved_received; delivered[me] = saved_delivered;
    missing[me] = saved_missing; reset[me] = saved_reset;
#ifdef MUTANT_RESTORE_UNTOLD
    up[me] = true; synced[me] = true;
#else
    up[me] = false; synced[me] = false;
    if
    :: !untold -> begin_anew()
    :: else
    fi
#endif
}

#define running(a) (phase[a] != PHASE_IDLE)
#define live(a) (open(a) && !region_lost[a])
#define undecided(a) (phase[a] == PHASE_PREPARING || phase[a] == PHASE_PREPARED || \
                      phase[a] == PHASE_FENCED)
#define lies(a) (view[a] == ZEROS || view[a] == OTHER)
/* It has said what it has received, and has not heard yet whether the ring counts. */
#ifndef MUTANT_TAKEN_IN_DOUBT
#define in_doubt(a) (phase[a] == PHASE_VOTED && up[a] && !synced[a])
#else
#define in_doubt(a) false
#endif
#define takes(a) (live(a) && rx_path[a] == SHM && !in_doubt(a) && \
                  ((view[a] == GOOD && produced[1 - a] > received[a]) || \
                   (view[a] == STALE && stale_produced[a] > received[a]) || \
                   (view[a] == OTHER && !doubted[a] && received[a] < TOTAL(1 - a) && \
                    received[a] - delivered[a] < W)))
#define gives(a) (open(a) && sent[a] < readable(a) && \
                  (tx_path[a] == SHM -> nonce_right(view[a]) : \
                                        synced[a] && len(queue[1 - a]) < ROOM))
#define looks(a) (live(a) && tx_path[a] == SHM && \
                  ((view[a] == GOOD && consumed[a] > acked[a]) || \
                   (view[a] == STALE && stale_consumed[a] > acked[a]) || \
                   (view[a] == OTHER && !doubted[a] && sent_max[a] > acked[a])))
#define spoilable(a) (attached[a] && view[a] == GOOD)
#define promotable(a) (live(a) && synced[a] && !running(a) && path[a] == SHM && !direct[a] && \
                       tx_path[a] == SHM && rx_path[a] == SHM && ring[a] == RING_ATTACHED && \
                       received[a] == delivered[a])
#define alone(a) (view[a] == STALE || generation[a] != region_generation)
/* What the peer says of its heartbeat while nothing else goes on (KICK) is not to be seen. */
#define unshared(a) (path[0] == SHM && path[1] == SHM && epoch[0] == epoch[1] && synced[0] && \
                     synced[1] && (view[0] == STALE || view[1] == STALE))

/* Every step of agent a that may come next without a fault, and without being asked for. */
#define OWN_STEPS(MAY, a) \
    MAY(a, W_RECEIVE, up[a] && len(queue[a]) > 0) \
    MAY(a, W_TAKE, takes(a)) \
    MAY(a, W_GIVE, gives(a)) \
    MAY(a, W_LOOK, looks(a)) \
    MAY(a, W_DELIVER, open(a) && delivered[a] < received[a]) \
    MAY(a, W_WATCH, attached[a] && !region_lost[a] && \
                    ((lies(a) && (path[a] == SHM || running(a))) || unshared(a))) \
    MAY(a, W_RESCUE, path[a] == SHM && synced[a] && !running(a) && region_lost[a]) \
    MAY(a, W_NOTICE, cut && up[a] && ahead != a) \
    MAY(a, W_CONNECT, cut && ahead == NOBODY) \
    MAY(a, W_JOIN, ahead == 1 - a) \
    MAY(a, W_ATTACH, !attached[a]) \
    MAY(a, W_DETACH, attached[a] && path[a] == TCP && !running(a) && (lies(a) || alone(a))) \
    MAY(a, W_BACK, direct[a])

/* Everything else that may happen to it: each takes something from a budget. */
#define EVENTS(MAY, a) \
    MAY(a, W_START, starts && synced[a] && !running(a) && \
                    (path[a] == SHM || (attached[a] && !region_lost[a] && nonce_right(view[a])))) \
    MAY(a, W_BREAK, a == 0 && left(F_BREAK) && (!cut || ahead != NOBODY)) \
    MAY(a, W_REPEAT, left(F_REPEAT) && up[a] && len(queue[a]) > 0) \
    MAY(a, W_EXPIRE, left(F_EXPIRE) && undecided(a)) \
    MAY(a, W_CRASH, left(F_CRASH)) \
    MAY(a, W_SPOIL, left(F_ZEROS) && spoilable(a)); z = F_ZEROS \
    MAY(a, W_SPOIL, left(F_OTHER) && spoilable(a)); z = F_OTHER \
    MAY(a, W_SPOIL, left(F_STALE) && spoilable(a)); z = F_STALE \
    MAY(a, W_TAKE, left(F_ZEROS) && spoilable(a) && takes(a)); spoil_within(F_ZEROS, ZEROS) \
    MAY(a, W_GIVE, left(F_ZEROS) && spoilable(a) && gives(a) && tx_path[a] == SHM); \
        spoil_within(F_ZEROS, ZEROS) \
    MAY(a, W_LOOK, left(F_ZEROS) && spoilable(a) && looks(a)); spoil_within(F_ZEROS, ZEROS) \
    MAY(a, W_MOVE, left(F_MOVE) && !attached[a]) \
    MAY(a, W_SAVE, left(F_RESTORE) && saved == NOBODY && !attached[a] && \
                   (phase[a] == PHASE_IDLE || phase[a] == PHASE_COMMITTED)) \
    MAY(a, W_RESTORE, left(F_RESTORE) && saved == a) \
    MAY(a, W_PROMOTE, left(F_DIRECT) && promotable(a)) \
    MAY(a, W_TEAR, left(F_DIRECT) && direct[a] && gives(a))

inline spoil_within(fault, how)
{
    spend(fault);
    spoil = how
}

/* Both agents have done all they would do if nothing more were asked of them, and nothing more went
 * wrong. Then it may be the end, whatever is left of the budgets. */
#define OR(a, number, condition) || (condition)
#define quiet (!(false OWN_STEPS(OR, 0) OWN_STEPS(OR, 1)))

/* Every handover has ended, and both sides agree on how. */
inline check_the_end()
{
    assert(!running(0) && !running(1));
    assert(synced[0] && synced[1] && !cut && ahead == NOBODY);
    assert(epoch[0] == epoch[1] && path[0] == path[1]);
    assert(path[0] == TCP || (view[0] == GOOD && view[1] == GOOD));
    assert(reset[0] == reset[1]);
    assert(!reset[0] || crashed || restored || bereft);
    assert(reset[0] || (delivered[1] == TOTAL(0) && delivered[0] == TOTAL(1)));
    assert(reset[0] || (acked[0] == TOTAL(0) && acked[1] == TOTAL(1)))
}
