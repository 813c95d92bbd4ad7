/* Two links in one process with some streams between them, one step at a time; the clock stands
 * still unless it is told. */
#pragma once

#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/region_header.h"
#include "check.h"
#include "link/link.h"
#include "path/mem.h"

#define STREAMS 16
#define REGION_SIZE (8u << 20)

static struct loop loops[2];
static struct link *links[2];
static struct mem_end ends[2];
static struct budget budget = {.limit = 64u << 20};
static struct lingering lingering;
static int programs[STREAMS]; /* of the lower domain */
static int servers[STREAMS], served;
static unsigned failures;            /* of handovers */
static bool ending;                  /* streams may be reset, and handovers fail */
static uint64_t now_us = 1, look_us; /* what a look at the clock takes */

static uint64_t stopped_clock(void)
{
    return now_us += look_us;
}

static int serve(void *user, const struct stream *stream)
{
    int pair[2];

    (void)user, (void)stream;
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0);
    servers[served++] = pair[1];
    return pair[0];
}

static void hear_nothing(void *user)
{
    (void)user;
}

static void hear_of_stream(void *user, const struct stream *stream, enum stream_event event,
                           const char *reason)
{
    (void)user, (void)stream, (void)reason;
    CHECK(event == STREAM_OPENED || ending);
}

static void hear_of_handover(void *user, const struct handover_report *report)
{
    (void)user;
    CHECK(report->committed || ending);
    failures += !report->committed;
}

static const struct link_user link_user = {.connect = serve,
                                           .up = hear_nothing,
                                           .stream = hear_of_stream,
                                           .handed_over = hear_of_handover,
                                           .exports_synced = hear_nothing};

static int pass_message(void *link, const struct wire_header *header, const uint8_t *payload)
{
    return link_message(link, header, payload);
}

static const struct carrier_user carrier_user = {.message = pass_message};

static void deliver_all(void)
{
    while (mem_deliver(&ends[0]) || mem_deliver(&ends[1]))
        continue;
    CHECK(!ends[0].failed && !ends[1].failed);
}

static void attach(struct link *link, int fd, const struct region_identity *identity)
{
    char path[32], why[REGION_WHY_MAX];
    struct view view;

    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    CHECK(shm_map(&view, dup(fd), path, identity->nonce, why) == 0);
    link_attach(link, &view, 0);
}

static void share_memory(void)
{
    struct region_identity identity = {
        .size = REGION_SIZE, .lower_id = 3, .higher_id = 4, .nonce = {7}};
    struct region_header header;
    int fd = memfd_create("region", 0);

    region_header_make(&header, &identity);
    CHECK(ftruncate(fd, REGION_SIZE) == 0 && write(fd, &header, sizeof(header)) == sizeof(header));
    attach(links[0], fd, &identity);
    attach(links[1], fd, &identity);
    close(fd);
}

static void open_streams(void)
{
    char name[2] = "0";
    int pair[2];

    for (int i = 0; i < STREAMS; i++, name[0]++) {
        CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0);
        link_open(links[0], pair[0], name, STREAM_NO_USER);
        programs[i] = pair[1];
    }
    deliver_all();
    CHECK(served == STREAMS);
}

static void begin(void)
{
    mem_pair_init(ends);
    served = 0;
    ending = false;
    log_open("/dev/null"); /* the streams are reset in the end */
    for (int i = 0; i < 2; i++) {
        CHECK(loop_init(&loops[i]) == 0);
        loops[i].clock = stopped_clock;
        loops[i].now_us = now_us;
        links[i] = link_new(&loops[i], &budget, &lingering, 3u + (uint32_t)i, 4u - (uint32_t)i,
                            &link_user, NULL);
        ends[i].user_ops = &carrier_user;
        ends[i].user = links[i];
    }
    for (int i = 0; i < 2; i++)
        link_up(links[i], &ends[i].carrier, links[1 - i]->incarnation);
    deliver_all();
    open_streams();
    share_memory();
}

static void finish(void)
{
    ending = true;
    for (int i = 0; i < STREAMS; i++)
        close(programs[i]), close(servers[i]);
    for (int i = 0; i < 2; i++) {
        link_free(links[i]);
        loop_deinit(&loops[i]);
    }
    mem_pair_deinit(ends);
}
