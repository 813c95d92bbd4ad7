#include "daemon/opener_acts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/name.h"
#include "base/serial.h"
#include "base/socket.h"

#define DATA_PORT "domsock.data" /* as the testbed names it, and libvirt its socket */
#define SERVER_PATH_MAX (AGENT_PATH_MAX + WIRE_NAME_MAX + 16)

static int open_port(const char *path)
{
    return path ? serial_open(path) : -ENOENT;
}

/* The other end of a guest's port, by the port's name: whoever took over a host's agent must get at
 * no other socket there. What is connected to is what was looked at, and so no link to elsewhere.
 */
static int meet_guest(const struct options *options, const char *path)
{
    const char *slash = strrchr(path, '/');
    struct stat status;
    char found[32];
    int place, fd;

    if (!options->relay_address[0] || !slash || strcmp(slash + 1, DATA_PORT) != 0)
        return -EINVAL;
    place = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (place < 0)
        return -errno;
    snprintf(found, sizeof(found), "/proc/self/fd/%d", place);
    if (fstat(place, &status) == 0 && S_ISSOCK(status.st_mode))
        fd = socket_connect_unix(found, "");
    else
        fd = -ENOTSOCK;
    close(place);
    return fd;
}

/* A name that leads elsewhere than below RUN_DIR/self is none. */
static int server_path(const struct options *options, const struct opener_request *request,
                       char path[SERVER_PATH_MAX])
{
    if (export_name_fault(request->name, strlen(request->name)))
        return -EINVAL;
    snprintf(path, SERVER_PATH_MAX, "%s/self/%s", options->run_dir, request->name);
    return 0;
}

static int connect_to(const struct options *options, const struct opener_request *request)
{
    char path[SERVER_PATH_MAX];
    int error = server_path(options, request, path);

    return error ? error : socket_connect_unix(path, request->text);
}

static int make_pair(int type, int fds[2])
{
    if (type != SOCK_STREAM && type != SOCK_SEQPACKET)
        return -EINVAL;
    return socketpair(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) < 0 ? -errno : 0;
}

static int reaches(const struct options *options, const struct opener_request *request)
{
    char path[SERVER_PATH_MAX];
    int error = server_path(options, request, path);

    if (error)
        return error;
    /* permissions and ACLs, as the kernel judges them */
    return faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) < 0 ? -errno : 0;
}

static int act_as_user(const struct options *options, const struct opener_request *request,
                       int fds[2])
{
    struct remote_user user = options->remote_user;
    int error = domain_name_valid(request->domain) ? 0 : -EINVAL;

    if (error)
        return error;
    remote_user_find(&user, request->domain, &options->remote_user);
    error = remote_user_enter(&user);
    if (error)
        return error;
    if (request->act == OPENER_CONNECT)
        error = fds[0] = connect_to(options, request);
    else if (request->act == OPENER_PAIR)
        error = make_pair(request->type, fds);
    else
        error = reaches(options, request);
    remote_user_leave();
    return error;
}

static void end_texts(struct opener_request *request)
{
    request->domain[sizeof(request->domain) - 1] = '\0';
    request->name[sizeof(request->name) - 1] = '\0';
    request->text[sizeof(request->text) - 1] = '\0';
}

void opener_act(const struct options *options, struct opener_request *request,
                struct opener_answer *answer, int fds[2])
{
    int result = -EINVAL;

    *answer = (struct opener_answer){0};
    fds[0] = fds[1] = -1;
    end_texts(request);
    if (request->act == OPENER_OPEN_CTL)
        result = fds[0] = open_port(options->ctl);
    else if (request->act == OPENER_OPEN_DATA)
        result = fds[0] = open_port(options->data);
    else if (request->act == OPENER_OPEN_REGION)
        result = fds[0] = region_open(request->text, request->nonce, answer->path, answer->why);
    else if (request->act == OPENER_MEET_GUEST)
        result = fds[0] = meet_guest(options, request->text);
    else if (request->act <= OPENER_REACHES)
        result = act_as_user(options, request, fds);
    answer->error = result < 0 ? result : 0;
}
