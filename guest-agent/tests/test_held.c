/* What is said of streams whose programs hold their rings, or whose path is in doubt. */
#include <pthread.h>

#include "base/turn.h"
#include "link/direct.h"
#include "two_links.h"

static void move_to_memory(void)
{
    CHECK(link_hand_over(links[0], WIRE_PATH_SHM, 1000) == 0);
    deliver_all();
    CHECK(links[0]->handover.path == WIRE_PATH_SHM && !handover_running(&links[0]->handover));
}

/* ---- a program that is stopped in the middle of a copy ---- */

static pthread_barrier_t caught, done;

static void *stops(void *turn)
{
    CHECK(turn_take(turn, TURN_FOREVER));
    pthread_barrier_wait(&caught);
    pthread_barrier_wait(&done);
    turn_give(turn);
    return NULL;
}

static void say_delivered(const struct stream *stream, uint64_t offset)
{
    struct wire_header ack = {.magic = WIRE_MAGIC,
                              .type = WIRE_ACK,
                              .stream = stream->id,
                              .offset = offset,
                              .epoch = links[0]->handover.epoch};

    CHECK(link_message(links[0], &ack, NULL) == 0);
}

static pthread_t stop_in_a_copy(struct stream *stream)
{
    pthread_t program;

    pthread_barrier_init(&caught, NULL, 2);
    pthread_barrier_init(&done, NULL, 2);
    CHECK(pthread_create(&program, NULL, stops, &stream->direct->tx.turn) == 0);
    pthread_barrier_wait(&caught);
    return program;
}

static void let_it_go_on(pthread_t program)
{
    pthread_barrier_wait(&done);
    pthread_join(program, NULL);
}

/* The peer was on its way to tcp when it had read that far, and said so by message. */
static void its_bytes_may_be_acknowledged_by_message(void)
{
    struct stream *stream;
    pthread_t program;

    begin();
    move_to_memory();
    stream = links[0]->streams[0];
    CHECK(direct_give(links[0], stream, DIRECT_TX) == 0);
    stream->direct->tx.index = 100; /* it has put so many bytes into the ring */
    program = stop_in_a_copy(stream);
    say_delivered(stream, 100);
    CHECK(!stream->dead && stream->direct_stuck && stream->tx.fifo.start == 0);
    ending = true; /* more than it has sent is a lie, stopped or not */
    say_delivered(stream, 101);
    CHECK(!link_find(links[0], 2));
    let_it_go_on(program);
    finish();
}

static void look_at_regions(void)
{
    for (int turn = 0; turn < 10; turn++) {
        CHECK(loop_turn(&loops[0], 0) == 0);
        link_pump(links[0]);
        deliver_all();
    }
}

static void a_lost_region_is_not_left_without_a_pause(void)
{
    const struct view *view;
    pthread_t program;

    begin();
    move_to_memory();
    view = &links[0]->view;
    CHECK(direct_give(links[1], links[1]->streams[0], DIRECT_TX) == 0);
    program = stop_in_a_copy(links[1]->streams[0]);
    ending = true;
    CHECK(mmap(view->base, view->size, PROT_READ | PROT_WRITE,
               MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == view->base);
    failures = 0;
    look_at_regions();
    CHECK(failures == 1 && links[0]->region_lost && link_sleep(links[0]));
    now_us += link_sleep(links[0]);
    look_at_regions();
    CHECK(failures == 2 && links[0]->handover.path == WIRE_PATH_SHM);
    let_it_go_on(program);
    now_us += link_sleep(links[0]);
    look_at_regions();
    CHECK(failures == 2 && links[0]->handover.path == WIRE_PATH_TCP);
    finish();
}

/* ---- a side that has voted, and does not know how it ended ---- */

/* The other one's messages after the FENCE are lost with the connection. */
static void break_off_behind_the_vote(void)
{
    CHECK(link_hand_over(links[0], WIRE_PATH_SHM, 1000) == 0);
    while (links[1]->handover.phase != HANDOVER_VOTED)
        CHECK(mem_deliver(&ends[1]) || mem_deliver(&ends[0]));
    for (int i = 0; i < 2; i++) {
        queue_clear(&ends[i].in);
        ends[i].numbers = (struct frame_numbers){0};
        link_down(links[i]);
    }
}

static uint64_t received(void)
{
    uint64_t total = 0;

    for (uint32_t i = 0; i < links[1]->count; i++)
        total += links[1]->streams[i]->rx.fifo.end;
    return total;
}

/* As the other side's program does. */
static void put_into_ring(const struct stream *stream)
{
    struct ring_tx ring = {.control = stream->rx.ring.control};

    ring_tx_publish(&ring, 5);
}

static void what_it_has_said_to_have_holds_until_it_is_answered(void)
{
    begin();
    ending = true;
    break_off_behind_the_vote();
    put_into_ring(links[1]->streams[0]);
    CHECK(link_pump(links[1]) && received() == 5); /* nobody has been told */
    link_up(links[1], &ends[1].carrier, links[0]->incarnation);
    put_into_ring(links[1]->streams[1]);
    CHECK(!link_pump(links[1]) && received() == 5 && link_sleep(links[1]));
    link_up(links[0], &ends[0].carrier, links[1]->incarnation);
    deliver_all();
    CHECK(links[1]->handover.path == WIRE_PATH_TCP);
    finish();
}

static const struct check_test tests[] = {
    {"bytes of a stopped program may be acknowledged by message",
     its_bytes_may_be_acknowledged_by_message},
    {"a lost region is not left without a pause", a_lost_region_is_not_left_without_a_pause},
    {"what one has said to have holds until it is answered",
     what_it_has_said_to_have_holds_until_it_is_answered},
};

CHECK_MAIN(tests)
