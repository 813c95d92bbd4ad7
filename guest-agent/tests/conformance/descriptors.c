/* What the kernel makes of descriptors: copies, children, other processes. */
#include "stage.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char bytes[64];

static void a_copy_outlives(void)
{
    int ends[2], copy;

    make_pair(SOCK_STREAM, ends);
    copy = dup(ends[0]);
    close(ends[0]);
    note("send", send(copy, "hello", 5, 0));
    note_address("peer", copy, true);
    await_input(ends[1]);
    note_bytes("got", bytes, recv(ends[1], bytes, 64, 0));
    close(copy);
    await_events(ends[1], POLLRDHUP);
    note("end", recv(ends[1], bytes, 64, 0));
    close(ends[1]);
}

static void a_copy_in_a_given_place(void)
{
    int ends[2], place = dup(0);

    make_pair(SOCK_STREAM, ends);
    note("dup2", dup2(ends[0], place) == place);
    note("dup3", dup3(ends[0], place, O_CLOEXEC) == place);
    note("cloexec", fcntl(place, F_GETFD));
    note("send", send(place, "x", 1, 0));
    await_input(ends[1]);
    note("got", recv(ends[1], bytes, 64, 0));
    close(place);
    close_pair(ends);
}

static void close_on_exec(void)
{
    int fd = make_socket(SOCK_STREAM | SOCK_CLOEXEC), plain = make_socket(SOCK_STREAM);

    note("flag", fcntl(fd, F_GETFD));
    note("plain", fcntl(plain, F_GETFD));
    note("bind", bind_to(plain, VMADDR_CID_ANY, fresh_port()));
    note("listen", listen(plain, 1));
    note("listening", fcntl(plain, F_GETFD));
    close(fd);
    close(plain);
}

static void a_child_sends(void)
{
    int ends[2], status;

    make_pair(SOCK_STREAM, ends);
    if (fork() == 0)
        _exit(send(ends[0], "from a child", 12, 0) != 12);
    wait(&status);
    note("status", status);
    await_input(ends[1]);
    note_bytes("got", bytes, recv(ends[1], bytes, 64, 0));
    close(ends[0]);
    await_events(ends[1], POLLRDHUP);
    note("end", recv(ends[1], bytes, 64, 0));
    close(ends[1]);
}

static void a_child_accepts(void)
{
    uint32_t port = fresh_port();
    int listener = make_listener(SOCK_STREAM, port, 1), fd = make_socket(SOCK_STREAM);

    if (fork() == 0) {
        int accepted = accept(listener, NULL, NULL);

        send(accepted, "child", 5, 0);
        _exit(0);
    }
    note("connect", connect_to(fd, port));
    await_input(fd);
    note_bytes("got", bytes, recv(fd, bytes, 64, 0));
    close(fd);
    close(listener);
}

static void a_program_inherits(void)
{
    int ends[2], status;

    make_pair(SOCK_STREAM, ends);
    if (fork() == 0) {
        dup2(ends[0], 1);
        execl("/bin/sh", "sh", "-c", "echo from a program", NULL);
        _exit(1);
    }
    wait(&status);
    note("status", status);
    await_input(ends[1]);
    note("got", recv(ends[1], bytes, 64, 0));
    note("same", memcmp(bytes, "from a program\n", 15) == 0);
    close_pair(ends);
}

union control {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(int))];
};

static long pass(int by, int fd)
{
    union control control = {0};
    struct iovec piece = {"f", 1};
    struct msghdr message = {.msg_iov = &piece,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof(control.bytes)};
    struct cmsghdr *passed = CMSG_FIRSTHDR(&message);

    passed->cmsg_level = SOL_SOCKET;
    passed->cmsg_type = SCM_RIGHTS;
    passed->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(passed), &fd, sizeof(fd));
    return sendmsg(by, &message, 0);
}

static int take(int by)
{
    union control control;
    char byte;
    struct iovec piece = {&byte, 1};
    struct msghdr message = {.msg_iov = &piece,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof(control.bytes)};
    int fd = -1;

    if (recvmsg(by, &message, 0) == 1 && CMSG_FIRSTHDR(&message))
        memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
    return fd;
}

/* Within a domain a socket can be handed to another process, which goes on with it. */
static void handed_to_another_process(void)
{
    int ends[2], way[2], status;

    make_pair(SOCK_STREAM, ends);
    note("way", socketpair(AF_UNIX, SOCK_STREAM, 0, way));
    if (fork() == 0) {
        int taken;

        close(ends[0]);
        taken = take(way[1]);
        _exit(send(taken, "handed on", 9, 0) != 9);
    }
    note("pass", pass(way[0], ends[0]));
    close(ends[0]);
    wait(&status);
    note("status", status);
    await_input(ends[1]);
    note_bytes("got", bytes, recv(ends[1], bytes, 64, 0));
    await_events(ends[1], POLLRDHUP);
    note("end", recv(ends[1], bytes, 64, 0));
    close(ends[1]);
    close(way[0]);
    close(way[1]);
}

const struct test_case descriptor_cases[] = {
    CASE(a_copy_outlives),           CASE(a_copy_in_a_given_place),
    PORT_CASE(close_on_exec),        CASE(a_child_sends),
    CASE(a_child_accepts),           CASE(a_program_inherits),
    CASE(handed_to_another_process), CASES_END};
