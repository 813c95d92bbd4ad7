#include "shim/real.h"

#include <dlfcn.h>
#include <pthread.h>

static struct real functions;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void find(void)
{
#define FIND(type, name, arguments) *(void **)&functions.name = dlsym(RTLD_NEXT, #name);
    REAL_FUNCTIONS(FIND)
#undef FIND
}

const struct real *real(void)
{
    pthread_once(&once, find);
    return &functions;
}
