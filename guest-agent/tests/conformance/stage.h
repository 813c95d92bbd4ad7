/* What every case of the conformance suite needs: sockets of two domains in one process, and a line
 * of outcome. Nothing here knows whether a socket's other end is the kernel's or domsock's. */
#pragma once

#include <linux/vm_sockets.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#define PATIENCE_MS 5000

struct test_case {
    const char *name;
    void (*run)(void);
    bool of_ports; /* it means nothing where addresses are paths */
};

#define CASE(function)                                                                             \
    {                                                                                              \
#function, function, false                                                                 \
    }
#define PORT_CASE(function)                                                                        \
    {                                                                                              \
#function, function, true                                                                  \
    }
#define CASES_END                                                                                  \
    {                                                                                              \
        0                                                                                          \
    }

extern const struct test_case socket_cases[], connect_cases[], byte_cases[], wait_cases[],
    option_cases[], descriptor_cases[], packet_cases[], epoll_cases[], epoll_list_cases[],
    epoll_other_cases[], thread_cases[];

/* Where the servers are: the CID to call, and for domsock the folder of their domain's agent. */
void stage_init(uint32_t cid, const char *server_run_dir);
void stage_run(const struct test_case *cases);
/* The same, with a word before each name. */
void stage_run_as(const char *word, const struct test_case *cases);
/* What is opened, bound and accepted now belongs to the servers' domain, or to the clients'. */
void as_server(void);
void as_client(void);
/* What the servers' domain says of this, where threads make the two see it at different times. */
long as_servers_say(long value);
/* In between each domain does its part at its own speed, and nobody looks at what calls return. */
void begin_unheard(void);
void end_unheard(void);

/* The outcome of a call: its value, or the name of its errno. */
long note(const char *what, long value);
void note_word(const char *what, const char *word);
void note_bytes(const char *what, const void *bytes, long length);
void note_address(const char *what, int fd, bool peer);
void note_event_set(const char *what, uint32_t events);
/* Which of these events there are, after waiting at most so long for any. */
void note_events(const char *what, int fd, short events, int timeout_ms);

/* The value, unless it is an error: that ends the program. */
int must(int value, const char *what);

/* The servers' domain; or the folder of their sockets, and where the clients find these. */
void use_ports(uint32_t cid);
void use_paths(const char *servers, const char *clients);
bool by_path(void);
struct sockaddr_vm address_of(uint32_t cid, uint32_t port);
uint32_t stage_cid(void);
uint32_t fresh_port(void);
/* Until the clients can see it. */
void await_name(uint32_t port);
int make_socket(int type);
int bind_to(int fd, uint32_t cid, uint32_t port);
int connect_to(int fd, uint32_t port);
int make_listener(int type, uint32_t port, int backlog);
/* A connected pair: [0] the client's, [1] the server's. */
void make_pair(int type, int ends[2]);
void close_pair(const int ends[2]);
/* Waits until something can be read, or its end is known. */
void await_input(int fd);
void await_events(int fd, short events);
void set_nonblocking(int fd);
void set_timeout(int fd, int option, int ms);
