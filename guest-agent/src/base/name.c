#include "base/name.h"

#include <string.h>

#include "abi/wire.h"

static const char *component_fault(const char *start, size_t length)
{
    if (!length)
        return "it has an empty component";
    if ((length == 1 && start[0] == '.') || (length == 2 && start[0] == '.' && start[1] == '.'))
        return "it has a \".\" or \"..\" component";
    return NULL;
}

const char *export_name_fault(const char *name, size_t length)
{
    size_t start = 0;

    if (!length)
        return "it is empty";
    if (length > WIRE_NAME_MAX)
        return "it is longer than 90 bytes";
    _Static_assert(WIRE_NAME_MAX == 90, "the text above names the limit");
    for (size_t i = 0; i <= length; i++) {
        const char *fault;

        if (i < length && (name[i] <= ' ' || name[i] > '~'))
            return "it has a space or a character outside printable ASCII";
        if (i < length && name[i] != '/')
            continue;
        fault = component_fault(name + start, i - start);
        if (fault)
            return fault;
        start = i + 1;
    }
    return NULL;
}

void text_clean(char *text)
{
    for (; *text; text++)
        if (*text < ' ' || *text > '~')
            *text = '?';
}

bool domain_name_valid(const char *name)
{
    size_t length = strlen(name);

    if (!length || length > WIRE_DOMAIN_NAME_MAX || name[0] == '.' || name[0] == '-')
        return false;
    if (strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") != length)
        return false;
    return strcmp(name, "self") != 0 && strcmp(name, DOMAIN_NAME_HOST) != 0 &&
           strcmp(name, "agent.sock") != 0 && strcmp(name, "shim.sock") != 0;
}
