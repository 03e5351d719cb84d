// What is asked of a node whether it is a feature of the camera or a chunk of a frame.
#pragma once

#include "camera.h"

inline uint32_t kind_of(const GenApi::INode& node)
{
    switch (node.GetPrincipalInterfaceType())
    {
        case GenApi::intfIInteger:
            return FB_KIND_INTEGER;
        case GenApi::intfIFloat:
            return FB_KIND_FLOAT;
        case GenApi::intfIBoolean:
            return FB_KIND_BOOLEAN;
        case GenApi::intfIEnumeration:
            return FB_KIND_ENUMERATION;
        case GenApi::intfIString:
            return FB_KIND_TEXT;
        case GenApi::intfICommand:
            return FB_KIND_COMMAND;
        default:
            return FB_KIND_OTHER;
    }
}
