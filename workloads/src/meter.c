#include "meter.h"

static void note(struct meter *meter, uint64_t now_ns)
{
    uint64_t gap = now_ns - meter->last_ns;
    if (gap > meter->interval_ns)
        meter->interval_ns = gap;
    if (gap > meter->longest_ns)
        meter->longest_ns = gap;
}

void meter_want(struct meter *meter, uint64_t now_ns)
{
    if (meter->running)
        return;
    meter->running = true;
    meter->last_ns = now_ns;
}

void meter_progress(struct meter *meter, uint64_t now_ns)
{
    if (meter->running)
        note(meter, now_ns);
    meter->last_ns = now_ns;
}

void meter_rest(struct meter *meter)
{
    meter->running = false;
}

uint64_t meter_sample(struct meter *meter, uint64_t now_ns)
{
    if (meter->running)
        note(meter, now_ns);
    uint64_t longest = meter->interval_ns;
    meter->interval_ns = 0;
    return longest;
}
