/* Through a view: what is read may be a lie, what is written may vanish. */

inline read_produced()
{
    if
    :: view[me] == GOOD -> seen = produced[other]
    :: view[me] == STALE -> seen = stale_produced[me]
    :: view[me] == OTHER -> seen = received[me] + 1
    :: else -> seen = 0
    fi
}

inline read_consumed()
{
    if
    :: view[me] == GOOD -> seen = consumed[me]
    :: view[me] == STALE -> seen = stale_consumed[me]
    :: view[me] == OTHER -> seen = sent_max[me]
    :: else -> seen = 0
    fi
}

/* The byte at an offset, from the peer's ring. */
inline read_byte(offset)
{
    if
    :: view[me] == GOOD -> content = data[other * W + (offset) % W]
    :: view[me] == STALE -> content = stale_data[me * W + (offset) % W]
    :: else -> content = 0
    fi
}

inline write_byte(offset)
{
    if
    :: view[me] == GOOD -> data[me * W + (offset) % W] = content
    :: else
    fi
}

inline publish_produced(index)
{
    ring_produced[me] = index;
    if
    :: view[me] == GOOD -> produced[me] = index
    :: else
    fi
}

inline publish_consumed()
{
    rx_consumed[me] = delivered[me];
    if
    :: view[me] == GOOD -> consumed[other] = delivered[me]
    :: else
    fi
}

/* The fault that strikes between two accesses of one step. */
inline strike()
{
    if
    :: spoil -> view[me] = spoil; spoil = 0
    :: else
    fi
}

inline check_nonce()
{
    trusted = nonce_right(view[me])
}

/* The place of a ring was another stream's before. Where this side's ends of it are not to be seen,
 * those of that stream still are: plausible offsets, and bytes that are wrong. */
inline show_another_stream()
{
    if
    :: view[me] == STALE ->
        produced[me] = received[other] + 1;
        consumed[other] = sent_max[other];
        data[me * W] = 0;
        data[me * W + W - 1] = 0
    :: else
    fi;
    if
    :: view[other] == STALE ->
        stale_produced[other] = received[other] + 1;
        stale_consumed[other] = sent_max[other];
        stale_data[other * W] = 0;
        stale_data[other * W + W - 1] = 0
    :: else
    fi
}

inline attach_rings()
{
    if
    :: open(me) && ring[me] == RING_KNOWN ->
        show_another_stream();
        ring[me] = RING_ATTACHED;
        ring_consumed[me] = 0;
        rx_produced[me] = 0;
        publish_produced(sent[me]);
        publish_consumed()
    :: else
    fi
}

inline drop_slots()
{
    direct[me] = false;
    kept[me] = 0;
    ring[me] = RING_NONE;
    tx_path[me] = TCP;
    rx_path[me] = TCP;
    ring_produced[me] = 0;
    ring_consumed[me] = 0;
    rx_produced[me] = 0;
    rx_consumed[me] = 0
}

inline unmap()
{
    drop_slots();
    attached[me] = false;
    region_lost[me] = false;
    doubted[me] = false;
    view[me] = NO_VIEW;
    generation[me] = 0;
    stale_produced[me] = 0;
    stale_consumed[me] = 0;
    stale_data[me * W] = 0;
    stale_data[me * W + W - 1] = 0
}

/* Whether the peer can see a heartbeat of now: a copy shows none but those before it was made. */
inline beat()
{
    shown = view[me] == GOOD && view[other] != STALE
}

/* From now on nothing touches the region; what is under way is given up. */
inline lose_region()
{
    region_lost[me] = true;
    doubted[me] = false;
    view[me] = ZEROS;
    input = IN_EXPIRED
}

inline make_stale()
{
    view[me] = STALE;
    stale_produced[me] = produced[other];
    stale_consumed[me] = consumed[me];
    stale_data[me * W] = data[other * W];
    stale_data[me * W + W - 1] = data[other * W + W - 1]
}
