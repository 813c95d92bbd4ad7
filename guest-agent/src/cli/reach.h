/* Streams to and from other domains, for this program's own commands. It is static, so no shim can
 * be put before it: it says itself what the shim says (abi/shim.h). */
#pragma once

#include <stdint.h>

/* All return a descriptor or a negative errno. */
int reach_port(const char *run_dir, uint32_t cid, uint32_t port, uint64_t timeout_ms);
int reach_path(const char *run_dir, const char *domain, const char *path);
/* A port to take callers from, who may come from any domain. */
int reach_listen(const char *run_dir, uint32_t port);
int reach_accept(int listener);
/* Waits for one caller. */
int reach_serve_path(const char *run_dir, const char *path);
/* What to do about an error, to be said behind it; often nothing. */
const char *reach_hint(int error);
