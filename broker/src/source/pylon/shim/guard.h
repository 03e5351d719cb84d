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

// Runs something; false and its text if it throws, whatever it throws.
template <class Action>
bool guarded(fb_failure* failure, Action&& action) noexcept
{
    try
    {
        action();
        return true;
    }
    catch (const Pylon::GenericException& error)
    {
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
