/* One end of the stream: link/stream_path.c. */

inline send(k, a, b, c)
{
    if
    :: !cut && ahead == NOBODY ->
        assert(len(queue[other]) < QUEUE); /* memory is bounded */
        queue[other]!k, a, b, c
    :: else
    fi
}

inline reset_stream()
{
    if
    :: open(me) ->
        reset[me] = true;
        if
        :: up[me] -> send(RST, 0, 0, 0)
        :: else
        fi;
        drop_slots();
        acked[me] = 0; sent[me] = 0; sent_max[me] = 0;
        received[me] = 0; delivered[me] = 0; missing[me] = false
    :: else
    fi
}

/* A stream may end with an error only if one side has lost its past, or a program its region. */
inline broken()
{
    assert((crashed || restored) || bereft);
    reset_stream()
}

inline acknowledge()
{
    if
    :: rx_path[me] == SHM -> publish_consumed()
    :: rx_path[me] == TCP && synced[me] -> send(ACK, delivered[me], 0, 0)
    :: else
    fi
}

/* The program will get this byte: it must be the next one, and of one history. */
inline accept()
{
    assert(content % AFTER == received[me] + 1);
    if
    :: saved == other && received[me] >= fork ->
        assert(timeline != 2 - content / AFTER);
        timeline = 1 + content / AFTER
    :: else
    fi;
    received[me] = received[me] + 1;
    assert(received[me] - delivered[me] <= W)
}

/* The content of this side's byte at an offset. */
inline write_content(offset)
{
    content = (offset) + 1;
    if
    :: restored && saved == me && (offset) >= fork -> content = content + AFTER
    :: else
    fi
}

/* Copies one byte out of the ring; it counts if the view is right afterwards. */
inline take_byte()
{
#ifdef MUTANT_CHECK_BEFORE_COPY
    check_nonce();
    strike();
    read_byte(received[me]);
#else
    read_byte(received[me]);
    strike();
    check_nonce();
#endif
#ifdef MUTANT_DOUBTFUL_VIEW
    trusted = true;
#endif
    if
    :: trusted -> accept()
    :: else
    fi
}

inline take_ring()
{
    read_produced();
    if
    :: seen < rx_produced[me] || (seen > rx_consumed[me] && seen - rx_consumed[me] > W) ->
        strike();
        check_nonce();
        if
        :: trusted -> broken()
        :: else
        fi
    :: else ->
        rx_produced[me] = seen;
        if
        :: seen > received[me] -> take_byte()
        :: else -> strike()
        fi
    fi
}

inline give_ring()
{
    write_content(sent[me]);
    write_byte(sent[me]);
    strike();
    check_nonce();
    if
    :: trusted ->
        sent[me] = sent[me] + 1;
        sent_max[me] = larger(sent_max[me], sent[me]);
        publish_produced(sent[me])
    :: else
    fi
}

inline give_carrier()
{
    write_content(sent[me]);
    if
    :: direct[me] && sent[me] >= kept[me] -> content = 0 /* the agent has it not */
    :: else
    fi;
    send(DATA, sent[me], content, 0);
    sent[me] = sent[me] + 1;
    sent_max[me] = larger(sent_max[me], sent[me])
}

inline give()
{
    if
    :: tx_path[me] == SHM -> give_ring()
    :: else -> give_carrier()
    fi;
#ifdef MUTANT_EARLY_RELEASE
    acked[me] = sent[me]
#endif
}

inline note_acked(offset)
{
    if
    :: offset > sent_max[me] -> broken()
    :: else ->
        acked[me] = larger(acked[me], offset);
        sent[me] = larger(sent[me], acked[me])
    fi
}

/* Between two looks at its rings an agent looks at the nonce: link_pump(). */
inline doubt()
{
    doubted[me] = view[me] == OTHER
}

inline look_for_acks()
{
    read_consumed();
    strike();
    check_nonce();
    if
    :: seen < ring_consumed[me] || seen > sent_max[me] ->
        if
        :: trusted -> broken()
        :: else
        fi
    :: else ->
        ring_consumed[me] = seen;
        if
        :: trusted -> note_acked(seen)
        :: else
        fi
    fi
}

inline receive_data()
{
    if
    :: reset[me] || (x > received[me] && missing[me] && rx_path[me] == TCP)
    :: open(me) && (rx_path[me] != TCP || (x > received[me] && !missing[me]) ||
                    x >= delivered[me] + W) -> broken()
    :: open(me) && rx_path[me] == TCP && x == received[me] ->
        content = y;
        accept();
#ifdef MUTANT_EARLY_ACK
        send(ACK, received[me], 0, 0)
#endif
    :: else
    fi
}

inline deliver()
{
    delivered[me] = delivered[me] + 1;
    acknowledge()
}

/* ---- changing the path ---- */

/* Every byte before a fence was published before the fence was sent: a view that does not show it
 * is not the peer's region any more, whatever its nonce says. */
inline drain(offset)
{
    read_produced();
    check_nonce();
#ifdef MUTANT_BLIND_DRAIN
    seen = offset;
#endif
    if
    :: trusted && seen >= offset ->
        do
        :: received[me] < offset -> read_byte(received[me]); accept()
        :: else -> break
        od
    :: else -> missing[me] = true
    fi
}

inline switch_rx(target, offset)
{
    if
    :: rx_path[me] == target || reset[me]
    :: else ->
        if
        :: offset > delivered[me] + W ||
           (target == SHM && offset > received[me] && !missing[me]) -> broken()
        :: else ->
            if
            :: target == TCP && offset > received[me] -> drain(offset)
            :: else
            fi;
            rx_path[me] = target;
            acknowledge()
        fi
    fi
}

inline obey_mark(target)
{
    if
    :: x == NO_MARK || reset[me]
    :: else ->
        if
        :: ring[me] == RING_NONE -> broken()
        :: else -> switch_rx(target, x)
        fi
    fi
}

inline resume_ring()
{
#ifndef MUTANT_HOLE
    if
    :: tx_path[me] == TCP -> sent[me] = larger(ring_produced[me], acked[me])
    :: else
    fi;
#endif
    tx_path[me] = SHM
}

/* Sends on another path from here on; seen becomes the mark. */
inline switch_tx(target, forward)
{
    seen = NO_MARK;
    if
    :: open(me) && ring[me] != RING_NONE && tx_path[me] != target ->
        seen = sent[me];
        if
        :: target == SHM && forward -> publish_produced(sent[me]); tx_path[me] = SHM
        :: target == SHM && !forward -> resume_ring()
        :: else -> tx_path[me] = TCP
        fi
    :: else
    fi;
#ifdef MUTANT_NO_FENCE
    if
    :: forward -> seen = NO_MARK
    :: else
    fi
#endif
}

inline roll_back()
{
    if
    :: open(me) && ring[me] != RING_NONE && path[me] == TCP -> drop_slots()
    :: open(me) && ring[me] != RING_NONE && path[me] == SHM ->
        resume_ring();
        rx_path[me] = SHM;
        publish_consumed()
    :: else
    fi
}

/* After a RESYNC: y received and z delivered at the peer. */
inline resume_stream()
{
    if
    :: y > sent_max[me] || z > y -> broken()
#ifndef MUTANT_HANG_AFTER_RESTORE
    /* It had more once: it was put back. Behind a ring that is in use RESYNC may lag. */
    :: tx_path[me] == TCP && y < acked[me] -> broken()
#endif
    :: else ->
        note_acked(z);
        if
        :: tx_path[me] == TCP -> sent[me] = larger(y, acked[me])
        :: else
        fi;
        acknowledge()
    fi
}
