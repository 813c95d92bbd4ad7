/* The ABI headers against the golden vectors, which Python reads, too (tests/unit/test_golden.py).
 * Whoever changes a layout changes a version. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "abi/region.h"
#include "abi/wire.h"
#include "base/hex.h"
#include "check.h"
#include "link/handshake.h"
#include "link/keys.h"
#include "path/relay_frame.h"
#include "path/seal.h"

#ifndef GOLDEN_FOLDER
#define GOLDEN_FOLDER "../tests/golden"
#endif

static uint8_t bytes[4096];
static size_t length;

static json_t *load(const char *path)
{
    json_error_t error;
    json_t *file = json_load_file(path, 0, &error);

    if (!file)
        fprintf(stderr, "%s: %s\n", path, error.text);
    CHECK(file);
    return file;
}

static void take_hex(const json_t *vector)
{
    const char *text = json_string_value(json_object_get(vector, "hex"));

    CHECK(text && strlen(text) / 2 <= sizeof(bytes));
    length = strlen(text) / 2;
    CHECK(hex_decode(bytes, length, text) == 0);
}

static uint64_t number(const json_t *fields, const char *name)
{
    const json_t *value = json_object_get(fields, name);

    CHECK(json_is_integer(value));
    return (uint64_t)json_integer_value(value);
}

static void same_text(const json_t *text, const uint8_t *data, size_t size)
{
    uint8_t expected[256];

    CHECK(size <= sizeof(expected) && hex_decode(expected, size, json_string_value(text)) == 0);
    CHECK(memcmp(expected, data, size) == 0);
}

static void same_hex(const json_t *fields, const char *name, const uint8_t *data, size_t size)
{
    same_text(json_object_get(fields, name), data, size);
}

static void region_header(void)
{
    json_t *file = load(GOLDEN_FOLDER "/region.json");
    json_t *vector = json_object_get(file, "header"), *fields = json_object_get(vector, "fields");
    struct region_header header;

    take_hex(vector);
    CHECK(length == sizeof(header));
    memcpy(&header, bytes, sizeof(header));
    CHECK(memcmp(header.magic, REGION_MAGIC, sizeof(header.magic)) == 0);
    CHECK(header.abi_version == REGION_ABI_VERSION);
    CHECK(header.header_size == number(fields, "header_size"));
    CHECK(header.region_size == number(fields, "region_size"));
    same_hex(fields, "nonce", header.nonce, sizeof(header.nonce));
    CHECK(header.generation == number(fields, "generation"));
    CHECK(header.lower_id == number(fields, "lower_id"));
    CHECK(header.higher_id == number(fields, "higher_id"));
    CHECK(header.lower.heartbeat == number(fields, "lower_heartbeat"));
    CHECK(header.higher.heartbeat == number(fields, "higher_heartbeat"));
    json_decref(file);
}

static void ring_control(void)
{
    json_t *file = load(GOLDEN_FOLDER "/region.json");
    json_t *vector = json_object_get(file, "ring"), *fields = json_object_get(vector, "fields");
    struct ring_control control;

    take_hex(vector);
    CHECK(length == sizeof(control));
    memcpy(&control, bytes, sizeof(control));
    CHECK(control.producer.index == number(fields, "produced"));
    CHECK(control.producer.asleep == number(fields, "producer_asleep"));
    CHECK(control.consumer.index == number(fields, "consumed"));
    CHECK(control.consumer.asleep == number(fields, "consumer_asleep"));
    json_decref(file);
}

static void slot(const json_t *fields, const uint8_t *data)
{
    const json_t *ring = json_object_get(fields, "ring");
    struct wire_slot slot;

    memcpy(&slot, data, sizeof(slot));
    CHECK(slot.stream == number(fields, "stream") && slot.size == number(fields, "size"));
    CHECK(slot.ring[0] == (uint64_t)json_integer_value(json_array_get(ring, 0)));
    CHECK(slot.ring[1] == (uint64_t)json_integer_value(json_array_get(ring, 1)));
}

static void mark(const json_t *fields, const uint8_t *data)
{
    struct wire_mark mark;

    memcpy(&mark, data, sizeof(mark));
    CHECK(mark.stream == number(fields, "stream") && mark.offset == number(fields, "offset"));
}

static void state(const json_t *fields, const uint8_t *data)
{
    struct wire_stream_state state;

    memcpy(&state, data, sizeof(state));
    CHECK(state.stream == number(fields, "stream") && state.life == number(fields, "life"));
    CHECK(state.received == number(fields, "received"));
    CHECK(state.delivered == number(fields, "delivered"));
}

/* Records of one size, one after the other, to the end of the payload. */
static void records(const json_t *list, size_t start, size_t size,
                    void (*check)(const json_t *, const uint8_t *))
{
    size_t index;
    json_t *fields;

    CHECK(length == start + json_array_size(list) * size);
    json_array_foreach(list, index, fields) check(fields, bytes + start + index * size);
}

static void hello(const json_t *fields)
{
    struct wire_hello hello;

    memcpy(&hello, bytes + sizeof(struct wire_header), sizeof(hello));
    CHECK(hello.version_min == number(fields, "version_min"));
    CHECK(hello.version_max == number(fields, "version_max"));
    CHECK(hello.abi_version == number(fields, "abi_version"));
    CHECK(hello.id == number(fields, "id") && hello.peer_id == number(fields, "peer_id"));
    CHECK(hello.incarnation == number(fields, "incarnation"));
    same_hex(fields, "ephemeral", hello.ephemeral, sizeof(hello.ephemeral));
    for (size_t i = 0; i < WIRE_KEYS; i++)
        same_text(json_array_get(json_object_get(fields, "key_ids"), i), hello.key_ids[i],
                  sizeof(hello.key_ids[i]));
    CHECK(strcmp(hello.name, json_string_value(json_object_get(fields, "name"))) == 0);
}

static void opening(const json_t *fields)
{
    const json_t *ring = json_object_get(fields, "ring");
    struct wire_open open;

    memcpy(&open, bytes + sizeof(struct wire_header), sizeof(open));
    CHECK(open.window == number(fields, "window"));
    CHECK(open.port == number(fields, "port"));
    CHECK(open.caller_port == number(fields, "caller_port"));
    CHECK(open.caller_user == number(fields, "caller_user"));
    CHECK(open.ring[0] == (uint64_t)json_integer_value(json_array_get(ring, 0)));
    CHECK(open.ring[1] == (uint64_t)json_integer_value(json_array_get(ring, 1)));
}

static void prepare(const json_t *fields)
{
    size_t start = sizeof(struct wire_header) + sizeof(struct wire_prepare);
    struct wire_prepare prepare;

    memcpy(&prepare, bytes + sizeof(struct wire_header), sizeof(prepare));
    CHECK(prepare.to == number(fields, "to") && prepare.to == WIRE_PATH_SHM);
    CHECK(prepare.deadline_ms == number(fields, "deadline_ms"));
    same_hex(fields, "nonce", prepare.nonce, sizeof(prepare.nonce));
    records(json_object_get(fields, "slots"), start, sizeof(struct wire_slot), slot);
}

static void payload(uint8_t type, const json_t *fields)
{
    size_t start = sizeof(struct wire_header);

    if (type == WIRE_HELLO)
        hello(fields);
    else if (type == WIRE_OPEN || type == WIRE_OPENED)
        opening(fields);
    else if (type == WIRE_PREPARE)
        prepare(fields);
    else if (type == WIRE_PREPARED)
        records(json_object_get(fields, "slots"), start, sizeof(struct wire_slot), slot);
    else if (type == WIRE_FENCE)
        records(json_object_get(fields, "marks"), start, sizeof(struct wire_mark), mark);
    else if (type == WIRE_ABORT)
        records(json_object_get(fields, "marks"), start + WIRE_REASON_MAX, sizeof(struct wire_mark),
                mark);
    else if (type == WIRE_RESYNC)
        records(json_object_get(fields, "streams"), start, sizeof(struct wire_stream_state), state);
}

static void messages(void)
{
    json_t *file = load(GOLDEN_FOLDER "/wire.json"), *message;
    size_t index;

    json_array_foreach(json_object_get(file, "messages"), index, message)
    {
        const json_t *fields = json_object_get(message, "header");
        struct wire_header header;

        take_hex(message);
        memcpy(&header, bytes, sizeof(header));
        CHECK(header.magic == WIRE_MAGIC && header.type == number(fields, "type"));
        CHECK(header.flags == number(fields, "flags"));
        CHECK(header.length == length - sizeof(header));
        CHECK(header.stream == number(fields, "stream"));
        CHECK(header.epoch == number(fields, "epoch"));
        CHECK(header.offset == number(fields, "offset"));
        CHECK(header.number == number(fields, "number"));
        payload(header.type, json_object_get(message, "payload"));
    }
    json_decref(file);
}

static void get_hex(const json_t *fields, const char *name, void *data, size_t size)
{
    CHECK(hex_decode(data, size, json_string_value(json_object_get(fields, name))) == 0);
}

/* Its records, sealed as it would seal them, and opened again. */
static void sealed_records(const json_t *side, const struct handshake_keys *keys)
{
    struct seal mine = {0}, theirs = {0};
    json_t *record;
    size_t index;

    memcpy(mine.key, keys->mine, sizeof(mine.key));
    memcpy(theirs.key, keys->mine, sizeof(theirs.key));
    json_array_foreach(json_object_get(side, "records"), index, record)
    {
        const char *text = json_string_value(json_object_get(record, "messages"));
        struct wire_record head = {.length = (uint32_t)strlen(text) / 2};

        memcpy(bytes, &head, sizeof(head));
        CHECK(hex_decode(bytes + sizeof(head), head.length, text) == 0);
        seal_close(&mine, bytes);
        same_hex(record, "hex", bytes, sizeof(head) + head.length + WIRE_TAG_SIZE);
        CHECK(seal_open(&theirs, bytes) == 0);
        same_hex(record, "messages", bytes + sizeof(head), head.length);
    }
}

static void sealing_of(const json_t *sealing, const char *mine, const char *theirs)
{
    const json_t *own = json_object_get(sealing, mine), *other = json_object_get(sealing, theirs);
    struct handshake handshake;
    struct handshake_keys keys;
    uint8_t key[WIRE_KEY_SIZE];

    get_hex(sealing, "key", key, sizeof(key));
    get_hex(own, "secret", handshake.secret, sizeof(handshake.secret));
    get_hex(own, "hello", &handshake.mine, sizeof(handshake.mine));
    get_hex(other, "hello", &handshake.theirs, sizeof(handshake.theirs));
    CHECK(handshake_finish(&handshake, key, &keys) == 0);
    same_hex(own, "seals_with", keys.mine, sizeof(keys.mine));
    same_hex(other, "seals_with", keys.theirs, sizeof(keys.theirs));
    sealed_records(own, &keys);
}

static void sealing(void)
{
    json_t *file = load(GOLDEN_FOLDER "/wire.json"), *fields = json_object_get(file, "sealing");
    struct keys keys = {0};
    key_ids ids;

    get_hex(fields, "key", keys.known[0], sizeof(keys.known[0]));
    keys_ids(&keys, ids);
    same_hex(fields, "key_id", ids[0], sizeof(ids[0]));
    sealing_of(fields, "lower", "higher");
    sealing_of(fields, "higher", "lower");
    json_decref(file);
}

static uint64_t hexadecimal(const json_t *fields, const char *name)
{
    return strtoull(json_string_value(json_object_get(fields, name)), NULL, 16);
}

static void frames(void)
{
    json_t *file = load(GOLDEN_FOLDER "/relay.json"), *vector;
    struct relay_sums sums = {0};
    size_t index;

    json_array_foreach(json_object_get(file, "frames"), index, vector)
    {
        const json_t *fields = json_object_get(vector, "frame");
        struct relay_frame frame;

        take_hex(vector);
        CHECK(relay_frame_parse(&sums, bytes, length, &frame) == (int)length);
        CHECK(frame.kind == number(fields, "kind") && frame.amount == number(fields, "amount"));
        CHECK(frame.length == number(fields, "length"));
        CHECK(frame.source == number(fields, "source"));
        CHECK(frame.target == number(fields, "target"));
        CHECK(frame.channel == hexadecimal(fields, "channel"));
        CHECK(frame.opening == hexadecimal(fields, "opening"));
    }
    json_decref(file);
}

static const struct check_test tests[] = {
    {"region header", region_header}, {"ring control block", ring_control},
    {"messages", messages},           {"sealing", sealing},
    {"frames of the relay", frames},
};

CHECK_MAIN(tests)
