// The buffer factory: hands the broker's segments to pylon.
#pragma once

#include <pylon/PylonIncludes.h>

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <vector>

// Buffers are numbered as pylon's own sample does it.
constexpr intptr_t FIRST_CONTEXT = 1000;

// The memory of the segments, by index. pylon's threads and ours look here, so it has a lock.
class Places
{
public:
    void offer(size_t index, void* memory, size_t bytes);
    bool forget();
    size_t lent() const;
    void* lend(size_t bytes, intptr_t& context);
    void take_back(void* memory, intptr_t context);

private:
    struct Place
    {
        void* memory = nullptr;
        size_t bytes = 0;
        bool is_lent = false;
    };

    mutable std::mutex m_mutex;
    std::vector<Place> m_places;
    size_t m_lent = 0;
};

// pylon calls it from any thread and deletes it when neither the camera nor a grab result needs it any more.
class SegmentFactory final : public Pylon::IBufferFactory
{
public:
    explicit SegmentFactory(std::shared_ptr<Places> places) : m_places(std::move(places)) {}
    ~SegmentFactory() override = default;
    void AllocateBuffer(size_t bufferSize, void** pCreatedBuffer, intptr_t& bufferContext) override;
    void FreeBuffer(void* pCreatedBuffer, intptr_t bufferContext) override;
    void DestroyBufferFactory() override { delete this; }

private:
    std::shared_ptr<Places> m_places;
};
