/* One program in each domain, both going through the same cases side by side. A call on a socket is
 * made in the domain whose socket it is, and the other program is told what came of it: so both
 * know what one program would know that had all the sockets, and go on alike. What is nobody's (a
 * pipe, a child, a signal) each does for itself.
 *
 * It is the linker that puts calls.c between the cases and the C library. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum owner { NOBODYS, OURS, THEIRS };

/* What a call hands back beside its value: so much, or as much of it as the value says. */
struct output {
    void *at;
    size_t size;
    bool as_returned;
};

/* The servers' program waits for the clients' one at this port. */
void apart_serve(uint16_t port);
void apart_join(const char *address, uint16_t port);
bool apart(void);

/* Who has what is the servers' domain's, or the clients'. */
enum owner apart_owner(bool servers);
/* Whose is what is made from now on, and who has it. */
void apart_enter(bool servers);
enum owner apart_maker(void);

enum owner owner_of(int fd);
/* A fresh descriptor is its maker's: one of ours, or one that stands for theirs. */
int own(int fd);
int stand_for(int theirs);
void belongs_to(int fd, enum owner owner);

/* Both end `outputs` at one without a place. */
long tell(const char *call, long value, const struct output *outputs);
long hear(const char *call, const struct output *outputs);
/* Whether this thread's calls are neither told nor heard. */
void apart_keep_silent(bool silent);
