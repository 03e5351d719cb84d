#include <memory>

#include "factory.h"

#include <string>

void Places::offer(size_t index, void* memory, size_t bytes)
{
    std::lock_guard<std::mutex> lock(m_mutex);
    if (m_places.size() <= index)
    {
        m_places.resize(index + 1);
    }
    m_places[index].memory = memory;
    m_places[index].bytes = bytes;
}

bool Places::forget()
{
    std::lock_guard<std::mutex> lock(m_mutex);
    if (m_lent > 0)
    {
        return false;
    }
    m_places.clear();
    return true;
}

size_t Places::lent() const
{
    std::lock_guard<std::mutex> lock(m_mutex);
    return m_lent;
}

void* Places::lend(size_t bytes, intptr_t& context)
{
    std::lock_guard<std::mutex> lock(m_mutex);
    for (size_t index = 0; index < m_places.size(); ++index)
    {
        Place& place = m_places[index];
        if (place.memory == nullptr || place.is_lent)
        {
            continue;
        }
        if (place.bytes < bytes)
        {
            throw RUNTIME_EXCEPTION(("pylon asks for buffers of " + std::to_string(bytes) + " bytes, the segments have "
                                     + std::to_string(place.bytes) + " for an image")
                                        .c_str());
        }
        place.is_lent = true;
        ++m_lent;
        context = FIRST_CONTEXT + static_cast<intptr_t>(index);
        return place.memory;
    }
    return nullptr;
}

void Places::take_back(void* memory, intptr_t context)
{
    std::lock_guard<std::mutex> lock(m_mutex);
    const auto index = static_cast<size_t>(context - FIRST_CONTEXT);
    if (index < m_places.size() && m_places[index].memory == memory && m_places[index].is_lent)
    {
        m_places[index].is_lent = false;
        --m_lent;
    }
}

// An exception here is pylon's to catch: StartGrabbing fails with it.
void SegmentFactory::AllocateBuffer(size_t bufferSize, void** pCreatedBuffer, intptr_t& bufferContext)
{
    *pCreatedBuffer = m_places->lend(bufferSize, bufferContext);
}

void SegmentFactory::FreeBuffer(void* pCreatedBuffer, intptr_t bufferContext)
{
    m_places->take_back(pCreatedBuffer, bufferContext);
}
