/* Sealed records: what was put in comes out, however it is cut up on the way; and what was altered,
 * lost, repeated, moved or sent back does not. `test_records SEED [COUNT]` runs more. */
#include <errno.h>
#include <string.h>

#include "check.h"
#include "path/records.h"
#include "pick.h"

#define SEEDS 200u
#define MESSAGES 60u
#define QUEUE_MAX (8u << 20)

static uint8_t payload[WIRE_PAYLOAD_MAX];

struct end {
    struct records records;
    struct queue queue; /* on the way out, or in */
};

static const uint8_t one_key[WIRE_KEY_SIZE] = {1}, other_key[WIRE_KEY_SIZE] = {2};

static void begin(struct end *sender, struct end *receiver)
{
    *sender = *receiver = (struct end){0};
    queue_init(&sender->queue, QUEUE_MAX);
    queue_init(&receiver->queue, QUEUE_MAX);
    records_seal(&sender->records, one_key, other_key);
    records_seal(&receiver->records, other_key, one_key);
}

static void end(struct end *sender, struct end *receiver)
{
    queue_deinit(&sender->queue);
    queue_deinit(&receiver->queue);
}

/* A message whose every byte follows from its number. */
static struct wire_header message_of(uint32_t number)
{
    static const uint32_t lengths[] = {0, 1, 5, 100, 5000, 40000, WIRE_PAYLOAD_MAX};
    struct wire_header header = {.magic = WIRE_MAGIC,
                                 .type = WIRE_DATA,
                                 .offset = number,
                                 .length = lengths[(number * 2654435761u >> 7) % 7]};

    for (uint32_t i = 0; i < header.length; i++)
        payload[i] = (uint8_t)(number + 31 * i);
    return header;
}

static void put(struct end *sender, uint32_t number)
{
    struct wire_header header = message_of(number);
    uint32_t half = header.length / 2;
    struct iovec pieces[] = {{payload, half}, {payload + half, header.length - half}};

    CHECK(records_put(&sender->records, &sender->queue, &header, pieces, 2) == 0);
}

/* Takes messages that are the next ones, and nothing else. Returns what ended it. */
static int take(struct end *receiver, uint32_t *number)
{
    struct wire_header header;
    const uint8_t *bytes;
    int found;

    while ((found = records_next(&receiver->records, &receiver->queue, &header, &bytes)) > 0) {
        struct wire_header expected = message_of(*number);

        CHECK(header.offset == *number && header.length == expected.length);
        CHECK(memcmp(bytes, payload, header.length) == 0);
        ++*number;
    }
    return found;
}

/* In pieces of any size. */
static int carry(struct end *receiver, const uint8_t *bytes, size_t length, uint32_t *number)
{
    int found = 0;

    while (length && found >= 0) {
        size_t some = pick(4) ? 1 + pick(70000) : 1 + pick(8);

        some = some < length ? some : length;
        CHECK(queue_append(&receiver->queue, bytes, some) == 0);
        bytes += some;
        length -= some;
        found = take(receiver, number);
    }
    return found;
}

static void fill(struct end *sender)
{
    for (uint32_t i = 0; i < MESSAGES; i++) {
        put(sender, i);
        if (!pick(5))
            CHECK(records_finish(&sender->records, &sender->queue) == 0);
    }
    CHECK(records_finish(&sender->records, &sender->queue) == 0);
}

static void what_was_put_in_comes_out(void)
{
    struct end sender, receiver;
    uint32_t number = 0;

    begin(&sender, &receiver);
    fill(&sender);
    CHECK(carry(&receiver, queue_head(&sender.queue), queue_length(&sender.queue), &number) == 0);
    CHECK(number == MESSAGES);
    end(&sender, &receiver);
}

/* Where the record begins that lies at or before `at`, and how long it is. */
static size_t record_at(const uint8_t *bytes, size_t at, size_t *length)
{
    struct wire_record head;
    size_t begin_at = 0;

    for (;; begin_at += *length) {
        memcpy(&head, bytes + begin_at, sizeof(head));
        *length = sizeof(head) + head.length + WIRE_TAG_SIZE;
        if (at < begin_at + *length)
            return begin_at;
    }
}

/* Returns how long it is then. */
static size_t spoil(uint8_t *bytes, size_t length)
{
    size_t at = pick((uint32_t)length), size, begin_at = record_at(bytes, at, &size);
    size_t rest = length - begin_at - size;

    switch (pick(4)) {
    case 0: /* a bit is turned round */
        bytes[at] ^= (uint8_t)(1u << pick(8));
        return length;
    case 1: /* a record is lost */
        memmove(bytes + begin_at, bytes + begin_at + size, rest);
        return length - size;
    case 2: /* one comes twice */
        memmove(bytes + begin_at + 2 * size, bytes + begin_at + size, rest);
        memcpy(bytes + begin_at + size, bytes + begin_at, size);
        return length + size;
    default: /* some bytes are lost */
        memmove(bytes + at, bytes + at + 1, length - at - 1);
        return length - 1;
    }
}

/* Nothing is taken that was not said, in the order in which it was said; the end is missed, or the
 * change is noticed. */
static void what_was_spoiled_does_not(void)
{
    struct end sender, receiver;
    uint32_t number = 0;
    size_t length;
    uint8_t *bytes;
    int found;

    begin(&sender, &receiver);
    fill(&sender);
    bytes = malloc(2 * queue_length(&sender.queue));
    CHECK(bytes);
    memcpy(bytes, queue_head(&sender.queue), queue_length(&sender.queue));
    length = spoil(bytes, queue_length(&sender.queue));
    found = carry(&receiver, bytes, length, &number);
    CHECK(found == -EBADMSG || (found == 0 && number < MESSAGES));
    free(bytes);
    end(&sender, &receiver);
}

static void every_bit_of_a_record_counts(void)
{
    struct end sender, receiver;
    uint8_t sealed[512];
    uint32_t number = 0;
    size_t length;

    begin(&sender, &receiver);
    put(&sender, 0);
    CHECK(records_finish(&sender.records, &sender.queue) == 0);
    length = queue_length(&sender.queue);
    CHECK(length <= sizeof(sealed) - 1);
    for (size_t bit = 0; bit < 8 * length; bit++) {
        memcpy(sealed, queue_head(&sender.queue), length);
        sealed[bit / 8] ^= (uint8_t)(1u << bit % 8);
        CHECK(carry(&receiver, sealed, length, &number) <= 0 && number == 0);
        queue_clear(&receiver.queue);
        receiver.records.theirs.count = 0;
    }
    CHECK(carry(&receiver, queue_head(&sender.queue), length, &number) == 0 && number == 1);
    end(&sender, &receiver);
}

static void own_records_do_not_open(void)
{
    struct end sender, receiver;
    uint32_t number = 0;

    begin(&sender, &receiver);
    put(&sender, 0);
    CHECK(records_finish(&sender.records, &sender.queue) == 0);
    receiver.records = sender.records;
    CHECK(carry(&receiver, queue_head(&sender.queue), queue_length(&sender.queue), &number) ==
          -EBADMSG);
    end(&sender, &receiver);
}

/* Who has the keys may say anything: a record has whole messages, and at least one. */
static void what_is_in_a_record_is_checked(void)
{
    static const uint32_t lengths[] = {1, sizeof(struct wire_header) - 1,
                                       sizeof(struct wire_header) + 1};

    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        struct wire_header header = {.magic = WIRE_MAGIC, .type = WIRE_KICK};
        struct wire_record head = {.length = lengths[i]};
        uint8_t record[128] = {0};
        struct end sender, receiver;
        uint32_t number = 0;

        begin(&sender, &receiver);
        header.offset = number;
        header.length = 0;
        memcpy(record, &head, sizeof(head));
        memcpy(record + sizeof(head), &header, sizeof(header));
        seal_close(&sender.records.mine, record);
        queue_append(&receiver.queue, record, sizeof(head) + head.length + WIRE_TAG_SIZE);
        while (records_next(&receiver.records, &receiver.queue, &header, &(const uint8_t *){NULL}) >
               0)
            continue;
        CHECK(records_next(&receiver.records, &receiver.queue, &header, &(const uint8_t *){NULL}) ==
              -EPROTO);
        end(&sender, &receiver);
    }
}

static const struct check_test tests[] = {
    {"what was put in comes out", what_was_put_in_comes_out},
    {"every bit of a record counts", every_bit_of_a_record_counts},
    {"own records do not open", own_records_do_not_open},
    {"what is in a record is checked", what_is_in_a_record_is_checked},
};

int main(int argc, char **argv)
{
    uint32_t first = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 1;
    uint32_t count = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : argc > 1 ? 1 : SEEDS;

    for (uint32_t i = 0; i < count; i++) {
        pick_state = first + i;
        what_was_spoiled_does_not();
    }
    return check_run(tests, sizeof(tests) / sizeof(tests[0]));
}
