/* The subcommands of domsock. Each returns the exit code. */
#pragma once

#define CLI_EXIT_FAILED 1
#define CLI_EXIT_USAGE 2

#define CLI_RUN_DIR_DEFAULT "/run/domsock"

int cli_show(int argc, char **argv); /* links, streams, routes */
int cli_ls(int argc, char **argv);
int cli_ping(int argc, char **argv);
int cli_path(int argc, char **argv);
int cli_bench(int argc, char **argv);
int cli_nc(int argc, char **argv);
int cli_region(int argc, char **argv); /* region create, rm, show */
int cli_route(int argc, char **argv);
int cli_ctl(int argc, char **argv);
int cli_run(int argc, char **argv);

/* For a command that takes no arguments, and no other option. Nonzero: the exit code. */
int cli_run_dir(int argc, char **argv, const char **run_dir);
int cli_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
int cli_usage(const char *format, ...) __attribute__((format(printf, 1, 2)));
