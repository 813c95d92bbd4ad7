/* Names, hexadecimal, queues, frames, region headers. */
#include <errno.h>
#include <string.h>

#include "base/backoff.h"
#include "base/hex.h"
#include "base/name.h"
#include "base/queue.h"
#include "base/region_header.h"
#include "check.h"
#include "path/frame.h"

static bool exportable(const char *name)
{
    return export_name_fault(name, strlen(name)) == NULL;
}

static void export_names(void)
{
    char longest[92];

    CHECK(exportable("echo") && exportable("a/b/c") && exportable("..a") && exportable("x.sock"));
    CHECK(!exportable("") && !exportable("/abs") && !exportable("a/") && !exportable("a//b"));
    CHECK(!exportable("..") && !exportable("a/../b") && !exportable("./a") && !exportable("a/."));
    CHECK(!exportable("a b") && !exportable("a\n") && !exportable("\xff") && !exportable("\x01"));
    CHECK(export_name_fault("a\0b", 3) != NULL);
    memset(longest, 'a', sizeof(longest));
    CHECK(export_name_fault(longest, 90) == NULL && export_name_fault(longest, 91) != NULL);
}

static void domain_names(void)
{
    CHECK(domain_name_valid("g1") && domain_name_valid("web-server_2.lab"));
    CHECK(!domain_name_valid("") && !domain_name_valid("self") && !domain_name_valid(".."));
    CHECK(!domain_name_valid("a/b") && !domain_name_valid("agent.sock"));
    CHECK(!domain_name_valid("12345678901234567890123456789012"));
}

static void peers_texts_are_cleaned(void)
{
    char text[] = "ok\x1b[31m\xff\"";

    text_clean(text);
    CHECK(strcmp(text, "ok?[31m?\"") == 0);
}

static void hexadecimal(void)
{
    uint8_t bytes[3];
    char text[7];

    CHECK(hex_decode(bytes, 3, "00ffA5") == 0 && bytes[1] == 255 && bytes[2] == 0xa5);
    hex_encode(text, bytes, 3);
    CHECK(strcmp(text, "00ffa5") == 0);
    CHECK(hex_decode(bytes, 3, "00ff") == -EINVAL && hex_decode(bytes, 3, "00ffg0") == -EINVAL);
}

static void queues_keep_order_and_limit(void)
{
    struct queue queue;
    uint8_t bytes[1000];

    queue_init(&queue, 4096);
    for (int round = 0; round < 100; round++) {
        memset(bytes, round, sizeof(bytes));
        CHECK(queue_append(&queue, bytes, sizeof(bytes)) == 0);
        CHECK(queue_append(&queue, bytes, sizeof(bytes)) == 0);
        CHECK(queue_head(&queue)[0] == round);
        queue_drop(&queue, sizeof(bytes));
        CHECK(queue_head(&queue)[999] == round);
        queue_drop(&queue, sizeof(bytes));
    }
    for (int i = 0; i < 4; i++)
        CHECK(queue_append(&queue, bytes, sizeof(bytes)) == 0);
    CHECK(queue_append(&queue, bytes, sizeof(bytes)) == -ENOBUFS);
    CHECK(queue_reserve(&queue, SIZE_MAX) == NULL);
    queue_deinit(&queue);
}

#define LONG 16700u /* pieces, which fill what was reserved for them almost to the last */

/* One that stays long moves what it has no oftener than it has taken as much. */
static void a_long_queue_stays_quick(void)
{
    struct queue queue;
    uint8_t bytes[1000];
    const uint8_t *last = NULL;
    unsigned moves = 0;

    queue_init(&queue, 64u << 20);
    for (uint32_t i = 0; i < 40000; i++) {
        memset(bytes, (int)(i % 251), sizeof(bytes));
        CHECK(queue_append(&queue, bytes, sizeof(bytes)) == 0);
        moves += queue_head(&queue) < last;
        if (i >= LONG) {
            CHECK(queue_head(&queue)[999] == (i - LONG) % 251);
            queue_drop(&queue, sizeof(bytes));
        }
        last = queue_head(&queue);
    }
    CHECK(moves < 20 && queue_length(&queue) == LONG * sizeof(bytes));
    queue_drop(&queue, queue_length(&queue));
    queue_shrink(&queue);
    CHECK(!queue.capacity && queue_append(&queue, bytes, sizeof(bytes)) == 0);
    queue_deinit(&queue);
}

static void pauses_double_up_to_a_limit(void)
{
    struct backoff backoff = {0};

    CHECK(backoff_next(&backoff) == BACKOFF_MIN_US);
    CHECK(backoff_next(&backoff) == 2 * BACKOFF_MIN_US);
    for (int i = 0; i < 100; i++)
        CHECK(backoff_next(&backoff) <= BACKOFF_MAX_US);
    CHECK(backoff_next(&backoff) == BACKOFF_MAX_US);
    backoff_reset(&backoff);
    CHECK(backoff_next(&backoff) == BACKOFF_MIN_US);
}

static void frames_truncated_oversized_garbage(void)
{
    struct wire_header header = {.magic = WIRE_MAGIC, .type = WIRE_DATA, .length = 5};
    uint8_t bytes[sizeof(header) + 5] = {0};
    struct wire_header parsed;

    memcpy(bytes, &header, sizeof(header));
    for (size_t length = 0; length < sizeof(bytes); length++)
        CHECK(frame_parse(bytes, length, &parsed) == 0);
    CHECK(frame_parse(bytes, sizeof(bytes), &parsed) == (int)sizeof(bytes));
    CHECK(parsed.type == WIRE_DATA && parsed.length == 5);
    header.length = WIRE_PAYLOAD_MAX + 1;
    memcpy(bytes, &header, sizeof(header));
    CHECK(frame_parse(bytes, sizeof(bytes), &parsed) == -EPROTO);
    memset(bytes, 'G', sizeof(bytes));
    CHECK(frame_parse(bytes, sizeof(bytes), &parsed) == -EPROTO);
}

static void region_headers(void)
{
    struct region_identity identity = {.size = 1 << 20, .lower_id = 3, .higher_id = 4};
    struct region_header header;

    CHECK(!region_size_fault(1 << 20) && region_size_fault(3 << 20) && region_size_fault(1 << 19));
    CHECK(region_size_fault(0) && region_size_fault(UINT64_MAX) && !region_size_fault(1 << 30));
    region_header_make(&header, &identity);
    CHECK(!region_header_fault(&header, 1 << 20) && region_header_fault(&header, 2 << 20));
    header.abi_version++;
    CHECK(region_header_fault(&header, 1 << 20));
    region_header_make(&header, &identity);
    header.magic[0] = 'd';
    CHECK(region_header_fault(&header, 1 << 20));
}

static const struct check_test tests[] = {
    {"export names", export_names},
    {"domain names", domain_names},
    {"peers' texts are cleaned", peers_texts_are_cleaned},
    {"hexadecimal", hexadecimal},
    {"queues keep order and limit", queues_keep_order_and_limit},
    {"a long queue stays quick", a_long_queue_stays_quick},
    {"pauses double up to a limit", pauses_double_up_to_a_limit},
    {"frames: truncated, oversized, garbage", frames_truncated_oversized_garbage},
    {"region headers", region_headers},
};

CHECK_MAIN(tests)
