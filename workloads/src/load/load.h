/* What the programs of `load` share. Exit codes as the oracle's. */
#pragma once

#include <signal.h>
#include <stdint.h>

enum exit_code { CLEAN = 0, WRONG = 1, USAGE = 2, BROKEN = 3 };

/* How often SIGTERM or SIGINT came; without catch_stop they end the program. */
extern volatile sig_atomic_t stops;
void catch_stop(void);

/* One line on standard error; returns `code`. */
enum exit_code complain(enum exit_code code, const char *what, const char *where, const char *why);

/* The value of `--name` in the arguments, or `fallback`. */
const char *text_option(char **arguments, const char *name, const char *fallback);

/* The same as a number; one that is none ends the program with USAGE. */
uint64_t number_option(char **arguments, const char *name, uint64_t fallback);

enum exit_code serve(char **arguments);
enum exit_code talk(char **arguments);
enum exit_code pour(char **arguments);
enum exit_code drain(char **arguments);
enum exit_code pages(char **arguments);
enum exit_code ask(char **arguments);
enum exit_code harvest(char **arguments);
