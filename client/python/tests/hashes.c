/* Prints sequence and FNV-1a hash of every frame's bytes: hashes STREAM COUNT. */
#include <framebroker.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    fb_broker *broker;
    fb_subscription *subscription;
    if (argc != 3 || fb_broker_connect(NULL, &broker) != FB_OK || fb_subscribe(broker, argv[1], NULL, &subscription) != FB_OK) {
        fprintf(stderr, "%s\n", fb_last_error());
        return EXIT_FAILURE;
    }
    puts("subscribed");
    fflush(stdout);
    for (long left = atol(argv[2]); left > 0; left--) {
        fb_frame *frame;
        fb_frame_info info = FB_INIT(fb_frame_info);
        if (fb_subscription_next(subscription, 20000, &frame) != FB_OK || fb_frame_describe(frame, &info) != FB_OK) {
            fprintf(stderr, "%s\n", fb_last_error());
            return EXIT_FAILURE;
        }
        uint64_t hash = UINT64_C(0xcbf29ce484222325);
        for (size_t at = 0; at < info.data_bytes; at++)
            hash = (hash ^ info.data[at]) * UINT64_C(0x100000001b3);
        printf("%" PRIu64 " %016" PRIx64 "\n", info.sequence, hash);
        fflush(stdout);
        fb_frame_release(frame);
    }
    fb_subscription_close(subscription);
    fb_broker_close(broker);
    return EXIT_SUCCESS;
}
