/* Two agents and all that can happen to them: model/README.md says what is modelled, and how the
 * budgets of faults (the environment's variables) make one verifier serve every combination. */

#include "names.pml"
#include "state.pml"
#include "region.pml"
#include "stream.pml"
#include "direct.pml"

/* ---- the connection: link/link.c, link/resync.c, link/session.c ---- */

inline forget()
{
    reset_stream();
    drop_slots();
    phase[me] = PHASE_IDLE;
    path[me] = TCP;
    to[me] = TCP;
    epoch[me] = 0
}

inline begin_anew()
{
    assert(restored); /* epochs that do not fit tell that a guest was put back */
    forget();
    lives = lives + 1;
    incarnation[me] = lives
}

#include "handover.pml"

inline empty_queue()
{
    do
    :: len(queue[me]) -> queue[me]?kind, x, y, z
    :: else -> break
    od
}

/* The first half of link_down(): the state machine's step follows. */
inline lose_carrier()
{
    if
    :: up[me] ->
        up[me] = false;
        synced[me] = false;
        empty_queue();
        input = IN_DOWN
    :: else -> empty_queue()
    fi
}

/* The second half of link_up(), once the state machine knows that the old connection is gone. */
inline begin_connection()
{
    if
    :: peer_incarnation[me] != incarnation[other] ->
        forget();
        peer_incarnation[me] = incarnation[other]
    :: else
    fi;
    up[me] = true;
    missing[me] = false
}

#define resync_kind (open(me) -> RESYNC : RESYNC_NOTHING)

inline connect()
{
    begin_connection();
    ahead = me;
    ahead_kind = resync_kind;
    ahead_epoch = epoch[me];
    ahead_received = received[me];
    ahead_delivered = delivered[me]
}

inline join()
{
    begin_connection();
    cut = false;
    ahead = NOBODY;
    queue[me]!ahead_kind, ahead_epoch, ahead_received, ahead_delivered;
    ahead_kind = 0; ahead_epoch = 0; ahead_received = 0; ahead_delivered = 0;
    send(resync_kind, epoch[me], received[me], delivered[me])
}

inline break_connection()
{
    cut = true;
    ahead = NOBODY;
    ahead_kind = 0; ahead_epoch = 0; ahead_received = 0; ahead_delivered = 0
}

/* After the RESYNC's step: kind, y and z are still the message's. */
inline resume_link()
{
    synced[me] = true;
    if
    :: open(me) && kind == RESYNC -> resume_stream()
    :: open(me) && kind == RESYNC_NOTHING -> reset_stream()
    :: else
    fi
}

inline receive()
{
    queue[me]?kind, x, y, z;
    if
    :: synced[me] == (kind == RESYNC || kind == RESYNC_NOTHING) -> refuse()
    :: else ->
        if
        :: kind == RESYNC || kind == RESYNC_NOTHING -> receive_resync()
        :: kind == DATA -> receive_data()
        :: kind == ACK && open(me) -> note_acked(x)
        :: kind == RST -> reset_stream()
        :: kind == PREPARE -> receive_prepare()
        :: kind == PREPARED -> receive_prepared()
        :: kind == FENCE -> receive_fence()
        :: kind == DRAINED -> input = IN_GOT_DRAINED
        :: kind == COMMIT -> input = IN_GOT_COMMIT
        :: kind == RELEASE -> input = IN_GOT_RELEASE
        :: kind == ABORT -> receive_mark(IN_GOT_ABORT, path[me])
        :: else
        fi
    fi
}

/* A message comes a second time, or after one that is lost: its number gives it away. */
inline repeat()
{
    spend(F_REPEAT);
#ifdef MUTANT_NUMBER_IGNORED
    queue[me]?<kind, x, y, z>;
    queue[me]!kind, x, y, z
#else
    doomed = true
#endif
}

#include "world.pml"
#include "oblivion.pml"

/* What each step begins with. What it says to the state machine is carried out behind it. */
inline begin_step()
{
    if
    :: what == W_RECEIVE -> receive()
    :: what == W_REPEAT -> repeat()
    :: what == W_TAKE -> take_ring(); take_directly(); doubt()
    :: what == W_GIVE -> give()
    :: what == W_LOOK -> look_for_acks(); doubt()
    :: what == W_DELIVER -> deliver()
    :: what == W_WATCH -> lose_region()
    :: what == W_START -> starts = starts - 1; y = 1 - path[me]; input = IN_START
    :: what == W_PROMOTE -> promote()
    :: what == W_TEAR -> tear()
    :: what == W_BACK -> skip
    :: what == W_RESCUE -> y = TCP; input = IN_START
    :: what == W_NOTICE || what == W_CONNECT || what == W_JOIN -> lose_carrier()
    :: what == W_ATTACH -> attach()
    :: what == W_DETACH -> unmap()
    :: what == W_BREAK -> spend(F_BREAK); break_connection()
    :: what == W_EXPIRE -> spend(F_EXPIRE); input = IN_EXPIRED
    :: what == W_CRASH -> crash()
    :: what == W_SPOIL -> spoil_view()
    :: what == W_MOVE -> move()
    :: what == W_SAVE -> save()
    :: what == W_RESTORE -> restore()
    fi
}

/* The state machine's turn, until nothing is left to be said to it. */
inline run_machine()
{
    do
    :: input != IN_NOTHING -> step()
    :: input == IN_NOTHING && resume && !doomed -> resume = false; resume_link()
    :: input == IN_NOTHING && doomed ->
        doomed = false;
        resume = false;
        if
        :: direct[me] -> take_back()
        :: else
        fi;
        break_connection();
        lose_carrier()
    :: else -> break
    od
}

/* Read by whoever replays a counterexample: `pan -S` prints only this. */
inline tell()
{
    printf("agent %d step %d message %d: phase %d%d path %d%d epoch %d%d up %d%d synced %d%d cut %d ahead %d", me,
           what, kind, phase[0], phase[1], path[0], path[1], epoch[0], epoch[1], up[0], up[1], synced[0],
           synced[1], cut, ahead);
    printf(" tx %d/%d/%d %d/%d/%d rx %d/%d %d/%d by %d%d/%d%d view %d%d queue %d,%d\n", acked[0],
           sent[0], sent_max[0], acked[1], sent[1], sent_max[1], delivered[0], received[0],
           delivered[1], received[1], tx_path[0], tx_path[1], rx_path[0], rx_path[1], view[0],
           view[1], len(queue[0]), len(queue[1]))
}

inline end_step()
{
    if
    :: what == W_CONNECT -> connect()
    :: what == W_JOIN -> join()
    :: else
    fi;
    tell();
    what = 0; me = 0; kind = 0; x = 0; y = 0; z = 0; seen = 0; content = 0; spoil = 0;
    was_running = false; expected = false; trusted = false; resume = false;
    shown = false;
#ifndef REMEMBER
    forget_what_is_over()
#endif
}

#define OPTION(a, number, condition) :: (condition) -> me = a; what = number

active proctype everything()
{
    d_step { set_up() };
    do
    :: atomic {
        if
        OWN_STEPS(OPTION, 0)
        OWN_STEPS(OPTION, 1)
        EVENTS(OPTION, 0)
        EVENTS(OPTION, 1)
        :: quiet -> goto over
        fi;
        d_step { part() };
        d_step { begin_step() };
        d_step { run_machine() };
        d_step { end_step() }
    }
    od;
over:
    check_the_end()
}
