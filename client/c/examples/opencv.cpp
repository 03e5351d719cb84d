// Frames as cv::Mat without a copy: blurs each and prints its mean before and after.
//
//     c++ -std=c++17 opencv.cpp -I/usr/include/opencv4 $(pkg-config --cflags --libs framebroker)
//         -lopencv_imgproc -lopencv_core -o opencv
//     ./opencv [STREAM [COUNT]]
//
// The Mat shows the memory that the camera's driver wrote, which every program that reads the stream sees: it is mapped
// read-only. Writing through it (mat.at<…>() = …, cv::blur(mat, mat, …), mat.setTo(…)) is a segmentation fault. To modify an
// image, write into another Mat, as cv::blur(mat, blurred, …) does, or take a copy: mat.clone().
#include <framebroker.h>

#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>

#include <cstdlib>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>

namespace {

void check(fb_status status)
{
    if (status != FB_OK)
        throw std::runtime_error(std::string(fb_status_name(status)) + ": " + fb_last_error());
}

struct Release {
    void operator()(fb_broker *broker) const { fb_broker_close(broker); }
    void operator()(fb_subscription *subscription) const { fb_subscription_close(subscription); }
    void operator()(fb_frame *frame) const { fb_frame_release(frame); }
};
using Broker = std::unique_ptr<fb_broker, Release>;
using Subscription = std::unique_ptr<fb_subscription, Release>;

// A held frame and the Mat that shows it: the Mat must not outlive the frame, so they stay together.
class HeldImage {
public:
    explicit HeldImage(fb_subscription *subscription)
    {
        fb_frame *taken = nullptr;
        check(fb_subscription_next(subscription, FB_FOREVER, &taken));
        frame.reset(taken);
        check(fb_frame_describe(frame.get(), &info));
        // OpenCV knows no constant Mat of foreign memory. That nobody writes, the kernel sees to.
        void *data = const_cast<uint8_t *>(info.data);
        int rows = static_cast<int>(info.height), columns = static_cast<int>(info.width);
        image = cv::Mat(rows, columns, type(info.pixel_format), data, info.stride);
    }
    const cv::Mat &mat() const { return image; }
    uint64_t sequence() const { return info.sequence; }

private:
    // 10 and 12 bits lie in the low bits of 16. Packed and YUV formats have to be unpacked first.
    static int type(uint32_t pixel_format)
    {
        switch (pixel_format) {
        case FB_PIXEL_MONO8:
        case FB_PIXEL_BAYER_RG8:
        case FB_PIXEL_BAYER_GR8:
        case FB_PIXEL_BAYER_GB8:
        case FB_PIXEL_BAYER_BG8:
            return CV_8UC1;
        case FB_PIXEL_MONO10:
        case FB_PIXEL_MONO12:
        case FB_PIXEL_MONO16:
            return CV_16UC1;
        case FB_PIXEL_RGB8:
        case FB_PIXEL_BGR8:
            return CV_8UC3;
        case FB_PIXEL_RGBA8:
        case FB_PIXEL_BGRA8:
            return CV_8UC4;
        case FB_PIXEL_RGB16:
            return CV_16UC3;
        default:
            throw std::runtime_error("this example has no cv::Mat for pixel format " + std::to_string(pixel_format));
        }
    }

    std::unique_ptr<fb_frame, Release> frame;
    fb_frame_info info = FB_INIT(fb_frame_info);
    cv::Mat image;
};

void run(const char *stream, long count)
{
    fb_broker *connected = nullptr;
    check(fb_broker_connect(nullptr, &connected));
    Broker broker(connected);
    fb_subscribe_options options = FB_INIT(fb_subscribe_options);
    options.policy = FB_POLICY_LATEST;
    fb_subscription *subscribed = nullptr;
    check(fb_subscribe(broker.get(), stream, &options, &subscribed));
    Subscription subscription(subscribed);

    cv::Mat blurred;
    for (long taken = 0; taken < count || count == 0; taken++) {
        HeldImage held(subscription.get());
        cv::blur(held.mat(), blurred, cv::Size(5, 5));
        std::cout << "frame " << held.sequence() << ": mean " << cv::mean(held.mat())[0] << ", blurred "
                  << cv::mean(blurred)[0] << std::endl;
    }
}

} // namespace

int main(int argc, char **argv)
try {
    run(argc > 1 ? argv[1] : "cam0", argc > 2 ? std::atol(argv[2]) : 0);
    return EXIT_SUCCESS;
} catch (const std::exception &error) {
    std::cerr << error.what() << std::endl;
    return EXIT_FAILURE;
}
