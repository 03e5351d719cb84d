// Stand-in, see ../README.md: the grab engine. It keeps to what the real one promises about buffers.
#pragma once

#include "device.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

namespace standin
{
    struct Buffer
    {
        void* memory;
        size_t bytes;
        intptr_t context;
    };

    // The user's buffer factory, destroyed when neither the camera nor a buffer needs it any more.
    struct Factory
    {
        Factory(Pylon::IBufferFactory* factory, bool owned) : factory(factory), owned(owned) {}
        ~Factory()
        {
            if (owned)
            {
                factory->DestroyBufferFactory();
            }
        }
        Pylon::IBufferFactory* factory;
        bool owned;
    };

    // The buffers of one start. It lives on in the results that were not released when the grabbing stopped.
    class Pool
    {
    public:
        Pool(std::shared_ptr<Factory> factory, std::shared_ptr<Device> device) : m_factory(factory), m_device(device) {}
        ~Pool();
        void allocate(size_t count, size_t bytes);
        // The next buffer to be filled; false where there is none.
        bool take(Buffer& buffer);
        // A result was released.
        void give_back(const Buffer& buffer);
        // Buffers in results that are alive.
        size_t out();
        // The grabbing has stopped: what nobody has is freed, the rest when it is given back.
        void close();
        const std::shared_ptr<Device>& device() const { return m_device; }

    private:
        void free(const Buffer& buffer);
        std::mutex m_mutex;
        std::deque<Buffer> m_queue;
        size_t m_out = 0;
        bool m_closed = false;
        std::shared_ptr<Factory> m_factory;
        std::shared_ptr<Device> m_device;
    };
} // namespace standin

namespace Pylon
{
    struct GrabbedImage
    {
        ~GrabbedImage();
        std::shared_ptr<standin::Pool> pool;
        standin::Buffer buffer;
        uint32_t width, height, offset_x, offset_y, padding;
        size_t image_bytes, payload_bytes;
        EPixelType format;
        uint64_t block_id, ticks;
        uint32_t error;
        bool has_chunks;
        standin::NodeMap chunks;
    };

    // One instant camera.
    struct Engine
    {
        ~Engine();
        void start(size_t count);
        void stop();
        std::unique_ptr<GrabbedImage> wait(unsigned int timeout_ms);

        std::shared_ptr<standin::Device> device;
        std::shared_ptr<standin::Factory> factory;
        CDeviceInfo info;
        standin::NodeMap features;
        std::atomic<bool> grabbing{false};

    private:
        void run();
        void pause(std::chrono::steady_clock::time_point until);
        void begin_exposure();
        bool expose(double& exposure_us);
        void send(double exposure_us);
        std::unique_ptr<GrabbedImage> image(
            const standin::Buffer& buffer, uint64_t count, uint64_t block_id, double exposure_us);

        std::thread m_thread;
        std::mutex m_mutex;
        std::condition_variable m_news;
        std::shared_ptr<standin::Pool> m_pool;
        std::deque<std::unique_ptr<GrabbedImage>> m_done;
        std::string m_failure;
        bool m_ready = false, m_stopping = false;
        // A trigger that comes while it exposes is ignored.
        bool m_exposing = false;
        double m_exposure_us = 0;
        uint64_t m_count = 0, m_block_id = 0;
    };
} // namespace Pylon
