/* What a simulation does to its world: regions that come, go and lie, agents that die. */
#pragma once

#include <fcntl.h>
#include <sys/mman.h>

#include "base/region_header.h"
#include "path/shm.h"
#include "sim_direct.h"

#define REGION_SIZE (4u << 20)

#define A_COPY 2 /* the last of the lies below */

static int region_fd = -1;
static struct region_identity region;
static unsigned total_lies[3], total_crashes, total_moves, total_repeats;

/* A fresh region, as after a move. Who is still in the old one is alone there. */
static void new_region(void)
{
    struct region_header header;

    if (region_fd >= 0)
        close(region_fd);
    region_fd = memfd_create("region", 0);
    CHECK(ftruncate(region_fd, REGION_SIZE) == 0);
    region = (struct region_identity){.size = REGION_SIZE, .lower_id = 3, .higher_id = 4};
    for (size_t i = 0; i < sizeof(region.nonce); i++)
        region.nonce[i] = (uint8_t)pick(256);
    region_header_make(&header, &region);
    CHECK(pwrite(region_fd, &header, sizeof(header), 0) == sizeof(header));
}

static void attach(int which)
{
    char path[32], why[REGION_WHY_MAX];
    struct view view;

    if (region_fd < 0 || link_detach(sides[which].link) != 0)
        return;
    snprintf(path, sizeof(path), "/proc/self/fd/%d", region_fd);
    CHECK(shm_map(&view, open(path, O_RDWR | O_CLOEXEC), path, region.nonce, why) == 0);
    CHECK(!link_attach_fault(sides[which].link, &view));
    link_attach(sides[which].link, &view, 0);
}

/* Both meet in the newest region; now and then one of them has moved on in between. */
static void meet(void)
{
    new_region();
    attach(0);
    if (pick(8) == 0) {
        new_region();
        total_moves++;
    }
    attach(1);
}

static void see_instead(struct view *view, int flags, int fd)
{
    CHECK(mmap(view->base, view->size, PROT_READ | PROT_WRITE, flags | MAP_FIXED, fd, 0) ==
          view->base);
}

/* The device was pulled. */
static void see_zeros(struct view *view)
{
    see_instead(view, MAP_SHARED | MAP_ANONYMOUS, -1);
}

/* Another region was plugged in at its place: as like this one as it can be, but for the nonce. */
static void see_another(struct view *view)
{
    int fd = memfd_create("another", 0);

    CHECK(write(fd, view->base, view->size) == (ssize_t)view->size);
    see_instead(view, MAP_SHARED, fd);
    close(fd);
    view->base[offsetof(struct region_header, nonce)] ^= 1;
    for (size_t at = REGION_PAGE; at < view->size; at++)
        view->base[at] ^= (uint8_t)(at >> 12 & 1 ? 0x5a : 0);
}

/* A private copy: the right nonce, and bytes that were right once. */
static void see_a_copy(struct view *view)
{
    int fd = memfd_create("copy", 0);

    CHECK(write(fd, view->base, view->size) == (ssize_t)view->size);
    see_instead(view, MAP_SHARED, fd);
    close(fd);
}

/* Bytes that a program has put into the ring are nowhere else: with the region they are lost. */
static void excuse_shared(int which)
{
    for (int i = 0; i < 2 * STREAMS; i++)
        if (programs[i / 2][i % 2].side == which && hold_of(i / 2, i % 2, TO_PEER))
            excused[i / 2] = true;
}

static void lie(int which)
{
    static void (*const lies[])(struct view *) = {see_zeros, see_another, see_a_copy};
    struct link *link = sides[which].link;
    uint32_t how = pick(3);

    if (!link->attached || link->region_lost)
        return;
    total_lies[how]++;
    if (how != A_COPY)
        excuse_shared(which);
    lies[how](&link->view);
    see_the_same(which);
}

/* Nobody is told, the streams' programs see their end. */
static void end_life(int which)
{
    strand();
    for (int stream = 0; stream < open_streams; stream++)
        excused[stream] = true;
    hang_up(which);
    if (wire_of(1 - which))
        cut(wire_of(1 - which));
    link_free(sides[which].link);
    lingering_deinit(&sides[which].lingering); /* its next life knows nothing of them */
    new_link(which);
}

/* kill -9: a new life begins. */
static void crash(int which)
{
    total_crashes++;
    end_life(which);
}

/* A stream ends while its program is in the middle of a copy. */
static void reset_stopped(void)
{
    int which = (int)pick(2);
    struct stream *own = stopped.hold ? served(stopped.stream, which) : NULL;

    if (!own || programs[stopped.stream][which].fd < 0)
        return;
    strand();
    link_reset_stream(sides[programs[stopped.stream][which].side].link, own, "it is to end");
}

static void repeat(int which)
{
    struct wire *wire = wire_of(which);
    struct queue *in = wire ? &wire->ends[which].in : NULL;
    struct wire_header header;
    size_t length;

    if (!wire || wire->cut || queue_length(in) < sizeof(header))
        return;
    memcpy(&header, queue_head(in), sizeof(header));
    length = sizeof(header) + header.length;
    total_repeats++;
    wire->repeated = true;
    {
        struct queue rest = {.limit = in->limit};

        CHECK(queue_append(&rest, queue_head(in), length) == 0);
        CHECK(queue_append(&rest, queue_head(in), queue_length(in)) == 0);
        queue_deinit(in);
        *in = rest;
    }
}
