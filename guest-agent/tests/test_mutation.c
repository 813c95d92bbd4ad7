/* A peer that says anything: messages that are almost right, in any order, and a region that
 * changes at any moment. Whatever comes, the agent stays within its memory (run it with
 * sanitizers), and afterwards nothing is left of the link's streams. `test_mutation SEED [COUNT]`
 * runs more. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/region_header.h"
#include "check.h"
#include "link/link.h"
#include "pick.h"

#define SEEDS 60u
#define MESSAGES 600
#define REGION_SIZE (1u << 20)
#define PAYLOAD_USUAL 96u
#define FILES_MAX 256 /* more would be a leak, too */

/* ---- what the link talks to ---- */

static bool failed;
static unsigned opened, in_memory, handovers; /* whether it comes to anything */

static void drop_message(struct carrier *carrier, const struct wire_header *header,
                         const struct iovec *pieces, int count)
{
    (void)carrier, (void)header, (void)pieces, (void)count;
}

static size_t some_room(struct carrier *carrier)
{
    (void)carrier;
    return pick(2) ? 4096 : 0;
}

static void flush_nothing(struct carrier *carrier)
{
    (void)carrier;
}

static void note_failure(struct carrier *carrier, const char *reason)
{
    (void)carrier, (void)reason;
    failed = true;
}

static const struct carrier_ops carrier_ops = {
    .send = drop_message, .room = some_room, .flush = flush_nothing, .fail = note_failure};

/* A server that takes callers now and then, and leaves at once. */
static int reach_server(void *user, const struct stream *stream)
{
    static const int errors[] = {-EAGAIN, -ECONNREFUSED, -EACCES};
    int pair[2];

    (void)user, (void)stream;
    if (!pick(3))
        return errors[pick(3)];
    CHECK(socketpair(AF_UNIX, stream->packets ? SOCK_SEQPACKET : SOCK_STREAM, 0, pair) == 0);
    CHECK(fcntl(pair[0], F_SETFL, O_NONBLOCK) == 0);
    if (pick(2))
        CHECK(send(pair[1], "answer", 6, 0) == 6);
    close(pair[1]);
    return pair[0];
}

static void hear_nothing(void *user)
{
    (void)user;
}

static void hear_of_stream(void *user, const struct stream *stream, enum stream_event event,
                           const char *reason)
{
    (void)user, (void)reason;
    opened += event == STREAM_OPENED;
    in_memory += event == STREAM_OPENED && stream->slot.size;
}

static void hear_of_handover(void *user, const struct handover_report *report)
{
    (void)user;
    handovers += report->committed;
}

static void hear_of_export(void *user, const char *name, enum export_scope scope)
{
    (void)user, (void)scope;
    CHECK(strlen(name) <= WIRE_NAME_MAX);
}

static const struct link_user link_user = {.connect = reach_server,
                                           .call = reach_server,
                                           .up = hear_nothing,
                                           .stream = hear_of_stream,
                                           .handed_over = hear_of_handover,
                                           .exported = hear_of_export,
                                           .exports_synced = hear_nothing};

/* ---- messages ---- */

/* Numbers as a peer would say them, or not. */
static uint64_t number(void)
{
    switch (pick(8)) {
    case 0:
        return UINT64_MAX - pick(3);
    case 1:
        return (uint64_t)1 << pick(64);
    case 2:
        return pick(REGION_SIZE / REGION_PAGE) * (uint64_t)REGION_PAGE;
    case 3:
        return (uint64_t)RING_SIZE_MIN << pick(9);
    default:
        return pick(12);
    }
}

/* What would go on with the handover that is under way. */
static uint8_t next_of_handover(const struct link *link)
{
    switch (link->handover.phase) {
    case HANDOVER_PREPARING:
        return WIRE_PREPARED;
    case HANDOVER_FENCED:
        return WIRE_DRAINED;
    case HANDOVER_COMMITTED:
        return WIRE_RELEASE;
    case HANDOVER_PREPARED:
        return WIRE_FENCE;
    case HANDOVER_VOTED:
        return WIRE_COMMIT;
    case HANDOVER_ABORTING:
        return WIRE_ABORT;
    default:
        return WIRE_PREPARE;
    }
}

static uint8_t next_type(const struct link *link)
{
    static const uint8_t usual[] = {WIRE_EXPORT, WIRE_KICK, WIRE_OPEN, WIRE_OPEN, WIRE_DATA,
                                    WIRE_DATA,   WIRE_ACK,  WIRE_FIN,  WIRE_RST,  WIRE_CLOSED};

    if (!pick(40))
        return (uint8_t)pick(42);
    return pick(4) ? usual[pick(sizeof(usual))] : next_of_handover(link);
}

struct message {
    struct wire_header header;
    uint8_t payload[PAYLOAD_USUAL];
};

static void put(struct message *message, const void *bytes, uint32_t length)
{
    memcpy(message->payload + message->header.length, bytes, length);
    message->header.length += length;
}

static void make_open(const struct link *link, struct message *message)
{
    struct wire_open open = {.window = RING_SIZE_MIN << pick(7), .port = pick(3)};

    message->header.stream = 2 * (1 + pick(40)) + (link->lower ? 1 : 0);
    if (!link->lower && pick(2))
        open.ring[0] = 2 * REGION_PAGE, open.ring[1] = 100 * REGION_PAGE;
    put(message, &open, sizeof(open));
    if (!(message->header.flags & WIRE_OPEN_PORT))
        put(message, "sink", 4);
}

static void make_prepare(const struct link *link, struct message *message)
{
    struct wire_prepare prepare = {.to = link->handover.path == WIRE_PATH_TCP ? WIRE_PATH_SHM
                                                                              : WIRE_PATH_TCP,
                                   .deadline_ms = 1000};

    memcpy(prepare.nonce, link->view.nonce, sizeof(prepare.nonce));
    put(message, &prepare, sizeof(prepare));
}

static void make_slot(const struct link *link, struct message *message)
{
    struct wire_slot slot = {.ring = {2 * REGION_PAGE, 100 * REGION_PAGE}};

    if (!link->count || link->lower)
        return;
    slot.stream = link->streams[pick(link->count)]->id;
    slot.size = link->streams[0]->window;
    put(message, &slot, sizeof(slot));
}

/* Their offset is a heartbeat: 0 says nothing. */
static bool speaks_of_the_region(uint8_t type)
{
    return type == WIRE_KICK || type == WIRE_OPEN || type == WIRE_OPENED || type == WIRE_PREPARE ||
           type == WIRE_PREPARED || type == WIRE_FENCE;
}

/* As a peer would say it that has the same view of everything. */
static void make(struct link *link, struct message *message)
{
    struct stream *stream = link->count ? link->streams[pick(link->count)] : NULL;

    message->header.flags = pick(2) ? 0 : (uint8_t)pick(8);
    message->header.epoch = link->handover.epoch;
    message->header.stream = stream ? stream->id : pick(8);
    if (stream && !speaks_of_the_region(message->header.type))
        message->header.offset = stream->rx.fifo.end;
    switch (message->header.type) {
    case WIRE_OPEN:
        make_open(link, message);
        break;
    case WIRE_PREPARE:
        make_prepare(link, message);
        make_slot(link, message);
        break;
    case WIRE_PREPARED:
        make_slot(link, message);
        break;
    case WIRE_EXPORT:
    case WIRE_DATA:
        put(message, "a/name", 6);
        break;
    case WIRE_ACK:
        message->header.offset = stream ? stream->tx.sent : 0;
        break;
    }
}

static void spoil(struct message *message)
{
    uint64_t word = number();

    switch (pick(4)) {
    case 0:
        message->header.length = pick(PAYLOAD_USUAL);
        break;
    case 1:
        message->header.offset = number();
        break;
    case 2:
        message->header.stream = pick(100);
        break;
    default:
        memcpy(message->payload + 4 * pick(PAYLOAD_USUAL / 4), &word, 4);
    }
}

/* The payload lies alone in its memory: to read beyond it is found out. */
static int say(struct link *link, uint8_t type)
{
    struct message message = {.header = {.magic = WIRE_MAGIC, .type = type}};
    uint8_t *payload;
    int result;

    make(link, &message);
    if (!pick(4))
        spoil(&message);
    payload = malloc(message.header.length ? message.header.length : 1);
    CHECK(payload);
    memcpy(payload, message.payload, message.header.length);
    result = link_message(link, &message.header, payload);
    free(payload);
    return result;
}

static void reconnect(struct link *link, struct carrier *carrier)
{
    failed = false;
    link_down(link);
    link_up(link, carrier, pick(20) ? 1 : 2);
    if (say(link, WIRE_RESYNC))
        link_down(link);
}

/* ---- the region ---- */

static void attach(struct link *link)
{
    struct region_identity identity = {.size = REGION_SIZE, .lower_id = 3, .higher_id = 4};
    struct view view = {.size = REGION_SIZE};

    for (size_t i = 0; i < sizeof(identity.nonce); i++)
        view.nonce[i] = identity.nonce[i] = (uint8_t)pick(256);
    view.base = mmap(NULL, REGION_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(view.base != MAP_FAILED);
    region_header_make((struct region_header *)view.base, &identity);
    if (link->attached && link_detach(link))
        munmap(view.base, REGION_SIZE);
    else
        link_attach(link, &view, 100);
}

/* Somebody writes into rings, now and then into the header, too. */
static void scribble(struct link *link)
{
    uint64_t word = number();
    uint32_t first = pick(20) ? REGION_RINGS_START : 0;
    uint32_t at = first + pick((REGION_SIZE / 8 - first) / 8) * 8;

    if (link->attached)
        memcpy((uint8_t *)link->view.base + at, &word, sizeof(word));
}

static void step(struct link *link, struct carrier *carrier)
{
    if (!pick(40))
        attach(link);
    if (!pick(20))
        link_hand_over(link, pick(2) ? WIRE_PATH_SHM : WIRE_PATH_TCP, 1000);
    if (!pick(4))
        scribble(link);
    if (!pick(8))
        loop_turn(link->loop, 0);
    if (!link->carrier || failed || say(link, next_type(link)))
        reconnect(link, carrier);
    if (pick(2))
        link_pump(link);
    if (!pick(4))
        link_sleep(link);
}

static unsigned open_files(void)
{
    unsigned count = 0;

    for (int fd = 0; fd < FILES_MAX; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static void play(unsigned messages)
{
    struct budget budget = {.limit = 8u << 20};
    struct lingering lingering = {0};
    struct carrier carrier = {&carrier_ops};
    unsigned files = open_files();
    struct loop loop;
    struct link *link;

    CHECK(loop_init(&loop) == 0);
    link = pick(2) ? link_new(&loop, &budget, &lingering, 3, 4, &link_user, NULL)
                   : link_new(&loop, &budget, &lingering, 4, 3, &link_user, NULL);
    CHECK(link);
    for (unsigned i = 0; i < messages; i++)
        step(link, &carrier);
    link_free(link);
    loop_deinit(&loop);
    CHECK(budget.used == 0 && !lingering.first);
    CHECK(open_files() == files);
}

int main(int argc, char **argv)
{
    uint32_t first = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 1;
    uint32_t count = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : argc > 1 ? 1 : SEEDS;

    log_open("/dev/null");
    for (uint32_t i = 0; i < count; i++) {
        if (argc > 1)
            fprintf(stderr, "seed %u\n", first + i);
        pick_state = first + i;
        play(MESSAGES);
    }
    if (argc > 1)
        printf("%u streams opened, %u of them in memory, %u handovers\n", opened, in_memory,
               handovers);
    else
        CHECK(opened > count && in_memory && handovers);
    return 0;
}
