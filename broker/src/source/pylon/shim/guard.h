// Keeps C++ exceptions on this side of the language border.
#pragma once

#include "shim.h"

#include <pylon/PylonIncludes.h>

#include <cstring>
#include <exception>

// Copies a text, cut off where it is too long.
inline void copy_text(char* to, size_t room, const char* text)
{
    std::strncpy(to, text == nullptr ? "" : text, room - 1);
    to[room - 1] = '\0';
}

// The camera is well and says no: not this value, or not now.
inline bool is_refusal(const Pylon::GenericException& error)
{
    return dynamic_cast<const GenICam::AccessException*>(&error) != nullptr
           || dynamic_cast<const GenICam::OutOfRangeException*>(&error) != nullptr
           || dynamic_cast<const GenICam::InvalidArgumentException*>(&error) != nullptr
           || dynamic_cast<const GenICam::PropertyException*>(&error) != nullptr;
}

// Runs something; false and its text if it throws, whatever it throws.
template <class Action>
bool guarded(fb_failure* failure, Action&& action) noexcept
{
    failure->is_refusal = 0;
    try
    {
        action();
        return true;
    }
    catch (const Pylon::GenericException& error)
    {
        failure->is_refusal = is_refusal(error) ? 1 : 0;
        copy_text(failure->text, sizeof failure->text, error.GetDescription());
    }
    catch (const std::exception& error)
    {
        copy_text(failure->text, sizeof failure->text, error.what());
    }
    catch (...)
    {
        copy_text(failure->text, sizeof failure->text, "pylon failed without saying why");
    }
    return false;
}
