/* The two programs' way of telling each other: TCP, one connection for each thread and each child.
 */
#include "apart.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "calls.h"
#include "stage.h"

#define DESCRIPTORS 1024
#define STANDING_FOR 512 /* their descriptor 7 is 519 here; no case has so many of its own */

struct channel {
    FILE *in, *out;
    bool silent;
};

struct outcome {
    char call[24];
    long value;
    int error;
};

static enum { TOGETHER, CLIENTS, SERVERS } role;
static struct sockaddr_in meeting_point;
static int listener = -1;
static bool makes_servers;
static char owners[DESCRIPTORS];
static _Thread_local struct channel channel;

/* ---- meeting ---- */

static void give_up(const char *what)
{
    printf(" [%s: %s]\n", what, strerror(errno));
    exit(1);
}

static int dial(void)
{
    int fd;

    for (int waited = 0; waited < PATIENCE_MS; waited += 50) {
        fd = __real_socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (__real_connect(fd, (struct sockaddr *)&meeting_point, sizeof(meeting_point)) == 0)
            return fd;
        __real_close(fd);
        usleep(50000);
    }
    return -1;
}

static struct channel meet(void)
{
    int fd = role == SERVERS ? __real_accept4(listener, NULL, NULL, SOCK_CLOEXEC) : dial();

    if (fd < 0)
        give_up("the other program");
    __real_setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    return (struct channel){.in = fdopen(fd, "r"),
                            .out = fdopen(__real_fcntl(fd, F_DUPFD_CLOEXEC, 0), "w")};
}

static void part(const struct channel *from)
{
    fclose(from->in);
    fclose(from->out);
}

void apart_serve(uint16_t port)
{
    meeting_point = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port)};
    role = SERVERS;
    listener = __real_socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    __real_setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    if (__real_bind(listener, (struct sockaddr *)&meeting_point, sizeof(meeting_point)) < 0 ||
        __real_listen(listener, 8) < 0)
        give_up("serve");
    channel = meet();
}

void apart_join(const char *address, uint16_t port)
{
    meeting_point = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port)};
    if (inet_pton(AF_INET, address, &meeting_point.sin_addr) != 1)
        give_up(address);
    role = CLIENTS;
    channel = meet();
}

bool apart(void)
{
    return role != TOGETHER;
}

/* ---- descriptors ---- */

void apart_enter(bool servers)
{
    makes_servers = servers;
}

enum owner apart_owner(bool servers)
{
    if (!apart())
        return NOBODYS;
    return servers == (role == SERVERS) ? OURS : THEIRS;
}

enum owner apart_maker(void)
{
    return apart_owner(makes_servers);
}

enum owner owner_of(int fd)
{
    if (!apart() || fd < 0)
        return NOBODYS;
    return fd >= STANDING_FOR ? THEIRS : (enum owner)owners[fd];
}

void belongs_to(int fd, enum owner owner)
{
    if (fd >= 0 && fd < STANDING_FOR)
        owners[fd] = (char)owner;
}

int own(int fd)
{
    belongs_to(fd, OURS);
    return fd;
}

/* Something has to be there: it can be copied, passed and inherited, too. */
int stand_for(int theirs)
{
    int nothing, error = errno;

    if (theirs < 0)
        return theirs;
    nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    __real_dup3(nothing, STANDING_FOR + theirs, O_CLOEXEC);
    __real_close(nothing);
    errno = error;
    return STANDING_FOR + theirs;
}

/* ---- telling ---- */

void apart_keep_silent(bool silent)
{
    channel.silent = silent;
}

static size_t length_of(const struct output *output, long value)
{
    if (!output->as_returned)
        return output->size;
    return value < 0 ? 0 : (size_t)value < output->size ? (size_t)value : output->size;
}

long tell(const char *call, long value, const struct output *outputs)
{
    struct outcome outcome = {.value = value, .error = errno};

    if (channel.silent)
        return value;
    snprintf(outcome.call, sizeof(outcome.call), "%s", call);
    fwrite(&outcome, sizeof(outcome), 1, channel.out);
    for (; outputs->at; outputs++)
        fwrite(outputs->at, 1, length_of(outputs, value), channel.out);
    if (fflush(channel.out))
        give_up("the other program has gone");
    errno = outcome.error;
    return value;
}

long hear(const char *call, const struct output *outputs)
{
    struct outcome outcome;

    if (channel.silent)
        return 0;
    if (fread(&outcome, sizeof(outcome), 1, channel.in) != 1)
        give_up("the other program has gone");
    if (strcmp(outcome.call, call) != 0) {
        printf(" [%s here, %s there]\n", call, outcome.call);
        exit(1);
    }
    for (; outputs->at; outputs++)
        if (fread(outputs->at, 1, length_of(outputs, outcome.value), channel.in) !=
            length_of(outputs, outcome.value))
            give_up("the other program has gone");
    errno = outcome.error;
    return outcome.value;
}

/* ---- children and threads ---- */

pid_t __wrap_fork(void)
{
    struct channel of_the_child;
    pid_t child;

    if (!apart())
        return __real_fork();
    of_the_child = meet();
    child = __real_fork();
    if (child == 0)
        channel = of_the_child;
    else
        part(&of_the_child);
    return child;
}

struct beginning {
    void *(*routine)(void *);
    void *argument;
    struct channel channel;
};

static void *begin(void *of)
{
    struct beginning beginning = *(struct beginning *)of;
    void *result;

    free(of);
    channel = beginning.channel;
    result = beginning.routine(beginning.argument);
    part(&channel);
    return result;
}

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*routine)(void *), void *argument)
{
    struct beginning *beginning;

    if (!apart())
        return __real_pthread_create(thread, attributes, routine, argument);
    beginning = malloc(sizeof(*beginning));
    *beginning = (struct beginning){routine, argument, meet()};
    return __real_pthread_create(thread, attributes, begin, beginning);
}
