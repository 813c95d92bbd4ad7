#include "daemon/domains.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/name.h"
#include "daemon/ctl.h"
#include "daemon/peers.h"

#define DOMAINS_MAX 1024u /* of one owner */
#define OWNERS_MAX 16u

struct domain {
    uint32_t id;
    char name[WIRE_DOMAIN_NAME_MAX + 1];
};

struct domains {
    struct domains *next;
    char owner[PEER_OWNER_MAX + 1];
    size_t count;
    struct domain all[];
};

static void read_domain(struct args *args, const json_t *said, struct domain *domain)
{
    struct args one = {.request = said};
    const char *name = args_text(&one, "name", WIRE_DOMAIN_NAME_MAX);

    domain->id = (uint32_t)args_number(&one, "id", DOMAIN_ID_MIN, DOMAIN_ID_MAX);
    if (one.fault[0])
        args_fault(args, "%s", one.fault);
    else if (!domain_name_valid(name))
        args_fault(args, "\"name\" must be a domain name");
    else
        snprintf(domain->name, sizeof(domain->name), "%s", name);
}

/* NULL: something is wrong with them. */
static struct domains *read_all(struct args *args)
{
    const char *owner = args_text(args, "owner", PEER_OWNER_MAX);
    const json_t *list = json_object_get(args->request, "domains");
    struct domains *said = NULL;

    if (!json_is_array(list) || json_array_size(list) > DOMAINS_MAX)
        args_fault(args, "\"domains\" must be a list of at most %u", DOMAINS_MAX);
    if (!args->fault[0])
        said = calloc(1, sizeof(*said) + json_array_size(list) * sizeof(said->all[0]));
    if (!said)
        return NULL;
    snprintf(said->owner, sizeof(said->owner), "%s", owner);
    said->count = json_array_size(list);
    for (size_t i = 0; i < said->count; i++)
        read_domain(args, json_array_get(list, i), &said->all[i]);
    if (!args->fault[0])
        return said;
    free(said);
    return NULL;
}

static void forget(struct agent *agent, const char *owner)
{
    struct domains **at = &agent->domains;

    while (*at && strcmp((*at)->owner, owner) != 0)
        at = &(*at)->next;
    if (*at) {
        struct domains *old = *at;

        *at = old->next;
        free(old);
    }
}

static unsigned owners(const struct agent *agent)
{
    unsigned count = 0;

    for (const struct domains *each = agent->domains; each; each = each->next)
        count++;
    return count;
}

void domains_serve_set(struct agent *agent, struct args *args, struct reply *reply)
{
    struct domains *said = read_all(args);

    if (!said) {
        reply_error(reply, args->fault[0] ? "bad-argument" : "no-memory", "%s",
                    args->fault[0] ? args->fault : "out of memory");
        return;
    }
    forget(agent, said->owner);
    if (said->count && owners(agent) >= OWNERS_MAX) {
        reply_error(reply, "busy", "the domains of %u owners are known already", OWNERS_MAX);
        free(said);
        return;
    }
    said->next = agent->domains;
    agent->domains = said;
    if (!said->count)
        forget(agent, said->owner);
    reply_ok(reply, NULL);
}

bool domains_know(const struct agent *agent, uint32_t id)
{
    for (const struct domains *each = agent->domains; each; each = each->next)
        for (size_t i = 0; i < each->count; i++)
            if (each->all[i].id == id)
                return true;
    return false;
}

static void describe_unlinked(const struct agent *agent, const struct domains *said, json_t *list)
{
    for (size_t i = 0; i < said->count; i++) {
        const struct domain *domain = &said->all[i];

        if (domain->id != agent->options.id && !peers_find_by_id(agent, domain->id))
            json_array_append_new(
                list, json_pack("{s:s, s:I}", "name", domain->name, "id", (json_int_t)domain->id));
    }
}

json_t *domains_describe_unlinked(const struct agent *agent)
{
    json_t *list = json_array();

    for (const struct domains *each = agent->domains; each; each = each->next)
        describe_unlinked(agent, each, list);
    return list;
}

void domains_stop(struct agent *agent)
{
    while (agent->domains) {
        struct domains *first = agent->domains;

        agent->domains = first->next;
        free(first);
    }
}
