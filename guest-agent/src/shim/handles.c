#include "shim/handles.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/critical.h"
#include "shim/epoll_set.h"
#include "shim/real.h"

#define BUFFER_SIZE 262144u /* VIRTIO_VSOCK_DEFAULT_BUF_SIZE of the kernel */
#define BUFFER_SIZE_MIN 128u
#define HANDLES_AT_ONCE 16

static _Atomic(struct handle *) table[HANDLE_FDS_MAX];
static struct handle *free_handles;
static pthread_mutex_t free_lock = PTHREAD_MUTEX_INITIALIZER;

static bool in_range(int fd)
{
    return fd >= 0 && fd < HANDLE_FDS_MAX;
}

static pid_t process;

static __attribute__((constructor)) void note_process(void)
{
    process = getpid();
}

/* A child has one thread: what others of its parent were about, nobody would ever finish. */
static void forked(void)
{
    note_process();
    pthread_mutex_init(&free_lock, NULL);
    for (int fd = 0; fd < HANDLE_FDS_MAX; fd++) {
        struct handle *handle = atomic_load(&table[fd]);

        for (enum direction direction = SENDING; handle && direction <= RECEIVING; direction++)
            held_forked(&handle->sides[direction]);
    }
}

static __attribute__((constructor)) void watch_forks(void)
{
    pthread_atfork(NULL, NULL, forked);
}

bool handles_are_borrowed(void)
{
    return getpid() != process;
}

pid_t handles_process(void)
{
    return process;
}

/* Not by malloc(), as in held.c. */
static void make_some(void)
{
    struct handle *some = mmap(NULL, HANDLES_AT_ONCE * sizeof(*some), PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    for (int i = 0; some != MAP_FAILED && i < HANDLES_AT_ONCE; i++) {
        some[i].next_free = free_handles;
        free_handles = &some[i];
    }
}

static struct handle *take_memory(void)
{
    struct handle *handle;

    critical_lock(&free_lock);
    if (!free_handles)
        make_some();
    handle = free_handles;
    if (handle)
        free_handles = handle->next_free;
    critical_unlock(&free_lock);
    return handle;
}

static void close_end(int *fd)
{
    if (*fd >= 0)
        real()->close(*fd);
    *fd = -1;
}

void handle_put(struct handle *handle)
{
    if (atomic_fetch_sub(&handle->users, 1) != 1)
        return;
    close_end(&handle->other_end);
    close_end(&handle->answer);
    handle->epoll = epoll_set_free(handle->epoll);
    held_free(&handle->sides[SENDING]);
    held_free(&handle->sides[RECEIVING]);
    critical_lock(&free_lock);
    handle->next_free = free_handles;
    free_handles = handle;
    critical_unlock(&free_lock);
}

static struct handle *make(int fd, enum handle_state state)
{
    struct handle *handle = in_range(fd) && !handles_are_borrowed() ? take_memory() : NULL;

    if (!handle)
        return NULL;
    handle->state = state;
    handle->other_end = handle->answer = -1;
    handle->error = 0;
    handle->local_cid = handle->local_port = UINT32_MAX;
    handle->peer_cid = handle->peer_port = UINT32_MAX;
    handle->peer_user = UINT32_MAX;
    handle->stream = 0;
    handle->deaf = false;
    atomic_store(&handle->end_told, false);
    handle->packets = false;
    handle->connect_timeout_us = HANDLE_CONNECT_TIMEOUT_US;
    handle->buffer_sizes[0] = handle->buffer_sizes[2] = BUFFER_SIZE;
    handle->buffer_sizes[1] = BUFFER_SIZE_MIN;
    handle->nonblocking = false;
    handle->receive_timeout_us = handle->send_timeout_us = 0;
    handle->low_water = 1;
    atomic_store(&handle->watches, 0);
    atomic_store(&handle->watched, false);
    held_init(&handle->sides[SENDING]);
    held_init(&handle->sides[RECEIVING]);
    atomic_store(&handle->users, 1);
    return handle;
}

static struct handle *publish(struct handle *handle, int fd)
{
    handle_forget(fd);
    atomic_store(&table[fd], handle);
    return handle;
}

struct handle *handle_new(int fd, enum handle_state state)
{
    struct handle *handle = make(fd, state);

    return handle ? publish(handle, fd) : NULL;
}

struct handle *handle_new_epoll(int fd, struct epoll_set *epoll)
{
    struct handle *handle = make(fd, HANDLE_EPOLL);

    if (!handle)
        return NULL;
    handle->epoll = epoll;
    return publish(handle, fd);
}

/* A handle whose last user has gone is never taken up again. */
static bool join(struct handle *handle)
{
    unsigned users = atomic_load(&handle->users);

    while (users)
        if (atomic_compare_exchange_weak(&handle->users, &users, users + 1))
            return true;
    return false;
}

static struct handle *find(int fd)
{
    struct handle *handle;

    while (in_range(fd) && (handle = atomic_load(&table[fd]))) {
        if (!join(handle))
            continue; /* it is just being replaced */
        if (atomic_load(&table[fd]) == handle)
            return handle;
        handle_put(handle);
    }
    return NULL;
}

static struct handle *find_one(int fd, bool epoll)
{
    struct handle *handle = find(fd);

    if (!handle || (handle->state == HANDLE_EPOLL) == epoll)
        return handle;
    handle_put(handle);
    return NULL;
}

struct handle *handle_get(int fd)
{
    return find_one(fd, false);
}

struct handle *handle_get_epoll(int fd)
{
    return find_one(fd, true);
}

bool handle_is_at(const struct handle *handle, int fd)
{
    return in_range(fd) && atomic_load(&table[fd]) == handle;
}

void handle_set_nonblocking(int fd, bool nonblocking)
{
    struct handle *handle = handle_get(fd);

    if (!handle)
        return;
    handle->nonblocking = nonblocking;
    handle_put(handle);
}

void handle_each(void (*visit)(struct handle *handle, int fd))
{
    for (int fd = 0; fd < HANDLE_FDS_MAX; fd++) {
        struct handle *handle = atomic_load(&table[fd]) ? find(fd) : NULL;

        if (!handle)
            continue;
        visit(handle, fd);
        handle_put(handle);
    }
}

/* An epoll that goes on by another descriptor is one that we cannot name any more. */
void handle_closing(int fd)
{
    struct handle *handle = find(fd);

    if (!handle)
        return;
    if (!handle->epoll)
        epoll_set_closing(handle, fd);
    else if (handle->epoll->epoll == fd && atomic_load(&handle->users) > 2)
        epoll_set_forsake(handle->epoll);
    handle_put(handle);
}

void handle_forget(int fd)
{
    struct handle *handle = in_range(fd) ? atomic_exchange(&table[fd], NULL) : NULL;

    if (handle)
        handle_put(handle);
}

/* Most descriptors are none of ours: they cost no system call. */
void handle_drop(int fd)
{
    if (!in_range(fd) || !atomic_load(&table[fd]) || handles_are_borrowed())
        return;
    handle_closing(fd);
    handle_forget(fd);
}

int handle_made(int fd)
{
    handle_drop(fd);
    return fd;
}

void handle_duplicate(int from, int to)
{
    struct handle *handle = find(from);

    handle_forget(to);
    if (handle && in_range(to))
        atomic_store(&table[to], handle); /* the user that handle_get() counted */
    else if (handle)
        handle_put(handle);
}

void handle_renounce(int fd)
{
    struct handle *handle = handle_get(fd);

    if (!handle)
        return;
    held_renounce(handle);
    handle_put(handle);
}

void handle_let_go(struct handle *handle)
{
    close_end(&handle->other_end);
}
