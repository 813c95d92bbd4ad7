/* One step of the handover's state machine, and what its actions do: link/handover.c and
 * link/link_handover.c. The transitions are not written down here: they are the agent's own. */

inline set_actions(first, second, third)
{
    action[0] = first; action[1] = second; action[2] = third
}

#define ROW(from, in, next, first, second, third) \
    :: phase[me] == PHASE_##from && input == IN_##in -> \
       phase[me] = PHASE_##next; set_actions(DO_##first, DO_##second, DO_##third)
inline take_row()
{
    if
#include "../guest-agent/src/link/handover_rows.h"
    :: else -> set_actions(DO_BREAK, DO_NOTHING, DO_NOTHING)
    fi
}
#undef ROW

#define ROW(from, in, next, first, second, third) \
    :: phase[me] == PHASE_##from && input == IN_##in -> expected = true
inline expect()
{
    if
#include "../guest-agent/src/link/handover_rows.h"
    :: else -> expected = false
    fi
}
#undef ROW

/* PREPARE, UNPREPARED and SYNC, given the domain ids and the epochs; x is the peer's epoch. */
inline resolve()
{
    if
    :: input == IN_SYNC && x == epoch[me] -> input = IN_SYNC_SAME
    :: input == IN_SYNC && x == epoch[me] + 1 -> input = IN_SYNC_AHEAD
    :: input == IN_SYNC && x + 1 == epoch[me] -> input = IN_SYNC_BEHIND
    :: input == IN_SYNC && x != epoch[me] && x != epoch[me] + 1 && x + 1 != epoch[me] ->
       input = IN_SYNC_LOST
#ifndef MUTANT_BOTH_YIELD
    :: phase[me] == PHASE_PREPARING && me == 0 && (input == IN_PREPARE || input == IN_UNPREPARED) ->
       input = IN_OUTRANK
#else
    :: phase[me] == PHASE_PREPARING && me == 0 && input == IN_PREPARE -> input = IN_YIELD
#endif
    :: phase[me] == PHASE_PREPARING && me == 1 && input == IN_PREPARE -> input = IN_YIELD
    :: phase[me] == PHASE_PREPARING && me == 1 && input == IN_UNPREPARED ->
       input = IN_YIELD_UNPREPARED
    :: else
    fi;
#ifdef MUTANT_EPOCH_IGNORED
    if
    :: input == IN_SYNC_AHEAD || input == IN_SYNC_BEHIND || input == IN_SYNC_LOST ->
       input = IN_SYNC_SAME
    :: else
    fi
#endif
}

inline offer_slots()
{
    if
    :: me == 0 && to[me] == SHM && open(me) -> ring[me] = RING_KNOWN
    :: else
    fi
}

inline take_slots()
{
    if
    :: me == 1 && to[me] == SHM && open(me) -> ring[me] = RING_KNOWN
    :: else
    fi
}

inline let_go_of_region()
{
    if
    :: open(me) && rx_path[me] == SHM -> broken()
    :: else
    fi;
    unmap()
}

inline act(number)
{
    if
    :: number == DO_SEND_PREPARE ->
        offer_slots();
#ifdef MUTANT_EARLY_ATTACH
        attach_rings();
#endif
        beat();
        seen = (shown -> generation[me] : UNKNOWN);
        send(PREPARE, to[me], seen, epoch[me])
    :: number == DO_SEND_PREPARED ->
        offer_slots();
        attach_rings();
        beat();
        send(PREPARED, shown, 0, 0)
    :: number == DO_SWITCH_AND_FENCE ->
        attach_rings();
        switch_tx(to[me], true);
        beat();
        send(FENCE, seen, shown, 0)
    :: number == DO_SEND_DRAINED -> send(DRAINED, 0, 0, 0)
    :: number == DO_COMMIT ->
        if
        :: path[me] == TCP -> let_go_of_region()
        :: else
        fi
    :: number == DO_SEND_COMMIT -> send(COMMIT, 0, 0, 0)
    :: number == DO_SEND_RELEASE -> send(RELEASE, 0, 0, 0)
    :: number == DO_RETURN_AND_ABORT ->
        switch_tx(path[me], false);
#ifdef MUTANT_ABORT_UNANSWERED
        if
        :: phase[me] == PHASE_ABORTING -> send(ABORT, seen, 0, 0)
        :: else
        fi
#else
        send(ABORT, seen, 0, 0)
#endif
    :: number == DO_ROLL_BACK -> roll_back()
    :: number == DO_BREAK ->
        assert(restored); /* an honest peer breaks no rules */
        doomed = true
    :: else
    fi
}

/* An attempt has ended: link_handover.c settle(). Lost bytes are fetched by a new connection. */
inline settle()
{
    if
    :: was_running && phase[me] == PHASE_IDLE && path[me] == TCP ->
        drop_slots();
        if
        :: region_lost[me] -> unmap()
        :: else
        fi;
        doomed = doomed || (missing[me] && up[me])
    :: else
    fi
}

inline step()
{
    was_running = phase[me] != PHASE_IDLE;
    resolve();
    take_row();
    if
    :: (phase[me] == PHASE_PREPARING || phase[me] == PHASE_PREPARED) && input != IN_OUTRANK &&
       action[0] != DO_BREAK -> to[me] = y
    :: else
    fi;
    if
    :: action[0] == DO_COMMIT -> path[me] = to[me]; epoch[me] = epoch[me] + 1
    :: else
    fi;
    seen = 0;
    do
    :: seen < 3 && action[0] ->
        act(action[0]);
        set_actions(action[1], action[2], DO_NOTHING);
        seen = 0
    :: else -> break
    od;
    settle();
    input = IN_NOTHING
}

/* ---- messages ---- */

inline refuse()
{
    assert(restored);
    doomed = true
}

inline receive_prepare()
{
    input = IN_PREPARE;
    expect();
    /* As an initiator of lower id the expected input is OUTRANK. */
    if
    :: phase[me] == PHASE_PREPARING -> expected = true
    :: else
    fi;
    if
    :: z != epoch[me] || !expected -> input = IN_NOTHING; refuse()
    :: z == epoch[me] && expected && (phase[me] == PHASE_IDLE ||
       (phase[me] == PHASE_PREPARING && me == 1)) ->
        if
        :: x == path[me] || (x == SHM && (!attached[me] || !nonce_right(view[me]) ||
                                          y != generation[me])) -> input = IN_UNPREPARED
        :: else ->
            seen = to[me];
            to[me] = x;
            take_slots();
            to[me] = seen
        fi
    :: else
    fi;
    y = x
}

/* A view that does not show the heartbeat that came with a message is not the sender's. The step
 * that the message asks for is none in the phase that this leads to. */
inline compare(said)
{
#ifndef MUTANT_HEARTBEAT_IGNORED
    if
    :: to[me] == SHM && !said && attached[me] && !region_lost[me] -> lose_region()
    :: else
    fi
#else
    skip
#endif
}

inline receive_prepared()
{
    if
    :: phase[me] == PHASE_PREPARING -> take_slots()
    :: else
    fi;
    y = to[me];
    input = IN_GOT_PREPARED;
    compare(x)
}

/* FENCE and ABORT: obey the mark if the message is expected, then step. */
inline receive_mark(in, target)
{
    input = in;
    expect();
    if
    :: expected -> obey_mark(target)
    :: else -> input = IN_NOTHING; refuse()
    fi
}

inline receive_fence()
{
    receive_mark(IN_GOT_FENCE, to[me]);
    if
    :: input == IN_GOT_FENCE -> compare(y)
    :: else
    fi
}

inline receive_resync()
{
    input = IN_SYNC;
    resolve();
    expect();
    if
    :: expected -> resume = true
    :: else -> input = IN_NOTHING; begin_anew(); doomed = true
    fi
}
