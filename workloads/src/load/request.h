/* A request is one piece of the pattern that says its own number; its answer is the complement. */
#pragma once

#include "../pattern.h"

enum { REQUEST = 64, REQUEST_WORDS = REQUEST / PATTERN_WORD };
