// framebroker.hpp: things end themselves, errors are exceptions, a cv::Mat keeps its frame.
//
//     things SOCKET, of a broker with the test pattern in Mono8
#include <opencv2/core.hpp>

#include <framebroker.hpp>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <type_traits>

using namespace std::chrono_literals;
using framebroker::Broker;
using framebroker::Frame;
using framebroker::Subscription;

#define CHECK(condition)                                                            \
    do {                                                                            \
        if (!(condition)) {                                                         \
            std::fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);    \
            std::exit(EXIT_FAILURE);                                                \
        }                                                                           \
    } while (0)

static_assert(!std::is_copy_constructible_v<Broker> && std::is_nothrow_move_constructible_v<Broker>);
static_assert(!std::is_copy_constructible_v<Subscription> && std::is_nothrow_move_constructible_v<Subscription>);
static_assert(!std::is_copy_constructible_v<Frame> && std::is_nothrow_move_assignable_v<Frame>);

// The test pattern in Mono8, by PROTOCOL.md ("Test pattern") alone.
static bool is_pattern(const Frame &frame)
{
    const fb_frame_info &info = frame.info();
    for (size_t at = 0; at < frame.size(); at++)
        if (frame.data()[at] != static_cast<uint8_t>(at % info.width + at / info.width + 17 * info.sequence))
            return false;
    return frame.size() == size_t{info.width} * info.height;
}

template <typename Call> static void must_throw(fb_status status, const char *words, Call call)
{
    try {
        call();
    } catch (const framebroker::Error &error) {
        CHECK(error.status() == status && std::strstr(error.what(), words) != nullptr);
        return;
    }
    CHECK(!"an exception");
}

static Broker connected(const char *socket)
{
    fb_connect_options options = FB_INIT(fb_connect_options);
    options.socket = socket;
    options.control = 1;
    return Broker(options);
}

static Subscription subscribed(const Broker &broker, uint32_t max_held)
{
    fb_subscribe_options options = FB_INIT(fb_subscribe_options);
    options.max_held = max_held;
    return broker.subscribe("cam0", options);
}

static void frames_are_given_back_by_themselves(const Broker &broker)
{
    Subscription frames = subscribed(broker, 1);
    for (int round = 0; round < 20; round++) {
        Frame frame = frames.next();
        CHECK(is_pattern(frame));
        CHECK(frame.row(1).first == frame.data() + frame.info().stride && frame.row(1).second == frame.info().width);
        CHECK(frame.monotonic() <= std::chrono::steady_clock::now());
        Frame moved = std::move(frame);
        CHECK(frames.info().held == 1);
        must_throw(FB_ERROR_FULL, "", [&] { frames.next(1s); });
    }
    CHECK(frames.info().held == 0 && frames.info().received == 20);
    std::optional<Frame> outlives = frames.next(10s);
    CHECK(outlives);
    const fb_frame_ref reference = outlives->reference();
    {
        Subscription ends = std::move(frames);
    }
    CHECK(is_pattern(*outlives));
    Subscription others = subscribed(broker, 1);
    CHECK(others.acquire(reference).info().sequence == outlives->info().sequence);
}

static void nothing_is_no_exception(const Broker &broker)
{
    Subscription frames = subscribed(broker, 2);
    while (frames.try_next()) {
    }
    CHECK(frames.fd() >= 0);
    CHECK(frames.next(10s));
    CHECK(frames.next(std::chrono::hours::max()));
    must_throw(FB_ERROR_ARGUMENT, "0 or more", [&] { frames.next(-1ms); });
    CHECK(framebroker::milliseconds(1ns) == 1 && framebroker::milliseconds(0s) == 0);
    CHECK(framebroker::milliseconds(2s) == 2000 && framebroker::milliseconds(1500us) == 2);
}

static void brokers_answer(const Broker &broker)
{
    CHECK(broker.streams().size() == 1 && std::strcmp(broker.streams()[0].name, "cam0") == 0);
    CHECK(broker.stats()[0].published > 0 && broker.ping() > 0ns);
    must_throw(FB_ERROR_UNKNOWN_STREAM, "cam0", [&] { broker.subscribe("cam7"); });
    must_throw(FB_ERROR_UNKNOWN_FEATURE, "Width", [&] { broker.set("cam0", "Widht", 3); });
    must_throw(FB_ERROR_NO_BROKER, "/nonexistent/s", [] { connected("/nonexistent/s"); });
}

static void settings_have_types(const Broker &broker)
{
    Subscription frames = subscribed(broker, 1);
    broker.set("cam0", "AcquisitionFrameRate", 150.0);
    broker.set("cam0", "DeviceUserID", "left");
    broker.set("cam0", "DeviceUserID", std::string("right"));
    broker.execute("cam0", "TimestampReset");
    must_throw(FB_ERROR_ARGUMENT, "2^63", [&] { broker.set("cam0", "OffsetX", UINT64_MAX); });
    const fb_setting setting = broker.set("cam0", "OffsetX", 4u);
    std::optional<Frame> frame = frames.next_with(setting, 10s);
    CHECK(frame && frame->info().settings_version >= setting.version && frame->info().offset_x == 4);
}

static void a_mat_keeps_its_frame(const Broker &broker)
{
    Subscription frames = subscribed(broker, 2);
    cv::Mat part;
    {
        Frame frame = frames.next();
        const uint8_t *data = frame.data();
        const cv::Mat mat = framebroker::to_mat(std::move(frame));
        CHECK(mat.data == data && mat.type() == CV_8UC1 && frames.info().held == 1);
        const cv::Mat copy = mat;
        part = copy(cv::Rect(1, 1, 8, 8));
        CHECK(part.data == data + mat.step[0] + 1);
        CHECK(cv::countNonZero(mat.clone() != mat) == 0);
    }
    CHECK(frames.info().held == 1);
    part = cv::Mat();
    CHECK(frames.info().held == 0);
    cv::Mat again = framebroker::to_mat(frames.next());
    again.create(3, 3, CV_8UC1);
    again.setTo(0);
    CHECK(frames.info().held == 0);
    cv::Mat outlives = framebroker::to_mat(frames.next());
    {
        Subscription ends = std::move(frames);
    }
    CHECK(cv::mean(outlives)[0] > 0);
}

int main(int, char **argv)
{
    const Broker broker = connected(argv[1]);
    frames_are_given_back_by_themselves(broker);
    nothing_is_no_exception(broker);
    brokers_answer(broker);
    settings_have_types(broker);
    a_mat_keeps_its_frame(broker);
    return EXIT_SUCCESS;
}
