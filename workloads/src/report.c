#include "report.h"
#include "clock.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/wait.h>

int report_init(struct report *report, const char *path)
{
    *report = (struct report){0};
    if (!path)
        return 0;
    report->file = fopen(path, "we");
    if (report->file)
        return 0;
    fprintf(stderr, "oracle: cannot write the report (%s): %s\n", path, strerror(errno));
    return 1;
}

static double ms(uint64_t ns)
{
    return (double)ns / NS_PER_MS;
}

/* Each line is out before the next thing happens: a killed oracle leaves all its samples. */
static void end_line(struct report *report, FILE *out)
{
    fputs("}\n", out);
    report->failed |= fflush(out) != 0 || ferror(out);
}

static void put_stalls(FILE *out, const struct meter *sending, const struct meter *receiving)
{
    fprintf(out, ", \"longest_send_stall_ms\": %.3f, \"longest_receive_stall_ms\": %.3f",
            ms(sending->longest_ns), ms(receiving->longest_ns));
}

void report_sample(struct report *report, uint64_t now_ns, uint64_t sent,
                   const struct verifier *verifier, struct meter *sending, struct meter *receiving)
{
    double send_stall = ms(meter_sample(sending, now_ns));
    double receive_stall = ms(meter_sample(receiving, now_ns));
    FILE *out = report->file;
    if (!out)
        return;
    fprintf(out,
            "{\"monotonic_ns\": %" PRIu64 ", \"sent\": %" PRIu64 ", \"verified\": %" PRIu64
            ", \"ended\": %s, \"send_stall_ms\": %.3f, \"receive_stall_ms\": %.3f",
            now_ns, sent, verifier->verified, verifier->ended ? "true" : "false", send_stall,
            receive_stall);
    put_stalls(out, sending, receiving);
    end_line(report, out);
}

static void put_verdict(FILE *out, const struct verifier *verifier)
{
    static const struct verifier nothing;
    const struct verifier *v = verifier ? verifier : &nothing;
    fprintf(out,
            ", \"bytes_verified\": %" PRIu64 ", \"lost\": %" PRIu64 ", \"duplicated\": %" PRIu64
            ", \"reordered\": %" PRIu64 ", \"corrupted\": %" PRIu64 ", \"ended\": %s",
            v->verified, verifier_lost(v), v->duplicated, v->reordered, v->corrupted,
            v->ended ? "true" : "false");
    if (v->failed)
        fprintf(out, ", \"first_error_offset\": %" PRIu64, v->first_error);
    else
        fputs(", \"first_error_offset\": null", out);
}

static void put_child(FILE *out, int status)
{
    if (status < 0)
        fputs(", \"child_status\": null", out);
    else
        fprintf(out, ", \"child_status\": %d",
                WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status));
}

void report_final(struct report *report, const struct result *result)
{
    FILE *out = report->file ? report->file : stdout;
    uint64_t send_ns = result->sending->longest_ns, receive_ns = result->receiving->longest_ns;
    fprintf(out, "{\"final\": true, \"monotonic_ns\": %" PRIu64 ", \"seconds\": %.3f",
            result->now_ns, ms(result->now_ns - result->began_ns) / 1000);
    fprintf(out, ", \"bytes_sent\": %" PRIu64, result->sent);
    put_verdict(out, result->verifier);
    fprintf(out, ", \"longest_stall_ms\": %.3f", ms(send_ns > receive_ns ? send_ns : receive_ns));
    put_stalls(out, result->sending, result->receiving);
    put_child(out, result->child_status);
    fprintf(out, ", \"eof\": %s", result->eof ? "true" : "false");
    if (result->error)
        fprintf(out, ", \"error\": \"%s\"", result->error);
    else
        fputs(", \"error\": null", out);
    end_line(report, out);
}

int report_deinit(struct report *report)
{
    if (report->file && fclose(report->file) != 0)
        report->failed = true;
    if (report->failed)
        fprintf(stderr, "oracle: the report is not complete: a line could not be written\n");
    return report->failed;
}
