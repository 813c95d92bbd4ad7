/* Direct mode: link/direct.c. The program holds its ends of both rings, and what it has put into its
 * ring is nowhere else; sent, acked, received and delivered are then what its page says. */

/* A program's bytes are in the region as it wrote them, until the peer has delivered them. What the
 * agent had sent before need not be there: it may have gone by tcp. */
inline check_own_bytes()
{
    seen = larger(acked[me], kept[me]);
    do
    :: seen < sent[me] ->
        write_content(seen);
        assert(data[me * W + seen % W] == content);
        seen = seen + 1
    :: else -> break
    od;
    seen = 0;
    content = 0
}

/* The agent takes the ends back, and what the program has put there. With its region gone it is
 * lost, unless the peer has it. */
inline take_back()
{
    check_nonce();
    if
    :: !trusted && sent[me] > kept[me] && acked[me] < sent[me] -> bereft = true; reset_stream()
    :: else ->
        if
        :: view[me] == GOOD -> check_own_bytes()
        :: else
        fi;
        publish_produced(sent[me]);
        publish_consumed()
    fi;
    direct[me] = false;
    kept[me] = 0
}

/* What a step begins with that parts the program from its ring: a new path, a broken connection, a
 * region that is not to be believed, or the agent's own reasons. */
#ifndef MUTANT_DIRECT_KEPT
#define new_path (what == W_START || (what == W_RECEIVE && queue[me]?[PREPARE, _, _, _]))
#else
#define new_path false
#endif
#define parts (new_path || what == W_NOTICE || what == W_CONNECT || what == W_JOIN || \
               what == W_WATCH || what == W_BACK)

inline part()
{
    if
    :: direct[me] && parts -> take_back()
    :: else
    fi
}

inline promote()
{
    spend(F_DIRECT);
    direct[me] = true;
    kept[me] = sent[me]
}

/* What the program takes, it has. */
inline take_directly()
{
    if
    :: direct[me] && open(me) -> delivered[me] = received[me]; publish_consumed()
    :: else
    fi
}

/* A process of the program is killed: it has noted that a byte is in the ring, and not published
 * it. Another one goes on, or the agent. */
inline tear()
{
    spend(F_DIRECT);
    write_content(sent[me]);
    write_byte(sent[me]);
    sent[me] = sent[me] + 1;
    sent_max[me] = larger(sent_max[me], sent[me])
}
