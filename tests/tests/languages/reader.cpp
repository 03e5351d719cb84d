// Reads and verifies frames, and does what lines on standard input say: `hold` keeps the next frame for ever, `stop` ends.
//
//     reader SOCKET
#include <framebroker.h>

#include <cstdint>
#include <exception>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>

#include <poll.h>

namespace {

void must(fb_status status)
{
    if (status != FB_OK)
        throw std::runtime_error(std::string(fb_status_name(status)) + ": " + fb_last_error());
}

template <typename T, fb_status (*End)(T *)> struct Ended {
    void operator()(T *handle) const { End(handle); }
};
using Broker = std::unique_ptr<fb_broker, Ended<fb_broker, fb_broker_close>>;
using Subscription = std::unique_ptr<fb_subscription, Ended<fb_subscription, fb_subscription_close>>;
using Frame = std::unique_ptr<fb_frame, Ended<fb_frame, fb_frame_release>>;

Broker connect(const char *socket)
{
    fb_connect_options options = FB_INIT(fb_connect_options);
    options.socket = socket;
    fb_broker *broker = nullptr;
    must(fb_broker_connect(&options, &broker));
    return Broker(broker);
}

Subscription subscribe(const Broker &broker)
{
    fb_subscription *subscription = nullptr;
    must(fb_subscribe(broker.get(), "cam0", nullptr, &subscription));
    return Subscription(subscription);
}

Frame next(const Subscription &subscription)
{
    fb_frame *frame = nullptr;
    fb_status status = fb_subscription_next(subscription.get(), 50, &frame);
    if (status != FB_TIMEOUT)
        must(status);
    return Frame(frame);
}

// The test pattern of PROTOCOL.md for Mono12: two bytes per pixel.
bool is_pattern(const fb_frame_info &info)
{
    if (info.pixel_format != FB_PIXEL_MONO12 || info.data_bytes != std::size_t{ 2 } * info.width * info.height)
        return false;
    const std::uint8_t *byte = info.data;
    for (std::uint64_t y = 0; y < info.height; y++)
        for (std::uint64_t x = 0; x < info.width; x++, byte += 2) {
            const std::uint64_t t = (x + y + 17 * info.sequence) % 256, value = (t << 4) | (t >> 4);
            if (byte[0] != value % 256 || byte[1] != value / 256)
                return false;
        }
    return true;
}

void say(const Subscription &subscription, const char *word, std::uint64_t context, std::uint64_t bad)
{
    fb_subscription_info info = FB_INIT(fb_subscription_info);
    must(fb_subscription_describe(subscription.get(), &info));
    std::cout << word << " context=" << context << " bad=" << bad << " received=" << info.received << " lost=" << info.lost
              << std::endl;
}

bool is_told()
{
    pollfd input{ 0, POLLIN, 0 };
    return poll(&input, 1, 0) > 0;
}

void read_frames(const char *socket)
{
    const Broker broker = connect(socket);
    const Subscription subscription = subscribe(broker);
    std::uint64_t bad = 0;
    std::string line;
    while (line != "stop") {
        if (const Frame frame = next(subscription)) {
            fb_frame_info info = FB_INIT(fb_frame_info);
            must(fb_frame_describe(frame.get(), &info));
            bad += is_pattern(info) ? 0 : 1;
            if (line == "hold") {
                say(subscription, "holding", info.context, bad);
                std::getline(std::cin, line);
            }
        }
        if (is_told())
            std::getline(std::cin, line);
    }
    say(subscription, "stopped", 0, bad);
}

} // namespace

int main(int argc, char **argv)
{
    try {
        if (argc != 2)
            throw std::invalid_argument("usage: reader SOCKET");
        read_frames(argv[1]);
        return 0;
    } catch (const std::exception &error) {
        std::cerr << error.what() << '\n';
        return 1;
    }
}
