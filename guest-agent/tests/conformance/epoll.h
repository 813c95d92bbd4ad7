/* What the cases about epoll share. */
#pragma once

#include <stdint.h>
#include <sys/epoll.h>

#include "stage.h"

/* A busy stream has carried enough that it may be carried otherwise from then on. */
extern void (*make_ends)(int ends[2]);
void make_quiet(int ends[2]);
void make_busy(int ends[2]);
void chat(const int ends[2]);

void take(int fd, int count);
/* Everything that is there now, or comes soon. */
void take_all(int fd);
void fill(int fd);

void control(const char *what, int epoll, int operation, int fd, uint32_t events);
/* A new epoll that watches this. */
int watch(int fd, uint32_t events);
void soon(const char *what, int epoll);
void now(const char *what, int epoll);
void wait_for(const char *what, int epoll, int timeout_ms);
void end(const int ends[2], int epoll);
