/* Asking the local agent, by the socket that only root and the agent's own user may use. */
#pragma once

#include <jansson.h>
#include <stdint.h>

/* 0 and the answer, to be given back by json_decref(); else an exit code, and it has complained. */
int ask_agent(const char *run_dir, const char *op, json_t **answer);
/* The same with a request of several fields, which it takes. */
int ask_agent_for(const char *run_dir, json_t *request, json_t **answer);
/* The same, for as long as the agent takes; its refusal is an answer, too. */
int ask_agent_whatever(const char *run_dir, json_t *request, json_t **answer);
/* The id of a domain that is given by name, as a number, or as "host", which is CID 2. Exit codes
 * as above. */
int ask_domain(const char *run_dir, const char *text, uint32_t *cid);
/* The link to a domain that is given like that, in an answer to `links`; borrowed from it. */
json_t *ask_find_link(const json_t *answer, const char *domain);
