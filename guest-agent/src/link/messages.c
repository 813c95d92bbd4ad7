/* Which message goes to which handler, and how messages are sent. */
#include "link/internal.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "base/name.h"

void link_send_message(struct link *link, struct wire_header header, const struct iovec *pieces,
                       int count)
{
    header.magic = WIRE_MAGIC;
    header.epoch = link->handover.epoch;
    for (int i = 0; i < count; i++)
        header.length += (uint32_t)pieces[i].iov_len;
    link->carrier->ops->send(link->carrier, &header, pieces, count);
}

void link_send_pieces(struct link *link, enum wire_type type, uint64_t offset,
                      const struct iovec *pieces, int count)
{
    struct wire_header header = {.type = (uint8_t)type, .offset = offset};

    link_send_message(link, header, pieces, count);
}

void link_send(struct link *link, enum wire_type type, uint32_t stream, uint64_t offset,
               const void *payload, size_t length)
{
    struct wire_header header = {.type = (uint8_t)type, .stream = stream, .offset = offset};
    struct iovec piece = {.iov_base = (void *)(uintptr_t)payload, .iov_len = length};

    link_send_message(link, header, &piece, length ? 1 : 0);
}

static int on_kick(struct link *link, const struct wire_header *header, const uint8_t *payload)
{
    (void)payload;
    if (link->handover.path == WIRE_PATH_SHM)
        link_compare(link, header);
    link->kicks_received++; /* that it came has woken us; the pump does the rest */
    return 0;
}

static int name_from(const struct wire_header *header, const uint8_t *payload,
                     char name[WIRE_NAME_MAX + 1])
{
    const char *fault = export_name_fault((const char *)payload, header->length);

    if (fault) {
        log_warning("the peer named an export that cannot be: %s", fault);
        return -EINVAL;
    }
    memcpy(name, payload, header->length);
    name[header->length] = '\0';
    return 0;
}

static int on_export(struct link *link, const struct wire_header *header, const uint8_t *payload)
{
    enum export_scope scope = header->flags & WIRE_EXPORT_ALL ? EXPORT_TO_ALL : EXPORT_TO_SOME;
    char name[WIRE_NAME_MAX + 1];

    if (name_from(header, payload, name) < 0)
        return 0;
    if (header->type == WIRE_UNEXPORT)
        scope = EXPORT_TO_NOBODY;
    link->user_ops->exported(link->user, name, scope);
    return 0;
}

static int on_exports_synced(struct link *link, const struct wire_header *header,
                             const uint8_t *payload)
{
    (void)header, (void)payload;
    link->user_ops->exports_synced(link->user);
    return 0;
}

void link_export(struct link *link, const char *name, enum export_scope scope)
{
    struct iovec piece = {.iov_base = (void *)(uintptr_t)name, .iov_len = strlen(name)};
    struct wire_header header = {.type = scope == EXPORT_TO_NOBODY ? WIRE_UNEXPORT : WIRE_EXPORT,
                                 .flags = scope == EXPORT_TO_ALL ? WIRE_EXPORT_ALL : 0};

    if (link->synced)
        link_send_message(link, header, &piece, 1);
}

void link_exports_synced(struct link *link)
{
    if (link->synced)
        link_send(link, WIRE_EXPORTS_SYNCED, 0, 0, NULL, 0);
}

static int (*const handlers[])(struct link *, const struct wire_header *, const uint8_t *) = {
    [WIRE_RESYNC] = on_resync,   [WIRE_EXPORT] = on_export,
    [WIRE_UNEXPORT] = on_export, [WIRE_EXPORTS_SYNCED] = on_exports_synced,
    [WIRE_KICK] = on_kick,       [WIRE_OPEN] = on_open,
    [WIRE_OPENED] = on_opened,   [WIRE_DATA] = on_data,
    [WIRE_ACK] = on_ack,         [WIRE_FIN] = on_fin,
    [WIRE_RST] = on_rst,         [WIRE_CLOSED] = on_closed,
    [WIRE_PREPARE] = on_prepare, [WIRE_PREPARED] = on_prepared,
    [WIRE_FENCE] = on_fence,     [WIRE_DRAINED] = on_drained,
    [WIRE_COMMIT] = on_commit,   [WIRE_RELEASE] = on_release,
    [WIRE_ABORT] = on_abort,
};

int link_message(struct link *link, const struct wire_header *header, const uint8_t *payload)
{
    bool known = header->type < sizeof(handlers) / sizeof(handlers[0]) && handlers[header->type];

    if (!known) {
        log_warning("link %u: message of unknown type %u", link->peer_id, header->type);
        return -EPROTO;
    }
    /* RESYNC is the first message of every connection, and only the first. */
    if (link->synced == (header->type == WIRE_RESYNC)) {
        log_warning("link %u: message of type %u came out of turn", link->peer_id, header->type);
        return -EPROTO;
    }
    return handlers[header->type](link, header, payload);
}
