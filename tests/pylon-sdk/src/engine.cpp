// Stand-in, see ../README.md.
#include "engine.h"

#include <cstring>
#include <sstream>

namespace standin
{
    static std::string line(const char* what, const Buffer& buffer)
    {
        std::ostringstream out;
        out << what << " context=" << buffer.context << " address=" << buffer.memory << " bytes=" << buffer.bytes;
        return out.str();
    }

    Pool::~Pool() { close(); }
    void Pool::allocate(size_t count, size_t bytes)
    {
        m_device->throw_if_told("allocate");
        for (size_t at = 0; at < count; ++at)
        {
            Buffer buffer = {nullptr, bytes, 0};
            m_factory->factory->AllocateBuffer(bytes, &buffer.memory, buffer.context);
            if (buffer.memory == nullptr)
            {
                fail("Failed to allocate a buffer. : RuntimeException");
            }
            m_device->note(line("allocate", buffer));
            std::lock_guard<std::mutex> lock(m_mutex);
            m_queue.push_back(buffer);
        }
    }
    bool Pool::take(Buffer& buffer)
    {
        std::lock_guard<std::mutex> lock(m_mutex);
        if (m_queue.empty())
        {
            return false;
        }
        buffer = m_queue.front();
        m_queue.pop_front();
        ++m_out;
        return true;
    }
    void Pool::give_back(const Buffer& buffer)
    {
        std::lock_guard<std::mutex> lock(m_mutex);
        --m_out;
        m_closed ? free(buffer) : m_queue.push_back(buffer);
    }
    size_t Pool::out()
    {
        std::lock_guard<std::mutex> lock(m_mutex);
        return m_out;
    }
    void Pool::close()
    {
        std::lock_guard<std::mutex> lock(m_mutex);
        m_closed = true;
        for (const auto& buffer : m_queue)
        {
            free(buffer);
        }
        m_queue.clear();
    }
    void Pool::free(const Buffer& buffer)
    {
        m_factory->factory->FreeBuffer(buffer.memory, buffer.context);
        m_device->note(line("free", buffer));
    }
} // namespace standin

namespace Pylon
{
    using namespace standin;
    using Clock = std::chrono::steady_clock;

    GrabbedImage::~GrabbedImage() { pool->give_back(buffer); }

    Engine::~Engine()
    {
        stop();
        if (device)
        {
            device->on_trigger = nullptr;
        }
    }

    // Buffers are allocated by the engine's own thread, which may throw.
    void Engine::start(size_t count)
    {
        device->throw_if_told("start");
        m_pool = std::make_shared<Pool>(factory, device);
        m_ready = m_stopping = m_exposing = false;
        m_failure.clear();
        m_count = 0;
        bool is_usb = device->settings.is("class", "BaslerUsb");
        m_block_id = uint64_t(device->settings.number("first_block", is_usb ? 0 : 1));
        device->on_trigger = [this] {
            std::lock_guard<std::mutex> lock(m_mutex);
            begin_exposure();
            m_news.notify_all();
        };
        size_t bytes = size_t(device->payload_bytes());
        m_thread = std::thread([this, count, bytes] {
            try
            {
                m_pool->allocate(count, bytes);
            }
            catch (const std::exception& error)
            {
                m_failure = error.what();
            }
            {
                std::lock_guard<std::mutex> lock(m_mutex);
                m_ready = true;
                m_news.notify_all();
            }
            m_failure.empty() ? run() : void();
        });
        std::unique_lock<std::mutex> lock(m_mutex);
        m_news.wait(lock, [this] { return m_ready; });
        grabbing = m_failure.empty();
        lock.unlock();
        device->lock_parameters(grabbing);
        if (!grabbing)
        {
            m_thread.join();
            m_pool.reset();
            fail(m_failure);
        }
    }

    void Engine::stop()
    {
        if (!grabbing)
        {
            return;
        }
        {
            std::lock_guard<std::mutex> lock(m_mutex);
            m_stopping = true;
            m_news.notify_all();
        }
        m_thread.join();
        grabbing = false;
        device->lock_parameters(false);
        m_done.clear();
        device->note("stopped out=" + std::to_string(m_pool->out()));
        m_pool->close();
        m_pool.reset();
    }

    std::unique_ptr<GrabbedImage> Engine::wait(unsigned int timeout_ms)
    {
        std::unique_lock<std::mutex> lock(m_mutex);
        m_news.wait_for(lock, std::chrono::milliseconds(timeout_ms), [this] { return !m_done.empty(); });
        if (m_done.empty())
        {
            return nullptr;
        }
        auto image = std::move(m_done.front());
        m_done.pop_front();
        return image;
    }

    void Engine::pause(Clock::time_point until)
    {
        std::unique_lock<std::mutex> lock(m_mutex);
        if (!device->is_triggered)
        {
            m_news.wait_until(lock, until, [this] { return m_stopping; });
            return;
        }
        // It may be told meanwhile to run freely.
        const auto look = std::chrono::milliseconds(20);
        while (device->is_triggered && !m_news.wait_for(lock, look, [this] { return m_stopping || m_exposing; }))
        {
        }
    }

    // With the exposure time that is set now. With the lock held.
    void Engine::begin_exposure()
    {
        if (!m_exposing)
        {
            m_exposing = true;
            m_exposure_us = device->exposure_us();
        }
    }

    // Whether it was exposed to its end, and for how long.
    bool Engine::expose(double& exposure_us)
    {
        std::unique_lock<std::mutex> lock(m_mutex);
        begin_exposure();
        exposure_us = m_exposure_us;
        m_news.wait_for(lock, std::chrono::nanoseconds(int64_t(exposure_us * 1e3)), [this] { return m_stopping; });
        m_exposing = false;
        return !m_stopping;
    }

    void Engine::run()
    {
        auto due = Clock::now();
        while (true)
        {
            due += std::chrono::nanoseconds(int64_t(1e9 / device->fps()));
            pause(due);
            double exposure_us;
            if (!expose(exposure_us))
            {
                return;
            }
            if (!device->is_removed())
            {
                send(exposure_us);
            }
        }
    }

    // One frame of the sensor: into a buffer where one is queued, else lost.
    void Engine::send(double exposure_us)
    {
        if (m_count == uint64_t(device->settings.number("frames", INT64_MAX)))
        {
            return; // silent from here on
        }
        uint64_t block_id = m_block_id++;
        if (m_block_id == 65536 && device->settings.text("class", "BaslerGigE") == "BaslerGigE")
        {
            m_block_id = 1;
        }
        ++m_count;
        auto every = [this](const char* key) {
            int64_t period = device->settings.number(key, 0);
            return period > 0 && m_count % uint64_t(period) == 0;
        };
        Buffer buffer;
        if (every("gap_every"))
        {
            return;
        }
        if (!m_pool->take(buffer))
        {
            ++device->stream_features.at<IntegerNode>("Statistic_Buffer_Underrun_Count").value;
            return;
        }
        auto done = image(buffer, m_count, block_id, exposure_us);
        done->error = every("incomplete_every") ? 0xE1000014u : every("error_every") ? 0xE1FF00FFu : 0u;
        std::lock_guard<std::mutex> lock(m_mutex);
        m_done.push_back(std::move(done));
        m_news.notify_all();
    }

    std::unique_ptr<GrabbedImage> Engine::image(
        const Buffer& buffer, uint64_t count, uint64_t block_id, double exposure_us)
    {
        auto done = std::make_unique<GrabbedImage>();
        auto integer = [this](const char* name) { return uint32_t(device->features.at<IntegerNode>(name).value); };
        done->pool = m_pool;
        done->buffer = buffer;
        done->width = integer("Width");
        done->height = integer("Height");
        done->offset_x = integer("OffsetX");
        done->offset_y = integer("OffsetY");
        done->padding = uint32_t(device->settings.number("padding", 0));
        done->image_bytes = size_t(device->image_bytes());
        done->payload_bytes = size_t(device->payload_bytes());
        done->format = EPixelType(device->features.at<EnumerationNode>("PixelFormat").code());
        bool counts = !device->settings.is("class", "BaslerCamEmu");
        done->block_id = counts ? block_id : UINT64_MAX;
        done->ticks = count * uint64_t(device->settings.number("ticks_per_frame", 1000));
        done->has_chunks = device->features.at<BooleanNode>("ChunkModeActive").value;

        // A ramp that moves with the block ID, as Aravis' simulated camera sends it.
        auto* row = static_cast<unsigned char*>(buffer.memory);
        size_t pitch = size_t(device->bytes_per_row());
        for (uint64_t y = 0; y < done->height; ++y, row += pitch)
        {
            for (uint64_t x = 0; x < pitch; ++x)
            {
                row[x] = (unsigned char)((x + y + (counts ? block_id : 0)) % 255);
            }
        }
        if (done->has_chunks)
        {
            std::memset(row, 0xC5, done->payload_bytes - done->image_bytes);
            auto& chunks = done->chunks;
            using namespace GENAPI_NAMESPACE;
            chunks.add<IntegerNode>("ChunkTimestamp", RO, int64_t(done->ticks), 0, INT64_MAX);
            chunks.add<IntegerNode>("ChunkFramecounter", RO, int64_t(count), 0, INT64_MAX);
            chunks.add<FloatNode>("ChunkExposureTime", RO, exposure_us, 0.0, 1e9);
            chunks.add<BooleanNode>("ChunkSyncLocked", RO, true);
            chunks.add<EnumerationNode>("ChunkPixelFormat", RO, device->features.at<EnumerationNode>("PixelFormat").value,
                                        std::vector<std::string>{"Mono8", "Mono12", "BayerRG8"});
            // Part of every map and without a value here, as in the real one.
            chunks.add<BooleanNode>("ChunkModeActive", NA, true);
            chunks.add<FloatNode>("ChunkGain", NA, 0.0, 0.0, 0.0);
        }
        return done;
    }
} // namespace Pylon
