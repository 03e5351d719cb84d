/*
 * framebroker for C++17 and later: framebroker.h with things that end themselves, exceptions, and times of std::chrono.
 *
 *     framebroker::Broker broker;
 *     framebroker::Subscription frames = broker.subscribe("cam0");
 *     while (std::optional<framebroker::Frame> frame = frames.next(std::chrono::seconds(1)))
 *         std::printf("frame %llu: %zu bytes\n", (unsigned long long)frame->info().sequence, frame->info().data_bytes);
 *
 * Things can be moved, not copied, and are given back when they are destroyed, in whatever order. What is not here is done by the
 * functions of framebroker.h: `get` gives the handle that they take, and `framebroker::check` throws where they fail.
 *
 * With OpenCV, include opencv2/core.hpp before this, or define FRAMEBROKER_OPENCV: framebroker::to_mat makes a frame a cv::Mat
 * without a copy.
 */
#ifndef FRAMEBROKER_HPP
#define FRAMEBROKER_HPP

#include "framebroker.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#if defined(FRAMEBROKER_OPENCV) && !defined(OPENCV_CORE_HPP)
#include <opencv2/core.hpp>
#endif

namespace framebroker {

/* What a function said that did not do what it was asked. what() tells what to do. */
class Error : public std::runtime_error {
public:
    Error(fb_status status, const char *text) : std::runtime_error(text), status_(status) {}
    fb_status status() const noexcept { return status_; }

private:
    fb_status status_;
};

/* Throws unless a call succeeded. */
inline void check(fb_status status)
{
    if (status != FB_OK)
        throw Error(status, fb_last_error());
}

/* Ends a handle. Only subscriptions, producers and synced subscriptions cannot be ended while another thread is in a call on them. */
struct End {
    void operator()(fb_broker *broker) const noexcept { static_cast<void>(fb_broker_close(broker)); }
    void operator()(fb_subscription *subscription) const noexcept { static_cast<void>(fb_subscription_close(subscription)); }
    void operator()(fb_frame *frame) const noexcept { static_cast<void>(fb_frame_release(frame)); }
    void operator()(fb_synced *synced) const noexcept { static_cast<void>(fb_synced_close(synced)); }
    void operator()(fb_features *features) const noexcept { static_cast<void>(fb_features_close(features)); }
    void operator()(fb_producer *producer) const noexcept { static_cast<void>(fb_producer_close(producer)); }
    void operator()(fb_blank *blank) const noexcept { static_cast<void>(fb_blank_drop(blank)); }
};

/* A handle that is ended when this is destroyed: framebroker::Handle<fb_producer>. */
template <typename T> using Handle = std::unique_ptr<T, End>;

/* Milliseconds as the functions of framebroker.h take them, rounded up: a short wait is not none. */
template <typename Rep, typename Period> std::int64_t milliseconds(std::chrono::duration<Rep, Period> time)
{
    using Exact = std::chrono::duration<double, std::milli>;
    const double exact = std::chrono::duration_cast<Exact>(time).count();
    /* Whoever waits for so long waits for ever; what is no time is one that is refused. */
    if (exact >= 9e15)
        return FB_FOREVER;
    if (!(exact >= 0))
        throw Error(FB_ERROR_ARGUMENT, "a time to wait is 0 or more");
    const std::int64_t whole = static_cast<std::int64_t>(exact);
    return static_cast<double>(whole) < exact ? whole + 1 : whole;
}

/* A frame that is held: its bytes stay as they are while this lives. */
class Frame {
public:
    explicit Frame(Handle<fb_frame> frame) : frame_(std::move(frame)), info_(FB_INIT(fb_frame_info))
    {
        check(fb_frame_describe(frame_.get(), &info_));
    }

    const fb_frame_info &info() const noexcept { return info_; }
    /* The image, read-only: rows of info().stride bytes. */
    const std::uint8_t *data() const noexcept { return info_.data; }
    std::size_t size() const noexcept { return info_.data_bytes; }
    /* The pixels of a row and how many bytes they are. */
    std::pair<const std::uint8_t *, std::size_t> row(std::uint32_t y) const
    {
        std::pair<const std::uint8_t *, std::size_t> row;
        check(fb_frame_row(frame_.get(), y, &row.first, &row.second));
        return row;
    }
    /* When the frame was complete in memory. */
    std::chrono::steady_clock::time_point monotonic() const noexcept
    {
        return std::chrono::steady_clock::time_point(std::chrono::nanoseconds(info_.monotonic_ns));
    }
    /* What names this frame among those of all streams and brokers: to be handed to another process. */
    fb_frame_ref reference() const
    {
        fb_frame_ref reference;
        check(fb_frame_reference(frame_.get(), &reference));
        return reference;
    }

    fb_frame *get() const noexcept { return frame_.get(); }
    /* Lets go of the frame without giving it back: the caller does that. */
    fb_frame *release() noexcept { return frame_.release(); }

private:
    Handle<fb_frame> frame_;
    fb_frame_info info_;
};

/* Frames of one stream. For one thread at a time. */
class Subscription {
public:
    explicit Subscription(Handle<fb_subscription> subscription) : subscription_(std::move(subscription)) {}

    /* Waits for the next frame as long as it takes. */
    Frame next()
    {
        Handle<fb_frame> frame;
        check(take([&](fb_frame **place) { return fb_subscription_next(get(), FB_FOREVER, place); }, frame));
        return Frame(std::move(frame));
    }
    /* The next frame, nothing if none comes within that time. */
    template <typename Rep, typename Period> std::optional<Frame> next(std::chrono::duration<Rep, Period> timeout)
    {
        const std::int64_t ms = milliseconds(timeout);
        return maybe([&](fb_frame **place) { return fb_subscription_next(get(), ms, place); });
    }
    /* The next frame that was exposed with a setting or a later one, nothing if none comes within that time. */
    template <typename Rep, typename Period>
    std::optional<Frame> next_with(const fb_setting &setting, std::chrono::duration<Rep, Period> timeout)
    {
        const std::int64_t ms = milliseconds(timeout);
        return maybe([&](fb_frame **place) { return fb_subscription_next_with(get(), setting.version, ms, place); });
    }
    /* The next frame if there is one now; never waits. */
    std::optional<Frame> try_next()
    {
        return maybe([&](fb_frame **place) { return fb_subscription_try_next(get(), place); });
    }
    /* The frame of an address. */
    Frame acquire(const fb_frame_ref &reference)
    {
        Handle<fb_frame> frame;
        check(take([&](fb_frame **place) { return fb_subscription_acquire_ref(get(), &reference, place); }, frame));
        return Frame(std::move(frame));
    }
    /* Readable when try_next may have something to say: see fb_subscription_fd. */
    int fd() const
    {
        int fd = -1;
        check(fb_subscription_fd(get(), &fd));
        return fd;
    }
    fb_subscription_info info() const
    {
        fb_subscription_info info = FB_INIT(fb_subscription_info);
        check(fb_subscription_describe(get(), &info));
        return info;
    }

    fb_subscription *get() const noexcept { return subscription_.get(); }

private:
    template <typename Call> static fb_status take(Call call, Handle<fb_frame> &frame)
    {
        fb_frame *taken = nullptr;
        const fb_status status = call(&taken);
        frame.reset(taken);
        return status;
    }
    template <typename Call> static std::optional<Frame> maybe(Call call)
    {
        Handle<fb_frame> frame;
        const fb_status status = take(call, frame);
        if (status == FB_TIMEOUT || status == FB_EMPTY)
            return std::nullopt;
        check(status);
        return Frame(std::move(frame));
    }

    Handle<fb_subscription> subscription_;
};

/* A connection to a broker. Threads may share it. */
class Broker {
public:
    /* Connects to the broker that is found where fb_connect_options says. */
    Broker() : Broker(FB_INIT(fb_connect_options)) {}
    explicit Broker(const fb_connect_options &options)
    {
        fb_broker *broker = nullptr;
        check(fb_broker_connect(&options, &broker));
        broker_.reset(broker);
    }

    Subscription subscribe(const std::string &stream, const fb_subscribe_options &options = FB_INIT(fb_subscribe_options)) const
    {
        fb_subscription *subscription = nullptr;
        check(fb_subscribe(get(), stream.c_str(), &options, &subscription));
        return Subscription(Handle<fb_subscription>(subscription));
    }
    std::vector<fb_stream_info> streams() const
    {
        return list<fb_stream_info>([&](fb_stream_info *places, std::size_t capacity, std::size_t *count) {
            return fb_broker_streams(get(), places, capacity, count);
        });
    }
    std::vector<fb_stream_stats> stats() const
    {
        return list<fb_stream_stats>([&](fb_stream_stats *places, std::size_t capacity, std::size_t *count) {
            return fb_broker_stats(get(), places, capacity, count);
        });
    }
    /* How long the broker takes to answer. */
    std::chrono::nanoseconds ping() const
    {
        std::uint64_t ns = 0;
        check(fb_broker_ping(get(), &ns));
        return std::chrono::nanoseconds(ns);
    }
    /* Sets a feature to a whole number, a floating-point number, true or false, or a text; tells what came of it. */
    template <typename T> fb_setting set(const std::string &stream, const std::string &feature, const T &value) const
    {
        fb_setting setting = FB_INIT(fb_setting);
        if constexpr (std::is_same_v<T, bool>)
            check(fb_feature_set_boolean(get(), stream.c_str(), feature.c_str(), value, &setting));
        else if constexpr (std::is_integral_v<T>) {
            if constexpr (std::is_unsigned_v<T>)
                if (value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
                    throw Error(FB_ERROR_ARGUMENT, "the value is larger than any feature's: 2^63 - 1 at most");
            check(fb_feature_set_integer(get(), stream.c_str(), feature.c_str(), static_cast<std::int64_t>(value), &setting));
        } else if constexpr (std::is_floating_point_v<T>)
            check(fb_feature_set_float(get(), stream.c_str(), feature.c_str(), static_cast<double>(value), &setting));
        else
            check(fb_feature_set_text(get(), stream.c_str(), feature.c_str(), std::string(value).c_str(), &setting));
        return setting;
    }
    fb_setting execute(const std::string &stream, const std::string &command) const
    {
        fb_setting setting = FB_INIT(fb_setting);
        check(fb_feature_execute(get(), stream.c_str(), command.c_str(), &setting));
        return setting;
    }

    fb_broker *get() const noexcept { return broker_.get(); }

private:
    /* As many as there are, though more come while they are asked for. */
    template <typename T, typename Call> static std::vector<T> list(Call call)
    {
        std::vector<T> found;
        std::size_t count = 0;
        check(call(nullptr, 0, &count));
        while (found.size() < count) {
            found.assign(count, FB_INIT_OF<T>());
            check(call(found.data(), found.size(), &count));
        }
        found.resize(count);
        return found;
    }
    template <typename T> static T FB_INIT_OF() { return FB_INIT(T); }

    Handle<fb_broker> broker_;
};

#ifdef OPENCV_CORE_HPP

/* The type of a cv::Mat for a pixel format. 10 and 12 bits lie in the low bits of 16. */
inline int mat_type(std::uint32_t pixel_format)
{
    switch (pixel_format) {
    case FB_PIXEL_MONO8: case FB_PIXEL_BAYER_RG8: case FB_PIXEL_BAYER_GR8: case FB_PIXEL_BAYER_GB8: case FB_PIXEL_BAYER_BG8:
        return CV_8UC1;
    case FB_PIXEL_MONO10: case FB_PIXEL_MONO12: case FB_PIXEL_MONO16:
    case FB_PIXEL_BAYER_GR10: case FB_PIXEL_BAYER_RG10: case FB_PIXEL_BAYER_GB10: case FB_PIXEL_BAYER_BG10:
    case FB_PIXEL_BAYER_GR12: case FB_PIXEL_BAYER_RG12: case FB_PIXEL_BAYER_GB12: case FB_PIXEL_BAYER_BG12:
    case FB_PIXEL_BAYER_GR16: case FB_PIXEL_BAYER_RG16: case FB_PIXEL_BAYER_GB16: case FB_PIXEL_BAYER_BG16:
        return CV_16UC1;
    case FB_PIXEL_RGB8: case FB_PIXEL_BGR8:
        return CV_8UC3;
    case FB_PIXEL_RGBA8: case FB_PIXEL_BGRA8:
        return CV_8UC4;
    case FB_PIXEL_RGB16:
        return CV_16UC3;
    default:
        throw Error(FB_ERROR_ARGUMENT, "no cv::Mat can show this pixel format: packed and YUV formats have to be unpacked first");
    }
}

/* What a cv::Mat asks to free its memory: gives the frame back. */
class FrameAllocator : public cv::MatAllocator {
public:
    static const FrameAllocator *instance()
    {
        /* Never freed: a Mat may live until the very end of the program. */
        static const FrameAllocator *const allocator = new FrameAllocator;
        return allocator;
    }
    cv::UMatData *allocate(int dims, const int *sizes, int type, void *data, std::size_t *step, cv::AccessFlag flags,
                           cv::UMatUsageFlags usage) const override
    {
        return cv::Mat::getStdAllocator()->allocate(dims, sizes, type, data, step, flags, usage);
    }
    bool allocate(cv::UMatData *data, cv::AccessFlag flags, cv::UMatUsageFlags usage) const override
    {
        return cv::Mat::getStdAllocator()->allocate(data, flags, usage);
    }
    void deallocate(cv::UMatData *data) const override
    {
        End()(static_cast<fb_frame *>(data->userdata));
        delete data;
    }
};

/*
 * A frame as a cv::Mat, without a copy. The Mat and its copies, parts and headers keep the frame, which is given back with the last
 * of them. The memory is read-only: writing there, as in mat.setTo(…), is a segmentation fault; write into another Mat, or clone().
 */
inline cv::Mat to_mat(Frame frame)
{
    const fb_frame_info info = frame.info();
    const int type = mat_type(info.pixel_format);
    auto data = std::make_unique<cv::UMatData>(FrameAllocator::instance());
    /* OpenCV knows no constant Mat of foreign memory. That nobody writes, the kernel sees to. */
    auto *bytes = const_cast<std::uint8_t *>(info.data);
    cv::Mat mat(static_cast<int>(info.height), static_cast<int>(info.width), type, bytes, info.stride);
    data->data = data->origdata = bytes;
    data->size = info.data_bytes;
    data->userdata = frame.release();
    mat.u = data.release();
    mat.addref();
    return mat;
}

#endif

} // namespace framebroker

#endif
