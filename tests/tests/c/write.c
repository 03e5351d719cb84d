/*
 * Writes through the pointer to a frame, which the kernel does not allow: ends by SIGSEGV.
 *
 *     write SOCKET
 */
#include "check.h"

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    fb_broker *broker = connected(argv[1]);
    fb_subscription *subscription;
    MUST(FB_OK, fb_subscribe(broker, "cam0", NULL, &subscription));
    fb_frame_info info = FB_INIT(fb_frame_info);
    MUST(FB_OK, fb_frame_describe(next_frame(subscription), &info));
    puts("writing");
    fflush(stdout);
    *(volatile uint8_t *)info.data = 0;
    puts("written");
    return EXIT_SUCCESS;
}
