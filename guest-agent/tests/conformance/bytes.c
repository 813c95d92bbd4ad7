/* Sending and receiving. */
#include "stage.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static char bytes[64];

static long receive(int fd, size_t length, int flags)
{
    return recv(fd, bytes, length, flags);
}

static void there_and_back(void)
{
    int ends[2];

    make_pair(SOCK_STREAM, ends);
    note("send", send(ends[0], "hello", 5, 0));
    await_input(ends[1]);
    note_bytes("got", bytes, receive(ends[1], 64, 0));
    note("write", write(ends[1], "good day", 8));
    await_input(ends[0]);
    note_bytes("read", bytes, read(ends[0], bytes, 64));
    close_pair(ends);
}

static void not_connected(void)
{
    int fd = make_socket(SOCK_STREAM);

    note("send", send(fd, "x", 1, 0));
    note("recv", receive(fd, 1, 0));
    note("write", write(fd, "x", 1));
    note("read", read(fd, bytes, 1));
    note("shutdown", shutdown(fd, SHUT_RDWR));
    close(fd);
}

static void send_with_an_address(void)
{
    struct sockaddr_vm vm = address_of(stage_cid(), fresh_port());
    int ends[2], fd = make_socket(SOCK_STREAM);

    make_pair(SOCK_STREAM, ends);
    note("connected", sendto(ends[0], "x", 1, 0, (struct sockaddr *)&vm, sizeof(vm)));
    note("fresh", sendto(fd, "x", 1, 0, (struct sockaddr *)&vm, sizeof(vm)));
    close_pair(ends);
    close(fd);
}

static void receive_with_an_address(void)
{
    struct sockaddr_vm vm;
    socklen_t length = sizeof(vm);
    int ends[2];

    make_pair(SOCK_STREAM, ends);
    note("send", send(ends[0], "x", 1, 0));
    await_input(ends[1]);
    note("recv", recvfrom(ends[1], bytes, 1, 0, (struct sockaddr *)&vm, &length));
    note("named", length != 0);
    close_pair(ends);
}

static void nothing_there(void)
{
    int ends[2];

    make_pair(SOCK_STREAM, ends);
    note("dontwait", receive(ends[0], 1, MSG_DONTWAIT));
    set_nonblocking(ends[0]);
    note("nonblocking", receive(ends[0], 1, 0));
    note("nothing", receive(ends[0], 0, MSG_DONTWAIT));
    close_pair(ends);
}

static void peek(void)
{
    int ends[2];

    make_pair(SOCK_STREAM, ends);
    send(ends[0], "hello", 5, 0);
    await_input(ends[1]);
    note_bytes("peek", bytes, receive(ends[1], 3, MSG_PEEK));
    note_bytes("again", bytes, receive(ends[1], 64, MSG_PEEK));
    note_bytes("got", bytes, receive(ends[1], 64, 0));
    note("left", receive(ends[1], 64, MSG_DONTWAIT));
    close_pair(ends);
}

static void wait_for_all(void)
{
    int ends[2];

    make_pair(SOCK_STREAM, ends);
    send(ends[0], "hel", 3, 0);
    await_input(ends[1]);
    if (fork() == 0) {
        usleep(50000);
        send(ends[0], "lo", 2, 0);
        _exit(0);
    }
    note_bytes("all", bytes, receive(ends[1], 5, MSG_WAITALL));
    close_pair(ends);
}

static void wait_for_all_until_the_end(void)
{
    int ends[2];

    make_pair(SOCK_STREAM, ends);
    send(ends[0], "hel", 3, 0);
    shutdown(ends[0], SHUT_WR);
    note_bytes("all", bytes, receive(ends[1], 5, MSG_WAITALL));
    close_pair(ends);
}

static void low_water_mark(void)
{
    int ends[2], mark = 5;
    socklen_t length = sizeof(mark);

    make_pair(SOCK_STREAM, ends);
    note("set", setsockopt(ends[1], SOL_SOCKET, SO_RCVLOWAT, &mark, sizeof(mark)));
    mark = 0;
    note("get", getsockopt(ends[1], SOL_SOCKET, SO_RCVLOWAT, &mark, &length));
    note("mark", mark);
    send(ends[0], "hel", 3, 0);
    if (fork() == 0) {
        usleep(50000);
        send(ends[0], "lo", 2, 0);
        _exit(0);
    }
    note_bytes("got", bytes, receive(ends[1], 64, 0));
    close_pair(ends);
}

static void out_of_band(void)
{
    int ends[2];

    make_pair(SOCK_STREAM, ends);
    note("send", send(ends[0], "x", 1, MSG_OOB));
    note("recv", receive(ends[1], 1, MSG_OOB | MSG_DONTWAIT));
    close_pair(ends);
}

static void pieces(void)
{
    struct iovec out[3] = {{"one", 3}, {"", 0}, {"two", 3}};
    char first[4], second[4];
    struct iovec in[2] = {{first, 4}, {second, 4}};
    int ends[2];

    make_pair(SOCK_STREAM, ends);
    note("writev", writev(ends[0], out, 3));
    await_input(ends[1]);
    note("readv", readv(ends[1], in, 2));
    note_bytes("first", first, 4);
    note_bytes("second", second, 2);
    close_pair(ends);
}

static void message_flags(void)
{
    struct iovec piece = {bytes, 2};
    char control[64];
    struct msghdr message = {.msg_iov = &piece,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof(control),
                             .msg_flags = -1};
    int ends[2];

    make_pair(SOCK_STREAM, ends);
    send(ends[0], "hello", 5, 0);
    await_input(ends[1]);
    note("recvmsg", recvmsg(ends[1], &message, 0));
    note("flags", message.msg_flags);
    note("control", (long)message.msg_controllen);
    note_bytes("rest", bytes, receive(ends[1], 64, 0));
    close_pair(ends);
}

/* ---- ends ---- */

static void orderly_end(void)
{
    int ends[2];

    make_pair(SOCK_STREAM, ends);
    send(ends[0], "last", 4, 0);
    close(ends[0]);
    await_events(ends[1], POLLRDHUP);
    note_bytes("got", bytes, receive(ends[1], 64, 0));
    note("end", receive(ends[1], 64, 0));
    note("again", receive(ends[1], 64, 0));
    close(ends[1]);
}

static void half_close(void)
{
    int ends[2];

    make_pair(SOCK_STREAM, ends);
    send(ends[0], "question", 8, 0);
    note("shutdown", shutdown(ends[0], SHUT_WR));
    note("send", send(ends[0], "x", 1, MSG_NOSIGNAL));
    await_events(ends[1], POLLRDHUP);
    note_bytes("got", bytes, receive(ends[1], 64, 0));
    note("end", receive(ends[1], 64, 0));
    note("answer", send(ends[1], "answer", 6, 0));
    await_input(ends[0]);
    note_bytes("answered", bytes, receive(ends[0], 64, 0));
    close_pair(ends);
}

static void read_no_more(void)
{
    int ends[2];

    make_pair(SOCK_STREAM, ends);
    note("shutdown", shutdown(ends[0], SHUT_RD));
    note("recv", receive(ends[0], 1, 0));
    note("send", send(ends[0], "x", 1, 0));
    await_input(ends[1]);
    note("arrives", receive(ends[1], 1, 0));
    close_pair(ends);
}

static void shut_down_how(void)
{
    int ends[2];

    make_pair(SOCK_STREAM, ends);
    note("how", shutdown(ends[0], 9));
    note("both", shutdown(ends[0], SHUT_RDWR));
    note("recv", receive(ends[0], 1, 0));
    note("send", send(ends[0], "x", 1, MSG_NOSIGNAL));
    await_events(ends[1], POLLRDHUP);
    note("end", receive(ends[1], 1, 0));
    close_pair(ends);
}

static void send_to_one_who_has_closed(void)
{
    int ends[2];

    make_pair(SOCK_STREAM, ends);
    close(ends[0]);
    await_events(ends[1], POLLRDHUP);
    note("recv", receive(ends[1], 1, 0));
    note("send", send(ends[1], "x", 1, MSG_NOSIGNAL));
    note("again", send(ends[1], "x", 1, MSG_NOSIGNAL));
    close(ends[1]);
}

static volatile sig_atomic_t pipes;

static void count_pipe(int number)
{
    (void)number;
    pipes++;
}

static void broken_pipe_by_signal(void)
{
    int ends[2];

    make_pair(SOCK_STREAM, ends);
    signal(SIGPIPE, count_pipe);
    shutdown(ends[0], SHUT_WR);
    note("send", send(ends[0], "x", 1, 0));
    note("nosignal", send(ends[0], "x", 1, MSG_NOSIGNAL));
    note("signals", pipes);
    signal(SIGPIPE, SIG_IGN);
    close_pair(ends);
}

static void closed_with_unread_data(void)
{
    int ends[2];

    make_pair(SOCK_STREAM, ends);
    send(ends[0], "unread", 6, 0);
    await_input(ends[1]);
    close(ends[1]);
    await_events(ends[0], POLLRDHUP);
    note("recv", receive(ends[0], 1, 0));
    close(ends[0]);
}

/* To AF_VSOCK this is no way to abort: the other end sees an orderly end. */
static void closed_without_lingering(void)
{
    struct linger none = {.l_onoff = 1};
    int ends[2];

    make_pair(SOCK_STREAM, ends);
    note("linger", setsockopt(ends[1], SOL_SOCKET, SO_LINGER, &none, sizeof(none)));
    send(ends[1], "last", 4, 0);
    close(ends[1]);
    await_events(ends[0], POLLRDHUP);
    note_bytes("got", bytes, receive(ends[0], 64, 0));
    note("end", receive(ends[0], 1, 0));
    close(ends[0]);
}

static void killed(void)
{
    int ends[2], error = 0;
    socklen_t length = sizeof(error);
    pid_t child;

    make_pair(SOCK_STREAM, ends);
    child = fork();
    if (child == 0) {
        close(ends[0]);
        pause();
    }
    close(ends[1]);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    await_events(ends[0], POLLRDHUP);
    note("recv", receive(ends[0], 1, 0));
    getsockopt(ends[0], SOL_SOCKET, SO_ERROR, &error, &length);
    note("error", error);
    close(ends[0]);
}

static void a_megabyte(void)
{
    size_t length = 1 << 20, got = 0;
    char *block = malloc(length), *copy = malloc(length);
    int ends[2];

    for (size_t i = 0; i < length; i++)
        block[i] = (char)(i * 31 + i / 251);
    make_pair(SOCK_STREAM, ends);
    if (fork() == 0) {
        for (size_t sent = 0; sent < length;)
            sent += (size_t)send(ends[0], block + sent, length - sent, 0);
        _exit(0);
    }
    close(ends[0]);
    for (ssize_t more = 1; more > 0; got += (size_t)(more > 0 ? more : 0))
        more = recv(ends[1], copy + got, length - got, 0);
    note("received", (long)got);
    note("equal", memcmp(block, copy, length) == 0);
    close(ends[1]);
    free(block);
    free(copy);
}

const struct test_case byte_cases[] = {CASE(there_and_back),
                                       PORT_CASE(not_connected),
                                       PORT_CASE(send_with_an_address),
                                       CASE(receive_with_an_address),
                                       CASE(nothing_there),
                                       CASE(peek),
                                       CASE(wait_for_all),
                                       CASE(wait_for_all_until_the_end),
                                       CASE(low_water_mark),
                                       PORT_CASE(out_of_band),
                                       CASE(pieces),
                                       CASE(message_flags),
                                       CASE(orderly_end),
                                       CASE(half_close),
                                       CASE(read_no_more),
                                       CASE(shut_down_how),
                                       CASE(send_to_one_who_has_closed),
                                       CASE(broken_pipe_by_signal),
                                       CASE(closed_with_unread_data),
                                       CASE(closed_without_lingering),
                                       CASE(killed),
                                       CASE(a_megabyte),
                                       CASES_END};
