#include <sys/socket.h>
#include <unistd.h>

#include "epoll.h"

#define ROUNDS 400

void (*make_ends)(int ends[2]);

void make_quiet(int ends[2])
{
    make_pair(SOCK_STREAM, ends);
}

void chat(const int ends[2])
{
    char byte = 'x';

    begin_unheard();
    for (int i = 0; i < ROUNDS; i++)
        for (int from = 0; from < 2; from++) {
            send(ends[from], &byte, 1, 0);
            recv(ends[1 - from], &byte, 1, 0);
        }
    end_unheard();
}

void make_busy(int ends[2])
{
    int epoll;

    make_pair(SOCK_STREAM, ends);
    epoll = watch(ends[0], EPOLLIN);
    epoll_ctl(epoll, EPOLL_CTL_ADD, ends[1], &(struct epoll_event){.events = EPOLLIN});
    chat(ends);
    close(epoll);
}

void take(int fd, int count)
{
    for (char byte; count; count--)
        recv(fd, &byte, 1, 0);
}

void take_all(int fd)
{
    static char block[65536];

    for (struct pollfd asked = {.fd = fd, .events = POLLIN}; poll(&asked, 1, 200) > 0;)
        while (recv(fd, block, sizeof(block), MSG_DONTWAIT) > 0)
            continue;
}

void fill(int fd)
{
    static char block[65536];

    for (struct pollfd asked = {.fd = fd, .events = POLLOUT}; poll(&asked, 1, 200) > 0;)
        while (send(fd, block, sizeof(block), MSG_DONTWAIT) > 0)
            continue;
}

void control(const char *what, int epoll, int operation, int fd, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.fd = fd};

    note(what, epoll_ctl(epoll, operation, fd, &event));
}

int watch(int fd, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.fd = fd};
    int epoll = epoll_create1(0);

    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0)
        note("watch", -1);
    return epoll;
}

void wait_for(const char *what, int epoll, int timeout_ms)
{
    struct epoll_event event = {0};
    long ready = epoll_wait(epoll, &event, 1, timeout_ms);

    if (ready <= 0)
        note(what, ready);
    else
        note_event_set(what, event.events);
}

void soon(const char *what, int epoll)
{
    wait_for(what, epoll, PATIENCE_MS);
}

void now(const char *what, int epoll)
{
    wait_for(what, epoll, 0);
}

void end(const int ends[2], int epoll)
{
    close_pair(ends);
    close(epoll);
}
