/* SOCK_SEQPACKET: messages with bounds. */
#include "stage.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

static char bytes[64];

static void bounds(void)
{
    int ends[2];

    make_pair(SOCK_SEQPACKET, ends);
    note("one", send(ends[0], "one", 3, 0));
    note("three", send(ends[0], "three", 5, 0));
    await_input(ends[1]);
    note_bytes("first", bytes, recv(ends[1], bytes, 64, 0));
    await_input(ends[1]);
    note_bytes("second", bytes, recv(ends[1], bytes, 64, 0));
    note("left", recv(ends[1], bytes, 64, MSG_DONTWAIT));
    close_pair(ends);
}

static long receive_message(int fd, size_t length, int flags, int *told)
{
    struct iovec piece = {bytes, length};
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1, .msg_flags = -1};
    long got = recvmsg(fd, &message, flags);

    *told = message.msg_flags;
    return got;
}

static void cut_messages(void)
{
    int ends[2], told;

    make_pair(SOCK_SEQPACKET, ends);
    send(ends[0], "hello", 5, 0);
    send(ends[0], "world", 5, 0);
    send(ends[0], "fine", 4, 0);
    await_input(ends[1]);
    note_bytes("cut", bytes, receive_message(ends[1], 2, 0, &told));
    note("told", (told & MSG_TRUNC) != 0);
    await_input(ends[1]);
    note("whole-length", recv(ends[1], bytes, 2, MSG_TRUNC));
    await_input(ends[1]);
    note_bytes("next", bytes, receive_message(ends[1], 64, 0, &told));
    note("told", (told & MSG_TRUNC) != 0);
    close_pair(ends);
}

static void end_of_record(void)
{
    struct iovec piece = {"done", 4};
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
    int ends[2], told;

    make_pair(SOCK_SEQPACKET, ends);
    note("plain", send(ends[0], "more", 4, 0));
    note("record", sendmsg(ends[0], &message, MSG_EOR));
    await_input(ends[1]);
    note_bytes("first", bytes, receive_message(ends[1], 64, 0, &told));
    note("eor", (told & MSG_EOR) != 0);
    await_input(ends[1]);
    note_bytes("second", bytes, receive_message(ends[1], 64, 0, &told));
    note("eor", (told & MSG_EOR) != 0);
    close_pair(ends);
}

static void messages_in_pieces(void)
{
    struct iovec out[2] = {{"he", 2}, {"llo", 3}};
    int ends[2];

    make_pair(SOCK_SEQPACKET, ends);
    note("writev", writev(ends[0], out, 2));
    note("write", write(ends[0], "x", 1));
    await_input(ends[1]);
    note_bytes("read", bytes, read(ends[1], bytes, 64));
    await_input(ends[1]);
    note("rest", read(ends[1], bytes, 64));
    close_pair(ends);
}

static void empty_messages(void)
{
    int ends[2];

    make_pair(SOCK_SEQPACKET, ends);
    note("empty", send(ends[0], "", 0, 0));
    note("x", send(ends[0], "x", 1, 0));
    await_input(ends[1]);
    note_bytes("got", bytes, recv(ends[1], bytes, 64, 0));
    close_pair(ends);
}

static void large_messages(void)
{
    size_t length = 200000;
    char *block = malloc(length), *copy = calloc(1, length);
    int ends[2];
    long got;

    for (size_t i = 0; i < length; i++)
        block[i] = (char)(i * 7 + i / 251);
    make_pair(SOCK_SEQPACKET, ends);
    note("send", send(ends[0], block, length, 0));
    await_input(ends[1]);
    got = recv(ends[1], copy, length, 0);
    note("received", got);
    note("equal", memcmp(block, copy, length) == 0);
    close_pair(ends);
    free(block);
    free(copy);
}

static void a_message_too_large(void)
{
    char *block = calloc(1, 300000);
    int ends[2];

    make_pair(SOCK_SEQPACKET, ends);
    note("send", send(ends[0], block, 300000, 0));
    note("then", send(ends[0], "x", 1, 0));
    await_input(ends[1]);
    note("got", recv(ends[1], bytes, 64, 0));
    close_pair(ends);
    free(block);
}

static void end_of_packets(void)
{
    int ends[2];

    make_pair(SOCK_SEQPACKET, ends);
    send(ends[0], "last", 4, 0);
    close(ends[0]);
    await_events(ends[1], POLLRDHUP);
    note_bytes("got", bytes, recv(ends[1], bytes, 64, 0));
    note("end", recv(ends[1], bytes, 64, 0));
    note("send", send(ends[1], "x", 1, MSG_NOSIGNAL));
    close(ends[1]);
}

static void packets_half_closed(void)
{
    int ends[2];

    make_pair(SOCK_SEQPACKET, ends);
    note("shutdown", shutdown(ends[0], SHUT_WR));
    await_events(ends[1], POLLRDHUP);
    note("end", recv(ends[1], bytes, 64, 0));
    note("answer", send(ends[1], "answer", 6, 0));
    await_input(ends[0]);
    note_bytes("answered", bytes, recv(ends[0], bytes, 64, 0));
    close_pair(ends);
}

static void packets_to_a_stream(void)
{
    uint32_t port = fresh_port();
    int listener = make_listener(SOCK_STREAM, port, 1), fd = make_socket(SOCK_SEQPACKET);

    note("connected", connect_to(fd, port) == 0);
    close(fd);
    close(listener);
}

static void peeked_packets(void)
{
    int ends[2];

    make_pair(SOCK_SEQPACKET, ends);
    send(ends[0], "hello", 5, 0);
    await_input(ends[1]);
    note_bytes("peek", bytes, recv(ends[1], bytes, 2, MSG_PEEK));
    note_bytes("got", bytes, recv(ends[1], bytes, 64, MSG_DONTWAIT));
    close_pair(ends);
}

const struct test_case packet_cases[] = {PORT_CASE(bounds),
                                         PORT_CASE(cut_messages),
                                         PORT_CASE(end_of_record),
                                         PORT_CASE(messages_in_pieces),
                                         PORT_CASE(empty_messages),
                                         PORT_CASE(large_messages),
                                         PORT_CASE(a_message_too_large),
                                         PORT_CASE(end_of_packets),
                                         PORT_CASE(packets_half_closed),
                                         PORT_CASE(packets_to_a_stream),
                                         PORT_CASE(peeked_packets),
                                         CASES_END};
