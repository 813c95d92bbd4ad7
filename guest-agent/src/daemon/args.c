#include "daemon/args.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/hex.h"

void args_fault(struct args *args, const char *format, ...)
{
    va_list list;

    if (args->fault[0])
        return;
    va_start(list, format);
    vsnprintf(args->fault, sizeof(args->fault), format, list);
    va_end(list);
}

const char *args_text_or_null(struct args *args, const char *field, size_t length_max)
{
    const json_t *value = json_object_get(args->request, field);

    if (!value || json_is_null(value))
        return NULL;
    if (json_is_string(value) && json_string_length(value) &&
        json_string_length(value) <= length_max)
        return json_string_value(value);
    args_fault(args, "\"%s\" must be a text of 1 to %zu bytes", field, length_max);
    return NULL;
}

const char *args_text(struct args *args, const char *field, size_t length_max)
{
    const char *text = args_text_or_null(args, field, length_max);

    if (!text)
        args_fault(args, "\"%s\" is missing: a text of 1 to %zu bytes", field, length_max);
    return text;
}

uint64_t args_number_or(struct args *args, const char *field, uint64_t min, uint64_t max,
                        uint64_t absent)
{
    const json_t *value = json_object_get(args->request, field);
    json_int_t number = json_integer_value(value);

    if (!value)
        return absent;
    if (json_is_integer(value) && number >= 0 && (uint64_t)number >= min && (uint64_t)number <= max)
        return (uint64_t)number;
    args_fault(args, "\"%s\" must be a whole number from %" PRIu64 " to %" PRIu64, field, min, max);
    return min;
}

uint64_t args_number(struct args *args, const char *field, uint64_t min, uint64_t max)
{
    if (!json_object_get(args->request, field))
        args_fault(args, "\"%s\" is missing: a whole number from %" PRIu64 " to %" PRIu64, field,
                   min, max);
    return args_number_or(args, field, min, max, min);
}

void args_hex(struct args *args, const char *field, uint8_t *bytes, size_t size)
{
    const char *text = args_text_or_null(args, field, 2 * size);

    if (!text || hex_decode(bytes, size, text) < 0)
        args_fault(args, "\"%s\" must be %zu bytes in hexadecimal", field, size);
}
