/*
 * A frame costs no allocation. Counts what this thread asks of malloc while it takes, describes and releases frames.
 *
 *     allocations SOCKET
 */
#include "check.h"

/* The C library's own, behind what is defined here. */
void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *pointer, size_t bytes);
void *__libc_memalign(size_t alignment, size_t bytes);

static _Thread_local unsigned long calls;

void *malloc(size_t bytes)
{
    calls++;
    return __libc_malloc(bytes);
}

void *calloc(size_t count, size_t bytes)
{
    calls++;
    return __libc_calloc(count, bytes);
}

void *realloc(void *pointer, size_t bytes)
{
    calls++;
    return __libc_realloc(pointer, bytes);
}

int posix_memalign(void **pointer, size_t alignment, size_t bytes)
{
    calls++;
    *pointer = __libc_memalign(alignment, bytes);
    return *pointer ? 0 : 12;
}

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    fb_broker *broker = connected(argv[1]);
    CHECK(calls > 0);
    fb_subscription *subscription;
    MUST(FB_OK, fb_subscribe(broker, "cam0", NULL, &subscription));
    /* The connection is looked at now and then, which may allocate: a series that fits between two looks shows what the
     * frames themselves cost. */
    unsigned long quietest = (unsigned long)-1;
    for (int series = 0; series < 50 && quietest > 0; series++) {
        unsigned long before = calls;
        for (int at = 0; at < 5; at++) {
            fb_frame *frame = next_frame(subscription), *other;
            fb_frame_info info = FB_INIT(fb_frame_info);
            MUST(FB_OK, fb_frame_describe(frame, &info));
            MUST(FB_OK, fb_frame_release(frame));
            fb_status status = fb_try_next(subscription, &other);
            if (status == FB_OK)
                MUST(FB_OK, fb_frame_release(other));
            else
                MUST(FB_EMPTY, status);
        }
        quietest = calls - before < quietest ? calls - before : quietest;
    }
    CHECK(quietest == 0);
    MUST(FB_OK, fb_subscription_close(subscription));
    MUST(FB_OK, fb_broker_close(broker));
    return EXIT_SUCCESS;
}
