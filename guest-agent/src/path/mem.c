#include "path/mem.h"

#include "base/loop.h"

#define MEM_QUEUE_MAX (64u << 20)
#define MEM_DATA_ROOM (192u << 10)

static struct mem_end *from_carrier(struct carrier *carrier)
{
    return container_of(carrier, struct mem_end, carrier);
}

static void mem_send(struct carrier *carrier, const struct wire_header *header,
                     const struct iovec *pieces, int count)
{
    struct mem_end *end = from_carrier(carrier), *other = end->other;
    struct wire_header own = frame_number(&end->numbers, header);
    int error = queue_append(&other->in, &own, sizeof(own));

    for (int i = 0; i < count && !error; i++)
        error = queue_append(&other->in, pieces[i].iov_base, pieces[i].iov_len);
    if (error)
        other->failed = true;
}

static size_t mem_room(struct carrier *carrier)
{
    size_t queued = queue_length(&from_carrier(carrier)->other->in);

    return queued >= MEM_DATA_ROOM ? 0 : MEM_DATA_ROOM - queued;
}

static void mem_flush(struct carrier *carrier)
{
    (void)carrier;
}

static void mem_fail(struct carrier *carrier, const char *reason)
{
    from_carrier(carrier)->gave_up = reason;
}

static const struct carrier_ops mem_ops = {
    .send = mem_send, .room = mem_room, .flush = mem_flush, .fail = mem_fail};

void mem_pair_init(struct mem_end ends[2])
{
    for (int i = 0; i < 2; i++) {
        ends[i] = (struct mem_end){.carrier.ops = &mem_ops, .other = &ends[1 - i]};
        queue_init(&ends[i].in, MEM_QUEUE_MAX);
    }
}

void mem_pair_deinit(struct mem_end ends[2])
{
    queue_deinit(&ends[0].in);
    queue_deinit(&ends[1].in);
}

bool mem_deliver(struct mem_end *end)
{
    struct wire_header header;
    int length = frame_parse(queue_head(&end->in), queue_length(&end->in), &header);

    if (length <= 0)
        return false;
    if (frame_check_number(&end->numbers, &header) ||
        end->user_ops->message(end->user, &header, queue_head(&end->in) + sizeof(header)))
        end->failed = true;
    queue_drop(&end->in, (size_t)length);
    return true;
}
