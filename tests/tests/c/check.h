/* Checks that end the program where they fail, and say what was found. */
#ifndef CHECK_H
#define CHECK_H

#include <framebroker.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                                          \
    do {                                                                                          \
        if (!(condition)) {                                                                       \
            fprintf(stderr, "%s:%d: %s; last error: %s\n", __FILE__, __LINE__, #condition, fb_last_error()); \
            exit(EXIT_FAILURE);                                                                   \
        }                                                                                         \
    } while (0)

/* The status of a call. */
#define MUST(expected, call)                                                                      \
    do {                                                                                          \
        fb_status status_ = (call);                                                               \
        if (status_ != (expected)) {                                                              \
            fprintf(stderr, "%s:%d: %s gave %s, not %s; last error: %s\n", __FILE__, __LINE__, #call, \
                    fb_status_name(status_), #expected, fb_last_error());                         \
            exit(EXIT_FAILURE);                                                                   \
        }                                                                                         \
    } while (0)

/* What the last error must advise. */
#define MUST_SAY(words) CHECK(strstr(fb_last_error(), (words)) != NULL)

static inline fb_broker *connected(const char *socket)
{
    fb_connect_options options = FB_INIT(fb_connect_options);
    options.socket = socket;
    options.name = "c-test";
    fb_broker *broker;
    MUST(FB_OK, fb_broker_connect(&options, &broker));
    return broker;
}

static inline fb_frame *next_frame(fb_subscription *subscription)
{
    fb_frame *frame;
    MUST(FB_OK, fb_subscription_next(subscription, 10000, &frame));
    return frame;
}

#endif
